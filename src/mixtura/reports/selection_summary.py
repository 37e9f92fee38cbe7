"""A choice among fits as a table, for terminals, notebooks and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, final

from mixtura.diagnostics.candidates import (
    CRITERIA,
    Candidate,
    Criterion,
    is_at_limit,
    is_at_start,
    ordered,
)
from mixtura.reports.content import Report
from mixtura.reports.json import content, strict
from mixtura.reports.markup import fragment
from mixtura.reports.numbers import count, significant
from mixtura.reports.tables import Table, name
from mixtura.reports.terminal import (
    WIDTH,
    grid,
    literal,
    plain,
    table_width,
    terminal_width,
)

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

FORMAT = "mixtura-selection"
VERSION = 1

MAX_REMARKS = 12
"""Errors and doubts that are listed; of more, their number."""

MAX_NAMED = 6
"""Candidates that are named beside what is said of them; of more, their number."""

DISPENSABLE = (
    *("seconds", "iterations", "AIC (min)", "parameters", "ICL (min)"),
    *("BIC (min)", "ELBO (max)", "log lik."),
)
"""Columns that a narrow table goes without, the first ones first; never the criterion's."""


@final
@dataclass(frozen=True, eq=False)
class SelectionSummary:
    """What ``Selection.summary()`` returns: print it, display it, or take its ``rows``.

    Parameters
    ----------
    candidates : tuple of Candidate
        The fits, in the order in which they are listed.
    criterion : Criterion
        What chose.
    best : int
        Position of the winner.
    """

    candidates: tuple[Candidate, ...]
    criterion: Criterion
    best: int

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dictionary for each candidate, in full precision."""
        return [asdict(candidate) for candidate in self.candidates]

    @property
    def sentence(self) -> str:
        """The choice in words, by how much, and whether it is at the limit of what was tried."""
        winner, judge = self.candidates[self.best], self.criterion
        said = f"Best by {judge.label} ({judge.direction}): {_named(winner)}{self._lead()}."
        if is_at_limit(self.candidates, self.best):
            said += f" K = {winner.n_components} is the largest number that was tried: try more."
        if is_at_start(self.candidates, self.best):
            said += f" K = {winner.n_components} is the smallest number that was tried: try fewer."
        return said

    def _lead(self) -> str:
        """Return by how much the winner is ahead of the next."""
        winner, judge = self.candidates[self.best], self.criterion
        others = [i for i in ordered(self.candidates, judge) if i != self.best]
        if winner.collapsed:
            return ", which has a collapsed component, as every candidate has: it decides nothing"
        if not others or not isfinite(judge.loss(self.candidates[others[0]])):
            return ""
        second = self.candidates[others[0]]
        if second.collapsed:
            return "; every other candidate has a collapsed component"
        lead = judge.loss(second) - judge.loss(winner)
        close = ", which decides nothing" if lead < judge.decisive else ""
        return f", {lead:.2f} ahead of {_named(second)}{close}"

    def table(self, width: int | None = None) -> Table:
        """Return the candidates as a table of text.

        Parameters
        ----------
        width : int, optional
            Characters in a line: columns are left out until it fits.
        """
        cells = [self._cells(number) for number in range(len(self.candidates))]
        columns = list(cells[0])
        dispensable = [c for c in DISPENSABLE if c in columns and c != _head(self.criterion)]
        while True:
            rows = tuple(tuple(row[column] for column in columns) for row in cells)
            table = Table("", tuple(columns), rows, n_labels=2)
            if width is None or table_width(table) <= width or not dispensable:
                return table
            columns.remove(dispensable.pop(0))

    def _cells(self, number: int) -> dict[str, str]:
        candidate = self.candidates[number]
        judges = [
            judge
            for judge in CRITERIA.values()
            if (judge.is_shown or judge == self.criterion)
            and any(_has(judge, row) for row in self.candidates)
        ]
        return {
            "K": str(candidate.n_components),
            "family": name(candidate.covariance_type),
            "log lik.": _nats(candidate.log_likelihood),
            "parameters": count(candidate.n_parameters),
            **{_head(judge): _nats(judge.value(candidate)) for judge in judges},
            "iterations": count(candidate.n_iter),
            "seconds": significant(candidate.seconds, 2),
            "": ", ".join(_flags(candidate, self._shared(), is_best=number == self.best)),
        }

    def remarks(self) -> tuple[str, ...]:
        """Return every error and doubt as a line, and before it the candidates that have it."""
        having: dict[str, list[str]] = {}
        for candidate in self.candidates:
            for said in [candidate.error] if candidate.error else candidate.doubts:
                having.setdefault(said, []).append(_named(candidate))
        shared = self._shared()
        found = [f"all: {said}" for said in having if said in shared]
        found += [f"{_several(who)}: {said}" for said, who in having.items() if said not in shared]
        if len(found) > MAX_REMARKS:
            found = [*found[:MAX_REMARKS], f"and {len(found) - MAX_REMARKS} more remarks"]
        return tuple(found)

    def _shared(self) -> frozenset[str]:
        """Return what is said of every fit, which is about the data and not about candidates."""
        fitted = [set(c.doubts) for c in self.candidates if not c.error]
        return frozenset(set.intersection(*fitted)) if len(fitted) > 1 else frozenset()

    def to_text(self, width: int | None = None) -> str:
        """Return the summary as plain text, as wide as the terminal unless told otherwise."""
        width = terminal_width() if width is None else width
        return plain(selection_renderable(self, width), width)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        # What a REPL shows: the table rather than the fields.
        return str(self)

    def _repr_html_(self) -> str:
        return fragment([self.table()], [self.sentence, *self.remarks()])


def selection_renderable(summary: SelectionSummary, width: int = WIDTH) -> "Group":
    """Return the summary for a rich console of the given width."""
    from rich.console import Group

    table = grid(summary.table(width), titled=False)
    parts: list[RenderableType] = [literal(summary.sentence, "bold"), "", table]
    parts += [literal(remark, "dim") for remark in summary.remarks()]
    return Group(*parts)


def selection_as_json(
    summary: SelectionSummary, report: Report, *, source: str = "", notes: Sequence[str] = ()
) -> str:
    """Return a choice and the report of the winner as strict JSON.

    Parameters
    ----------
    summary : SelectionSummary
        The choice.
    report : Report
        The winner's report.
    source : str, default=""
        Where the rows came from.
    notes : sequence of str
        What was assumed when they were read.
    """
    judge = summary.criterion
    told = {
        "format": FORMAT,
        "version": VERSION,
        "source": source,
        "notes": list(notes),
        "criterion": judge.name,
        "larger_is_better": judge.larger_is_better,
        "candidates": summary.rows,
        "best": summary.best,
        "at_limit": is_at_limit(summary.candidates, summary.best),
        "report": content(report),
    }
    return json.dumps(strict(told), indent=1, allow_nan=False) + "\n"


def _head(judge: Criterion) -> str:
    return f"{judge.label} ({'max' if judge.larger_is_better else 'min'})"


def _has(judge: Criterion, candidate: Candidate) -> bool:
    return isfinite(judge.value(candidate))


def _nats(value: float) -> str:
    return f"{value:.2f}" if isfinite(value) else significant(None)


def _named(candidate: Candidate) -> str:
    return f"K = {candidate.n_components}, {name(candidate.covariance_type)}"


def _several(names: Sequence[str]) -> str:
    """Return candidates in words: all of few, the first of many."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return "; ".join(names[:MAX_NAMED]) + more


def _flags(candidate: Candidate, shared: frozenset[str], *, is_best: bool) -> list[str]:
    if candidate.error:
        return ["failed"]
    own = set(candidate.doubts) - shared
    flags = {
        "best": is_best,
        "not converged": not candidate.converged,
        "collapsed": candidate.collapsed,
        "doubtful": bool(own) and candidate.converged and not candidate.collapsed,
    }
    return [flag for flag, holds in flags.items() if holds]
