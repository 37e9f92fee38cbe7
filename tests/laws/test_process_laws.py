"""Processes against closed forms: sticks written out, few rows enumerated, truncations compared."""

import warnings
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.special import digamma, gammaln, logsumexp

from laws.enumeration import stick_allocations
from laws.independent import log_joint
from laws.running import blobs, elicited, run
from mixtura import GaussianMixtureModel, load
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.inference import MAP, VB
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Gamma,
    KnownScale,
    MixtureOfFiniteMixtures,
    Normal,
    PitmanYor,
    WeightPrior,
)
from mixtura.priors.dirichlet import SMALLEST_WEIGHT
from mixtura.priors.stick_breaking import StickBreaking

COUNT = np.array([40.0, 12.5, 3.0, 0.0])
PROBABILITIES = np.array([0.001, 0.05, 0.5, 0.95, 0.999])


@pytest.mark.parametrize("discount", [0.0, 0.3])
@pytest.mark.parametrize("concentration", [1e-3, 1e-1, 1.0, 30.0, 1e3])
def test_sticks_are_the_betas_that_counts_give(concentration: float, discount: float) -> None:
    prior = PitmanYor(concentration, discount) if discount else DirichletProcess(concentration)
    posterior = prior.posterior(COUNT)
    a, d = concentration, discount
    first = np.array([41.0 - d, 13.5 - d, 4.0 - d])
    second = np.array([a + d + 15.5, a + 2 * d + 3.0, a + 3 * d])
    share = first / (first + second)
    weights = [
        share[0],
        share[1] * (1 - share[0]),
        share[2] * (1 - share[1]) * (1 - share[0]),
        (1 - share[2]) * (1 - share[1]) * (1 - share[0]),
    ]
    np.testing.assert_allclose(posterior.expected_weights(4), weights, rtol=1e-10)
    log_share = digamma(first) - digamma(first + second)
    log_rest = digamma(second) - digamma(first + second)
    logs = [
        log_share[0],
        log_share[1] + log_rest[0],
        log_share[2] + log_rest[:2].sum(),
        log_rest.sum(),
    ]
    np.testing.assert_allclose(posterior.expected_log_weights(4), logs, rtol=1e-12)
    # The divergence of betas from betas, stick by stick, as an average of log ratios.
    apart = 0.0
    for k in range(3):
        here, there = (first[k], second[k]), (1.0 - d, a + (k + 1) * d)
        apart += gammaln(sum(here)) - gammaln(here).sum() - gammaln(sum(there))
        apart += gammaln(there).sum() + (here[0] - there[0]) * log_share[k]
        apart += (here[1] - there[1]) * log_rest[k]
    assert posterior.divergence(prior, 4) == pytest.approx(apart, rel=1e-9, abs=1e-9)
    deviation = stats.beta(first[0], second[0]).std()
    assert posterior.weight_deviations(4)[0] == pytest.approx(deviation, rel=1e-8)


def test_quantiles_of_products_of_betas() -> None:
    posterior = PitmanYor(0.8, 0.2).posterior(np.array([6.0, 2.0, 0.5]))
    first, second = np.array([6.8, 2.8]), np.array([0.8 + 0.2 + 2.5, 0.8 + 0.4 + 0.5])
    quantiles = posterior.weight_quantiles(PROBABILITIES, 3)
    expected = stats.beta(first[0], second[0]).ppf(PROBABILITIES)
    np.testing.assert_allclose(quantiles[:, 0], expected, rtol=1e-9)
    rest = stats.beta(second[0], first[0])
    for k, stick in ((1, stats.beta(first[1], second[1])), (2, stats.beta(second[1], first[1]))):
        for probability, point in zip(PROBABILITIES, quantiles[:, k], strict=True):
            below = quad(
                lambda r, x=point, s=stick: rest.pdf(r) * s.cdf(min(x / r, 1.0)),
                0.0,
                1.0,
                points=[point],
                epsabs=1e-10,
            )[0]
            assert below == pytest.approx(probability, abs=1e-7)


