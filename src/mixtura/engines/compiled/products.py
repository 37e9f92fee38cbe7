"""Scores and moments as matrix products of features with coefficients and responsibilities."""

from numba import njit

from mixtura.engines.compiled.lanes import (
    add,
    fma,
    load,
    mul,
    prefetch,
    splat,
    store,
    total,
    where_greater,
)
from mixtura.engines.compiled.options import INLINED, INNER
from mixtura.engines.compiled.tiles import dot, score_four, tile_4x1, tile_4x4

LOWEST = -1.7e308
LINE = 8
"""Numbers in a line of cache."""


@njit(**INNER)
def score_products(
    features, first, n_scored, stride, n, coefficients, constant, top, scores, rows, ahead, width
):
    """Write constant + features . coefficients for each row and component, and the highest.

    Meanwhile the rows from position ``ahead`` on, ``width`` numbers each, are fetched to cache.

    ``coefficients`` holds those of four components at a time, feature by feature, then those of
    the components that are left, one by one.
    """
    n_components = constant.size
    whole = n_components // 4 * 4
    for b in range(0, n, 32):
        for line in range(ahead + b * width, ahead + (b + 32) * width, LINE):
            prefetch(rows, line)
        highest = (splat(LOWEST), splat(LOWEST), splat(LOWEST), splat(LOWEST))
        at = 0
        row = first * stride + b
        span = (row, n_scored, stride, b)
        for k in range(0, whole, 4):
            highest = score_four(features, span, coefficients, at, constant, k, scores, highest)
            at += 4 * n_scored
        for k in range(whole, n_components):
            highest = score_one(features, span, coefficients, at, constant, k, scores, highest)
            at += n_scored
        store(top, b, highest[0])
        store(top, b + 8, highest[1])
        store(top, b + 16, highest[2])
        store(top, b + 24, highest[3])


@njit(**INLINED)
def score_one(features, span, coefficients, at, constant, k, scores, highest):
    """Write 32 rows' scores of one component; return the highest so far."""
    row, n_scored, stride, b = span
    a0 = splat(constant[k])
    a1, a2, a3 = a0, a0, a0
    for _ in range(n_scored):
        p = splat(coefficients[at])
        a0 = fma(p, load(features, row), a0)
        a1 = fma(p, load(features, row + 8), a1)
        a2 = fma(p, load(features, row + 16), a2)
        a3 = fma(p, load(features, row + 24), a3)
        at += 1
        row += stride
    to = k * stride + b
    store(scores, to, a0)
    store(scores, to + 8, a1)
    store(scores, to + 16, a2)
    store(scores, to + 24, a3)
    t0, t1, t2, t3 = highest
    return (
        where_greater(a0, t0, a0, t0),
        where_greater(a1, t1, a1, t1),
        where_greater(a2, t2, a2, t2),
        where_greater(a3, t3, a3, t3),
    )


@njit(**INNER)
def moment_products(features, n_moments, stride, n, shares, n_components, moments):
    """Add responsibilities . features to ``moments``, flat (F, K)."""
    whole = n_components // 4 * 4
    paired = n_moments // 4 * 4
    for f in range(0, paired, 4):
        row, to = f * stride, f * n_components
        for k in range(0, whole, 4):
            at = k * stride
            tile_4x4(features, row, stride, n, shares, at, moments, to + k, n_components)
        for k in range(whole, n_components):
            at = k * stride
            tile_4x1(features, row, stride, n, shares, at, moments, to + k, n_components)
    for f in range(paired, n_moments):
        row, to = f * stride, f * n_components
        for k in range(0, whole, 4):
            tile_4x1(shares, k * stride, stride, n, features, row, moments, to + k, 1)
        for k in range(whole, n_components):
            moments[to + k] += dot(features, row, n, shares, k * stride)


@njit(**INNER)
def weigh_and_count(shares, stride, n_components, n, factor, count):
    """Multiply responsibilities by a factor for each row, and add them to the counts."""
    for k in range(n_components):
        row = k * stride
        a = splat(0.0)
        c = splat(0.0)
        for b in range(0, n, 16):
            r = mul(load(shares, row + b), load(factor, b))
            s = mul(load(shares, row + b + 8), load(factor, b + 8))
            store(shares, row + b, r)
            store(shares, row + b + 8, s)
            a = add(a, r)
            c = add(c, s)
        count[k] += total(add(a, c))
