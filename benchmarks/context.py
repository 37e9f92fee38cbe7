"""What every measurement is given."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import final

from benchmarks.cases import CASES, Case
from benchmarks.rates import Rates, measure_rates
from benchmarks.timing import Plan


@final
@dataclass(frozen=True)
class Settings:
    """What the command line asked for.

    Parameters
    ----------
    plan : Plan
        Number of rounds, and seconds that one contender may take.
    threads : int
        Threads of mixtura, and the larger of the two numbers of threads that peers are tried at.
    structures : tuple of str
        Covariance structures of ``sweep``, ``scoring`` and ``precision``.
    cases : tuple of Case
        Their sizes.
    rows_at_most : int or None
        Most rows of the problems of ``optimum`` and ``memory``.
    article_steps : int
        Steps of the article's script.
    quick : bool
        Whether a first look is enough.
    only : tuple of str
        Words that choose among the checks of a measurement of answers; all of them where empty.
    against : Path or None
        Another checkout, which ``default_speed`` runs beside this one.
    search : float or None
        Seconds for which ``starts`` searches for a better end of each set; where None, only of
        those of which none is known.
    data : Path
        Folder with the real data of ``starts``.
    """

    plan: Plan
    threads: int
    structures: tuple[str, ...] = ("full", "diag")
    cases: tuple[Case, ...] = CASES
    rows_at_most: int | None = None
    article_steps: int = 3000
    quick: bool = False
    only: tuple[str, ...] = ()
    against: Path | None = None
    search: float | None = None
    data: Path = Path("data")

    def wants(self, label: str) -> bool:
        """Return whether a check is asked for: one entry of ``only`` has all its words in it."""
        words = set(label.split())
        return not self.only or any(words.issuperset(entry.split()) for entry in self.only)


def _to_standard_error(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(eq=False)
class Context:
    """Settings, the machine's rates (measured once, when first asked for) and progress lines."""

    settings: Settings
    report: Callable[[str], None] = field(default=_to_standard_error)

    @cached_property
    def rates(self) -> Rates:
        """The machine's rates."""
        self.report("rates of this machine")
        return measure_rates(self.settings.threads)
