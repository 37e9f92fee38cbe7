"""How batches of rows that come one after another are weighed."""

from dataclasses import dataclass
from typing import final

from mixtura.messages.validation import Real, Whole

BATCH_SIZE = Whole(1, optional=True)
"""What the number of rows of a minibatch may be."""

DECAY = Real(0.5, 1.0, above=True)
"""What the power of a batch's share may be."""

N_ROWS = Whole(1, 10**15, optional=True)
"""What the number of all rows may be."""


@final
@dataclass(frozen=True)
class Schedule:
    """How a batch is weighed against the rows before it [CappeMoulines2009]_ [Hoffman2013]_.

    Parameters
    ----------
    decay : float, default=1.0
        Above 0.5 and at most 1. The batch's share of the statistics is its share of the weight
        seen so far to this power: at 1 every row counts alike, below it earlier ones fade.
    n_rows : int, optional
        What the statistics are weighed to; None for the weight seen so far.
    """

    decay: float = 1.0
    n_rows: int | None = None

    def __post_init__(self) -> None:
        DECAY.read(self.decay, "decay")
        N_ROWS.read(self.n_rows, "n_rows")

    def total(self, seen: float) -> float:
        """Return what the statistics of rows of this weight are weighed to."""
        return seen if self.n_rows is None else float(self.n_rows)

    def factors(self, before: float, held: float, batch: float) -> tuple[float, float]:
        """Return what the statistics so far and those of a batch are multiplied by.

        Parameters
        ----------
        before : float
            Weight of the rows seen so far.
        held : float
            What their statistics have been weighed to.
        batch : float
            Weight of the batch.
        """
        total = self.total(before + batch)
        if self.decay == 1.0 and held == before and total == before + batch:
            return 1.0, 1.0
        share = (batch / (before + batch)) ** self.decay
        return (1.0 - share) * total / held, share * total / batch
