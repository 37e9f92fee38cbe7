"""Laws of every prior's conditional draws: the steps of a Gibbs sampler."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy import stats

from laws.independent import as_matrices, direct_statistics, log_prior
from mixtura.engines.native.chain_calls import HALF_NORMAL, draw_given, draw_numbers
from mixtura.errors import InvalidArgumentError
from mixtura.messages.prior_arrays import MatrixSteps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    Independent,
    InverseGamma,
    LogNormal,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
    WeightPrior,
)

UNLIKELY = 1e-6
"""Seeds are fixed; a p-value below this, about five sigma, is a fault."""


def labels_for(n_components: int) -> np.ndarray:
    """Return components of twelve rows; the last component has none."""
    return np.arange(12) % max(n_components - 1, 1)


def simulated(case: Any, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return means and covariances from the prior, and rows from their components."""
    K, D = case.n_components, case.n_features
    means, covariances = case.prior.draw(rng, case.structure, K, D)
    roots = np.linalg.cholesky(as_matrices(covariances, K, D))
    labels = labels_for(K)
    noise = rng.standard_normal((len(labels), D))
    return means, covariances, means[labels] + np.einsum("nde,ne->nd", roots[labels], noise)


def statistics_of(case: Any, rows: np.ndarray, pivot: np.ndarray) -> SufficientStatistics:
    shares = np.eye(case.n_components)[labels_for(case.n_components)]
    return direct_statistics(rows, shares, pivot, case.structure)


def compiled_draw(
    case: Any, rows: np.ndarray, pivot: np.ndarray, covariances: np.ndarray, rng: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return means and variances or covariances drawn by the steps of compiled chains."""
    steps, K, D = case.prior.steps(case.n_features), case.n_components, case.n_features
    current = (pivot, covariances.reshape(case.structure[: steps.dimensions]))
    own = direct_statistics(rows, np.eye(K)[labels_for(K)], pivot, (K, D, D)[: steps.dimensions])
    # Of matrices sweeps have the lower triangles.
    second = np.tril(own.second) if isinstance(steps, MatrixSteps) else own.second
    means, drawn = draw_given(steps, (own.count, own.first, second), current, rng)
    return means, drawn.reshape(case.structure)


def has_compiled_steps(case: Any) -> bool:
    sizes = (case.n_components, case.n_features)
    model = MixtureModel(*sizes, Dirichlet(1.0), case.prior, case.family)
    return model.steps is not None


def needs_wide_numbers(case: Any) -> bool:
    """Whether the prior's draws are beyond what rows in float64 can be whitened by."""
    freedom = getattr(case.prior, "degrees_of_freedom", None)
    return freedom is not None and freedom < case.n_features


@pytest.mark.parametrize("compiled", [False, True])
def test_the_joint_distribution_stays(component_case: Any, compiled: bool) -> None:
    """Geweke's test: with parameters drawn anew given the rows, both are as if drawn together.

    Given the parameters, whitened rows are standard normal; the parameters themselves follow the
    prior. Every replicate is independent of the others [Geweke2004]_.
    """
    case = component_case
    if not case.is_proper or needs_wide_numbers(case):
        return
    if compiled and not has_compiled_steps(case):
        return
    rng = np.random.default_rng(11)
    K, D, labels = case.n_components, case.n_features, labels_for(case.n_components)
    whitened, drawn, fresh = [], [], []
    for _ in range(150):
        means, covariances, rows = simulated(case, rng)
        statistics = statistics_of(case, rows, means)
        new = (
            compiled_draw(case, rows, means, covariances, rng)
            if compiled
            else case.prior.draw_given(statistics, means, covariances, rng)
        )
        assert [part.shape for part in new] == [means.shape, covariances.shape]
        roots = np.linalg.cholesky(as_matrices(new[1], K, D))
        z = np.linalg.solve(roots[labels], (rows - new[0][labels])[:, :, None])[:, :, 0]
        whitened.append([z.sum() / np.sqrt(z.size), (z * z).sum()])
        drawn.append(np.concatenate([np.ravel(part) for part in new]))
        fresh.append(np.concatenate([np.ravel(part) for part in (means, covariances)]))
    sums, squares = np.transpose(whitened)
    assert stats.kstest(sums, "norm").pvalue > UNLIKELY
    assert stats.kstest(squares, stats.chi2(len(labels) * D).cdf).pvalue > UNLIKELY
    for one, other in zip(np.transpose(drawn), np.transpose(fresh), strict=True):
        assert stats.ks_2samp(one, other, method="asymp").pvalue > UNLIKELY


def conditional_draws(case: Any, number: int) -> Iterator[tuple[Any, ...]]:
    """Yield statistics, and parameters drawn given them from a far-off current value."""
    rng = np.random.default_rng(12)
    rows = 1.0 + 1.5 * rng.standard_normal((12, case.n_features))
    statistics = statistics_of(case, rows, np.zeros((case.n_components, case.n_features)))
    current = case.prior.draw(rng, case.structure, case.n_components, case.n_features)
    for _ in range(number):
        yield statistics, current, case.prior.draw_given(statistics, *current, rng)


def test_independent_draws_have_the_conditional_distributions(component_case: Any) -> None:
    case, prior = component_case, component_case.prior
    if not isinstance(prior, Independent) or prior.learns_scale:
        return
    sizes = (case.n_components, case.n_features)
    standardised, below = [], []
    for statistics, (_, variances), (means, drawn) in conditional_draws(case, 150):
        # The mean: Normal given the current variances, by completing the square.
        precision = statistics.count[:, None] / variances + 1.0 / np.square(prior.mean.scale)
        pull = statistics.first / variances + prior.mean.location / np.square(prior.mean.scale)
        standardised.append((means - pull / precision) * np.sqrt(precision))
        below.append(shares_below(case, statistics, means, drawn))
    for z in np.reshape(standardised, (150, -1)).T:
        assert stats.kstest(z, "norm").pvalue > UNLIKELY
    for u in np.reshape(below, (150, -1)).T:
        assert stats.kstest(u, "uniform").pvalue > UNLIKELY
    assert np.shape(standardised)[1:] == sizes


def shares_below(
    case: Any, statistics: SufficientStatistics, means: np.ndarray, drawn: np.ndarray
) -> np.ndarray:
    """Return each drawn variance's distribution function, by sums over a grid of logarithms."""
    K, D = case.n_components, case.n_features
    wide = np.broadcast_to(statistics.count[:, None], (K, D))
    about = statistics.about(means).second
    shares = np.empty(case.structure)
    for k, d in np.ndindex(case.structure):
        inside = (slice(None) if case.structure[0] == 1 else k,)
        inside += (slice(None) if case.structure[1] == 1 else d,)
        entries = wide[inside].sum()
        t = 0.5 * np.log(drawn[k, d]) + np.linspace(-12.0, 12.0, 2_401)
        logs = univariate(case.prior, d, t) - entries * t - 0.5 * about[k, d] * np.exp(-2.0 * t)
        density = np.exp(logs - logs.max())
        low = np.trapezoid(density[:1_201], t[:1_201])
        shares[k, d] = low / (low + np.trapezoid(density[1_200:], t[1_200:]))
    return shares


def univariate(prior: Independent, feature: int, t: np.ndarray) -> np.ndarray:
    """Return the log density of t, the logarithm of a standard deviation, by scipy."""
    power = 2.0 if prior.is_on_variance else 1.0
    values = {
        name: np.broadcast_to(value, 3)[feature] if np.ndim(value) else value
        for name, value in prior.spread.hyperparameters().items()
    }
    one = type(prior.spread)(**values)
    return log_prior(one, np.exp(power * t)) + power * t


def test_conjugate_draws_have_the_posterior_expectations(component_case: Any) -> None:
    case, prior = component_case, component_case.prior
    if not isinstance(prior, NormalInverseGamma | NormalInverseWishart) or case.n_features > 1:
        return
    draws = [drawn for _, _, drawn in conditional_draws(case, 400)]
    statistics = next(conditional_draws(case, 1))[0]
    # Completing the square: the expected mean is that of the rows and shrinkage prior rows.
    shrunk = statistics.count[:, None] + prior.shrinkage
    expected = (statistics.first + prior.shrinkage * prior.mean) / shrunk
    occupied = statistics.count > 0
    means = np.array([mean for mean, _ in draws])[:, occupied]
    error = means.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(means.mean(axis=0) - expected[occupied]) < 5.0 * error).all()
    assert (means.std(axis=0) > 0).all()


