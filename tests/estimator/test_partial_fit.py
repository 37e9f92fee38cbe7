"""partial_fit as users meet it: names, labels, files, and what it refuses."""

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import mixtura
from mixtura import MAP, ML, VB, GaussianMixtureModel
from mixtura.datasets import load_faithful, load_iris
from mixtura.errors import (
    ConvergenceWarning,
    DataError,
    InvalidArgumentError,
    ModelFileError,
)
from mixtura.io.archive import write_archive
from mixtura.priors import Dirichlet, NormalInverseWishart


@pytest.fixture
def halves() -> list[np.ndarray]:
    rows = load_faithful().data
    return [rows[::2], rows[1::2]]


@pytest.fixture
def fitted(halves: list[np.ndarray]) -> GaussianMixtureModel:
    return GaussianMixtureModel(2).partial_fit(halves[0])


def test_it_returns_itself_and_describes_the_last_batch(fitted, halves):
    assert fitted.partial_fit(halves[1][:50], None) is fitted
    np.testing.assert_array_equal(fitted.labels_, fitted.predict(halves[1][:50]))
    assert fitted.n_iter_ == len(fitted.objective_history_) - 1
    assert fitted.converged_
    assert fitted.objective_ == fitted.objective_history_[-1]
    assert fitted.fit_.n_rows == 136 + 50
    assert [run.start for run in fitted.fit_.runs] == ["the rows before"]
    assert "186 rows" in str(fitted.summary())
    assert sum("batches" in said for said in fitted.fit_.assumptions) == 1


def test_rows_are_not_kept(fitted, halves):
    for call in (fitted.plot_density, fitted.report, fitted.plot_clusters):
        with pytest.raises(InvalidArgumentError, match="not kept by partial_fit"):
            call()
    assert fitted.report(halves[1]) is not None
    assert fitted.plot_density(halves[1]) is not None
    again = fitted.fit(halves[0])
    assert again.report() is not None
    again.partial_fit(halves[1])
    with pytest.raises(InvalidArgumentError, match="pass X"):
        again.report()


def test_features_must_be_those_of_the_first_batch(fitted, halves):
    earlier = fitted.fit_
    for batch in (halves[1][:, :1], np.column_stack([halves[1], halves[1]])):
        with pytest.raises(ValueError, match="features"):
            fitted.partial_fit(batch)
    frame = load_iris().frame().drop(columns="target")
    named = GaussianMixtureModel(3).partial_fit(frame[::2])
    with pytest.raises(ValueError, match="feature names should match"):
        named.partial_fit(frame[frame.columns[::-1]])
    named.partial_fit(frame[1::2])
    assert named.fit_.n_rows == 150
    assert list(named.feature_names_in_) == list(frame.columns)
    assert fitted.fit_ is earlier


@pytest.mark.parametrize(
    ("batch", "weights", "said"),
    [
        ([[1.0, np.inf]], None, "inf|finite"),
        ([], None, "2D"),
        (np.empty((0, 2)), None, "0 sample"),
        ([[1.0, 2.0]], [-1.0], "[Nn]egative"),
        ([[1.0, 2.0]], [0.0], "non-zero|above zero"),
        ([[1e160, 2.0]], None, "rescale"),
    ],
)
def test_a_batch_that_is_refused_changes_nothing(fitted, batch, weights, said):
    earlier, labels, means = fitted.fit_, fitted.labels_, fitted.means_
    with pytest.raises(ValueError, match=said):
        fitted.partial_fit(batch, sample_weight=weights)
    assert fitted.fit_ is earlier
    assert fitted.labels_ is labels
    assert fitted.means_ is means


