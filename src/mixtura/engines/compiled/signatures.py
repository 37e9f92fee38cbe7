"""Types of what kernels are given, and how they are made."""

from collections.abc import Callable
from types import FunctionType
from typing import Any

from numba import njit, types

OPTIONS = {"nogil": True, "error_model": "numpy"}


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


def with_globals(function: Any, name: str, **given: Any) -> Any:
    """Return a function under another name, some of whose global names have given values.

    Machine code is found again by a function's file, name, code and closure. A compiled function
    in a closure is another one in every process; among the globals it does not matter.
    """
    found = FunctionType(function.__code__, {**function.__globals__, **given}, name)
    found.__qualname__ = name
    return found


def made(signature: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function compiled for one signature, from the cache of machine code if it can be."""
    try:
        return njit(signature, cache=True, **OPTIONS)(function)
    except RuntimeError:  # nowhere to keep machine code: make it anew in every process
        return njit(signature, **OPTIONS)(function)
