"""From the scores of a block to its responsibilities, in place, and the data term."""

from numba import njit

from mixtura.engines.compiled.counter import uniforms_of
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
from mixtura.engines.compiled.options import INNER

SOFT, HARD, SAMPLED, GIVEN, LABELLED = range(5)
"""Numbers of the assignments within compiled code."""

MULTIPLIED = 16
"""Sums of exponentials, each from 1 to K, that one logarithm serves."""


@njit(**INNER)
def highest(scores, stride, n_components, n, top):
    """Write the highest score of each row to ``top``."""
    for b in range(0, n, 8):
        best = load(scores, b)
        for k in range(1, n_components):
            score = load(scores, k * stride + b)
            best = where_greater(score, best, score, best)
        store(top, b, best)


@njit(**INNER)
def exponentiate(scores, stride, n_components, n, top, sums):
    """Replace scores by their exponentials relative to the highest; write the sums."""
    for b in range(0, n, 16):
        first_top, second_top = load(top, b), load(top, b + 8)
        first_sum, second_sum = splat(0.0), splat(0.0)
        for k in range(n_components):
            at = k * stride + b
            first = exp(sub(load(scores, at), first_top))
            second = exp(sub(load(scores, at + 8), second_top))
            store(scores, at, first)
            store(scores, at + 8, second)
            first_sum, second_sum = add(first_sum, first), add(second_sum, second)
        store(sums, b, first_sum)
        store(sums, b + 8, second_sum)


@njit(**INNER)
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


@njit(**INNER)
def soften(scores, stride, n_components, n, weights, weighted, top, sums):
    """Turn scores into responsibilities up to a factor for each row, which ``sums`` receives.

    ``top`` holds the highest scores. Returns the data term.
    """
    if n_components == 2:
        soften_two(scores, stride, n, top, sums)
        result = data_term(top, sums, weights, weighted, n)
        for b in range(0, n, 8):
            store(sums, b, load(weights, b))
        return result
    exponentiate(scores, stride, n_components, n, top, sums)
    result = data_term(top, sums, weights, weighted, n)
    for b in range(0, n, 8):
        store(sums, b, div(load(weights, b), load(sums, b)))
    return result


@njit(**INNER)
def scale_rows(scores, stride, n_components, n, factor):
    """Multiply every component's responsibilities by a factor for each row."""
    for k in range(n_components):
        row = k * stride
        for b in range(0, n, 8):
            store(scores, row + b, mul(load(scores, row + b), load(factor, b)))


@njit(**INNER)
def fill(row, n, value):
    """Write one value n times."""
    for b in range(0, n, 8):
        store(row, b, splat(value))


@njit(**INNER)
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


@njit(**INNER)
def harden(scores, stride, n_components, n, weights, top):
    """Give each row whole to its highest score (the first of equals); return the data term."""
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


@njit(**INNER)
def draw(scores, stride, n_components, n, weights, weighted, uniforms, top, sums):
    """Give each row whole to a component drawn by its uniform number; return the data term."""
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


@njit(**INNER)
def share(assignment, key, row, scores, shape, weights, weighted, spare):
    """Turn scores into weighted responsibilities but for a factor for each row.

    ``shape`` is (stride, components, rows); ``spare`` are three rows: the highest scores, the
    factors that are left, and uniform numbers. Returns the data term.
    """
    stride, n_components, n = shape
    top, sums, uniforms = spare
    if assignment == SOFT:
        return soften(scores, stride, n_components, n, weights, weighted, top, sums)
    if assignment == HARD:
        result = harden(scores, stride, n_components, n, weights, top)
    else:
        uniforms_of(key, row, n, uniforms)
        result = draw(scores, stride, n_components, n, weights, weighted, uniforms, top, sums)
    fill(sums, n, 1.0)
    return result


@njit(**INNER)
def log_sums(scores, stride, n_components, n, top, sums):
    """Add to each row's highest score the log of the summed exponentials relative to it."""
    exponentiate(scores, stride, n_components, n, top, sums)
    for b in range(0, n, 8):
        store(top, b, add(load(top, b), log(load(sums, b))))
