"""What the fast suite leaves out of full products."""

from itertools import combinations, product

import pytest

from covering_array import covering


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


def test_pairs_that_cannot_meet_are_not_missed() -> None:
    table = [row for row in product(range(4), range(4), range(3)) if row[0] != row[1]]
    chosen = [table[place] for place in covering(table)]
    assert pairs_of(chosen) == pairs_of(table)
    assert len(chosen) < len(table)
