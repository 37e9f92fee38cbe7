"""What the fast suite leaves out of full products."""

from itertools import combinations, product
from types import SimpleNamespace

import pytest

from covering_array import FAST, SMALLEST, Shared, covering, spare


def pairs_of(table: list[tuple[int, ...]]) -> set[tuple[int, int, int, int]]:
    return {
        (i, a, j, b) for row in table for (i, a), (j, b) in combinations(list(enumerate(row)), 2)
    }


@pytest.mark.parametrize("sizes", [(3, 4, 5), (24, 11, 6), (2, 2, 2, 2, 2), (1, 7, 3)])
def test_every_pair_of_values_meets(sizes: tuple[int, ...]) -> None:
    table = list(product(*(range(size) for size in sizes)))
    chosen = [table[place] for place in sorted(covering(table))]
    assert pairs_of(chosen) == pairs_of(table)
    largest, second = sorted(sizes)[:-3:-1]
    assert largest * second <= len(chosen) <= 1.6 * largest * second + 6
    assert covering(table) == covering(table)


def test_turns_take_other_combinations() -> None:
    table = list(product(range(4), range(5), range(6)))
    some = [covering(table, turn) for turn in range(5)]
    assert all(pairs_of([table[place] for place in one]) == pairs_of(table) for one in some)
    assert len({frozenset(one) for one in some}) == 5


def test_pairs_that_cannot_meet_are_not_missed() -> None:
    table = [row for row in product(range(4), range(4), range(3)) if row[0] != row[1]]
    chosen = [table[place] for place in covering(table)]
    assert pairs_of(chosen) == pairs_of(table)
    assert len(chosen) < len(table)


def generated(words: str, sizes: tuple[int, ...], *, slow: bool = False) -> SimpleNamespace:
    """Return what pytest generates of a test with parameters of so many values each."""
    table = product(*(range(size) for size in sizes))
    calls = [SimpleNamespace(params=dict(zip("abc", row, strict=False)), marks=[]) for row in table]
    return SimpleNamespace(
        _calls=calls,
        config=SimpleNamespace(getoption=lambda name: words),
        module=SimpleNamespace(__name__="test"),
        definition=SimpleNamespace(
            get_closest_marker=lambda name: name if slow and name == "calibrate" else None
        ),
    )


def test_the_fast_suite_makes_what_the_slow_one_leaves() -> None:
    fast, whole = generated(FAST, (4, 5, 6)), generated("", (4, 5, 6))
    spare(fast)
    spare(whole)
    assert len(whole._calls) == 120
    unmarked = [call.params for call in whole._calls if not call.marks]
    assert [call.params for call in fast._calls] == unmarked
    assert 30 <= len(unmarked) < 60


@pytest.mark.parametrize("sizes", [(SMALLEST,), (2, 2, 3), (40, 40)])
def test_small_tables_and_pairs_are_left_whole(sizes: tuple[int, ...]) -> None:
    found = generated(FAST, sizes)
    before = list(found._calls)
    spare(found)
    assert found._calls == before


def test_of_a_slow_test_one_combination_is_left_for_pytest_to_leave_out() -> None:
    found = generated(FAST, (3,), slow=True)
    spare(found)
    assert len(found._calls) == 1


def test_tests_in_turn_have_every_value_and_share_the_pairs() -> None:
    shared, pairs = Shared(), list(product(range(6), range(8)))
    for _ in range(6):
        share = [pairs[place] for place in shared.taken(pairs, "ab")]
        assert 16 <= len(share) <= 18
        assert {a for a, _ in share} == set(range(6))
        assert {b for _, b in share} == set(range(8))
    assert not shared.all - shared.met
    triples = list(product(range(6), range(8), range(5)))
    assert len(shared.taken(triples, "abc")) < 24
    assert shared.all - shared.met
