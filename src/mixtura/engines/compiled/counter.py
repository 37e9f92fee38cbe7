"""Uniform numbers that are a function of a key and a row's number, in any order."""

import numpy as np
from numba import njit

OPTIONS = {"nogil": True, "error_model": "numpy", "forceinline": True}

STEP = np.uint64(0x9E3779B97F4A7C15)
FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
SECOND_FACTOR = np.uint64(0x94D049BB133111EB)
TO_UNIT = 1.0 / (1 << 53)


@njit(**OPTIONS)
def uniforms_of(key, first, n, uniforms):
    """Write a number from 0 to below 1 for rows first to first + n, by counted SplitMix64.

    The same numbers as :func:`mixtura.assignments.row_uniforms`.
    """
    for b in range(n):
        bits = key + np.uint64(first + b + 1) * STEP
        bits = (bits ^ (bits >> np.uint64(30))) * FIRST_FACTOR
        bits = (bits ^ (bits >> np.uint64(27))) * SECOND_FACTOR
        bits = bits ^ (bits >> np.uint64(31))
        uniforms[b] = np.float64(bits >> np.uint64(11)) * TO_UNIT
