"""Families that share volume, shape or orientation, through the class."""

from typing import Any

import numpy as np
import pytest

import mixtura
from mixtura import MAP, GaussianMixtureModel
from mixtura.datasets import load_iris
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES, MCLUST_NAMES
from mixtura.priors import Gamma, Independent, InverseGamma, Normal, NormalInverseGamma

IRIS = load_iris().data
RESTRICTED = [name for name, family in FAMILIES.items() if family.is_restricted]


def fitted(name: str, rows: Any = IRIS, n_components: int = 3, **options: Any) -> Any:
    of_rows = {key: options.pop(key) for key in ("sample_weight", "labels") if key in options}
    gmm = GaussianMixtureModel(n_components, covariance_type=name, **options)
    return gmm.fit(rows, **of_rows)


@pytest.mark.parametrize("name", RESTRICTED)
def test_a_weight_of_two_is_two_rows_and_the_objective_never_falls(name: str) -> None:
    counts = np.random.default_rng(0).integers(1, 3, len(IRIS))
    method = ("map", "ml")[RESTRICTED.index(name) % 2]
    weighted = fitted(name, sample_weight=counts, inference=method)
    copied = fitted(name, np.repeat(IRIS, counts, axis=0), inference=method)
    assert weighted.objective_ == pytest.approx(copied.objective_, abs=1e-5)
    np.testing.assert_allclose(weighted.covariances_, copied.covariances_, rtol=1e-3, atol=1e-4)
    history = weighted.objective_history_
    assert (np.diff(history) >= -1e-9 * abs(history[-1])).all()
    assert weighted.converged_


@pytest.mark.parametrize("name", RESTRICTED)
def test_files_other_objects_and_answers_hold_the_covariances(name: str, tmp_path: Any) -> None:
    gmm = fitted(name)
    gmm.save(tmp_path / "model")
    twin = mixtura.load(tmp_path / "model")
    assert twin.covariance_type == name
    np.testing.assert_array_equal(twin.covariances_, gmm.covariances_)
    np.testing.assert_array_equal(twin.score_samples(IRIS), gmm.score_samples(IRIS))
    other = gmm.to_sklearn()
    assert other.covariance_type == ("diag" if name.endswith("I") else "full")
    np.testing.assert_allclose(other.score_samples(IRIS), gmm.score_samples(IRIS), rtol=1e-10)
    family, matrices = FAMILIES[name], np.linalg.inv
    found = family.expand(gmm.covariances_, 3, 4)
    precisions = gmm.precisions_ if found.shape == gmm.precisions_.shape else None
    if precisions is not None:
        np.testing.assert_allclose(precisions, matrices(found), rtol=1e-7, atol=1e-9)
    assert any("up to a constant" in said for said in gmm.fit_.assumptions)
    assert gmm.sample(5)[0].shape == (5, 4)
    again = GaussianMixtureModel.from_parameters(
        gmm.weights_, gmm.means_, gmm.covariances_, covariance_type=name
    )
    np.testing.assert_allclose(again.score_samples(IRIS), gmm.score_samples(IRIS), rtol=1e-12)


@pytest.mark.parametrize("name", RESTRICTED)
def test_batches_and_minibatches_end_where_sweeps_do(name: str) -> None:
    whole = fitted(name)
    by_parts = fitted(name, inference=MAP(batch_size=50))
    assert by_parts.objective_ == pytest.approx(whole.objective_, abs=1e-3)
    gmm = GaussianMixtureModel(3, covariance_type=name)
    for part in np.array_split(np.random.default_rng(1).permutation(IRIS), 3):
        gmm.partial_fit(part)
    assert gmm.fit_.n_rows == 150
    assert gmm.score(IRIS) > whole.score(IRIS) - 0.2


@pytest.mark.parametrize("name", [*RESTRICTED, *MCLUST_NAMES])
def test_with_one_feature_a_family_is_that_of_its_volumes(name: str) -> None:
    petals = IRIS[:, 2:3]
    same = fitted("full" if name[0] == "V" else "tied", petals)
    gmm = fitted(name, petals)
    assert gmm.objective_ == pytest.approx(same.objective_, abs=1e-6)
    assert gmm.fit_.model.n_parameters == same.fit_.model.n_parameters
    np.testing.assert_allclose(gmm.scales_, same.scales_, rtol=1e-4)
    gmm.predict(petals)


@pytest.mark.parametrize("method", ["vb", "gibbs", "collapsed"])
@pytest.mark.parametrize("name", ["VEI", "VEV"])
def test_other_methods_refuse_by_name(name: str, method: str) -> None:
    with pytest.raises(InvalidArgumentError) as told:
        fitted(name, inference=method, random_state=0)
    assert str(told.value) == (
        f"inference='{method}' takes no covariance_type='{name}', only full, tied, diag, "
        "spherical, tied_diag or tied_spherical: use one of these, or inference='map' or 'ml'"
    )


def test_what_the_families_do_not_take_is_said() -> None:
    spread = NormalInverseGamma(shape=np.array([2.0, 3.0, 2.0, 3.0]))
    for name, prior, said in (
        ("VEI", spread, "shape must be one number"),
        ("EVI", NormalInverseGamma(scale=Gamma(1.0, 1.0)), "with a known scale"),
        ("VEI", Independent(Normal(0, 1), InverseGamma(1, 1)), "Independent is not for this"),
        ("VEV", NormalInverseGamma(), "NormalInverseWishart"),
    ):
        with pytest.raises(InvalidArgumentError, match=said):
            fitted(name, component_prior=prior)
    with pytest.raises(InvalidArgumentError, match="fixed covariances are not for"):
        fitted("VEV", fixed={"covariances": {0: np.eye(4)}})
    with pytest.raises(InvalidArgumentError, match="cannot be drawn from"):
        fitted("VEV").sample_prior()
