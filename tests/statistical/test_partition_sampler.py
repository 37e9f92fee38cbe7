"""Collapsed Gibbs sampling against sums over all partitions, and Geweke's joint distributions.

The short forms run with all tests, the long ones by ``make calibrate``.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp, roots_genlaguerre

from laws.enumeration import (
    ExactPosterior,
    exact_posterior,
    finite_mixtures,
    known_scale,
    pitman_yor,
    symmetric_dirichlet,
)
from mixtura.data import ArrayRows
from mixtura.datasets import load_iris
from mixtura.diagnostics.convergence_diagnostics import mean_error
from mixtura.engines import Engine, ReferenceEngine, reference_allocation
from mixtura.engines.allocation import numbered
from mixtura.families import FAMILIES
from mixtura.inference.mcmc.chain_runs import ChainPlan
from mixtura.inference.mcmc.partition_chains import PartitionSampler, parameters_given
from mixtura.inference.mcmc.stretches import joined
from mixtura.messages.prior_arrays import PartitionSteps
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Gamma,
    KnownScale,
    MixtureOfFiniteMixtures,
    Normal,
    NormalInverseGamma,
    PitmanYor,
    WeightPrior,
)
from statistical.chains import NATIVE, n_occupied, of_events, run_chains, standardised
from statistical.test_enumerated_posteriors import COMPONENTS, LIMIT, NEAL, log_chance

PartitionPrior = Callable[[np.ndarray], float]


def unknown_concentration(shape: float, rate: float, discount: float) -> PartitionPrior:
    """Return the average of the process's prior over Gamma concentrations, by Gauss's rule."""
    nodes, weights = roots_genlaguerre(80, shape - 1.0)
    log_weights = np.log(weights / weights.sum())
    priors = [pitman_yor(node / rate, discount) for node in nodes]

    def log_prior(sizes: np.ndarray) -> float:
        return float(logsumexp([w + p(sizes) for w, p in zip(log_weights, priors, strict=True)]))

    return log_prior


WEIGHTS: dict[str, tuple[WeightPrior, int, PartitionPrior]] = {
    "two": (Dirichlet(0.8), 2, symmetric_dirichlet(2, 0.8)),
    "three": (Dirichlet(1.3), 3, symmetric_dirichlet(3, 1.3)),
    "Dirichlet process": (DirichletProcess(0.8), 2, pitman_yor(0.8)),
    "Pitman-Yor": (PitmanYor(0.6, 0.35), 2, pitman_yor(0.6, 0.35)),
    "unknown": (DirichletProcess(Gamma(2.0, 1.5)), 2, unknown_concentration(2.0, 1.5, 0.0)),
    "unknown with discount": (
        PitmanYor(Gamma(2.0, 1.5), 0.25),
        2,
        unknown_concentration(2.0, 1.5, 0.25),
    ),
    "finite mixtures": (
        MixtureOfFiniteMixtures(0.9, 1.5),
        4,
        finite_mixtures(0.9, lambda k: log_chance(k, 1.5, 4)),
    ),
}


def sampler_of(
    model: MixtureModel,
    rows: np.ndarray,
    n_draws: int,
    engine: Engine = NATIVE,
    scans: int = 1,
    moves: int = 2,
) -> PartitionSampler:
    partitions, clusters = model.weight_prior.partitions(model.n_components), model.cluster_steps
    assert partitions is not None
    assert clusters is not None
    given = (engine, ChainPlan(n_draws, 0, 1), partitions, clusters, moves, scans)
    return PartitionSampler(model, ArrayRows(rows), *given)


def drawn_partitions(
    model: MixtureModel, rows: np.ndarray, n_draws: int, n_chains: int, **how: Any
) -> dict[str, np.ndarray]:
    """Return labels (C, S, N), and means (C, S, N, D) and weights (C, S, N) of rows' clusters."""
    sampler = sampler_of(model, rows, n_draws, **how)
    found: dict[str, list[np.ndarray]] = {"labels": [], "means": [], "weights": []}
    for seed in np.random.SeedSequence(0).spawn(n_chains):
        of_chain, of_parameters = seed.spawn(2)
        state, labels = sampler.begin_at(np.arange(len(rows)) % 2, of_chain), []
        stretches = []
        for _ in range(n_draws):
            state = sampler.advance(replace(state, past=()), 1)
            labels.append(state.labels)
            stretches += state.past
        past = joined(stretches)
        size = sampler.partitions.n_slots(model.n_components, int(past.occupied.max()))
        large = replace(model, n_components=size)
        drawn = parameters_given(sampler, large, past, past.log_joint[:n_draws], of_parameters)
        place = np.stack(labels)
        found["labels"].append(place)
        found["means"].append(np.take_along_axis(drawn.means, place[:, :, None], axis=1))
        found["weights"].append(np.take_along_axis(drawn.weights, place, axis=1))
    return {name: np.stack(parts) for name, parts in found.items()}


