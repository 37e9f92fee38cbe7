"""Time of whole default fits, against another checkout of mixtura."""

import os
import statistics
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self, final

from benchmarks.context import Context
from benchmarks.fit_server import FITS
from benchmarks.table import Table, factor_cell, seconds_cell

HERE = Path(__file__).resolve().parents[2]
LARGE_ROUNDS, SMALL_ROUNDS = 3, 50
"""Rounds of the fits that take long, where the plan has no fewer, and of those that do not."""

SHORT = 0.2
"""Seconds below which a fit does not take long."""

NOTES = [
    "Whole calls of `fit` with all defaults (start, checks and iterations), each side in a process "
    "of its own, in turn; after one fit that does not count. Medians, and the median of the ratios "
    "within one round (smallest–largest).",
    "Higher by: this checkout's objective less the other's, in nats; under priors taken from the "
    "data the two are of different models.",
]

COLUMNS = ["fit", "this", "the other", "ratio", "rounds", "higher by"]


@final
class Server:
    """A process that fits with the mixtura of one checkout."""

    def __init__(self, checkout: Path, threads: int) -> None:
        path = os.pathsep.join([str(checkout / "src"), str(HERE)])
        limits = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        given = {"PYTHONPATH": path, **dict.fromkeys(limits, str(threads))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fit_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **given},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate()

    def fit(self, name: str) -> tuple[float, float]:
        """Return seconds and objective of a fit."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{name}\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline().split()
        if len(answer) != 2:
            raise RuntimeError(f"the fit {name!r} failed; its own message stands above")
        return float(answer[0]), float(answer[1])


def measure_default_speed(context: Context) -> Table:
    """Return the table of whole default fits."""
    settings = context.settings
    other = settings.against
    table = Table("default_speed", "whole default fits, against another checkout", NOTES, COLUMNS)
    wanted = [name for name in FITS if settings.wants(name.replace(",", ""))]
    if settings.quick:
        wanted = [name for name in wanted if not name.startswith("1e6")]
    with Server(HERE, settings.threads) as ours, Server(other or HERE, settings.threads) as theirs:
        for name in wanted:
            context.report(f"default_speed: {name}")
            (first, objective), (_, of_other) = ours.fit(name), theirs.fit(name)
            first = min(first, ours.fit(name)[0]) if first < 60.0 else first
            theirs.fit(name)
            rounds = min(settings.plan.runs, LARGE_ROUNDS) if first > SHORT else SMALL_ROUNDS
            pairs = [(ours.fit(name)[0], theirs.fit(name)[0]) for _ in range(rounds)]
            ratios = [a / b for a, b in pairs]
            middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
            table.add(
                [
                    name,
                    seconds_cell(statistics.median(a for a, _ in pairs)),
                    seconds_cell(statistics.median(b for _, b in pairs)),
                    f"{factor_cell(middle)} ({factor_cell(low)}–{factor_cell(high)})",
                    str(rounds),
                    f"{objective - of_other:.3g}",
                ]
            )
            table.details.append({"fit": name, "seconds": pairs})
    return table
