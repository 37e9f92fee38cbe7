"""Bridge sampling against evidence that is known: of a normal, and of mixtures by enumeration."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, logsumexp

from laws.enumeration import (
    ExactPosterior,
    exact_posterior,
    normal_inverse_gamma,
    symmetric_dirichlet,
)
from mixtura.diagnostics.bridge_proposals import SymmetricProposal
from mixtura.diagnostics.evidence import Evidence, bridge_evidence, log_symmetrized
from mixtura.errors import InvalidArgumentError
from mixtura.families import CovarianceFamily
from mixtura.posteriors.alignment import align_parameters
from mixtura.priors import Dirichlet, NormalInverseGamma, NormalInverseWishart

M0, KAPPA, A, B, ALPHA = 0.3, 0.2, 2.0, 1.5, 1.0


def test_average_over_numberings_is_the_sum_over_permutations(rng: np.random.Generator) -> None:
    for K in (1, 2, 3, 5):
        factors = 4.0 * rng.standard_normal((7, K, K))
        every = np.array(
            [factors[:, range(K), order].sum(axis=1) for order in permutations(range(K))]
        )
        expected = logsumexp(every, axis=0) - gammaln(K + 1.0)
        np.testing.assert_allclose(log_symmetrized(factors), expected, rtol=1e-12)
    # All factors equal: the product itself; all off-diagonal zero: 1 / K! of it.
    np.testing.assert_allclose(log_symmetrized(np.full((12, 12), 0.7)), 12 * 0.7, rtol=1e-12)
    with np.errstate(divide="ignore"):
        identity = np.log(np.eye(6))
    np.testing.assert_allclose(log_symmetrized(identity), -gammaln(7.0), rtol=1e-12)


def normal_bridge(rng: np.random.Generator, n_draws: int, *, proposal: float) -> Evidence:
    draws, proposals = rng.standard_normal((4, n_draws)), rng.normal(0.4, proposal, 4 * n_draws)

    def log_joint(x: np.ndarray) -> np.ndarray:
        return stats.norm.logpdf(x) - 321.5

    def log_proposal(x: np.ndarray) -> np.ndarray:
        return stats.norm.logpdf(x, 0.4, proposal)

    values = (log_joint(draws), log_proposal(draws), log_joint(proposals), log_proposal(proposals))
    return bridge_evidence(*values)


def test_constant_of_a_normal_density(rng: np.random.Generator) -> None:
    for proposal in (0.7, 1.0, 2.0):
        found = normal_bridge(rng, 2000, proposal=proposal)
        assert found.log_evidence == pytest.approx(-321.5, abs=4.0 * found.error)
        assert found.error < 0.02
    # A proposal that is the posterior leaves nothing to chance.
    same = stats.norm.logpdf(rng.standard_normal(400)) - 3.0
    exact = bridge_evidence(same.reshape(4, 100), same.reshape(4, 100) + 3.0, same, same + 3.0)
    assert exact.log_evidence == pytest.approx(-3.0, abs=1e-12)
    assert exact.error == pytest.approx(0.0, abs=1e-12)


def test_errors_of_bridges_are_as_large_as_stated(rng: np.random.Generator) -> None:
    found = [normal_bridge(rng, 100, proposal=1.5) for _ in range(150)]
    scores = np.array([(each.log_evidence + 321.5) / each.error for each in found])
    assert np.sqrt(np.mean(scores**2)) == pytest.approx(1.0, abs=0.2)


class Mixture:
    """Exact draws of a mixture of few rows, and a proposal made of other draws' conditionals."""

    def __init__(self, K: int, rows: np.ndarray, seed: int) -> None:
        self.K, self.rows = K, rows
        self.rng = np.random.default_rng(seed)
        ones = np.ones(1)
        cluster = normal_inverse_gamma(M0 * ones, KAPPA, A * ones, B * ones)
        self.exact: ExactPosterior = exact_posterior(
            rows[:, None], symmetric_dirichlet(K, ALPHA), cluster
        )

    def allocations(self, n_draws: int) -> np.ndarray:
        """Return allocations (n_draws, N), numbers of the components drawn at random."""
        chosen = self.rng.choice(len(self.exact.probabilities), n_draws, p=self.exact.probabilities)
        numbers = self.rng.permuted(np.tile(np.arange(self.K), (n_draws, 1)), axis=1)
        return np.take_along_axis(numbers, self.exact.partitions[chosen], axis=1)

    def conditionals(self, allocations: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return counts, centres, shrinkages, shapes and scales (S, K) given allocations."""
        inside = allocations[:, None, :] == np.arange(self.K)[:, None]
        count = inside.sum(axis=2)
        total, squares = inside @ self.rows, inside @ self.rows**2
        kappa = KAPPA + count
        centre = (KAPPA * M0 + total) / kappa
        scale = B + 0.5 * (squares + KAPPA * M0**2 - kappa * centre**2)
        return count, centre, kappa, A + 0.5 * count, scale

    def draw(self, allocations: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return weights, means and variances (S, K) given allocations, relabelled at random."""
        count, centre, kappa, shape, scale = self.conditionals(allocations)
        weights = self.rng.standard_gamma(ALPHA + count)
        weights /= weights.sum(axis=1, keepdims=True)
        variances = scale / self.rng.standard_gamma(shape)
        means = self.rng.normal(centre, np.sqrt(variances / kappa))
        order = self.rng.permuted(np.tile(np.arange(self.K), (len(count), 1)), axis=1)
        return tuple(
            np.take_along_axis(part, order, axis=1) for part in (weights, means, variances)
        )

    def log_joint(
        self, weights: np.ndarray, means: np.ndarray, variances: np.ndarray
    ) -> np.ndarray:
        prior = gammaln(self.K * ALPHA) - self.K * gammaln(ALPHA)
        prior += ((ALPHA - 1.0) * np.log(weights)).sum(axis=1)
        prior += stats.invgamma.logpdf(variances, A, scale=B).sum(axis=1)
        prior += stats.norm.logpdf(means, M0, np.sqrt(variances / KAPPA)).sum(axis=1)
        densities = stats.norm.logpdf(self.rows[:, None, None], means, np.sqrt(variances))
        return prior + logsumexp(np.log(weights) + densities, axis=2).sum(axis=0)

    def log_factors(
        self, allocations: np.ndarray, weights: np.ndarray, means: np.ndarray, variances: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return factors (S, M, K, K) of each draw under each conditional, and constants (M,)."""
        count, centre, kappa, shape, scale = self.conditionals(allocations)
        p, mu, v = (part[:, None, :, None] for part in (weights, means, variances))
        factors = (ALPHA + count[:, None, :] - 1.0) * np.log(p)
        factors = factors + stats.invgamma.logpdf(v, shape[:, None, :], scale=scale[:, None, :])
        factors += stats.norm.logpdf(mu, centre[:, None, :], np.sqrt(v / kappa[:, None, :]))
        constants = gammaln(self.K * ALPHA + len(self.rows)) - gammaln(ALPHA + count).sum(axis=1)
        return factors, constants

    def evidence(self, n_draws: int, n_bases: int) -> Evidence:
        bases = self.allocations(n_bases)
        draws = self.draw(self.allocations(n_draws))
        proposals = self.draw(bases[self.rng.integers(n_bases, size=n_draws)])

        def log_proposal(parameters: tuple[np.ndarray, ...]) -> np.ndarray:
            factors, constants = self.log_factors(bases, *parameters)
            return logsumexp(log_symmetrized(factors) + constants, axis=1) - np.log(n_bases)

        return bridge_evidence(
            self.log_joint(*draws).reshape(4, -1),
            log_proposal(draws).reshape(4, -1),
            self.log_joint(*proposals),
            log_proposal(proposals),
        )


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("apart", [1.0, 8.0])
def test_evidence_of_mixtures_is_that_of_every_partition(K: int, apart: float) -> None:
    rows = np.random.default_rng(51).standard_normal(6) + apart * (np.arange(6) % 2)
    mixture = Mixture(K, rows, seed=52)
    found = mixture.evidence(2000, 30)
    assert found.error < 0.02
    assert found.log_evidence == pytest.approx(
        mixture.exact.log_evidence, abs=4.0 * found.error + 1e-9
    )


@pytest.mark.parametrize("K", [1, 2, 3])
def test_fitted_proposals_lead_to_the_evidence_too(K: int) -> None:
    rows = np.random.default_rng(53).standard_normal(7) + 4.0 * (np.arange(7) % 2)
    mixture = Mixture(K, rows, seed=54)

    def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weights, means, variances = mixture.draw(mixture.allocations(2000))
        return weights, means[:, :, None], variances[:, :, None]

    def log_joint(parameters: tuple[np.ndarray, ...]) -> np.ndarray:
        weights, means, variances = parameters
        return mixture.log_joint(weights, means[:, :, 0], variances[:, :, 0])

    found = fitted_bridge(drawn(), drawn(), log_joint, n_rows=7)
    assert found.error < 0.05
    assert found.log_evidence == pytest.approx(mixture.exact.log_evidence, abs=4.0 * found.error)


def fitted_bridge(
    first: tuple[np.ndarray, ...],
    second: tuple[np.ndarray, ...],
    log_joint: Callable[[tuple[np.ndarray, ...]], np.ndarray],
    n_rows: int,
) -> Evidence:
    """Return the evidence by the second half of the draws, with a proposal made of the first."""
    chains = tuple(part[None] for part in first)
    weights, means, covariances = chains
    alignment = align_parameters(weights, means, covariances, log_joint(first)[None], n_rows)
    proposal = SymmetricProposal.fitted(*(alignment.apply(part)[0] for part in chains))
    proposed = proposal.draw(len(second[0]), np.random.default_rng(55))
    return bridge_evidence(
        log_joint(second).reshape(4, -1),
        proposal.log_density(*second).reshape(4, -1),
        log_joint(proposed),
        proposal.log_density(*proposed),
    )


@pytest.mark.parametrize("K", [1, 3])
def test_evidence_of_no_rows_is_one(family: CovarianceFamily, K: int) -> None:
    # The posterior is the prior then, whatever the covariances share: proposals are densities of
    # weights, means and (co)variances.
    rng = np.random.default_rng(56)
    structure = family.structure(K, 2)
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]])
    components = (
        NormalInverseWishart(1.0, 0.5, 9.0, matrix)
        if len(structure) == 3
        else NormalInverseGamma(1.0, 0.5, 5.0, 3.0)
    )
    weights = Dirichlet(2.0)

    def drawn() -> tuple[np.ndarray, ...]:
        parts = [(weights.draw(rng, K), *components.draw(rng, structure, K, 2)) for _ in range(800)]
        return tuple(np.array(part) for part in zip(*parts, strict=True))

    def log_joint(parameters: tuple[np.ndarray, ...]) -> np.ndarray:
        return np.array(
            [
                weights.log_density(p) + components.log_density(mean, covariance)
                for p, mean, covariance in zip(*parameters, strict=True)
            ]
        )

    found = fitted_bridge(drawn(), drawn(), log_joint, n_rows=1)
    assert found.error < 0.1
    assert found.log_evidence == pytest.approx(0.0, abs=4.0 * found.error)


def test_proposals_do_not_know_numbers(rng: np.random.Generator) -> None:
    weights = rng.dirichlet(np.full(3, 4.0), 300)
    means, covariances = rng.standard_normal((300, 3, 2)), rng.gamma(3.0, 1.0, (300, 3, 2))
    means += 3.0 * np.arange(3)[:, None]
    proposal = SymmetricProposal.fitted(weights, means, covariances)
    order = [2, 0, 1]
    np.testing.assert_allclose(
        proposal.log_density(weights[:, order], means[:, order], covariances[:, order]),
        proposal.log_density(weights, means, covariances),
        rtol=1e-12,
    )


def test_bad_densities_are_named() -> None:
    good = np.zeros((2, 10))
    with pytest.raises(InvalidArgumentError, match="finite at draws of the posterior; 1 are not"):
        bridge_evidence(np.where(np.arange(10) == 3, -np.inf, good[:1]), good[:1], good[0], good[0])
    with pytest.raises(InvalidArgumentError, match=r"shape \(\.\.\., K, K\)"):
        log_symmetrized(np.zeros((2, 3)))
    few = np.full((4, 2), 0.5), np.zeros((4, 2, 1)), np.ones((4, 2, 1))
    with pytest.raises(InvalidArgumentError, match="needs more than 3 draws; got 3"):
        SymmetricProposal.fitted(*(part[:3] for part in few))
