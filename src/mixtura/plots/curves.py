"""Marginal densities of the components as lines."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from mixtura.fit import Fit
from mixtura.plots.bins import bin_edges
from mixtura.plots.separation import standard_deviations
from mixtura.plots.style import component_colour, component_marker, ink
from mixtura.posteriors import DrawsPosterior
from mixtura.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

REACH = 5.0
"""Standard deviations to either side that a line covers; 6e-7 of the mass lies beyond."""

STEPS = 160
"""Intervals of a line. The trapezoidal rule on them integrates a normal density to 1e-6."""

FEWEST_STEPS, MOST_STEPS = 400, 1200
"""Intervals of the line of a sum over draws, which follows the components of all of them."""

BEYOND = 1e-3
"""Share of a density that may lie beyond either end of the axes: 3.1 standard deviations."""

TOGETHER = 64
"""Components whose densities are found at once."""

TALLEST = 8.0
"""Peaks above so many times the typical peak are cut off, or they would flatten all others."""


@final
@dataclass(frozen=True, eq=False)
class MarginalCurves:
    """Weighted normal densities of one feature.

    Parameters
    ----------
    weights, means, deviations : arrays of shape (K,)
        Weight of each component, and its mean and standard deviation of the feature.
    uniform : tuple of float, optional
        Where a background begins and ends, and the height of its density.
    """

    weights: Array
    means: Array
    deviations: Array
    uniform: tuple[float, float, float] | None = None

    @classmethod
    def of(cls, fit: Fit, feature: int) -> "MarginalCurves":
        """Return the marginal densities of one feature of a fit."""
        parameters = fit.parameters
        deviations = standard_deviations(fit)[:, feature]
        means = parameters.means[:, feature]
        return cls(parameters.weights, means, deviations, _uniform(fit, feature))

    @classmethod
    def predictive(cls, fit: Fit, feature: int) -> "MarginalCurves":
        """Return what the predictive density of one feature is the sum of.

        The components of a fit; of draws those of all draws over which answers are averaged.
        """
        posterior = fit.posterior
        if not isinstance(posterior, DrawsPosterior):
            return cls.of(fit, feature)
        averaged = posterior.averaged(1)
        used = averaged.weights > 0.0
        return cls(
            averaged.weights[used] / averaged.n_draws,
            averaged.means[used][:, feature],
            averaged.scales[used][:, feature],
            _uniform(fit, feature),
        )

    @property
    def peaks(self) -> Array:
        """Height of each component's weighted density."""
        return self.weights / (self.deviations * np.sqrt(2.0 * np.pi))

    def component(self, k: int, points: Array) -> Array:
        """Return the density of component k times its weight."""
        standard = (points - self.means[k]) / self.deviations[k]
        # Beyond 38 standard deviations the density is zero in double precision.
        return self.peaks[k] * np.exp(-0.5 * np.clip(standard, -40.0, 40.0) ** 2)

    def total(self, points: Array) -> Array:
        """Return the density of the mixture."""
        found = np.zeros(points.shape)
        for start in range(0, self.weights.size, TOGETHER):
            some = slice(start, start + TOGETHER)
            standard = (points[:, None] - self.means[some]) / self.deviations[some]
            found += np.exp(-0.5 * np.clip(standard, -40.0, 40.0) ** 2) @ self.peaks[some]
        if self.uniform is not None:
            low, high, level = self.uniform
            found[(points >= low) & (points <= high)] += level
        return found

    def uncertainty(self, points: Array) -> Array:
        """Return one minus the largest responsibility at each point."""
        distance = (points[:, None] - self.means) / self.deviations
        with np.errstate(divide="ignore", over="ignore"):
            scores = np.log(self.weights / self.deviations) - 0.5 * distance * distance
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        # The largest share is one after scaling, so the rest can be summed without it.
        rest = np.sort(shares, axis=1)[:, :-1].sum(axis=1)
        return rest / (1.0 + rest)

    def grid(self, k: int) -> Array:
        """Return the points on which component k is drawn."""
        return self.means[k] + self.deviations[k] * np.linspace(-REACH, REACH, STEPS + 1)

    def common_grid(self) -> Array:
        """Return the points on which the total is drawn: fine wherever a component is narrow."""
        return np.unique(np.concatenate([self.grid(k) for k in range(self.weights.size)]))

    def spread(self) -> tuple[Array, Array]:
        """Return points around all components in rising order, and the mass near each of them."""
        standard = np.linspace(-REACH, REACH, 41)
        points = (self.means[:, None] + self.deviations[:, None] * standard).ravel()
        mass = np.outer(self.weights, np.exp(-0.5 * standard**2)).ravel()
        order = np.argsort(points)
        return points[order], mass[order] / mass.sum()

    def ceiling(self, *, total: bool = True) -> tuple[float, bool]:
        """Return the height of the scale, and whether it cuts peaks off.

        With ``total=False`` for the components alone, without their sum.
        """
        peaks = self.peaks
        order = np.argsort(peaks)
        shares = np.cumsum(self.weights[order])
        middle = int(np.searchsorted(shares, 0.5 * shares[-1]))
        typical = peaks[order][min(middle, peaks.size - 1)]
        tallest = float(peaks.max())
        if total:
            tallest = max(tallest, float(self.total(self.means).max()))
        return min(tallest, TALLEST * typical), tallest > TALLEST * typical


