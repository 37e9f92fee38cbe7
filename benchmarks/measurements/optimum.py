"""Time to the same optimum: both packages run until they have it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import final

import numpy as np

from benchmarks import ours
from benchmarks.cases import Case
from benchmarks.context import Context
from benchmarks.generators import (
    TrueMixture,
    five_overlapping,
    random_mixture,
    two_overlapping,
)
from benchmarks.peers import scikit_learn
from benchmarks.starts import moved_means
from benchmarks.table import (
    Table,
    difference_cell,
    factor_cell,
    ratio_cell,
    seconds_cell,
    time_cell,
)
from benchmarks.threads import ThreadLimit
from benchmarks.timing import Contender, Times, measure
from mixtura.engines import best_engine
from mixtura.fit import Fit

CLOSE = 1e-8
"""How close to the optimum, relative in log likelihood, counts as having it."""

OURS, OURS_BY_ITSELF, PEER = "mixtura", "mixtura, stopping by itself", "GaussianMixture"

NOTES = [
    "Maximum likelihood, full covariances. The optimum is where mixtura's fit from the start "
    "stops by itself, at its default tolerance. A package has it when its own log likelihood is "
    f"within {CLOSE:g} of it, relative; every package is stopped at the first iteration that is.",
    "Start 'given': means half a standard deviation from the true ones, equal weights, equal "
    "variances, the same for both; what either does with it is timed. Start 'own': each package's "
    "default (split; k-means), timed as well. Whole estimator fits for mixtura; "
    "scikit-learn's own _e_step and _m_step in a loop that wastes nothing.",
    "scikit-learn: at the better of one and several BLAS threads and, with one feature, at its "
    "fastest form. Where it does not get there within the limit, the ratio is a lower bound, "
    "and 'projected' is the number of iterations that EM needs (counted by running EM on "
    "mixtura's default engine, whose iterates are the same) times its measured time for one.",
    "'Stopping by itself': mixtura's whole fit, which goes further than the optimum needs. "
    "Difference: of the log likelihoods with which the two stopped, relative.",
]

COLUMNS = [
    "data",
    "start",
    "mixtura",
    "iterations",
    "stopping by itself",
    PEER,
    "iterations",
    "ratio",
    "projected",
    "difference",
]


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """One data set."""

    name: str
    mixture: TrueMixture
    n_rows: int

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.mixture.weights)


def problems(rows_at_most: int | None) -> list[Problem]:
    """Return the data sets."""
    case = Case(1_000_000, 10, 10).held_to(rows_at_most)
    n_rows = case.n_rows
    return [
        Problem("10-D, ten 2.5 sd apart", random_mixture(case, separation=2.5), n_rows),
        Problem("1-D, two overlapping", two_overlapping(), n_rows),
        Problem("2-D, five overlapping", five_overlapping(), n_rows),
    ]


def measure_optimum(context: Context) -> Table:
    """Return the table of times to the same optimum."""
    return measure_problems(context, problems(context.settings.rows_at_most))


def measure_problems(context: Context, chosen: Sequence[Problem]) -> Table:
    """Return the table for chosen problems."""
    table = Table("optimum", "time to the same optimum", NOTES, COLUMNS)
    for problem in chosen:
        rows = problem.mixture.draw(problem.n_rows)
        for name, means in (("given", moved_means(problem.mixture)), ("own", None)):
            context.report(f"optimum: {problem.name}, {problem.n_rows} rows, start {name}")
            _add_row(table, context, problem, rows, name, means)
    return table


def _add_row(
    table: Table,
    context: Context,
    problem: Problem,
    rows: np.ndarray,
    start: str,
    means: np.ndarray | None,
) -> None:
    threads, limit = context.settings.threads, context.settings.plan.limit
    fit = partial(ours.likelihood_fit, rows, problem.n_components, means)
    target, iterations = _target(fit().fit_)
    stopped = fit(max_iter=iterations).fit_
    form, number = _best_variant(rows, moved_means(problem.mixture), threads)
    climb = scikit_learn.Climb(rows, form, means, problem.n_components, target, limit)
    contenders = [
        Contender(OURS, OURS, threads, lambda: partial(fit, max_iter=iterations)),
        Contender(OURS_BY_ITSELF, OURS_BY_ITSELF, threads, lambda: fit),
        Contender(f"{PEER} {form}, {number} thr.", PEER, number, lambda: climb),
    ]
    times = measure(contenders, context.settings.plan)
    table.record(f"{problem.name}, {problem.n_rows} rows, {start}", times)
    cells = [f"{problem.name}, {problem.n_rows:,} rows", start, time_cell(times[OURS])]
    cells += [str(stopped.n_iter), time_cell(times[OURS_BY_ITSELF]), time_cell(times[PEER])]
    cells += [str(climb.iterations), *_ratios(times, climb)]
    table.add([*cells, difference_cell(stopped.log_likelihood, climb.log_likelihood)])


def _target(fit: Fit) -> tuple[float, int]:
    """Return the log likelihood that counts as reaching a fit's, and the iteration that has it."""
    target = fit.log_likelihood - CLOSE * abs(fit.log_likelihood)
    iterations = next(i for i, value in enumerate(fit.history) if value >= target)
    return target, max(1, iterations)


def _ratios(times: dict[str, Times], climb: scikit_learn.Climb) -> tuple[str, str]:
    """Return the measured ratio, and the projected time where the peer ran out of it."""
    ours_times, theirs = times[OURS], times[PEER]
    if theirs.seconds:
        return ratio_cell(theirs, ours_times), "–"
    if not climb.ran_out:
        return "–", "–"
    iterations, counted = _iterations_needed(climb)
    seconds = climb.start_seconds + iterations * climb.iteration_seconds
    ratio = factor_cell(seconds / ours_times.median)
    more = "" if counted else "> "
    projected = f"{more}{iterations} × {seconds_cell(climb.iteration_seconds)}: ratio {more}{ratio}"
    return f"> {factor_cell(climb.limit / ours_times.median)}", projected


def _iterations_needed(climb: scikit_learn.Climb) -> tuple[int, bool]:
    """Return how many iterations EM needs from the peer's start, and whether it got there.

    Counting ends at the limit of the climb.
    """
    iteration = ours.Iteration(best_engine(), climb.first(), "full", climb.rows)
    began = time.perf_counter()
    number = 0
    for number, value in enumerate(iteration.climb()):
        if value >= climb.target:
            return number, True
        if time.perf_counter() - began > climb.limit:
            break
    return number, False


def _best_variant(rows: np.ndarray, means: np.ndarray, threads: int) -> tuple[str, int]:
    """Return the covariance type and number of threads at which scikit-learn iterates fastest."""

    def seconds(variant: tuple[str, int]) -> float:
        form, number = variant
        steps = scikit_learn.Climb(rows, form, means, len(means), np.inf, np.inf).steps()
        with ThreadLimit().held_to(number):
            next(steps)
            began = time.perf_counter()
            next(steps), next(steps)
            return time.perf_counter() - began

    forms = scikit_learn.forms("full", rows.shape[1])
    return min(product(forms, scikit_learn.thread_numbers(threads)), key=seconds)
