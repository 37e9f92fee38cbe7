"""Doubts about single components, from sufficient statistics and parameters alone."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.errors import (
    ComponentLimitWarning,
    DegenerateComponentWarning,
    EmptyComponentWarning,
    MixturaWarning,
)
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.priors import FlatComponents
from mixtura.typing import Array, IntegerArray

MOST_NAMED = 10
"""Components that a message lists."""

COLLAPSED = 1e-12
"""Share of the mixture's variance below which a component is a point beside the others."""


@final
@dataclass(frozen=True)
class Doubt:
    """Something about an answer that its reader should know.

    Parameters
    ----------
    category : type
        The warning by which it is announced.
    message : str
        One plain line.
    """

    category: type[MixturaWarning]
    message: str


def component_doubts(
    model: MixtureModel,
    parameters: MixtureParameters,
    count: Array,
    row_weight: float,
    *,
    may_be_empty: bool = False,
) -> tuple[Doubt, ...]:
    """Return doubts about empty and collapsed components.

    Parameters
    ----------
    model : MixtureModel
        The model that was fitted.
    parameters : MixtureParameters
        The estimate.
    count : array of shape (K,)
        Total responsibility of each component.
    row_weight : float
        Average weight of a row.
    may_be_empty : bool, default=False
        Whether a component without rows is an answer rather than a doubt.
    """
    doubts = []
    empty = np.flatnonzero(count < 0.5 * row_weight)
    if empty.size and not may_be_empty:
        doubts.append(
            Doubt(
                EmptyComponentWarning,
                f"{_components(empty)} with less than half a row of the data: fewer components, "
                "another start or a larger weight concentration may describe the data better",
            )
        )
    collapsed = _collapsed(model, parameters)
    if collapsed.size:
        which = "the shared covariance" if model.structure[0] == 1 else _components(collapsed)
        remedy = (
            "use inference='map', whose prior prevents it"
            if isinstance(model.component_prior, FlatComponents)
            else "a prior that keeps away from zero prevents it"
        )
        message = f"{which} collapsed onto tied rows or a constant direction: {remedy}"
        doubts.append(Doubt(DegenerateComponentWarning, message))
    return tuple(doubts)


def truncation_doubts(model: MixtureModel, count: Array, row_weight: float) -> tuple[Doubt, ...]:
    """Return the doubt of a truncated process whose components, of such counts (K,), all have rows.

    None under other priors. ``row_weight`` is the average weight of a row.
    """
    prior = model.weight_prior
    is_process = prior.finds_components and not prior.has_random_number
    if not is_process or (count < 0.5 * row_weight).any():
        return ()
    return (limit_doubt(model.n_components, "the number of components with rows"),)


def limit_doubt(n_components: int, what: str, share: float | None = None) -> Doubt:
    """Return the doubt that a number is, with some probability, as large as it can be."""
    at = "is at" if share is None else f"has {100.0 * share:.0f} % of its probability at"
    message = f"n_components may be too small: {what} {at} its limit of {n_components}"
    return Doubt(ComponentLimitWarning, f"{message}; raise n_components")


def rest_doubt(n_components: int, share: float) -> Doubt:
    """Return the doubt that a process was cut off too early: with some probability it shows."""
    message = (
        f"n_components may be too small: the last of {n_components} components, which stands for "
        f"the rest of the process, has rows in {100.0 * share:.0f} % of the draws, so that groups "
        "are counted too low; raise n_components, or use inference='collapsed', which cuts nothing "
        "off"
    )
    return Doubt(ComponentLimitWarning, message)


def _collapsed(model: MixtureModel, parameters: MixtureParameters) -> IntegerArray:
    """Return the components at maximum likelihood's floor, or 1e-6 as wide as the mixture."""
    prior = model.component_prior
    if isinstance(prior, FlatComponents):
        multiples = prior.in_floor_units(parameters.covariances)
        return np.flatnonzero((multiples < 10.0).any(axis=1))
    sizes = (model.n_components, model.n_features)
    variances = model.family.variances(parameters.covariances, *sizes)
    weights = parameters.weights[:, None]
    spread = parameters.means - (weights * parameters.means).sum(axis=0)
    whole = (weights * (variances + spread * spread)).sum(axis=0)
    return np.flatnonzero((variances < COLLAPSED * whole).any(axis=1))


def _components(numbers: IntegerArray) -> str:
    names = ", ".join(str(int(k)) for k in numbers[:MOST_NAMED])
    more = f" and {numbers.size - MOST_NAMED} more" if numbers.size > MOST_NAMED else ""
    return f"component {names}" if numbers.size == 1 else f"components {names}{more}"