@final
@dataclass(frozen=True, eq=False)
class Total:
    """The predictive density of one feature as a line.

    Parameters
    ----------
    points, heights : arrays of shape (P,)
        Points in rising order, and the density there.
    low, high : float
        Between them lies all but 0.002 of the density.
    """

    points: Array
    heights: Array
    low: float
    high: float

    @classmethod
    def of(cls, fit: Fit, feature: int) -> "Total":
        """Return the predictive density of a fit."""
        summed = MarginalCurves.predictive(fit, feature)
        around, mass = summed.spread()
        inner = np.searchsorted(np.cumsum(mass), (BEYOND, 1.0 - BEYOND))
        low, high = around[np.minimum(inner, around.size - 1)].tolist()
        if not isinstance(fit.posterior, DrawsPosterior):
            points = summed.common_grid()
        else:
            # As many points for a narrow component as for a wide one, and some in every gap.
            n_steps = int(np.clip(STEPS * fit.model.n_components, FEWEST_STEPS, MOST_STEPS))
            places = np.linspace(0, around.size - 1, n_steps + 1).astype(np.intp)
            points = np.unique(np.append(around[places], np.linspace(low, high, FEWEST_STEPS + 1)))
        return cls(points, summed.total(points), low, high)

    def ceiling(self) -> tuple[float, bool]:
        """Return the height of the scale, and whether it cuts peaks off."""
        order = np.argsort(self.heights)
        mass = (self.heights * np.gradient(self.points))[order]
        middle = np.searchsorted(np.cumsum(mass), 0.5 * mass.sum())
        limit = TALLEST * float(self.heights[order][middle])
        tallest = float(self.heights.max())
        return min(tallest, limit), tallest > limit


def _uniform(fit: Fit, feature: int) -> tuple[float, float, float] | None:
    """Return the marginal density of a fit's background; None without one."""
    background = fit.model.background
    if background is None:
        return None
    low, high = float(background.lower[feature]), float(background.upper[feature])
    # Where a volume was given the density of the box need not add up to the weight.
    mass = np.exp(np.log(background.upper - background.lower).sum() - background.log_volume)
    return low, high, fit.background_weight * float(mass) / (high - low)


def draw_components(
    ax: "Axes", marginals: MarginalCurves, *, upright: bool = True
) -> "list[Line2D]":
    """Draw each component's density, with its marker at the peak; return the lines.

    With ``upright=False`` the feature runs along the vertical axis.
    """
    lines = []
    for k in range(marginals.weights.size):
        points = marginals.grid(k)
        heights = marginals.component(k, points)
        (line,) = ax.plot(
            *((points, heights) if upright else (heights, points)),
            color=component_colour(k),
            marker=component_marker(k),
            markevery=[STEPS // 2],
            markersize=6,
            linewidth=1.5,
        )
        lines.append(line)
    return lines


def draw_total(ax: "Axes", total: Total) -> "Line2D":
    """Draw the predictive density; return the line."""
    style = (0, (4, 2))
    (line,) = ax.plot(total.points, total.heights, color=ink(), linestyle=style, linewidth=1.2)
    return line


def histogram(values: Array, weights: Array | None) -> tuple[Array, Array] | None:
    """Return densities and edges of a histogram, None for values without any range.

    Freedman and Diaconis's width, between 10 and 120 bins; of rounded values a multiple of their
    spacing near it.
    """
    if values.size < 2 or not np.ptp(values) > 0:
        return None
    low, high = float(values.min()), float(values.max())
    quarter = np.subtract(*np.percentile(values, [75, 25]))
    width = 2.0 * quarter / np.cbrt(values.size)
    wanted = (high - low) / width if width > 0 else 10.0
    bins = int(np.clip(np.ceil(wanted), 10, 120))
    edges = bin_edges(values, low, high, bins)
    if edges is None:
        return None
    counts, _ = np.histogram(values, edges, weights=weights)
    total = counts.sum()
    return counts / (total if total > 0 else 1.0) / np.diff(edges), edges
