"""Laws of allocators and of the partitions that weights make: closed forms, and each other."""

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import gammaln

from laws.enumeration import (
    known_scale,
    normal_inverse_gamma,
    normal_inverse_wishart,
    partitions,
    pitman_yor,
    symmetric_dirichlet,
)
from mixtura.diagnostics.convergence_diagnostics import mean_error
from mixtura.engines.allocation import Allocator, numbered
from mixtura.engines.native.allocation_calls import NativeAllocator
from mixtura.engines.reference_allocation import ReferenceAllocator, log_marginal
from mixtura.families import FAMILIES
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Gamma,
    KnownScale,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
    PitmanYor,
    WeightPrior,
)

LOCATION, SHAPE, SCALE = np.array([0.2, -0.1]), np.array([2.5, 1.5]), np.array([0.5, 1.2])
MATRIX = np.array([[0.8, 0.3], [0.3, 0.5]])

COMPONENTS: dict[str, tuple[Any, str]] = {
    "variances": (NormalInverseGamma(LOCATION, 0.3, SHAPE, SCALE), "diag"),
    "one variance": (NormalInverseGamma(LOCATION, [0.3, 0.7], 2.5, 0.5), "spherical"),
    "matrices": (NormalInverseWishart(LOCATION, 0.3, 4.5, MATRIX), "full"),
    "known scales": (KnownScale([0.6, 0.4], Normal(LOCATION, [1.5, 0.7])), "diag"),
}
WEIGHTS: dict[str, WeightPrior] = {
    "Dirichlet": Dirichlet(0.7),
    "Dirichlet process": DirichletProcess(1.2),
    "Pitman-Yor": PitmanYor(0.6, 0.3),
}


def steps_of(components: str) -> Any:
    prior, family = COMPONENTS[components]
    model = MixtureModel(3, 2, Dirichlet(1.0), prior, FAMILIES[family])
    return model.cluster_steps


def one_variance(rows: np.ndarray) -> float:
    """Return the log density of rows that share a variance over features: one multivariate t."""
    n = len(rows)
    blocks = [np.eye(n) + 1.0 / shrinkage for shrinkage in (0.3, 0.7)]
    shape = np.zeros((2 * n, 2 * n))
    shape[:n, :n], shape[n:, n:] = blocks
    centre = np.repeat(LOCATION, n)
    found = stats.multivariate_t.logpdf(rows.T.ravel(), centre, shape * (0.5 / 2.5), df=5.0)
    return float(found)


EXACT = {
    "variances": normal_inverse_gamma(LOCATION, 0.3, SHAPE, SCALE).log_marginal,
    "one variance": one_variance,
    "matrices": normal_inverse_wishart(LOCATION, 0.3, 4.5, MATRIX).log_marginal,
    "known scales": lambda rows: sum(
        known_scale(LOCATION[d], s, t).log_marginal(rows[:, [d]])
        for d, (s, t) in enumerate(((1.5, 0.6), (0.7, 0.4)))
    ),
}


@pytest.mark.parametrize("components", COMPONENTS)
def test_the_density_of_a_cluster_is_the_closed_form(components: str) -> None:
    rows = np.random.default_rng(1).normal(0.5, 2.0, (6, 2))
    for n in range(1, 7):
        found = log_marginal(rows[:n], steps_of(components))
        assert found == pytest.approx(EXACT[components](rows[:n]), rel=1e-10)
    native = NativeAllocator(rows, steps_of(components))
    partition = DirichletProcess(1.0).partitions(3).steps(6, 1.0)
    labels = np.array([0, 1, 0, 2, 1, 0])
    after, worth = native.run(labels, partition, (1, 0, 0), np.random.default_rng(0))
    np.testing.assert_array_equal(after, labels)
    groups = sum(EXACT[components](rows[labels == k]) for k in range(3))
    assert worth[0] == pytest.approx(groups + np.log(2.0), rel=1e-10)  # (3 - 1)! (2 - 1)! (1 - 1)!


@pytest.mark.parametrize("plan", [(3, 1, 0), (4, 0, 5), (5, 1, 3)], ids=["scans", "moves", "both"])
@pytest.mark.parametrize("components", COMPONENTS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_allocators_draw_the_same_partitions(
    weights: str, components: str, plan: tuple[int, int, int]
) -> None:
    rng = np.random.default_rng(2)
    rows = np.vstack([rng.normal(0.0, 1.0, (7, 2)), rng.normal(3.0, 0.5, (6, 2))])
    made = WEIGHTS[weights].partitions(3)
    assert made is not None
    partition = made.steps(13, made.concentration)
    begin = np.arange(13) % 3
    found = [
        kind(rows, steps_of(components)).run(begin, partition, plan, np.random.default_rng(3))
        for kind in (NativeAllocator, ReferenceAllocator)
    ]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-11)
    np.testing.assert_array_equal(found[0][0], numbered(found[0][0]))


