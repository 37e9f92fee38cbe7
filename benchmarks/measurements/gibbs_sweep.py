"""One Gibbs sweep over one EM iteration: sampled rows, draws of parameters, densities."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import ours
from benchmarks.cases import Case
from benchmarks.context import Context
from benchmarks.generators import random_mixture
from benchmarks.starts import StartParameters, near_truth
from benchmarks.table import Table, ratio_cell, seconds_cell
from benchmarks.timing import Contender, measure
from mixtura.data import ArrayRows
from mixtura.engines import best_engine
from mixtura.inference.mcmc.gibbs_chains import ChainPlan, Sampler
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters

GIBBS, EM = "gibbs", "em"
CASES = (Case(272, 2, 2), Case(150, 4, 3), Case(1_000_000, 2, 6), Case(10_000_000, 1, 2))
ROW_SWEEPS = 100_000_000
"""Rows of all sweeps together, of one timing."""

MOST_SWEEPS, FEWEST_SWEEPS = 300, 10

NOTES = [
    "gibbs: a chain under the default prior: each sweep assigns the rows, draws weights, means "
    "and covariances, and finds the log likelihood and the log prior density. em: the iteration "
    "of the table sweep. Both go on from their own parameters, for as many sweeps as the column "
    "says; times are for one.",
    "Seconds: median of interleaved rounds; ratios within rounds: median (smallest–largest).",
]

COLUMNS = ["N, D, K", "structure", "threads", "sweeps", GIBBS, EM, "gibbs / em"]


def measure_gibbs_sweep(context: Context) -> Table:
    """Return the table of sweeps."""
    settings = context.settings
    table = Table("gibbs_sweep", "a Gibbs sweep over an EM iteration", NOTES, COLUMNS)
    for case in dict.fromkeys(case.held_to(settings.rows_at_most) for case in CASES):
        mixture = random_mixture(case)
        rows, start = mixture.draw(case.n_rows), near_truth(mixture)
        sweeps = min(max(ROW_SWEEPS // case.n_rows, FEWEST_SWEEPS), MOST_SWEEPS)
        for structure in settings.structures:
            context.report(f"gibbs_sweep: {case.label}, {structure}")
            runs = {
                GIBBS: partial(_chain, rows, start, structure, sweeps),
                EM: partial(_climb, rows, start, structure, sweeps),
            }
            for threads in sorted({1, settings.threads}):
                contenders = [
                    Contender(name, name, threads, prepare) for name, prepare in runs.items()
                ]
                times = measure(contenders, settings.plan)
                table.record(f"{case.label}, {structure}, {threads} threads", times)
                each = [seconds_cell(times[name].median / sweeps) for name in (GIBBS, EM)]
                ratio = ratio_cell(times[GIBBS], times[EM])
                table.add([case.label, structure, str(threads), str(sweeps), *each, ratio])
    return table


def _chain(
    rows: np.ndarray, start: StartParameters, structure: str, sweeps: int
) -> Callable[[], Any]:
    engine, blocks = best_engine(), ArrayRows(rows)
    options = {"covariance_type": structure, "init": start.means}
    model = ours.quiet_fit(rows, len(start.weights), max_iter=1, **options).fit_.model
    covariances = start.structured(structure).reshape(model.structure)
    parameters = MixtureParameters(start.weights, start.means, covariances)
    statistics = engine.sweep(blocks, model.potentials(parameters), Soft())

    def run(draws: int = sweeps) -> None:
        sampler = Sampler(model, blocks, engine, ChainPlan(1, draws, 1))
        sampler.advance(sampler.begin(statistics, np.random.SeedSequence(0)), draws)

    run(1)
    return run


def _climb(
    rows: np.ndarray, start: StartParameters, structure: str, sweeps: int
) -> Callable[[], Any]:
    iteration = ours.Iteration(best_engine(), start, structure, rows).warmed_up()

    def run() -> None:
        for _, _ in zip(range(sweeps), iteration.climb(), strict=False):
            pass

    return run
