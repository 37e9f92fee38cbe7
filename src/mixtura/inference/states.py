"""What a run keeps of the posterior from one sweep to the next, and what a sweep finds under it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, final

import numpy as np

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.posteriors import PointPosterior, Posterior, VariationalPosterior
from mixtura.typing import Array, IntegerArray


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
        Objective at the estimate, in nats.
    basis : SufficientStatistics, optional
        The statistics whose posterior the sweep averaged over; None where it used the parameters
        alone.
    lengths : tuple of float
        Squared lengths of the steps of ascent that led here in a row, the last few of them.
    """

    parameters: MixtureParameters
    statistics: SufficientStatistics
    objective: float
    basis: SufficientStatistics | None = None
    lengths: tuple[float, ...] = ()

    def permuted(self, order: IntegerArray) -> "State":
        """Return the same state with its components relabelled."""
        return replace(
            self,
            parameters=self.parameters.permuted(order),
            statistics=self.statistics.permuted(order),
            basis=None if self.basis is None else self.basis.permuted(order),
        )

    def rescaled(self, scale: Array) -> "State":
        """Return estimate and basis of ``x * scale``; the rest stays as the sweep found it."""
        return replace(
            self,
            parameters=self.parameters.rescaled(scale),
            basis=None if self.basis is None else self.basis.rescaled(scale),
        )


class StateSummary(ABC):
    """What stands for the posterior of the parameters while the rows are swept."""

    may_leave_components_empty: ClassVar[bool] = False
    """Whether a component without rows is an answer rather than a doubt."""

    @abstractmethod
    def state(
        self, model: MixtureModel, rows: Rows, engine: Engine, statistics: SufficientStatistics
    ) -> State:
        """Return the state under the posterior that statistics give: one sweep."""

    def next_state(self, model: MixtureModel, rows: Rows, engine: Engine, state: State) -> State:
        """Return the state after one step of ascent: one sweep."""
        return self.state(model, rows, engine, state.statistics)

    @abstractmethod
    def potentials(
        self,
        model: MixtureModel,
        statistics: SufficientStatistics,
        near: MixtureParameters | None = None,
    ) -> Potentials:
        """Return how rows are scored under the posterior that statistics give.

        Parameters
        ----------
        model : MixtureModel
            The model.
        statistics : SufficientStatistics
            Moments of the rows.
        near : MixtureParameters, optional
            Where a search for common axes begins.
        """

    @abstractmethod
    def scored_by(self, model: MixtureModel, state: State) -> Potentials:
        """Return the potentials under which a state's sweep scored the rows."""

    @abstractmethod
    def state_of(
        self,
        model: MixtureModel,
        statistics: SufficientStatistics,
        data_term: float,
        near: MixtureParameters | None = None,
    ) -> State:
        """Return the state under the posterior that statistics give, its data term being known."""

    @abstractmethod
    def objective(self, model: MixtureModel, state: State, data_term: float) -> float:
        """Return the objective of a state whose sweep found the data term, in nats."""

    @abstractmethod
    def log_likelihood(
        self, model: MixtureModel, rows: Rows, engine: Engine, state: State
    ) -> float:
        """Return the log likelihood of the rows at the state's parameters, in nats."""

    @abstractmethod
    def posterior(self, model: MixtureModel, state: State) -> Posterior:
        """Return the posterior that a fit hands to its user."""

    def is_inside(self, model: MixtureModel, state: State) -> bool:
        """Whether the objective means what it says."""
        return True


@final
@dataclass(frozen=True)
class Mode(StateSummary):
    """The mode: EM's choice."""

    def state(
        self, model: MixtureModel, rows: Rows, engine: Engine, statistics: SufficientStatistics
    ) -> State:
        return evaluate(model, rows, engine, model.mode(statistics, None, engine.mode))

    def next_state(self, model: MixtureModel, rows: Rows, engine: Engine, state: State) -> State:
        parameters = model.mode(state.statistics, state.parameters, engine.mode)
        old = state.parameters.weights
        if not (self.is_inside(model, state) and _is_inside(model, parameters)):
            # With weights at the edge the mode is one of several: it must not be a worse one.
            density = model.weight_prior.posterior(state.statistics.count).log_density
            if density(parameters.weights) < density(old):
                parameters = replace(parameters, weights=old)
        return evaluate(model, rows, engine, parameters)

    def potentials(
        self,
        model: MixtureModel,
        statistics: SufficientStatistics,
        near: MixtureParameters | None = None,
    ) -> Potentials:
        return model.potentials(model.mode(statistics, near))

    def scored_by(self, model: MixtureModel, state: State) -> Potentials:
        return model.potentials(state.parameters)

    def state_of(
        self,
        model: MixtureModel,
        statistics: SufficientStatistics,
        data_term: float,
        near: MixtureParameters | None = None,
    ) -> State:
        parameters = model.mode(statistics, near)
        found = replace(statistics, log_normalizer=data_term)
        return State(parameters, found, data_term + model.log_prior(parameters))

    def objective(self, model: MixtureModel, state: State, data_term: float) -> float:
        return data_term + model.log_prior(state.parameters)

    def log_likelihood(
        self, model: MixtureModel, rows: Rows, engine: Engine, state: State
    ) -> float:
        return state.statistics.log_normalizer

    def posterior(self, model: MixtureModel, state: State) -> Posterior:
        return PointPosterior(state.parameters, model.family, model.background)

    def is_inside(self, model: MixtureModel, state: State) -> bool:
        # Where the prior's density is unbounded, an emptied component would win on it alone.
        return _is_inside(model, state.parameters)


