"""A swarm: every row of one feature as a point, beside its neighbours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.plots.beeswarm import Lanes, lane_numbers
from mixtura.plots.canvas import single_axes, size_in_points
from mixtura.plots.observations import as_column, as_marks, subsample
from mixtura.plots.style import (
    IMPUTED_SENTENCE,
    PLAIN_TEXT,
    RASTER_THRESHOLD,
    component_marker,
    label_x,
    note,
    open_frame,
    paper,
    point_look,
    shown,
)
from mixtura.typing import Array, BooleanArray, IntegerArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

MAX_POINTS = 100_000
MAX_LANES = 60


def swarm(
    x: Any,
    *,
    feature_name: str | None = None,
    labels: Sequence[object] | None = None,
    imputed: Any = None,
    ax: "Axes | None" = None,
    figure: "FigureBase | None" = None,
) -> "Axes":
    """Draw every row of one feature as a point.

    Up to 2,000 points are laid side by side so that none hides another; more are spread across
    the lane as widely as they are dense. The second axis has no scale. Above 100,000 rows a random
    100,000, always the same ones, are drawn, and the title says so.

    Parameters
    ----------
    x : array of shape (N,) or (N, 1)
        The feature, in the data's units.
    feature_name : str, optional
        Name of the feature, shown as it is: never read as math or markup.
    labels : sequence of length N, optional
        Groups of the rows (of any kind); each is given a lane, a colour and a marker of its own.
    imputed : boolean array of shape (N,), optional
        Which values were missing and are imputed; these are hollow.
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
        If ``x`` is more than one column, or there is not one label for each row, or there are more
        than 60 distinct labels.
    """
    values = as_column(x)
    if labels is None:
        names, lanes = [], np.zeros(values.size, dtype=np.intp)
    else:
        names, lanes = lane_numbers(labels)
    if lanes.shape != values.shape:
        raise InvalidArgumentError(
            f"must be one for each of the {values.size} rows; got {lanes.size}", argument="labels"
        )
    if len(names) > MAX_LANES:
        raise InvalidArgumentError(
            f"must have at most {MAX_LANES} distinct values; got {len(names)}", argument="labels"
        )
    marks = as_marks(imputed, values[:, None])
    marks = None if marks is None else marks[:, 0]
    return draw_lanes(values, lanes, names, feature_name, ax, figure, marks)


def draw_lanes(
    values: Array,
    lanes: IntegerArray,
    names: Sequence[object],
    feature_name: str | None,
    ax: "Axes | None",
    figure: "FigureBase | None",
    imputed: BooleanArray | None = None,
) -> "Axes":
    """Draw points in one lane for each name, the first at the top; one nameless lane for none."""
    n_lanes = max(len(names), 1)
    ax = single_axes(ax, figure, lanes_size(len(names)))
    kept, sentence = subsample(values.size, MAX_POINTS)
    width, height = size_in_points(ax)
    # A tenth is left for what the labels and margins will take of the axes.
    arrangement = Lanes(values[kept], lanes[kept], n_lanes, 0.9 * width, 0.9 * height)
    offsets, diameter, side_by_side = arrangement.arrange()
    hollow = np.zeros(kept.size, dtype=bool) if imputed is None else imputed[kept]
    for lane, member in enumerate(arrangement.members):
        ax.scatter(
            values[kept][member],
            lane - offsets[member],
            s=(diameter * 0.94) ** 2,
            marker=component_marker(lane),
            rasterized=kept.size > RASTER_THRESHOLD,
            **point_look(
                lane,
                hollow[member],
                edgecolors=paper() if side_by_side else "none",
                linewidths=0.4 if side_by_side else 0.0,
                alpha=None if side_by_side else 0.6,
            ),
        )
    ax.set_ylim(n_lanes - 0.5, -0.5)
    if names:
        ax.set_yticks(range(n_lanes), labels=[shown(name) for name in names], **PLAIN_TEXT)
        ax.tick_params(axis="y", length=0)
    else:
        ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    label_x(ax, "x" if feature_name is None else feature_name)
    note(ax, sentence, IMPUTED_SENTENCE if hollow.any() else "")
    open_frame(ax)
    return ax


def lanes_size(n_names: int) -> tuple[float, float]:
    """Return the size in inches of a figure of so many lanes."""
    if n_names == 0:
        return 6.4, 2.6
    return 6.4, min(0.9 + max(0.9, 1.3 - 0.05 * n_names) * n_names, 4.0 + 0.22 * n_names)
