"""Further rows: a fit is brought up to date with a batch, without the rows before it."""

import time
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mixtura.data import Rows
from mixtura.data.scaling import safe_factor
from mixtura.diagnostics.component_warnings import component_doubts
from mixtura.engines import Engine
from mixtura.errors import ConvergenceWarning, Doubt, InvalidArgumentError, Message
from mixtura.fit import Fit, Inference, OnlineStatistics, Problem, Run
from mixtura.inference.driver import LIMIT_REMEDY, RunPath, climb, in_own_units, limits_of
from mixtura.inference.expectation_maximization import Optimizer
from mixtura.inference.minibatch import visited
from mixtura.inference.schedules import Schedule
from mixtura.inference.states import State, StateSummary, summed_scores
from mixtura.inference.stopping import ascent_is_over, followed
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array

IN_BATCHES = (
    "Rows came in batches: start and default priors are those of the first, and the "
    "responsibilities of each are those of its own time."
)


@final
@dataclass(frozen=True, eq=False)
class Sum:
    """Where a search stands that adds a batch to statistics.

    Parameters
    ----------
    state : State
        The posterior that the statistics give.
    statistics : SufficientStatistics
        The statistics of all rows; in place of the data term they hold the entropy of the
        responsibilities, in nats.
    """

    state: State
    statistics: SufficientStatistics


@final
@dataclass(frozen=True)
class Addition(Optimizer[Sum]):
    """Coordinate ascent over a batch's responsibilities beside statistics that stay.

    Each step replaces what the batch said, so that it counts once, as often as it is swept.

    Parameters
    ----------
    summary : StateSummary
        What stands for the posterior while the rows are swept.
    kept : SufficientStatistics
        What stays.
    factor : float
        What the batch's statistics are multiplied by.
    """

    summary: StateSummary
    kept: SufficientStatistics
    factor: float

    def begin(self, model: MixtureModel, state: State) -> Sum:
        return Sum(state, state.statistics)

    def step(self, model: MixtureModel, rows: Rows, engine: Engine, search: Sum) -> Sum:
        near = search.state.parameters
        potentials = self.summary.potentials(model, search.statistics, near)
        total = self.kept + visited(rows, engine, potentials) * self.factor
        data_term = total.log_normalizer + summed_scores(
            self.summary.potentials(model, total, near), total
        )
        state = self.summary.state_of(model, total, data_term, near)
        return Sum(followed(search.state, state), total)

    def state(self, search: Sum) -> State:
        return search.state

    def settled(self, old: Sum, new: Sum, tol: float) -> bool:
        return ascent_is_over(old.state, new.state, tol)


