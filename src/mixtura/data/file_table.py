"""A table as it was read from a file."""

from dataclasses import dataclass
from typing import final

from mixtura.typing import Array


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
        Finite float64 numbers, C-contiguous.
    weights : array of shape (N,) or None
        Non-negative row weights with a positive sum, where a column of them was named.
    notes : tuple of str
        Plain sentences about what was guessed and left out.
    """

    source: str
    names: tuple[str, ...]
    values: Array
    weights: Array | None
    notes: tuple[str, ...]
