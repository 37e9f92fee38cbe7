"""How components become clusters: entropies, and the tree of merges."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.diagnostics.entropy_merging import EntropyTree, two_lines
from mixtura.fit import Fit
from mixtura.plots.canvas import axes_grid
from mixtura.plots.style import (
    COLOURS,
    MOST_LETTERS,
    PLAIN_TEXT,
    ink,
    legend,
    note,
    open_frame,
    shown,
)
from mixtura.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

RING = 13
"""Size in points of the ring around the number of clusters that is taken."""

MANY = 20
"""Components above which the tree has no names."""


def merging(
    fit: Fit,
    tree: EntropyTree,
    n_clusters: int,
    *,
    ax: Any = None,
    figure: "FigureBase | None" = None,
) -> np.ndarray:
    """Draw the entropy of the assignments by number of clusters, and the tree of merges.

    Parameters
    ----------
    fit : Fit
        The fit whose components are merged.
    tree : EntropyTree
        The merges.
    n_clusters : int
        The number of clusters that is taken, which gets a ring; the tree is cut there.
    ax : array of two matplotlib Axes, optional
        Axes to draw on.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    array of matplotlib Axes, shape (2,)
        The entropies with the two lines that fit them best, and the tree, in which the height of a
        merge is its number: the lowest came first.
    """
    axes = axes_grid(ax, figure, (1, 2), (8.4, 3.4)).reshape(-1)
    _draw_entropies(axes[0], tree, n_clusters)
    _draw_tree(axes[1], fit, tree, n_clusters)
    open_frame(*axes)
    return axes


def _draw_entropies(ax: "Axes", tree: EntropyTree, n_clusters: int) -> None:
    from matplotlib.ticker import MaxNLocator

    values = tree.entropies
    numbers = np.arange(1, len(values) + 1)
    handles = ax.plot(
        numbers, values, color=COLOURS[0], marker="o", linestyle="none", markersize=6, zorder=3
    )
    labels = ["entropy"]
    if len(values) > 2:
        place, lines = two_lines(values)
        drawn = [ax.plot(numbers, line, color=COLOURS[7], linewidth=1.2)[0] for line in lines]
        handles.append(drawn[0])
        labels.append(f"two lines that meet at {place}")
    if n_clusters <= len(values):
        look: dict[str, Any] = {"marker": "o", "markersize": RING, "fillstyle": "none"}
        look |= {"color": ink(), "linestyle": "none", "zorder": 4}
        handles += ax.plot([n_clusters], [values[n_clusters - 1]], **look)
        labels.append(f"taken: {n_clusters}")
    ax.set_xlabel("number of clusters")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_ylabel("entropy of the assignments (nats)")
    legend(ax, handles, labels, loc="upper left", markerscale=0.7)


def _draw_tree(ax: "Axes", fit: Fit, tree: EntropyTree, n_clusters: int) -> None:
    """Draw the merges from left to right, each at its number."""
    size = len(tree.merges) + 1
    order = _leaves(tree)
    place: Array = np.empty(size)
    place[order] = np.arange(size)
    begin = np.zeros(size)
    kept = size - n_clusters
    for step, (first, second) in enumerate(tree.merges, start=1):
        colour = COLOURS[0] if step <= kept else COLOURS[7]
        for one in (first, second):
            ax.plot([float(begin[one]), step], [place[one]] * 2, color=colour, linewidth=1.4)
        ax.plot([step] * 2, [place[first], place[second]], color=colour, linewidth=1.4)
        place[first], begin[first] = 0.5 * (place[first] + place[second]), step
    if 0 < n_clusters <= size and size > 1:
        ax.axvline(kept + 0.5, color=ink(), linewidth=0.8, linestyle=":")
    note(ax, f"dotted: {n_clusters} clusters" if n_clusters > 1 else "dotted: 1 cluster")
    ax.set_xlabel("merge")
    ax.set_xlim(0.0, size - 0.3)
    ax.set_xticks(range(1, size) if size <= MANY else [])
    names = [shown(fit.component_name(int(k), short=size > 10), MOST_LETTERS) for k in order]
    ax.set_yticks(range(size) if size <= MANY else [])
    if size <= MANY:
        ax.set_yticklabels(names, fontsize="small", **PLAIN_TEXT)
    ax.set_ylim(size - 0.5, -0.5)


def _leaves(tree: EntropyTree) -> np.ndarray:
    """Return the components in an order in which no two lines of the tree cross."""
    members = {k: [k] for k in range(len(tree.merges) + 1)}
    for first, second in tree.merges:
        members[int(first)] += members.pop(int(second))
    return np.array([k for one in members.values() for k in one], dtype=np.intp)