def _is_inside(model: MixtureModel, parameters: MixtureParameters) -> bool:
    return not model.weight_prior.is_unbounded_at(parameters.weights)


@final
@dataclass(frozen=True)
class Expected(StateSummary):
    """The whole posterior, by the expected log density of each row [Attias1999]_."""

    may_leave_components_empty = True

    def state(
        self, model: MixtureModel, rows: Rows, engine: Engine, statistics: SufficientStatistics
    ) -> State:
        basis = preferred(model, rows, statistics)
        posterior = VariationalPosterior(model, basis)
        found = engine.sweep(rows, posterior.expected_potentials, Soft())
        bound = found.log_normalizer - posterior.divergence()
        return State(posterior.parameters, found, bound, basis)

    def potentials(
        self,
        model: MixtureModel,
        statistics: SufficientStatistics,
        near: MixtureParameters | None = None,
    ) -> Potentials:
        return VariationalPosterior(model, statistics).expected_potentials

    def scored_by(self, model: MixtureModel, state: State) -> Potentials:
        return _posterior(model, state).expected_potentials

    def state_of(
        self,
        model: MixtureModel,
        statistics: SufficientStatistics,
        data_term: float,
        near: MixtureParameters | None = None,
    ) -> State:
        posterior = VariationalPosterior(model, statistics)
        found = replace(statistics, log_normalizer=data_term)
        bound = data_term - posterior.divergence()
        return State(posterior.parameters, found, bound, statistics)

    def objective(self, model: MixtureModel, state: State, data_term: float) -> float:
        return data_term - _posterior(model, state).divergence()

    def log_likelihood(
        self, model: MixtureModel, rows: Rows, engine: Engine, state: State
    ) -> float:
        potentials = model.potentials(state.parameters)
        return engine.sweep(rows, potentials, Soft()).log_normalizer

    def posterior(self, model: MixtureModel, state: State) -> Posterior:
        return _posterior(model, state)


def preferred(
    model: MixtureModel, rows: Rows, statistics: SufficientStatistics
) -> SufficientStatistics:
    """Return statistics in the order that the weight prior prefers; labels hold all numbers."""
    if rows.held.size:
        return statistics
    order = model.weight_prior.preferred_order(statistics.count)
    return statistics if order.tolist() == list(range(order.size)) else statistics.permuted(order)


def _posterior(model: MixtureModel, state: State) -> VariationalPosterior:
    assert state.basis is not None
    return _posterior_of(model, state.basis)


@lru_cache(maxsize=8)
def _posterior_of(model: MixtureModel, basis: SufficientStatistics) -> VariationalPosterior:
    # At the end of a fit one and the same posterior is asked for several things in a row.
    return VariationalPosterior(model, basis)


def evaluate(
    model: MixtureModel, rows: Rows, engine: Engine, parameters: MixtureParameters
) -> State:
    """Return the state at given parameters: one sweep."""
    statistics = engine.sweep(rows, model.potentials(parameters), Soft())
    objective = statistics.log_normalizer + model.log_prior(parameters)
    return State(parameters, statistics, objective)


def summed_scores(potentials: Potentials, statistics: SufficientStatistics) -> float:
    """Return the sum of scores times responsibilities, from the statistics alone, in nats."""
    moments = statistics.about(potentials.mean)
    factor = potentials.precision_cholesky
    precision = factor @ factor.transpose(0, 2, 1) if factor.ndim == 3 else np.square(factor)
    seen = statistics.count > 0
    constant = (potentials.log_weight + potentials.offset)[seen]
    total = float(statistics.count[seen] @ constant - 0.5 * (precision * moments.second).sum())
    if statistics.members is not None:
        fewer = statistics.members[seen] - statistics.count[seen]
        total += float(fewer @ potentials.log_weight[seen])
    own = potentials.background
    if own is None or statistics.background is None or statistics.of_background == 0.0:
        return total
    return total + statistics.of_background * own.log_weight + float(statistics.background[1])
