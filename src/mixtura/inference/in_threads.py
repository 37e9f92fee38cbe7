"""Jobs in threads, whose answers come in their order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")


def answers(run: Callable[[Job], Answer], jobs: Iterable[Job], workers: int) -> Iterator[Answer]:
    """Yield what becomes of each job, in the order of the jobs.

    Where the caller stops, by an interrupt for example, jobs that have not begun are dropped.

    Parameters
    ----------
    run : callable
        Does a job.
    jobs : iterable
        The jobs.
    workers : int
        Number of threads; one does them where they are asked for.
    """
    if workers == 1:
        yield from map(run, jobs)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(run, jobs)
    finally:
        pool.shutdown(cancel_futures=True)
