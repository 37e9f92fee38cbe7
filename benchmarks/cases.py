"""Sizes of the problems."""

import re
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Case:
    """One size.

    Parameters
    ----------
    n_rows, n_features, n_components : int
        N, D and K.
    """

    n_rows: int
    n_features: int
    n_components: int

    @property
    def label(self) -> str:
        """N, D, K as a reader writes them."""
        return f"{_round_number(self.n_rows)}, {self.n_features}, {self.n_components}"

    def held_to(self, n_rows: int | None) -> "Case":
        """Return the case with at most so many rows."""
        if n_rows is None or self.n_rows <= n_rows:
            return self
        return Case(n_rows, self.n_features, self.n_components)


CASES = (
    Case(150, 1, 2),
    Case(10_000_000, 1, 2),
    Case(1_000_000, 1, 10),
    Case(1_000_000, 2, 5),
    Case(1_000_000, 10, 10),
    Case(200_000, 50, 20),
    Case(100_000, 100, 50),
    Case(1_000_000, 10, 100),
)
"""The sizes of ``sweep`` and ``scoring``."""

QUICK_ROWS = 10_000
"""At most so many rows under ``--quick``."""


def parse_case(text: str) -> Case:
    """Return the case of a text such as ``1e6,10,10`` (N, D, K).

    Raises
    ------
    ValueError
        If the text is not three numbers.
    """
    parts = re.split(r"[,x ]+", text.strip())
    sizes = tuple(int(float(part)) for part in parts)
    if len(sizes) != 3 or min(sizes) < 1:
        raise ValueError(f"a case is N,D,K, such as 1e6,10,10; got {text!r}")
    return Case(*sizes)


def _round_number(value: int) -> str:
    digits = f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    return digits if value >= 1000 and float(digits) == value else str(value)
