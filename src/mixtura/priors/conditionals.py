"""Exact draws of means given scales and of scales given means, where no prior is conjugate.

With t the logarithm of a standard deviation, its density given n entries of scatter SS is
proportional to ``p(t) exp(-n t - SS exp(-2 t) / 2)``, whose logarithm is concave in t for every
registered spread: rejection from three pieces is exact [GilksWild1992]_.
"""

import numpy as np

from mixtura.messages.statistics import SufficientStatistics, shared_sum
from mixtura.priors.mean_field import FARTHEST, ScaleFactor
from mixtura.priors.scales import Normal, PositivePrior
from mixtura.typing import Array

PROPOSALS = 8
"""Made at once: that all of them are refused happens about once in a thousand draws."""

CORNER_ROUNDS = 2
MOST_ROUNDS = 1000


def draw_means(
    prior: Normal, statistics: SufficientStatistics, variances: Array, rng: np.random.Generator
) -> Array:
    """Return means (K, D) drawn given the variances, in the structure shape."""
    location, limit = np.asarray(prior.location), 1.0 / np.asarray(prior.scale)
    # Roots of precisions, of the rows' and of both: their squares might overflow.
    of_rows = np.sqrt(statistics.count[:, None] / variances)
    of_both = np.hypot(of_rows, limit)
    expected = location + (of_rows / of_both) ** 2 * (statistics.mean() - location)
    return expected + rng.standard_normal(expected.shape) / of_both


def draw_variances(
    spread: PositivePrior,
    is_on_variance: bool,
    statistics: SufficientStatistics,
    means: Array,
    rng: np.random.Generator,
) -> Array:
    """Return variances, in the structure shape, drawn given the means (K, D)."""
    entries = shared_sum(statistics.count_by_feature, statistics.structure)
    density = ScaleFactor(spread, is_on_variance, entries, statistics.scatter(means))
    with np.errstate(over="ignore"):  # far in the tails the log density falls to minus infinity
        logs = density.top + _draw_about_top(density, rng)
    return np.exp(2.0 * np.clip(logs, 5.0 - FARTHEST, FARTHEST - 5.0))


def _draw_about_top(density: ScaleFactor, rng: np.random.Generator) -> Array:
    """Return draws less the top, in the structure shape, by rejection.

    The log density is concave and zero at its top: from each corner outwards it lies below the
    line from the top through the corner, and between the corners below zero.
    """
    (low, high), (fall_low, fall_high) = _corners(density)
    rate_low, rate_high = fall_low / low, fall_high / high
    below, above = np.exp(-fall_low) / rate_low, np.exp(-fall_high) / rate_high
    total = below + low + high + above
    drawn = np.zeros(density.entries.shape)
    missing = np.ones(density.entries.shape, dtype=bool)
    for _ in range(MOST_ROUNDS):
        size = (PROPOSALS, *missing.shape)
        place = rng.random(size) * total - below - low
        tail = rng.standard_exponential(size)
        u = np.where(place < -low, -low - tail / rate_low, place)
        u = np.where(place > high, high + tail / rate_high, u)
        bound = np.where(u < -low, -rate_low * u, np.where(u > high, rate_high * u, 0.0))
        accepted = density.fall(u) <= bound + rng.standard_exponential(size)
        first = accepted.argmax(axis=0)[None]
        drawn = np.where(missing, np.take_along_axis(u, first, axis=0)[0], drawn)
        missing &= ~accepted.any(axis=0)
        if not missing.any():
            return drawn
    raise ArithmeticError("a scale's density is not log-concave in the logarithm of the scale")


def _corners(density: ScaleFactor) -> tuple[Array, Array]:
    """Return distances below and above the top, (2, *structure), and the falls there, about one."""
    sides = np.reshape([-1.0, 1.0], (2,) + (1,) * density.entries.ndim)
    small = 1e-2 / np.sqrt(density.entries + 1.0)
    curvature = density.fall(sides * small).sum(axis=0) / small**2
    distance = np.sqrt(2.0 / np.maximum(curvature, 1e-8)) * np.ones_like(sides)
    fall = density.fall(sides * distance)
    for _ in range(CORNER_ROUNDS):
        # The distance itself where the fall is a line, its root where it is a parabola.
        distance = distance * np.clip(fall, 0.05, 20.0) ** -0.7
        fall = density.fall(sides * distance)
    return distance, np.maximum(fall, 1e-8)
