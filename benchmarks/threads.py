"""How many threads a contender may use."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ThreadLimit:
    """Limits BLAS, OpenMP, numba and torch together.

    Made after the libraries are loaded: it knows those that were there.
    """

    def __init__(self) -> None:
        self._pools = ThreadpoolController()

    @contextmanager
    def held_to(self, number: int) -> Iterator[None]:
        """Hold every library to a number of threads."""
        numba, torch = sys.modules.get("numba"), sys.modules.get("torch")
        before = None if numba is None else numba.get_num_threads()
        before_torch = None if torch is None else torch.get_num_threads()
        with self._pools.limit(limits=number):
            if numba is not None:
                numba.set_num_threads(min(number, numba.config.NUMBA_NUM_THREADS))
            if torch is not None:
                torch.set_num_threads(number)
            try:
                yield
            finally:
                if numba is not None:
                    numba.set_num_threads(before)
                if torch is not None:
                    torch.set_num_threads(before_torch)
