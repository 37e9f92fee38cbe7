"""Features of centred rows in which scores are linear: values, squares, products."""

from numba import njit

from mixtura.engines.compiled.lanes import fma, load, mul, splat, store, sub, where_at_least
from mixtura.engines.compiled.options import INNER

PRODUCTS, SQUARES, NORM, COMMON_MATRIX, COMMON_VARIANCES = range(5)
"""Kinds of features.

PRODUCTS: the values and the products of each two, rows i >= j of a triangle (full).
SQUARES: the values and their squares (diagonal).
NORM: the values and the sum of their squares (spherical).
COMMON_MATRIX: the values, and the values whitened by the shared factor (tied).
COMMON_VARIANCES: the values alone (shared variances).
"""


@njit(**INNER)
def centre_block(block, stride, n_features, n, centre, largest, squares):
    """Subtract the centre in place; write the squares from row ``squares`` on, unless it is zero.

    Returns lanes above zero where a square is past ``largest``.
    """
    outside = splat(0.0)
    limit, one = splat(largest), splat(1.0)
    for d in range(n_features):
        c = splat(centre[d])
        to = (squares + d) * stride
        for b in range(0, n, 8):
            u = sub(load(block, d * stride + b), c)
            square = mul(u, u)
            store(block, d * stride + b, u)
            if squares > 0:
                store(block, to + b, square)
            outside = where_at_least(limit, square, outside, one)
    return outside


@njit(**INNER)
def write_features(kind, features, stride, n_features, n, factor, scales, row_terms):
    """Write the features, other than squares, that follow the centred values, from row D on.

    ``row_terms`` receive what is common to all components' scores, where they share covariances.
    """
    if kind == PRODUCTS:
        to = n_features * stride
        for i in range(n_features):
            for j in range(i + 1):
                for b in range(0, n, 8):
                    u, v = load(features, i * stride + b), load(features, j * stride + b)
                    store(features, to + b, mul(u, v))
                to += stride
    elif kind == NORM:
        for b in range(0, n, 8):
            square = splat(0.0)
            for d in range(n_features):
                u = load(features, d * stride + b)
                square = fma(u, u, square)
            store(features, n_features * stride + b, square)
    elif kind == COMMON_MATRIX:
        whiten(features, stride, n_features, n, factor, row_terms)
    elif kind == COMMON_VARIANCES:
        for b in range(0, n, 8):
            square = splat(0.0)
            for d in range(n_features):
                z = mul(load(features, d * stride + b), splat(scales[d]))
                square = fma(z, z, square)
            store(row_terms, b, mul(square, splat(-0.5)))


@njit(**INNER)
def whiten(features, stride, n_features, n, factor, row_terms):
    """Write the values times the upper-triangular factor (D, D), and -1/2 of their square."""
    for b in range(0, n, 8):
        store(row_terms, b, splat(0.0))
    for j in range(n_features):
        to = (n_features + j) * stride
        for b in range(0, n, 8):
            z = splat(0.0)
            for i in range(j + 1):
                z = fma(load(features, i * stride + b), splat(factor[i, j]), z)
            store(features, to + b, z)
            store(row_terms, b, fma(mul(z, splat(-0.5)), z, load(row_terms, b)))
