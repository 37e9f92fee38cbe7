"""Laws that tie methods to the exact evidence of few rows."""

import numpy as np
import pytest
from scipy.special import gammaln

from laws.enumeration import (
    Cluster,
    exact_posterior,
    normal_inverse_gamma,
    normal_inverse_wishart,
    symmetric_dirichlet,
)
from laws.running import run
from mixtura.families import FAMILIES
from mixtura.inference import VB
from mixtura.model import MixtureModel
from mixtura.priors import Dirichlet, NormalInverseGamma, NormalInverseWishart

MATRIX = np.array([[2.0, 0.6], [0.6, 1.0]])
KINDS: dict[str, tuple[NormalInverseGamma | NormalInverseWishart, Cluster]] = {
    "diag": (
        NormalInverseGamma(0.3, 0.2, 2.0, 1.5),
        normal_inverse_gamma(np.full(2, 0.3), 0.2, np.full(2, 2.0), np.full(2, 1.5)),
    ),
    "full": (
        NormalInverseWishart(0.3, 0.2, 4.0, MATRIX),
        normal_inverse_wishart(np.full(2, 0.3), 0.2, 4.0, MATRIX),
    ),
}

NARROW: dict[str, tuple[NormalInverseGamma | NormalInverseWishart, Cluster]] = {
    "diag": (
        NormalInverseGamma(0.0, 1e-4, 20.0, 20.0),
        normal_inverse_gamma(np.zeros(2), 1e-4, np.full(2, 20.0), np.full(2, 20.0)),
    ),
    "full": (
        NormalInverseWishart(0.0, 1e-4, 40.0, 40.0 * np.eye(2)),
        normal_inverse_wishart(np.zeros(2), 1e-4, 40.0, 40.0 * np.eye(2)),
    ),
}
"""Under which no cluster is so wide as to hold rows that are 100 apart."""


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("concentration", [0.5, 1.0, 4.0])
def test_variational_bound_is_below_the_exact_evidence(
    name: str, K: int, concentration: float
) -> None:
    prior, cluster = KINDS[name]
    model = MixtureModel(K, 2, Dirichlet(concentration), prior, FAMILIES[name])
    rng = np.random.default_rng(41)
    for apart in (0.0, 2.0):
        rows = rng.standard_normal((7, 2)) + apart * (np.arange(7) % K)[:, None]
        exact = exact_posterior(rows, symmetric_dirichlet(K, concentration), cluster)
        for seed in range(2):
            bound = run(model, rows, VB(), "random", seed=seed, max_iter=50).objective
            assert bound < exact.log_evidence


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("K", [2, 3])
def test_variational_bound_lacks_only_the_numberings_of_clusters_far_apart(
    name: str, K: int
) -> None:
    # Each of the K! numberings has an equal share of the evidence, and the bound is that of one.
    prior, cluster = NARROW[name]
    model = MixtureModel(K, 2, Dirichlet(1.0), prior, FAMILIES[name])
    labels = np.arange(7) % K
    rows = np.random.default_rng(42).standard_normal((7, 2)) + 100.0 * labels[:, None]
    exact = exact_posterior(rows, symmetric_dirichlet(K, 1.0), cluster)
    bound = run(model, rows, VB(), np.eye(K)[labels]).objective
    together = labels[:, None] == labels
    assert exact.co_clustering[together].min() > 0.999
    assert exact.log_evidence - bound == pytest.approx(gammaln(K + 1.0), abs=1e-3)
