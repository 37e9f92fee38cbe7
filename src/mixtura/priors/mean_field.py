"""The best independent factors of means and scales under a prior that is not conjugate.

With t the logarithm of a standard deviation, its factor is proportional to
``p(t) exp(-n t - SS exp(-2 t) / 2)``, whose logarithm is concave in t for every registered spread;
for InverseGamma on standard deviations, 1 / sigma is then a modified half-normal [SunKongPal2023]_.
Integrals over t are trapezoid sums, which on so smooth and narrow a density are exact to rounding.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import logsumexp, ndtri

from mixtura.potentials import ScaleMixtureTail
from mixtura.priors.base import ExpectedComponents, Marginals, PredictiveComponents
from mixtura.priors.scales import LOG_TWO_PI, Normal, PositivePrior
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array

NEGLIGIBLE = 45.0
"""Drop of a log density below its top past which nothing is left to add."""

WIDEST_STEP = 0.1
STEP = 0.6
"""Of the trapezoid rule: at most this, and at most this share of the density's width."""

MOST_NODES = 1 << 14
TABLE_NODES = 8001
MAX_ALTERNATIONS = 500
SETTLED = 1e-13


@final
@dataclass(frozen=True, eq=False)
class ScaleFactor:
    """Densities of the logarithms of standard deviations, one for each free one.

    Parameters
    ----------
    spread : PositivePrior
        Prior of the standard deviations or variances.
    is_on_variance : bool
        Whether the prior is on variances.
    entries, scatter : array of the structure shape
        Numbers of entries that share each standard deviation, and their expected sums of squares.
    """

    spread: PositivePrior
    is_on_variance: bool
    entries: Array
    scatter: Array

    @cached_property
    def top(self) -> Array:
        """The t of highest density."""
        if self.is_on_variance:
            return 0.5 * np.log(self.spread.variance_mode(self.entries - 2.0, self.scatter))
        return np.log(self.spread.deviation_mode(self.entries - 1.0, self.scatter))

    def log_kernel(self, t: Array) -> Array:
        """Return log prior of t plus log likelihood at t of shape (..., *structure)."""
        power = 2.0 if self.is_on_variance else 1.0
        with np.errstate(over="ignore"):
            of_prior = self.spread.log_density(np.exp(power * t)) + power * t + np.log(power)
            return of_prior - self.entries * t - 0.5 * self.scatter * np.exp(-2.0 * t)

    def _reach(self, width: Array, sign: float) -> Array:
        """Return how far from the top the density is negligible, at most twice too far."""
        peak, far = self.log_kernel(self.top), 8.0 * width
        for _ in range(64):
            short = peak - self.log_kernel(self.top + sign * far) < NEGLIGIBLE
            if not short.any():
                break
            far = np.where(short, 2.0 * far, far)
        return far

    @cached_property
    def bounds(self) -> tuple[Array, Array, float]:
        """Both ends of each density, and the steps that the narrowest needs."""
        small = 1e-3 / np.sqrt(self.entries + 1.0)
        ends = self.log_kernel(self.top + small) + self.log_kernel(self.top - small)
        curvature = np.maximum((2.0 * self.log_kernel(self.top) - ends) / small**2, 1e-8)
        width = 1.0 / np.sqrt(curvature)
        low, high = self.top - self._reach(width, -1.0), self.top + self._reach(width, 1.0)
        steps = float(((high - low) / np.minimum(WIDEST_STEP, STEP * width)).max())
        return low, high, steps

    @cached_property
    def nodes(self) -> tuple[Array, Array, Array]:
        """Nodes t (J, *structure), their log shares, and the log normalisers (structure)."""
        low, high, steps = self.bounds
        number = min(int(np.ceil(steps)) + 1, MOST_NODES)
        t = np.linspace(low, high, number)
        logs = self.log_kernel(t)
        total = np.asarray(logsumexp(logs, axis=0))
        return t, logs - total, total + np.log((high - low) / (number - 1))

    @cached_property
    def precision(self) -> Array:
        """Expected precisions."""
        t, log_share, _ = self.nodes
        return np.exp(log_share - 2.0 * t).sum(axis=0)

    @cached_property
    def log_deviation(self) -> Array:
        """Expected logarithms of the standard deviations."""
        t, log_share, _ = self.nodes
        return (np.exp(log_share) * t).sum(axis=0)

    @cached_property
    def divergence(self) -> Array:
        """Divergences from the prior, in nats."""
        fit = -self.entries * self.log_deviation - 0.5 * self.scatter * self.precision
        return fit - self.nodes[2]

    @cached_property
    def table(self) -> tuple[Array, Array, Array]:
        """Fine nodes t (J, *structure), their shares, and distribution functions.

        They reach far enough for the fourth moment where that exists.
        """
        low, high, _ = self.bounds
        fall = self._fall(high)
        further = np.clip(fall / np.maximum(fall - 4.0, 1e-3), 1.0, 20.0)
        high = self.top + (high - self.top) * further
        t = np.linspace(low, high, TABLE_NODES)
        share = np.exp(self.log_kernel(t) - self.log_kernel(self.top))
        share = share / share.sum(axis=0)
        below = np.cumsum(share, axis=0) - 0.5 * share
        return t, share, below

    def _fall(self, t: Array) -> Array:
        return self.log_kernel(t) - self.log_kernel(t + 1.0)

    def marginals(self, power: float, probabilities: Array) -> Marginals:
        """Return what is known about the standard deviations to a power of 1 or 2."""
        t, share, below = self.table
        fall = self._fall(self.bounds[1])
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.exp(power * t)
            mean = np.where(fall > power, (share * values).sum(axis=0), np.nan)
            variance = (share * (values - mean) ** 2).sum(axis=0)
            deviation = np.where(fall > 2.0 * power, np.sqrt(variance), np.inf)
        points = np.empty((np.size(probabilities), *self.entries.shape))
        for index in np.ndindex(self.entries.shape):
            column = (slice(None), *index)
            points[column] = np.interp(np.ravel(probabilities), below[column], t[column])
        return Marginals(mean, deviation, np.exp(power * points))

    def mode_variance(self) -> Array:
        """Return the variances at the mode of what the prior is stated on."""
        if self.is_on_variance:
            return self.spread.variance_mode(self.entries, self.scatter)
        return self.spread.deviation_mode(self.entries, self.scatter) ** 2

    def draw(self, rng: np.random.Generator) -> Array:
        """Return variances drawn, in the structure shape."""
        t, _, below = self.table
        drawn = np.empty(self.entries.shape)
        for index in np.ndindex(drawn.shape):
            column = (slice(None), *index)
            drawn[index] = np.interp(rng.random(), below[column], t[column])
        return np.exp(2.0 * drawn)


