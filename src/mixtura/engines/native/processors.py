"""How many threads a pass may use."""

import os
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def available_threads() -> int:
    """Return how many threads this process may use.

    The processors that it may run on, or fewer where OMP_NUM_THREADS or threadpoolctl say so
    (joblib sets both in its workers).
    """
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()]
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked) > 0:
        limits.append(int(asked))
    limits.extend(library.num_threads for library in _controller().lib_controllers)
    return max(1, min(limit for limit in limits if limit))
