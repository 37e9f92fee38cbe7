"""Laws of what variational Bayes asks of every prior: expectations, divergences and marginals.

Held against draws (within five standard errors), and against Bayes' theorem with the densities
that other laws compare with scipy.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma

from laws.independent import as_matrices, direct_statistics, log_prior
from mixtura.engines.reference import block_scores
from mixtura.errors import InvalidArgumentError
from mixtura.messages.potentials import Potentials
from mixtura.priors import (
    ComponentPrior,
    Dirichlet,
    FlatComponents,
    FlatWeights,
    Independent,
    WeightPrior,
)
from mixtura.priors.base import AveragedComponents, averaged_components, averaged_weights

N_DRAWS = 2000
PROBABILITIES = np.array([0.05, 0.5, 0.95])


def is_flat(prior: Any) -> bool:
    return isinstance(prior, FlatComponents | FlatWeights)


def posterior_of(case: Any, rng: np.random.Generator, n_rows: int = 30) -> AveragedComponents:
    """Return a posterior narrow enough for every moment below to exist."""
    K, D = case.n_components, case.n_features
    rows = rng.standard_normal((n_rows, D)) @ (np.eye(D) + 0.4 * np.tri(D, k=-1)) + 1.0
    shares = rng.dirichlet(np.ones(K), n_rows)
    statistics = direct_statistics(rows, shares, rng.standard_normal((K, D)), case.structure)
    return case.prior.posterior(statistics)


def assert_averages_to(draws: np.ndarray, expected: np.ndarray) -> None:
    error = draws.std(axis=0) / np.sqrt(len(draws)) + 1e-12
    assert (np.abs(draws.mean(axis=0) - expected) < 5.0 * error).all()


def assert_holds_share(draws: np.ndarray, quantiles: np.ndarray) -> None:
    for probability, points in zip(PROBABILITIES, quantiles, strict=True):
        error = np.sqrt(probability * (1.0 - probability) / len(draws))
        assert (np.abs((draws <= points).mean(axis=0) - probability) < 5.0 * error).all()


# ------------------------------------------------------------------------------------- weights


def test_flat_priors_refuse_in_one_line() -> None:
    weights, components = FlatWeights(), FlatComponents(1e-9)
    none = direct_statistics(np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 1)), (1, 1))
    for refused in (
        lambda: averaged_weights(weights.posterior(np.ones(2)), weights),
        lambda: averaged_components(components.posterior(none), components),
    ):
        with pytest.raises(InvalidArgumentError, match="no variational posterior"):
            refused()


def test_a_random_number_of_weights_refuses_in_one_line(weight_prior: WeightPrior) -> None:
    posterior = weight_prior.posterior(np.array([4.0, 9.5, 0.0]))
    if not weight_prior.has_random_number:
        assert is_flat(weight_prior) or averaged_weights(posterior, weight_prior) is posterior
        return
    with pytest.raises(InvalidArgumentError, match="use inference='gibbs'") as caught:
        averaged_weights(posterior, weight_prior)
    assert "\n" not in str(caught.value)


def test_weight_expectations_are_those_of_draws(
    weight_prior: WeightPrior, rng: np.random.Generator
) -> None:
    if is_flat(weight_prior) or weight_prior.has_random_number:
        return
    posterior = weight_prior.posterior(np.array([4.0, 9.5, 2.5]))
    draws = np.array([posterior.draw(rng, 3) for _ in range(N_DRAWS)])
    assert_averages_to(draws, posterior.expected_weights(3))
    assert_averages_to(np.log(draws), posterior.expected_log_weights(3))
    spread = (draws - posterior.expected_weights(3)) ** 2
    assert_averages_to(spread, posterior.weight_deviations(3) ** 2)
    assert_holds_share(draws, posterior.weight_quantiles(PROBABILITIES, 3))


def test_weight_divergence_is_the_expected_log_ratio(
    weight_prior: WeightPrior, rng: np.random.Generator
) -> None:
    if is_flat(weight_prior) or weight_prior.has_random_number:
        return
    posterior = weight_prior.posterior(np.array([4.0, 9.5, 2.5]))
    draws = [posterior.draw(rng, 3) for _ in range(N_DRAWS)]
    ratios = np.array([posterior.log_density(p) - weight_prior.log_density(p) for p in draws])
    assert_averages_to(ratios, np.asarray(posterior.divergence(weight_prior, 3)))
    same = posterior.posterior(np.zeros(3))
    assert posterior.divergence(same, 3) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("concentration", [1e-3, 0.3, 1.0, 1e3])
def test_dirichlet_against_closed_forms(concentration: float) -> None:
    count = np.array([0.0, 12.5, 40.0, 3.0])
    posterior = Dirichlet(concentration).posterior(count)
    total = 4 * concentration + count.sum()
    expected = digamma(concentration + count) - digamma(total)
    np.testing.assert_allclose(posterior.expected_log_weights(4), expected, rtol=1e-14)
    weights = (concentration + count) / total
    np.testing.assert_allclose(posterior.expected_weights(4), weights, rtol=1e-14)
    marginals = [stats.beta(concentration + n, total - concentration - n) for n in count]
    np.testing.assert_allclose(
        posterior.weight_quantiles(PROBABILITIES, 4),
        np.array([marginal.ppf(PROBABILITIES) for marginal in marginals]).T,
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        posterior.weight_deviations(4), [marginal.std() for marginal in marginals], rtol=1e-10
    )


def test_a_single_weight_is_one_for_certain() -> None:
    posterior = Dirichlet(2.0).posterior(np.array([5.0]))
    np.testing.assert_array_equal(posterior.weight_quantiles(PROBABILITIES, 1), np.ones((3, 1)))
    assert posterior.expected_log_weights(1)[0] == 0.0
    assert posterior.weight_deviations(1)[0] == 0.0


# ---------------------------------------------------------------------------------- components


@lru_cache(maxsize=8)
def drawn(case: Any) -> tuple[AveragedComponents, Any, Any]:
    """Return a posterior and draws of means and covariances, which several laws look at."""
    rng = np.random.default_rng(17)
    posterior = posterior_of(case, rng)
    draws = [posterior.sample(rng) for _ in range(N_DRAWS)]
    return posterior, np.array([d[0] for d in draws]), np.array([d[1] for d in draws])


def test_component_expectations_are_those_of_draws(component_case: Any) -> None:
    case = component_case
    if is_flat(case.prior):
        return
    posterior, means, covariances = drawn(case)
    estimate = posterior.estimate()
    assert_averages_to(means, estimate[0])
    assert_averages_to(covariances, estimate[1])
    deviations = np.sqrt(
        np.array(
            [case.family.variances(c, case.n_components, case.n_features) for c in covariances]
        )
    )
    for draws, marginals in (
        (means, posterior.mean_marginals(PROBABILITIES)),
        (deviations, posterior.deviation_marginals(PROBABILITIES)),
        (covariances, posterior.covariance_marginals(PROBABILITIES)),
    ):
        assert_averages_to(draws, marginals.mean)
        assert_averages_to((draws - marginals.mean) ** 2, marginals.deviation**2)
        known = marginals.deviation == 0.0
        assert (marginals.quantiles[:, known] == marginals.mean[known]).all()
        assert_holds_share(draws[:, ~known], marginals.quantiles[:, ~known])


def test_expected_scores_are_those_of_draws(component_case: Any, rng: np.random.Generator) -> None:
    case = component_case
    if is_flat(case.prior):
        return
    K, D = case.n_components, case.n_features
    posterior, means, covariances = drawn(case)
    rows = 0.7 * rng.standard_normal((4, D)) + 1.0  # farther out, few draws would count
    matrices = np.array([as_matrices(c, K, D) for c in covariances[:500]])
    away = np.swapaxes(rows - means[:500, :, None], -1, -2)  # (S, K, D, rows)
    squares = (away * np.linalg.solve(matrices, away)).sum(axis=2)
    log_det = np.linalg.slogdet(2.0 * np.pi * matrices)[1]
    scores = -0.5 * np.swapaxes(squares + log_det[:, :, None], -1, -2)
    expected = posterior.expected()
    assert expected.precision_cholesky.shape == case.structure
    potentials = Potentials(
        np.zeros(K), expected.offset, expected.mean, expected.precision_cholesky
    )
    assert_averages_to(scores, block_scores(rows, potentials))
    predictive = posterior.predictive()
    potentials = Potentials(
        np.zeros(K),
        predictive.offset,
        predictive.mean,
        predictive.precision_cholesky,
        predictive.tail,
    )
    assert_averages_to(np.exp(scores), np.exp(block_scores(rows, potentials)))


def test_divergence_is_the_expected_log_ratio(
    component_case: Any, rng: np.random.Generator
) -> None:
    case = component_case
    if is_flat(case.prior):
        return
    posterior = posterior_of(case, rng)
    if not isinstance(posterior, ComponentPrior):
        return  # factors: held against quadrature
    draws = [posterior.sample(rng) for _ in range(N_DRAWS // 2)]
    ratios = np.array([posterior.log_density(*d) - log_prior(case.prior, *d) for d in draws])
    assert_averages_to(ratios, np.asarray(posterior.divergence(case.prior)))
    assert posterior.divergence(posterior) == pytest.approx(0.0, abs=1e-10)


def test_conjugate_predictive_is_bayes_theorem(
    component_case: Any, rng: np.random.Generator
) -> None:
    # p(x | rows) = p(x | theta) p(theta | rows) / p(theta | rows, x), for any theta.
    case = component_case
    K, D = case.n_components, case.n_features
    posterior = posterior_of(case, rng)
    if not isinstance(posterior, ComponentPrior):
        return
    row = 3.0 * rng.standard_normal((1, D))
    predictive = posterior.predictive()
    potentials = Potentials(
        np.zeros(K),
        predictive.offset,
        predictive.mean,
        predictive.precision_cholesky,
        predictive.tail,
    )
    ours = block_scores(row, potentials)[0]
    theta = posterior.sample(rng)
    for k in range(K):
        member = np.eye(K)[[k]]
        extended = posterior.posterior(
            direct_statistics(row, member, np.zeros((K, D)), case.structure)
        )
        assert isinstance(extended, ComponentPrior)
        normal = stats.multivariate_normal(theta[0][k], as_matrices(theta[1], K, D)[k])
        expected = (
            normal.logpdf(row[0]) + posterior.log_density(*theta) - extended.log_density(*theta)
        )
        assert ours[k] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_independent_factors_are_each_the_best_given_the_other(
    component_case: Any, rng: np.random.Generator
) -> None:
    # The mean's factor given expected precisions is conjugate; the scale's, given the mean's, has
    # the expected sums of squares.
    case = component_case
    if not isinstance(case.prior, Independent) or case.prior.learns_scale:
        return
    rows = rng.standard_normal((30, case.n_features)) + 1.0
    shares = rng.dirichlet(np.ones(case.n_components), len(rows))
    pivot = np.zeros((case.n_components, case.n_features))
    statistics = direct_statistics(rows, shares, pivot, case.structure)
    factors = case.prior.posterior(statistics).factors
    prior, count = case.prior.mean, shares.sum(axis=0)[:, None]
    own = 1.0 / np.square(prior.scale)
    of_rows = np.broadcast_to(count * factors.scale.precision, factors.mean.shape)
    expected = (own * prior.location + of_rows * (shares.T @ rows / count)) / (own + of_rows)
    np.testing.assert_allclose(factors.mean, expected, rtol=1e-10)
    np.testing.assert_allclose(factors.deviation, 1.0 / np.sqrt(own + of_rows), rtol=1e-10)
    apart = (rows[:, None] - factors.mean) ** 2 + factors.deviation**2
    squares = np.einsum("nk,nkd->kd", shares, apart)
    for axis in (0, 1):
        if case.structure[axis] == 1:
            squares = squares.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(factors.scale.scatter, squares, rtol=1e-10)