@final
@dataclass(frozen=True, eq=False)
class MeanField:
    """Independent factors of means and scales.

    Parameters
    ----------
    prior : Normal
        Prior of the means.
    mean, variance : array of shape (K, D)
        Expected means, and the variances of their Normal factors.
    scale : ScaleFactor
        Factor of the standard deviations.
    """

    prior: Normal
    mean: Array
    variance: Array
    scale: ScaleFactor

    @property
    def mean_divergence(self) -> Array:
        """Divergence of each mean's factor from the prior, shape (K, D), in nats."""
        offset = (self.mean - self.prior.location) / self.prior.scale
        ratio = self.variance / np.asarray(self.prior.scale) / self.prior.scale
        return 0.5 * (ratio - 1.0 - np.log(ratio) + offset * offset)

    @property
    def divergence(self) -> float:
        """Divergence of all factors from the prior, in nats."""
        return float(self.mean_divergence.sum() + self.scale.divergence.sum())

    def expected(self) -> ExpectedComponents:
        """Return the expected log density of a row under each component."""
        spread = self.variance * self.scale.precision + 2.0 * self.scale.log_deviation
        offset = -0.5 * (spread + LOG_TWO_PI).sum(axis=1)
        return ExpectedComponents(self.mean, np.sqrt(self.scale.precision), offset)

    def estimate(self) -> tuple[Array, Array]:
        """Return the expected means and variances; of a variance that has none the mode."""
        expected = self.scale.marginals(2.0, np.empty(0)).mean
        return self.mean, np.where(np.isfinite(expected), expected, self.scale.mode_variance())

    def predictive(self) -> PredictiveComponents:
        """Return the density of a new row of each component."""
        t, log_share, _ = self.scale.nodes
        n_components, n_features = self.mean.shape
        total = np.exp(2.0 * t) + self.variance  # (J, K, D): of the row about its mean
        unit = self.scale.precision
        relative = np.moveaxis(1.0 / (total * unit), 0, 2)
        log_det = 0.5 * np.log(relative)
        shares = np.moveaxis(log_share, 0, 2)
        if shares.shape[1] < n_features:
            log_det = log_det.sum(axis=1, keepdims=True)
        shares = np.broadcast_to(shares, (n_components, *shares.shape[1:])) + log_det
        offset = np.broadcast_to(0.5 * (np.log(unit) - LOG_TWO_PI), self.mean.shape).sum(axis=1)
        tail = ScaleMixtureTail(shares, relative)
        return PredictiveComponents(self.mean, np.sqrt(unit), offset, tail)

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return means and variances drawn from the factors."""
        noise = rng.standard_normal(self.mean.shape)
        return self.mean + np.sqrt(self.variance) * noise, self.scale.draw(rng)

    def mean_marginals(self, probabilities: Array) -> Marginals:
        """Return what is known about each mean, shape (K, D)."""
        deviation = np.sqrt(self.variance)
        levels = np.reshape(probabilities, (-1, 1, 1))
        return Marginals(self.mean, deviation, self.mean + ndtri(levels) * deviation)


def best_factors(
    prior: Normal, spread: PositivePrior, is_on_variance: bool, statistics: SufficientStatistics
) -> MeanField:
    """Return the factors of the highest bound.

    They alternate from the rows' means and from the prior's location, as the posterior mode's
    search does: where the ends differ, the better one is kept for each free standard deviation.
    """
    problem = _Alternation(prior, spread, is_on_variance, statistics)
    near_rows = problem.ascend(problem.rows_mean)
    start = np.broadcast_to(np.asarray(prior.location, dtype=float), near_rows.mean.shape)
    near_prior = problem.ascend(start)
    better = problem.bound(near_prior) > problem.bound(near_rows)
    if not better.any():
        return near_rows
    return problem.factors(
        np.where(better, near_prior.mean, near_rows.mean),
        np.where(better, near_prior.variance, near_rows.variance),
    )


@final
class _Alternation:
    """The two conditional factors, each the best given the other."""

    def __init__(
        self,
        prior: Normal,
        spread: PositivePrior,
        is_on_variance: bool,
        statistics: SufficientStatistics,
    ) -> None:
        self.prior, self.spread, self.is_on_variance = prior, spread, is_on_variance
        self.structure = statistics.structure
        self.count = np.broadcast_to(statistics.count[:, None], statistics.first.shape)
        self.rows_mean = statistics.mean()
        self.rows_scatter = statistics.scatter(self.rows_mean)
        self.entries = self._reduced(self.count)

    def _reduced(self, values: Array) -> Array:
        if self.structure[1] == 1:
            values = values.sum(axis=1, keepdims=True)
        return values.sum(axis=0, keepdims=True) if self.structure[0] == 1 else values

    def factors(self, mean: Array, variance: Array) -> MeanField:
        squares = self.count * ((mean - self.rows_mean) ** 2 + variance)
        scatter = self.rows_scatter + self._reduced(squares)
        scale = ScaleFactor(self.spread, self.is_on_variance, self.entries, scatter)
        return MeanField(self.prior, mean, variance, scale)

    def ascend(self, mean: Array) -> MeanField:
        prior_scale = np.asarray(self.prior.scale)
        location = np.asarray(self.prior.location)
        factors = self.factors(mean, np.zeros_like(mean))
        for _ in range(MAX_ALTERNATIONS):
            precision = factors.scale.precision
            # Shares of the prior's precision, so that none of it overflows.
            information = self.count * precision * prior_scale * prior_scale
            variance = prior_scale * prior_scale / (1.0 + information)
            mean = location + information / (1.0 + information) * (self.rows_mean - location)
            factors = self.factors(mean, variance)
            change = np.abs(factors.scale.precision - precision)
            if (change <= SETTLED * precision).all():
                break
        return factors

    def bound(self, factors: MeanField) -> Array:
        """Return what the factors add to the bound, one value for each free scale."""
        return factors.scale.nodes[2] - self._reduced(factors.mean_divergence)
