"""Tables of which some bytes are others: fitted, or refused in one line and nothing written."""

import time
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Run

from unit.mutated_tables import mutated, originals

TABLES = originals()
TEXTS = {"csv", "semicolons", "blanks", "quoted"}
LONGEST = 5.0
"""Seconds of the processor for one table, on a busy machine."""


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("number", [4, pytest.param(500, marks=pytest.mark.calibrate)])
def test_mutated_tables_are_fitted_or_refused(kind: str, number: int, run: Run) -> None:
    table, output = Path("table"), Path("groups.csv")
    for seed in range(number):
        content = mutated(TABLES[kind], np.random.default_rng([14, seed]), is_text=kind in TEXTS)
        table.write_bytes(content)
        output.unlink(missing_ok=True)
        began = time.process_time()
        done = run("fit", table, "-k", 2, "--assignments", output)
        assert time.process_time() - began < LONGEST
        lines = done.err.splitlines()
        assert all(line.startswith("mixtura: ") and line.isprintable() for line in lines)
        assert max(map(len, lines)) < 700
        if done.code in (0, 4):  # 4 where it has not converged
            assert output.read_text(encoding="utf-8").endswith("\n")
            continue
        assert done.code == 3
        assert done.error
        assert not output.exists()
        assert not done.out
        assert {path.name for path in Path().iterdir()} == {"table"}  # nothing half-written
