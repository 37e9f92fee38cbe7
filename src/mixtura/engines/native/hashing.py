"""Rows chosen by their hashes, as :mod:`mixtura.engines.content_keys` chooses them."""

import numpy as np

from mixtura.engines.content_keys import column_factors
from mixtura.engines.native.library import KEY, POINTER, WHOLE, address, native_function
from mixtura.engines.native.passes import DOUBLE, SINGLE, contiguous
from mixtura.typing import Array, IntegerArray

_rows_below = native_function(
    "rows_below", WHOLE, POINTER, WHOLE, WHOLE, WHOLE, POINTER, KEY, POINTER
)


def native_rows_below(values: Array, limit: int) -> IntegerArray:
    """Return the positions of the rows (n, D) whose hash is below a limit."""
    single = values.dtype == SINGLE
    rows = contiguous(values, SINGLE if single else DOUBLE)
    factors = column_factors(rows.shape[1])
    positions = np.empty(len(rows), dtype=np.int64)
    found = _rows_below(
        address(rows), single, *rows.shape, address(factors), limit, address(positions)
    )
    return positions[:found].astype(np.intp, copy=True)
