"""Whether data that the posterior makes look like the data it was made from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.messages.conversion import as_numbers_of, short_repr
from mixtura.messages.validation import FeatureIndex
from mixtura.plots.bins import bin_edges
from mixtura.plots.canvas import axes_grid
from mixtura.plots.style import COLOURS, ink, label_x, legend, note, open_frame
from mixtura.typing import Array, IntegerArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

MAX_BINS = 30
BAND = (0.05, 0.95)
"""Probabilities of the points between which the band of replicated counts lies."""


def predictive_check(
    x: Any,
    replicates: Any,
    *,
    feature_names: Sequence[object] | None = None,
    features: Sequence[int] | None = None,
    ax: Any = None,
    figure: "FigureBase | None" = None,
) -> np.ndarray:
    """Draw a histogram of the data over those of data drawn from the posterior predictive.

    For each feature: a band between the 5 % and 95 % points of the replicated counts, their median
    as a line, and the data's counts as points, hollow where they lie outside the band. Some do
    where the model is right: one in ten.

    Parameters
    ----------
    x : array of shape (N, D), or (N,) for one feature
        The rows, in the data's units.
    replicates : array of shape (R, N, D)
        Data of the same size, each drawn under one draw of the parameters.
    feature_names : sequence of D names, optional
        Names of the features; x0, x1, ... by default.
    features : sequence of int, optional
        Features that are drawn; the first four by default.
    ax : array of matplotlib Axes, optional
        Axes to draw on, one for each feature.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    array of matplotlib Axes, shape (n_features,)

    Raises
    ------
    InvalidArgumentError
        If rows, replicates and names are not of the same features.
    """
    rows = as_numbers_of(x, "x")
    rows = rows[:, None] if rows.ndim == 1 else rows
    drawn = as_numbers_of(replicates, "replicates")
    if rows.ndim != 2 or not rows.size:
        raise InvalidArgumentError(f"must hold rows; got shape {rows.shape}", argument="x")
    if drawn.ndim != 3 or drawn.shape[1:] != rows.shape or not drawn.size:
        raise InvalidArgumentError(
            f"must have shape (R, {rows.shape[0]}, {rows.shape[1]}); got {drawn.shape}",
            argument="replicates",
        )
    n_features = rows.shape[1]
    names = [f"x{d}" for d in range(n_features)] if feature_names is None else list(feature_names)
    if len(names) != n_features:
        raise InvalidArgumentError(
            f"must be one for each of the {n_features} columns", argument="feature_names"
        )
    listed = list(range(min(n_features, 4))) if features is None else _positions(features, names)
    for d in listed:
        if np.isnan(rows[:, d]).all():
            raise InvalidArgumentError(
                f"has no value at all in column {names[d]!r}: leave the column out", argument="x"
            )
    n_columns = min(len(listed), 2)
    shape = (-(-len(listed) // n_columns), n_columns)
    if ax is None:
        grid = axes_grid(None, figure, shape, (3.7 * n_columns, 2.4 * shape[0] + 0.4)).reshape(-1)
        for empty in grid[len(listed) :]:
            empty.remove()
        axes = grid[: len(listed)]
    else:
        axes = axes_grid(ax, figure, (len(listed), 1), (1.0, 1.0)).reshape(-1)
    handles: list[Any] = []
    for target, d in zip(axes, listed, strict=True):
        handles = _draw(target, rows[:, d], drawn[:, :, d])
        label_x(target, names[d], 32)
    low, high = (f"{100 * p:.0f} %" for p in BAND)
    labels = [f"replicated, {low} to {high}", "replicated, median", "data"]
    owner = axes[0].figure
    if owner.get_layout_engine() is not None:
        legend(owner, handles, labels, loc="outside lower center", ncols=3)
    else:
        legend(axes[0], handles, labels, loc="best")
    note(axes[0], f"{len(drawn):,} replicates of {rows.shape[0]:,} rows")
    open_frame(*axes)
    return axes


def count_edges(values: Array, drawn: Array) -> Array:
    """Return edges of bins that suit the data and hold every row and nearly every replicated one.

    Rows of the replicates beyond the outer edges are left out.
    """
    values = values[~np.isnan(values)]
    low, high = float(values.min()), float(values.max())
    outer = np.nanquantile(drawn, (0.001, 0.999))
    low, high = min(low, float(outer[0])), max(high, float(outer[1]))
    n_bins = int(np.clip(2.0 * np.cbrt(values.size), 5, MAX_BINS))
    edges = bin_edges(values, low, high, n_bins)
    if edges is not None:
        return edges
    width = max(abs(low), 1.0) * 1e-6
    return np.array([low - width, high + width])


def counts_in(values: Array, drawn: Array, edges: Array) -> tuple[IntegerArray, IntegerArray]:
    """Return counts of the data (B,) and of each replicate (R, B)."""
    return (
        np.histogram(values[~np.isnan(values)], edges)[0],
        np.array([np.histogram(part[~np.isnan(part)], edges)[0] for part in drawn]),
    )


def _positions(features: Sequence[int], names: Sequence[object]) -> list[int]:
    """Return the positions of the features that are drawn, each a column of the rows."""
    kind = FeatureIndex(tuple(map(str, names)))
    is_listed = isinstance(features, list | tuple | range) or getattr(features, "ndim", 0) == 1
    if not is_listed or not len(features) or not all(map(kind.accepts, features)):
        raise InvalidArgumentError(
            f"must be None or several of the columns, each {kind.accepted}; got "
            f"{short_repr(features)}",
            argument="features",
        )
    return [kind.converted(one) for one in features]


def _draw(ax: "Axes", values: Array, drawn: Array) -> list[Any]:
    edges = count_edges(values, drawn)
    observed, replicated = counts_in(values, drawn, edges)
    low, middle, high = np.quantile(replicated, (BAND[0], 0.5, BAND[1]), axis=0)
    centres = 0.5 * (edges[1:] + edges[:-1])
    band = ax.stairs(high, edges, baseline=low, fill=True, color=COLOURS[5], alpha=0.5, linewidth=0)
    line = ax.stairs(middle, edges, baseline=None, color=COLOURS[0], linewidth=1.2)
    within = (observed >= low) & (observed <= high)
    look = {"marker": "o", "markersize": 4, "linestyle": "none", "color": ink(), "zorder": 3}
    (points,) = ax.plot(centres[within], observed[within], **look)
    ax.plot(centres[~within], observed[~within], fillstyle="none", **look)
    ax.set_ylim(0.0, 1.1 * max(float(high.max()), float(observed.max()), 1.0))
    ax.set_ylabel("rows")
    return [band, line, points]
