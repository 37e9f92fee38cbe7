"""Tables as plain data, the same for every way of showing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from mixtura.plots.text import printable, shortened

MAX_NAME = 48
"""Characters of a user's name that a table shows."""


def name(text: object, limit: int = MAX_NAME) -> str:
    """Return a user's text with every character visible and not too long."""
    return shortened(printable(text), limit)


@final
@dataclass(frozen=True)
class Table:
    """A table of text.

    Parameters
    ----------
    title : str
        What the table shows.
    columns : tuple of str
        Headers.
    rows : tuple of tuples of str
        Cells, formatted. They may hold text of users: renderers escape them.
    note : str, default=""
        What was left out, and anything else that belongs under the table.
    n_labels : int, default=1
        Number of leading columns that label a row; the others hold numbers.
    components : tuple of int, optional
        Component of each row, where rows stand for components.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    n_labels: int = 1
    components: tuple[int, ...] | None = None


def truncated(rows: Sequence[tuple[str, ...]], limit: int, what: str) -> tuple[tuple, str]:
    """Return at most ``limit`` rows, from both ends, and the note that says so."""
    if len(rows) <= limit:
        return tuple(rows), ""
    head = limit // 2
    kept = (*rows[:head], *rows[len(rows) - (limit - head) :])
    return kept, f"The first {head} and last {limit - head} of {len(rows):,} {what}."
