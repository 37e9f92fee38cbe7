"""Gibbs sampling against posteriors that are known exactly, by enumeration.

The short forms run with all tests, the long ones by ``make calibrate``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from laws.enumeration import (
    AllocationPrior,
    Cluster,
    Together,
    dirichlet_allocations,
    exact_mixture,
    exact_posterior,
    face_allocations,
    finite_mixtures,
    known_scale,
    normal_inverse_gamma,
    normal_inverse_gamma_balls,
    normal_inverse_wishart,
    pitman_yor,
    stick_allocations,
    symmetric_dirichlet,
    tied_normal_inverse_gamma,
    tied_normal_inverse_wishart,
)
from mixtura.engines import Engine, ReferenceEngine
from mixtura.families import FAMILIES
from mixtura.inference.mcmc.gibbs_chains import ChainPlan
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    KnownScale,
    MixtureOfFiniteMixtures,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
    PitmanYor,
    WeightPrior,
)
from statistical.chains import (
    NATIVE,
    Drawn,
    n_occupied,
    of_events,
    run_chains,
    standardised,
)

LIMIT = 4.0
"""Monte Carlo standard errors by which an average may be off."""

ROWS = np.array(
    [[-1.3, 0.2], [-0.9, -0.5], [-1.1, 0.1], [1.0, 0.3], [1.4, -0.2], [0.1, 1.1], [2.9, 1.8]]
)

COMPONENTS: dict[str, tuple[Any, str, Cluster, np.ndarray]] = {
    "variances": (
        NormalInverseGamma(0.2, 0.3, 2.5, 0.5),
        "diag",
        normal_inverse_gamma(np.full(2, 0.2), 0.3, np.full(2, 2.5), np.full(2, 0.5)),
        ROWS,
    ),
    "matrices": (
        NormalInverseWishart(0.2, 0.3, 4.5, 0.8),
        "full",
        normal_inverse_wishart(np.full(2, 0.2), 0.3, 4.5, 0.8 * np.eye(2)),
        ROWS,
    ),
    # So wide that two unlike components change places: at 0.6 they stay for 8,000 sweeps.
    "known scale": (
        KnownScale(1.0, Normal(0.2, 1.5)),
        "diag",
        known_scale(0.2, 1.5, 1.0),
        ROWS[:, :1],
    ),
}
"""Component priors with their family, what a cluster is worth, and rows."""

_GAMMA, _CENTRE = NormalInverseGamma(0.2, 0.3, 2.5, 0.5), np.full(2, 0.2)
SHARED: dict[str, tuple[Any, str, Cluster | Together, np.ndarray]] = {
    "spherical": (
        _GAMMA,
        "spherical",
        normal_inverse_gamma_balls(_CENTRE, 0.3, 2.5, 0.5),
        ROWS,
    ),
    "tied": (
        NormalInverseWishart(0.2, 0.3, 4.5, 0.8),
        "tied",
        tied_normal_inverse_wishart(_CENTRE, 0.3, 4.5, 0.8 * np.eye(2)),
        ROWS,
    ),
    "tied_diag": (
        _GAMMA,
        "tied_diag",
        tied_normal_inverse_gamma(_CENTRE, 0.3, 2.5, 0.5, balls=False),
        ROWS,
    ),
    "tied_spherical": (
        _GAMMA,
        "tied_spherical",
        tied_normal_inverse_gamma(_CENTRE, 0.3, 2.5, 0.5, balls=True),
        ROWS,
    ),
}
"""The same where features or components share their scales."""

UNEQUAL = np.array([0.6, 1.0, 1.8])
WEIGHTS: dict[str, tuple[WeightPrior, int, AllocationPrior]] = {
    "two": (Dirichlet([0.7, 1.5]), 2, dirichlet_allocations(np.array([0.7, 1.5]))),
    "three": (Dirichlet(UNEQUAL), 3, dirichlet_allocations(UNEQUAL)),
    "Dirichlet process": (DirichletProcess(1.3), 3, stick_allocations(1.3, 0.0, 3)),
    "Pitman-Yor": (PitmanYor(0.8, 0.3), 3, stick_allocations(0.8, 0.3, 3)),
    "finite mixtures": (
        MixtureOfFiniteMixtures(0.9, 1.5),
        3,
        face_allocations(0.9, np.array([1.0, 1.5, 1.125]) / 3.625),
    ),
}
"""Weight priors with the number of components and what an allocation is worth."""


def worst_of_mixture(
    weights: str, components: str, plan: ChainPlan, n_chains: int, engine: Engine = NATIVE
) -> dict[str, float]:
    """Return the largest error of each kind of average, in standard errors."""
    component_prior, family, cluster, rows = (COMPONENTS | SHARED)[components]
    weight_prior, K, allocation_prior = WEIGHTS[weights]
    model = MixtureModel(K, rows.shape[1], weight_prior, component_prior, FAMILIES[family])
    exact = exact_mixture(rows, K, allocation_prior, cluster)
    drawn = run_chains(model, rows, plan, n_chains, engine)
    shares = drawn.shares(rows)
    number = n_occupied(shares, np.random.default_rng(1))
    together = np.einsum("csnk,csmk->csnm", shares, shares)
    apart = np.triu_indices(len(rows), 1)
    number = (number[..., None] == np.arange(1, K + 1)).astype(float)
    errors = {
        "weights": standardised(drawn.weights, exact.weights),
        "numbered means": standardised(drawn.means, exact.means),
        "means": standardised(np.einsum("csnk,cskd->csnd", shares, drawn.means), exact.of_rows),
        "number": of_events(number, exact.n_occupied),
        "together": of_events(together[..., apart[0], apart[1]], exact.co_clustering[apart]),
    }
    return {name: float(np.abs(values).max()) for name, values in errors.items()}


@pytest.mark.parametrize("components", COMPONENTS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_few_draws_agree_with_every_allocation(weights: str, components: str) -> None:
    worst = worst_of_mixture(weights, components, ChainPlan(1000, 50, 1), 2)
    del worst["numbered means"]  # so short a chain has seen few numberings
    assert max(worst.values()) < LIMIT, worst


@pytest.mark.calibrate
@pytest.mark.parametrize("components", COMPONENTS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_many_draws_agree_with_every_allocation(weights: str, components: str) -> None:
    worst = worst_of_mixture(weights, components, ChainPlan(8000, 200, 1), 4)
    assert max(worst.values()) < LIMIT, worst


@pytest.mark.parametrize("components", SHARED)
def test_few_draws_of_shared_scales_agree_with_every_allocation(components: str) -> None:
    worst = worst_of_mixture("two", components, ChainPlan(1000, 50, 1), 2)
    del worst["numbered means"]
    assert max(worst.values()) < LIMIT, worst


@pytest.mark.calibrate
@pytest.mark.parametrize("engine", [NATIVE, ReferenceEngine()], ids=["compiled", "in Python"])
@pytest.mark.parametrize("components", SHARED)
@pytest.mark.parametrize("weights", ["two", "finite mixtures"])
def test_many_draws_of_shared_scales_agree_with_every_allocation(
    weights: str, components: str, engine: Engine
) -> None:
    worst = worst_of_mixture(weights, components, ChainPlan(8000, 200, 1), 4, engine)
    assert max(worst.values()) < LIMIT, worst


@pytest.mark.calibrate
@pytest.mark.parametrize("weights", ["two", "Pitman-Yor"])
def test_compiled_chains_and_sweeps_agree_with_every_allocation(weights: str) -> None:
    """The loop of sweeps where compiled chains would stand in for it, and the reverse."""
    component_prior, family, cluster, rows = COMPONENTS["variances"]
    weight_prior, K, allocation_prior = WEIGHTS[weights]
    model = MixtureModel(K, 2, weight_prior, component_prior, FAMILIES[family])
    exact = exact_mixture(rows, K, allocation_prior, cluster)
    drawn = run_chains(model, rows, ChainPlan(5000, 200, 1), 4, ReferenceEngine())
    assert np.abs(standardised(drawn.weights, exact.weights)).max() < LIMIT
    assert np.abs(standardised(drawn.means, exact.means)).max() < LIMIT


# ------------------------------------------------------------- partitions of infinite mixtures

NEAL = np.array([[-1.48], [-1.40], [-1.16], [-1.08], [-1.02], [0.14], [0.51], [0.53], [0.78]])


def sampled_partition(
    model: MixtureModel, rows: np.ndarray, plan: ChainPlan, n_chains: int
) -> dict[str, np.ndarray]:
    """Return number of clusters (C, S, N), co-clustering (C, S, N, N), means (C, S, N, D)."""
    return partition_of(run_chains(model, rows, plan, n_chains), rows)


def partition_of(drawn: Drawn, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return what :func:`sampled_partition` does, of draws."""
    shares = drawn.shares(rows)
    number = n_occupied(shares, np.random.default_rng(2))
    return {
        "n_clusters": (number[..., None] == np.arange(1, len(rows) + 1)).astype(float),
        "co_clustering": np.einsum("csnk,csmk->csnm", shares, shares),
        "means": np.einsum("csnk,cskd->csnd", shares, drawn.means),
    }


