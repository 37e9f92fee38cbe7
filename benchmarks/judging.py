"""Checks of answers: each has a label, a limit and a verdict; tables count them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, final

from benchmarks.context import Context
from benchmarks.table import Table

MOST_TOLD = 10
"""Wrong answers of a line that are kept with the table, the worst first."""

COLUMNS = ["check", "method", "family", "rows", "asked", "right", "worst", "where"]


@final
@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Parameters
    ----------
    shown : str
        The value as readers see it.
    excess : float
        How far from what is right, in units of the limit: at most 1 where it is right.
    """

    shown: str
    excess: float

    @property
    def is_right(self) -> bool:
        """Whether the limit is kept; not where the excess is no number."""
        return self.excess <= 1.0


@final
@dataclass(frozen=True)
class Check:
    """One question with a known answer.

    Parameters
    ----------
    part, method, family, rows, asked : str
        The line of the table in which it is counted.
    case : str
        What tells it from the others of the line; no spaces within a word that can be asked for.
    judge : callable
        Runs it.
    """

    part: str
    method: str
    family: str
    rows: str
    asked: str
    case: str
    judge: Callable[[], Verdict]

    @property
    def label(self) -> str:
        """Everything that ``--only`` can name."""
        return " ".join((self.part, self.method, self.family, f"n={self.rows}", self.case))

    @property
    def line(self) -> tuple[str, ...]:
        """The cells of its line."""
        return self.part, self.method, self.family, self.rows, self.asked


def ratio_verdict(ratios: Iterable[float], limits: Iterable[float]) -> Verdict:
    """Return the verdict on ratios that should be one within limits."""
    pairs = list(zip(ratios, limits, strict=True))
    worst = max(pairs, key=lambda pair: _excess(*pair))
    return Verdict(f"{worst[0]:.4g}", _excess(*worst))


def _excess(ratio: float, limit: float) -> float:
    return abs(ratio - 1.0) / limit if math.isfinite(ratio) else math.inf


def judged(context: Context, table: Table, checks: Iterable[Check]) -> Table:
    """Run the checks that are asked for, and add one line for each kind of them."""
    lines: dict[tuple[str, ...], list[tuple[Check, Verdict]]] = {}
    for check in checks:
        if not context.settings.wants(check.label):
            continue
        if check.line not in lines:
            context.report(f"{table.name}: {' '.join(check.line)}")
        lines.setdefault(check.line, []).append((check, _verdict(check)))
    for line, found in lines.items():
        check, verdict = max(found, key=lambda pair: pair[1].excess)
        n_right = sum(verdict.is_right for _, verdict in found)
        table.add([*line, f"{n_right} of {len(found)}", verdict.shown, check.case])
        wrong = [pair for pair in found if not pair[1].is_right]
        wrong.sort(key=lambda pair: -pair[1].excess)
        table.details += [_detail(*pair) for pair in wrong[:MOST_TOLD]]
    return table


def _verdict(check: Check) -> Verdict:
    try:
        return check.judge()
    except Exception as error:  # a fit that fails is a finding, not the end of the table
        return Verdict(f"failed: {type(error).__name__}", math.inf)


def _detail(check: Check, verdict: Verdict) -> dict[str, Any]:
    return {"check": check.label, "asked": check.asked, "found": verdict.shown}
