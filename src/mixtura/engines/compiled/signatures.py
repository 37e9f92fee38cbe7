"""Types of what kernels are given, and how they are made."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

from numba import njit, types

from mixtura.engines.compiled.options import OPTIONS


def read_only(kind: Any, dimensions: int = 1) -> Any:
    """Return the type of a contiguous array that is not written to."""
    return types.Array(kind, dimensions, "C", readonly=True)


FLAT = types.Array(types.float64, 1, "C")
READ = read_only(types.float64)
WEIGHTING = types.Tuple((READ, types.boolean))
"""Weights, and whether there are any."""

ASSIGNED = types.Tuple((types.int64, types.uint64, READ, read_only(types.int64)))
"""Number of the assignment, key, responsibilities, labels."""

SPAN = types.UniTuple(types.int64, 4)
"""Number of the piece's first row, begin, end, rows of a block."""

OUTPUTS = types.Tuple((FLAT, FLAT, types.Array(types.int64, 1, "C")))
"""Responsibilities, flat (N K); log densities (N,); labels (N,). Of size zero: not asked for."""


def made(
    signature: Any, function: Callable[..., Any], **compiled: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a function compiled for one signature, from the cache of machine code if it can be.

    What it calls by the names of ``compiled`` is linked, not compiled once more.

    Numba keeps an index for each name of a function, and knows a change of the module that defines
    it alone. Here each signature of each version of the whole package has a name of its own:
    processes that compile at the same time then write the same code to the same files, and no
    process reads what another version left. Functions may close over numbers alone: what else
    they use they take from their module.
    """
    known = function.__globals__ | compiled
    named = FunctionType(function.__code__, known, function.__name__, None, function.__closure__)
    named.__qualname__ = f"{function.__name__}_{_digest(signature, function)}"
    try:
        return njit(signature, cache=True, **OPTIONS)(named)
    except RuntimeError:  # nowhere to keep machine code: make it anew in every process
        return njit(signature, **OPTIONS)(function)


def _digest(signature: Any, function: Callable[..., Any]) -> str:
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    if not all(isinstance(value, int) for value in cells):
        raise TypeError(f"{function.__qualname__} closes over more than numbers: {cells}")
    told = f"{_sources()} {function.__qualname__} {signature} {cells}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


@cache
def _sources() -> str:
    """Return a digest of the modules that machine code is made from."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
