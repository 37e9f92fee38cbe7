"""The enumeration itself, against published and independent numbers, before laws rely on it."""

from itertools import product

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import gammaln, logsumexp

from laws.enumeration import (
    LogPartitionPrior,
    dirichlet_allocations,
    exact_mixture,
    exact_posterior,
    finite_mixtures,
    known_scale,
    normal_inverse_gamma,
    normal_inverse_wishart,
    partitions,
    pitman_yor,
    stick_allocations,
    symmetric_dirichlet,
)

# The nine observations of Neal (2000), section 7, with clusters Normal(theta, 0.1), base measure
# Normal(0, 1) and concentration 1. The numbers below come from an independent program that summed
# over all 21,147 partitions.
NEAL = np.array([[-1.48], [-1.40], [-1.16], [-1.08], [-1.02], [0.14], [0.51], [0.53], [0.78]])
NEAL_N_CLUSTERS = [0.000438, 0.06392, 0.492313, 0.358214, 0.077619, 0.007193, 0.000298, 4e-06]
NEAL_TOGETHER = {
    (1, 2): 0.8753, (1, 3): 0.2235, (1, 4): 0.1458, (1, 5): 0.1199, (2, 3): 0.2793,
    (2, 4): 0.1992, (2, 5): 0.1708, (3, 4): 0.8301, (3, 5): 0.8076, (4, 5): 0.8845,
    (6, 7): 0.0619, (6, 8): 0.0526, (6, 9): 0.0048, (7, 8): 0.8327, (7, 9): 0.603,
    (8, 9): 0.6231,
}  # fmt: skip

BELL = [1, 2, 5, 15, 52, 203, 877, 4140, 21147]


def geometric(k: int) -> float:
    """Return the log probability of k components, k = 1, 2, ..., each half as probable."""
    return -k * float(np.log(2.0))


PRIORS: dict[str, LogPartitionPrior] = {
    "Dirichlet, two": symmetric_dirichlet(2, 0.7),
    "Dirichlet, three": symmetric_dirichlet(3, 2.0),
    "Dirichlet process": pitman_yor(1.5),
    "Pitman-Yor": pitman_yor(0.8, 0.4),
    "finite mixtures": finite_mixtures(1.2, geometric),
}


@pytest.mark.parametrize("n_rows", range(1, 10))
def test_number_of_partitions_is_bells(n_rows: int) -> None:
    every = partitions(n_rows)
    assert len(np.unique(every, axis=0)) == len(every) == BELL[n_rows - 1]


@pytest.mark.parametrize("name", PRIORS)
def test_priors_of_partitions_sum_to_one(name: str) -> None:
    # And do not notice a further row: P(partition) is the sum over where it could go.
    totals = {}
    for n_rows in (4, 5):
        every = partitions(n_rows)
        totals[n_rows] = np.exp([PRIORS[name](np.bincount(p)) for p in every])
        assert totals[n_rows].sum() == pytest.approx(1.0, abs=1e-12)
    shorter = partitions(4)
    longer = partitions(5)
    for partition, probability in zip(shorter, totals[4], strict=True):
        extends = (longer[:, :4] == partition).all(axis=1)
        assert totals[5][extends].sum() == pytest.approx(probability, abs=1e-12)


def test_finite_mixtures_average_over_their_dirichlets() -> None:
    # Exactly two components or three, with probabilities 0.3 and 0.7.
    chances = {2: 0.3, 3: 0.7}
    mixed = finite_mixtures(1.7, lambda k: float(np.log(chances[k])) if k in chances else -np.inf)
    for sizes in ([4], [3, 1], [2, 1, 1]):
        parts = [np.exp(symmetric_dirichlet(k, 1.7)(np.array(sizes))) for k in chances]
        expected = np.dot(list(chances.values()), parts)
        assert np.exp(mixed(np.array(sizes))) == pytest.approx(expected, rel=1e-12)


def test_nine_points_of_neal() -> None:
    exact = exact_posterior(NEAL, pitman_yor(1.0), known_scale(0.0, 1.0, 0.1))
    assert exact.log_evidence == pytest.approx(-13.19691393, abs=1e-8)
    assert exact.n_clusters @ np.arange(1, 10) == pytest.approx(4.471451, abs=1e-6)
    np.testing.assert_allclose(exact.n_clusters[1:], NEAL_N_CLUSTERS, atol=6e-7)
    assert exact.means[0, 0] == pytest.approx(-1.398555, abs=1e-6)
    best = int(exact.probabilities.argmax())
    np.testing.assert_array_equal(exact.partitions[best], [0, 0, 1, 1, 1, 2, 3, 3, 3])
    assert exact.probabilities[best] == pytest.approx(0.312858, abs=1e-6)
    for (i, j), probability in NEAL_TOGETHER.items():
        assert exact.co_clustering[i - 1, j - 1] == pytest.approx(probability, abs=6e-5)


def test_marginal_of_variances_is_an_integral() -> None:
    rows = np.array([[0.3], [1.1], [-0.4]])
    m, kappa, a, b = 0.2, 0.5, 2.0, 1.5
    cluster = normal_inverse_gamma(np.array([m]), kappa, np.array([a]), np.array([b]))

    def given_variance(v: float) -> float:
        known = known_scale(m, np.sqrt(v / kappa), np.sqrt(v))
        return float(np.exp(known.log_marginal(rows)) * stats.invgamma.pdf(v, a, scale=b))

    integral, _ = quad(given_variance, 0.0, np.inf, epsabs=1e-13)
    assert np.exp(cluster.log_marginal(rows)) == pytest.approx(integral, rel=1e-9)
    for v in (0.1, 2.0):  # whatever the variance is
        known = known_scale(m, np.sqrt(v / kappa), np.sqrt(v))
        assert cluster.mean(rows)[0] == pytest.approx(known.mean(rows)[0], rel=1e-12)


