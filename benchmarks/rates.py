"""This machine's memory bandwidth, multiply-add rate and exponential rate, measured."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import final

import numpy as np

from benchmarks.threads import ThreadLimit

STREAM = 1 << 25
"""Float64 numbers of the array that is streamed: 256 MB, far more than any cache."""

CACHED = 1 << 10
"""Numbers of an array that stays in the first cache."""

MATRIX = 1024
"""Side of the matrices whose product is timed."""


@final
@dataclass(frozen=True)
class Rates:
    """What the machine can do in a second, all threads together.

    Parameters
    ----------
    read, written : float
        Bytes read from and written to memory.
    multiply_adds : float
        Float64 multiply-adds.
    exponentials : float
        Float64 exponentials.
    threads : int
        Threads that were used.
    kernels : str
        What was run to find out.
    """

    read: float
    written: float
    multiply_adds: float
    exponentials: float
    threads: int
    kernels: str

    def described(self) -> str:
        """Return the rates as one line."""
        return (
            f"memory {self.read / 1e9:.1f} GB/s read, {self.written / 1e9:.1f} GB/s written; "
            f"{self.multiply_adds / 1e9:.1f} billion multiply-adds/s; "
            f"{self.exponentials / 1e9:.2f} billion exponentials/s "
            f"({self.threads} threads; {self.kernels})"
        )


def measure_rates(threads: int, runs: int = 5) -> Rates:
    """Return the best rates that kernels of NumPy and, where installed, numba reach."""
    kernels = [_NumpyKernels()]
    named = "NumPy and BLAS"
    if find_spec("numba") is None:
        named += "; numba is not installed, so that the floor may be too high"
    else:
        kernels.append(_NumbaKernels())
        named = "the better of numba and NumPy with BLAS"
    best = [0.0, 0.0, 0.0, 0.0]
    for kernel in kernels:
        found = (
            _rate(kernel.read, threads, runs),
            _rate(kernel.write, threads, runs),
            _rate(kernel.multiply_add, threads, runs),
            _rate(kernel.exponential, threads, runs),
        )
        best = [max(pair) for pair in zip(best, found, strict=True)]
    return Rates(*best, threads, named)


def _rate(make: Callable[[int], Callable[[], float]], threads: int, runs: int) -> float:
    """Return the most units of work that a kernel did in a second on all threads."""
    tasks = [make(threads) for _ in range(threads)]
    with ThreadLimit().held_to(1), ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda task: task(), tasks))
        rates = []
        for _ in range(runs):
            began = time.perf_counter()
            work = sum(pool.map(lambda task: task(), tasks))
            rates.append(work / (time.perf_counter() - began))
    return max(rates)


class _NumpyKernels:
    """Each method returns a task for one of several threads; a task returns its work."""

    def read(self, threads: int) -> Callable[[], float]:
        values = np.ones(STREAM // threads)

        def task() -> float:
            values.sum()
            return values.nbytes

        return task

    def write(self, threads: int) -> Callable[[], float]:
        values = np.ones(STREAM // threads)

        def task() -> float:
            values.fill(2.0)
            return values.nbytes

        return task

    def multiply_add(self, threads: int) -> Callable[[], float]:
        left = np.ones((MATRIX, MATRIX))
        out = np.empty_like(left)

        def task() -> float:
            np.matmul(left, left, out=out)
            return float(MATRIX) ** 3

        return task

    def exponential(self, threads: int) -> Callable[[], float]:
        values = np.linspace(-20.0, 0.0, CACHED)
        out = np.empty_like(values)

        def task() -> float:
            for _ in range(5000):
                np.exp(values, out=out)
            return 5000.0 * values.size

        return task


class _NumbaKernels:
    """As above, in compiled loops."""

    def __init__(self) -> None:
        from benchmarks import rate_kernels

        rate_kernels.check()
        self._kernels = rate_kernels

    def read(self, threads: int) -> Callable[[], float]:
        values = np.ones(STREAM // threads)

        def task() -> float:
            self._kernels.total(values)
            return values.nbytes

        return task

    def write(self, threads: int) -> Callable[[], float]:
        values = np.ones(STREAM // threads)

        def task() -> float:
            self._kernels.fill(values, 2.0)
            return values.nbytes

        return task

    def multiply_add(self, threads: int) -> Callable[[], float]:
        values = np.linspace(0.0, 0.5, CACHED)
        out = np.empty_like(values)

        def task() -> float:
            self._kernels.polynomial(values, out, 20_000)
            return 20_000.0 * values.size * self._kernels.TERMS

        return task

    def exponential(self, threads: int) -> Callable[[], float]:
        values = np.linspace(-20.0, 0.0, CACHED)
        out = np.empty_like(values)

        def task() -> float:
            self._kernels.exponential(values, out, 50_000)
            return 50_000.0 * values.size

        return task
