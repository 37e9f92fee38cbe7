"""What plots of draws share: which draws, which quantities, which colours."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.diagnostics.posterior_summaries import draws_of
from mixtura.fit import Fit
from mixtura.plots.separation import best_features, feature_position
from mixtura.plots.style import shown
from mixtura.typing import Array

MOST_LISTED = 20
"""Components that are drawn one by one, the largest first."""


@final
@dataclass(frozen=True, eq=False)
class Quantity:
    """Something that was drawn, in each of C chains of S draws.

    Parameters
    ----------
    name : str
        What it is; may hold a user's text.
    draws : array of shape (C, S) or (C, S, J)
        The draws, of one number or of one for each of J components.
    components : tuple of int
        Numbers of the components; empty where it is one number.
    """

    name: str
    draws: Array
    components: tuple[int, ...] = ()


def quantities(fit: Fit, what: str, feature: int | str | None, max_features: int) -> list[Quantity]:
    """Return log joint density, weights, and means of some features, of a fit's draws."""
    posterior = draws_of(fit, what)
    found = [Quantity("log joint (nats)", posterior.log_joint)]
    components = listed_components(fit)
    picked = list(components)
    if fit.model.n_components > 1:
        found.append(Quantity("weight", posterior.weights[:, :, picked], components))
    if feature is None:
        features = best_features(fit, max_features)[0].tolist()
    else:
        features = [feature_position(fit, feature)]
    for d in features:
        name = f"mean of {shown(fit.feature_names[d], 24)}"
        found.append(Quantity(name, posterior.means[:, :, picked, d], components))
    return found


def listed_components(fit: Fit, most: int = MOST_LISTED) -> tuple[int, ...]:
    """Return the components that are worth drawing, at most so many of the largest.

    Where the prior finds their number, those that hold half a row or more on average.
    """
    weights = fit.parameters.weights
    order = np.argsort(-weights, kind="stable")[:most]
    if fit.model.weight_prior.finds_components:
        holds = weights[order] * fit.n_rows > 0.5
        holds[0] = True
        order = order[holds]
    return tuple(sorted(order.tolist()))


def omission(fit: Fit, components: tuple[int, ...]) -> str:
    """Return the sentence that says which components are drawn; none where all are."""
    if len(components) == fit.model.n_components:
        return ""
    return f"the {len(components)} largest of {fit.model.n_components} components"
