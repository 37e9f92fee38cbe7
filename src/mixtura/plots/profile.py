"""What sets the components apart: their means, feature by feature, in common units."""

from typing import TYPE_CHECKING

import numpy as np

from mixtura.fit import Fit
from mixtura.plots.canvas import single_axes
from mixtura.plots.separation import best_features, standard_deviations
from mixtura.plots.style import (
    PLAIN_TEXT,
    component_colour,
    component_legend,
    component_marker,
    ink,
    note,
    open_frame,
    shown,
)
from mixtura.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

MAX_FEATURES = 20
"""Features that one picture has room for."""

NOT_TOLD = "label switching: averages by component can mislead"


def standardised(fit: Fit) -> tuple[Array, Array]:
    """Return means and standard deviations of components in units of the whole mixture's.

    Of each feature the mixture's mean is subtracted, and both are divided by its standard
    deviation.

    Returns
    -------
    means, deviations : arrays of shape (K, D)
    """
    weights, means = fit.parameters.weights, fit.parameters.means
    weights, deviations = weights / weights.sum(), standard_deviations(fit)
    # In units of each feature's largest value, where squares neither overflow nor underflow.
    unit = np.maximum(np.abs(means - means[0]).max(axis=0), deviations.max(axis=0))
    unit = np.where(unit > 0, unit, 1.0)
    centred, spread = (means - means[0]) / unit, deviations / unit
    centred = centred - weights @ centred
    overall = np.sqrt(weights @ (centred**2 + spread**2))
    overall = np.where(overall > 0, overall, 1.0)
    return centred / overall, spread / overall


def profile(fit: Fit, *, ax: "Axes | None" = None, figure: "FigureBase | None" = None) -> "Axes":
    """Draw each component's means as a line over the features, in units that all share.

    A reader asks what a component is like: high in this, low in that. Zero is the mean of the whole
    mixture and one its standard deviation; the bars are one standard deviation of the component to
    either side. At most 20 features are drawn, those that separate the components best.

    Parameters
    ----------
    fit : Fit
        The fit.
    ax : matplotlib Axes, optional
        Axes to draw on.
    figure : matplotlib Figure or SubFigure, optional
        Figure to add axes to where ``ax`` is not given; a new one by default.

    Returns
    -------
    matplotlib Axes
    """
    features, chosen = best_features(fit, MAX_FEATURES)
    means, deviations = (part[:, features] for part in standardised(fit))
    ax = single_axes(ax, figure, (max(4.8, 0.6 * features.size + 2.4), 3.8))
    n_components = fit.model.n_components
    step = min(0.5 / n_components, 0.08)
    places = np.arange(features.size)
    ax.axhline(0.0, color=ink(), linewidth=0.8, linestyle=(0, (4, 2)), zorder=0)
    for k in range(n_components):
        ax.errorbar(
            places + step * (k - 0.5 * (n_components - 1)),
            means[k],
            deviations[k],
            color=component_colour(k),
            marker=component_marker(k),
            markersize=5,
            linewidth=1.2,
            elinewidth=0.8,
            alpha=0.9,
        )
    names = [shown(fit.feature_names[feature], 24) for feature in features]
    slanted = {"rotation": 35, "ha": "right"} if max(map(len, names)) > 7 else {}
    ax.set_xticks(places, names, **slanted)
    for label in ax.get_xticklabels():
        label.set(**PLAIN_TEXT)
    ax.set_ylabel("mean (standard deviations of all rows)")
    note(ax, "" if fit.tells_components else NOT_TOLD, chosen)
    component_legend(ax, fit, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    open_frame(ax)
    return ax
