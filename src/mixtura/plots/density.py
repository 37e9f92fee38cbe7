"""Fitted densities over the data."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.fit import Fit
from mixtura.messages.conversion import as_numbers_of
from mixtura.plots.canvas import axes_grid, single_axes
from mixtura.plots.curves import (
    TALLEST,
    MarginalCurves,
    Total,
    draw_components,
    draw_total,
    histogram,
)
from mixtura.plots.observations import as_rows
from mixtura.plots.separation import best_features, feature_position
from mixtura.plots.style import (
    COMPACT,
    MANY_COMPONENTS,
    MAX_LEGEND,
    MOST_LETTERS,
    ink,
    label_x,
    legend,
    note,
    open_frame,
    place_legend,
    shown,
)
from mixtura.posteriors import DrawsPosterior
from mixtura.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

RUG_LIMIT = 500
"""Rows up to which each is drawn as a cross; more become a histogram."""

SMALL_RUG_LIMIT = 100
"""The same where several features share a figure, and axes are small."""


def density(
    fit: Fit,
    x: Any,
    *,
    weights: Any = None,
    feature: int | str | None = None,
    max_features: int = 12,
    ax: Any = None,
    figure: "FigureBase | None" = None,
) -> Any:
    """Draw the data with each component's density times its weight, and their sum.

    The area under a component's line is its weight, the area under the dashed sum is one. Of draws
    the sum is the posterior predictive density; components are left out where their numbers mean
    nothing, under a process or where they cannot be told apart (``LabelsWarning``). Up to
    500 rows (100 where several features are drawn) are crosses below the lines; more rows, or
    weighted ones, a histogram of the same area as the sum.

    Parameters
    ----------
    fit : Fit
        The fit.
    x : array of shape (N, D), or (N,) for one feature
        The rows, in the data's units.
    weights : array of shape (N,), optional
        Weights of the rows.
    feature : int or str, optional
        Feature whose marginal density is drawn, by number or name. By default every feature gets
        axes of its own.
    max_features : int, default=12
        Axes at most; of more features those that separate the components best are drawn.
    ax : matplotlib Axes, or array of them, optional
        Axes to draw on: one, or as many as features are drawn.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    matplotlib Axes, or an array of shape (n_features,) where several features are drawn

    Raises
    ------
    InvalidArgumentError
        If rows, weights, feature or axes do not fit the model.
    """
    rows = as_rows(x, fit)
    shares = None if weights is None else as_numbers_of(weights, "weights")
    if shares is not None and shares.shape != (rows.shape[0],):
        raise InvalidArgumentError(
            f"must be one for each of the {rows.shape[0]} rows", argument="weights"
        )
    if rows.shape[1] == 1 or feature is not None:
        position = 0 if feature is None else feature_position(fit, feature)
        ax = single_axes(ax, figure, (6.4 if _n_lines(fit) <= 6 else 9.6, 3.6))
        handles, labels = _draw(ax, fit, rows, shares, position, RUG_LIMIT)
        place_legend(ax, handles, labels, **_style(fit))
        return ax
    return _draw_marginals(fit, rows, shares, max_features, ax, figure)


def _draw_marginals(
    fit: Fit,
    rows: Array,
    weights: Array | None,
    max_features: int,
    ax: Any,
    figure: "FigureBase | None",
) -> np.ndarray:
    features, chosen = best_features(fit, max(1, max_features))
    n_columns = min(features.size, 2 if features.size <= 4 else 3)
    n_down = -(-features.size // n_columns)
    if ax is not None:
        axes = axes_grid(ax, figure, (features.size, 1), (1.0, 1.0)).reshape(-1)
    else:
        size = (3.7 * n_columns, 2.5 * n_down)
        axes = axes_grid(None, figure, (n_down, n_columns), size).reshape(-1)
        for empty in axes[features.size :]:
            empty.remove()
        axes = axes[: features.size]
    drawn = [
        _draw(target, fit, rows, weights, int(feature), SMALL_RUG_LIMIT)
        for target, feature in zip(axes, features, strict=True)
    ]
    handles, labels = drawn[0]
    # Weights are the same in all axes, and so the legend stands outside them where it can.
    owner = axes[0].figure
    if owner.get_layout_engine() is not None:
        n_columns = 6 if _n_lines(fit) > MANY_COMPONENTS else min(len(handles), 3)
        place = {"loc": "outside lower center", "ncols": n_columns}
        legend(owner, handles, labels, **(_style(fit) | place))
    note(axes[0], chosen)
    return axes


def _n_lines(fit: Fit) -> int:
    """Return how many components have a line of their own: all, or none."""
    return fit.model.n_components if fit.tells_components else 0


def _style(fit: Fit) -> dict[str, Any]:
    """Return the style of a legend of weights."""
    if _n_lines(fit) <= MANY_COMPONENTS:
        return {}
    return COMPACT | {"title": "component: weight"}


def _draw(
    ax: "Axes", fit: Fit, rows: Array, weights: Array | None, feature: int, rug_limit: int
) -> tuple[list[Any], list[str]]:
    """Draw one feature; return the legend's handles and labels."""
    marginals, total = MarginalCurves.of(fit, feature), Total.of(fit, feature)
    handles: list[Any] = []
    labels: list[str] = []
    if _n_lines(fit):
        handles, labels = _draw_components(ax, fit, marginals)
    has_total = _n_lines(fit) != 1 or isinstance(fit.posterior, DrawsPosterior)
    if has_total:
        handles.append(draw_total(ax, total))
        labels.append(fit.total_name)
    top, is_cut = marginals.ceiling() if _n_lines(fit) else total.ceiling()
    values = np.asarray(rows[:, feature], dtype=np.float64)
    there = ~np.isnan(values)
    if not there.all():  # missing cells have no place among the data
        values, weights = values[there], None if weights is None else weights[there]
    bars = histogram(values, weights)
    if bars is not None and (rows.shape[0] > rug_limit or weights is not None):
        handles.append(_draw_histogram(ax, *bars))
        bar = float(bars[0].max())
        is_cut = is_cut or bar > TALLEST * top
        top = max(top, min(bar, TALLEST * top))
        bottom = 0.0
    else:
        handles.append(_draw_crosses(ax, values, top))
        bottom = -0.1 * top
    n_rows = rows.shape[0]
    labels.append(f"data, {n_rows:,} row" + ("s" if n_rows != 1 else ""))
    ax.set_ylim(bottom, (1.16 if has_total else 1.08) * top)
    _set_width(ax, marginals if _n_lines(fit) else total, values if bars is None else bars[1])
    if _n_lines(fit) > 1:
        _number(ax, marginals)
    label_x(ax, fit.feature_names[feature], 32)
    ax.set_ylabel("density")
    note(ax, "narrow peaks are cut off" if is_cut else "")
    open_frame(ax)
    return handles, labels


