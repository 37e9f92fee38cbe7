"""Which rows are hard to assign, and where they lie."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.fit import Fit
from mixtura.plots.canvas import single_axes
from mixtura.plots.curves import MarginalCurves
from mixtura.plots.observations import as_marks, as_responsibilities, as_rows, subsample
from mixtura.plots.pairs import MAX_POINTS, Cloud, draw_ellipses
from mixtura.plots.separation import best_features
from mixtura.plots.style import (
    RASTER_THRESHOLD,
    component_colour,
    component_legend,
    component_marker,
    ink,
    label_x,
    label_y,
    note,
    open_frame,
)
from mixtura.typing import Array, BooleanArray, IntegerArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

IMPUTED_MARK = "crossed: imputed values"

DOUBTFUL = 0.1
"""Uncertainty above which a row counts as doubtful: its best component has less than 0.9."""


def uncertainty(
    fit: Fit,
    x: Any,
    responsibilities: Any,
    *,
    imputed: Any = None,
    ax: "Axes | None" = None,
    figure: "FigureBase | None" = None,
) -> "Axes":
    """Draw how uncertain each row's assignment is: one minus its largest responsibility.

    A reader asks how many rows are doubtful and where they lie. The title answers the first. For
    the second, one feature is drawn against the uncertainty itself, with the line on which rows lie
    at the point estimate; of several features, the two
    that separate the components best carry a map, on which doubtful rows (uncertainty above 0.1)
    are filled and the larger the more doubtful, while the others recede. A sorted curve of the
    uncertainties, the usual alternative, would answer only how many.

    Parameters
    ----------
    fit : Fit
        The fit.
    x : array of shape (N, D), or (N,) for one feature
        The rows, in the data's units.
    responsibilities : array of shape (N, K)
        Probability of each component for each row.
    imputed : boolean array of shape (N, D), optional
        Which values were missing and are imputed; points of such have a small cross.
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
        If rows or responsibilities do not fit the model.
    """
    rows = as_rows(x, fit)
    shares = as_responsibilities(responsibilities, rows.shape[0], fit)
    marks = as_marks(imputed, rows)
    doubt = row_uncertainty(shares)
    n_doubtful = int((doubt > DOUBTFUL).sum())
    kept, sentence = subsample(rows.shape[0], MAX_POINTS)
    best = shares[kept].argmax(axis=1) if kept.size else np.empty(0, dtype=np.intp)
    said = f"{n_doubtful:,} of {doubt.size:,} rows above {DOUBTFUL}"
    if rows.shape[1] == 1:
        ax = single_axes(ax, figure, (6.4, 3.2))
        hollow = np.zeros(kept.size, dtype=bool) if marks is None else marks[kept, 0]
        _draw_along(ax, fit, rows[kept, 0], (best, hollow), doubt[kept])
        chosen = ""
    else:
        ax = single_axes(ax, figure, (6.4, 4.6))
        features, chosen = best_features(fit, 2)
        cloud = Cloud(fit, rows[kept], best, sentence, None if marks is None else marks[kept])
        hollow = cloud.hollow(*features.tolist())
        _draw_map(ax, cloud, features, doubt[kept])
        said = f"filled: {said}" if n_doubtful else said
    marked = IMPUTED_MARK if hollow.any() else ""
    note(ax, said, marked, chosen, sentence)
    open_frame(ax)
    return ax


def row_uncertainty(responsibilities: Array) -> Array:
    """Return one minus the largest responsibility of each row, shape (N,)."""
    if not responsibilities.size:
        return np.zeros(responsibilities.shape[0])
    return np.clip(1.0 - responsibilities.max(axis=1), 0.0, 1.0)


def _mark(ax: "Axes", across: Array, along: Array, hollow: BooleanArray) -> None:
    """Put a small cross on points of imputed values."""
    if hollow.any():
        look = {"marker": "x", "color": ink(), "linewidths": 0.5, "s": 9, "zorder": 4}
        ax.scatter(across[hollow], along[hollow], **look)


def _draw_along(
    ax: "Axes",
    fit: Fit,
    values: Array,
    assigned: tuple[IntegerArray, BooleanArray],
    doubt: Array,
) -> None:
    """Draw rows of given components, some of imputed values, against their uncertainty."""
    best, hollow = assigned
    many = values.size > RASTER_THRESHOLD
    points, curve = _uncertainty_line(fit, values)
    ax.plot(points, curve, color="#999999", linewidth=1.0, zorder=0)
    for k in range(fit.n_parts):
        member = best == k
        ax.scatter(
            values[member],
            doubt[member],
            s=9 if many else 25,
            marker=component_marker(k),
            color=component_colour(k),
            linewidths=0,
            alpha=0.6 if many else 0.8,
            rasterized=many,
            clip_on=False,
        )
    _mark(ax, values, doubt, hollow)
    ax.axhline(DOUBTFUL, color=ink(), linewidth=0.8, linestyle=(0, (4, 2)))
    largest = max(doubt.max(initial=0.0), curve.max(initial=0.0))
    ax.set_ylim(0.0, max(1.08 * largest, 0.2))
    label_x(ax, fit.feature_names[0])
    ax.set_ylabel("1 − largest responsibility")
    component_legend(ax, fit)


def _uncertainty_line(fit: Fit, values: Array) -> tuple[Array, Array]:
    """Return where between the rows, and how, the uncertainty runs at the point estimate."""
    if not values.size or np.ptp(values) == 0:
        return np.empty(0), np.empty(0)
    marginals = MarginalCurves.of(fit, 0)
    points = np.linspace(values.min(), values.max(), 401)
    inside = marginals.common_grid()
    inside = inside[(inside > points[0]) & (inside < points[-1])]
    points = np.unique(np.concatenate([points, inside[:: 1 + inside.size // 1000]]))
    return points, marginals.uncertainty(points)


def _draw_map(ax: "Axes", cloud: Cloud, features: IntegerArray, doubt: Array) -> None:
    first, second = (int(feature) for feature in features)
    many = doubt.size > RASTER_THRESHOLD
    doubtful = doubt > DOUBTFUL
    for k in range(cloud.fit.n_parts):
        member = cloud.labels == k
        look = {"marker": component_marker(k), "rasterized": many}
        sure, unsure = member & ~doubtful, member & doubtful
        ax.scatter(
            cloud.rows[sure, first],
            cloud.rows[sure, second],
            s=6 if many else 12,
            facecolors="none",
            edgecolors=component_colour(k),
            linewidths=0.5,
            alpha=0.35 if many else 0.7,
            **look,
        )
        ax.scatter(
            cloud.rows[unsure, first],
            cloud.rows[unsure, second],
            s=(30.0 if many else 110.0) * doubt[unsure] + 10.0,
            color=component_colour(k),
            edgecolors=ink(),
            linewidths=0.3 if many else 0.7,
            zorder=3,
            **look,
        )
    _mark(ax, cloud.rows[:, first], cloud.rows[:, second], cloud.hollow(first, second))
    ax.autoscale_view()
    draw_ellipses(ax, cloud, first, second, means=False)
    label_x(ax, cloud.fit.feature_names[first])
    label_y(ax, cloud.fit.feature_names[second])
    beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    component_legend(ax, cloud.fit, **beside)