def test_weight_draws_have_the_posterior_expectations(weight_prior: WeightPrior) -> None:
    count = np.array([5.0, 0.0, 11.0])
    posterior = weight_prior.posterior(count)
    rng = np.random.default_rng(13)
    if type(weight_prior).__name__ == "FlatWeights":
        with pytest.raises(InvalidArgumentError, match="improper"):
            posterior.draw(rng, 3)
        return
    draws = np.array([posterior.draw(rng, 3) for _ in range(2000)])
    error = draws.std(axis=0) / np.sqrt(len(draws))
    expected = posterior.expected_weights(3)
    assert (np.abs(draws.mean(axis=0) - expected) < 5.0 * error).all()


def test_flat_components_cannot_be_sampled(component_case: Any) -> None:
    case = component_case
    if case.is_proper:
        return
    sizes = (case.n_components, case.n_features)
    statistics = SufficientStatistics.zero(np.zeros(sizes), case.structure)
    current = (np.zeros(sizes), np.ones(case.structure))
    with pytest.raises(InvalidArgumentError, match="use a proper prior"):
        case.prior.draw_given(statistics, *current, np.random.default_rng(0))


def test_scales_are_drawn_however_many_or_few_the_rows() -> None:
    """The envelope keeps its acceptance from no rows to a million, tied or far from the prior."""
    rng = np.random.default_rng(14)
    for spread in (InverseGamma(1.0, 1.0), InverseGamma(0.5, 1e-6), LogNormal(0.0, 3.0)):
        for count in (0.0, 0.01, 1.0, 30.0, 1e6):
            for second in (0.0, 1e-12, 1.0, 1e12):
                zero = np.zeros((1, 1))
                statistics = SufficientStatistics(
                    np.array([count]), zero, np.full((1, 1), count * second), zero
                )
                one = Independent(Normal(0.0, 1.0), scale=spread)
                _, variances = one.draw_given(statistics, zero, np.ones((1, 1)), rng)
                assert np.isfinite(variances).all()
                assert (variances > 0).all()


@pytest.mark.parametrize("power", [0.3, 2.0, 51.0])
@pytest.mark.parametrize(("square", "linear"), [(0.0, 1.0), (4.0, 0.01), (30.0, 9.0)])
def test_compiled_reciprocal_scales_are_modified_half_normal(
    power: float, square: float, linear: float
) -> None:
    rng = np.random.default_rng(15)
    draws = draw_numbers(HALF_NORMAL, 400, (power, square, linear), rng)
    t = np.linspace(np.log(draws.min()) - 40.0 / power, np.log(draws.max()) + 2.0, 20_001)
    logs = power * t - 0.5 * square * np.exp(2.0 * t) - linear * np.exp(t)
    below = np.cumsum(np.exp(logs - logs.max()))
    uniform = np.interp(np.log(draws), t, below / below[-1])
    assert stats.kstest(uniform, "uniform").pvalue > UNLIKELY
