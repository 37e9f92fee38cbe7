"""Chains that advance together, a little at a time, so that they can be stopped and kept."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, final

from mixtura.errors import InvalidArgumentError
from mixtura.inference.mcmc.chain_runs import Runner, State

if TYPE_CHECKING:
    from mixtura.inference.mcmc.checkpoints import Checkpoint

ROUND = 0.2
"""Seconds that a round should take: how long an interruption waits."""

FIRST = 16
"""Sweeps of each chain in the first round."""


@final
class Keeper(Generic[State]):
    """Writes chains to a file whenever seconds or sweeps have passed.

    Parameters
    ----------
    file : Checkpoint or None
        The file; None to write nothing.
    seconds : float
        Seconds from one writing to the next.
    sweeps : int or None
        Most sweeps from one writing to the next; None for no limit.
    """

    def __init__(
        self, file: "Checkpoint[State] | None", seconds: float, sweeps: int | None
    ) -> None:
        self.sweeps = None if file is None else sweeps
        self._file, self._seconds = file, seconds
        self._written = -1
        self._at = 0.0

    def left(self, sweep: int) -> int | None:
        """Return how many sweeps may pass until the next writing; None for no limit."""
        return None if self.sweeps is None else max(1, self.sweeps - (sweep - self._written))

    def keep(self, states: Sequence[State], *, now: bool = False) -> None:
        """Write the chains if it is time, or in any case ``now``, unless they are written."""
        sweep = states[0].sweeps
        if self._file is None or sweep == self._written:
            return
        passed = self.sweeps is not None and sweep - self._written >= self.sweeps
        if now or passed or time.perf_counter() - self._at >= self._seconds:
            self._file.save(states)
            self._written, self._at = sweep, time.perf_counter()


@final
@dataclass(frozen=True, eq=False)
class Reached(Generic[State]):
    """Where the chains of a fit stand, all at the same sweep.

    Parameters
    ----------
    states : list of RunState
        The chains.
    interrupted : bool
        Whether they were stopped before their end.
    """

    states: list[State]
    interrupted: bool

    @property
    def sweeps(self) -> int:
        """Number of sweeps of each chain."""
        return self.states[0].sweeps


def run_rounds(
    runner: Runner[State],
    states: list[State],
    n_jobs: int,
    keeper: Keeper[State],
    progress: Callable[[int, int], None] | None = None,
    until: int | None = None,
) -> Reached[State]:
    """Advance chains together until the end of their plan, or an earlier sweep, or Ctrl-C.

    Parameters
    ----------
    runner : Runner
        What they have in common.
    states : list of RunState
        Where they stand, all at the same sweep.
    n_jobs : int
        Largest number of threads.
    keeper : Keeper
        Keeps them in a file: at the beginning, now and then, and where they end.
    progress : callable, optional
        Called with the number of sweeps so far, and of all.
    until : int, optional
        The sweep at which to stop; the end of the plan where None.
    """
    total = runner.plan.sweeps if until is None else until
    wanted, interrupted = FIRST, False
    try:
        keeper.keep(states, now=True)  # a file that cannot be written is found out at once
        with _advancing(runner, min(n_jobs, len(states))) as advance:
            while (done := states[0].sweeps) < total:
                sweeps = min(wanted, total - done, keeper.left(done) or wanted)
                began = time.perf_counter()
                # A round that is interrupted leaves no trace: states are frozen.
                states = advance(states, sweeps)
                pace = (time.perf_counter() - began) / sweeps
                wanted = max(1, min(8 * wanted, int(ROUND / max(pace, 1e-9))))
                keeper.keep(states)
                if progress is not None:
                    progress(done + sweeps, total)
    except KeyboardInterrupt:
        interrupted = True
    with suppress(InvalidArgumentError):  # the draws are at hand, whatever became of their copy
        keeper.keep(states, now=True)
    return Reached(states, interrupted)


@contextmanager
def _advancing(
    runner: Runner[State], workers: int
) -> Iterator[Callable[[Sequence[State], int], list[State]]]:
    if workers == 1:
        yield lambda states, sweeps: [runner.advance(state, sweeps) for state in states]
        return
    with ThreadPoolExecutor(workers) as threads:
        yield lambda states, sweeps: list(
            threads.map(lambda state: runner.advance(state, sweeps), states)
        )
