"""One full EM iteration, from the same parameters, on every engine and in every package."""

from functools import partial
from itertools import product

import numpy as np

from benchmarks import ours
from benchmarks.cases import Case
from benchmarks.context import Context, Settings
from benchmarks.floor import iteration_work
from benchmarks.generators import random_mixture
from benchmarks.peers import pomegranate, scikit_learn, tgmm
from benchmarks.starts import StartParameters, near_truth
from benchmarks.table import (
    Table,
    difference_cell,
    factor_cell,
    ratio_cell,
    seconds_cell,
    time_cell,
)
from benchmarks.timing import Contender, Times, measure
from mixtura.engines import ENGINES

GAUSSIAN, VARIATIONAL = "GaussianMixture", "BayesianGaussianMixture"
POMEGRANATE, TGMM = "pomegranate", "tgmm"

NOTES = [
    "One EM iteration: E-step and M-step of maximum likelihood, from the same parameters, which "
    "lie in memory beforehand.",
    "scikit-learn: its own _e_step and _m_step, at the better of one and several BLAS threads, "
    "and with one feature at the fastest of its full, diagonal and spherical forms, which are "
    "then the same model. BayesianGaussianMixture does one iteration of variational Bayes: other "
    "numbers, the same pass over the rows.",
    "Times: median (smallest–largest) of interleaved rounds. Ratios: the other's time over "
    "mixtura's, in the same round. Floor: benchmarks/floor.py.",
    "Difference: of the log likelihood after the iteration, relative, from scikit-learn's after "
    "the same iteration.",
]

COLUMNS = [
    "N, D, K",
    "structure",
    "engine",
    "mixtura",
    GAUSSIAN,
    "ratio",
    VARIATIONAL,
    "ratio",
    POMEGRANATE,
    "ratio",
    TGMM,
    "ratio",
    "floor",
    "mixtura / floor",
    "difference",
]


def measure_sweep(context: Context) -> Table:
    """Return the table of one EM iteration."""
    settings = context.settings
    table = Table("sweep", "one full EM iteration", NOTES, COLUMNS)
    for case in settings.cases:
        mixture = random_mixture(case)
        rows, start = mixture.draw(case.n_rows), near_truth(mixture)
        for structure in settings.structures:
            context.report(f"sweep: {case.label}, {structure}")
            _add_rows(table, context, case, structure, rows, start)
    return table


def _add_rows(
    table: Table,
    context: Context,
    case: Case,
    structure: str,
    rows: np.ndarray,
    start: StartParameters,
) -> None:
    settings = context.settings
    iterations = {
        name: ours.Iteration(make(), start, structure, rows) for name, make in ENGINES.items()
    }
    contenders = [
        Contender(name, name, settings.threads, iteration.warmed_up)
        for name, iteration in iterations.items()
    ]
    contenders += peers(settings, structure, rows, start)
    times = measure(contenders, settings.plan)
    table.record(f"{case.label}, {structure}", times)
    judge = scikit_learn.Iteration(scikit_learn.fitted_mixture(start, structure), rows)
    judge()
    expected = scikit_learn.log_likelihood(judge.mixture, rows)
    least = iteration_work(case, structure).seconds(context.rates)
    for name, iteration in iterations.items():
        found = iteration.log_likelihood(iteration())
        cells = [case.label, structure, name, time_cell(times[name])]
        for peer in (GAUSSIAN, VARIATIONAL, POMEGRANATE, TGMM):
            cells += [_peer_cell(times[peer]), ratio_cell(times[peer], times[name])]
        cells += [seconds_cell(least), factor_cell(times[name].median / least)]
        table.add([*cells, difference_cell(found, expected)])


def _peer_cell(times: Times) -> str:
    variant = times.contender.name.removeprefix(times.contender.group).strip()
    return f"{time_cell(times)}{' ' + variant if variant and times.seconds else ''}"


def peers(
    settings: Settings, structure: str, rows: np.ndarray, start: StartParameters
) -> list[Contender]:
    """Return every variant of every peer's iteration."""
    kinds = (
        (GAUSSIAN, scikit_learn.gaussian_iteration),
        (VARIATIONAL, scikit_learn.variational_iteration),
    )
    variants = product(
        kinds,
        scikit_learn.forms(structure, rows.shape[1]),
        scikit_learn.thread_numbers(settings.threads),
    )
    contenders = [
        Contender(
            f"{group} {form}, {threads} thr.", group, threads, partial(make, start, form, rows)
        )
        for (group, make), form, threads in variants
    ]
    others = ((POMEGRANATE, pomegranate.iteration), (TGMM, tgmm.iteration))
    limit = settings.plan.limit
    return [
        *contenders,
        *(
            Contender(name, name, settings.threads, partial(make, start, structure, rows, limit))
            for name, make in others
        ),
    ]