@pytest.mark.parametrize("components", ["variances", "one variance", "matrices"])
def test_a_row_that_leaves_takes_no_digits_along(components: str) -> None:
    """Rows close to each other, and one far away, which all begin as one cluster."""
    rng = np.random.default_rng(4)
    far = np.array([3e3, -2e3])
    rows = np.vstack([far, 1e3 + 1e-3 * rng.standard_normal((9, 2))])
    prior, family = {
        "variances": (NormalInverseGamma(1e3, 1.0, 1.0, 1e-6), "diag"),
        "one variance": (NormalInverseGamma(1e3, 1.0, 1.0, 1e-6), "spherical"),
        "matrices": (NormalInverseWishart(1e3, 1.0, 3.0, 1e-6), "full"),
    }[components]
    steps: Any = MixtureModel(2, 2, Dirichlet(1.0), prior, FAMILIES[family]).cluster_steps
    partition = DirichletProcess(1.0).partitions(2).steps(10, 1.0)
    begin = np.zeros(10, dtype=np.int64)
    labels, worth = NativeAllocator(rows, steps).run(
        begin, partition, (1, 1, 0), np.random.default_rng(5)
    )
    assert (labels[1:] > 0).all()
    # The far row's t distributions in a form in which nothing cancels.
    centre = np.full(2, 1e3)
    alone = {
        "variances": stats.t(2.0, 1e3, np.sqrt(2e-6)).logpdf(far).sum(),
        "one variance": stats.multivariate_t.logpdf(far, centre, 2e-6 * np.eye(2), df=2.0),
        "matrices": stats.multivariate_t.logpdf(far, centre, 1e-6 * np.eye(2), df=2.0),
    }[components]
    groups = [rows[labels == k] for k in range(1, labels.max() + 1)]
    exact = alone + sum(log_marginal(group, steps) + gammaln(len(group)) for group in groups)
    assert worth[0] == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize("components", COMPONENTS)
def test_moments_are_those_of_the_rows(components: str) -> None:
    rows = np.random.default_rng(6).normal(5.0, 2.0, (12, 2))
    labels = np.arange(12) % 3
    steps = steps_of(components)
    found = NativeAllocator(rows, steps).statistics(labels)
    family = FAMILIES[COMPONENTS[components][1]]
    for k in range(3):
        own = rows[labels == k]
        apart = own - own.mean(axis=0)
        np.testing.assert_allclose(found.mean()[k], own.mean(axis=0), rtol=1e-12)
        moments = family.compact((apart.T @ apart)[None])[0]
        np.testing.assert_allclose(found.second[k], moments, rtol=1e-12)
    assert isinstance(found, SufficientStatistics)
    np.testing.assert_array_equal(found.count, [4.0, 4.0, 4.0])


@pytest.mark.parametrize("kept", [(1, 1), (3, 1), (2, 4), (7, 1), (8, 1)])
@pytest.mark.parametrize("components", COMPONENTS)
def test_sweeps_in_one_run_are_those_of_one_run_each(
    components: str, kept: tuple[int, int]
) -> None:
    rows = np.random.default_rng(7).normal(0.0, 2.0, (15, 2))
    made = PitmanYor(0.6, 0.3).partitions(3)
    assert made is not None
    partition = made.steps(15, made.concentration)
    native = NativeAllocator(rows, steps_of(components))
    rng = np.random.default_rng(8)
    labels, every, worth = np.arange(15) % 3, [], []
    for _ in range(7):
        labels, found = native.run(labels, partition, (1, 1, 2), rng)
        every.append(labels)
        worth.append(found[0])
    expected = np.array(every)[kept[0] - 1 :: kept[1]]
    for stretch in (NativeAllocator.stretch, Allocator.stretch):
        source = np.random.default_rng(8)
        found = stretch(native, np.arange(15) % 3, partition, (7, 1, 2), source, kept)
        np.testing.assert_array_equal(found[0], labels)
        np.testing.assert_array_equal(found[1].reshape(-1, 15), expected)
        np.testing.assert_array_equal(found[2], worth)
        assert source.bit_generator.state == rng.bit_generator.state


@pytest.mark.parametrize("components", COMPONENTS)
def test_moments_of_partitions_are_those_of_one_after_the_other(components: str) -> None:
    rng = np.random.default_rng(9)
    native = NativeAllocator(rng.normal(5.0, 2.0, (12, 2)), steps_of(components))
    partitions = np.array([numbered(rng.integers(k, size=12)) for k in (1, 4, 2, 12)])
    occupied, together = native.moments(partitions)
    expected_numbers, expected = Allocator.moments(native, partitions)
    np.testing.assert_array_equal(occupied, partitions.max(axis=1) + 1)
    np.testing.assert_array_equal(occupied, expected_numbers)
    for name in ("count", "first", "second", "pivot"):
        np.testing.assert_array_equal(getattr(together, name), getattr(expected, name))


