"""Scores and moments of full structures with two features."""

from numba import njit

from mixtura.engines.compiled.lanes import add, fma, load, mul, splat, store, sub, total
from mixtura.engines.compiled.options import INNER
from mixtura.engines.compiled.scores import held


@njit(**INNER)
def score_plane(block, stride, n, constant, mean, at, factor, scores, start):
    """Write constant - 1/2 |(x - mean) P|^2; ``factor`` is P, upper triangular, of shape (2, 2)."""
    m0 = splat(mean[at])
    m1 = splat(mean[at + 1])
    p00 = splat(factor[0, 0])
    p01 = splat(factor[0, 1])
    p11 = splat(factor[1, 1])
    half = splat(-0.5)
    base = splat(constant)
    for b in range(0, n, 16):
        u = sub(load(block, b), m0)
        v = sub(load(block, stride + b), m1)
        s = sub(load(block, b + 8), m0)
        t = sub(load(block, stride + b + 8), m1)
        z = mul(u, p00)
        y = fma(u, p01, mul(v, p11))
        store(scores, start + b, held(fma(half, fma(z, z, mul(y, y)), base)))
        z = mul(s, p00)
        y = fma(s, p01, mul(t, p11))
        store(scores, start + b + 8, held(fma(half, fma(z, z, mul(y, y)), base)))


@njit(**INNER)
def moments_plane(block, stride, n, shares, start, mean, at, first, second):
    """Add a component's first moments (2,) and the lower triangle of its second (2, 2)."""
    m0 = splat(mean[at])
    m1 = splat(mean[at + 1])
    f0 = splat(0.0)
    f1 = splat(0.0)
    s00 = splat(0.0)
    s10 = splat(0.0)
    s11 = splat(0.0)
    for b in range(0, n, 8):
        r = load(shares, start + b)
        u = sub(load(block, b), m0)
        v = sub(load(block, stride + b), m1)
        wu = mul(r, u)
        wv = mul(r, v)
        f0 = add(f0, wu)
        f1 = add(f1, wv)
        s00 = fma(wu, u, s00)
        s10 = fma(wv, u, s10)
        s11 = fma(wv, v, s11)
    first[0] += total(f0)
    first[1] += total(f1)
    second[0, 0] += total(s00)
    second[1, 0] += total(s10)
    second[1, 1] += total(s11)


@njit(**INNER)
def score_planes(potentials, block, stride, n, scores):
    """Write every component's scores, (K, stride)."""
    constant, mean, _, factor, _ = potentials
    for k in range(constant.size):
        score_plane(block, stride, n, constant[k], mean, 2 * k, factor[k], scores, k * stride)


@njit(**INNER)
def moments_planes(potentials, block, stride, n, scores, statistics):
    """Add every component's first moments, flat (K 2), and second ones (K, 2, 2)."""
    _, mean, _, _, _ = potentials
    count, first, _, square = statistics
    for k in range(count.size):
        at, start = 2 * k, k * stride
        moments_plane(block, stride, n, scores, start, mean, at, first[at:], square[k])
