"""Which rows belong together, whatever the numbers of the components."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from mixtura.errors import InvalidArgumentError
from mixtura.messages.conversion import as_numbers_of
from mixtura.plots.canvas import single_axes
from mixtura.plots.style import ink, note, open_frame
from mixtura.typing import Array, IntegerArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

MAX_CELLS = 600
"""Cells along a side; of more rows neighbours are averaged."""


def co_clustering(
    similarity: Any,
    labels: Any,
    *,
    ax: "Axes | None" = None,
    figure: "FigureBase | None" = None,
) -> "Axes":
    """Draw in what share of the draws each two rows are together, as a picture with N x N cells.

    Rows are ordered by the groups of a partition, the largest first, and within a group so that
    rows that are often together stand side by side. Thin lines lie between groups. A dark square
    is a group that the posterior is sure of; pale colour beside it shows rows that it might share
    with another.

    Parameters
    ----------
    similarity : array of shape (N, N)
        Share of draws in which two rows are together.
    labels : integer array of shape (N,)
        Groups of the rows, such as those of a consensus.
    ax : matplotlib Axes, optional
        Axes to draw on.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidArgumentError
        If the similarity is not a square, or there is not one label for each row.
    """
    together = as_numbers_of(similarity, "similarity")
    if together.ndim != 2 or together.shape[0] != together.shape[1] or together.size == 0:
        raise InvalidArgumentError(
            f"must have shape (N, N); got {together.shape}", argument="similarity"
        )
    groups = as_numbers_of(labels, "labels")
    if groups.shape != together.shape[:1]:
        raise InvalidArgumentError(
            f"must be {len(together)} groups, one for each row; got shape {groups.shape}",
            argument="labels",
        )
    ax = single_axes(ax, figure, (5.4, 4.6))
    order, sizes = grouped_order(together, groups)
    n_rows, cells = len(order), _averaged(together[np.ix_(order, order)])
    image = ax.imshow(
        cells,
        cmap="Blues",
        vmin=0.0,
        vmax=1.0,
        extent=(0.0, n_rows, n_rows, 0.0),
        interpolation="nearest",
        rasterized=True,
    )
    for border in np.cumsum(sizes)[:-1]:
        ax.axhline(border, color=ink(), linewidth=0.5)
        ax.axvline(border, color=ink(), linewidth=0.5)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("share of draws in which two rows are together")
    ax.set_xlabel("rows, by group")
    ax.set_ylabel("rows, by group")
    groups_word = "1 group" if len(sizes) == 1 else f"{len(sizes)} groups"
    blocks = f"blocks of {n_rows / len(cells):.3g} rows averaged" if len(cells) < n_rows else ""
    note(ax, f"{n_rows:,} rows in {groups_word}", blocks)
    open_frame(ax)
    return ax


def grouped_order(together: Array, groups: Array) -> tuple[IntegerArray, IntegerArray]:
    """Return the order of the rows (N,) by group, and the groups' sizes in that order."""
    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    largest_first = np.argsort(-sizes, kind="stable")
    order = [_leaves(together, np.flatnonzero(numbers == group)) for group in largest_first]
    return np.concatenate(order), sizes[largest_first]


def _leaves(together: Array, members: IntegerArray) -> IntegerArray:
    """Return the rows of a group in the order of the leaves of a tree by average linkage."""
    if members.size < 3:
        return members
    apart = np.maximum(1.0 - together[np.ix_(members, members)], 0.0)
    apart = 0.5 * (apart + apart.T)
    tree = linkage(squareform(apart, checks=False), "average")
    return members[leaves_list(tree)]


def _averaged(cells: Array) -> Array:
    """Return averages over blocks of neighbours, at most so many along a side."""
    n_rows = len(cells)
    if n_rows <= MAX_CELLS:
        return cells
    starts = np.unique((np.arange(MAX_CELLS) * n_rows) // MAX_CELLS)
    sizes = np.diff(np.append(starts, n_rows))
    by_line = np.add.reduceat(np.add.reduceat(cells, starts, axis=0), starts, axis=1)
    return by_line / (sizes[:, None] * sizes)
