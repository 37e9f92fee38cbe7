"""float32 rows against float64 rows: the same iteration on the same numbers."""

from functools import partial

import numpy as np

from benchmarks import ours
from benchmarks.context import Context
from benchmarks.floor import iteration_work
from benchmarks.generators import random_mixture
from benchmarks.starts import near_truth
from benchmarks.table import (
    Table,
    difference_cell,
    factor_cell,
    ratio_cell,
    seconds_cell,
    time_cell,
)
from benchmarks.timing import Contender, measure
from mixtura.engines import ENGINES

NOTES = [
    "One EM iteration as in sweep, on rows held as float32 and on the same numbers held as "
    "float64. Ratio: the time on float64 rows over the time on float32 rows, in the same round.",
    "Floor: of float32 rows. Difference: of the log likelihood after the iteration, relative.",
]

COLUMNS = [
    "N, D, K",
    "structure",
    "engine",
    "float32",
    "float64",
    "float64 / float32",
    "floor",
    "float32 / floor",
    "difference",
]


def measure_precision(context: Context) -> Table:
    """Return the table of float32 against float64 rows."""
    settings = context.settings
    table = Table("precision", "float32 rows against float64 rows", NOTES, COLUMNS)
    for case in settings.cases:
        mixture = random_mixture(case)
        narrow = mixture.draw(case.n_rows).astype(np.float32)
        wide, start = narrow.astype(np.float64), near_truth(mixture)
        for structure in settings.structures:
            context.report(f"precision: {case.label}, {structure}")
            least = iteration_work(case, structure, narrow.itemsize).seconds(context.rates)
            for name, make in ENGINES.items():
                make_iteration = partial(ours.Iteration, make(), start, structure)
                of_narrow, of_wide = make_iteration(narrow), make_iteration(wide)
                times = measure(
                    [
                        Contender("float32", "float32", settings.threads, of_narrow.warmed_up),
                        Contender("float64", "float64", settings.threads, of_wide.warmed_up),
                    ],
                    settings.plan,
                )
                table.record(f"{case.label}, {structure}, {name}", times)
                slim, broad = times["float32"], times["float64"]
                cells = [case.label, structure, name, time_cell(slim), time_cell(broad)]
                cells += [ratio_cell(broad, slim), seconds_cell(least)]
                cells += [factor_cell(slim.median / least)]
                found = of_narrow.log_likelihood(of_narrow())
                cells += [difference_cell(found, of_wide.log_likelihood(of_wide()))]
                table.add(cells)
    return table
