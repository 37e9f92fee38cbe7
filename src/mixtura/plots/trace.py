"""How draws ran through their chains."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.fit import Fit
from mixtura.plots.canvas import axes_grid
from mixtura.plots.quantities import Quantity, listed_components, omission, quantities
from mixtura.plots.style import (
    COLOURS,
    MAX_LEGEND,
    MOST_LETTERS,
    component_colour,
    ink,
    label_y,
    legend,
    note,
    open_frame,
    shown,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

MAX_STEPS = 500
"""Draws of one chain that are shown; of longer chains evenly spaced ones."""

MAX_VERTICES = 4_000


def trace(
    fit: Fit,
    *,
    feature: int | str | None = None,
    max_features: int = 2,
    max_steps: int = MAX_STEPS,
    ax: Any = None,
    figure: "FigureBase | None" = None,
) -> np.ndarray:
    """Draw log joint density, weights and means of the draws in the order they came.

    Chains stand side by side, with a line between them. Chains that agree look alike: the same
    height, the same width, no trend. Components are numbered as after relabelling.

    Parameters
    ----------
    fit : Fit
        A fit whose posterior holds draws.
    feature : int or str, optional
        Feature whose means are drawn; by default the ones that separate the components best.
    max_features : int, default=2
        Number of those.
    max_steps : int, default=500
        Draws of one chain that are shown at most, evenly spaced.
    ax : array of matplotlib Axes, optional
        Axes to draw on, one for each quantity.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    array of matplotlib Axes, shape (n_quantities,)

    Raises
    ------
    InvalidArgumentError
        If the fit has no draws, or feature or axes do not fit it.
    """
    drawn = quantities(fit, "plot_trace", feature, max_features)
    size = (7.2, 1.6 * len(drawn) + 0.6)
    axes = axes_grid(ax, figure, (len(drawn), 1), size).reshape(-1)
    for target, quantity in zip(axes, drawn, strict=True):
        _draw(target, quantity, max_steps)
    n_chains, n_draws = drawn[0].draws.shape[:2]
    for target in axes[:-1]:
        target.tick_params(labelbottom=False)
    chains = "1 chain" if n_chains == 1 else f"{n_chains} chains side by side"
    axes[-1].set_xlabel(f"draw ({chains}, {n_draws:,} draws each)")
    if fit.model.n_components > 1:
        _list_components(axes, fit, listed_components(fit))
        note(axes[0], omission(fit, listed_components(fit)))
    open_frame(*axes)
    return axes


def _draw(ax: "Axes", quantity: Quantity, max_steps: int) -> None:
    n_chains, n_draws = quantity.draws.shape[:2]
    steps = np.unique(np.linspace(0, n_draws - 1, min(n_draws, max_steps)).round().astype(np.intp))
    lines = quantity.draws.reshape(n_chains, n_draws, -1)[:, steps]
    look = {"linewidth": 0.7, "rasterized": lines.size > MAX_VERTICES}
    for chain, values in enumerate(lines):
        for j, line in enumerate(values.T):
            is_one = not quantity.components
            colour = COLOURS[0] if is_one else component_colour(quantity.components[j])
            ax.plot(chain * n_draws + steps, line, color=colour, **look)
    for border in range(1, n_chains):
        ax.axvline(border * n_draws - 0.5, color=ink(), linewidth=0.6, linestyle=":")
    ax.set_xlim(-0.5, n_chains * n_draws - 0.5)
    label_y(ax, quantity.name, 48)


def _list_components(axes: np.ndarray, fit: Fit, components: tuple[int, ...]) -> None:
    """Put a legend outside the axes where the layout makes room, else into the second axes."""
    from matplotlib.lines import Line2D

    some = components[:MAX_LEGEND]
    handles = [Line2D([], [], color=component_colour(k), linewidth=2.0) for k in some]
    labels = [shown(fit.component_name(k, short=True), MOST_LETTERS) for k in some]
    style = {"title": "component", "title_fontsize": "small", "handlelength": 1.0}
    owner = axes[0].figure
    if owner.get_layout_engine() is not None:
        place = {"loc": "outside lower center", "ncols": min(len(handles), 10)}
        legend(owner, handles, labels, **(style | place))
    else:
        legend(axes[-1], handles, labels, loc="best", **style)
