"""Scores and moments as matrix products of features with coefficients and responsibilities."""

from numba import njit

from mixtura.engines.compiled.lanes import (
    add,
    add_totals,
    fma,
    load,
    mul,
    prefetch,
    splat,
    store,
    total,
    where_greater,
)

OPTIONS = {"nogil": True, "error_model": "numpy"}

LOWEST = -1.7e308
LINE = 8
"""Numbers in a line of cache."""


@njit(**OPTIONS)
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


@njit(forceinline=True, **OPTIONS)
def score_four(features, span, coefficients, at, constant, k, scores, highest):
    """Write 32 rows' scores of four components; return the highest so far."""
    row, n_scored, stride, b = span
    a00 = splat(constant[k])
    a10 = splat(constant[k + 1])
    a20 = splat(constant[k + 2])
    a30 = splat(constant[k + 3])
    a01, a02, a03 = a00, a00, a00
    a11, a12, a13 = a10, a10, a10
    a21, a22, a23 = a20, a20, a20
    a31, a32, a33 = a30, a30, a30
    for _ in range(n_scored):
        u0 = load(features, row)
        u1 = load(features, row + 8)
        u2 = load(features, row + 16)
        u3 = load(features, row + 24)
        p = splat(coefficients[at])
        a00 = fma(p, u0, a00)
        a01 = fma(p, u1, a01)
        a02 = fma(p, u2, a02)
        a03 = fma(p, u3, a03)
        p = splat(coefficients[at + 1])
        a10 = fma(p, u0, a10)
        a11 = fma(p, u1, a11)
        a12 = fma(p, u2, a12)
        a13 = fma(p, u3, a13)
        p = splat(coefficients[at + 2])
        a20 = fma(p, u0, a20)
        a21 = fma(p, u1, a21)
        a22 = fma(p, u2, a22)
        a23 = fma(p, u3, a23)
        p = splat(coefficients[at + 3])
        a30 = fma(p, u0, a30)
        a31 = fma(p, u1, a31)
        a32 = fma(p, u2, a32)
        a33 = fma(p, u3, a33)
        at += 4
        row += stride
    to = k * stride + b
    t0, t1, t2, t3 = highest
    return (
        keep(scores, to, stride, a00, a10, a20, a30, t0),
        keep(scores, to + 8, stride, a01, a11, a21, a31, t1),
        keep(scores, to + 16, stride, a02, a12, a22, a32, t2),
        keep(scores, to + 24, stride, a03, a13, a23, a33, t3),
    )


@njit(forceinline=True, **OPTIONS)
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


@njit(**OPTIONS)
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


@njit(**OPTIONS)
def moment_products(features, n_moments, stride, n, shares, n_components, moments):
    """Add responsibilities . features to ``moments``, flat (F, K)."""
    whole = n_components // 4 * 4
    paired = n_moments // 4 * 4
    for f in range(0, paired, 4):
        for k in range(0, whole, 4):
            tile_4x4(features, f * stride, stride, n, shares, k * stride, moments, f, k)
        for k in range(whole, n_components):
            tile_1x4(features, f * stride, stride, n, shares, k * stride, moments, f, k)
    for f in range(paired, n_moments):
        for k in range(0, whole, 4):
            tile_4x1(features, f * stride, stride, n, shares, k * stride, moments, f, k)
        for k in range(whole, n_components):
            moments[f * n_components + k] += dot(features, f * stride, n, shares, k * stride)