@pytest.mark.parametrize(
    "changed",
    [{"n_components": 3}, {"covariance_type": "diag"}, {"inference": "vb"}, {"inference": "ml"}],
    ids=str,
)
def test_the_model_must_stay(fitted, halves, changed):
    (name,) = changed
    fitted.set_params(**changed)
    with pytest.raises(InvalidArgumentError, match=f"{name} was .* fit starts anew"):
        fitted.partial_fit(halves[1])
    fitted.fit(halves[1])
    assert fitted.partial_fit(halves[0]).fit_.n_rows == 272


def test_options_of_the_method_may_change_on_the_way(fitted, halves):
    fitted.set_params(inference=MAP(decay=0.6))
    faded = fitted.partial_fit(halves[1][:20]).means_
    other = GaussianMixtureModel(2).partial_fit(halves[0]).partial_fit(halves[1][:20]).means_
    assert np.abs(faded - other).max() > 1e-3


@pytest.mark.parametrize("inference", ["svi", "nuts", "gibbs", "collapsed"])
def test_methods_that_cannot_add_rows_have_no_partial_fit(halves, inference):
    gmm = GaussianMixtureModel(2, inference=inference)
    assert not hasattr(gmm, "partial_fit")
    assert hasattr(gmm.set_params(inference="vb"), "partial_fit")
    gmm.set_params(inference=inference)
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'"):
        gmm.partial_fit(halves[0])
    assert not hasattr(gmm, "fit_")
    with pytest.raises(NotFittedError):
        gmm.predict(halves[0])


def test_rows_one_by_one(halves):
    prior = NormalInverseWishart(mean=[3.5, 70.0], scale=np.diag([1.0, 100.0]))
    gmm = GaussianMixtureModel(2, component_prior=prior)
    gmm.partial_fit(halves[0][:40])
    for row in halves[0][40:60]:
        gmm.partial_fit(row[None])
    whole = GaussianMixtureModel(2, component_prior=prior).fit(halves[0][:60])
    assert gmm.fit_.n_rows == 60
    assert (np.abs(gmm.means_ - whole.means_) / whole.scales_).max() < 0.02


@pytest.mark.parametrize("inference", ["map", "ml", "vb"])
def test_a_first_batch_below_the_number_of_components_is_doubtful_and_works(halves, inference):
    gmm = GaussianMixtureModel(3, inference=inference)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gmm.partial_fit(halves[0][:2])
    assert any("fewer rows (2) than components (3)" in str(one.message) for one in caught)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gmm.partial_fit(halves[0][2:])
    assert not any("than components" in str(one.message) for one in caught)
    assert gmm.fit_.n_rows == 136
    assert np.isfinite(gmm.score(halves[1]))


def test_too_few_passes_are_doubtful(fitted, halves):
    fitted.set_params(max_iter=2)
    with pytest.warns(ConvergenceWarning, match="after 2 passes over the batch"):
        fitted.partial_fit(halves[1])
    assert not fitted.converged_
    assert fitted.fit_.n_rows == 272
    assert fitted.fit_.online.statistics.total == pytest.approx(272.0, rel=1e-13)


def test_clones_and_pickles(fitted, halves):
    gmm = GaussianMixtureModel(2, inference=VB(decay=0.75, n_rows=500))
    assert clone(gmm).inference == gmm.inference
    assert clone(gmm).get_params()["inference"].decay == 0.75
    assert not hasattr(clone(fitted), "fit_")
    twin = pickle.loads(pickle.dumps(fitted))
    twin.partial_fit(halves[1])
    fitted.partial_fit(halves[1])
    np.testing.assert_array_equal(twin.covariances_, fitted.covariances_)


def test_a_fit_and_an_earlier_model_go_on(halves, tmp_path):
    prior = Dirichlet([2.0, 3.0])
    gmm = GaussianMixtureModel(2, weight_prior=prior, inference=VB(n_rows=272)).fit(halves[0])
    gmm.save(tmp_path / "model")
    twin = mixtura.load(tmp_path / "model")
    assert twin.inference == VB(n_rows=272)
    assert twin.partial_fit(halves[1]).fit_.total_weight == 272.0
    np.testing.assert_array_equal(twin.means_, gmm.partial_fit(halves[1]).means_)


