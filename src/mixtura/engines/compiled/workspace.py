"""How a pass is cut into segments, and the threads that run them."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from mixtura.typing import Array

Result = TypeVar("Result")

SMALL = 1 << 18
"""Multiplications below which a pass is one segment: threads would cost more than they save."""

LARGE = 1 << 24
"""Multiplications of a segment where there is more to do than for two: its start costs little."""

MOST_SEGMENTS = 32
MOST_BYTES = 1 << 26
"""Of the statistics of all segments together."""


BLOCK_BYTES = 96 << 10


def block_size(n_numbers: int) -> int:
    """Return the rows of a block, given how many numbers a pass keeps of each.

    They should stay in a core's cache.
    """
    fitting = BLOCK_BYTES // (8 * (n_numbers + 8)) // 32 * 32
    return min(max(fitting, 64), 1024)


LINE = 8
"""Numbers of a line of cache, and lanes of a vector."""

ALIGNED_FROM = 1 << 14
"""Numbers of the working memory of passes that last longer than it takes to ask where it lies."""


def working_memory(n_numbers: int) -> Array:
    """Return room for numbers, from the start of a line of cache on where it is large.

    Lanes that lie across two lines take twice as long to load.
    """
    if n_numbers < ALIGNED_FROM:
        return np.empty(n_numbers)
    room = np.empty(n_numbers + LINE)
    start = -(room.ctypes.data // room.itemsize) % LINE
    return room[start : start + n_numbers]


def segment_rows(n_rows: int, work_per_row: int, bytes_per_segment: int, block: int) -> int:
    """Return the rows of a segment: whole blocks, a function of the sizes alone.

    So the order in which segments are added does not depend on the number of threads.
    """
    if n_rows * work_per_row < SMALL:
        return max(n_rows, 1)
    n_segments = 2 * -(-n_rows * work_per_row // (2 * LARGE))
    fitting = max(2, MOST_BYTES // max(bytes_per_segment, 1))
    n_segments = min(n_segments, MOST_SEGMENTS, fitting)
    rows = -(-n_rows // n_segments)
    return -(-rows // block) * block


_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
_lock = Lock()


def _pool(n_threads: int) -> ThreadPoolExecutor:
    # Keyed by the process: a fork inherits the dictionary, but none of the threads.
    key = (os.getpid(), n_threads)
    with _lock:
        if key not in _pools:
            _pools[key] = ThreadPoolExecutor(n_threads, thread_name_prefix="mixtura")
        return _pools[key]


def run_segments(
    job: Callable[[int], Result], starts: Sequence[int], n_threads: int
) -> list[Result]:
    """Return the job's result for every segment, in the order of the segments."""
    if len(starts) == 1 or n_threads == 1:
        return [job(start) for start in starts]
    return list(_pool(n_threads).map(job, starts))


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
