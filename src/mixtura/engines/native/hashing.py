"""Rows chosen by their hashes, as :mod:`mixtura.engines.content` chooses them."""

from collections.abc import Callable
from ctypes import c_int64, c_uint64, c_void_p
from functools import cache

import numpy as np

from mixtura.engines.content import column_factors
from mixtura.engines.native.library import address, library
from mixtura.typing import Array, IntegerArray


@cache
def _rows_below() -> Callable[..., int]:
    function = library().mixtura_rows_below
    function.argtypes = [c_void_p, c_int64, c_int64, c_int64, c_void_p, c_uint64, c_void_p]
    function.restype = c_int64
    return function


def native_rows_below(values: Array, limit: int) -> IntegerArray:
    """Return the positions of the rows (n, D) whose hash is below a limit."""
    single = values.dtype == np.float32
    rows = np.ascontiguousarray(values, dtype=np.float32 if single else np.float64)
    factors = column_factors(rows.shape[1])
    positions = np.empty(len(rows), dtype=np.int64)
    found = _rows_below()(
        address(rows), single, *rows.shape, address(factors), limit, address(positions)
    )
    return positions[:found].astype(np.intp, copy=True)