def _draw_components(
    ax: "Axes", fit: Fit, marginals: MarginalCurves
) -> tuple[list[Any], list[str]]:
    """Draw the components; return the legend's handles and labels."""
    lines = draw_components(ax, marginals)
    many = len(lines) > MANY_COMPONENTS
    labels = [
        f"{shown(fit.component_name(k, short=True), MOST_LETTERS)}: {w:.2g}"
        if many
        else f"{shown(fit.component_name(k), MOST_LETTERS)}, weight {w:.3g}"
        for k, w in enumerate(marginals.weights)
    ]
    return [*lines[:MAX_LEGEND]], labels[:MAX_LEGEND]


def _set_width(ax: "Axes", shown: MarginalCurves | Total, values: Array) -> None:
    """Show all data, and the components (or their sum) as far as they matter."""
    if isinstance(shown, Total):
        low, high = shown.low, shown.high
    else:
        matter = shown.weights > 1e-3
        reach = 3.5 * shown.deviations[matter]
        low, high = (shown.means[matter] - reach).min(), (shown.means[matter] + reach).max()
    low = min(low, values.min(initial=np.inf))
    high = max(high, values.max(initial=-np.inf))
    margin = 0.02 * (high - low)
    if margin > 0:
        ax.set_xlim(low - margin, high + margin)


def _number(ax: "Axes", marginals: MarginalCurves) -> None:
    """Write each component's number above its peak, so that no reader depends on colour.

    The tallest first; a number that would lie on another is left out.
    """
    means, peaks = marginals.means, marginals.peaks
    (low, high), top = ax.get_xlim(), ax.get_ylim()[1]
    taken: list[tuple[float, float]] = []
    for k in np.argsort(-peaks, kind="stable"):
        mean, peak = float(means[k]), float(peaks[k])
        place = ((mean - low) / (high - low), peak / top)
        if any(abs(place[0] - a) < 0.035 and abs(place[1] - b) < 0.08 for a, b in taken):
            continue
        taken.append(place)
        ax.annotate(
            str(k),
            (mean, peak),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize="small",
            annotation_clip=True,
        )


def _draw_histogram(ax: "Axes", heights: Array, edges: Array) -> Any:
    return ax.stairs(heights, edges, fill=True, color="#999999", alpha=0.35, linewidth=0, zorder=0)


def _draw_crosses(ax: "Axes", values: Array, top: float) -> Any:
    places = np.unique(values)
    (line,) = ax.plot(
        places,
        np.full(places.size, -0.05 * top),
        linestyle="none",
        marker="x",
        color=ink(),
        markersize=4,
        markeredgewidth=0.5,
    )
    ax.axhline(0.0, color=ink(), linewidth=0.6)
    return line
