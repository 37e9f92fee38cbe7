"""Memory of a whole fit, measured in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.cases import Case
from benchmarks.context import Context
from benchmarks.generators import random_mixture
from benchmarks.table import Table, factor_cell

CASES = (Case(1_000_000, 10, 10), Case(10_000_000, 1, 2))
PACKAGES = ("mixtura", "scikit-learn")
ROOT = Path(__file__).resolve().parents[2]

NOTES = [
    "A fit of five iterations, start included, full covariances, each in a process of its own "
    "that has loaded the rows and fitted a small problem before. Above the data: the largest "
    "resident memory during the fit minus the resident memory before it.",
]

COLUMNS = ["N, D, K", "by", "data", "above the data", "times mixtura's"]


def measure_memory(context: Context) -> Table:
    """Return the table of memory above the data."""
    table = Table("memory", "resident memory of a fit", NOTES, COLUMNS)
    for case in (size.held_to(context.settings.rows_at_most) for size in CASES):
        context.report(f"memory: {case.label}")
        found = _above(case, context.settings.threads)
        ours = found[PACKAGES[0]]
        for package, above in found.items():
            data = f"{case.n_rows * case.n_features * 8 / 1e6:,.0f} MB"
            times = factor_cell(above / max(ours, 1.0))
            table.add([case.label, package, data, f"{above / 1e6:,.0f} MB", times])
    return table


def _above(case: Case, threads: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npy"
        np.save(file, random_mixture(case).draw(case.n_rows))
        return {
            package: _in_process(package, file, case.n_components, threads) for package in PACKAGES
        }


def _in_process(package: str, file: Path, n_components: int, threads: int) -> float:
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(limits, str(threads))}
    command = [sys.executable, "-m", "benchmarks.memory_probe"]
    found = subprocess.run(
        [*command, package, str(file), str(n_components)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(found.stdout)["above"])
