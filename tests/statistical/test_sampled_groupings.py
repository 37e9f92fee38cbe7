"""What a fit says of groups of its rows, against sums over all partitions, whatever its K."""

import warnings
from typing import Any

import numpy as np
import pytest

from laws.enumeration import exact_posterior, known_scale, normal_inverse_gamma, pitman_yor
from mixtura import CollapsedGibbs, GaussianMixtureModel, Gibbs
from mixtura.data import ArrayRows
from mixtura.priors import DirichletProcess, KnownScale, Normal, NormalInverseGamma
from statistical.chains import of_events
from statistical.test_enumerated_posteriors import LIMIT, NEAL

SEVEN = np.array([-1.2, -0.9, -1.0, 0.1, 0.9, 1.3, 1.0])[:, None]
COMPONENTS = NormalInverseGamma(0.1, 0.4, 3.0, 0.3)
CLUSTER = normal_inverse_gamma(np.array([0.1]), 0.4, np.array([3.0]), np.array([0.3]))

METHODS: dict[str, Any] = {
    "collapsed": CollapsedGibbs(chains=4, draws=500, warmup=50),
    "gibbs": Gibbs(chains=4, draws=400, warmup=100),
}


def fitted(
    rows: np.ndarray, method: Any, n_components: int, concentration: float, components: Any
) -> GaussianMixtureModel:
    gmm = GaussianMixtureModel(
        n_components,
        weight_prior=DirichletProcess(concentration),
        component_prior=components,
        inference=method,
        random_state=3,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so short chains need not agree
        return gmm.fit(rows)


def told(gmm: GaussianMixtureModel) -> dict[str, float]:
    (row,) = (r for r in gmm.convergence().rows if r["quantity"] == "occupied components")
    return row


@pytest.mark.parametrize("n_components", [1, pytest.param(14, marks=pytest.mark.calibrate), 30])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_nine_points_of_neal_have_as_many_groups(method: Any, n_components: int) -> None:
    """6.4413 of them under DirichletProcess(10), by a sum over their 21,147 partitions."""
    gmm = fitted(NEAL, method, n_components, 10.0, KnownScale(0.1, Normal(0.0, 1.0)))
    row = told(gmm)
    assert abs(row["mean"] - 6.4413) < LIMIT * row["mean_error"]
    assert row["mean_error"] < 0.15
    shares = gmm.summary().components.groups
    assert shares @ (1 + np.arange(shares.size)) == pytest.approx(row["mean"], abs=0.1)


def test_the_number_of_neals_groups_is_that_of_all_partitions() -> None:
    exact = exact_posterior(NEAL, pitman_yor(10.0), known_scale(0.0, 1.0, 0.1))
    assert exact.n_clusters @ (1 + np.arange(9)) == pytest.approx(6.4413, abs=5e-5)


@pytest.mark.parametrize(
    "concentration", [1.0, pytest.param(5.0, marks=pytest.mark.calibrate), 20.0]
)
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_groups_of_seven_rows_are_those_of_all_partitions(
    method: Any, concentration: float
) -> None:
    """The number of groups, and how often each two rows are together, of 877 partitions."""
    exact = exact_posterior(SEVEN, pitman_yor(concentration), CLUSTER)
    gmm = fitted(SEVEN, method, 3, concentration, COMPONENTS)
    row = told(gmm)
    assert abs(row["mean"] - exact.n_clusters @ (1 + np.arange(7))) < LIMIT * row["mean_error"]
    labels = gmm.posterior_.allocations(ArrayRows(SEVEN), gmm._engine())
    one, other = np.triu_indices(7, 1)
    together = (labels[..., one] == labels[..., other]).astype(float)
    expected = exact.co_clustering[one, other]
    assert np.abs(of_events(together, expected)).max() < LIMIT
    np.testing.assert_allclose(
        gmm.co_clustering()[one, other], together.mean(axis=(0, 1)), atol=1e-12
    )


def test_the_number_of_groups_does_not_depend_on_how_many_components_are_kept() -> None:
    """Bit for bit: the partitions do not know of the components drawn given them."""
    method = CollapsedGibbs(chains=2, draws=200, warmup=50)
    found = [
        told(fitted(NEAL, method, K, 10.0, KnownScale(0.1, Normal(0.0, 1.0)))) for K in (12, 16)
    ]
    assert found[0]["mean"] == found[1]["mean"]
