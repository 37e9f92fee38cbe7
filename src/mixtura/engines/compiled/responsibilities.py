"""From the scores of a block to its responsibilities, in place, and the data term."""

from numba import njit

from mixtura.engines.compiled.elementary import exp, log
from mixtura.engines.compiled.lanes import (
    add,
    div,
    fma,
    load,
    mul,
    splat,
    store,
    sub,
    total,
    where_at_least,
    where_greater,
)

OPTIONS = {"nogil": True, "error_model": "numpy", "forceinline": True}

MULTIPLIED = 16
"""Sums of exponentials, each from 1 to K, that one logarithm serves."""


@njit(**OPTIONS)
def highest(scores, stride, n_components, n, top):
    """Write the highest score of each row to ``top``."""
    for b in range(0, n, 8):
        best = load(scores, b)
        for k in range(1, n_components):
            score = load(scores, k * stride + b)
            best = where_greater(score, best, score, best)
        store(top, b, best)


@njit(**OPTIONS)
def exponentiate(scores, stride, n_components, n, top, sums):
    """Replace scores by their exponentials relative to the highest; write the sums."""
    for b in range(0, n, 8):
        store(sums, b, splat(0.0))
    for k in range(n_components):
        row = k * stride
        for b in range(0, n, 16):
            first = exp(sub(load(scores, row + b), load(top, b)))
            second = exp(sub(load(scores, row + b + 8), load(top, b + 8)))
            store(scores, row + b, first)
            store(scores, row + b + 8, second)
            store(sums, b, add(load(sums, b), first))
            store(sums, b + 8, add(load(sums, b + 8), second))


@njit(**OPTIONS)
def data_term(top, sums, weights, weighted, n):
    """Return the weighted sum over rows of the log of the summed exponentiated scores."""
    result = splat(0.0)
    if weighted:
        for b in range(0, n, 8):
            result = fma(load(weights, b), add(load(top, b), log(load(sums, b))), result)
        return total(result)
    product = splat(1.0)
    for b in range(0, n, 8):
        result = add(result, load(top, b))
        product = mul(product, load(sums, b))
        if (b // 8) % MULTIPLIED == MULTIPLIED - 1:
            result = add(result, log(product))
            product = splat(1.0)
    return total(add(result, log(product)))


@njit(**OPTIONS)
def soften(scores, stride, n_components, n, weights, weighted, top, sums):
    """Turn scores into weighted responsibilities; return the data term."""
    if n_components == 2:
        soften_two(scores, stride, n, top, sums)
        result = data_term(top, sums, weights, weighted, n)
        if weighted:
            scale_rows(scores, stride, 2, n, weights)
        return result
    highest(scores, stride, n_components, n, top)
    exponentiate(scores, stride, n_components, n, top, sums)
    result = data_term(top, sums, weights, weighted, n)
    for b in range(0, n, 8):
        store(sums, b, div(load(weights, b), load(sums, b)))
    scale_rows(scores, stride, n_components, n, sums)
    return result


@njit(**OPTIONS)
def scale_rows(scores, stride, n_components, n, factor):
    """Multiply every component's responsibilities by a factor for each row."""
    for k in range(n_components):
        row = k * stride
        for b in range(0, n, 8):
            store(scores, row + b, mul(load(scores, row + b), load(factor, b)))


@njit(**OPTIONS)
def soften_two(scores, stride, n, top, sums):
    """Two components: one exponential a row."""
    one = splat(1.0)
    for b in range(0, n, 8):
        first = load(scores, b)
        second = load(scores, stride + b)
        high = where_at_least(first, second, first, second)
        low = where_at_least(first, second, second, first)
        odds = exp(sub(low, high))
        both = add(one, odds)
        larger = div(one, both)
        smaller = mul(odds, larger)
        store(top, b, high)
        store(sums, b, both)
        store(scores, b, where_at_least(first, second, larger, smaller))
        store(scores, stride + b, where_at_least(first, second, smaller, larger))


@njit(**OPTIONS)
def harden(scores, stride, n_components, n, weights, top):
    """Give each row whole to its highest score (the first of equals); return the data term."""
    highest(scores, stride, n_components, n, top)
    result = splat(0.0)
    for b in range(0, n, 8):
        left = load(weights, b)
        best = load(top, b)
        result = fma(left, best, result)
        for k in range(n_components):
            score = load(scores, k * stride + b)
            share = where_at_least(score, best, left, splat(0.0))
            store(scores, k * stride + b, share)
            left = where_at_least(score, best, splat(0.0), left)
    return total(result)


@njit(**OPTIONS)
def draw(scores, stride, n_components, n, weights, weighted, uniforms, top, sums):
    """Give each row whole to a component drawn by its uniform number; return the data term."""
    highest(scores, stride, n_components, n, top)
    exponentiate(scores, stride, n_components, n, top, sums)
    result = data_term(top, sums, weights, weighted, n)
    for b in range(0, n, 8):
        left = load(weights, b)
        threshold = mul(load(uniforms, b), load(sums, b))
        cumulative = splat(0.0)
        for k in range(n_components - 1):
            cumulative = add(cumulative, load(scores, k * stride + b))
            share = where_greater(cumulative, threshold, left, splat(0.0))
            store(scores, k * stride + b, share)
            left = where_greater(cumulative, threshold, splat(0.0), left)
        store(scores, (n_components - 1) * stride + b, left)
    return result
