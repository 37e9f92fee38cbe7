"""Rows and components along the directions that tell components apart."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.diagnostics.projections import Projection, projected_fit
from mixtura.fit import Fit
from mixtura.plots.clusters import clusters

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase


def projection(
    fit: Fit,
    x: Any,
    labels: Any,
    directions: Projection,
    *,
    ax: Any = None,
    figure: "FigureBase | None" = None,
) -> Any:
    """Draw the rows by component along the directions that tell components apart.

    Parameters
    ----------
    fit : Fit
        The fit.
    x : array of shape (N, D)
        The rows, in the data's units.
    labels : integer array of shape (N,)
        Component of each row.
    directions : Projection
        The directions; all of them are drawn.
    ax : matplotlib Axes, or array of them, optional
        As for :func:`clusters`.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    matplotlib Axes, or an array of them, as :func:`clusters` returns
    """
    shown = projected_fit(fit, directions)
    return clusters(shown, directions.of_rows(np.asarray(x)), labels, ax=ax, figure=figure)
