"""Rows in blocks, wherever they lie."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, final

import numpy as np

from mixtura.data.observed import Unobserved
from mixtura.errors import InvalidArgumentError, Setting
from mixtura.typing import Array, IntegerArray

Found = TypeVar("Found")

NONE_HELD: IntegerArray = np.empty(0, dtype=np.intp)


@final
@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive rows.

    Parameters
    ----------
    start : int
        Position of the first row in the data.
    values : array of shape (n, D)
        The rows, in the data's units.
    weights : array of shape (n,), optional
        Non-negative weights of the rows; None for one each.
    """

    start: int
    values: Array
    weights: Array | None = None

    @property
    def row_weights(self) -> Array:
        """The weights, ones where there are none."""
        return np.ones(len(self.values)) if self.weights is None else self.weights


class Rows(ABC):
    """Weighted rows that are read block by block, in a fixed order; they never change."""

    def once(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """Return what is found about the rows, which is looked for when it is first asked for.

        Parameters
        ----------
        key : hashable
            What is asked for, and everything else on which the answer depends.
        find : callable
            Finds it.
        """
        known: dict[Hashable, Found] = vars(self).setdefault("_known", {})
        if key not in known:
            known[key] = find()
        return known[key]

    def knows(self, key: Hashable) -> bool:
        """Return whether what ``once`` is asked for by a key was found before."""
        return key in vars(self).get("_known", ())

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Number of rows N."""

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Number of features D."""

    @property
    def planned_rows(self) -> int:
        """Number of rows for which engines choose what they do: of a part those of the whole."""
        return self.n_rows

    def weight_of_cells(self) -> Array:
        """Return the weight of the observed cells of each column, shape (D,)."""
        return np.full(self.n_features, self.total_weight)

    @property
    @abstractmethod
    def total_weight(self) -> float:
        """Sum of the row weights."""

    @property
    @abstractmethod
    def factor(self) -> Array:
        """What the user's rows have been multiplied by, shape (D,)."""

    @property
    def has_missing(self) -> bool:
        """Whether some cells are missing."""
        return False

    @property
    def has_errors(self) -> bool:
        """Whether the rows were measured with errors."""
        return False

    @property
    def is_complete(self) -> bool:
        """Whether all cells are there, and exact."""
        return not (self.has_errors or self.has_missing)

    @property
    def is_plain(self) -> bool:
        """Whether all cells are there, and exact, and nothing is known of their components."""
        return self.is_complete and not self.is_labelled

    @property
    def is_labelled(self) -> bool:
        """Whether something is known of the components of some rows."""
        return False

    @property
    def is_grouped(self) -> bool:
        """Whether some rows are known to share components."""
        return False

    @property
    def held(self) -> IntegerArray:
        """The components that labels name, which keep their numbers."""
        return NONE_HELD

    @property
    def unlabelled(self) -> "Rows":
        """The same rows, as if no label were known."""
        return self

    @property
    def unobserved(self) -> Unobserved:
        """What was not observed of the rows, in numbers."""
        return Unobserved(self.n_rows * self.n_features)

    def complete_values(self, method: str) -> Array:
        """Return the values of all rows (N, D), for a method that needs them all, and exact.

        Raises
        ------
        InvalidArgumentError
            If cells are missing or have errors.
        """
        if not self.is_complete:
            raise InvalidArgumentError(
                Setting("inference", method),
                " takes neither missing cells nor measurement errors yet",
                remedy=("use ", Setting("inference", ("map", "vb", "ml", "gibbs"))),
            )
        return np.concatenate([block.values for block in self.blocks()])

    def of_given(self, numbers: Any) -> Any:
        """Return those of numbers (n, ...), one for each row that was given, that these rows have.

        Rows that have no cell are set aside before others are counted.
        """
        return numbers

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """Yield the rows in order; block sizes depend on the data's shape alone."""

    def pieces(self) -> Iterator[Block]:
        """Yield the rows in order, as long as they lie together."""
        return self.blocks()

    @abstractmethod
    def batches(self, size: int) -> "Iterator[Rows]":
        """Yield the rows in order, ``size`` at a time."""

    @abstractmethod
    def magnitude(self) -> Array:
        """Return the largest absolute value of each feature, shape (D,)."""

    def is_within(self, limit: float) -> bool:
        """Return whether no value is larger than a limit."""
        return bool(self.magnitude().max(initial=0.0) <= limit)

    @abstractmethod
    def rescaled(self, factor: Array) -> "Rows":
        """Return the rows times ``factor`` of shape (D,)."""
