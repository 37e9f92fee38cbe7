"""Scores and moments of full structures: triangular forms, four rows at a time."""

from numba import njit

from mixtura.engines.compiled.lanes import add, load, mul, splat, store, sub, total
from mixtura.engines.compiled.options import INNER, OPTIONS
from mixtura.engines.compiled.tiles import dot, score_matrix, tile_4x1, tile_4x4, tile_diagonal


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


@njit(**INNER)
def centre(block, stride, n_features, n, mean, at, centred):
    """Write the block less a component's mean."""
    for d in range(n_features):
        m = splat(mean[at + d])
        for b in range(d * stride, d * stride + n, 16):
            store(centred, b, sub(load(block, b), m))
            store(centred, b + 8, sub(load(block, b + 8), m))


@njit(**INNER)
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


@njit(**INNER)
def moments_matrix(centred, stride, n_features, n, shares, start, weighted, first, second):
    """Add a component's first moments (D,) and the lower triangle of its second (D, D)."""
    ragged = n_features % 4
    sums, width = second.reshape(-1), n_features
    for i in range(ragged):
        first[i] += weigh(centred, i * stride, n, shares, start, weighted, 0)
        for j in range(i + 1):
            second[i, j] += dot(weighted, 0, n, centred, j * stride)
    for i in range(ragged, n_features, 4):
        for u in range(4):
            row = (i + u) * stride
            first[i + u] += weigh(centred, row, n, shares, start, weighted, u * stride)
        for j in range(ragged):
            to = i * width + j
            tile_4x1(weighted, 0, stride, n, centred, j * stride, sums, to, width)
        for j in range(ragged, i, 4):
            to = i * width + j
            tile_4x4(weighted, 0, stride, n, centred, j * stride, sums, to, width)
        to = i * width + i
        tile_diagonal(weighted, 0, stride, n, centred, i * stride, sums, to, width)


@njit(**INNER)
def score_matrices(potentials, block, stride, n, centred, scores):
    """Write every component's scores, (K, stride)."""
    constant, mean, _, _, packed = potentials
    n_features = mean.size // constant.size
    width = packed.size // constant.size
    for k in range(constant.size):
        centre(block, stride, n_features, n, mean, k * n_features, centred)
        at, to = k * width, k * stride
        score_matrix(centred, stride, n_features, n, constant[k], packed, at, scores, to)


@njit(**INNER)
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
