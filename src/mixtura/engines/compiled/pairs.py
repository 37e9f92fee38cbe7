"""Two components in one dimension: everything of a row stays in registers."""

from collections.abc import Callable

from numba import njit

from mixtura.engines.compiled.counter import uniforms_at
from mixtura.engines.compiled.elementary import exp, log
from mixtura.engines.compiled.lanes import (
    add,
    div,
    first_lanes,
    fma,
    load,
    load_some,
    mul,
    splat,
    sub,
    total,
    where_at_least,
    where_greater,
)
from mixtura.engines.compiled.options import INLINED, INNER
from mixtura.engines.compiled.responsibilities import MULTIPLIED
from mixtura.engines.compiled.scores import held


@njit(**INLINED)
def soft_pair(scores, odds, both, weight, key, number):
    """Return both weighted responsibilities, of odds to one for the lower score."""
    first, second = scores
    larger = mul(div(splat(1.0), both), weight)
    smaller = mul(odds, larger)
    return (
        where_at_least(first, second, larger, smaller),
        where_at_least(first, second, smaller, larger),
    )


@njit(**INLINED)
def drawn_pair(scores, odds, both, weight, key, number):
    """Return the weight for the component that each row's uniform number draws, and zero."""
    first, second = scores
    odds_of_first = where_at_least(first, second, splat(1.0), odds)
    threshold = mul(uniforms_at(key, number), both)
    none = splat(0.0)
    return (
        where_greater(odds_of_first, threshold, weight, none),
        where_greater(odds_of_first, threshold, none, weight),
    )


@njit(**INLINED)
def scored_pair(x, constants, means, scales):
    """Return rows less both means, both scores, the higher one, and the odds of the lower."""
    u, v = sub(x, means[0]), sub(x, means[1])
    y, z = mul(u, scales[0]), mul(v, scales[1])
    half = splat(-0.5)
    q = held(fma(mul(y, half), y, constants[0]))
    r = held(fma(mul(z, half), z, constants[1]))
    high = where_at_least(q, r, q, r)
    return u, v, (q, r), high, exp(sub(where_at_least(q, r, r, q), high))


@njit(**INLINED)
def added_pair(sums, u, v, r0, r1):
    """Return counts, first and second moments of both components, with eight rows more."""
    n0, n1, f0, f1, s0, s1 = sums
    u0, v1 = mul(r0, u), mul(r1, v)
    return add(n0, r0), add(n1, r1), add(f0, u0), add(f1, v1), fma(u0, u, s0), fma(v1, v, s1)


def _pairs_by(shares: Callable[..., tuple[object, object]]) -> Callable[..., float]:
    """Return the sweep whose responsibilities are found in a given way."""

    def sweep(rows, weighting, potentials, key, first_row, begin, end, statistics):
        """Add the statistics of a span of rows; return their data term."""
        row_weights, weighted = weighting
        constant, mean, scale, _, _ = potentials
        count, first, second, _ = statistics
        constants = (splat(constant[0]), splat(constant[1]))
        means, scales = (splat(mean[0]), splat(mean[1])), (splat(scale[0]), splat(scale[1]))
        zero, one = splat(0.0), splat(1.0)
        sums = (zero, zero, zero, zero, zero, zero)
        term, product, weight = zero, one, one
        multiplied = 0
        whole = begin + (end - begin) // 8 * 8
        for b in range(begin, whole, 8):
            u, v, scores, high, odds = scored_pair(load(rows, b), constants, means, scales)
            both = add(one, odds)
            if weighted:
                weight = load(row_weights, b)
                term = fma(weight, add(high, log(both)), term)
            else:
                term = add(term, high)
                product = mul(product, both)
                multiplied += 1
                if multiplied == 32 * MULTIPLIED:
                    term = add(term, log(product))
                    product = one
                    multiplied = 0
            r0, r1 = shares(scores, odds, both, weight, key, first_row + b)
            sums = added_pair(sums, u, v, r0, r1)
        if whole < end:
            left = end - whole
            x = load_some(rows, whole, left)
            u, v, scores, high, odds = scored_pair(x, constants, means, scales)
            both = add(one, odds)
            weight = load_some(row_weights, whole, left) if weighted else first_lanes(left, one)
            term = fma(weight, add(high, log(both)), term)
            r0, r1 = shares(scores, odds, both, weight, key, first_row + whole)
            sums = added_pair(sums, u, v, r0, r1)
        for k in range(2):
            count[k] += total(sums[k])
            first[k] += total(sums[2 + k])
            second[k] += total(sums[4 + k])
        return total(add(term, log(product)))

    return sweep


sweep_soft_pairs = njit(**INNER)(_pairs_by(soft_pair))
sweep_drawn_pairs = njit(**INNER)(_pairs_by(drawn_pair))
