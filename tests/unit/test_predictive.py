"""Predictive accuracy against arviz-stats and against a model whose answers are closed forms."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp, ndtri

from mixtura.diagnostics.checks import STATISTICS, predictive_checks
from mixtura.diagnostics.pareto import (
    fit_generalized_pareto,
    generalized_pareto_quantiles,
    smoothed_weights,
)
from mixtura.diagnostics.predictive import loo, waic
from mixtura.errors import InvalidArgumentError


def formula(n: int, step: float) -> np.ndarray:
    """Return numbers between 0 and 1 of a Weyl sequence."""
    return (np.arange(1, n + 1) ** 2 * np.sqrt(step)) % 1.0


# By arviz-stats 0.8.0, `array_stats.psislw` of the log ratios -k log(1 - u) + 0.3 z of the formula:
# number, k, relative size, and its Pareto k, log of the largest weight, log of the sum of squares.
# Tails whose length needs no rounding, which arviz-stats does downwards and the paper upwards.
ARVIZ = [
    (900, 0.2, 1.0, 0.039691923, -5.600031, -6.6481621),
    (900, 0.9, 1.0, 0.64012934, -2.9026185, -4.6105299),
    (4000, 0.5, 0.4, 0.44566958, -4.7946642, -7.4785091),
    (200, 0.6, 1.0, 0.74921065, -2.5860672, -4.0568768),
    (3600, 0.0, 1.0, -0.017945748, -7.1132649, -8.089697),
]


@pytest.mark.parametrize(("n", "heaviness", "size", "shape", "largest", "squares"), ARVIZ)
def test_smoothing_is_that_of_arviz(
    n: int, heaviness: float, size: float, shape: float, largest: float, squares: float
) -> None:
    ratios = -heaviness * np.log1p(-formula(n, 2.0)) + 0.3 * ndtri(formula(n, 3.0))
    found = smoothed_weights(ratios, size)
    assert found.shape == pytest.approx(shape, rel=1e-6)
    assert found.log_weights.max() == pytest.approx(largest, rel=1e-6)
    assert np.log(np.exp(2.0 * found.log_weights).sum()) == pytest.approx(squares, rel=1e-6)


@pytest.mark.parametrize("size", [0.05, 0.3, 0.79, 1.04])
def test_only_the_length_of_the_tail_differs_from_arviz(size: float) -> None:
    """Which is rounded down there, by one draw: a row may differ in the fifth digit."""
    array_stats = pytest.importorskip("arviz_stats.base").array_stats
    n = 1600
    ratios = -0.6 * np.log1p(-formula(n, 2.0)) + 0.3 * ndtri(formula(n, 3.0))
    found = smoothed_weights(ratios, size)
    length = min(np.ceil(3.0 * np.sqrt(n / size)), n // 5)
    same = 9.0 * n / (length + 0.5) ** 2  # of which arviz-stats has a tail of that length
    logs, shape = array_stats.psislw(-ratios, r_eff=same, axis=-1)
    np.testing.assert_allclose(found.log_weights, logs - logsumexp(logs), rtol=1e-12)
    assert found.shape == pytest.approx(float(shape), rel=1e-12)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4, 1.2])
def test_fit_finds_the_shape_of_generalized_pareto_numbers(shape: float) -> None:
    probabilities = (np.arange(20_000) + 0.5) / 20_000
    numbers = stats.genpareto.ppf(probabilities, shape, scale=2.5)
    np.testing.assert_allclose(
        generalized_pareto_quantiles(probabilities, shape, 2.5), numbers, rtol=1e-10
    )
    found, scale = fit_generalized_pareto(numbers)
    assert found == pytest.approx(shape, abs=0.02)
    assert scale == pytest.approx(2.5, rel=0.02)


@pytest.mark.parametrize("heaviness", [0.3, 0.6, 1.0])
def test_shape_of_pareto_ratios_is_their_exponent(heaviness: float) -> None:
    # exp(k E) with E exponential is Pareto, of shape k.
    n = 100_000
    ratios = heaviness * stats.expon.ppf((np.arange(n) + 0.5) / n)
    assert smoothed_weights(ratios).shape == pytest.approx(heaviness, abs=0.03)


def test_smoothing_leaves_order_and_small_weights_alone(rng: np.random.Generator) -> None:
    ratios = rng.standard_normal(1000)
    weights = smoothed_weights(ratios).log_weights
    assert np.exp(weights).sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(np.argsort(weights), np.argsort(ratios))
    small = np.argsort(ratios)[:800]
    shift = (weights - ratios)[small]
    np.testing.assert_allclose(shift, shift[0], atol=1e-12)


def test_weights_without_a_tail_say_so() -> None:
    equal = smoothed_weights(np.zeros(100))
    assert equal.shape == -np.inf
    np.testing.assert_allclose(equal.log_weights, -np.log(100.0))
    assert smoothed_weights(np.arange(10.0)).shape == np.inf


@pytest.mark.parametrize("level", [0.0, 1.0, -40.0, 1e6])
def test_ratios_that_differ_by_rounding_have_no_tail(level: float) -> None:
    steps = (np.arange(160) * 37) % 61
    ratios = level + steps * np.spacing(max(abs(level), 1.0))
    found = smoothed_weights(ratios)
    assert found.shape == -np.inf
    np.testing.assert_allclose(found.log_weights, -np.log(160.0), atol=1e-8)


def test_a_tail_may_be_exponential() -> None:
    """Where theta of the grid is exactly zero the fit is the limit of its neighbours'."""
    numbers = np.array([1.0] * 15 + [2.0] * 4 + [3.0])
    near = np.append(numbers[:-1], 3.0 * (1.0 + 1e-9))
    np.testing.assert_allclose(
        fit_generalized_pareto(numbers), fit_generalized_pareto(near), rtol=1e-6
    )


