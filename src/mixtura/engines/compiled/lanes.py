"""Eight float64 lanes as one value of compiled code.

LLVM turns every operation into the widest instructions that the machine has (one AVX-512, two
AVX or four SSE and NEON registers), whatever its loop vectoriser would have made of a loop.
"""

from typing import Any, final

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

LANES = 8

_DOUBLE = ir.DoubleType()
_INTEGER = ir.IntType(64)
_DOUBLES = ir.VectorType(_DOUBLE, LANES)
_INTEGERS = ir.VectorType(_INTEGER, LANES)
_FLOAT = ir.FloatType()
_FLOATS = ir.VectorType(_FLOAT, LANES)
_INDEX = ir.IntType(32)

MAGIC = 6755399441055744.0
"""1.5 * 2^52: a small number added to it is rounded to a whole one, in the low bits."""
MAGIC_BITS = 0x4338000000000000
SQUARE_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD


@final
class LanesType(types.Type):
    """The type of eight lanes."""

    def __init__(self) -> None:
        super().__init__(name="Float64x8")


lanes = LanesType()


@final
@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, front_end_type: Any) -> None:
        super().__init__(manager, front_end_type, _DOUBLES)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_DOUBLES, [ir.Constant(_DOUBLE, value)] * LANES)


def _whole(value: int) -> ir.Constant:
    return ir.Constant(_INTEGERS, [ir.Constant(_INTEGER, value)] * LANES)


def _pick(lane_numbers: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(_INDEX, len(lane_numbers)), lane_numbers)


def _spread(builder: Any, scalar: Any) -> Any:
    empty = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    first = builder.insert_element(empty, scalar, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, empty, _pick([0] * LANES))


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


def _loaded(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    address = _address(context, builder, signature, arguments)
    if signature.args[0].dtype == types.float32:
        narrow = builder.load(builder.bitcast(address, _FLOATS.as_pointer()))
        narrow.align = 4
        return builder.fpext(narrow, _DOUBLES)
    value = builder.load(builder.bitcast(address, _DOUBLES.as_pointer()))
    value.align = 8
    return value


@intrinsic
def load(typing_context, array, start):
    """Return eight numbers of a contiguous array, from a flat position on."""

    return lanes(array, types.intp), _loaded


def _inside(builder: Any, count: Any) -> Any:
    """Return which lanes are before a number of them."""
    numbers = ir.Constant(_INTEGERS, list(range(LANES)))
    return builder.icmp_signed("<", numbers, _spread(builder, count))


@intrinsic
def load_some(typing_context, array, start, count):
    """Return ``count`` numbers of a contiguous array and zeros; nothing beyond them is read."""

    def generate(context, builder, signature, arguments):
        inside = _inside(builder, arguments[2])
        single = signature.args[0].dtype == types.float32
        kind, name, align = (_FLOATS, "v8f32", 4) if single else (_DOUBLES, "v8f64", 8)
        address = _address(context, builder, signature, arguments)
        pointer = builder.bitcast(address, kind.as_pointer())
        parts = [kind.as_pointer(), _INDEX, inside.type, kind]
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, parts), f"llvm.masked.load.{name}.p0{name}"
        )
        zeros = ir.Constant(kind, [0.0] * LANES)
        value = builder.call(function, [pointer, ir.Constant(_INDEX, align), inside, zeros])
        return builder.fpext(value, _DOUBLES) if single else value

    return lanes(array, types.intp, types.intp), generate


@intrinsic
def first_lanes(typing_context, count, value):
    """Return ``count`` lanes of a value, and zeros."""

    def generate(context, builder, signature, arguments):
        return builder.select(_inside(builder, arguments[0]), arguments[1], _constant(0.0))

    return lanes(types.intp, lanes), generate


