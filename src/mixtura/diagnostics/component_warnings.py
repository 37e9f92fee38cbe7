"""Doubts about single components, from sufficient statistics and parameters alone."""

from collections.abc import Sequence

import numpy as np

from mixtura.engines.resolution import ColumnResolution
from mixtura.errors import (
    ComponentLimitWarning,
    DataWarning,
    DegenerateComponentWarning,
    Doubt,
    EmptyComponentWarning,
    Message,
    Setting,
)
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.priors import FlatComponents
from mixtura.typing import Array, BooleanArray, IntegerArray

MOST_NAMED = 10
"""Components that a message lists."""

BESIDE = 5.0
"""Rows for each component beside which a single one is told to be far away."""

COLLAPSED = 1e-24
"""Share of the mixture's variance below which a component is a point beside the others."""


def component_doubts(
    model: MixtureModel,
    parameters: MixtureParameters,
    count: Array,
    row_weight: float,
    *,
    may_be_empty: bool = False,
    resolution: ColumnResolution | None = None,
) -> tuple[Doubt, ...]:
    """Return doubts about components that are empty, collapsed or of too few rows.

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
    resolution : ColumnResolution, optional
        What the columns can tell apart, in the units of the parameters.
    """
    doubts = []
    held = count >= 0.5 * row_weight
    empty = np.flatnonzero(~held)
    if empty.size and not may_be_empty:
        doubts.append(
            Doubt(
                EmptyComponentWarning,
                Message(
                    f"{_components(empty)} with less than half a row of the data",
                    remedy="fewer components, another start or a larger weight concentration may "
                    "describe the data better",
                ),
            )
        )
    said = []
    narrow = np.zeros((model.structure[0], model.n_features), dtype=bool)
    if resolution is not None:
        narrow = _narrow(model, parameters, held, resolution)
        said = [
            _in_dependent_columns(model, resolution),
            _on_values(model, narrow, resolution),
        ]
    if not (said and said[0]):
        said.append(_on_floor(model, parameters, narrow))
    doubts += [Doubt(DegenerateComponentWarning, message) for message in said if message]
    if not model.weight_prior.finds_components:
        doubts += _too_few_rows(model, count, row_weight)
    return tuple(doubts)


def _on_floor(
    model: MixtureModel, parameters: MixtureParameters, narrow: BooleanArray
) -> Message | None:
    """Return what is said of components that are points beside the others, but for narrow ones."""
    collapsed = _collapsed(model, parameters)
    if collapsed.size:
        known = narrow.max(axis=1)
        collapsed = collapsed[~np.broadcast_to(known, model.n_components)[collapsed]]
    if not collapsed.size:
        return None
    remedy = (
        _likelihood_remedy(model)
        if isinstance(model.component_prior, FlatComponents)
        else "a prior that keeps away from zero prevents it"
    )
    which = _which(model, collapsed)
    return Message(f"{which} collapsed onto tied rows or a constant direction", remedy=remedy)


def _in_dependent_columns(model: MixtureModel, resolution: ColumnResolution) -> Message | None:
    """Return what is said of covariance matrices where columns depend on one another."""
    if len(model.structure) == 2 or not resolution.dependent:
        return None
    which = named_columns([resolution.names[column] for column in resolution.dependent])
    return Message(
        f"the covariance matrices collapsed onto a constant direction, since {which} are linearly "
        "dependent, and the likelihood measures the prior's floor alone",
        remedy=("leave out one of them, or use ", Setting("covariance_type", "diag")),
    )


def _narrow(
    model: MixtureModel,
    parameters: MixtureParameters,
    held: BooleanArray,
    resolution: ColumnResolution,
) -> BooleanArray:
    """Return where components with rows sit on single values, shape (K or 1, D)."""
    n_covariances = model.structure[0]
    if model.component_prior.has_known_scales or not any(resolution.spacing.tolist()):
        return np.zeros((n_covariances, model.n_features), dtype=bool)
    variances = model.family.variances(
        parameters.covariances, model.n_components, model.n_features
    )[:n_covariances]
    narrow = resolution.narrow(variances, parameters.covariances)
    return narrow & held[:, None] if n_covariances > 1 else narrow