def neal_model(truncation: int) -> MixtureModel:
    weights, components = DirichletProcess(1.0), KnownScale(0.1, Normal(0.0, 1.0))
    return MixtureModel(truncation, 1, weights, components, FAMILIES["diag"])


def worst_of_partition(exact: Any, found: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the largest error of each kind of average, in standard errors."""
    apart = np.triu_indices(exact.co_clustering.shape[0], 1)
    together = found["co_clustering"][..., apart[0], apart[1]]
    possible = exact.n_clusters > 0.0
    assert not found["n_clusters"][..., ~possible].any()
    errors = (
        of_events(found["n_clusters"][..., possible], exact.n_clusters[possible]),
        of_events(together, exact.co_clustering[apart]),
        standardised(found["means"], exact.means),
    )
    return dict(zip(found, (float(np.abs(e).max()) for e in errors), strict=True))


def test_nine_points_of_neal() -> None:
    exact = exact_posterior(NEAL, pitman_yor(1.0), known_scale(0.0, 1.0, 0.1))
    found = sampled_partition(neal_model(12), NEAL, ChainPlan(900, 200, 1), 2)
    worst = worst_of_partition(exact, found)
    assert max(worst.values()) < LIMIT, worst


@pytest.mark.calibrate
def test_nine_points_of_neal_to_two_digits() -> None:
    """All 21,147 partitions of the published example; the truncation errs by 36 exp(-29)."""
    exact = exact_posterior(NEAL, pitman_yor(1.0), known_scale(0.0, 1.0, 0.1))
    found = sampled_partition(neal_model(30), NEAL, ChainPlan(50_000, 1000, 1), 4)
    worst = worst_of_partition(exact, found)
    assert max(worst.values()) < LIMIT, worst
    average = {name: values.mean(axis=(0, 1)) for name, values in found.items()}
    apart = ~np.eye(len(NEAL), dtype=bool)
    np.testing.assert_allclose(average["n_clusters"], exact.n_clusters, atol=0.01)
    np.testing.assert_allclose(
        average["co_clustering"][apart], exact.co_clustering[apart], atol=0.01
    )
    assert average["means"][0, 0] == pytest.approx(-1.398555, abs=0.005)


def log_chance(k: int, rate: float | None, most: int) -> float:
    """Return the log prior probability of k components, at most so many."""
    if k > most:
        return -np.inf
    if rate is None:
        return float(-np.log(most))
    cut = stats.poisson.logcdf(most - 1, rate)
    return float(stats.poisson.logpmf(k - 1, rate) - cut)


PARTITION_PRIORS: dict[str, tuple[WeightPrior, int, Callable[[np.ndarray], float]]] = {
    "two": (Dirichlet(0.8), 2, symmetric_dirichlet(2, 0.8)),
    "three": (Dirichlet(0.8), 3, symmetric_dirichlet(3, 0.8)),
    "Dirichlet process": (DirichletProcess(0.8), 20, pitman_yor(0.8)),
    "Pitman-Yor": (PitmanYor(0.6, 0.15), 40, pitman_yor(0.6, 0.15)),
    "finite mixtures": (
        MixtureOfFiniteMixtures(0.9, 1.5),
        8,
        finite_mixtures(0.9, lambda k: log_chance(k, 1.5, 8)),
    ),
}


@pytest.mark.calibrate
@pytest.mark.parametrize("components", COMPONENTS)
@pytest.mark.parametrize("weights", PARTITION_PRIORS)
def test_many_draws_agree_with_every_partition(weights: str, components: str) -> None:
    component_prior, family, cluster, rows = COMPONENTS[components]
    weight_prior, K, partition_prior = PARTITION_PRIORS[weights]
    model = MixtureModel(K, rows.shape[1], weight_prior, component_prior, FAMILIES[family])
    exact = exact_posterior(rows, partition_prior, cluster)
    found = sampled_partition(model, rows, ChainPlan(6000, 300, 1), 4)
    worst = worst_of_partition(exact, found)
    assert max(worst.values()) < LIMIT, worst


# --------------------------------------------------------------- a random number of components

ENGINES_OF_SWEEPS = {"compiled": NATIVE, "in Python": ReferenceEngine()}


@pytest.mark.parametrize("engine", ENGINES_OF_SWEEPS)
@pytest.mark.parametrize("rate", [None, 1.5])
@pytest.mark.parametrize("components", ["variances", "matrices"])
def test_number_of_components_is_that_of_all_partitions(
    components: str, rate: float | None, engine: str
) -> None:
    check_number_of_components(
        components, rate, ENGINES_OF_SWEEPS[engine], ChainPlan(600, 50, 1), 2
    )


@pytest.mark.calibrate
@pytest.mark.parametrize("engine", ENGINES_OF_SWEEPS)
@pytest.mark.parametrize("rate", [None, 1.5])
@pytest.mark.parametrize("components", ["variances", "matrices"])
def test_number_of_components_is_that_of_all_partitions_of_nine_rows(
    components: str, rate: float | None, engine: str
) -> None:
    extra = np.array([[3.3, 1.2], [-0.2, -1.4]])
    plan, chains = ChainPlan(6000, 300, 1), ENGINES_OF_SWEEPS[engine]
    check_number_of_components(components, rate, chains, plan, 4, extra)


def check_number_of_components(
    components: str,
    rate: float | None,
    engine: Engine,
    plan: ChainPlan,
    n_chains: int,
    extra: np.ndarray = ROWS[:0],
) -> None:
    """Compare with every partition, of each number of components by itself: evidences in turn."""
    component_prior, family, cluster, rows = COMPONENTS[components]
    rows, K, c = np.concatenate([rows, extra]), 5, 1.2
    log_chances = np.array([log_chance(k, rate, K) for k in range(1, K + 1)])
    of_numbers = [
        exact_posterior(rows, symmetric_dirichlet(k, c), cluster) for k in range(1, K + 1)
    ]
    exact = exact_posterior(rows, finite_mixtures(c, lambda k: log_chance(k, rate, K)), cluster)
    logs = log_chances + [one.log_evidence for one in of_numbers]
    assert exact.log_evidence == pytest.approx(float(logsumexp(logs)), rel=1e-12)
    model = MixtureModel(K, 2, MixtureOfFiniteMixtures(c, rate), component_prior, FAMILIES[family])
    drawn = run_chains(model, rows, plan, n_chains, engine)
    numbers = (drawn.weights > 0.0).sum(axis=-1)
    is_number = (numbers[..., None] == np.arange(1, K + 1)).astype(float)
    worst = np.abs(of_events(is_number, np.exp(logs - logsumexp(logs)))).max()
    assert worst < LIMIT
    found = partition_of(drawn, rows)
    errors = worst_of_partition(exact, found)
    assert max(errors.values()) < LIMIT, errors