def test_marginal_of_one_matrix_is_that_of_a_variance() -> None:
    rows = np.random.default_rng(1).standard_normal((5, 1))
    matrices = normal_inverse_wishart(np.array([0.2]), 0.5, 4.0, np.array([[3.0]]))
    variances = normal_inverse_gamma(np.array([0.2]), 0.5, np.array([2.0]), np.array([1.5]))
    assert matrices.log_marginal(rows) == pytest.approx(variances.log_marginal(rows), rel=1e-12)


def test_marginal_of_matrices_is_a_chain_of_predictives() -> None:
    rows = np.random.default_rng(2).standard_normal((4, 2))
    m, kappa, nu = np.array([0.5, -0.2]), 0.7, 4.5
    scale = np.array([[2.0, 0.5], [0.5, 1.0]])
    found = normal_inverse_wishart(m, kappa, nu, scale).log_marginal(rows)
    total = 0.0
    for x in rows:
        spread = scale * (kappa + 1) / (kappa * (nu - 1))
        total += float(stats.multivariate_t.logpdf(x, m, spread, nu - 1))
        scale = scale + kappa / (kappa + 1) * np.outer(x - m, x - m)
        m, kappa, nu = (kappa * m + x) / (kappa + 1), kappa + 1, nu + 1
    assert found == pytest.approx(total, rel=1e-12)


def test_marginal_of_a_known_scale_is_an_integral() -> None:
    rows = np.array([[0.3], [1.1]])
    cluster = known_scale(0.2, 1.5, 0.6)

    def density(theta: float) -> float:
        return float(stats.norm.pdf(rows, theta, 0.6).prod() * stats.norm.pdf(theta, 0.2, 1.5))

    integral, _ = quad(density, -20.0, 20.0, points=[0.7])
    assert np.exp(cluster.log_marginal(rows)) == pytest.approx(integral, rel=1e-9)
    top, _ = quad(lambda u: u * density(u), -20.0, 20.0, points=[0.7])
    assert cluster.mean(rows)[0] == pytest.approx(top / integral, rel=1e-9)


@pytest.mark.parametrize("K", [2, 3])
def test_partitions_and_allocations_have_one_evidence(K: int) -> None:
    rows = np.random.default_rng(3).standard_normal((5, 1))
    cluster = normal_inverse_gamma(np.zeros(1), 0.5, np.ones(1), np.ones(1))
    terms = []
    for z in product(range(K), repeat=5):
        counts = np.bincount(z, minlength=K)
        prior = gammaln(K * 0.7) - gammaln(K * 0.7 + 5)
        prior += (gammaln(0.7 + counts) - gammaln(0.7)).sum()
        parts = [rows[np.array(z) == k] for k in range(K)]
        terms.append(prior + sum(cluster.log_marginal(p) for p in parts if len(p)))
    exact = exact_posterior(rows, symmetric_dirichlet(K, 0.7), cluster)
    assert exact.log_evidence == pytest.approx(float(logsumexp(terms)), rel=1e-12)


def test_allocations_and_partitions_tell_the_same() -> None:
    rows = np.random.default_rng(4).standard_normal((5, 1))
    cluster = normal_inverse_gamma(np.zeros(1), 0.5, np.ones(1), np.ones(1))
    exact = exact_posterior(rows, symmetric_dirichlet(3, 0.7), cluster)
    numbered = exact_mixture(rows, 3, dirichlet_allocations(np.full(3, 0.7)), cluster)
    np.testing.assert_allclose(numbered.co_clustering, exact.co_clustering, rtol=1e-12)
    np.testing.assert_allclose(numbered.n_occupied, exact.n_clusters[:3], rtol=1e-12)
    np.testing.assert_allclose(numbered.of_rows, exact.means, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(numbered.weights, 1.0 / 3.0, rtol=1e-12)


@pytest.mark.parametrize("discount", [0.0, 0.4])
def test_truncated_sticks_give_allocations_their_probabilities(discount: float) -> None:
    """Averages of products of weights over sticks as numpy draws them, and their closed form."""
    rng = np.random.default_rng(5)
    sticks = rng.beta(1.0 - discount, 1.3 + discount * np.arange(1, 3), (400_000, 2))
    weights = np.hstack([sticks, np.ones((400_000, 1))])
    weights[:, 1:] *= np.cumprod(1.0 - sticks, axis=1)
    counts = np.array([[1, 0, 0], [2, 1, 0], [0, 2, 1], [0, 0, 3]])
    log_prior, expected = stick_allocations(1.3, discount, 3)(counts)
    for count, log_share, after in zip(counts, log_prior, expected, strict=True):
        product = (weights**count).prod(axis=1)
        assert product.mean() == pytest.approx(np.exp(log_share), rel=0.01)
        shares = (product[:, None] * weights).mean(axis=0) / product.mean()
        np.testing.assert_allclose(shares, after, rtol=0.01)
