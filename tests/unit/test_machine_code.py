"""Machine code that is kept from one process to the next."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba import types

from mixtura.engines.compiled.signatures import made

SHORT = """
from mixtura.engines.compiled.hashing import _kernel
kernel = _kernel()
print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()))
"""


def in_a_process(cache: Path) -> str:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", SHORT], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_second_process_finds_the_code_of_the_first(tmp_path: Path) -> None:
    assert in_a_process(tmp_path) == "0 1"
    kept = sorted(path.name for path in tmp_path.rglob("*.nb?"))
    assert len(kept) == 2
    assert in_a_process(tmp_path) == "1 0"
    assert sorted(path.name for path in tmp_path.rglob("*.nb?")) == kept


def plus(step):
    def add(value):
        return value + step

    return add


def test_every_signature_and_number_has_a_name_of_its_own() -> None:
    # Names of one index would be written over each other by processes that compile at once.
    one = made(types.int64(types.int64), plus(1))
    two = made(types.int64(types.int64), plus(2))
    real = made(types.float64(types.float64), plus(1))
    assert (one(1), two(1), real(1.5)) == (2, 3, 2.5)
    names = {function.py_func.__qualname__ for function in (one, two, real)}
    assert len(names) == 3
    again = made(types.int64(types.int64), plus(1))
    assert again.py_func.__qualname__ in names


def test_what_a_function_closes_over_must_be_numbers() -> None:
    with pytest.raises(TypeError, match="closes over more than numbers"):
        made(types.int64(types.int64), plus(len))
