"""When tied rows let components, and a learned scale with them, shrink without end."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.typing import Array


@final
@dataclass(frozen=True, eq=False)
class TieBounds:
    """How many tied rows a prior bears: "Bounds of the density" in docs/model.md.

    With J of G spreads shrinking, on m_1 ... m_J tied rows, the evidence is finite if
    ``own + each (G - J)`` is above ``width`` times the sum of m_j - 1 (of m_j, where they are
    tied to a point), and the density is bounded if it is above ``cost J`` and ``width`` times the
    sum of m_j.

    Parameters
    ----------
    own, each : float
        What the scale's distribution, and each spread that does not shrink, hold against it.
    width : float
        Features that share a spread; twice as many for standard deviations.
    cost : float
        What the density of each spread that shrinks adds.
    n_spreads : int
        Free spreads G.
    remedy : str
        What to change.
    by_row : bool
        Whether rows are tied as a whole, rather than the values of a column.
    point : array of shape (D,), optional
        Where rows must be tied; anywhere by default.
    in_plane : bool
        Whether all rows in one plane through the point are what counts.
    is_coupled : bool
        Whether spreads shrink together; otherwise each for itself.
    """

    own: float
    each: float
    width: float
    cost: float
    n_spreads: int
    remedy: str
    by_row: bool = False
    point: Array | None = None
    in_plane: bool = False
    is_coupled: bool = True

    def bears(self, ties: Array, total: float, *, of_mode: bool) -> bool:
        """Whether the density, or else the evidence, has a bound.

        Parameters
        ----------
        ties : array of shape (T,)
            Weights of the largest groups of tied rows, in falling order.
        total : float
            Weight of all rows.
        of_mode : bool
            Whether the density is asked about rather than the evidence.
        """
        G = self.n_spreads
        numbers = [G - 1] if self.is_coupled else [1]
        if self.is_coupled and ties[:G].sum() >= total:
            numbers.append(G)
        return all(self._bears(ties, J, of_mode) for J in numbers if J > 0)

    def _bears(self, ties: Array, n_shrinking: int, of_mode: bool) -> bool:
        each = self.each * (self.n_spreads - n_shrinking)
        free = 0.0 if of_mode or self.point is not None else 1.0
        tied = np.maximum(ties[:n_shrinking] - free, 0.0).sum()
        cost = self.cost * n_shrinking if of_mode else 0.0
        return bool(self.own + each > cost + self.width * tied)
