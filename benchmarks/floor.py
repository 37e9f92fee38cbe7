"""The least time that a pass over the rows can take on this machine.

Counted is what no algorithm can leave out, for each row and component: the multiply-adds of the
score in its expanded form (the fewest there are), one exponential, and the multiply-adds of the
moments; and reading the rows once. Logarithms (one for each row), maxima and normalisation are not
counted. Arithmetic and memory overlap, so that the floor is the larger of the two:

    max(bytes read / read rate + bytes written / write rate,
        multiply-adds / multiply-add rate + exponentials / exponential rate)

Multiply-adds of a score, which are also those of its moments:

    full        D (D + 1) / 2 + D
    tied        D, and D (D + 1) / 2 for each row alone
    diagonal    2 D
    spherical   D + 1, and D for each row alone

The moments take one more for the count.
"""

from dataclasses import dataclass
from typing import final

from benchmarks.cases import Case
from benchmarks.rates import Rates

FLOAT = 8
"""Bytes of a float64."""


@final
@dataclass(frozen=True)
class Work:
    """What a pass has to do.

    Parameters
    ----------
    multiply_adds, exponentials, read, written : float
        Operations and bytes.
    """

    multiply_adds: float
    exponentials: float
    read: float
    written: float = 0.0

    def seconds(self, rates: Rates) -> float:
        """Return the least time it can take."""
        memory = self.read / rates.read + self.written / rates.written
        arithmetic = self.multiply_adds / rates.multiply_adds
        return max(memory, arithmetic + self.exponentials / rates.exponentials)


def iteration_work(case: Case, structure: str, itemsize: int = FLOAT) -> Work:
    """Return the work of one EM iteration."""
    pairs = case.n_rows * case.n_components
    by_pair, by_row = _multiply_adds(structure, case.n_features)
    return Work(
        multiply_adds=pairs * (2 * by_pair + 1) + case.n_rows * 2 * by_row,
        exponentials=pairs,
        read=case.n_rows * case.n_features * itemsize,
    )


def scoring_work(case: Case, structure: str, written_by_row: int) -> Work:
    """Return the work of scoring every row and writing so many numbers for each."""
    pairs = case.n_rows * case.n_components
    by_pair, by_row = _multiply_adds(structure, case.n_features)
    return Work(
        multiply_adds=pairs * by_pair + case.n_rows * by_row,
        exponentials=pairs,
        read=case.n_rows * case.n_features * FLOAT,
        written=case.n_rows * written_by_row * FLOAT,
    )


def _multiply_adds(structure: str, n_features: int) -> tuple[int, int]:
    triangle = n_features * (n_features + 1) // 2
    return {
        "full": (triangle + n_features, 0),
        "tied": (n_features, triangle),
        "diag": (2 * n_features, 0),
        "spherical": (n_features + 1, n_features),
    }[structure]
