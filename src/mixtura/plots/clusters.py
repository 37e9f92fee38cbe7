"""The rows by the component that each most probably belongs to."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.fit import Fit
from mixtura.plots.canvas import single_axes
from mixtura.plots.observations import as_labels, as_marks, as_rows
from mixtura.plots.pairs import ELLIPSE_SENTENCE, Cloud, draw_pairs, draw_scatter
from mixtura.plots.separation import best_features
from mixtura.plots.style import (
    IMPUTED_SENTENCE,
    MOST_LETTERS,
    component_legend,
    label_x,
    label_y,
    note,
    shown,
)
from mixtura.plots.swarm import draw_lanes

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase


def clusters(
    fit: Fit,
    x: Any,
    labels: Any,
    *,
    imputed: Any = None,
    max_features: int = 5,
    ax: Any = None,
    figure: "FigureBase | None" = None,
) -> Any:
    """Draw the rows by cluster: a swarm for one feature, a matrix of scatter plots for more.

    The matrix shows up to five features; of more, those that separate the components best, and the
    legend says so. Its diagonal has the components' marginal densities, and ellipses lie at two
    standard deviations: about 86 % of a component's rows are inside.

    Parameters
    ----------
    fit : Fit
        The fit.
    x : array of shape (N, D), or (N,) for one feature
        The rows, in the data's units.
    labels : integer array of shape (N,)
        Component of each row.
    imputed : boolean array of shape (N, D), optional
        Which values were missing and are imputed; points of such are hollow.
    max_features : int, default=5
        Features in the matrix at most.
    ax : matplotlib Axes, or array of them, optional
        With one feature, axes to draw on. With more, either an (n, n) array of axes for the matrix,
        or single axes, which get the two features that separate the components best.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    matplotlib Axes, or an array of shape (n, n) with those above the diagonal hidden

    Raises
    ------
    InvalidArgumentError
        If rows, labels or axes do not fit the model.
    """
    rows = as_rows(x, fit)
    numbers = as_labels(labels, rows.shape[0], fit)
    marks = as_marks(imputed, rows)
    if rows.shape[1] == 1:
        sizes = np.bincount(numbers, minlength=fit.n_parts)
        names = [
            f"{shown(fit.component_name(k), MOST_LETTERS)} ({size:,})"
            for k, size in enumerate(sizes)
        ]
        one = None if marks is None else marks[:, 0]
        return draw_lanes(rows[:, 0], numbers, names, fit.feature_names[0], ax, figure, one)
    cloud = Cloud.of(fit, rows, numbers, marks)
    if ax is None or isinstance(ax, list | tuple | np.ndarray):
        return draw_pairs(cloud, max(2, max_features), ax, figure)
    ax = single_axes(ax, figure, (5.6, 4.6))
    (first, second), chosen = best_features(fit, 2)
    draw_scatter(ax, cloud, int(first), int(second), small=False)
    label_x(ax, fit.feature_names[first])
    label_y(ax, fit.feature_names[second])
    marked = IMPUTED_SENTENCE if cloud.hollow(int(first), int(second)).any() else ""
    note(ax, ELLIPSE_SENTENCE, marked, chosen, cloud.sentence)
    component_legend(ax, fit)
    return ax
