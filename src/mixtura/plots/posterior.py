"""What is known of weights, means and scales, component by component."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.diagnostics.bootstrap_draws import Bootstrap
from mixtura.errors import InvalidArgumentError, Setting
from mixtura.fit import Fit
from mixtura.plots.canvas import axes_grid
from mixtura.plots.quantities import listed_components, omission
from mixtura.plots.separation import best_features
from mixtura.plots.style import (
    MOST_LETTERS,
    PLAIN_TEXT,
    component_colour,
    component_marker,
    label_x,
    note,
    open_frame,
    shown,
)
from mixtura.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

PROBABILITIES = (0.05, 0.95)


def posterior(
    fit: Fit,
    *,
    bootstrap: Bootstrap | None = None,
    max_features: int = 4,
    ax: Any = None,
    figure: "FigureBase | None" = None,
) -> np.ndarray:
    """Draw median, and 5 % and 95 % points, of each component's weight, means and scales.

    Parameters
    ----------
    fit : Fit
        A fit whose posterior knows more than a point, or of which there is a bootstrap.
    bootstrap : Bootstrap, optional
        Where the intervals of a point are from; the middle is then the fit's own value.
    max_features : int, default=4
        Features at most; of more those that separate the components best are drawn.
    ax : array of matplotlib Axes, optional
        Axes to draw on: one for the weights, then two for each feature.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    array of matplotlib Axes, shape (1 + 2 n_features,)
        Weights, then mean and standard deviation of each feature.

    Raises
    ------
    InvalidArgumentError
        If the fit is a point, or the axes are not as many.
    """
    if bootstrap is None:
        ends, middle = (fit.posterior.intervals(pair) for pair in (PROBABILITIES, (0.5, 0.5)))
    else:
        ends, middle = bootstrap.intervals(PROBABILITIES[1] - PROBABILITIES[0]), bootstrap.values
    if ends is None or middle is None:
        raise InvalidArgumentError(
            "plot_posterior needs more than a point, which is all that ",
            Setting("inference", fit.method),
            " gives",
            remedy=(
                *("fit with ", Setting("inference", ("vb", "gibbs", "collapsed", "nuts"))),
                ", or pass bootstrap=",
            ),
        )
    features, chosen = best_features(fit, max(1, max_features))
    components = listed_components(fit)
    axes = _axes(ax, figure, len(features), len(components))
    parts = [(ends.weights, middle.weights, "weight")]
    for d in features.tolist():
        name = shown(fit.feature_names[d], 28)
        parts.append((ends.means[:, :, d], middle.means[:, :, d], f"mean of {name}"))
        deviations = (ends.deviations[:, :, d], middle.deviations[:, :, d])
        parts.append((*deviations, f"standard deviation of {name}"))
    for target, (bounds, medians, label) in zip(axes, parts, strict=True):
        _draw(target, fit, bounds, medians[0], components)
        label_x(target, label, 60)
    said = "median, 5 % and 95 % points"
    if bootstrap is not None:
        said = f"estimate, 5 % and 95 % points of {bootstrap.n_replicates:,} bootstrap replicates"
    note(axes[0], said, omission(fit, components), chosen)
    open_frame(*axes)
    return axes


def _axes(ax: Any, figure: "FigureBase | None", n_features: int, n_listed: int) -> np.ndarray:
    """Return axes of the weights above two columns, of means and of scales."""
    if ax is not None:
        return axes_grid(ax, figure, (1 + 2 * n_features, 1), (1.0, 1.0)).reshape(-1)
    height = min(0.7 + 0.24 * n_listed, 4.0)
    shape = (1 + n_features, 2)
    grid = axes_grid(None, figure, shape, (7.2, height * shape[0] + 0.2))
    owner, spec = grid[0, 0].figure, grid[0, 0].get_gridspec()
    for cell in grid[0]:
        cell.remove()
    return np.array([owner.add_subplot(spec[0, :]), *grid[1:].ravel()], dtype=object)


def _draw(ax: "Axes", fit: Fit, bounds: Array, medians: Array, components: tuple[int, ...]) -> None:
    for place, k in enumerate(components):
        colour = component_colour(k)
        ax.plot(bounds[:, k], [place, place], color=colour, linewidth=2.0, solid_capstyle="butt")
        ax.plot(medians[k], place, color=colour, marker=component_marker(k), markersize=6, zorder=3)
    many = len(components) > 10
    labels = [shown(fit.component_name(k, short=many), MOST_LETTERS) for k in components]
    ax.set_yticks(range(len(components)), labels, fontsize="small", **PLAIN_TEXT)
    ax.set_ylim(len(components) - 0.5, -0.5)
