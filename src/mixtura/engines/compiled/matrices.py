"""Scores and moments of full structures: triangular forms, four rows at a time."""

from numba import njit

from mixtura.engines.compiled.lanes import add, add_totals, fma, load, mul, splat, store, sub, total
from mixtura.engines.compiled.scores import store_scores

OPTIONS = {"nogil": True, "error_model": "numpy"}


@njit(**OPTIONS)
def pack_factor(factor, n_features, packed, start):
    """Copy an upper-triangular factor in the order in which scores read it.

    Four columns at a time, row by row down to the diagonal; the first four are the ragged ones,
    so that what is padded is short.
    """
    position = start
    for column in range(-((-n_features) % 4), n_features, 4):
        for i in range(column + 4):
            for j in range(column, column + 4):
                inside = j >= 0 and i <= j
                packed[position] = factor[i, j] if inside else 0.0
                position += 1


@njit(**OPTIONS)
def centre(block, stride, n_features, n, mean, at, centred):
    """Write the block less a component's mean."""
    for d in range(n_features):
        m = splat(mean[at + d])
        for b in range(d * stride, d * stride + n, 16):
            store(centred, b, sub(load(block, b), m))
            store(centred, b + 8, sub(load(block, b + 8), m))


@njit(**OPTIONS)
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
        store_scores(scores, start + b, constant, q0, q1, q2, q3)


@njit(**OPTIONS)
def weigh(centred, row, n, shares, start, weighted, to):
    """Write responsibility times one centred feature; return the sum."""
    first = splat(0.0)
    second = splat(0.0)
    for b in range(0, n, 16):
        w0 = mul(load(shares, start + b), load(centred, row + b))
        w1 = mul(load(shares, start + b + 8), load(centred, row + b + 8))
        store(weighted, to + b, w0)
        store(weighted, to + b + 8, w1)
        first = add(first, w0)
        second = add(second, w1)
    return total(add(first, second))


@njit(**OPTIONS)
def product_1x1(weighted, centred, row, n):
    """Return the sum of one weighted times one centred feature."""
    first = splat(0.0)
    second = splat(0.0)
    for b in range(0, n, 16):
        first = fma(load(weighted, b), load(centred, row + b), first)
        second = fma(load(weighted, b + 8), load(centred, row + b + 8), second)
    return total(add(first, second))


@njit(**OPTIONS)
def product_4x1(weighted, stride, centred, row, n, second, i, j):
    """Add four weighted features times one centred one to rows i..i+3 of column j."""
    a0 = splat(0.0)
    a1 = splat(0.0)
    a2 = splat(0.0)
    a3 = splat(0.0)
    c0 = splat(0.0)
    c1 = splat(0.0)
    c2 = splat(0.0)
    c3 = splat(0.0)
    for b in range(0, n, 16):
        u = load(centred, row + b)
        v = load(centred, row + b + 8)
        e = b + 8
        a0 = fma(load(weighted, b), u, a0)
        c0 = fma(load(weighted, e), v, c0)
        a1 = fma(load(weighted, stride + b), u, a1)
        c1 = fma(load(weighted, stride + e), v, c1)
        a2 = fma(load(weighted, 2 * stride + b), u, a2)
        c2 = fma(load(weighted, 2 * stride + e), v, c2)
        a3 = fma(load(weighted, 3 * stride + b), u, a3)
        c3 = fma(load(weighted, 3 * stride + e), v, c3)
    second[i, j] += total(add(a0, c0))
    second[i + 1, j] += total(add(a1, c1))
    second[i + 2, j] += total(add(a2, c2))
    second[i + 3, j] += total(add(a3, c3))


