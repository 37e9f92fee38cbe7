"""Scores and moments of diagonal structures, one component and block at a time."""

from numba import njit

from mixtura.engines.compiled.lanes import add, fma, load, mul, splat, sub, total
from mixtura.engines.compiled.options import INNER
from mixtura.engines.compiled.scores import store_score
from mixtura.engines.compiled.tiles import four_features


@njit(**INNER)
def score_vector(block, stride, n_features, n, constant, mean, scale, at, scores, start):
    """Write constant - 1/2 sum_d ((x_d - mean_d) scale_d)^2 for each row of the block.

    ``mean`` and ``scale`` are flat (K D); the component's values begin at ``at``.
    """
    for b in range(0, n, 32):
        q0 = splat(0.0)
        q1 = splat(0.0)
        q2 = splat(0.0)
        q3 = splat(0.0)
        for d in range(n_features):
            m = splat(mean[at + d])
            p = splat(scale[at + d])
            row = d * stride + b
            z0 = mul(sub(load(block, row), m), p)
            z1 = mul(sub(load(block, row + 8), m), p)
            z2 = mul(sub(load(block, row + 16), m), p)
            z3 = mul(sub(load(block, row + 24), m), p)
            q0 = fma(z0, z0, q0)
            q1 = fma(z1, z1, q1)
            q2 = fma(z2, z2, q2)
            q3 = fma(z3, z3, q3)
        store_score(scores, start + b, constant, q0)
        store_score(scores, start + b + 8, constant, q1)
        store_score(scores, start + b + 16, constant, q2)
        store_score(scores, start + b + 24, constant, q3)


@njit(**INNER)
def one_feature(block, row, n, shares, start, mean, first, second, position):
    """Add the first and second moments of one feature about ``mean``."""
    m = splat(mean)
    f0 = splat(0.0)
    f1 = splat(0.0)
    s0 = splat(0.0)
    s1 = splat(0.0)
    for b in range(0, n, 16):
        c0 = sub(load(block, row + b), m)
        c1 = sub(load(block, row + b + 8), m)
        w0 = mul(load(shares, start + b), c0)
        w1 = mul(load(shares, start + b + 8), c1)
        f0 = add(f0, w0)
        f1 = add(f1, w1)
        s0 = fma(w0, c0, s0)
        s1 = fma(w1, c1, s1)
    first[position] += total(add(f0, f1))
    second[position] += total(add(s0, s1))


@njit(**INNER)
def moments_vector(block, stride, n_features, n, shares, start, mean, at, first, second):
    """Add a component's first and second moments about its mean, feature by feature."""
    whole = n_features - n_features % 4
    for d in range(0, whole, 4):
        four_features(block, stride, d * stride, n, shares, start, mean, at + d, first, second)
    for d in range(whole, n_features):
        one_feature(block, d * stride, n, shares, start, mean[at + d], first, second, at + d)


@njit(**INNER)
def score_vectors(potentials, block, stride, n, scores):
    """Write every component's scores, (K, stride)."""
    constant, mean, scale, _, _ = potentials
    n_features = mean.size // constant.size
    for k in range(constant.size):
        at, to, base = k * n_features, k * stride, constant[k]
        score_vector(block, stride, n_features, n, base, mean, scale, at, scores, to)


@njit(**INNER)
def moments_vectors(potentials, block, stride, n, scores, statistics):
    """Add every component's first and second moments, flat (K D)."""
    _, mean, _, _, _ = potentials
    count, first, second, _ = statistics
    n_features = mean.size // count.size
    for k in range(count.size):
        at, start = k * n_features, k * stride
        moments_vector(block, stride, n_features, n, scores, start, mean, at, first, second)
