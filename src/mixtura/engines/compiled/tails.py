"""Scores of components with tails, one component and block at a time."""

from numba import njit

from mixtura.engines.compiled.elementary import exp, log, log1p
from mixtura.engines.compiled.lanes import (
    add,
    fma,
    load,
    mul,
    splat,
    store,
    sub,
    total,
    where_greater,
)
from mixtura.engines.compiled.options import INNER
from mixtura.engines.compiled.scores import held

LARGEST_PRODUCT = 1e280
"""Product of all features' terms up to which one logarithm serves them."""

FARTHEST_SQUARE = 1e300
"""Squared standardised distances are held below it."""


@njit(**INNER)
def student_distances(tails, stride, n, scores):
    """Turn scores that are -1/2 |z|^2 into those of multivariate t distributions, in place."""
    constant, power, inverse, _ = tails
    for k in range(constant.size):
        base, exponent, scale = splat(constant[k]), splat(power[k]), splat(-2.0 * inverse[k])
        for b in range(k * stride, k * stride + n, 16):
            first = log1p(mul(scale, load(scores, b)))
            second = log1p(mul(scale, load(scores, b + 8)))
            store(scores, b, fma(exponent, first, base))
            store(scores, b + 8, fma(exponent, second, base))


@njit(**INNER)
def students_one_by_one(potentials, tails, block, stride, b, k):
    """Return the scores of eight rows under a product of univariate t, a logarithm for each."""
    _, mean, scale, _, _ = potentials
    constant, power, inverse, _ = tails
    n_features = mean.size // constant.size
    score = splat(constant[k])
    for d in range(n_features):
        at = k * n_features + d
        z = mul(sub(load(block, d * stride + b), splat(mean[at])), splat(scale[at]))
        term = mul(z, z)
        farthest = splat(FARTHEST_SQUARE * inverse[at])
        term = where_greater(farthest, term, term, farthest)
        score = fma(splat(power[at]), log1p(term), score)
    return held(score)


@njit(**INNER)
def student_features(potentials, tails, block, stride, n, scores):
    """Write the scores under products of univariate t distributions.

    ``scale`` holds the degrees of freedom: the terms are 1 + ((x - mean) scale)^2. Where a
    component has one power for all features, the logarithm is taken of their product.
    """
    _, mean, scale, _, _ = potentials
    constant, power, _, alike = tails
    n_components = constant.size
    n_features = mean.size // n_components
    for k in range(n_components):
        at, start = k * n_features, k * stride
        base, exponent = splat(constant[k]), splat(power[at])
        for b in range(0, n, 32):
            p0 = splat(0.0)
            p1 = splat(0.0)
            p2 = splat(0.0)
            p3 = splat(0.0)
            for d in range(n_features):
                m, s, row = splat(mean[at + d]), splat(scale[at + d]), d * stride + b
                z0 = mul(sub(load(block, row), m), s)
                z1 = mul(sub(load(block, row + 8), m), s)
                z2 = mul(sub(load(block, row + 16), m), s)
                z3 = mul(sub(load(block, row + 24), m), s)
                u0, u1, u2, u3 = mul(z0, z0), mul(z1, z1), mul(z2, z2), mul(z3, z3)
                # (1 + p) (1 + u) - 1, in which nothing cancels.
                p0 = add(fma(p0, u0, u0), p0)
                p1 = add(fma(p1, u1, u1), p1)
                p2 = add(fma(p2, u2, u2), p2)
                p3 = add(fma(p3, u3, u3), p3)
            if alike[k] > 0.0 and small(p0) and small(p1) and small(p2) and small(p3):
                store(scores, start + b, fma(exponent, log1p(p0), base))
                store(scores, start + b + 8, fma(exponent, log1p(p1), base))
                store(scores, start + b + 16, fma(exponent, log1p(p2), base))
                store(scores, start + b + 24, fma(exponent, log1p(p3), base))
            else:
                for c in range(b, b + 32, 8):
                    score = students_one_by_one(potentials, tails, block, stride, c, k)
                    store(scores, start + c, score)


@njit(**INNER)
def small(product):
    """Whether no product has left the range of one logarithm; a NaN has."""
    return total(where_greater(splat(LARGEST_PRODUCT), product, splat(0.0), splat(1.0))) == 0.0


@njit(**INNER)
def mixture_features(potentials, tails, block, stride, n, squares, terms, scores):
    """Write the scores under mixtures of Gaussians of several widths.

    ``share`` is flat (K, W, J), W one or the number of features, and ``precision`` flat (K, D, J);
    ``squares`` has room for D times eight numbers, ``terms`` for J times eight.
    """
    _, mean, scale, _, _ = potentials
    constant, share, precision, _ = tails
    n_components = constant.size
    n_features = mean.size // n_components
    n_widths = precision.size // mean.size
    n_groups = share.size // (n_components * n_widths)
    size = n_features // n_groups
    farthest = splat(FARTHEST_SQUARE)
    for k in range(n_components):
        for b in range(0, n, 8):
            for d in range(n_features):
                at = k * n_features + d
                z = mul(sub(load(block, d * stride + b), splat(mean[at])), splat(scale[at]))
                square = mul(z, z)
                square = where_greater(farthest, square, square, farthest)
                store(squares, 8 * d, mul(square, splat(-0.5)))
            score = splat(constant[k])
            for g in range(n_groups):
                shares = share[(k * n_groups + g) * n_widths :]
                precisions = precision[(k * n_features + g * size) * n_widths :]
                of_group = squares[8 * g * size :]
                score = add(score, log_mixture(of_group, size, n_widths, shares, precisions, terms))
            store(scores, k * stride + b, held(score))


@njit(**INNER)
def log_mixture(squares, size, n_widths, share, precision, terms):
    """Return the log of a mixture over widths of the Gaussians of ``size`` features."""
    top = splat(-1e308)
    for j in range(n_widths):
        term = splat(share[j])
        for d in range(size):
            term = fma(load(squares, 8 * d), splat(precision[d * n_widths + j]), term)
        store(terms, 8 * j, term)
        top = where_greater(term, top, term, top)
    summed = splat(0.0)
    for j in range(n_widths):
        summed = add(summed, exp(sub(load(terms, 8 * j), top)))
    return add(top, log(summed))
