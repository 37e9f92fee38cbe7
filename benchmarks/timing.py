"""Interleaved timing: A B A B ..., so that a busy moment of the machine meets every contender."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from benchmarks.threads import ThreadLimit

SHORT = 0.005
"""A call shorter than this, in seconds, is repeated within one timing."""

REPEATED_FOR = 0.02
"""How long such repetitions last together, in seconds."""

HOPELESS = 2.0
"""A variant this many times slower than the best of its group is not run again."""


class NotRunError(Exception):
    """A contender cannot run, or did not finish; the message says why."""


@final
@dataclass(frozen=True, eq=False)
class Contender:
    """Something to time.

    Parameters
    ----------
    name : str
        Name of this variant.
    group : str
        Contenders of one group are variants of one package, of which the fastest counts.
    threads : int
        Threads that it may use.
    prepare : callable
        Called once, untimed: sets everything up, compiles what is compiled on first use, and
        returns what is timed, which must start from the same state at every call.
    """

    name: str
    group: str
    threads: int
    prepare: Callable[[], Callable[[], Any]]


@final
@dataclass(frozen=True)
class Plan:
    """How often contenders are run.

    Parameters
    ----------
    runs : int
        Number of interleaved rounds.
    limit : float
        Seconds that one contender may take altogether; fewer rounds are run where they would
        take longer.
    """

    runs: int
    limit: float


@final
@dataclass(frozen=True, eq=False)
class Times:
    """What timing a contender gave.

    Parameters
    ----------
    contender : Contender
    seconds : tuple of float
        One for each round; position i was measured in round i.
    failure : str
        Why there are none; empty otherwise.
    """

    contender: Contender
    seconds: tuple[float, ...]
    failure: str = ""

    @property
    def median(self) -> float:
        """Median of the rounds; infinite where the contender was not run."""
        return statistics.median(self.seconds) if self.seconds else math.inf


def measure(
    contenders: Sequence[Contender], plan: Plan, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Times]:
    """Time contenders in interleaved rounds and return the best variant of each group.

    A first round, which does not count, warms caches up and drops variants that are slower than
    :data:`HOPELESS` times the best of their group. A contender so slow that a second run would
    exceed the plan's limit keeps its first run as its only one.
    """
    gc.collect()
    limit = ThreadLimit()
    runs: dict[str, Callable[[], Any]] = {}
    first: dict[str, float] = {}
    failures: dict[str, str] = {}
    for contender in contenders:
        try:
            with limit.held_to(contender.threads):
                runs[contender.name] = contender.prepare()
                first[contender.name] = _first(runs[contender.name], clock)
        except Exception as error:  # a peer that fails is a finding, not the end of the table
            failures[contender.name] = _reason(error)
    running = _worth_running(contenders, first)
    seconds = _rounds(running, runs, first, plan, limit, clock)
    results = [Times(c, tuple(seconds[c.name])) for c in running]
    failed = [Times(c, (), failures[c.name]) for c in contenders if c.name in failures]
    best: dict[str, Times] = {}
    for times in [*results, *failed]:
        group = times.contender.group
        if group not in best or times.median < best[group].median:
            best[group] = times
    return best


def _timed(run: Callable[[], Any], repeats: int, clock: Callable[[], float]) -> float:
    gc.disable()
    try:
        began = clock()
        for _ in range(repeats):
            run()
        return (clock() - began) / repeats
    finally:
        gc.enable()


def _first(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Return the first time; of a short call, which began in cold caches, that of repetitions."""
    taken = _timed(run, 1, clock)
    return taken if taken > SHORT else _timed(run, _repeats(taken), clock)


def _repeats(taken: float) -> int:
    return 1 if taken > SHORT else math.ceil(REPEATED_FOR / max(taken, 1e-6))


def _reason(error: Exception) -> str:
    if isinstance(error, NotRunError):
        return str(error)
    lines = str(error).splitlines() or [""]
    return f"failed: {type(error).__name__}: {lines[0]}"


def _worth_running(contenders: Sequence[Contender], first: dict[str, float]) -> list[Contender]:
    ran = [contender for contender in contenders if contender.name in first]
    best: dict[str, float] = {}
    for contender in ran:
        known = best.get(contender.group, math.inf)
        best[contender.group] = min(known, first[contender.name])
    return [c for c in ran if first[c.name] <= HOPELESS * best[c.group]]


def _rounds(
    running: Sequence[Contender],
    runs: dict[str, Callable[[], Any]],
    first: dict[str, float],
    plan: Plan,
    limit: ThreadLimit,
    clock: Callable[[], float],
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {}
    allowed: dict[str, int] = {}
    for contender in running:
        taken = max(first[contender.name], 1e-9)
        allowed[contender.name] = min(plan.runs, int((plan.limit - taken) / taken))
        seconds[contender.name] = [] if allowed[contender.name] >= 1 else [taken]
    for number in range(plan.runs):
        for contender in running:
            if allowed[contender.name] > number:
                repeats = _repeats(first[contender.name])
                with limit.held_to(contender.threads):
                    seconds[contender.name].append(_timed(runs[contender.name], repeats, clock))
    return seconds
