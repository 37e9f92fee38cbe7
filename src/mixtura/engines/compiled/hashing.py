"""Hashes of rows, compared with a limit as they are made."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types

from mixtura.engines.compiled.signatures import made, read_only
from mixtura.engines.content import MIX, SHIFT, column_factors
from mixtura.typing import Array, IntegerArray

FOLD, FACTOR = SHIFT, MIX
"""Those of :func:`mixtura.engines.content.row_hashes`."""


def _below(values, bits, factors, limit, positions):
    """Write the positions of the rows whose hash is below the limit; return their number."""
    n_features = factors.size
    found = 0
    for n in range(bits.size // n_features):
        total = np.uint64(0)
        for d in range(n_features):
            # Zeros of both signs are one number.
            number = bits[n * n_features + d] if values[n * n_features + d] != 0 else np.uint64(0)
            total += (number ^ (number >> FOLD)) * factors[d]
        total = (total ^ (total >> FOLD)) * FACTOR
        positions[found] = n
        found += (total ^ (total >> FOLD)) < limit
    return found


_SIGNATURE = types.int64(
    read_only(types.float64),
    read_only(types.uint64),
    read_only(types.uint64),
    types.uint64,
    types.Array(types.int64, 1, "C"),
)


@cache
def _kernel() -> Callable[..., int]:
    return made(_SIGNATURE, _below)


def compiled_rows_below(values: Array, limit: int) -> IntegerArray:
    """Return the positions of the rows (n, D) whose hash is below a limit."""
    n_rows, n_features = values.shape
    flat = np.ascontiguousarray(values, dtype=np.float64).reshape(-1)
    positions = np.empty(n_rows, dtype=np.int64)
    found = _kernel()(
        flat, flat.view(np.uint64), column_factors(n_features), np.uint64(limit), positions
    )
    return positions[:found].astype(np.intp, copy=True)