def worst(exact: ExactPosterior, found: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the largest error of each kind of average, in standard errors."""
    labels = found["labels"]
    n_rows = labels.shape[2]
    number = (labels.max(axis=2)[..., None] == np.arange(n_rows)).astype(float)
    possible = exact.n_clusters > 0.0
    assert not number[..., ~possible].any()
    one, other = np.triu_indices(n_rows, 1)
    together = (labels[..., one] == labels[..., other]).astype(float)
    errors = {
        "number": of_events(number[..., possible], exact.n_clusters[possible]),
        "together": of_events(together, exact.co_clustering[one, other]),
        "means": standardised(found["means"], exact.means),
    }
    return {name: float(np.abs(values).max()) for name, values in errors.items()}


def test_number_of_components_is_that_of_all_partitions() -> None:
    """Of each number of components by itself, evidence by evidence."""
    component_prior, family, cluster, rows = COMPONENTS["variances"]
    K, c = 4, 0.9
    logs = [
        log_chance(k, 1.5, K)
        + exact_posterior(rows, symmetric_dirichlet(k, c), cluster).log_evidence
        for k in range(1, K + 1)
    ]
    exact = np.exp(logs - logsumexp(logs))
    weights = MixtureOfFiniteMixtures(c, 1.5)
    model = MixtureModel(K, rows.shape[1], weights, component_prior, FAMILIES[family])
    found = []
    for seed in np.random.SeedSequence(7).spawn(2):
        of_chain, of_parameters = seed.spawn(2)
        sampler = sampler_of(model, rows, 1500)
        state = sampler.begin_at(np.arange(len(rows)) % 2, of_chain)
        past = joined(sampler.advance(state, 1500).past)
        drawn = parameters_given(sampler, model, past, past.log_joint[:1500], of_parameters)
        found.append((drawn.weights > 0.0).sum(axis=1)[:, None] == np.arange(1, K + 1))
    assert np.abs(of_events(np.array(found, dtype=float), exact)).max() < LIMIT


def exact_weights(exact: ExactPosterior, weight: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the expected weights (N,) of the rows' clusters, given theirs from sizes (B, N)."""
    sizes = (exact.partitions[:, :, None] == exact.partitions[:, None, :]).sum(axis=2)
    return exact.probabilities @ weight(sizes)


def assert_agreement(
    weights: str, components: str, n_draws: int, n_chains: int, **how: Any
) -> None:
    weight_prior, K, partition_prior = WEIGHTS[weights]
    component_prior, family, cluster, rows = COMPONENTS[components]
    model = MixtureModel(K, rows.shape[1], weight_prior, component_prior, FAMILIES[family])
    exact = exact_posterior(rows, partition_prior, cluster)
    found = worst(exact, drawn_partitions(model, rows, n_draws, n_chains, **how))
    assert max(found.values()) < LIMIT, found


@pytest.mark.parametrize(
    ("weights", "components"),
    [
        ("three", "variances"),
        ("Pitman-Yor", "matrices"),
        ("Dirichlet process", "known scale"),
        ("unknown with discount", "variances"),
        ("finite mixtures", "matrices"),
    ],
)
def test_few_partitions_agree_with_all(weights: str, components: str) -> None:
    assert_agreement(weights, components, 1000, 2)


@pytest.mark.parametrize(
    ("weights", "components"), [("two", "variances"), ("Pitman-Yor", "matrices")]
)
def test_splits_and_merges_alone_leave_the_posterior(weights: str, components: str) -> None:
    assert_agreement(weights, components, 1000, 2, scans=0, moves=4)


@pytest.mark.calibrate
@pytest.mark.parametrize("components", COMPONENTS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("how", [(1, 0), (0, 4), (1, 3)], ids=["scans", "moves", "both"])
def test_many_partitions_agree_with_all(weights: str, components: str, how: Any) -> None:
    assert_agreement(weights, components, 8_000, 4, scans=how[0], moves=how[1])


@pytest.mark.parametrize("weights", ["three", "Pitman-Yor"])
def test_weights_are_those_given_the_partition(weights: str) -> None:
    """Of a cluster of n rows (alpha + n) / (K alpha + N), or (n - d) / (a + N)."""
    weight_prior, K, partition_prior = WEIGHTS[weights]
    component_prior, family, cluster, rows = COMPONENTS["known scale"]
    model = MixtureModel(K, 1, weight_prior, component_prior, FAMILIES[family])
    exact = exact_posterior(rows, partition_prior, cluster)
    expected = exact_weights(
        exact,
        (lambda n: (1.3 + n) / (3.9 + 7.0))
        if isinstance(weight_prior, Dirichlet)
        else (lambda n: (n - 0.35) / (0.6 + 7.0)),
    )
    found = drawn_partitions(model, rows, 1000, 2)["weights"]
    assert np.abs(standardised(found, expected)).max() < LIMIT


def neal_model() -> MixtureModel:
    components = KnownScale(0.1, Normal(0.0, 1.0))
    return MixtureModel(5, 1, DirichletProcess(1.0), components, FAMILIES["diag"])


def test_nine_points_of_neal() -> None:
    exact = exact_posterior(NEAL, pitman_yor(1.0), known_scale(0.0, 1.0, 0.1))
    found = worst(exact, drawn_partitions(neal_model(), NEAL, 1500, 2))
    assert max(found.values()) < LIMIT, found


@pytest.mark.calibrate
def test_nine_points_of_neal_to_two_digits() -> None:
    """All 21,147 partitions of the published example, in digits that others can compare."""
    found = drawn_partitions(neal_model(), NEAL, 40_000, 4)
    exact = exact_posterior(NEAL, pitman_yor(1.0), known_scale(0.0, 1.0, 0.1))
    errors = worst(exact, found)
    assert max(errors.values()) < LIMIT, errors
    number = np.bincount(found["labels"].max(axis=2).ravel(), minlength=9) / 160_000
    published = [0.000438, 0.06392, 0.492313, 0.358214, 0.077619, 0.007193, 0.000298, 4e-06]
    np.testing.assert_allclose(number[1:], published, atol=0.01)
    labels = found["labels"]
    for one, other, share in ((0, 1, 0.8753), (2, 3, 0.8301), (5, 6, 0.0619), (7, 8, 0.6231)):
        together = (labels[..., one] == labels[..., other]).mean()
        assert together == pytest.approx(share, abs=0.01)
    assert found["means"][:, :, 0].mean() == pytest.approx(-1.398555, abs=0.005)


# ------------------------------------------------------------------------ joint distributions

N_ROWS = 6
CENTRE, SHRINKAGE, SHAPE, SCALE = 0.5, 0.4, 3.0, 1.5
UNLIKELY, CAUGHT = 1e-5, 1e-7


def drawn_partition(concentration: float, discount: float, rng: np.random.Generator) -> np.ndarray:
    """Return a partition drawn by seating rows one after the other."""
    sizes, labels = [1.0], [0]
    for _ in range(N_ROWS - 1):
        new = concentration + discount * len(sizes)
        chances = np.append(np.array(sizes) - discount, new)
        chosen = int(rng.choice(len(chances), p=chances / chances.sum()))
        sizes = [*sizes, 0.0] if chosen == len(sizes) else sizes
        sizes[chosen] += 1.0
        labels.append(chosen)
    return np.array(labels)


def drawn_rows(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return rows (N, 2) given their clusters, whose parameters are drawn from the prior."""
    size = (labels.max() + 1, 2)
    variances = stats.invgamma.rvs(SHAPE, scale=SCALE, size=size, random_state=rng)
    means = CENTRE + np.sqrt(variances / SHRINKAGE) * rng.standard_normal(size)
    noise = rng.standard_normal((N_ROWS, 2))
    return means[labels] + np.sqrt(variances)[labels] * noise


def quantities(labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return numbers of which each sees another mistake."""
    sizes = np.bincount(labels)
    together = labels[0] == labels[1]
    apart = np.log(np.abs(rows[0] - rows[1]).sum())
    within = sum(np.ptp(rows[labels == k, 0]) for k in range(sizes.size))
    return np.array(
        [sizes.size, sizes.max(), together, apart, together * apart, rows[0, 0], within]
    )


def least_p_value(
    engine: Engine, n_replicates: int, n_rounds: int, *, scans: int, moves: int, seed: int = 0
) -> float:
    """Return the least p-value of all quantities, before rounds of both steps against after."""
    concentration, discount = 1.5, 0.3
    prior = NormalInverseGamma(CENTRE, SHRINKAGE, SHAPE, SCALE)
    model = MixtureModel(2, 2, PitmanYor(concentration, discount), prior, FAMILIES["diag"])
    first, last = [], []
    for number, child in enumerate(np.random.SeedSequence(seed).spawn(3 * n_replicates)):
        rng = np.random.default_rng(child)
        labels = drawn_partition(concentration, discount, rng)
        rows = drawn_rows(labels, rng)
        if number >= n_replicates:
            first.append(quantities(labels, rows))
            continue
        for key in child.spawn(n_rounds):
            sampler = sampler_of(model, rows, 1, engine, scans, moves)
            labels = sampler.advance(sampler.begin_at(labels, key), 1).labels
            last.append(quantities(labels, rows)) if key.spawn_key[-1] == n_rounds - 1 else None
            rows = drawn_rows(labels, rng)
    pairs = zip(np.transpose(first), np.transpose(last), strict=True)
    return min(float(stats.ks_2samp(*pair, method="asymp").pvalue) for pair in pairs)


@pytest.mark.parametrize(("scans", "moves"), [(1, 0), (0, 3), (1, 2)])
def test_the_joint_distribution_stays(scans: int, moves: int) -> None:
    assert least_p_value(NATIVE, 250, 6, scans=scans, moves=moves) > UNLIKELY


@pytest.mark.calibrate
@pytest.mark.parametrize(("scans", "moves"), [(1, 0), (0, 3), (1, 2)])
def test_the_joint_distribution_stays_in_many_replicates(scans: int, moves: int) -> None:
    assert least_p_value(NATIVE, 5000, 10, scans=scans, moves=moves, seed=1) > UNLIKELY


def test_a_new_cluster_without_its_concentration_is_caught(monkeypatch: Any) -> None:
    right = PartitionSteps.of
    wrong = staticmethod(lambda shift, log_new: right(shift, np.zeros_like(log_new)))
    monkeypatch.setattr(PartitionSteps, "of", wrong)
    assert least_p_value(NATIVE, 250, 6, scans=1, moves=0) < CAUGHT


def test_an_acceptance_without_the_proposal_is_caught(monkeypatch: Any) -> None:
    monkeypatch.setattr(reference_allocation, "log_acceptance", lambda ratio, proposal: ratio)
    assert least_p_value(ReferenceEngine(), 120, 4, scans=0, moves=2) < CAUGHT


# --------------------------------------------------------------------- blocked and collapsed


@pytest.mark.calibrate
def test_blocked_draws_of_a_long_stick_find_as_many_clusters() -> None:
    """The petal lengths of iris: the process truncated at 30 components, and the whole one."""
    rows = load_iris().data[:, 2:3]
    prior = NormalInverseGamma(4.0, 0.05, 2.0, 0.2)
    model = MixtureModel(30, 1, DirichletProcess(1.0), prior, FAMILIES["diag"])
    blocked = run_chains(model, rows, ChainPlan(6000, 1000, 1), 4)
    number = n_occupied(blocked.shares(rows), np.random.default_rng(1)).astype(float)
    labels = drawn_partitions(model, rows, 7000, 4)["labels"][:, 1000:]
    collapsed = 1.0 + labels.max(axis=2)
    error = np.hypot(mean_error(number), mean_error(collapsed))
    assert abs(number.mean() - collapsed.mean()) < LIMIT * error
    for k in range(1, 6):
        events = (number == k).astype(float), (collapsed == k).astype(float)
        error = np.hypot(*(np.nan_to_num(mean_error(each)) for each in events)) + 1e-3
        assert abs(events[0].mean() - events[1].mean()) < LIMIT * error


def test_labels_are_numbered_by_first_rows() -> None:
    np.testing.assert_array_equal(numbered(np.array([5, 2, 5, 9, 2])), [0, 1, 0, 2, 1])