@pytest.mark.parametrize("discount", [0.0, 0.4])
def test_an_unknown_concentration_is_integrated_out(discount: float) -> None:
    posterior = StickBreaking(Gamma(1.5, 0.7), discount, COUNT)

    def evidence(a: float, power: float = 0.0) -> float:
        total = stats.gamma.logpdf(a, 1.5, scale=1.0 / 0.7) + 60.0
        for k in range(3):
            after = COUNT[k + 1 :].sum()
            here = (1.0 - discount + COUNT[k], a + (k + 1) * discount + after)
            there = (1.0 - discount, a + (k + 1) * discount)
            total += gammaln(here).sum() - gammaln(sum(here))
            total -= gammaln(there).sum() - gammaln(sum(there))
        return float(np.exp(total) * a**power)

    pieces = [(0.0, 1.0), (1.0, 5.0), (5.0, 60.0)]
    total = sum(quad(evidence, *piece, epsabs=0, epsrel=1e-11)[0] for piece in pieces)
    first = sum(quad(evidence, *piece, args=(1.0,), epsabs=0, epsrel=1e-11)[0] for piece in pieces)
    assert posterior.log_evidence == pytest.approx(np.log(total) - 60.0, rel=1e-10)
    assert posterior.concentration_mean() == pytest.approx(first / total, rel=1e-8)


def partitions_evidence(concentration: float, n_rows: int) -> dict[int, float]:
    """Return the probability of each number of clusters by seating every row in turn."""
    chance = {(): 1.0}
    for row in range(n_rows):
        grown: dict[tuple[int, ...], float] = {}
        for sizes, p in chance.items():
            for j, size in enumerate(sizes):
                now = (*sizes[:j], size + 1, *sizes[j + 1 :])
                grown[now] = grown.get(now, 0.0) + p * size / (concentration + row)
            now = (*sizes, 1)
            grown[now] = grown.get(now, 0.0) + p * concentration / (concentration + row)
        chance = grown
    found: dict[int, float] = {}
    for sizes, p in chance.items():
        found[len(sizes)] = found.get(len(sizes), 0.0) + p
    return found


def test_expected_number_of_clusters() -> None:
    chances = partitions_evidence(1.7, 6)
    expected = sum(number * p for number, p in chances.items())
    assert DirichletProcess(1.7).expected_n_clusters(6) == pytest.approx(expected, rel=1e-12)
    # A new cluster has probability (a + d clusters) / (a + rows): by recursion of the mean.
    mean = 0.0
    for row in range(40):
        mean += (0.9 + 0.35 * mean) / (0.9 + row)
    assert PitmanYor(0.9, 0.35).expected_n_clusters(40) == pytest.approx(mean, rel=1e-11)
    gamma = stats.gamma(2.0, scale=0.5)
    averaged = quad(lambda a: gamma.pdf(a) * a * (digamma(a + 30) - digamma(a)), 0.0, 40.0)[0]
    found = DirichletProcess(Gamma(2.0, 2.0)).expected_n_clusters(30)
    assert found == pytest.approx(averaged, rel=1e-7)


@pytest.mark.parametrize(
    "prior", [DirichletProcess(0.6), PitmanYor(0.6, 0.3), DirichletProcess(Gamma(2.0, 1.0))]
)
def test_bound_grows_with_the_truncation(prior: WeightPrior) -> None:
    rows = blobs(np.random.default_rng(51), 40, 2, 2)
    given = elicited(FAMILIES["full"], rows, 2).component_prior
    bounds = []  # below two components as well: what is left of the process has no rows
    for K in (1, 2, 5, 8, 12):
        model = MixtureModel(K, 2, prior, given, FAMILIES["full"])
        fit = run(model, rows, VB(), keep_numbering=True)
        falls = np.diff(fit.history)
        assert (falls >= -1e-9 * abs(fit.objective)).all()
        bounds.append(fit.objective)
    assert (np.diff(bounds) >= -1e-6).all()


def test_probabilities_of_all_assignments_add_up_to_one() -> None:
    prior = DirichletProcess(0.7)
    labels = np.array(list(product(range(3), repeat=4)))
    counts = (labels[:, :, None] == np.arange(3)).sum(axis=1)
    total = logsumexp([prior.posterior(count.astype(float)).log_evidence for count in counts])
    assert total == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "prior", [DirichletProcess(1.0), DirichletProcess(1e3), PitmanYor(2.0, 0.6)]
)
def test_order_is_by_decreasing_counts(prior: WeightPrior) -> None:
    count = np.array([1.0, 30.0, 0.0, 7.0])
    assert prior.preferred_order(count).tolist() == [1, 3, 0, 2]

    def bound(order: tuple[int, ...]) -> float:
        posterior = prior.posterior(count[list(order)])
        expected = count[list(order)] @ posterior.bound_log_weights(4)
        return float(expected - posterior.bound_divergence(prior, 4))

    assert max(permutations(range(4)), key=bound) == (1, 3, 0, 2)


