"""The native library: where it lies and which instruction set it uses."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from mixtura.typing import Array

SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
PATH = Path(__file__).parent / f"libmixtura{SUFFIX}"
"""Where the build puts it."""

BASELINE, AVX2, AVX512 = range(3)
"""Instruction sets, from the narrowest on."""


def is_built() -> bool:
    """Whether the package was installed with the native library."""
    return PATH.exists()


@cache
def library() -> ctypes.CDLL:
    """Return the loaded library; its functions release the interpreter's lock while they run."""
    return ctypes.CDLL(str(PATH))


@cache
def function(name: str, n_pointers: int, result: Any = None) -> Callable[..., Any]:
    """Return a function of the library that takes addresses alone."""
    found = getattr(library(), f"mixtura_{name}")
    found.argtypes, found.restype = [ctypes.c_void_p] * n_pointers, result
    return found


def use_instruction_set(number: int) -> int:
    """Use a narrower instruction set, or the widest (-1); return the one in use from now on."""
    function = library().mixtura_use_set
    function.argtypes, function.restype = [ctypes.c_int64], ctypes.c_int64
    return int(function(number))


def address(array: Array) -> int:
    """Return where the numbers of a contiguous array lie."""
    return int(array.ctypes.data)
