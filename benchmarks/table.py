"""Tables of results, as plain data."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, final

from benchmarks.timing import Times


@final
@dataclass
class Table:
    """One measurement's result.

    Parameters
    ----------
    name : str
        The word that selects it on the command line.
    title : str
        What is measured.
    notes : list of str
        How it is measured.
    columns : list of str
    rows : list of list of str
        Cells as they are shown.
    timings : list of dict
        Every single timing behind the cells, in seconds.
    details : list of dict
        What else is behind the cells.
    """

    name: str
    title: str
    notes: list[str]
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    timings: list[dict[str, Any]] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: Sequence[str]) -> None:
        """Add a row of as many cells as there are columns."""
        if len(row) != len(self.columns):
            raise ValueError(f"{self.name}: {len(row)} cells for {len(self.columns)} columns")
        self.rows.append(list(row))

    def record(self, what: str, times: dict[str, Times]) -> None:
        """Keep the single timings of every contender."""
        for group, taken in times.items():
            self.timings.append(
                {
                    "what": what,
                    "group": group,
                    "variant": taken.contender.name,
                    "threads": taken.contender.threads,
                    "seconds": list(taken.seconds),
                    "failure": taken.failure,
                }
            )

    def as_json(self) -> dict[str, Any]:
        """Return the table as plain values."""
        return asdict(self)


def time_cell(times: Times) -> str:
    """Return median, smallest and largest time; or why there is none."""
    if not times.seconds:
        return times.failure
    unit, factor = _unit(times.median)
    low, high = min(times.seconds) * factor, max(times.seconds) * factor
    runs = "" if len(times.seconds) > 1 else ", 1 run"
    middle = _digits(times.median * factor)
    return f"{middle} {unit} ({_digits(low)}–{_digits(high)}{runs})"


def ratio_cell(other: Times, ours: Times) -> str:
    """Return how many times longer the other took, round by round: median (smallest–largest)."""
    ratios = [a / b for a, b in zip(other.seconds, ours.seconds, strict=False)]
    if not ratios:
        return "–"
    middle = statistics.median(ratios)
    if len(ratios) == 1:
        # One slow run was not interleaved with any: compare with the median.
        return f"{_digits(other.median / ours.median)} (1 run)"
    return f"{_digits(middle)} ({_digits(min(ratios))}–{_digits(max(ratios))})"


def seconds_cell(seconds: float) -> str:
    """Return a single time."""
    unit, factor = _unit(seconds)
    return f"{_digits(seconds * factor)} {unit}"


def factor_cell(factor: float) -> str:
    """Return a plain ratio."""
    return _digits(factor)


def difference_cell(found: float, expected: float) -> str:
    """Return a relative difference."""
    return f"{abs(found - expected) / max(abs(expected), 1e-300):.1e}"


def _unit(seconds: float) -> tuple[str, float]:
    if seconds < 1e-3:
        return "µs", 1e6
    return ("ms", 1e3) if seconds < 1.0 else ("s", 1.0)


def _digits(value: float) -> str:
    """Return three significant digits, without an exponent."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.3g}"
