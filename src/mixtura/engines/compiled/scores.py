"""Scores from squared distances, held where numbers end."""

from numba import njit

from mixtura.engines.compiled.lanes import fma, splat, store, where_greater
from mixtura.engines.compiled.options import INLINED

FARTHEST_SCORE = -5e299
"""Scores are held above it: a row past the end of float64 is equally far from all components."""


@njit(**INLINED)
def held(score):
    """Return scores above the lowest one that is allowed; no comparison holds for a NaN."""
    return where_greater(score, splat(FARTHEST_SCORE), score, splat(FARTHEST_SCORE))


@njit(**INLINED)
def store_score(scores, start, constant, q):
    """Write constant - q / 2 for eight rows."""
    store(scores, start, held(fma(splat(-0.5), q, splat(constant))))


@njit(**INLINED)
def keep(scores, to, stride, a0, a1, a2, a3, top):
    """Write the scores of four components; return the highest so far."""
    store(scores, to, a0)
    store(scores, to + stride, a1)
    store(scores, to + 2 * stride, a2)
    store(scores, to + 3 * stride, a3)
    low = where_greater(a0, a1, a0, a1)
    high = where_greater(a2, a3, a2, a3)
    best = where_greater(low, high, low, high)
    return where_greater(best, top, best, top)