def _on_values(
    model: MixtureModel, narrow: BooleanArray, resolution: ColumnResolution
) -> Message | None:
    """Return what is said of components that sit on single values of rounded columns."""
    if not narrow.any():
        return None
    which = _which(model, np.flatnonzero(narrow.any(axis=1)))
    names = [resolution.names[column] for column in np.flatnonzero(narrow.any(axis=0))]
    return Message(
        f"{which} collapsed onto single values of {named_columns(names)}, narrower than their "
        "spacing, and the likelihood says nothing about groups",
        remedy=(
            "take fewer components, a tied ",
            Setting("covariance_type"),
            ", or leave such columns out",
        ),
    )


def _too_few_rows(model: MixtureModel, count: Array, row_weight: float) -> list[Doubt]:
    """Return the doubt that components have fewer rows than a covariance matrix needs."""
    n_features = model.n_features
    # Axes that all components have the rows of all tell.
    if len(model.structure) == 2 or n_features == 1 or model.family.shares_axes:
        return []
    rows = count / row_weight
    if model.structure[0] == 1:
        few = rows.sum(keepdims=True) < n_features + model.n_components
    else:
        few = (rows < n_features + 0.5) & (rows >= 0.5)
    if not few.any():
        return []
    which, each = _which(model, np.flatnonzero(few)), np.broadcast_to(few, rows.shape)
    has = "have" if int(few.sum()) > 1 and model.structure[0] > 1 else "has"
    message = Message(
        f"{which} {has} fewer rows than a covariance matrix of {n_features} features needs, so "
        "that the prior decides its shape",
        remedy=(
            "take ",
            Setting("covariance_type", ("diag", "tied")),
            ", fewer features or fewer components",
        ),
    )
    if (rows[each] < 1.5).all() and rows.sum() >= BESIDE * rows.size:
        message = Message(
            f"{which} {has} a single row, far from all others",
            remedy="look at it; remove it if it is an error, or else take one component more for "
            "the rest",
        )
    return [Doubt(DataWarning, message)]


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
    message = Message(
        f"may be too small: {what} {at} its limit of {n_components}; ",
        argument="n_components",
        remedy=("raise ", Setting("n_components")),
    )
    return Doubt(ComponentLimitWarning, message)


def rest_doubt(n_components: int, share: float) -> Doubt:
    """Return the doubt that a process was cut off too early: with some probability it shows."""
    message = Message(
        f"may be too small: the last of {n_components} components, which stands for "
        f"the rest of the process, has rows in {100.0 * share:.0f} % of the draws, so that groups "
        "are counted too low; ",
        argument="n_components",
        remedy=(
            *("raise ", Setting("n_components"), ", or use ", Setting("inference", "collapsed")),
            ", which cuts nothing off",
        ),
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


def _which(model: MixtureModel, numbers: IntegerArray) -> str:
    return "the shared covariance" if model.structure[0] == 1 else _components(numbers)


def named_columns(names: Sequence[str]) -> str:
    """Return columns of such names in words: all of few, ten of many."""
    listed = ", ".join(repr(name) for name in names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"column {listed}" if len(names) == 1 else f"columns {listed}{more}"


def _likelihood_remedy(model: MixtureModel) -> Message:
    remedy = Message("use ", Setting("inference", "map"), ", whose prior prevents it")
    if len(model.structure) < 3 or model.n_features == 1:
        return remedy
    diagonal = Setting("covariance_type", "diag")
    return Message(remedy, ", or ", diagonal, ", or drop a column that others determine")


def _components(numbers: IntegerArray) -> str:
    names = ", ".join(str(int(k)) for k in numbers[:MOST_NAMED])
    more = f" and {numbers.size - MOST_NAMED} more" if numbers.size > MOST_NAMED else ""
    return f"component {names}" if numbers.size == 1 else f"components {names}{more}"