@njit(**OPTIONS)
def product_4x4(weighted, stride, centred, row, n, second, i, j):
    """Add four weighted times four centred features to the tile at (i, j)."""
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
        at = row + b
        u0 = load(centred, at)
        u1 = load(centred, at + stride)
        u2 = load(centred, at + 2 * stride)
        u3 = load(centred, at + 3 * stride)
        w = load(weighted, b)
        a00 = fma(w, u0, a00)
        a01 = fma(w, u1, a01)
        a02 = fma(w, u2, a02)
        a03 = fma(w, u3, a03)
        w = load(weighted, b + stride)
        a10 = fma(w, u0, a10)
        a11 = fma(w, u1, a11)
        a12 = fma(w, u2, a12)
        a13 = fma(w, u3, a13)
        w = load(weighted, b + 2 * stride)
        a20 = fma(w, u0, a20)
        a21 = fma(w, u1, a21)
        a22 = fma(w, u2, a22)
        a23 = fma(w, u3, a23)
        w = load(weighted, b + 3 * stride)
        a30 = fma(w, u0, a30)
        a31 = fma(w, u1, a31)
        a32 = fma(w, u2, a32)
        a33 = fma(w, u3, a33)
    at, width = i * second.shape[1] + j, second.shape[1]
    add_totals(second, at, a00, a01, a02, a03)
    add_totals(second, at + width, a10, a11, a12, a13)
    add_totals(second, at + 2 * width, a20, a21, a22, a23)
    add_totals(second, at + 3 * width, a30, a31, a32, a33)


@njit(**OPTIONS)
def product_diagonal(weighted, stride, centred, row, n, second, i):
    """Add the lower triangle of the tile on the diagonal."""
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
        at = row + b
        u0 = load(centred, at)
        u1 = load(centred, at + stride)
        u2 = load(centred, at + 2 * stride)
        u3 = load(centred, at + 3 * stride)
        a00 = fma(load(weighted, b), u0, a00)
        w = load(weighted, b + stride)
        a10 = fma(w, u0, a10)
        a11 = fma(w, u1, a11)
        w = load(weighted, b + 2 * stride)
        a20 = fma(w, u0, a20)
        a21 = fma(w, u1, a21)
        a22 = fma(w, u2, a22)
        w = load(weighted, b + 3 * stride)
        a30 = fma(w, u0, a30)
        a31 = fma(w, u1, a31)
        a32 = fma(w, u2, a32)
        a33 = fma(w, u3, a33)
    second[i, i] += total(a00)
    second[i + 1, i] += total(a10)
    second[i + 1, i + 1] += total(a11)
    second[i + 2, i] += total(a20)
    second[i + 2, i + 1] += total(a21)
    second[i + 2, i + 2] += total(a22)
    add_totals(second, (i + 3) * second.shape[1] + i, a30, a31, a32, a33)


@njit(**OPTIONS)
def moments_matrix(centred, stride, n_features, n, shares, start, weighted, first, second):
    """Add a component's first moments (D,) and the lower triangle of its second (D, D)."""
    ragged = n_features % 4
    for i in range(ragged):
        first[i] += weigh(centred, i * stride, n, shares, start, weighted, 0)
        for j in range(i + 1):
            second[i, j] += product_1x1(weighted, centred, j * stride, n)
    for i in range(ragged, n_features, 4):
        for u in range(4):
            row = (i + u) * stride
            first[i + u] += weigh(centred, row, n, shares, start, weighted, u * stride)
        for j in range(ragged):
            product_4x1(weighted, stride, centred, j * stride, n, second, i, j)
        for j in range(ragged, i, 4):
            product_4x4(weighted, stride, centred, j * stride, n, second, i, j)
        product_diagonal(weighted, stride, centred, i * stride, n, second, i)


@njit(**OPTIONS)
def score_matrices(potentials, block, stride, n, centred, scores):
    """Write every component's scores, (K, stride)."""
    constant, mean, _, _, packed = potentials
    n_features = mean.size // constant.size
    width = packed.size // constant.size
    for k in range(constant.size):
        centre(block, stride, n_features, n, mean, k * n_features, centred)
        at, to = k * width, k * stride
        score_matrix(centred, stride, n_features, n, constant[k], packed, at, scores, to)


@njit(**OPTIONS)
def moments_matrices(potentials, block, stride, n, centred, products, scores, statistics):
    """Add every component's first moments, flat (K D), and second ones (K, D, D)."""
    _, mean, _, _, _ = potentials
    count, first, _, square = statistics
    n_features = mean.size // count.size
    for k in range(count.size):
        at = k * n_features
        centre(block, stride, n_features, n, mean, at, centred)
        moments_matrix(
            centred, stride, n_features, n, scores, k * stride, products, first[at:], square[k]
        )