@intrinsic
def load_columns(typing_context, array, start, step):
    """Return two lanes of eight rows: the numbers at ``start + i step``, and those after them."""

    def generate(context, builder, signature, arguments):
        array, position, step = arguments
        kind = _FLOAT if signature.args[0].dtype == types.float32 else _DOUBLE
        pair = ir.VectorType(kind, 2).as_pointer()
        pairs = []
        for _ in range(LANES):
            address = _address(context, builder, signature, [array, position])
            value = builder.load(builder.bitcast(address, pair))
            value.align = 4 if kind is _FLOAT else 8
            pairs.append(value)
            position = builder.add(position, step)
        # Rows by turns in two vectors: then one exchange of neighbours makes columns of them.
        sides = [_joined(builder, pairs[side::2]) for side in (0, 1)]
        if kind is _FLOAT:
            sides = [builder.fpext(side, _DOUBLES) for side in sides]
        turns = [
            [i + shift for j in range(0, LANES, 2) for i in (j, j + LANES)] for shift in (0, 1)
        ]
        columns = [builder.shuffle_vector(*sides, _pick(turn)) for turn in turns]
        return cgutils.pack_array(builder, columns)

    return types.UniTuple(lanes, 2)(array, types.intp, types.intp), generate


def _joined(builder: Any, values: list[Any]) -> Any:
    """Return vectors joined to one."""
    while len(values) > 1:
        width = 2 * values[0].type.count
        values = [
            builder.shuffle_vector(left, right, _pick(list(range(width))))
            for left, right in zip(values[::2], values[1::2], strict=True)
        ]
    return values[0]


@intrinsic
def load_pairs(typing_context, array, start):
    """Return eight lanes of the numbers at even and eight of those at odd distances from start."""

    def generate(context, builder, signature, arguments):
        one = lanes(signature.args[0], types.intp)
        low = _loaded(context, builder, one, arguments)
        there = builder.add(arguments[1], ir.Constant(_INTEGER, LANES))
        high = _loaded(context, builder, one, [arguments[0], there])
        even, odd = list(range(0, 2 * LANES, 2)), list(range(1, 2 * LANES, 2))
        halves = [builder.shuffle_vector(low, high, _pick(half)) for half in (even, odd)]
        return cgutils.pack_array(builder, halves)

    return types.UniTuple(lanes, 2)(array, types.intp), generate


