"""Generators of NumPy's as native code takes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_void_p, cast

import numpy as np

from mixtura.engines.native.library import address


@contextmanager
def source_of(rng: np.random.Generator) -> Iterator[int]:
    """Yield the address of a generator's state and of the functions that read it.

    No other thread draws from the generator meanwhile.
    """
    with rng.bit_generator.lock:
        interface = rng.bit_generator.ctypes
        functions = (interface.next_uint64, interface.next_double)
        parts = [interface.state_address, *(cast(f, c_void_p).value for f in functions)]
        table = np.array(parts, dtype=np.intp)
        yield address(table)