@njit(**OPTIONS)
def tile_4x4(features, row, stride, n, shares, share, moments, f, k):
    """Add the products of four features and four components."""
    a00 = splat(0.0)
    a01 = splat(0.0)
    a02 = splat(0.0)
    a03 = splat(0.0)
    a10 = splat(0.0)
    a11 = splat(0.0)
    a12 = splat(0.0)
    a13 = splat(0.0)
    a20 = splat(0.0)
    a21 = splat(0.0)
    a22 = splat(0.0)
    a23 = splat(0.0)
    a30 = splat(0.0)
    a31 = splat(0.0)
    a32 = splat(0.0)
    a33 = splat(0.0)
    for b in range(0, n, 8):
        at = share + b
        r0 = load(shares, at)
        r1 = load(shares, at + stride)
        r2 = load(shares, at + 2 * stride)
        r3 = load(shares, at + 3 * stride)
        at = row + b
        u = load(features, at)
        a00 = fma(u, r0, a00)
        a01 = fma(u, r1, a01)
        a02 = fma(u, r2, a02)
        a03 = fma(u, r3, a03)
        u = load(features, at + stride)
        a10 = fma(u, r0, a10)
        a11 = fma(u, r1, a11)
        a12 = fma(u, r2, a12)
        a13 = fma(u, r3, a13)
        u = load(features, at + 2 * stride)
        a20 = fma(u, r0, a20)
        a21 = fma(u, r1, a21)
        a22 = fma(u, r2, a22)
        a23 = fma(u, r3, a23)
        u = load(features, at + 3 * stride)
        a30 = fma(u, r0, a30)
        a31 = fma(u, r1, a31)
        a32 = fma(u, r2, a32)
        a33 = fma(u, r3, a33)
    n_components = shares.size // stride
    at = f * n_components + k
    add_totals(moments, at, a00, a01, a02, a03)
    add_totals(moments, at + n_components, a10, a11, a12, a13)
    add_totals(moments, at + 2 * n_components, a20, a21, a22, a23)
    add_totals(moments, at + 3 * n_components, a30, a31, a32, a33)


@njit(**OPTIONS)
def tile_4x1(features, row, stride, n, shares, share, moments, f, k):
    """Add the products of one feature and four components."""
    a0 = splat(0.0)
    a1 = splat(0.0)
    a2 = splat(0.0)
    a3 = splat(0.0)
    c0 = splat(0.0)
    c1 = splat(0.0)
    c2 = splat(0.0)
    c3 = splat(0.0)
    for b in range(0, n, 16):
        u = load(features, row + b)
        v = load(features, row + b + 8)
        at = share + b
        a0 = fma(u, load(shares, at), a0)
        c0 = fma(v, load(shares, at + 8), c0)
        a1 = fma(u, load(shares, at + stride), a1)
        c1 = fma(v, load(shares, at + stride + 8), c1)
        a2 = fma(u, load(shares, at + 2 * stride), a2)
        c2 = fma(v, load(shares, at + 2 * stride + 8), c2)
        a3 = fma(u, load(shares, at + 3 * stride), a3)
        c3 = fma(v, load(shares, at + 3 * stride + 8), c3)
    at = f * (shares.size // stride) + k
    add_totals(moments, at, add(a0, c0), add(a1, c1), add(a2, c2), add(a3, c3))


@njit(**OPTIONS)
def tile_1x4(features, row, stride, n, shares, share, moments, f, k):
    """Add the products of four features and one component."""
    a0 = splat(0.0)
    a1 = splat(0.0)
    a2 = splat(0.0)
    a3 = splat(0.0)
    c0 = splat(0.0)
    c1 = splat(0.0)
    c2 = splat(0.0)
    c3 = splat(0.0)
    for b in range(0, n, 16):
        r = load(shares, share + b)
        s = load(shares, share + b + 8)
        at = row + b
        a0 = fma(r, load(features, at), a0)
        c0 = fma(s, load(features, at + 8), c0)
        a1 = fma(r, load(features, at + stride), a1)
        c1 = fma(s, load(features, at + stride + 8), c1)
        a2 = fma(r, load(features, at + 2 * stride), a2)
        c2 = fma(s, load(features, at + 2 * stride + 8), c2)
        a3 = fma(r, load(features, at + 3 * stride), a3)
        c3 = fma(s, load(features, at + 3 * stride + 8), c3)
    n_components = shares.size // stride
    at = f * n_components + k
    moments[at] += total(add(a0, c0))
    moments[at + n_components] += total(add(a1, c1))
    moments[at + 2 * n_components] += total(add(a2, c2))
    moments[at + 3 * n_components] += total(add(a3, c3))


@njit(**OPTIONS)
def dot(left, at, n, right, start):
    """Return the sum of products of two stretches."""
    a = splat(0.0)
    c = splat(0.0)
    for b in range(0, n, 16):
        a = fma(load(left, at + b), load(right, start + b), a)
        c = fma(load(left, at + b + 8), load(right, start + b + 8), c)
    return total(add(a, c))


@njit(**OPTIONS)
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
