"""Whether chains have the same distribution: the ranks of their draws among those of all."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binom, rankdata

from mixtura.fit import Fit
from mixtura.plots.canvas import axes_grid
from mixtura.plots.quantities import Quantity, quantities
from mixtura.plots.style import COLOURS, PLAIN_TEXT, legend, note, open_frame, shown
from mixtura.typing import Array, IntegerArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

N_BINS = 20
PANELS = 9
"""Quantities at most."""

STYLES = ("-", "--", "-.", ":")
"""Kinds of lines, so that no reader depends on colour."""

REACH = 0.99
"""Probability that independent draws of chains that agree stay within the grey band."""


def rank(
    fit: Fit,
    *,
    feature: int | str | None = None,
    ax: Any = None,
    figure: "FigureBase | None" = None,
) -> np.ndarray:
    """Draw, for each chain, a histogram of the ranks of its draws among the draws of all chains.

    Where chains agree every histogram is flat. The grey band holds 99 % of the bars of independent
    draws; draws that depend on each other stray farther. A chain that leans to one side lies
    lower or higher than the others, one that is hollow or humped is wider or narrower
    [Vehtari2021]_.

    Parameters
    ----------
    fit : Fit
        A fit whose posterior holds draws.
    feature : int or str, optional
        Feature whose means are drawn; by default the one that separates the components best.
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
    every = [each for part in quantities(fit, "plot_rank", feature, 1) for each in _single(part)]
    panels = every[:PANELS]
    n_columns = min(len(panels), 3)
    n_lines = -(-len(panels) // n_columns)
    if ax is None:
        size = (2.6 * n_columns + 0.4, 1.7 * n_lines + 0.7)
        grid = axes_grid(None, figure, (n_lines, n_columns), size).reshape(-1)
        for empty in grid[len(panels) :]:
            empty.remove()
        axes = grid[: len(panels)]
    else:
        axes = axes_grid(ax, figure, (len(panels), 1), (1.0, 1.0)).reshape(-1)
    lines: list[Any] = []
    for target, quantity in zip(axes, panels, strict=True):
        lines = _draw(target, quantity)
    left_out = f"the first {PANELS} of {len(every)} quantities" if len(every) > PANELS else ""
    _list_chains(axes, lines, left_out)
    open_frame(*axes)
    return axes


def rank_histograms(draws: Array, n_bins: int = N_BINS) -> tuple[IntegerArray, Array]:
    """Return counts (C, B) of the ranks of draws (C, S) in B bins, and the edges (B + 1,).

    Equal draws share their average rank. There are no more bins than draws in a chain.
    """
    ranks = rankdata(draws.ravel()).reshape(draws.shape)
    n_bins = max(1, min(n_bins, draws.shape[1]))
    edges = np.linspace(0.5, draws.size + 0.5, n_bins + 1)
    return np.array([np.histogram(part, edges)[0] for part in ranks]), edges


def _single(quantity: Quantity) -> list[Quantity]:
    """Return a quantity as ones of a single number each."""
    if not quantity.components:
        return [quantity]
    return [
        Quantity(f"{quantity.name}, component {k}", quantity.draws[:, :, j])
        for j, k in enumerate(quantity.components)
    ]


def _draw(ax: "Axes", quantity: Quantity) -> list[Any]:
    counts, edges = rank_histograms(quantity.draws)
    n_draws, n_bins = quantity.draws.shape[1], len(edges) - 1
    band = binom.interval(REACH, n_draws, 1.0 / n_bins)
    ax.axhspan(*band, color="#999999", alpha=0.25, linewidth=0, zorder=0)
    ax.axhline(n_draws / n_bins, color="#999999", linewidth=0.8, zorder=1)
    lines = [
        ax.stairs(
            count,
            edges,
            color=COLOURS[chain % len(COLOURS)],
            linestyle=STYLES[chain % len(STYLES)],
            linewidth=1.2,
            baseline=None,
        )
        for chain, count in enumerate(counts)
    ]
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0.0, 1.1 * max(counts.max(), 2.0 * n_draws / n_bins))
    ax.set_title(shown(quantity.name, 44), loc="left", fontsize="small", **PLAIN_TEXT)
    ax.set_xticks([])
    return lines


def _list_chains(axes: np.ndarray, lines: list[Any], left_out: str) -> None:
    owner = axes[0].figure
    labels = [f"chain {chain}" for chain in range(len(lines))]
    for ax in axes[-min(len(axes), 3) :]:
        ax.set_xlabel("rank among all draws")
    if left_out:
        note(axes[0], axes[0].get_title(loc="left"), left_out)
    if owner.get_layout_engine() is not None:
        legend(owner, lines, labels, loc="outside lower center", ncols=min(len(lines), 6))
    else:
        legend(axes[0], lines, labels, loc="best")
