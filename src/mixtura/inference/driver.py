"""The only loop: starts, iterations, limits, and the choice of the best end."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mixtura.data import Rows
from mixtura.diagnostics.component_warnings import component_doubts, truncation_doubts
from mixtura.engines import Engine
from mixtura.errors import (
    ConvergenceWarning,
    DegenerateComponentWarning,
    Doubt,
    Message,
    Setting,
    StartsDisagreeWarning,
)
from mixtura.fit import Fit, Inference, OnlineStatistics, Problem, Run, Start, order_of_free
from mixtura.inference.climbs import leap, steps_of
from mixtura.inference.expectation_maximization import CoordinateAscent, Optimizer
from mixtura.inference.merges import RunPath, without_spare
from mixtura.inference.states import Mode, State, StateSummary, summed_scores
from mixtura.inference.stopping import DEFAULT_TOL
from mixtura.messages.lazy import LazyModule
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array

if TYPE_CHECKING:
    from mixtura.inference import saddles
else:  # of which climbs over complete rows know nothing
    saddles = LazyModule("mixtura.inference.saddles")

LIMIT_REMEDY = Message("raise ", Setting("max_iter"), ", or ", Setting("tol"))

COLLAPSED_REMEDY = Message(
    *("drop a column that others determine, or use ", Setting("inference", "map")),
    *(" or ", Setting("covariance_type", "diag")),
)

SAME_OPTIMUM = 1e-6
"""Objectives closer than this, relative to the best, count as the same optimum."""


@final
@dataclass(frozen=True)
class Limits:
    """When a run stops.

    Parameters
    ----------
    max_iter : int
        Largest number of iterations.
    tol : float
        The run has converged when the objective has no more than this to gain, in nats.
    optimizer : Optimizer
        Which step leads from one iteration to the next.
    """

    max_iter: int
    tol: float
    optimizer: Optimizer[Any]


def limits_of(method: Inference, problem: Problem, optimizer: Optimizer[Any]) -> Limits:
    """Return the limits that the estimator gave, or else the method's own."""
    return Limits(
        method.default_max_iter if problem.max_iter is None else problem.max_iter,
        DEFAULT_TOL if problem.tol is None else problem.tol,
        optimizer,
    )


@final
@dataclass(frozen=True, eq=False)
class _End:
    run: Run
    state: State


def optimise_kept(problem: Problem, method: Any, limits: Limits) -> Fit:
    """Run the optimizer as :func:`optimise` does, its sweeps kept in the method's checkpoint."""
    if method.checkpoint is None:
        return optimise(problem, method.name, method.objective_name, limits)
    from mixtura.inference.sweep_journal import journaled

    problem, journal = journaled(problem, method.checkpoint)
    fit = optimise(problem, method.name, method.objective_name, limits)
    if journal is not None and not method.keep_checkpoint:
        journal.remove()
    return fit


def optimise(problem: Problem, method: str, objective_name: str, limits: Limits) -> Fit:
    """Run the optimizer from every start and return the best end as a fit."""
    began = time.perf_counter()
    scaled = problem.in_safe_units()
    model, rows, factor = scaled.model, scaled.rows, scaled.factor
    ends = _ends(model, rows, problem, limits)
    summary = limits.optimizer.summary
    best = max(range(len(ends)), key=lambda i: _rank(model, summary, ends[i].state))
    order = np.arange(model.n_components)
    if not problem.keep_numbering:
        order = order_of_free(ends[best].state.parameters, rows.held)
    found = state = ends[best].state.permuted(order)
    row_weight = problem.rows.total_weight / problem.rows.n_rows
    of_components = component_doubts(
        model,
        state.parameters,
        state.statistics.count,
        row_weight,
        may_be_empty=summary.may_leave_components_empty,
        resolution=problem.resolution and problem.resolution.rescaled(factor),
    )
    doubts = _run_doubts(ends, best, of_components) + of_components
    if summary.may_leave_components_empty:
        doubts += truncation_doubts(model, state.statistics.count, row_weight)
    if factor is not None:
        state = state.rescaled(1.0 / factor)
    shift = 0.0 if factor is None else float(problem.rows.weight_of_cells() @ np.log(factor))
    data_term = found.statistics.log_normalizer + shift
    objective = summary.objective(problem.model, state, data_term)
    runs = tuple(_shifted(end.run, objective - found.objective) for end in ends)
    return Fit(
        model=problem.model,
        posterior=summary.posterior(problem.model, state),
        method=method,
        objective=objective,
        objective_name=objective_name,
        log_likelihood=summary.log_likelihood(model, rows, problem.engine, found) + shift,
        runs=runs,
        best=best,
        n_rows=problem.rows.n_rows,
        total_weight=problem.rows.total_weight,
        seconds=time.perf_counter() - began,
        feature_names=problem.feature_names,
        assumptions=problem.assumptions,
        doubts=problem.doubts + doubts,
        online=_online_statistics(model, rows, summary, found, factor),
    )


def _online_statistics(
    model: MixtureModel, rows: Rows, summary: StateSummary, found: State, factor: Array | None
) -> OnlineStatistics | None:
    """Return what further rows can be added to; None where the data's units cannot hold it."""
    potentials = summary.scored_by(model, found)
    entropy = found.statistics.log_normalizer - summed_scores(potentials, found.statistics)
    own = in_own_units(replace(found.statistics, log_normalizer=entropy), factor)
    return None if own is None else OnlineStatistics(own, rows.n_rows, rows.total_weight)


