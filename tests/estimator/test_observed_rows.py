"""Missing cells and measurement errors as users give them, and what they are told of them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mixtura import GaussianMixtureModel, Gibbs, MixtureImputer, load, select
from mixtura.errors import DataError, InterruptedWarning, InvalidArgumentError
from mixtura.inference import CollapsedGibbs
from mixtura.priors import DirichletProcess

NAMES = ["height", "width", "depth"]


@pytest.fixture(scope="module")
def complete() -> np.ndarray:
    """Return two groups of rows."""
    rng = np.random.default_rng(1)
    root = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.5, 0.2, 0.7]])
    return rng.standard_normal((160, 3)) @ root.T + 6.0 * (np.arange(160) % 2)[:, None]


@pytest.fixture(scope="module")
def gapped(complete: np.ndarray) -> np.ndarray:
    """Return the same with holes, one row without any cell."""
    rows = complete.copy()
    rows[np.random.default_rng(2).random(rows.shape) < 0.2] = np.nan
    rows[9] = np.nan
    return rows


@pytest.fixture(scope="module")
def gmm(gapped: np.ndarray) -> GaussianMixtureModel:
    return GaussianMixtureModel(2).fit(gapped)


def counts(rows: np.ndarray) -> tuple[int, int]:
    """Return how many cells of rows that have some are missing, and in how many rows."""
    missing = np.isnan(rows)[~np.isnan(rows).all(axis=1)]
    return int(missing.sum()), int(missing.any(axis=1).sum())


def test_frames_with_nulls_are_arrays_with_nans(
    gapped: np.ndarray, gmm: GaussianMixtureModel
) -> None:
    frames = (
        pd.DataFrame(gapped, columns=NAMES),
        pd.DataFrame(gapped, columns=NAMES).convert_dtypes(),
        pl.DataFrame(gapped, schema=NAMES).fill_nan(None),
    )
    for frame in frames:
        other = GaussianMixtureModel(2).fit(frame)
        np.testing.assert_array_equal(other.means_, gmm.means_)
        np.testing.assert_array_equal(other.predict_proba(frame), gmm.predict_proba(gapped))
        np.testing.assert_array_equal(other.impute(frame), gmm.impute(gapped))


def test_summary_and_report_say_what_is_missing(
    gapped: np.ndarray, gmm: GaussianMixtureModel, tmp_path: Path
) -> None:
    n_cells, n_rows = counts(gapped)
    said = f"{n_cells} of 477 cells"
    text = " ".join(str(gmm.summary()).split())
    assert said in text
    assert f"in {n_rows} rows; they are taken as missing at random" in text
    assert "1 row has no value at all" in text
    report = gmm.write_report(tmp_path / "report.txt").read_text(encoding="utf-8")
    assert said in " ".join(report.split())
    assert gmm.fit_.n_rows == 159
    assert sum(row["rows"] for row in gmm.summary().rows) == 159


def test_complete_rows_are_told_nothing_about(complete: np.ndarray) -> None:
    gmm = GaussianMixtureModel(2).fit(complete)
    assert "missing" not in str(gmm.summary())
    assert gmm.fit_.unobserved.sentences == ()


def test_imputed_cells_are_near_those_that_were_hidden(
    complete: np.ndarray, gapped: np.ndarray, gmm: GaussianMixtureModel
) -> None:
    hidden = np.isnan(gapped)
    filled = gmm.impute(gapped)
    np.testing.assert_array_equal(filled[~hidden], gapped[~hidden])
    held = hidden & ~hidden.all(axis=1, keepdims=True)
    error = np.sqrt(((filled - complete)[held] ** 2).mean())
    by_mean = np.sqrt(((np.nanmean(gapped, axis=0) - complete)[held] ** 2).mean())
    assert error < 0.4 * by_mean
    drawn = gmm.impute(gapped, "draw", 200, random_state=0)
    assert drawn.shape == (200, *gapped.shape)
    assert (drawn[:, ~hidden] == gapped[~hidden]).all()
    apart = np.abs(drawn.mean(axis=0) - filled) / drawn.std(axis=0).clip(1e-12)
    assert (apart[held] < 5.0 / np.sqrt(200)).all()
    np.testing.assert_array_equal(drawn, gmm.impute(gapped, "draw", 200, random_state=0))
    with pytest.raises(InvalidArgumentError, match="how must be"):
        gmm.impute(gapped, "median")


def test_a_row_without_values_goes_by_the_weights(gmm: GaussianMixtureModel) -> None:
    blank = np.full((2, 3), np.nan)
    np.testing.assert_allclose(gmm.predict_proba(blank), [gmm.weights_, gmm.weights_])
    np.testing.assert_allclose(gmm.score_samples(blank), 0.0, atol=1e-12)
    np.testing.assert_allclose(gmm.impute(blank)[0], gmm.weights_ @ gmm.means_)


def test_criteria_do_not_count_rows_without_values(
    gapped: np.ndarray, gmm: GaussianMixtureModel
) -> None:
    seen = np.delete(gapped, 9, axis=0)
    for name in ("bic", "aic", "icl", "score"):
        assert getattr(gmm, name)(gapped) == getattr(gmm, name)(seen)
    chosen = select(gapped, [1, 2])
    assert chosen.best.bic == pytest.approx(gmm.bic(gapped))


def test_model_files_keep_what_was_missing(
    gapped: np.ndarray, gmm: GaussianMixtureModel, tmp_path: Path
) -> None:
    gmm.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.fit_.unobserved == gmm.fit_.unobserved
    np.testing.assert_array_equal(again.impute(gapped), gmm.impute(gapped))


def test_batches_may_have_holes(gapped: np.ndarray, gmm: GaussianMixtureModel) -> None:
    first, second = gapped[:80], gapped[80:]
    online = GaussianMixtureModel(2, tol=1e-9).partial_fit(first).partial_fit(second)
    assert online.fit_.n_rows == 159
    assert online.fit_.unobserved == gmm.fit_.unobserved
    np.testing.assert_allclose(online.means_, gmm.means_, atol=0.1)
    earlier = online.fit_
    assert online.partial_fit(np.full((3, 3), np.nan)).fit_ is earlier
    assert online.labels_.shape == (3,)


def test_labels_as_start_are_of_all_rows_given(gapped: np.ndarray) -> None:
    labels = np.arange(160) % 2
    seen = np.arange(160) != 9
    one = GaussianMixtureModel(2, init=labels).fit(gapped)
    other = GaussianMixtureModel(2, init=labels[seen]).fit(gapped[seen])
    np.testing.assert_array_equal(one.means_, other.means_)
    assert one.labels_.shape == (160,)


def test_weights_count_rows_with_holes(gapped: np.ndarray) -> None:
    times = np.arange(160) % 3
    for method in ("map", "vb"):
        one = GaussianMixtureModel(2, inference=method).fit(gapped, sample_weight=times)
        other = GaussianMixtureModel(2, inference=method).fit(np.repeat(gapped, times, axis=0))
        np.testing.assert_allclose(one.means_, other.means_, rtol=1e-9)


def test_draws_answer_about_rows_with_holes(gapped: np.ndarray) -> None:
    gmm = GaussianMixtureModel(2, inference=Gibbs(draws=150, warmup=80), random_state=0)
    gmm.fit(gapped)
    assert np.isfinite(gmm.loo().total)
    assert gmm.consensus().labels.shape == (160,)
    assert gmm.impute(gapped, "draw", 3).shape == (3, 160, 3)
    tree = gmm.plot_predictive_check()
    assert len(tree) == 3


def test_measured_values_are_drawn_towards_the_groups(complete: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    errors = rng.uniform(0.5, 2.0, size=complete.shape)
    measured = complete + errors * rng.standard_normal(complete.shape)
    gmm = GaussianMixtureModel(2).fit(measured, measurement_error=errors)
    plain = GaussianMixtureModel(2).fit(measured)
    assert (gmm.scales_ < plain.scales_).all()
    found = gmm.posterior_mean(measured, errors)
    assert np.abs(found - complete).mean() < 0.7 * np.abs(measured - complete).mean()
    drawn = gmm.sample_values(measured, errors, n_draws=100, random_state=1)
    assert np.abs(drawn.mean(axis=0) - found).max() < 6.0 * drawn.std(axis=0).max() / 10.0
    assert "480 cells have measurement errors" in " ".join(str(gmm.summary()).split())


def test_errors_in_a_frame_are_taken_by_name(complete: np.ndarray) -> None:
    deviations = np.random.default_rng(4).uniform(0.1, 1.0, size=complete.shape)
    frame, errors = (pd.DataFrame(part, columns=NAMES) for part in (complete, deviations))
    one = GaussianMixtureModel(2).fit(frame, measurement_error=errors[NAMES[::-1]])
    other = GaussianMixtureModel(2).fit(complete, measurement_error=deviations)
    np.testing.assert_array_equal(one.means_, other.means_)


def test_covariances_are_deviations_where_they_are_diagonal(complete: np.ndarray) -> None:
    deviations = np.array([0.3, 0.5, 0.2])
    matrices = np.repeat(np.diag(deviations**2)[None], len(complete), axis=0)
    one = GaussianMixtureModel(2).fit(complete, measurement_error=matrices)
    other = GaussianMixtureModel(2).fit(complete, measurement_error=deviations)
    np.testing.assert_allclose(one.means_, other.means_, atol=1e-9)
    assert one.objective_ == pytest.approx(other.objective_, abs=1e-8)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (-1.0, "finite standard deviations of zero or more; got -1.0"),
        (np.ones(4), r"\(160, 3\) or \(3,\), or covariances .* got shape \(4,\)"),
        (np.full((160, 3), np.nan), "got nan in row 0, column 0"),
        (np.full((160, 3, 3), -1.0), "positive semidefinite covariances; that of row 0"),
        ("much", "got str"),
    ],
)
def test_what_are_no_errors_is_refused(complete: np.ndarray, errors: object, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        GaussianMixtureModel(2).fit(complete, measurement_error=errors)
    assert "\n" not in str(caught.value)


def test_errors_of_missing_cells_do_not_matter(gapped: np.ndarray) -> None:
    errors = np.full(gapped.shape, 0.3)
    strange = np.where(np.isnan(gapped), np.nan, errors)
    one = GaussianMixtureModel(2).fit(gapped, measurement_error=errors)
    other = GaussianMixtureModel(2).fit(gapped, measurement_error=strange)
    np.testing.assert_array_equal(one.means_, other.means_)


def test_collapsed_chains_agree_with_others(gapped: np.ndarray, tmp_path: Any) -> None:
    """Under a Dirichlet both samplers have one target."""
    method = CollapsedGibbs(chains=2, draws=150, warmup=50)
    gmm = GaussianMixtureModel(2, inference=method, random_state=0)
    other = GaussianMixtureModel(2, inference=Gibbs(2, 150, 50), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gmm.fit(gapped)
        other.fit(gapped)
    np.testing.assert_allclose(gmm.means_, other.means_, atol=0.25)
    np.testing.assert_allclose(gmm.impute(gapped), other.impute(gapped), atol=0.35)
    gmm.save(tmp_path / "one.mixtura")
    again = load(tmp_path / "one.mixtura")
    np.testing.assert_array_equal(again.consensus(gapped).labels, gmm.consensus(gapped).labels)


def test_collapsed_chains_go_on_from_files(gapped: np.ndarray, tmp_path: Any) -> None:
    path = tmp_path / "chains"
    given = {"labels": [0, 1] + [-1] * (len(gapped) - 2)}

    def fit(path: Any, draws: int) -> Any:
        method = CollapsedGibbs(2, draws, 4, checkpoint=path, keep_checkpoint=True)
        gmm = GaussianMixtureModel(2, inference=method, random_state=0, background="uniform")
        return gmm.fit(gapped, **given)

    seen = iter(range(100))

    def stop(done: int, total: int) -> None:
        if next(seen) == 1:
            raise KeyboardInterrupt

    method = CollapsedGibbs(2, 30, 4, checkpoint=path, checkpoint_sweeps=10, progress=stop)
    gmm = GaussianMixtureModel(2, inference=method, random_state=0, background="uniform")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        gmm.fit(gapped, **given)
    assert InterruptedWarning in [one.category for one in told]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resumed, whole = fit(path, 30), fit(None, 30)
    np.testing.assert_array_equal(resumed.means_, whole.means_)
    assert resumed.objective_ == whole.objective_


@pytest.mark.parametrize("weights", [None, DirichletProcess(1.0)])
def test_collapsed_components_of_labels_keep_their_numbers(weights: Any) -> None:
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal(m, 0.5, (20, 2)) for m in (4.0, -4.0, 0.0)])
    rows[rng.random(rows.shape) < 0.1] = np.nan
    labels = np.full(60, -1)
    labels[:3], labels[20:23] = 2, 0
    method = CollapsedGibbs(chains=2, draws=100, warmup=50)
    gmm = GaussianMixtureModel(3, inference=method, weight_prior=weights, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gmm.fit(rows, labels=labels)
    np.testing.assert_allclose(gmm.means_[[2, 0]], [[4.0, 4.0], [-4.0, -4.0]], atol=0.5)
    blank = np.isnan(rows).all(axis=1)
    assert (gmm.labels_[:20][~blank[:20]] == 2).all()
    assert (gmm.labels_[20:40][~blank[20:40]] == 0).all()


def test_collapsed_chains_take_one_component_for_each_label(gapped: np.ndarray) -> None:
    gmm = GaussianMixtureModel(4, inference="collapsed", components_per_class=2)
    with pytest.raises(InvalidArgumentError, match="components_per_class must be 1"):
        gmm.fit(gapped, labels=[0, 1] * (len(gapped) // 2))


def test_errors_are_routed(complete: np.ndarray) -> None:
    errors = np.full(complete.shape, 0.4)
    with config_context(enable_metadata_routing=True):
        gmm = GaussianMixtureModel(2)
        gmm.set_fit_request(measurement_error=True).set_predict_request(measurement_error=True)
        pipeline = make_pipeline(gmm).fit(complete, measurement_error=errors)
        labels = pipeline.predict(complete, measurement_error=errors)
    assert pipeline[-1].fit_.unobserved.n_inexact == complete.size
    assert set(labels) == {0, 1}


def test_the_imputer_is_a_transformer(gapped: np.ndarray, gmm: GaussianMixtureModel) -> None:
    imputer = MixtureImputer(GaussianMixtureModel(2))
    np.testing.assert_array_equal(imputer.fit_transform(gapped), gmm.impute(gapped))
    assert clone(imputer).mixture.n_components == 2
    frame = pd.DataFrame(gapped, columns=NAMES)
    filled = clone(imputer).set_output(transform="pandas").fit_transform(frame)
    assert list(filled.columns) == NAMES
    assert not filled.isna().any().any()
    drawn = MixtureImputer(how="draw", random_state=0).fit(gapped)
    np.testing.assert_array_equal(drawn.transform(gapped), drawn.transform(gapped))
    scaled = make_pipeline(StandardScaler(), imputer).fit_transform(gapped)
    assert np.isfinite(scaled).all()


def test_frames_are_completed_as_frames(gapped: np.ndarray, gmm: GaussianMixtureModel) -> None:
    expected = gmm.impute(gapped)
    frame = pd.DataFrame(gapped, columns=NAMES, index=np.arange(len(gapped))[::-1])
    fitted = GaussianMixtureModel(2).fit(frame)
    filled = fitted.impute(frame)
    assert isinstance(filled, pd.DataFrame)
    assert list(filled.columns) == NAMES
    assert (filled.index == frame.index).all()
    np.testing.assert_array_equal(filled.to_numpy(), expected)
    other = fitted.impute(pl.DataFrame(gapped, schema=NAMES).fill_nan(None))
    assert isinstance(other, pl.DataFrame)
    np.testing.assert_array_equal(other.to_numpy(), expected)
    asked = GaussianMixtureModel(2).fit(gapped).set_output(transform="polars").impute(gapped)
    assert isinstance(asked, pl.DataFrame)
    np.testing.assert_array_equal(asked.to_numpy(), expected)
    assert isinstance(fitted.impute(frame, "draw", 2, random_state=0), np.ndarray)


def test_columns_that_do_not_fit_are_named(gapped: np.ndarray) -> None:
    frame = pd.DataFrame(gapped, columns=NAMES)
    gmm = GaussianMixtureModel(2).fit(frame)
    with pytest.raises(DataError, match="X has 'size', which the fitted rows had not"):
        gmm.predict(frame.assign(size=1.0))
    with pytest.raises(DataError, match="X lacks 'depth', which the fitted rows had"):
        gmm.predict(frame[NAMES[:2]])


def test_a_check_of_a_column_without_values_says_so(gapped: np.ndarray) -> None:
    gmm = GaussianMixtureModel(2, inference=Gibbs(2, 20, 20), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gmm.fit(gapped)
    rows = gapped.copy()
    rows[:, 1] = np.nan
    with pytest.raises(InvalidArgumentError, match="no value at all in column 'x1'"):
        gmm.plot_predictive_check(rows)
