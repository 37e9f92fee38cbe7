"""Which of the combinations of a test's parameters run with all tests.

A full product of members grows with every member. Defects that show only where three particular
members meet are rare, so the fast suite has a covering array: combinations in which every pair of
values of two parameters meets at least once. The rest runs with ``make calibrate``.

Where many laws of a file have the same parameters, the law is a parameter itself: tests marked
``in_turn`` each have every value of every parameter, and every pair of values in one of them.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any
from zlib import crc32

import pytest

FAST = "not calibrate"
"""What `make test` asks pytest for."""

IN_TURN = "in_turn"
"""The mark of tests that share the pairs of values of their parameters."""

SMALLEST = 12
"""Combinations up to which all are run."""

PRIME = 10_007

Factors = tuple[Hashable, ...]


def covering(table: Sequence[Factors], turn: int = 0) -> set[int]:
    """Return the positions of combinations in which all pairs of values meet that are in a table.

    Those that bring most pairs together for the first time are taken first; of equals those that
    ``turn`` says, so that each file has combinations of its own.
    """
    n_pairs = len(list(combinations(table[0], 2)))
    # Strides that have no factor in common with the length visit all places, far ones in turn.
    stride = next(s for s in (7919, 7907, 7901) if len(table) % s)
    order = sorted(
        range(len(table)), key=lambda place: (place + turn) % len(table) * stride % PRIME
    )
    met: set[tuple[int, Hashable, int, Hashable]] = set()
    taken: set[int] = set()
    for wanted in range(n_pairs, 0, -1):
        for place in order:
            numbered = enumerate(table[place])
            pairs = {(i, a, j, b) for (i, a), (j, b) in combinations(numbered, 2)}
            if len(pairs - met) >= wanted:
                taken.add(place)
                met |= pairs
    return taken


Pair = tuple[str, Hashable, str, Hashable]


@dataclass
class Shared:
    """Pairs of values that the tests of a file share.

    Parameters
    ----------
    all, met : set
        Those of all tests so far, and those that have met in one of them.
    """

    all: set[Pair] = field(default_factory=set)
    met: set[Pair] = field(default_factory=set)

    def taken(self, table: Sequence[Factors], names: Sequence[str], turn: int = 0) -> set[int]:
        """Return the positions of a test's share: every value, and a third of the pairs.

        Combinations with a value that the test has not had come first; of these the ones with most
        pairs that no test has had.
        """
        rows = [list(zip(names, factors, strict=True)) for factors in table]
        pairs = [{(i, a, j, b) for (i, a), (j, b) in combinations(row, 2)} for row in rows]
        base = sorted(covering(table, turn))
        self.all |= set().union(*pairs)
        wanted, taken, had = -(-len(base) // 3), set(), set()
        while len(taken) < len(base):
            place = max(
                (place for place in base if place not in taken),
                key=lambda place: (bool(set(rows[place]) - had), len(pairs[place] - self.met)),
            )
            if len(taken) >= wanted and not set(rows[place]) - had:
                break
            taken.add(place)
            had |= set(rows[place])
            self.met |= pairs[place]
        return taken


SHARED: dict[str, Shared] = defaultdict(Shared)
"""What the tests of each file share."""


def missed() -> dict[str, set[Pair]]:
    """Return the pairs of values that no test of a file has, though its tests share them."""
    return {name: one.all - one.met for name, one in SHARED.items() if one.all - one.met}


def factors_of(params: Mapping[str, Any]) -> Factors:
    """Return the values of a test's parameters, cases of several members as these members."""
    found: list[Hashable] = []
    for _, value in sorted(params.items()):
        parts = getattr(value, "factors", None)
        found += [_key(value)] if parts is None else list(parts)
    return tuple(found)


def _key(value: Any) -> Hashable:
    # pytest's own indices count combinations where decorators are stacked.
    plain = isinstance(value, str | int | float)
    return (type(value).__name__, value) if plain else id(value)


def left_out(table: Sequence[Factors], turn: int) -> set[int]:
    """Return the positions of the combinations that the slow tests have."""
    alike = len({len(factors) for factors in table}) == 1
    if len(table) <= SMALLEST or not alike or len(table[0]) < 3:
        return set()
    return set(range(len(table))) - covering(table, turn)


def spare(metafunc: pytest.Metafunc) -> None:
    """Mark what is no part of a covering array as ``calibrate``; drop it where that is not run.

    Twelve thousand tests that are made only to be left out take as long as ten seconds.
    """
    calls, slow = metafunc._calls, pytest.mark.calibrate.mark
    table = [factors_of(call.params) for call in calls]
    turn = crc32(metafunc.module.__name__.encode())
    if metafunc.definition.get_closest_marker(IN_TURN) is not None:
        names = sorted(calls[0].params)
        share = SHARED[metafunc.module.__name__].taken(table, names, turn)
        unwanted = set(range(len(table))) - share
    else:
        unwanted = left_out(table, turn) if table else set()
    for place in unwanted:
        calls[place].marks.append(slow)
    if metafunc.config.getoption("markexpr") == FAST:
        always = metafunc.definition.get_closest_marker(slow.name) is not None
        kept = [call for call in calls if not any(mark.name == slow.name for mark in call.marks)]
        # Of a test that is slow as a whole one is left, for pytest to leave out.
        metafunc._calls = calls[:1] if always or not kept else kept
