"""Uniform numbers that are a function of a key and a row's number, in any order."""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from mixtura.engines.compiled.lanes import LANES, lanes, store
from mixtura.engines.compiled.options import INLINED

STEP = 0x9E3779B97F4A7C15
FIRST_FACTOR = 0xBF58476D1CE4E5B9
SECOND_FACTOR = 0x94D049BB133111EB
TO_UNIT = 1.0 / (1 << 53)

_INTEGER = ir.IntType(64)
_INTEGERS = ir.VectorType(_INTEGER, LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


def _each(value: int) -> ir.Constant:
    return ir.Constant(_INTEGERS, [ir.Constant(_INTEGER, value)] * LANES)


@intrinsic
def uniforms_at(typing_context, key, number):
    """Return numbers from 0 to below 1 for eight rows from ``number`` on, by counted SplitMix64.

    The same numbers as :func:`mixtura.assignments.row_uniforms`.
    """

    def generate(context, builder, signature, arguments):
        key, number = arguments
        first = builder.add(key, builder.mul(number, ir.Constant(_INTEGER, STEP)))
        ahead = [(i + 1) * STEP % (1 << 64) for i in range(LANES)]
        empty, place = ir.Constant(_INTEGERS, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        bits = builder.insert_element(empty, first, place)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        bits = builder.shuffle_vector(bits, empty, zeros)
        bits = builder.add(bits, ir.Constant(_INTEGERS, ahead))
        for shift, factor in ((30, FIRST_FACTOR), (27, SECOND_FACTOR)):
            bits = builder.mul(builder.xor(bits, builder.lshr(bits, _each(shift))), _each(factor))
        bits = builder.xor(bits, builder.lshr(bits, _each(31)))
        whole = builder.uitofp(builder.lshr(bits, _each(11)), _DOUBLES)
        unit = ir.Constant(_DOUBLES, [ir.Constant(ir.DoubleType(), TO_UNIT)] * LANES)
        return builder.fmul(whole, unit)

    return lanes(types.uint64, types.intp), generate


@njit(**INLINED)
def uniforms_of(key, first, n, uniforms):
    """Write the numbers of rows first to first + n, n a multiple of eight."""
    for b in range(0, n, LANES):
        store(uniforms, b, uniforms_at(key, first + b))
