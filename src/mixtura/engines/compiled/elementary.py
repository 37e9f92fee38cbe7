"""Exponential and logarithm of eight lanes; errors under one unit in the last place."""

from numba import njit

from mixtura.engines.compiled.lanes import (
    MAGIC,
    add,
    div,
    exponent_and_mantissa,
    fma,
    fnma,
    mul,
    splat,
    sub,
    times_power_of_two,
    where_greater,
)
from mixtura.engines.compiled.options import INLINED

LOG2_E = 1.4426950408889634
LN_2_HIGH = 6.93147180369123816490e-01
LN_2_LOW = 1.90821492927058770002e-10
"""ln 2 in two parts, the first with zeros at its end, so that small multiples are exact."""

LOWEST = -708.0
"""Below it the exponential would leave the normal numbers."""


@njit(**INLINED)
def exp(x):
    """Return the exponential of lanes up to 709; zero below -708.

    x = k ln 2 + r; exp(r) = 1 + r + r^2 q(r) with q the Chebyshev interpolant of degree 9, which
    is within 1.3e-17 on |r| <= ln(2) / 2.
    """
    inside = where_greater(x, splat(LOWEST), x, splat(LOWEST))
    shifted = fma(inside, splat(LOG2_E), splat(MAGIC))
    k = sub(shifted, splat(MAGIC))
    r = fnma(k, splat(LN_2_LOW), fnma(k, splat(LN_2_HIGH), inside))
    q = splat(2.5100472505694996e-08)
    q = fma(q, r, splat(2.762020159103154879e-07))
    q = fma(q, r, splat(2.755726827690569619e-06))
    q = fma(q, r, splat(2.48015210578682052e-05))
    q = fma(q, r, splat(1.984126986317155603e-04))
    q = fma(q, r, splat(1.388888891736708056e-03))
    q = fma(q, r, splat(8.333333333330038197e-03))
    q = fma(q, r, splat(4.166666666662382053e-02))
    q = fma(q, r, splat(1.666666666666666746e-01))
    q = fma(q, r, splat(5.000000000000001031e-01))
    value = times_power_of_two(add(splat(1.0), fma(mul(r, r), q, r)), shifted)
    return where_greater(x, splat(LOWEST), value, splat(0.0))


@njit(**INLINED)
def log_of(k, f):
    """Return log(2^k (1 + f)) for f from sqrt(1/2) - 1 to sqrt(2) - 1.

    With s = f / (2 + f) and z = s^2, log(1 + f) = f - f^2 / 2 + s (f^2 / 2 + z R(z)), R the
    Chebyshev interpolant of degree 6 of (2 atanh(s) - 2 s) / s^3, within 1e-17.
    """
    s = div(f, add(f, splat(2.0)))
    z = mul(s, s)
    r = splat(0.1461780715341732496)
    r = fma(r, z, splat(0.1533161172205500789))
    r = fma(r, z, splat(0.181828924325368712))
    r = fma(r, z, splat(0.2222221108937949621))
    r = fma(r, z, splat(0.2857142862625383761))
    r = fma(r, z, splat(0.3999999999989889051))
    r = fma(r, z, splat(0.6666666666666669708))
    half_square = mul(mul(f, f), splat(0.5))
    low = fma(s, fma(r, z, half_square), mul(k, splat(LN_2_LOW)))
    return fma(k, splat(LN_2_HIGH), sub(f, sub(half_square, low)))


@njit(**INLINED)
def log(x):
    """Return the natural logarithm of normal positive lanes.

    x = 2^k m, m from sqrt(1/2) to sqrt(2).
    """
    k, m = exponent_and_mantissa(x)
    return log_of(k, sub(m, splat(1.0)))


@njit(**INLINED)
def log1p(x):
    """Return log(1 + x) of lanes from zero to 1e305.

    1 + x = w + e = 2^k (m + e 2^-k), w rounded and e what that lost.
    """
    one = splat(1.0)
    large, small = where_greater(x, one, x, one), where_greater(x, one, one, x)
    w = add(large, small)
    k, m = exponent_and_mantissa(w)
    unit = times_power_of_two(one, sub(splat(MAGIC), k))
    return log_of(k, fma(sub(small, sub(w, large)), unit, sub(m, one)))
