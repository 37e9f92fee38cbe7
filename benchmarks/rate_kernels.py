"""Micro-kernels in numba that run at the machine's rates; one thread each, without the GIL."""

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

TERMS = 32
"""Multiply-adds for each number that :func:`polynomial` reads."""

CONTRACT = {"contract", "nnan", "ninf", "nsz"}
"""What LLVM may do; not reassociation, which would undo the rounding in :func:`exponential`."""


@intrinsic
def _as_bits(context, value):
    """Return the bits of a float64 as an int64."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _as_float(context, value):
    """Return the float64 that has the bits of an int64."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@njit(nogil=True, fastmath=True, cache=True)
def total(values):
    """Read an array."""
    result = 0.0
    for i in range(values.size):
        result += values[i]
    return result


@njit(nogil=True, fastmath=True, cache=True)
def fill(values, value):
    """Write an array."""
    for i in range(values.size):
        values[i] = value


@njit(nogil=True, fastmath=CONTRACT, cache=True)
def polynomial(values, out, repeats):
    """Do :data:`TERMS` multiply-adds for each number, again and again."""
    for _ in range(repeats):
        for i in range(values.size):
            x = values[i]
            y = x
            for _term in range(32):
                y = y * x + 0.5
            out[i] = y


@njit(inline="always")
def _exp(x):
    """Return exp(x) by range reduction and a polynomial of degree eleven, without branches."""
    shift = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to a whole number
    shifted = x * 1.4426950408889634 + shift
    whole = shifted - shift
    r = x - whole * 0.6931471803691238
    r = r - whole * 1.9082149292705877e-10
    y = 1.0 / 39916800.0
    y = y * r + 1.0 / 3628800.0
    y = y * r + 1.0 / 362880.0
    y = y * r + 1.0 / 40320.0
    y = y * r + 1.0 / 5040.0
    y = y * r + 1.0 / 720.0
    y = y * r + 1.0 / 120.0
    y = y * r + 1.0 / 24.0
    y = y * r + 1.0 / 6.0
    y = y * r + 0.5
    y = y * r + 1.0
    y = y * r + 1.0
    return _as_float(_as_bits(y) + (_as_bits(shifted) << 52))


@njit(nogil=True, fastmath=CONTRACT, cache=True)
def exponential(values, out, repeats):
    """Take the exponential of every number, again and again."""
    for _ in range(repeats):
        for i in range(values.size):
            out[i] = _exp(values[i])


def check() -> None:
    """Raise ArithmeticError if the exponential is wrong, so that no false rate is printed."""
    values = np.linspace(-700.0, 700.0, 1000)
    found = np.empty_like(values)
    exponential(values, found, 1)
    exact = np.array([math.exp(value) for value in values])
    if not np.allclose(found, exact, rtol=1e-14, atol=0.0):
        raise ArithmeticError("the polynomial exponential of the rate kernels is wrong")
