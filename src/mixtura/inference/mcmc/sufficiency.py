"""When chains have enough draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.diagnostics.convergence_diagnostics import draws_wanted, suffice
from mixtura.typing import Array

LEAST_GROWTH, MOST_GROWTH = 1.25, 2.0
"""By what factors chains grow from one look at them to the next."""


@final
@dataclass(frozen=True)
class Sufficiency:
    """How many effective draws are wanted, and how many draws may be made for them.

    Parameters
    ----------
    effective : int
        Effective draws of each quantity that is judged, of all chains together.
    first : int
        Draws of each chain at which they are judged first.
    most : int
        Draws of each chain that are not exceeded.
    """

    effective: int
    first: int
    most: int

    def next(self, quantities: Sequence[Array]) -> int:
        """Return the draws of each chain that are to be made, at least those that there are.

        As many as there are where they suffice, or no more may be made.

        Parameters
        ----------
        quantities : sequence of arrays of shape (C, S)
            Draws of what is judged.
        """
        made = quantities[0].shape[1]
        if made >= self.most or all(suffice(draws, self.effective) for draws in quantities):
            return made
        wanted = [draws_wanted(draws, self.effective) for draws in quantities]
        largest = np.nanmax([made, *wanted])
        grown = np.clip(largest, LEAST_GROWTH * made, MOST_GROWTH * made)
        return min(self.most, int(np.ceil(grown)))
