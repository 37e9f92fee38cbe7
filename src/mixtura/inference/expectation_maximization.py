"""Expectation-maximisation: mode x soft x full sweeps."""

from dataclasses import dataclass
from typing import final

from mixtura.assignments import Soft
from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.statistics import SufficientStatistics


@final
@dataclass(frozen=True, eq=False)
class State:
    """Parameters, and what a sweep under them found.

    Parameters
    ----------
    parameters : MixtureParameters
        Current estimate.
    statistics : SufficientStatistics
        Moments of the rows under the estimate's responsibilities.
    objective : float
        Log likelihood plus log prior density at the estimate, in nats.
    """

    parameters: MixtureParameters
    statistics: SufficientStatistics
    objective: float


def evaluate(
    model: MixtureModel, rows: Rows, engine: Engine, parameters: MixtureParameters
) -> State:
    """Return the state at given parameters: one sweep."""
    statistics = engine.sweep(rows, model.potentials(parameters), Soft())
    objective = statistics.log_normalizer + model.log_prior(parameters)
    return State(parameters, statistics, objective)


def em_step(model: MixtureModel, rows: Rows, engine: Engine, state: State) -> State:
    """Return the state after one exact M-step and one sweep [Dempster1977]_.

    The objective of the new state is never below that of the old one, but for rounding.
    """
    return evaluate(model, rows, engine, model.mode(state.statistics))
