"""Rows and components along the directions that tell components apart."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.diagnostics.projections import Projection
from mixtura.families import FAMILIES
from mixtura.fit import Fit
from mixtura.model import MixtureModel
from mixtura.plots.clusters import clusters
from mixtura.posteriors import PointPosterior
from mixtura.priors import FlatComponents, FlatWeights

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
    model, own = fit.model, fit.parameters
    matrices = model.family.expand(own.covariances, model.n_components, model.n_features)
    family = FAMILIES["full"]
    number = directions.n_directions
    projected = MixtureModel(
        model.n_components,
        number,
        FlatWeights(),
        FlatComponents(float(np.finfo(float).tiny)),
        family,
    )
    parameters = directions.of_parameters(own.weights, own.means, matrices)
    names = tuple(f"direction {i + 1} ({share:.0%})" for i, share in enumerate(directions.shares))
    shown = replace(
        fit,
        model=projected
        if model.background is None
        else replace(projected, background=model.background),
        posterior=PointPosterior(parameters, family),
        feature_names=names,
    )
    return clusters(shown, directions.of_rows(np.asarray(x)), labels, ax=ax, figure=figure)