# ------------------------------------------------------------------ partitions before any row

PARTITION_PRIORS = {
    "two": (Dirichlet(0.8), 2, symmetric_dirichlet(2, 0.8)),
    "three": (Dirichlet(1.7), 3, symmetric_dirichlet(3, 1.7)),
    "Dirichlet process": (DirichletProcess(0.8), 2, pitman_yor(0.8)),
    "Pitman-Yor": (PitmanYor(0.6, 0.35), 2, pitman_yor(0.6, 0.35)),
}


@pytest.mark.parametrize("name", PARTITION_PRIORS)
def test_partitions_have_the_published_probabilities(name: str) -> None:
    prior, n_components, exact = PARTITION_PRIORS[name]
    made = prior.partitions(n_components)
    assert made is not None
    steps, total = made.steps(6, made.concentration), 0.0
    for labels in partitions(6):
        sizes = np.bincount(labels)
        found = made.log_constant(6, made.concentration)
        found += steps.log_size[sizes].sum() + steps.log_new[: sizes.size].sum()
        assert found == pytest.approx(exact(sizes), rel=1e-11, abs=1e-11)
        total += np.exp(found)
    assert total == pytest.approx(1.0, rel=1e-11)


@pytest.mark.parametrize("name", PARTITION_PRIORS)
def test_weights_given_a_partition_have_their_expectations(name: str) -> None:
    """Of clusters (n - d) / (a + N) or (alpha + n) / (K alpha + N), and what is left."""
    prior, n_components, _ = PARTITION_PRIORS[name]
    made = prior.partitions(n_components)
    assert made is not None
    sizes, value = np.array([5.0, 1.0]), made.concentration
    K = made.n_slots(n_components + 2, 2)
    count = np.tile(np.append(sizes, np.zeros(K - 2)), (20_000, 1))
    occupied, values = np.full(20_000, 2), np.full(20_000, value)
    drawn = made.draw_weights(count, occupied, values, np.random.default_rng(7))
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0, rtol=1e-12)
    assert (drawn >= 0.0).all()
    if isinstance(prior, Dirichlet):
        expected = (value + count[0]) / (K * value + 6.0)
    else:
        discount = prior.hyperparameters().get("discount", 0.0)
        rest = (value + 2 * discount) / (value + 6.0)
        sticks = [(1.0 - discount) / (1.0 + value + j * discount) for j in range(2, K - 1)]
        left = rest * np.cumprod([1.0, *(1.0 - np.array(sticks))])
        expected = np.concatenate([(sizes - discount) / (value + 6.0), left * [*sticks, 1.0]])
    error = drawn.std(axis=0) / np.sqrt(20_000) + 1e-12
    assert (np.abs(drawn.mean(axis=0) - expected) < 4.0 * error).all()


@pytest.mark.parametrize("discount", [0.0, 0.4])
@pytest.mark.parametrize(("n_rows", "n_clusters"), [(1, 1), (9, 4), (9, 9)])
def test_concentrations_follow_their_distribution(
    discount: float, n_rows: int, n_clusters: int
) -> None:
    """Moments by quadrature of Gamma(2, 1.5) times the probability of so many clusters."""
    made = PitmanYor(Gamma(2.0, 1.5), discount).partitions(2)
    log_prior = stats.gamma(2.0, scale=1.0 / 1.5).logpdf

    def density(a: float, power: int = 0) -> float:
        of_clusters = np.log(a + discount * np.arange(1, n_clusters)).sum()
        of_rows = np.log(a + np.arange(1, n_rows)).sum()
        return float(a**power * np.exp(log_prior(a) + of_clusters - of_rows))

    total = integrate.quad(density, 0.0, np.inf)[0]
    rng, value, values = np.random.default_rng(8), made.concentration, []
    for _ in range(6000):
        value = made.draw_concentration(value, n_rows, n_clusters, rng)
        values.append(value)
    drawn = np.reshape(values, (1, -1))
    for power in (1, 2):
        exact = integrate.quad(density, 0.0, np.inf, (power,))[0] / total
        error = float(mean_error(drawn**power))
        assert abs((drawn**power).mean() - exact) < 4.0 * error
    assert made.log_constant(9, 0.7) - DirichletProcess(0.7).partitions(2).log_constant(
        9, 0.7
    ) == pytest.approx(log_prior(0.7), rel=1e-12)


def test_what_has_no_partitions_says_so() -> None:
    assert Dirichlet([1.0, 2.0]).partitions(2) is None
    assert DirichletProcess(1.0).partitions(2).n_slots(5, 7) == 8
    assert DirichletProcess(1.0).partitions(2).n_slots(5, 3) == 5
    known = KnownScale(0.5)
    assert MixtureModel(2, 2, Dirichlet(1.0), known, FAMILIES["tied_diag"]).cluster_steps is None
