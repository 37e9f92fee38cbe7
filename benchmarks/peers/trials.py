"""A first look at whether another package's iteration can be run at all."""

import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from benchmarks.timing import NotRunError

TRIAL = 100
"""A trial runs on this fraction of the rows."""

LARGE = 100_000
"""From so many rows on there is a trial first: memory and time may not suffice."""


def check_installed(package: str) -> None:
    """Raise a NotRunError if a package is not installed."""
    if find_spec(package) is None:
        raise NotRunError("not run: not installed")


def check_time(
    make: Callable[[np.ndarray], Callable[[], None]], rows: np.ndarray, limit: float
) -> None:
    """Raise a NotRunError if a hundredth of the rows shows that an iteration takes too long.

    Parameters
    ----------
    make : callable
        Returns the iteration on some rows.
    rows : array of shape (N, D)
        All rows.
    limit : float
        Seconds that the iteration may take.
    """
    if len(rows) < LARGE:
        return
    trial = make(rows[: len(rows) // TRIAL])
    trial()
    began = time.perf_counter()
    trial()
    seconds = TRIAL * (time.perf_counter() - began)
    if seconds > limit:
        raise NotRunError(f"not run: would take about {seconds:.0f} s")