@pytest.mark.parametrize("discount", [0.0, 0.4])
def test_bound_of_given_assignments_is_the_chance_of_their_sticks(discount: float) -> None:
    # Rows 1 .. n of each cluster choose its stick, and pass by those before it: beta moments.
    prior = PitmanYor(0.8, discount) if discount else DirichletProcess(0.8)
    count = np.array([4.0, 2.0, 1.0])
    posterior = prior.posterior(count)
    found = count @ posterior.bound_log_weights(3) - posterior.bound_divergence(prior, 3)
    chance = 1.0
    for k, passed in enumerate((3.0, 1.0, 0.0), start=1):
        first, second = 1.0 - discount, 0.8 + k * discount
        chance *= beta_function(first + count[k - 1], second + passed)
        chance /= beta_function(first, second)
    assert found == pytest.approx(np.log(chance), rel=1e-12)


def test_unlawful_processes_are_refused_in_one_line() -> None:
    for make in (
        lambda: PitmanYor(1.0, 1.0),
        lambda: PitmanYor(1.0, -0.1),
        lambda: DirichletProcess(0.0),
        lambda: DirichletProcess([1.0, 2.0]),
        lambda: DirichletProcess(Gamma([1.0, 2.0], 1.0)),
    ):
        with pytest.raises(InvalidArgumentError, match=r"PitmanYor|DirichletProcess") as caught:
            make()
        assert "\n" not in str(caught.value)


def test_files_keep_processes(tmp_path: Path) -> None:
    rows = blobs(np.random.default_rng(52), 60, 1, 2)
    for number, prior in enumerate((DirichletProcess(Gamma(2.0, 3.0)), PitmanYor(0.5, 0.25))):
        made = GaussianMixtureModel(
            6,
            weight_prior=prior,
            component_prior=KnownScale(1.0, Normal(0.0, 10.0)),
            inference="vb",
            random_state=0,
        ).fit(rows)
        made.save(tmp_path / f"{number}.mixtura")
        again = load(tmp_path / f"{number}.mixtura")
        assert repr(again.fit_.model.weight_prior) == repr(prior)
        np.testing.assert_array_equal(again.score_samples(rows), made.score_samples(rows))


def test_the_mode_under_a_process_is_where_no_weight_is_at_the_edge() -> None:
    rows = blobs(np.random.default_rng(53), 200, 2, 3)
    given = elicited(FAMILIES["full"], rows, 3).component_prior
    for prior in (DirichletProcess(2.0), PitmanYor(1.0, 0.2), DirichletProcess(Gamma(3.0, 1.0))):
        model = MixtureModel(3, 2, prior, given, FAMILIES["full"])
        for optimizer in ("em", "quasi-newton"):
            fit = run(model, rows, MAP(optimizer=optimizer), keep_numbering=True)
            assert fit.converged
            parts = rows, fit.parameters
            again = log_joint(prior, given, *parts)
            assert fit.objective == pytest.approx(again, rel=1e-9)
            assert (np.diff(fit.history) >= -1e-9 * abs(fit.objective)).all()