def in_own_units(
    statistics: SufficientStatistics, factor: Array | None
) -> SufficientStatistics | None:
    """Return statistics of rows that were multiplied by ``factor`` in the rows' own units.

    None where float64 cannot hold them: a power of two goes there and back without rounding,
    unless it met a limit.
    """
    if factor is None:
        return statistics
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        own = statistics.rescaled(1.0 / factor)
        back = own.rescaled(factor)
    return own if np.array_equal(back.second, statistics.second) else None


def _ends(model: MixtureModel, rows: Rows, problem: Problem, limits: Limits) -> list[_End]:
    """Return where every start led, in the order of the starts."""
    starts = problem.starts(model, rows)

    def run(number: int) -> _End:
        end = _run(model, rows, problem, starts[number], limits)
        name = starts[number].name
        problem.report(f"start {number + 1} ({name}): {_outcome(end.run)}")
        return end

    if problem.n_jobs == 1 or len(starts) == 1:
        return [run(number) for number in range(len(starts))]
    with ThreadPoolExecutor(problem.n_jobs) as threads:
        return list(threads.map(run, range(len(starts))))


def _run(model: MixtureModel, rows: Rows, problem: Problem, start: Start, limits: Limits) -> _End:
    optimizer, engine = limits.optimizer, problem.engine
    first = optimizer.summary.state(model, rows, engine, start.statistics)
    path = climb(model, rows, engine, optimizer.begin(model, first), limits)
    if isinstance(optimizer, CoordinateAscent) and optimizer.merges and not problem.keep_numbering:
        summary = optimizer.summary

        def ascent(statistics: SufficientStatistics, taken: int) -> RunPath:
            begin = summary.state(model, rows, engine, statistics)
            left = replace(limits, max_iter=max(limits.max_iter - taken, 0))
            return climb(model, rows, engine, begin, left)

        path = without_spare(model, summary, path, ascent)
    if isinstance(optimizer.summary, Mode) and not rows.is_complete:

        def further(begin: State, taken: int) -> RunPath:
            left = replace(limits, max_iter=max(limits.max_iter - taken, 0))
            return climb(model, rows, engine, optimizer.begin(model, begin), left)

        path = saddles.beyond_saddles(model, rows, engine, path, (optimizer.state, further))
    run = Run(start.name, path.objectives, path.converged)
    return _End(run, optimizer.state(path.search))


def climb(model: MixtureModel, rows: Rows, engine: Engine, search: Any, limits: Limits) -> RunPath:
    """Step from a search until it settles or meets the limit."""
    optimizer = limits.optimizer
    objectives = [optimizer.state(search).objective]
    converged, steps = False, steps_of(model, optimizer)
    while not converged and len(objectives) <= limits.max_iter:
        allowed = (limits.max_iter + 1 - len(objectives), limits.tol)
        leapt = steps and leap(model, rows, engine, steps, search, allowed)
        if leapt:
            search, run = leapt
            converged, steps = run.converged, None if run.is_stuck else steps
            objectives.extend(run.objectives)
            continue
        new = optimizer.step(model, rows, engine, search)
        converged, steps = optimizer.settled(search, new, limits.tol), None
        search = new
        objectives.append(optimizer.state(search).objective)
    return RunPath(search, tuple(objectives), converged)


def _rank(model: MixtureModel, summary: StateSummary, state: State) -> tuple[bool, float]:
    return summary.is_inside(model, state), state.objective


def _shifted(run: Run, shift: float) -> Run:
    if shift == 0.0:
        return run
    return Run(run.start, tuple(value + shift for value in run.objectives), run.converged)


def _outcome(run: Run) -> str:
    settled = "converged" if run.converged else "not converged"
    return f"{settled} after {_iterations(run.n_iter)} at {run.objective:.6f}"


def _iterations(number: int) -> str:
    return "1 iteration" if number == 1 else f"{number} iterations"


def _run_doubts(ends: list[_End], best: int, of_components: tuple[Doubt, ...]) -> tuple[Doubt, ...]:
    kept = ends[best]
    doubts = []
    # Whoever asks for no iteration has the start, and knows it.
    if not kept.run.converged and kept.run.n_iter:
        # No number of iterations helps a component that falls into a direction without variation.
        collapsed = any(doubt.category is DegenerateComponentWarning for doubt in of_components)
        message = f"not converged after {_iterations(kept.run.n_iter)}"
        if collapsed:
            message += ": a component has collapsed, which more iterations do not mend; "
        message = Message(message, remedy=COLLAPSED_REMEDY if collapsed else LIMIT_REMEDY)
        doubts.append(Doubt(ConvergenceWarning, message))
    same = SAME_OPTIMUM * max(1.0, abs(kept.run.objective))
    reached = sum(end.run.objective >= kept.run.objective - same for end in ends)
    if len(ends) > 1 and reached == 1:
        doubts.append(
            Doubt(
                StartsDisagreeWarning,
                Message(
                    f"only one of {len(ends)} starts reached the best optimum, which was kept",
                    remedy=("raise ", Setting("n_init"), " to make sure that there is none better"),
                ),
            )
        )
    return tuple(doubts)
