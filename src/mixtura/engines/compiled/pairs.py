"""Two components in one dimension: everything of a row stays in registers."""

from collections.abc import Callable

from numba import njit

from mixtura.engines.compiled.counter import uniforms_at
from mixtura.engines.compiled.elementary import exp, log
from mixtura.engines.compiled.lanes import (
    add,
    div,
    fma,
    load,
    mul,
    splat,
    sub,
    total,
    where_at_least,
    where_greater,
)
from mixtura.engines.compiled.responsibilities import MULTIPLIED
from mixtura.engines.compiled.scores import held

OPTIONS = {"nogil": True, "error_model": "numpy"}


@njit(forceinline=True, **OPTIONS)
def soft_pair(scores, odds, both, weight, key, number):
    """Return both weighted responsibilities, of odds to one for the lower score."""
    first, second = scores
    larger = mul(div(splat(1.0), both), weight)
    smaller = mul(odds, larger)
    return (
        where_at_least(first, second, larger, smaller),
        where_at_least(first, second, smaller, larger),
    )


@njit(forceinline=True, **OPTIONS)
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


def _pairs_by(shares: Callable[..., tuple[object, object]]) -> Callable[..., float]:
    """Return the sweep whose responsibilities are found in a given way."""

    def sweep(rows, weighting, potentials, key, first_row, begin, end, statistics):
        """Add the statistics of whole eights of rows; return their data term."""
        row_weights, weighted = weighting
        constant, mean, scale, _, _ = potentials
        count, first, second, _ = statistics
        m0, m1 = splat(mean[0]), splat(mean[1])
        p0, p1 = splat(scale[0]), splat(scale[1])
        k0, k1 = splat(constant[0]), splat(constant[1])
        half, one = splat(-0.5), splat(1.0)
        n0, f0, s0 = splat(0.0), splat(0.0), splat(0.0)
        n1, f1, s1 = splat(0.0), splat(0.0), splat(0.0)
        term, product, weight = splat(0.0), splat(1.0), splat(1.0)
        multiplied = 0
        for b in range(begin, end, 8):
            x = load(rows, b)
            u, v = sub(x, m0), sub(x, m1)
            y, z = mul(u, p0), mul(v, p1)
            q = held(fma(mul(y, half), y, k0))
            r = held(fma(mul(z, half), z, k1))
            high = where_at_least(q, r, q, r)
            odds = exp(sub(where_at_least(q, r, r, q), high))
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
            r0, r1 = shares((q, r), odds, both, weight, key, first_row + b)
            n0, n1 = add(n0, r0), add(n1, r1)
            u0, v1 = mul(r0, u), mul(r1, v)
            f0, f1 = add(f0, u0), add(f1, v1)
            s0, s1 = fma(u0, u, s0), fma(v1, v, s1)
        count[0] += total(n0)
        count[1] += total(n1)
        first[0] += total(f0)
        first[1] += total(f1)
        second[0] += total(s0)
        second[1] += total(s1)
        return total(add(term, log(product)))

    return sweep


sweep_soft_pairs = njit(**OPTIONS)(_pairs_by(soft_pair))
sweep_drawn_pairs = njit(**OPTIONS)(_pairs_by(drawn_pair))