@pytest.mark.parametrize(
    ("prior", "count", "expected"),
    [
        # Weights 4 to 7 are held: what is left of the density, p_1^20 p_2^8 p_3^4 / R_2 R_3, has
        # powers 20 and 10 of the first stick, 8 and 3 of the second.
        (DirichletProcess(1.0), (20, 8, 4, 0, 0, 0, 0), (22 / 33, 8 / 33, 3 / 33)),
        # p_1^19.5 p_2^7.5 p_3^3.5 / R_2 R_3: powers 19.5 and 9, then 7.5 and 2.5.
        (PitmanYor(1.0, 0.5), (20, 8, 4, 0, 0, 0, 0, 0), (19.5 / 28.5, 6.75 / 28.5, 2.25 / 28.5)),
        # A weight of half a row has no mode inside, nor have those after it.
        (DirichletProcess(1.0), (9, 3, 0.5, 0, 0, 0), (9 / 11, 2 / 11)),
        (DirichletProcess(1.0), (9, 0, 0, 0, 0, 0), (1.0,)),
    ],
)
def test_the_mode_of_other_weights_is_that_given_those_at_the_edge(
    prior: WeightPrior, count: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    K, m = len(count), len(expected)
    posterior = prior.posterior(np.array(count, dtype=float))
    mode = posterior.mode(K)
    np.testing.assert_allclose(mode[:m], expected, rtol=1e-10)
    np.testing.assert_allclose(mode[m:], SMALLEST_WEIGHT, rtol=1e-10)
    assert prior.is_unbounded_at(mode)
    # Nothing near is higher: of processes without discount also where held weights rise.
    rng, height = np.random.default_rng(5), posterior.log_density(mode)
    for size in (1e-5, 1e-3):
        for _ in range(50):
            other = mode.copy()
            other[:m] *= np.exp(size * rng.normal(size=m))
            if isinstance(prior, DirichletProcess):
                other[m:] *= np.exp(size * rng.gamma(1.0, size=K - m))
            other[:m] *= (1.0 - other[m:].sum()) / other[:m].sum()
            assert posterior.log_density(other) <= height + 1e-12 * abs(height)


@pytest.mark.parametrize("concentration", [1.0, Gamma(1.0, 1.0)])
@pytest.mark.parametrize("discount", [0.0, 0.3])
@pytest.mark.parametrize("seed", [2, 5, 11, 12, 16, 25, 30])
def test_no_step_of_map_under_a_process_falls(
    seed: int, discount: float, concentration: float | Gamma
) -> None:
    rng = np.random.default_rng(seed)
    n_rows, n_features, K, n_groups = (
        int(rng.integers(low, high)) for low, high in ((20, 200), (1, 4), (2, 10), (1, 5))
    )
    centres = rng.normal(size=(n_groups, n_features)) * rng.choice([1.0, 3.0])
    rows = centres[rng.integers(n_groups, size=n_rows)] + rng.normal(size=(n_rows, n_features))
    prior = PitmanYor(concentration, discount)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a component of few rows
        model = GaussianMixtureModel(K, covariance_type="diag", weight_prior=prior).fit(rows)
    history = np.array(model.objective_history_)
    assert model.converged_
    assert (np.diff(history) >= -1e-11 * (1.0 + np.abs(history[1:]))).all()
    assert model.objective_ == pytest.approx(history.max(), abs=1e-9)


# --------------------------------------------------------------------- how many weights are needed


def groups_of_a_cut_process(concentration: float, discount: float, K: int, n_rows: int) -> float:
    """Return the expected number of groups under K weights, by a sum over all K^N allocations."""
    allocations = np.indices((K,) * n_rows).reshape(n_rows, -1).T
    counts = (allocations[:, :, None] == np.arange(K)).sum(axis=1)
    log_prior, _ = stick_allocations(concentration, discount, K)(counts)
    return float(np.exp(log_prior) @ (counts > 0).sum(axis=1))


@pytest.mark.parametrize(("concentration", "discount"), [(0.5, 0.0), (1.5, 0.0), (0.7, 0.2)])
@pytest.mark.parametrize("loss", [0.3, 0.03])
def test_so_many_weights_lose_no_more_groups(
    concentration: float, discount: float, loss: float
) -> None:
    n_rows = 4
    prior = PitmanYor(concentration, discount)
    K = prior.n_needed(n_rows, loss, 12)
    assert 2 <= K < 12
    whole = prior.expected_n_clusters(n_rows)
    assert whole - groups_of_a_cut_process(concentration, discount, K, n_rows) < loss
    far_fewer = groups_of_a_cut_process(concentration, discount, max(1, K // 3), n_rows)
    assert whole - far_fewer > loss
    assert prior.n_needed(n_rows, loss, K - 1) == K - 1
    assert prior.n_needed(1, loss, 12) == 2


def test_an_unknown_concentration_needs_the_weights_of_the_large_ones() -> None:
    """Between those of its mean and of a value that it exceeds with a probability of 5e-5."""
    unknown = DirichletProcess(Gamma(1.0, 1.0)).n_needed(50, 1e-3, 400)
    mean, far = (DirichletProcess(a).n_needed(50, 1e-3, 400) for a in (1.0, 9.9))
    assert mean < unknown < far


def test_other_priors_need_no_more_than_they_have() -> None:
    for prior in (Dirichlet(1.0), MixtureOfFiniteMixtures(1.0)):
        assert prior.n_needed(100, 1e-3, 50) == 1
