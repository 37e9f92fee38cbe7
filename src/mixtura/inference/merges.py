"""Components that variational Bayes does better without, found at the end of an ascent."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from mixtura.inference import move_proposals
from mixtura.inference.states import State, StateSummary
from mixtura.inference.stopping import is_higher
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel

SHARE = 0.5
"""Of what BIC asks for a component: of 298 merges of fits by variational Bayes none that lost more
than 0.37 of it promised to raise the bound."""

LEAST_SHARED = 0.02
"""Of the entropy of a pair's labels. Halves of one group share .05 to .5 of it, groups eight
deviations apart less than .01, however few rows they have for their parameters."""

FEWEST = 2.0
"""Rows up to which a component is no group, however few rows there are."""

FEWEST_OF_MANY = 0.25
"""Of the rows that a component has on average: one of fewer, and of fewer than features, is no
group either, as in the search for starts."""

NEAR = 16.0
"""Squared distance of two means, in widths along the line between them, up to which components may
be pieces of one group. Halves of a normal distribution are at 7, and of groups of up to 30 columns
nearly all pieces of more than a row or two below 15; groups eight deviations apart are at 64."""

SLACK = 2.0
"""Nats by which a merge may seem to lower the bound before the ascent that tries it. One third of
a group may seem to cost .3 nats where the ascent then takes the second third too, and 11 nats."""


@final
@dataclass(frozen=True, eq=False)
class RunPath:
    """Where steps led.

    Parameters
    ----------
    search : Any
        The last search, of the kind that the optimizer works on.
    objectives : tuple of float
        Objective at the first search and after each step, in nats.
    converged : bool
        Whether the search settled before the limit of steps.
    """

    search: Any
    objectives: tuple[float, ...]
    converged: bool


def without_spare(
    model: MixtureModel,
    summary: StateSummary,
    path: RunPath,
    ascent: Callable[[SufficientStatistics, int], RunPath],
) -> RunPath:
    """Return the path that goes on after merges, as long as these raise the bound in the end.

    A merge is considered if the two share rows, or one has too few to be a group, and if it loses
    no more than half of what BIC asks for a component, half a logarithm of the rows for each of
    its parameters. Of two that lie so near that they may be pieces of one group it is considered
    as well, if it promises to gain as much as that is for a mean and a weight. Of clear groups of
    fewer rows than parameters the bound would prefer to have one component: those stay.

    Parameters
    ----------
    model : MixtureModel
        The model.
    summary : StateSummary
        What stands for the posterior.
    path : RunPath
        That of an ascent which has settled at a state.
    ascent : callable
        Takes statistics and a number of steps; returns where an ascent from there leads, within
        so many more steps.
    """
    sizes, rows = (model.n_components, model.n_features), path.search.statistics.total
    fewer = model.family.n_parameters(max(sizes[0] - 1, 1), sizes[1])
    cost = SHARE * 0.5 * (model.family.n_parameters(*sizes) - fewer) * np.log(max(rows, 2.0))
    fewest = max(FEWEST, min(sizes[1] + 0.5, FEWEST_OF_MANY * rows / sizes[0]))
    of_mean = SHARE * 0.5 * (sizes[1] + 1) * np.log(max(rows, 2.0))
    bounds = move_proposals.Bounds(
        float(cost), LEAST_SHARED, fewest, NEAR, least_gained=float(of_mean), slack=SLACK
    )
    most = sizes[0]
    while path.converged and most:
        kept: State = path.search
        merged, most = move_proposals.merged(
            summary, model, kept.statistics, kept.parameters, most, bounds
        )
        if not most:
            break
        trial = ascent(merged, len(path.objectives))
        # Steps of a trial count from the height at which it began, whether it is kept or not.
        low = kept.objective
        if is_higher(trial.search.objective, low):
            path = replace(trial, objectives=path.objectives + _from(low, trial.objectives))
            most = sizes[0]
        else:
            path = replace(path, objectives=path.objectives + (low,) * len(trial.objectives))
            most //= 2
    return path


def _from(low: float, objectives: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(max(low, value) for value in objectives)
