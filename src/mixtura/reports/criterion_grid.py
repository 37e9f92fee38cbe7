"""A criterion by number of components and family, as mclust prints it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import final

import numpy as np

from mixtura.diagnostics.candidates import Candidate, Criterion, ordered
from mixtura.reports.tables import Table, name
from mixtura.reports.terminal import grid, plain, terminal_width
from mixtura.typing import Array

MOST_NAMED = 3
"""Candidates that are named below the table."""

GAP = 3
"""Characters between columns at most."""


@final
@dataclass(frozen=True, eq=False)
class CriterionGrid:
    """What ``Selection.grid()`` returns: print it, or take its ``values``.

    Parameters
    ----------
    numbers : tuple of int
        Numbers of components K, one for each row.
    families : tuple of str
        Names of the families, one for each column.
    values : array of shape (len(numbers), len(families))
        The criterion, NaN where there is no fit.
    criterion : Criterion
        What it is.
    candidates : tuple of Candidate
        The fits.
    """

    numbers: tuple[int, ...]
    families: tuple[str, ...]
    values: Array
    criterion: Criterion
    candidates: tuple[Candidate, ...]

    @classmethod
    def of(cls, candidates: Sequence[Candidate], criterion: Criterion) -> "CriterionGrid":
        """Return the grid of some fits."""
        numbers = tuple(sorted({one.n_components for one in candidates}))
        families = tuple(dict.fromkeys(one.covariance_type for one in candidates))
        values = np.full((len(numbers), len(families)), np.nan)
        for one in candidates:
            place = numbers.index(one.n_components), families.index(one.covariance_type)
            values[place] = criterion.value(one)
        return cls(numbers, families, values, criterion, tuple(candidates))

    @property
    def best(self) -> tuple[Candidate, ...]:
        """The three best fits, best first."""
        order = ordered(self.candidates, self.criterion)[:MOST_NAMED]
        found = (self.candidates[i] for i in order)
        return tuple(one for one in found if isfinite(self.criterion.value(one)))

    def table(self) -> Table:
        """Return the grid as a table of text; a star marks a collapsed component."""
        collapsed = {(c.n_components, c.covariance_type) for c in self.candidates if c.collapsed}
        rows = []
        for number, line in zip(self.numbers, self.values, strict=True):
            cells = [
                _cell(value, starred=(number, family) in collapsed)
                for value, family in zip(line, self.families, strict=True)
            ]
            rows.append((str(number), *cells))
        columns = ("K", *(name(family) for family in self.families))
        title = f"{self.criterion.label} ({self.criterion.direction})"
        note = "*: with a collapsed component, which says nothing about K." if collapsed else ""
        return Table(title, columns, tuple(rows), note)

    def to_text(self, width: int | None = None) -> str:
        """Return the grid and the three best fits as plain text, no number on two lines."""
        table = self.table()
        cells = [table.columns, *table.rows]
        needed = sum(max(map(len, column)) + GAP for column in zip(*cells, strict=True))
        width = max(terminal_width(), needed) if width is None else width
        best = "; ".join(
            f"{name(one.covariance_type)},{one.n_components} {self.criterion.value(one):.3f}"
            for one in self.best
        )
        said = f"\nBest: {best}\n" if best else ""
        return plain(grid(table), width) + said

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()


def _cell(value: float, *, starred: bool) -> str:
    if not isfinite(value):
        return "-"
    return f"{value:.3f}{'*' if starred else ''}"
