"""A classifier in a few lines: its classes, their mixtures, and what was compared."""

from dataclasses import dataclass
from typing import final

from mixtura.reports.markup import fragment
from mixtura.reports.numbers import share
from mixtura.reports.tables import Table, name, truncated
from mixtura.reports.terminal import grid, literal, plain, terminal_width

MOST_LISTED = 24
"""Rows of a table."""

MOST_CONFUSED, MOST_LETTERS = 12, 16
"""Classes of a table of rows by class and told class, and letters of their names there."""


@final
@dataclass(frozen=True)
class ClassifierSummary:
    """What ``MixtureClassifier.summary()`` returns: print it, or display it.

    Parameters
    ----------
    sentences : tuple of str
        What stands above the tables.
    classes : tuple of (str, float, int, str)
        Name, probability, number of components and family of each class.
    compared : tuple of (str, ...)
        Cells of what was compared, under ``heads``; empty where nothing was.
    heads : tuple of str
        Heads of these cells.
    confusions : tuple of (str, tuple of str, tuple of tuples of int)
        Title, names of the classes and numbers of rows, by class and by the class that was told.
    """

    sentences: tuple[str, ...]
    classes: tuple[tuple[str, float, int, str], ...]
    compared: tuple[tuple[str, ...], ...] = ()
    heads: tuple[str, ...] = ()
    confusions: tuple[tuple[str, tuple[str, ...], tuple[tuple[int, ...], ...]], ...] = ()

    def tables(self) -> list[Table]:
        """Return the tables."""
        rows, note = truncated(
            [
                (name(label), share(prior), str(number), name(family))
                for label, prior, number, family in self.classes
            ],
            MOST_LISTED,
            "classes",
        )
        found = [Table("Classes", ("class", "probability", "components", "family"), rows, note)]
        if self.compared:
            rows, note = truncated(self.compared, MOST_LISTED, "candidates")
            found.append(Table("Compared", self.heads, rows, note, n_labels=3))
        for title, names, counts in self.confusions:
            shown = [name(label, MOST_LETTERS) for label in names[:MOST_CONFUSED]]
            cells = [
                (label, *map(str, row[:MOST_CONFUSED]))
                for label, row in zip(shown, counts, strict=False)
            ]
            more = len(names) - len(shown)
            note = f"{more} more classes are not shown." if more else ""
            found.append(Table(title, ("class", *shown), tuple(cells), note))
        return found

    def to_text(self, width: int | None = None) -> str:
        """Return the summary as plain text, so many characters wide."""
        from rich.console import Group

        width = terminal_width() if width is None else width
        parts = [literal(sentence) for sentence in self.sentences]
        tables = [part for table in self.tables() for part in ("", grid(table))]
        return plain(Group(*parts, *tables), width)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return fragment(self.tables(), self.sentences)
