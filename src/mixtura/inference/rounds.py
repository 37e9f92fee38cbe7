"""Chains that advance together, a little at a time, so that they can be stopped and kept."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, final

from mixtura.inference.chains import ChainState, Sampler

ROUND = 0.2
"""Seconds that a round should take: how long an interruption waits."""

FIRST = 16
"""Sweeps of each chain in the first round."""

Advance: TypeAlias = Callable[[Sequence[ChainState], int], list[ChainState]]


@final
@dataclass(frozen=True, eq=False)
class Reached:
    """Where the chains of a fit stand, all at the same sweep.

    Parameters
    ----------
    states : list of ChainState
        The chains.
    interrupted : bool
        Whether they were stopped before their end.
    """

    states: list[ChainState]
    interrupted: bool

    @property
    def sweeps(self) -> int:
        """Number of sweeps of each chain."""
        return self.states[0].sweeps


def run_rounds(
    sampler: Sampler,
    states: list[ChainState],
    n_jobs: int,
    after: Callable[[list[ChainState]], int | None],
) -> Reached:
    """Advance chains together until the end of their plan, or Ctrl-C.

    Parameters
    ----------
    sampler : Sampler
        What they have in common.
    states : list of ChainState
        Where they stand, all at the same sweep.
    n_jobs : int
        Largest number of threads.
    after : callable
        Called after each round; may return the largest number of sweeps of the next.
    """
    total, wanted = sampler.plan.sweeps, FIRST
    try:
        with _advancing(sampler, min(n_jobs, len(states))) as advance:
            most = after(states)
            while (left := total - states[0].sweeps) > 0:
                sweeps = min(wanted, left, wanted if most is None else most)
                began = time.perf_counter()
                # A round that is interrupted leaves no trace: states are frozen.
                states = advance(states, sweeps)
                pace = (time.perf_counter() - began) / sweeps
                wanted = max(1, min(8 * wanted, int(ROUND / max(pace, 1e-9))))
                most = after(states)
    except KeyboardInterrupt:
        return Reached(states, True)
    return Reached(states, False)


@contextmanager
def _advancing(sampler: Sampler, workers: int) -> Iterator[Advance]:
    if workers == 1:
        yield lambda states, sweeps: [sampler.advance(state, sweeps) for state in states]
        return
    with ThreadPoolExecutor(workers) as threads:
        yield lambda states, sweeps: list(
            threads.map(lambda state: sampler.advance(state, sweeps), states)
        )
