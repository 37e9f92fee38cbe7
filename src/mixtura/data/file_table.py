"""A table as it was read from a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import final

import numpy as np

from mixtura.data.memory import ArrayRows
from mixtura.typing import Array, IntegerArray


class MissingCells(Enum):
    """What becomes of rows of which cells are missing."""

    INTEGRATE = "integrate"
    DROP = "drop"
    REFUSE = "refuse"


@final
@dataclass(frozen=True, eq=False)
class FileTable:
    """The numeric columns of a file.

    Parameters
    ----------
    source : str
        Path of the file, or ``"standard input"``; printable, on one line.
    names : tuple of str of length D
        Column names as the file has them; they are user data, so escape them before display.
    values : array of shape (N, D)
        Finite float64 numbers, NaN where a cell is missing, C-contiguous.
    weights : array of shape (N,) or None
        Non-negative row weights with a positive sum, where a column of them was named.
    notes : tuple of str
        Plain sentences about what was guessed and left out.
    errors : array of shape (N, D) or None
        Standard deviations of measurement errors, where columns of them were named; zero where
        there are none.
    positions : integer array of shape (N,) or None
        Where the rows lie in the file, from 0, if some were left out.
    labels, groups : object array of shape (N,) or None
        Known labels, and groups of rows that share a component, where columns of them were named:
        whole numbers or texts, None where a cell is missing.
    kept : mapping of str to object array of shape (N,)
        Columns that results stand beside, as texts, None where a cell is missing.
    """

    source: str
    names: tuple[str, ...]
    values: Array
    weights: Array | None
    notes: tuple[str, ...]
    errors: Array | None = None
    positions: IntegerArray | None = None
    labels: np.ndarray | None = None
    groups: np.ndarray | None = None
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def rows(self) -> ArrayRows:
        """The rows with their weights and errors."""
        errors = None if self.errors is None else self.errors * self.errors
        return ArrayRows(self.values, self.weights, None, errors)

    @property
    def numbers(self) -> IntegerArray:
        """Numbers of the rows in the file, from 1, shape (N,)."""
        if self.positions is None:
            return np.arange(1, len(self.values) + 1)
        return self.positions + 1
