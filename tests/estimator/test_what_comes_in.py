"""Rows, weights and starts of every kind: taken for what they are, or refused in one line."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixtura import CollapsedGibbs, GaussianMixtureModel, Gibbs, select
from mixtura.data import kept_rows
from mixtura.datasets import load_faithful
from mixtura.errors import MixturaError
from mixtura.priors import Dirichlet, DirichletProcess, KnownScale, PitmanYor


@pytest.fixture(scope="module")
def rows():
    return load_faithful().data


@pytest.fixture(scope="module")
def gmm(rows):
    return GaussianMixtureModel(2).fit(rows)


def one_line(error):
    """The message of a mixtura error, which is one line."""
    assert isinstance(error, MixturaError)
    (line,) = str(error).splitlines()
    return line


def refusal(call):
    with pytest.raises(MixturaError) as caught:
        call()
    return one_line(caught.value)


def test_masked_cells_are_missing_as_nan_is(rows, gmm):
    gapped = rows.copy()
    gapped[3, 1] = np.nan
    masked = np.ma.masked_invalid(gapped)
    masked.data[3, 1] = -999.0
    one, other = (GaussianMixtureModel(2).fit(given) for given in (masked, gapped))
    np.testing.assert_array_equal(one.means_, other.means_)
    for ask in (gmm.predict_proba, gmm.score_samples, gmm.impute):
        np.testing.assert_array_equal(ask(masked), ask(gapped))
    assert str(gmm.report(masked)) == str(gmm.report(gapped))


def test_masked_weights_starts_and_priors_are_refused(rows):
    weights = np.ma.array(np.ones(272), mask=np.arange(272) == 7)
    said = refusal(lambda: GaussianMixtureModel(2).fit(rows, sample_weight=weights))
    assert said.startswith("sample_weight ")
    assert "row 7" in said
    means = np.ma.array([[2.0, 55.0], [4.0, 80.0]], mask=[[False, False], [False, True]])
    assert refusal(lambda: GaussianMixtureModel(2, init=means).fit(rows)).startswith("init ")
    assert "concentration must" in refusal(lambda: Dirichlet(np.ma.masked))
    masked = np.ma.array([1.0, 2.0], mask=[0, 1])
    assert "scale must" in refusal(lambda: KnownScale(masked))


@pytest.mark.parametrize(
    "weights",
    [
        np.nan,
        np.inf,
        -1.0,
        "1",
        "many",
        np.full(272, np.nan),
        np.full(272, 1e307),
        np.full(272, 1e99),
        np.full(272, 1e-310),
        np.zeros(272),
        np.r_[-0.5, np.ones(271)],
        np.ones((272, 1)),
        np.ones(271),
        np.ones(272, dtype=complex),
        np.full(272, np.timedelta64(1, "s")),
        np.array(["1"] * 272),
        [[1.0], [1.0, 2.0]],
        {"a": 1.0},
    ],
    ids=lambda weights: f"{type(weights).__name__} {np.ravel(np.array(weights, object))[0]}",
)
def test_weights_that_are_none_are_refused_before_anything(rows, gmm, weights):
    earlier = gmm.fit_
    online = GaussianMixtureModel(2).fit(rows)
    for ask in (
        lambda: GaussianMixtureModel(2).fit(rows, sample_weight=weights),
        lambda: GaussianMixtureModel(2, inference="vb").fit(rows, sample_weight=weights),
        lambda: online.partial_fit(rows, sample_weight=weights),
        lambda: gmm.score(rows, sample_weight=weights),
        lambda: gmm.bic(rows, sample_weight=weights),
        lambda: select(rows, [1, 2], sample_weight=weights),
    ):
        assert refusal(ask).startswith("sample_weight")
    assert gmm.fit_ is earlier
    assert online.fit_.n_rows == 272


@pytest.mark.filterwarnings("ignore::mixtura.errors.DataWarning")  # what such weights count as
@pytest.mark.parametrize("inference", ["map", "vb"])
def test_the_largest_weights_give_the_maximum_of_the_likelihood(rows, inference):
    """Under which the prior no longer counts; and so the criteria per unit of weight."""
    weights = np.full(272, 1e97)
    heavy = GaussianMixtureModel(2, inference=inference).fit(rows, sample_weight=weights)
    likely = GaussianMixtureModel(2, inference="ml").fit(rows)
    np.testing.assert_allclose(heavy.means_, likely.means_, rtol=1e-8)
    np.testing.assert_allclose(heavy.covariances_, likely.covariances_, rtol=1e-6)
    mean = likely.score(rows)
    assert heavy.score(rows, sample_weight=weights) == pytest.approx(mean, rel=1e-9)
    assert heavy.aic(rows, sample_weight=weights) == pytest.approx(-2 * 272e97 * mean, rel=1e-9)


@pytest.mark.parametrize("size", ["copied", "checked"])
@pytest.mark.filterwarnings("ignore::mixtura.errors.ConvergenceWarning")  # of so few draws
def test_answers_about_the_fitted_rows_outlive_changes_to_them(rows, monkeypatch, size):
    """The rows belong to the user: what is said of them is true of the fitted ones, or refused."""
    if size == "checked":
        monkeypatch.setattr(kept_rows, "COPIED", 0)
    own, weights = rows.copy(), np.ones(544)[::2]
    sampler = Gibbs(chains=2, draws=50, warmup=20)
    gmm = GaussianMixtureModel(2, inference=sampler, random_state=0).fit(own, sample_weight=weights)
    views = (
        lambda: str(gmm.summary()),
        lambda: str(gmm.report()),
        lambda: str(gmm.convergence()),
        lambda: list(gmm.consensus().labels),
        lambda: list(gmm.co_clustering().ravel()),
        lambda: gmm.loo().total,
        lambda: gmm.plot_swarm().collections[0].get_offsets().tolist(),
    )
    before = [view() for view in views]
    weights[:] = 3.0
    own -= own.mean(axis=0)
    for view, known in zip(views, before, strict=True):
        if size == "copied":
            assert view() == known
        else:
            assert "written to after they were fitted" in refusal(view)


def test_priors_outlive_changes_to_what_they_were_made_of():
    concentration = np.array([1.0, 2.0])
    prior = Dirichlet(concentration)
    concentration[:] = 9.0
    np.testing.assert_array_equal(prior.concentration, [1.0, 2.0])


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.filterwarnings("ignore::mixtura.errors.ConvergenceWarning")  # after one iteration
def test_means_in_a_frame_start_their_columns(rows, kind):
    frame = pd.DataFrame(rows, columns=["duration", "waiting"])
    means = {"waiting": [80.0, 54.0], "duration": [4.3, 2.0]}
    by_name = GaussianMixtureModel(2, init=kind(means), max_iter=1).fit(frame)
    by_place = GaussianMixtureModel(2, init=[[4.3, 80.0], [2.0, 54.0]], max_iter=1).fit(frame)
    np.testing.assert_array_equal(by_name.means_, by_place.means_)
    turned = kind({name: means[name] for name in frame.columns})
    unnamed = GaussianMixtureModel(2, init=turned, max_iter=1)
    np.testing.assert_array_equal(unnamed.fit(rows).means_, by_place.means_)
    wrong = kind({"waiting": [80.0, 54.0], "length": [4.3, 2.0]})
    said = refusal(lambda: GaussianMixtureModel(2, init=wrong).fit(frame))
    assert said.startswith("init must have the columns of the rows, 'duration', 'waiting'")


def test_an_earlier_fit_of_columns_in_another_order_is_no_start(rows):
    frame = pd.DataFrame(rows, columns=["duration", "waiting"])
    earlier = GaussianMixtureModel(2).fit(frame[["waiting", "duration"]])
    said = refusal(lambda: GaussianMixtureModel(2, init=earlier).fit(frame))
    assert said.startswith("init is a fit of the columns 'waiting', 'duration'")
    assert GaussianMixtureModel(2, init=earlier).fit(frame[["waiting", "duration"]]).converged_


@pytest.mark.parametrize("kind", [pd.Series, pl.Series, pa.array, list, np.array])
def test_labels_in_a_series_are_labels(rows, kind):
    labels = (rows[:, 0] > 3.0).astype(int)
    gmm = GaussianMixtureModel(2, init=kind(labels)).fit(rows)
    np.testing.assert_allclose(gmm.means_[0, 0], 2.04, atol=0.01)


@pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")  # of so few draws
@pytest.mark.parametrize(
    "weight_prior", [None, DirichletProcess(1.0), PitmanYor(1.0, 0.1)], ids=str
)
@pytest.mark.parametrize(
    "inference",
    ["map", "vb", Gibbs(2, 50, 20), CollapsedGibbs(2, 50, 20)],
    ids=["map", "vb", "gibbs", "collapsed"],
)
def test_components_keep_the_numbers_of_a_given_start(rows, inference, weight_prior):
    """But where the documentation says that they are numbered by size."""
    is_process = weight_prior is not None
    by_size = is_process and (inference == "vb" or isinstance(inference, CollapsedGibbs))
    for first, second in ((2.0, 4.3), (4.3, 2.0)):
        gmm = GaussianMixtureModel(
            2,
            inference=inference,
            weight_prior=weight_prior,
            random_state=0,
            init=[[one, 54.0 if one == 2.0 else 80.0] for one in (first, second)],
        ).fit(rows)
        expected = [4.3, 2.0] if by_size else [first, second]
        np.testing.assert_allclose(gmm.means_[:2, 0], expected, atol=0.1)