@final
@dataclass(frozen=True)
class Online:
    """Adds rows to a fit: each batch by the same two messages, as often as it takes.

    Parameters
    ----------
    method : Inference
        Makes the first fit.
    summary : StateSummary
        What stands for the posterior while the rows are swept.
    schedule : Schedule
        How a batch is weighed against the rows before it.
    """

    method: Inference
    summary: StateSummary
    schedule: Schedule

    def update(self, problem: Problem, earlier: Fit | None) -> Fit:
        """Return a fit with the problem's rows added to those of an earlier one.

        Without an earlier fit this is the method's own fit, whose rows are then weighed to the
        schedule's total.

        Raises
        ------
        InvalidArgumentError
            If the schedule's ``n_rows`` is below the weight of the batch, or the earlier fit
            has no statistics.
        """
        weight = problem.rows.total_weight
        total = self.schedule.total(weight)
        if total < weight:
            raise InvalidArgumentError(
                f"must be None or the number of all rows; got {self.schedule.n_rows}, and "
                f"a batch of weight {weight:g}",
                argument="n_rows",
            )
        if earlier is None:
            fit = self.method.fit(problem)
            fit = replace(fit, assumptions=(*fit.assumptions, IN_BATCHES))
            if total == weight:
                return fit
            # Nothing is kept, and the rows stand for more than themselves.
            known = replace(problem, doubts=fit.doubts)
            return self._updated(known, fit, _online_statistics(fit), (0.0, total / weight))
        online = _online_statistics(earlier)
        factors = self.schedule.factors(online.weight, earlier.total_weight, weight)
        n_rows = online.n_rows + problem.rows.n_rows
        online = replace(online, n_rows=n_rows, weight=online.weight + weight)
        return self._updated(problem, earlier, online, factors)

    def _updated(
        self, problem: Problem, earlier: Fit, online: OnlineStatistics, factors: tuple[float, float]
    ) -> Fit:
        """Return the fit with the rows added, which ``seen`` counts already."""
        began = time.perf_counter()
        summary, scaled, statistics = self.summary, problem, online.statistics
        units = _common_units(problem, earlier)
        if units is not None:
            model, rows = problem.model.rescaled(units), problem.rows.rescaled(units)
            resolution = problem.resolution and problem.resolution.rescaled(units)
            scaled = replace(problem, model=model, rows=rows, resolution=resolution)
            statistics = statistics.rescaled(units)
        path = self._settled(scaled, statistics, factors)
        found: Sum = path.search
        total = self.schedule.total(online.weight)
        shift = 0.0 if units is None else total * float(np.log(units).sum())
        state = found.state if units is None else found.state.rescaled(1.0 / units)
        data_term = found.state.statistics.log_normalizer + shift
        objective = summary.objective(problem.model, state, data_term)
        # Of the rows before the batch there is no objective to compare with.
        by_pass = tuple(one + (objective - found.state.objective) for one in path.objectives[1:])
        doubts = problem.doubts + self._doubts(scaled, path, online.weight / online.n_rows)
        own = in_own_units(found.statistics, units)
        return replace(
            earlier,
            posterior=summary.posterior(problem.model, state),
            objective=objective,
            log_likelihood=_likelihood_bound(scaled.model, found) + shift,
            runs=(Run("the rows before", by_pass, path.converged),),
            best=0,
            n_rows=online.n_rows if self.schedule.n_rows is None else self.schedule.n_rows,
            total_weight=total,
            seconds=time.perf_counter() - began,
            assumptions=tuple(dict.fromkeys((*earlier.assumptions, IN_BATCHES))),
            doubts=tuple(dict.fromkeys(doubts)),
            online=None if own is None else replace(online, statistics=own),
        )

    def _settled(
        self, problem: Problem, statistics: SufficientStatistics, factors: tuple[float, float]
    ) -> RunPath:
        """Return the way from the rows before to all rows."""
        model, kept = problem.model, factors[0]
        # About the means of now, so that no digits are lost where a component has moved.
        statistics = statistics.about(self.summary.potentials(model, statistics).mean)
        addition = Addition(self.summary, statistics * kept, factors[1])
        start = addition.begin(model, self.summary.state_of(model, statistics, 0.0))
        limits = limits_of(self.method, problem, addition)
        return climb(model, problem.rows, problem.engine, start, limits)

    def _doubts(self, problem: Problem, path: RunPath, row_weight: float) -> tuple[Doubt, ...]:
        doubts = component_doubts(
            problem.model,
            path.search.state.parameters,
            path.search.statistics.count,
            row_weight=row_weight,
            may_be_empty=self.summary.may_leave_components_empty,
            resolution=problem.resolution,
        )
        if path.converged:
            return doubts
        passes = len(path.objectives) - 1
        times = "1 pass" if passes == 1 else f"{passes} passes"
        said = Message(f"not converged after {times} over the batch", remedy=LIMIT_REMEDY)
        return (Doubt(ConvergenceWarning, said), *doubts)


def _online_statistics(fit: Fit) -> OnlineStatistics:
    """Return what further rows are added to, or raise InvalidArgumentError."""
    if fit.online is None:
        raise InvalidArgumentError(
            "rows can be added to fits by 'map', 'vb' and 'ml' alone, of files that this version "
            "wrote and of data that float64 holds squared",
            remedy="call fit, or partial_fit on a clone",
        )
    return fit.online


def _common_units(problem: Problem, earlier: Fit) -> Array | None:
    """Return the factor under which squares of all rows are safe, as the driver finds it."""
    model, parameters = problem.model, earlier.parameters
    variances = model.family.variances(parameters.covariances, model.n_components, model.n_features)
    reach = (np.abs(parameters.means) + np.sqrt(variances)).max(axis=0)
    magnitude = np.maximum(problem.rows.magnitude(), reach)
    return safe_factor(magnitude, common=model.family.has_common_unit)


def _likelihood_bound(model: MixtureModel, found: Sum) -> float:
    """Return what the remembered responsibilities say of the log likelihood: at most its value."""
    scores = summed_scores(model.potentials(found.state.parameters), found.statistics)
    return found.statistics.log_normalizer + scores
