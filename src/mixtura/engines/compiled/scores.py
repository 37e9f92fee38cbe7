"""Scores from squared distances, held where numbers end."""

from numba import njit

from mixtura.engines.compiled.lanes import fma, splat, store, where_greater

OPTIONS = {"nogil": True, "error_model": "numpy", "forceinline": True}

FARTHEST_SCORE = -5e299
"""Scores are held above it: a row past the end of float64 is equally far from all components."""


@njit(**OPTIONS)
def held(score):
    """Return scores above the lowest one that is allowed; no comparison holds for a NaN."""
    return where_greater(score, splat(FARTHEST_SCORE), score, splat(FARTHEST_SCORE))


@njit(**OPTIONS)
def store_scores(scores, start, constant, q0, q1, q2, q3):
    """Write constant - q / 2 for 32 rows."""
    half, base = splat(-0.5), splat(constant)
    store(scores, start, held(fma(half, q0, base)))
    store(scores, start + 8, held(fma(half, q1, base)))
    store(scores, start + 16, held(fma(half, q2, base)))
    store(scores, start + 24, held(fma(half, q3, base)))
