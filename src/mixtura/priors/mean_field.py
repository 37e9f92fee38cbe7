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
from scipy.special import ndtri

from mixtura.messages.potentials import ScaleMixtureTail
from mixtura.messages.statistics import SufficientStatistics, shared_sum
from mixtura.priors.base import ExpectedComponents, Marginals, PredictiveComponents
from mixtura.priors.scales import LOG_TWO_PI, Normal, PositivePrior
from mixtura.typing import Array

NEGLIGIBLE = 45.0
"""Drop of a log density, or of its product with the precision, past which nothing is to add."""

WIDEST_STEP = 0.07
STEP = 0.6
"""Of the trapezoid rule: at most this, and at most this share of the density's width."""

FARTHEST = 352.0
"""Of t from zero: the squares of standard deviations are then numbers that float64 holds."""

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
        with np.errstate(divide="ignore"):
            if self.is_on_variance:
                mode = self.spread.variance_mode(self.entries - 2.0, self.scatter)
                return np.clip(0.5 * np.log(mode), 5.0 - FARTHEST, FARTHEST - 5.0)
            mode = self.spread.deviation_mode(self.entries - 1.0, self.scatter)
            return np.clip(np.log(mode), 5.0 - FARTHEST, FARTHEST - 5.0)

    def _log_prior(self, t: Array) -> Array:
        power = 2.0 if self.is_on_variance else 1.0
        with np.errstate(over="ignore"):
            return self.spread.log_density(np.exp(power * t)) + power * t + np.log(power)

    @cached_property
    def _log_prior_at_top(self) -> Array:
        return self._log_prior(self.top)

    def fall(self, u: Array) -> Array:
        """Return how far the log density lies below its top at t = top + u, (..., *structure)."""
        of_prior = self._log_prior_at_top - self._log_prior(self.top + u)
        with np.errstate(over="ignore"):
            # Together, so that as little as possible cancels where the entries are many.
            squares = 0.5 * self.scatter * np.exp(-2.0 * self.top)
            return of_prior + self.entries * u + squares * np.expm1(-2.0 * u)

    def _reach(self, width: Array, sign: float) -> Array:
        """Return how far from the top the density is negligible, at most twice too far."""
        limit, power = FARTHEST - sign * self.top, 1.0 - sign  # the precision is exp(-2t)
        far = np.minimum(8.0 * width, limit)
        for _ in range(64):
            short = (self.fall(sign * far) - power * far < NEGLIGIBLE) & (far < limit)
            if not short.any():
                break
            far = np.where(short, np.minimum(2.0 * far, limit), far)
        return far

    @cached_property
    def width(self) -> Array:
        """About a standard deviation of t."""
        small = 1e-2 / np.sqrt(self.entries + 1.0)
        curvature = np.maximum((self.fall(small) + self.fall(-small)) / small**2, 1e-8)
        return np.asarray(1.0 / np.sqrt(curvature))

    @cached_property
    def bounds(self) -> tuple[Array, Array, float]:
        """Distances of both ends from the top, and the steps that the narrowest density needs."""
        low, high = -self._reach(self.width, -1.0), self._reach(self.width, 1.0)
        steps = float(((high - low) / np.minimum(WIDEST_STEP, STEP * self.width)).max())
        return low, high, steps

    @cached_property
    def nodes(self) -> tuple[Array, Array, Array]:
        """Nodes u (J, *structure), their log shares, and the log normalisers (structure)."""
        low, high, steps = self.bounds
        number = min(int(np.ceil(steps)) + 1, MOST_NODES)
        u = np.linspace(low, high, number)
        logs = -self.fall(u)  # the largest is about zero: that of the node next to the top
        total = np.log(np.exp(logs).sum(axis=0))
        squares = 0.5 * self.scatter * np.exp(-2.0 * self.top)
        peak = self._log_prior(self.top) - self.entries * self.top - squares
        return u, logs - total, peak + total + np.log((high - low) / (number - 1))

    @property
    def log_normalizer(self) -> Array:
        """Log of prior times likelihood, integrated."""
        return self.nodes[2]

    @cached_property
    def precision(self) -> Array:
        """Expected precisions."""
        u, log_share, _ = self.nodes
        return np.exp(log_share - 2.0 * u).sum(axis=0) * np.exp(-2.0 * self.top)

    @cached_property
    def reciprocal(self) -> Array:
        """Expected reciprocals of what the prior is on: standard deviations or variances."""
        if self.is_on_variance:
            return self.precision
        u, log_share, _ = self.nodes
        return np.exp(log_share - u).sum(axis=0) * np.exp(-self.top)

    def serves(self, scatter: Array) -> bool:
        """Whether the nodes are as good for other sums of squares: they shift little."""
        near = self.width * np.minimum(self.scatter, scatter)
        return bool((np.abs(scatter - self.scatter) <= near).all())

    def precision_at(self, scatter: Array) -> Array:
        """Return the expected precisions under other sums of squares that the nodes serve."""
        u, log_share, _ = self.nodes
        unit = np.exp(-2.0 * self.top)
        change = 0.5 * (self.scatter - scatter) * unit
        share = np.exp(log_share + change * np.expm1(-2.0 * u))
        return (share * np.exp(-2.0 * u)).sum(axis=0) / share.sum(axis=0) * unit

    @cached_property
    def log_deviation(self) -> Array:
        """Expected logarithms of the standard deviations."""
        u, log_share, _ = self.nodes
        return self.top + (np.exp(log_share) * u).sum(axis=0)

    @cached_property
    def divergence(self) -> Array:
        """Divergences from the prior, in nats."""
        fit = -self.entries * self.log_deviation - 0.5 * self.scatter * self.precision
        return fit - self.log_normalizer

    @cached_property
    def variance(self) -> Array:
        """Expected variances; not a number where there are none."""
        low, high, steps = self.bounds
        end = self._far_end
        number = int(np.ceil(steps * float(((end - low) / (high - low)).max()))) + 1
        u = np.linspace(low, end, min(number, MOST_NODES))
        share = np.exp(-self.fall(u))
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = (share * np.exp(2.0 * u)).sum(axis=0) / share.sum(axis=0)
            return np.where(self.slope > 2.0, ratio * np.exp(2.0 * self.top), np.nan)

    @cached_property
    def _far_end(self) -> Array:
        """Where even the fourth moment, where there is one, has nothing left to add."""
        high, slope = self.bounds[1], self.slope
        further = np.clip(slope / np.maximum(slope - 4.0, 1e-3), 1.0, 20.0)
        return np.minimum(high * further, FARTHEST - self.top)

    @cached_property
    def table(self) -> tuple[Array, Array, Array]:
        """Fine nodes t (J, *structure), their shares, and distribution functions.

        They reach far enough for the fourth moment where that exists.
        """
        u = np.linspace(self.bounds[0], self._far_end, TABLE_NODES)
        share = np.exp(-self.fall(u))
        share = share / share.sum(axis=0)
        return self.top + u, share, np.cumsum(share, axis=0) - 0.5 * share

    @cached_property
    def slope(self) -> Array:
        """How fast the log density falls in t where t is large: the moments below it exist."""
        high = self.bounds[1]
        return self.fall(high + 1.0) - self.fall(high)

    def marginals(self, power: float, probabilities: Array) -> Marginals:
        """Return what is known about the standard deviations to a power of 1 or 2."""
        t, share, below = self.table
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.exp(power * t)
            mean = np.where(self.slope > power, (share * values).sum(axis=0), np.nan)
            variance = (share * (values - mean) ** 2).sum(axis=0)
            deviation = np.where(self.slope > 2.0 * power, np.sqrt(variance), np.inf)
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
    mean, deviation : array of shape (K, D)
        Expected means, and the standard deviations of their Normal factors.
    scale : ScaleFactor
        Factor of the standard deviations.
    """

    prior: Normal
    mean: Array
    deviation: Array
    scale: ScaleFactor

    @property
    def mean_divergence(self) -> Array:
        """Divergence of each mean's factor from the prior, shape (K, D), in nats."""
        offset = (self.mean - self.prior.location) / self.prior.scale
        ratio = (self.deviation / np.asarray(self.prior.scale)) ** 2
        return 0.5 * (ratio - 1.0 - np.log(ratio) + offset * offset)

    @property
    def divergence(self) -> float:
        """Divergence of all factors from the prior, in nats."""
        return float(self.mean_divergence.sum() + self.scale.divergence.sum())

    def expected(self) -> ExpectedComponents:
        """Return the expected log density of a row under each component."""
        spread = self.deviation**2 * self.scale.precision + 2.0 * self.scale.log_deviation
        offset = -0.5 * (spread + LOG_TWO_PI).sum(axis=1)
        return ExpectedComponents(self.mean, np.sqrt(self.scale.precision), offset)

    def estimate(self) -> tuple[Array, Array]:
        """Return the expected means and variances; of a variance that has none the mode."""
        expected = self.scale.variance
        return self.mean, np.where(np.isfinite(expected), expected, self.scale.mode_variance())

    def predictive(self) -> PredictiveComponents:
        """Return the density of a new row of each component."""
        u, log_share, _ = self.scale.nodes
        n_components, n_features = self.mean.shape
        total = (
            np.exp(2.0 * (self.scale.top + u)) + self.deviation**2
        )  # (J, K, D): of the row about its mean
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
        return self.mean + self.deviation * noise, self.scale.draw(rng)

    def mean_marginals(self, probabilities: Array) -> Marginals:
        """Return what is known about each mean, shape (K, D)."""
        levels = np.reshape(probabilities, (-1, 1, 1))
        return Marginals(self.mean, self.deviation, self.mean + ndtri(levels) * self.deviation)


