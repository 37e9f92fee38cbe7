"""The native library: where it lies, which instruction set it uses, how it is called."""

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mixtura.typing import Array, IntegerArray

SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
BUILT = Path(__file__).parent / f"libmixtura{SUFFIX}"
"""Where the build puts it."""

PATH = os.environ.get("MIXTURA_NATIVE_LIBRARY", str(BUILT))
"""Where it is looked for: another build takes its place for the tests."""

BASELINE, AVX2, AVX512 = range(3)
"""Instruction sets, from the narrowest on."""

WHOLE, KEY, REAL, POINTER = ctypes.c_int64, ctypes.c_uint64, ctypes.c_double, ctypes.c_void_p
"""Types of arguments; addresses are given as plain numbers, None for none."""

Numbers: TypeAlias = Array | IntegerArray

DATA = object.__basicsize__
"""Where an array object keeps the address of its numbers: first of all, as NumPy's ABI says."""


@cache
def library() -> ctypes.CDLL:
    """Return the loaded library; its functions release the interpreter's lock while they run."""
    return ctypes.CDLL(PATH)


def native_function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Return a function of the library with the types of its result and arguments."""
    function = getattr(library(), f"mixtura_{name}")
    function.restype, function.argtypes = result, arguments
    return function


def use_instruction_set(number: int) -> int:
    """Use a narrower instruction set, or the widest (-1); return the one in use from now on."""
    return int(native_function("use_set", WHOLE, WHOLE)(number))


def _slow_address(array: Numbers) -> int:
    return int(array.ctypes.data)


def _fast_address(array: Numbers) -> int:
    """Return the address from the array object itself: NumPy takes five times as long to tell."""
    return _at(id(array) + DATA).value


_at = ctypes.c_size_t.from_address
_known = np.empty(3)[1:]
address: Callable[[Numbers], int] = (
    _fast_address if _fast_address(_known) == _slow_address(_known) else _slow_address
)
"""Return where the numbers of a contiguous array lie."""
