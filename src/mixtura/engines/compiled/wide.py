"""Tiles for machines of 32 vector registers of eight numbers each: sixteen lanes at once."""

from numba import njit

from mixtura.engines.compiled.lanes import (
    add,
    add_totals,
    fma,
    load,
    mul,
    splat,
    sub,
    total,
)
from mixtura.engines.compiled.options import INLINED, INNER
from mixtura.engines.compiled.scores import keep, store_score


@njit(**INNER)
def score_matrix(centred, stride, n_features, n, constant, packed, at, scores, start):
    """Write constant - 1/2 |(x - mean) P|^2 for each row of a centred block."""
    for b in range(0, n, 32):
        q0 = splat(0.0)
        q1 = splat(0.0)
        q2 = splat(0.0)
        q3 = splat(0.0)
        position = at
        for column in range(-((-n_features) % 4), n_features, 4):
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
            row = b
            for _ in range(column + 4):
                u0 = load(centred, row)
                u1 = load(centred, row + 8)
                u2 = load(centred, row + 16)
                u3 = load(centred, row + 24)
                p = splat(packed[position])
                a00 = fma(p, u0, a00)
                a01 = fma(p, u1, a01)
                a02 = fma(p, u2, a02)
                a03 = fma(p, u3, a03)
                p = splat(packed[position + 1])
                a10 = fma(p, u0, a10)
                a11 = fma(p, u1, a11)
                a12 = fma(p, u2, a12)
                a13 = fma(p, u3, a13)
                p = splat(packed[position + 2])
                a20 = fma(p, u0, a20)
                a21 = fma(p, u1, a21)
                a22 = fma(p, u2, a22)
                a23 = fma(p, u3, a23)
                p = splat(packed[position + 3])
                a30 = fma(p, u0, a30)
                a31 = fma(p, u1, a31)
                a32 = fma(p, u2, a32)
                a33 = fma(p, u3, a33)
                position += 4
                row += stride
            q0 = fma(a00, a00, fma(a10, a10, fma(a20, a20, fma(a30, a30, q0))))
            q1 = fma(a01, a01, fma(a11, a11, fma(a21, a21, fma(a31, a31, q1))))
            q2 = fma(a02, a02, fma(a12, a12, fma(a22, a22, fma(a32, a32, q2))))
            q3 = fma(a03, a03, fma(a13, a13, fma(a23, a23, fma(a33, a33, q3))))
        store_score(scores, start + b, constant, q0)
        store_score(scores, start + b + 8, constant, q1)
        store_score(scores, start + b + 16, constant, q2)
        store_score(scores, start + b + 24, constant, q3)


@njit(**INLINED)
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


@njit(**INNER)
def tile_4x4(left, row, stride, n, right, at, sums, to, width):
    """Add the products of four rows of ``left`` and four of ``right`` to a tile of sums."""
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
        there = at + b
        r0 = load(right, there)
        r1 = load(right, there + stride)
        r2 = load(right, there + 2 * stride)
        r3 = load(right, there + 3 * stride)
        here = row + b
        u = load(left, here)
        a00 = fma(u, r0, a00)
        a01 = fma(u, r1, a01)
        a02 = fma(u, r2, a02)
        a03 = fma(u, r3, a03)
        u = load(left, here + stride)
        a10 = fma(u, r0, a10)
        a11 = fma(u, r1, a11)
        a12 = fma(u, r2, a12)
        a13 = fma(u, r3, a13)
        u = load(left, here + 2 * stride)
        a20 = fma(u, r0, a20)
        a21 = fma(u, r1, a21)
        a22 = fma(u, r2, a22)
        a23 = fma(u, r3, a23)
        u = load(left, here + 3 * stride)
        a30 = fma(u, r0, a30)
        a31 = fma(u, r1, a31)
        a32 = fma(u, r2, a32)
        a33 = fma(u, r3, a33)
    add_totals(sums, to, a00, a01, a02, a03)
    add_totals(sums, to + width, a10, a11, a12, a13)
    add_totals(sums, to + 2 * width, a20, a21, a22, a23)
    add_totals(sums, to + 3 * width, a30, a31, a32, a33)