def test_files_keep_the_options_of_the_method(halves, tmp_path):
    for number, inference in enumerate(
        ["vb", MAP(), MAP(optimizer="em"), VB(batch_size=np.int64(50)), ML(decay=0.9, n_rows=300)]
    ):
        path = tmp_path / str(number)
        GaussianMixtureModel(2, inference=inference).fit(halves[0]).save(path)
        kept = mixtura.load(path).inference
        # Where nothing differs from the defaults the name says it all.
        assert kept == ("map" if inference == MAP() else inference)


def test_sample_weights_are_routed(halves):
    weights = np.ones(136)
    weights[100:] = 2.0
    with config_context(enable_metadata_routing=True):
        gmm = GaussianMixtureModel(2).set_partial_fit_request(sample_weight=True)
        asked = gmm.get_metadata_routing().partial_fit.requests
    assert asked == {
        "sample_weight": True,
        "measurement_error": None,
        "labels": None,
        "groups": None,
    }
    assert gmm.partial_fit(halves[0], sample_weight=weights).fit_.total_weight == weights.sum()


def rewritten(path: Path, change: Any) -> Path:
    """Return a copy of a model file whose header and arrays were changed, checksum and all."""
    with safe_open(path, framework="numpy") as archive:
        header = json.loads(archive.metadata()["header"])
        arrays = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    change(header, arrays)
    other = path.with_name("other")
    write_archive(other, header, arrays, overwrite=True)
    return other


@pytest.mark.parametrize("inference", ["map", "vb"])
def test_files_from_before_statistics_were_kept_still_load(halves, tmp_path, inference):
    gmm = GaussianMixtureModel(2, inference=inference).fit(halves[0])
    gmm.save(tmp_path / "model")

    def as_before(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        del header["seen"], header["options"]
        for name in [name for name in arrays if name.startswith("seen_")]:
            del arrays[name]

    twin = mixtura.load(rewritten(tmp_path / "model", as_before))
    np.testing.assert_array_equal(twin.predict_proba(halves[1]), gmm.predict_proba(halves[1]))
    assert twin.inference == inference
    with pytest.raises(InvalidArgumentError, match="rows can be added"):
        twin.partial_fit(halves[1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda header, arrays: header["seen"].update(weight=-1.0),
        lambda header, arrays: header["seen"].update(weight="many"),
        lambda header, arrays: header["seen"].update(n_rows=0),
        lambda header, arrays: header["seen"].pop("entropy"),
        lambda header, arrays: header.update(seen=3),
        lambda header, arrays: arrays.pop("seen_count"),
        lambda header, arrays: arrays.update(seen_first=np.zeros((3, 2))),
        lambda header, arrays: arrays.update(seen_count=np.array([1.0, np.nan])),
        lambda header, arrays: arrays.update(seen_count=np.array([1.0, -2.0])),
        lambda header, arrays: arrays.update(seen_pivot=np.zeros((2, 2), dtype=np.float32)),
        lambda header, arrays: header.update(options={"speed": 3}),
        lambda header, arrays: header.update(options=3),
    ],
)
def test_files_whose_statistics_or_options_are_wrong_are_refused(fitted, tmp_path, damage):
    fitted.save(tmp_path / "model")
    with pytest.raises(ModelFileError):
        mixtura.load(rewritten(tmp_path / "model", damage))


def test_options_that_are_wrong_are_named(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    path = rewritten(tmp_path / "model", lambda header, _: header.update(options={"decay": 3.0}))
    with pytest.raises(ModelFileError, match="decay"):
        mixtura.load(path)


def test_values_too_large_beside_the_earlier_ones(fitted):
    with pytest.raises(DataError, match=r"column 'x1' .* float64 cannot hold"):
        fitted.partial_fit([[3.0, 1e120]])
