"""How many threads a pass may use."""

import os
from functools import cache
from typing import final

from threadpoolctl import ThreadpoolController

WORTH = 1 << 24
"""Multiplications that take about as long as finding the libraries that have threads."""


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@final
class _Done:
    """What one thread has done because nobody had asked for more."""

    work = 0


def _is_little(work: int) -> bool:
    """Return whether asking would not yet pay; it is the same to all answers."""
    if _Done.work < WORTH:
        _Done.work += work
    return _Done.work < WORTH


def available_threads(work: int | None = None) -> int:
    """Return how many threads this process may use.

    The processors that it may run on, or fewer where OMP_NUM_THREADS or threadpoolctl say so
    (joblib sets both in its workers). To find out who else has threads takes some milliseconds,
    once: so much work is done by one thread before.

    Parameters
    ----------
    work : int, optional
        Multiplications that the threads are to share; None to find out in any case.
    """
    if work is not None and _is_little(work):
        return 1
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()]
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked) > 0:
        limits.append(int(asked))
    limits.extend(library.num_threads for library in _controller().lib_controllers)
    return max(1, min(limit for limit in limits if limit))
