"""Expectation-maximisation: mode x soft x full sweeps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import numpy as np

from mixtura.assignments import Soft
from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array


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


Search = TypeVar("Search")


class Optimizer(ABC, Generic[Search]):
    """A way to the nearest optimum: search in, search out; the driver holds the loop."""

    @abstractmethod
    def begin(self, model: MixtureModel, state: State) -> Search:
        """Return a search that stands at a state."""

    @abstractmethod
    def step(self, model: MixtureModel, rows: Rows, engine: Engine, search: Search) -> Search:
        """Return the next search; its objective is never lower, but for rounding."""

    @abstractmethod
    def state(self, search: Search) -> State:
        """Return where a search stands."""

    @abstractmethod
    def settled(self, old: Search, new: Search, tol: float) -> bool:
        """Whether the last step was the last one needed."""


@final
@dataclass(frozen=True)
class EM(Optimizer[State]):
    """Plain EM, step for step."""

    def begin(self, model: MixtureModel, state: State) -> State:
        return state

    def step(self, model: MixtureModel, rows: Rows, engine: Engine, search: State) -> State:
        return em_step(model, rows, engine, search)

    def state(self, search: State) -> State:
        return search

    def settled(self, old: State, new: State, tol: float) -> bool:
        gain = new.objective - old.objective
        if gain > tol * max(1.0, abs(new.objective)):
            return False
        return parameter_change(old.parameters, new.parameters) <= tol


def parameter_change(old: MixtureParameters, new: MixtureParameters) -> float:
    """Return the largest change of a weight, of a mean in standard deviations, or of a scale."""
    weights = np.abs(new.weights - old.weights).max()
    if new.covariances.ndim == 3:
        unit = np.sqrt(np.einsum("kdd->kd", new.covariances))
        change = np.abs(new.covariances - old.covariances) / unit[:, :, None] / unit[:, None, :]
    else:
        unit = np.sqrt(new.covariances)
        change = np.abs(new.covariances - old.covariances) / new.covariances
    moved = np.maximum(np.abs(new.means - old.means) - mean_resolution(new), 0.0)
    return float(max(weights, (moved / unit).max(), change.max()))


def mean_resolution(parameters: MixtureParameters) -> Array:
    """Return what rounding leaves open of each mean: far from the origin more than its error."""
    return 4.0 * np.finfo(float).eps * np.abs(parameters.means)