@intrinsic
def store(typing_context, array, start, value):
    """Write eight numbers to a contiguous float64 array, from a flat position on."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature, arguments)
        builder.store(arguments[2], builder.bitcast(address, _DOUBLES.as_pointer())).align = 8
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic
def prefetch(typing_context, array, start):
    """Ask for the numbers around a flat position, which may lie beyond the array's end."""

    def generate(context, builder, signature, arguments):
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INDEX, _INDEX, _INDEX])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        address = builder.bitcast(_address(context, builder, signature, arguments), byte)
        to_read, in_second_cache, data = (ir.Constant(_INDEX, number) for number in (0, 2, 1))
        builder.call(function, [address, to_read, in_second_cache, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def splat(typing_context, scalar):
    """Return one number in all lanes."""

    def generate(context, builder, signature, arguments):
        return _spread(builder, arguments[0])

    return lanes(types.float64), generate


def _binary(instruction: str, meaning: str) -> Any:
    @intrinsic
    def operation(typing_context, left, right):
        def generate(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments)

        return lanes(lanes, lanes), generate

    operation.__doc__ = meaning
    return operation


add = _binary("fadd", "Return left + right.")
sub = _binary("fsub", "Return left - right.")
mul = _binary("fmul", "Return left * right.")
div = _binary("fdiv", "Return left / right.")


def _multiply_add(builder: Any, left: Any, right: Any, addend: Any) -> Any:
    kind = ir.FunctionType(_DOUBLES, [_DOUBLES] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.v8f64")
    return builder.call(function, [left, right, addend])


@intrinsic
def fma(typing_context, left, right, addend):
    """Return left * right + addend, rounded once."""

    def generate(context, builder, signature, arguments):
        return _multiply_add(builder, *arguments)

    return lanes(lanes, lanes, lanes), generate


@intrinsic
def fnma(typing_context, left, right, addend):
    """Return addend - left * right, rounded once."""

    def generate(context, builder, signature, arguments):
        left, right, addend = arguments
        return _multiply_add(builder, builder.fneg(left), right, addend)

    return lanes(lanes, lanes, lanes), generate


def _choice(comparison: str, meaning: str) -> Any:
    @intrinsic
    def operation(typing_context, left, right, chosen, other):
        def generate(context, builder, signature, arguments):
            left, right, chosen, other = arguments
            return builder.select(builder.fcmp_ordered(comparison, left, right), chosen, other)

        return lanes(lanes, lanes, lanes, lanes), generate

    operation.__doc__ = meaning
    return operation


where_greater = _choice(">", "Return chosen where left > right, else other.")
where_at_least = _choice(">=", "Return chosen where left >= right, else other.")


@intrinsic
def total(typing_context, value):
    """Return the sum of the lanes, added pairwise."""

    def generate(context, builder, signature, arguments):
        value, width = arguments[0], LANES
        while width > 1:
            half = width // 2
            low = builder.shuffle_vector(value, value, _pick(list(range(half))))
            high = builder.shuffle_vector(value, value, _pick(list(range(half, width))))
            value, width = builder.fadd(low, high), half
        return builder.extract_element(value, ir.Constant(_INDEX, 0))

    return types.float64(lanes), generate


@intrinsic
def add_totals(typing_context, array, start, first, second, third, fourth):
    """Add the totals of four lanes to four neighbours of a float64 array.

    The four trees of additions share their shuffles: cheaper than four separate totals.
    """

    def generate(context, builder, signature, arguments):
        def joined(left, right, step):
            # Lanes of left and right by turns, each the sum of two that were step apart.
            kept = [i if not i & step else i - step + LANES for i in range(LANES)]
            moved = [i + step if not i & step else i + LANES for i in range(LANES)]
            return builder.fadd(
                builder.shuffle_vector(left, right, _pick(kept)),
                builder.shuffle_vector(left, right, _pick(moved)),
            )

        low = joined(arguments[2], arguments[3], 1)
        high = joined(arguments[4], arguments[5], 1)
        sums = joined(low, high, 2)
        halves = [builder.shuffle_vector(sums, sums, _pick(list(range(i, i + 4)))) for i in (0, 4)]
        address = _address(context, builder, signature, arguments)
        pointer = builder.bitcast(address, ir.VectorType(_DOUBLE, 4).as_pointer())
        before = builder.load(pointer)
        before.align = 8
        after = builder.fadd(before, builder.fadd(*halves))
        builder.store(after, pointer).align = 8
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes, lanes, lanes, lanes), generate


@intrinsic
def times_power_of_two(typing_context, value, exponent):
    """Return value * 2^k where k sits in the low bits of ``exponent``, as MAGIC leaves it."""

    def generate(context, builder, signature, arguments):
        value, exponent = (builder.bitcast(argument, _INTEGERS) for argument in arguments)
        shifted = builder.shl(exponent, _whole(52))
        return builder.bitcast(builder.add(value, shifted), _DOUBLES)

    return lanes(lanes, lanes), generate


@intrinsic
def exponent_and_mantissa(typing_context, value):
    """Return k and m with value = m 2^k and m from sqrt(1/2) to sqrt(2)."""

    def generate(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], _INTEGERS)
        exponent = builder.ashr(builder.sub(bits, _whole(SQUARE_ROOT_HALF_BITS)), _whole(52))
        rest = builder.sub(bits, builder.shl(exponent, _whole(52)))
        mantissa = builder.bitcast(rest, _DOUBLES)
        # Through MAGIC to a float: needs no instruction that only AVX-512 has.
        as_float = builder.bitcast(builder.add(exponent, _whole(MAGIC_BITS)), _DOUBLES)
        return cgutils.pack_array(builder, [builder.fsub(as_float, _constant(MAGIC)), mantissa])

    return types.UniTuple(lanes, 2)(lanes), generate
