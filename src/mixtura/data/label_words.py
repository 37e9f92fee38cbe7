"""Labels and groups of rows that lie in parts, as numbers that all parts share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mixtura.data.known_labels import (
    UNKNOWN,
    Classes,
    KnownLabels,
    checked_entries,
    is_unknown,
    with_groups,
)
from mixtura.typing import BooleanArray, IntegerArray


@final
@dataclass(frozen=True, eq=False)
class Words:
    """Labels, or groups, of the rows of a part.

    Parameters
    ----------
    codes : integer array of shape (n,)
        Position of each row's own among ``values``; -1 where it has none.
    values : list
        Those that differ, in order of their first row: whole numbers, or texts.
    """

    codes: IntegerArray
    values: list[Any]

    @property
    def is_known(self) -> BooleanArray:
        """Which rows have one, shape (n,)."""
        return self.codes >= 0

    def taken(self, some: BooleanArray) -> "Words":
        """Return those of some of the rows."""
        return Words(self.codes[some], self.values)


def words_of(given: Any, n_rows: int, name: str) -> Words:
    """Return labels or groups of rows, what is unknown apart.

    Parameters
    ----------
    given : array, list or series of shape (n,)
        Numbers, texts, or what is unknown: -1, None, NaN, NA or masked.
    n_rows : int
        Number of rows n.
    name : str
        What messages call them.

    Raises
    ------
    InvalidArgumentError
        If they are no entries of so many rows.
    """
    entries = checked_entries(given, n_rows, name) if n_rows else np.empty(0)
    if entries.dtype.kind in "iufb":
        numbers = entries.astype(np.float64)
        known = ~np.isnan(numbers) & (numbers != UNKNOWN)
        found, inside = np.unique(entries[known], return_inverse=True)
        codes = np.full(n_rows, -1, dtype=np.intp)
        codes[known] = np.ravel(inside)
        return Words(codes, [plain_word(value) for value in found.tolist()])
    place: dict[Any, int] = {}
    codes = np.empty(n_rows, dtype=np.intp)
    for row, value in enumerate(entries.tolist()):
        word = None if is_unknown(value) else plain_word(value)
        codes[row] = -1 if word is None else place.setdefault(word, len(place))
    return Words(codes, list(place))


def plain_word(value: Any) -> Any:
    """Return a label as a whole number if it is one, else as a text; None where it is unknown."""
    if isinstance(value, str):
        return value
    if is_unknown(value):
        return None
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    return str(value)


@final
class WordList:
    """Labels or groups that differ, each with a number, in the order in which they come.

    Parameters
    ----------
    values : sequence
        Those that are known already.
    """

    def __init__(self, values: Sequence[Any] = ()) -> None:
        self._place: dict[Any, int] = {value: place for place, value in enumerate(values)}

    def __len__(self) -> int:
        return len(self._place)

    @property
    def values(self) -> list[Any]:
        """Those that differ, by their numbers."""
        return list(self._place)

    def array(self) -> np.ndarray:
        """Return them as labels are given: numbers, or objects."""
        values = self.values
        if values and all(isinstance(value, int) for value in values):
            return np.array(values)
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found

    def codes(self, words: Words) -> IntegerArray:
        """Return the numbers of a part's words, shape (n,); those that are new get one."""
        places = [self._place.setdefault(value, len(self._place)) for value in words.values]
        return np.array([*places, -1], dtype=np.intp)[words.codes]


def provisional(
    labels: IntegerArray | None, groups: IntegerArray | None, n_rows: int
) -> KnownLabels | None:
    """Return labels by numbers of a :class:`WordList`, of which the classes are not known yet."""
    if labels is None and groups is None:
        return None
    codes = np.full(n_rows, UNKNOWN, dtype=np.intp) if labels is None else labels
    return KnownLabels(codes, Classes(), groups)


def classified(known: KnownLabels, codes: IntegerArray, classes: Classes) -> KnownLabels | None:
    """Return labels whose classes are known.

    Parameters
    ----------
    known : KnownLabels
        By the numbers of a word list.
    codes : integer array of shape (number of words,)
        The class of each word.
    classes : Classes
        The classes.

    Raises
    ------
    InvalidArgumentError
        If rows of one group have different labels.
    """
    table = np.append(codes, UNKNOWN)
    found = KnownLabels(table[known.codes], classes)
    if known.groups is None:
        return found
    return with_groups(found, known.groups, len(known.codes)) or found