def best_factors(
    prior: Normal, spread: PositivePrior, is_on_variance: bool, statistics: SufficientStatistics
) -> MeanField:
    """Return the factors of the highest bound.

    They alternate from the rows' means and from the prior's location, as the posterior mode's
    search does: where the ends differ, the better one is kept for each free standard deviation.
    """
    problem = _Alternation(prior, spread, is_on_variance, statistics)
    location = np.broadcast_to(np.asarray(prior.location, dtype=float), problem.rows_mean.shape)
    mean, deviation = problem.ascend(np.stack([problem.rows_mean, location]))
    near_rows, near_prior = problem.bounds(mean, deviation)
    better = near_prior > near_rows
    return problem.factors(
        np.where(better, mean[1], mean[0]), np.where(better, deviation[1], deviation[0])
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
        self.count = statistics.count_by_feature
        self.rows_mean = statistics.mean()
        self.rows_scatter = statistics.scatter(self.rows_mean)
        self.entries = shared_sum(self.count, self.structure)

    def factors(self, mean: Array, deviation: Array) -> MeanField:
        return MeanField(self.prior, mean, deviation, self._scale(self._scatter(mean, deviation)))

    def _scale(self, scatter: Array) -> ScaleFactor:
        return ScaleFactor(self.spread, self.is_on_variance, self.entries, scatter)

    def _scatter(self, mean: Array, deviation: Array) -> Array:
        squares = self.count * ((mean - self.rows_mean) ** 2 + deviation**2)
        return self.rows_scatter + shared_sum(squares, self.structure)

    def ascend(self, mean: Array) -> tuple[Array, Array]:
        """Return means and their deviations where the alternation from means (..., K, D) ends."""
        location, limit = np.asarray(self.prior.location), 1.0 / np.asarray(self.prior.scale)
        deviation = np.zeros_like(mean)
        scale = self._scale(self._scatter(mean, deviation))
        precision = scale.precision
        for _ in range(MAX_ALTERNATIONS):
            # Roots of precisions, of the rows' and of both: their squares might overflow.
            of_rows = np.sqrt(self.count * precision)
            of_both = np.hypot(of_rows, limit)
            mean = location + (of_rows / of_both) ** 2 * (self.rows_mean - location)
            deviation = 1.0 / of_both
            scatter, old = self._scatter(mean, deviation), precision
            if scale.serves(scatter):
                precision = scale.precision_at(scatter)
            else:
                scale = self._scale(scatter)
                precision = scale.precision
            if (np.abs(precision - old) <= SETTLED * old).all():
                break
        return mean, deviation

    def bounds(self, mean: Array, deviation: Array) -> Array:
        """Return what factors add to the bound, one value for each free scale."""
        factors = self.factors(mean, deviation)
        return factors.scale.log_normalizer - shared_sum(factors.mean_divergence, self.structure)
