"""Variational Bayes: expected x soft x full sweeps."""

from dataclasses import dataclass, replace
from typing import Any, final

from mixtura.assignments import Soft
from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.fit import Fit, Inference, Problem, option
from mixtura.inference.driver import limits_of, optimise
from mixtura.inference.expectation_maximization import CoordinateAscent, Optimizer
from mixtura.inference.schedules import BATCH_SIZE, DECAY, N_ROWS, Schedule
from mixtura.inference.states import State, Summary
from mixtura.model import MixtureModel
from mixtura.posteriors import PointPosterior, Posterior, VariationalPosterior
from mixtura.potentials import Potentials
from mixtura.statistics import SufficientStatistics


@final
@dataclass(frozen=True)
class Expected(Summary):
    """The whole posterior, by the expected log density of each row [Attias1999]_."""

    may_leave_components_empty = True

    def state(
        self, model: MixtureModel, rows: Rows, engine: Engine, statistics: SufficientStatistics
    ) -> State:
        order, basis = model.weight_prior.preferred_order(statistics.count), statistics
        if order.tolist() != list(range(order.size)):
            basis = statistics.permuted(order)
        posterior = VariationalPosterior(model, basis)
        found = engine.sweep(rows, posterior.expected_potentials, Soft())
        bound = found.log_normalizer - posterior.divergence()
        return State(posterior.parameters, found, bound, basis)

    def potentials(self, model: MixtureModel, statistics: SufficientStatistics) -> Potentials:
        return VariationalPosterior(model, statistics).expected_potentials

    def scored_by(self, model: MixtureModel, state: State) -> Potentials:
        return _posterior(model, state).expected_potentials

    def state_of(
        self, model: MixtureModel, statistics: SufficientStatistics, data_term: float
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
        potentials = PointPosterior(state.parameters, model.family).potentials
        return engine.sweep(rows, potentials, Soft()).log_normalizer

    def posterior(self, model: MixtureModel, state: State) -> Posterior:
        return _posterior(model, state)


def _posterior(model: MixtureModel, state: State) -> VariationalPosterior:
    assert state.basis is not None
    return VariationalPosterior(model, state.basis)


@final
@dataclass(frozen=True)
class VB(Inference):
    """Variational Bayes by coordinate ascent.

    The posterior is approximated by a factor for the weights, one for means and covariances, and
    the rows' responsibilities; the factors have the priors' own forms. The objective is the
    evidence lower bound with every constant: it never decreases, is never above the log evidence,
    and can be compared between numbers of components, families and priors.

    Parameters
    ----------
    batch_size : int, optional
        Rows of a minibatch; the posterior is brought up to date after each of them. None for
        sweeps over all rows.
    decay : float, default=1.0
        For ``partial_fit`` alone: above 0.5 and at most 1. At 1 every row counts once; below
        it earlier rows fade, as their responsibilities grow old.
    n_rows : int, optional
        For ``partial_fit`` alone: how many rows there are in all (with weights: their sum).
        The rows seen then stand for that many, and may come any number of times: stochastic
        variational inference [Hoffman2013]_. By default each row that comes is a new one.
    """

    batch_size: int | None = option(None, BATCH_SIZE)
    decay: float = option(1.0, DECAY)
    n_rows: int | None = option(None, N_ROWS)

    name = "vb"
    objective_name = "evidence lower bound"
    bounds_evidence = True
    default_max_iter = 10_000

    def fit(self, problem: Problem) -> Fit:
        problem.refuse_improper()
        summary = Expected()
        optimizer: Optimizer[Any] = CoordinateAscent(summary)
        if problem.model.weight_prior.finds_components:
            from mixtura.inference.moves import Moves

            optimizer = Moves(summary)
        if self.batch_size is not None:
            from mixtura.inference.minibatch import Incremental

            optimizer = Incremental(summary, self.batch_size)
        limits = limits_of(self, problem, optimizer)
        return optimise(problem, self.name, self.objective_name, limits)

    def update(self, problem: Problem, earlier: Fit | None) -> Fit:
        from mixtura.inference.online import Online

        online = Online(self, Expected(), Schedule(self.decay, self.n_rows))
        return online.update(problem, earlier)
