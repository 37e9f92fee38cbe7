"""Coordinate ascent, of which EM is one case: summary x soft x full sweeps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import numpy as np

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.factorization import precision_factor
from mixtura.inference.states import Mode, State, Summary
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.typing import Array

Search = TypeVar("Search")

EPSILON = float(np.finfo(float).eps)

NOISE = 16.0 * EPSILON
"""Relative rounding of an objective."""


class Optimizer(ABC, Generic[Search]):
    """A way to the nearest optimum: search in, search out; the driver holds the loop."""

    summary: Summary
    """What stands for the posterior while the rows are swept."""

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
class CoordinateAscent(Optimizer[State]):
    """The posterior given the rows' shares, the shares given the posterior, and so on.

    Plain EM [Dempster1977]_ where the mode stands for the posterior. The objective of a new state
    is never below that of the old one, but for rounding.

    Parameters
    ----------
    summary : Summary
        What stands for the posterior while the rows are swept.
    """

    summary: Summary = Mode()  # noqa: RUF009 - frozen

    def begin(self, model: MixtureModel, state: State) -> State:
        return state

    def step(self, model: MixtureModel, rows: Rows, engine: Engine, search: State) -> State:
        return self.summary.state(model, rows, engine, search.statistics)

    def state(self, search: State) -> State:
        return search

    def settled(self, old: State, new: State, tol: float) -> bool:
        gain = new.objective - old.objective
        if gain > max(tol * max(1.0, abs(new.objective)), rounding(new)):
            return False
        return has_come_to_rest(old.parameters, new.parameters, tol)


def rounding(state: State) -> float:
    """Return what rounding leaves open of a state's objective, in nats.

    A log determinant is known to the last digit times the largest variance inflation factor.
    """
    of_objective = NOISE * abs(state.objective)
    if not _is_matrix(state.parameters):
        return of_objective
    inflation = variance_inflation(state.parameters)
    of_rows = EPSILON * float((np.maximum(state.statistics.count, 0.0) * inflation).sum())
    return of_objective + of_rows


def _is_matrix(parameters: MixtureParameters) -> bool:
    return parameters.covariances.ndim == 3 and parameters.n_features > 1


def variance_inflation(parameters: MixtureParameters) -> Array:
    """Return the largest variance inflation factor of each component, shape (K,) or (1,).

    A feature's variance over that given all other features: 1 without correlations, without
    bound where features depend on each other.
    """
    if not _is_matrix(parameters):
        return np.ones(1)
    covariances = parameters.covariances
    factor = precision_factor(covariances)
    precisions = (factor * factor).sum(axis=2)
    return np.asarray((np.einsum("kdd->kd", covariances) * precisions).max(axis=1))


def has_come_to_rest(old: MixtureParameters, new: MixtureParameters, tol: float) -> bool:
    """Whether no component has changed by more than ``tol``, or than rounding leaves open.

    Where a component stands does not count if its weight is below ``tol`` itself.
    """
    changes = component_changes(old, new)
    weights = np.abs(new.weights - old.weights)
    changes = np.where(new.weights > tol, np.maximum(changes, weights), weights)
    return bool((changes <= np.maximum(tol, EPSILON * variance_inflation(new))).all())


def component_changes(old: MixtureParameters, new: MixtureParameters) -> Array:
    """Return each component's largest change of a mean in standard deviations, or of a scale."""
    if new.covariances.ndim == 3:
        unit = np.sqrt(np.einsum("kdd->kd", new.covariances))
        change = np.abs(new.covariances - old.covariances) / unit[:, :, None] / unit[:, None, :]
    else:
        unit = np.sqrt(new.covariances)
        change = np.abs(new.covariances - old.covariances) / new.covariances
    moved = np.maximum(np.abs(new.means - old.means) - mean_resolution(new), 0.0)
    return np.maximum((moved / unit).max(axis=1), change.reshape(len(change), -1).max(axis=1))


def mean_resolution(parameters: MixtureParameters) -> Array:
    """Return what rounding leaves open of each mean: far from the origin more than its error."""
    return 4.0 * np.finfo(float).eps * np.abs(parameters.means)