class Normal:
    """Rows from Normal(mu, 1) with mu from Normal(0, 3): every answer is a closed form."""

    def __init__(self, rng: np.random.Generator, n_rows: int = 30) -> None:
        self.rows = rng.standard_normal(n_rows) + 1.0
        self.mean, self.deviation = self.posterior(self.rows)
        draws = rng.normal(self.mean, self.deviation, (4, 5000, 1))
        self.log_likelihood = stats.norm.logpdf(self.rows, draws, 1.0)

    @staticmethod
    def posterior(rows: np.ndarray) -> tuple[float, float]:
        precision = rows.size + 1.0 / 9.0
        return float(rows.sum() / precision), float(precision**-0.5)

    def left_out(self) -> np.ndarray:
        values = []
        for i, x in enumerate(self.rows):
            mean, deviation = self.posterior(np.delete(self.rows, i))
            values.append(stats.norm.logpdf(x, mean, np.hypot(1.0, deviation)))
        return np.array(values)


def test_leaving_out_is_the_closed_form(rng: np.random.Generator) -> None:
    model = Normal(rng)
    found = loo(model.log_likelihood)
    np.testing.assert_allclose(found.by_row, model.left_out(), atol=0.01)
    assert found.total == pytest.approx(model.left_out().sum(), abs=0.02)
    assert found.doubtful_rows.size == 0
    assert found.error == pytest.approx(np.sqrt(30 * model.left_out().var(ddof=1)), rel=0.02)


def test_parts_of_waic_are_closed_forms(rng: np.random.Generator) -> None:
    model = Normal(rng)
    found = waic(model.log_likelihood)
    fitted = stats.norm.logpdf(model.rows, model.mean, np.hypot(1.0, model.deviation))
    np.testing.assert_allclose(found.fitted_by_row, fitted, atol=0.01)
    # The variance of (x - mu)^2 / 2 with mu normal: (x - m)^2 s^2 + s^4 / 2.
    s = model.deviation
    variances = (model.rows - model.mean) ** 2 * s**2 + 0.5 * s**4
    np.testing.assert_allclose(found.diagnostic, variances, rtol=0.1)
    assert found.n_effective == pytest.approx(variances.sum(), rel=0.03)
    assert found.total == pytest.approx(model.left_out().sum(), abs=0.1)


def test_outliers_are_doubtful(rng: np.random.Generator) -> None:
    model = Normal(rng, n_rows=5)
    far = stats.norm.logpdf(40.0, rng.normal(model.mean, model.deviation, (4, 5000, 1)), 1.0)
    log_likelihood = np.concatenate([model.log_likelihood, far], axis=2)
    for method in (loo, waic):
        np.testing.assert_array_equal(method(log_likelihood).doubtful_rows, [5])


def test_blocks_of_rows_change_nothing(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_likelihood = Normal(rng).log_likelihood[:, :200]
    at_once = loo(log_likelihood)
    monkeypatch.setattr("mixtura.diagnostics.predictive.BLOCK", 3 * 800)
    np.testing.assert_allclose(loo(log_likelihood).by_row, at_once.by_row, rtol=1e-12)


def test_models_are_compared_row_by_row(rng: np.random.Generator) -> None:
    model = Normal(rng)
    one, other = loo(model.log_likelihood), loo(model.log_likelihood[:, ::2] - 0.25)
    gain, error = one.difference(other)
    assert gain == pytest.approx(0.25 * 30, abs=0.05)
    assert error < 0.05
    with pytest.raises(InvalidArgumentError, match="same 30 rows; got 29"):
        one.difference(loo(model.log_likelihood[..., 1:]))


def test_checks_see_what_a_model_lacks(rng: np.random.Generator) -> None:
    rows = np.column_stack([rng.standard_normal(200), rng.standard_exponential(200)])
    replicates = rng.normal(rows.mean(axis=0), rows.std(axis=0), (300, 200, 2))
    checks = predictive_checks(rows, replicates)
    assert list(checks) == list(STATISTICS)
    assert checks["skewness"].p_values[1] < 0.01
    assert checks["smallest"].p_values[1] < 0.01
    for check in checks.values():
        assert 0.001 < check.p_values[0] < 0.999
    direct = np.array([stats.kurtosis(r[:, 1]) for r in replicates])
    np.testing.assert_allclose(checks["kurtosis"].replicated[:, 1], direct, rtol=1e-9)
    assert checks["kurtosis"].observed[1] == pytest.approx(stats.kurtosis(rows[:, 1]))


def test_equal_statistics_count_half() -> None:
    rows = np.zeros((5, 1))
    check = predictive_checks(rows, np.zeros((10, 5, 1)), {"mean": STATISTICS["mean"]})["mean"]
    np.testing.assert_array_equal(check.p_values, [0.5])


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"log_likelihood must have shape \(C, S, N\)"):
        loo(np.zeros((10, 3)))
    with pytest.raises(InvalidArgumentError, match="finite numbers"):
        waic(np.full((1, 10, 3), -np.inf))
    with pytest.raises(InvalidArgumentError, match=r"replicates must have shape \(R, 5, 2\)"):
        predictive_checks(np.zeros((5, 2)), np.zeros((3, 5, 1)))
