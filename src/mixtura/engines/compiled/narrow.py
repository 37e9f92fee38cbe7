"""Tiles for machines of sixteen vector registers: four lanes are summed at a time, not sixteen.

Lanes are two AVX registers each, or four of NEON: sums that do not fit in registers go to memory
and come back at every step. These take the places of the functions of the same names in
:mod:`mixtura.engines.compiled.wide`, to whose tiles everything that calls them is laid out.
"""

from numba import njit

from mixtura.engines.compiled.lanes import add, fma, load, mul, splat, sub, total
from mixtura.engines.compiled.options import INLINED, INNER
from mixtura.engines.compiled.scores import keep, store_score


@njit(**INNER)
def score_matrix(centred, stride, n_features, n, constant, packed, at, scores, start):
    """Write constant - 1/2 |(x - mean) P|^2 for each row of a centred block."""
    for b in range(0, n, 8):
        q = splat(0.0)
        position = at
        for column in range(-((-n_features) % 4), n_features, 4):
            a0 = splat(0.0)
            a1 = splat(0.0)
            a2 = splat(0.0)
            a3 = splat(0.0)
            row = b
            for _ in range(column + 4):
                u = load(centred, row)
                a0 = fma(splat(packed[position]), u, a0)
                a1 = fma(splat(packed[position + 1]), u, a1)
                a2 = fma(splat(packed[position + 2]), u, a2)
                a3 = fma(splat(packed[position + 3]), u, a3)
                position += 4
                row += stride
            q = fma(a0, a0, fma(a1, a1, fma(a2, a2, fma(a3, a3, q))))
        store_score(scores, start + b, constant, q)


@njit(**INLINED)
def score_four(features, span, coefficients, at, constant, k, scores, highest):
    """Write 32 rows' scores of four components; return the highest so far."""
    row, n_scored, stride, b = span
    to = k * stride + b
    t0, t1, t2, t3 = highest
    size = (n_scored, stride)
    return (
        score_eight(features, row, size, coefficients, at, constant, k, scores, to, t0),
        score_eight(features, row + 8, size, coefficients, at, constant, k, scores, to + 8, t1),
        score_eight(features, row + 16, size, coefficients, at, constant, k, scores, to + 16, t2),
        score_eight(features, row + 24, size, coefficients, at, constant, k, scores, to + 24, t3),
    )


@njit(**INLINED)
def score_eight(features, row, size, coefficients, at, constant, k, scores, to, top):
    """Write eight rows' scores of four components; return the highest so far."""
    n_scored, stride = size
    a0 = splat(constant[k])
    a1 = splat(constant[k + 1])
    a2 = splat(constant[k + 2])
    a3 = splat(constant[k + 3])
    for _ in range(n_scored):
        u = load(features, row)
        a0 = fma(splat(coefficients[at]), u, a0)
        a1 = fma(splat(coefficients[at + 1]), u, a1)
        a2 = fma(splat(coefficients[at + 2]), u, a2)
        a3 = fma(splat(coefficients[at + 3]), u, a3)
        at += 4
        row += stride
    return keep(scores, to, stride, a0, a1, a2, a3, top)


@njit(**INNER)
def tile_4x4(left, row, stride, n, right, at, sums, to, width):
    """Add the products of four rows of ``left`` and four of ``right`` to a tile of sums."""
    for i in range(0, 4, 2):
        for j in range(0, 4, 2):
            corner = to + i * width + j
            tile_2x2(left, row + i * stride, stride, n, right, at + j * stride, sums, corner, width)


@njit(**INNER)
def tile_2x2(left, row, stride, n, right, at, sums, to, width):
    """Add the products of two rows of ``left`` and two of ``right`` to a tile of sums."""
    a00 = splat(0.0)
    a01 = splat(0.0)
    a10 = splat(0.0)
    a11 = splat(0.0)
    for b in range(0, n, 8):
        u = load(right, at + b)
        v = load(right, at + stride + b)
        w = load(left, row + b)
        a00 = fma(w, u, a00)
        a01 = fma(w, v, a01)
        w = load(left, row + stride + b)
        a10 = fma(w, u, a10)
        a11 = fma(w, v, a11)
    sums[to] += total(a00)
    sums[to + 1] += total(a01)
    sums[to + width] += total(a10)
    sums[to + width + 1] += total(a11)


@njit(**INNER)
def tile_diagonal(left, row, stride, n, right, at, sums, to, width):
    """Add the lower triangle of the products of four rows and four."""
    half, further = 2 * stride, to + 2 * width
    triangle_2x2(left, row, stride, n, right, at, sums, to, width)
    tile_2x2(left, row + half, stride, n, right, at, sums, further, width)
    triangle_2x2(left, row + half, stride, n, right, at + half, sums, further + 2, width)


@njit(**INNER)
def triangle_2x2(left, row, stride, n, right, at, sums, to, width):
    """Add the lower triangle of the products of two rows and two."""
    a00 = splat(0.0)
    a10 = splat(0.0)
    a11 = splat(0.0)
    for b in range(0, n, 8):
        u = load(right, at + b)
        w = load(left, row + stride + b)
        a00 = fma(load(left, row + b), u, a00)
        a10 = fma(w, u, a10)
        a11 = fma(w, load(right, at + stride + b), a11)
    sums[to] += total(a00)
    sums[to + width] += total(a10)
    sums[to + width + 1] += total(a11)


@njit(**INNER)
def tile_4x1(left, row, stride, n, right, at, sums, to, width):
    """Add the products of four rows of ``left`` and one of ``right``, ``width`` apart."""
    a0 = splat(0.0)
    a1 = splat(0.0)
    a2 = splat(0.0)
    a3 = splat(0.0)
    for b in range(0, n, 8):
        u = load(right, at + b)
        a0 = fma(load(left, row + b), u, a0)
        a1 = fma(load(left, row + stride + b), u, a1)
        a2 = fma(load(left, row + 2 * stride + b), u, a2)
        a3 = fma(load(left, row + 3 * stride + b), u, a3)
    sums[to] += total(a0)
    sums[to + width] += total(a1)
    sums[to + 2 * width] += total(a2)
    sums[to + 3 * width] += total(a3)


@njit(**INNER)
def four_features(block, stride, row, n, shares, start, mean, at, first, second):
    """Add the moments of four consecutive features about their means."""
    two_features(block, stride, row, n, shares, start, mean, at, first, second)
    row += 2 * stride
    two_features(block, stride, row, n, shares, start, mean, at + 2, first, second)


@njit(**INNER)
def two_features(block, stride, row, n, shares, start, mean, at, first, second):
    """Add the moments of two consecutive features about their means."""
    m0 = splat(mean[at])
    m1 = splat(mean[at + 1])
    f0 = splat(0.0)
    f1 = splat(0.0)
    s0 = splat(0.0)
    s1 = splat(0.0)
    for b in range(0, n, 8):
        r = load(shares, start + b)
        c0 = sub(load(block, row + b), m0)
        c1 = sub(load(block, row + stride + b), m1)
        w0 = mul(r, c0)
        w1 = mul(r, c1)
        f0 = add(f0, w0)
        f1 = add(f1, w1)
        s0 = fma(w0, c0, s0)
        s1 = fma(w1, c1, s1)
    first[at] += total(f0)
    first[at + 1] += total(f1)
    second[at] += total(s0)
    second[at + 1] += total(s1)