@njit(**INNER)
def tile_4x1(left, row, stride, n, right, at, sums, to, width):
    """Add the products of four rows of ``left`` and one of ``right``, ``width`` apart."""
    a0 = splat(0.0)
    a1 = splat(0.0)
    a2 = splat(0.0)
    a3 = splat(0.0)
    c0 = splat(0.0)
    c1 = splat(0.0)
    c2 = splat(0.0)
    c3 = splat(0.0)
    for b in range(0, n, 16):
        r = load(right, at + b)
        s = load(right, at + b + 8)
        here = row + b
        a0 = fma(r, load(left, here), a0)
        c0 = fma(s, load(left, here + 8), c0)
        a1 = fma(r, load(left, here + stride), a1)
        c1 = fma(s, load(left, here + stride + 8), c1)
        a2 = fma(r, load(left, here + 2 * stride), a2)
        c2 = fma(s, load(left, here + 2 * stride + 8), c2)
        a3 = fma(r, load(left, here + 3 * stride), a3)
        c3 = fma(s, load(left, here + 3 * stride + 8), c3)
    sums[to] += total(add(a0, c0))
    sums[to + width] += total(add(a1, c1))
    sums[to + 2 * width] += total(add(a2, c2))
    sums[to + 3 * width] += total(add(a3, c3))


@njit(**INNER)
def tile_diagonal(left, row, stride, n, right, at, sums, to, width):
    """Add the lower triangle of the products of four rows and four."""
    a00 = splat(0.0)
    a10 = splat(0.0)
    a11 = splat(0.0)
    a20 = splat(0.0)
    a21 = splat(0.0)
    a22 = splat(0.0)
    a30 = splat(0.0)
    a31 = splat(0.0)
    a32 = splat(0.0)
    a33 = splat(0.0)
    for b in range(0, n, 8):
        there = at + b
        u0 = load(right, there)
        u1 = load(right, there + stride)
        u2 = load(right, there + 2 * stride)
        u3 = load(right, there + 3 * stride)
        here = row + b
        a00 = fma(load(left, here), u0, a00)
        w = load(left, here + stride)
        a10 = fma(w, u0, a10)
        a11 = fma(w, u1, a11)
        w = load(left, here + 2 * stride)
        a20 = fma(w, u0, a20)
        a21 = fma(w, u1, a21)
        a22 = fma(w, u2, a22)
        w = load(left, here + 3 * stride)
        a30 = fma(w, u0, a30)
        a31 = fma(w, u1, a31)
        a32 = fma(w, u2, a32)
        a33 = fma(w, u3, a33)
    sums[to] += total(a00)
    sums[to + width] += total(a10)
    sums[to + width + 1] += total(a11)
    sums[to + 2 * width] += total(a20)
    sums[to + 2 * width + 1] += total(a21)
    sums[to + 2 * width + 2] += total(a22)
    add_totals(sums, to + 3 * width, a30, a31, a32, a33)


@njit(**INNER)
def four_features(block, stride, row, n, shares, start, mean, at, first, second):
    """Add the moments of four consecutive features about their means."""
    m0 = splat(mean[at])
    m1 = splat(mean[at + 1])
    m2 = splat(mean[at + 2])
    m3 = splat(mean[at + 3])
    f0 = splat(0.0)
    f1 = splat(0.0)
    f2 = splat(0.0)
    f3 = splat(0.0)
    s0 = splat(0.0)
    s1 = splat(0.0)
    s2 = splat(0.0)
    s3 = splat(0.0)
    for b in range(0, n, 8):
        r = load(shares, start + b)
        at_row = row + b
        c0 = sub(load(block, at_row), m0)
        c1 = sub(load(block, at_row + stride), m1)
        c2 = sub(load(block, at_row + 2 * stride), m2)
        c3 = sub(load(block, at_row + 3 * stride), m3)
        w0 = mul(r, c0)
        w1 = mul(r, c1)
        w2 = mul(r, c2)
        w3 = mul(r, c3)
        f0 = add(f0, w0)
        f1 = add(f1, w1)
        f2 = add(f2, w2)
        f3 = add(f3, w3)
        s0 = fma(w0, c0, s0)
        s1 = fma(w1, c1, s1)
        s2 = fma(w2, c2, s2)
        s3 = fma(w3, c3, s3)
    first[at] += total(f0)
    first[at + 1] += total(f1)
    first[at + 2] += total(f2)
    first[at + 3] += total(f3)
    second[at] += total(s0)
    second[at + 1] += total(s1)
    second[at + 2] += total(s2)
    second[at + 3] += total(s3)
