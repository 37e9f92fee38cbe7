"""The rows of a fit, kept for what is asked about them later."""

import zlib
from dataclasses import dataclass
from typing import Self, final

from mixtura.errors import DataError
from mixtura.typing import Array

COPIED = 1 << 20
"""Numbers up to which rows are copied (8 MB); of more there is no copy, but a checksum."""


@final
@dataclass(frozen=True, eq=False)
class KeptRows:
    """Rows and weights as they were when they were fitted.

    An array that is fitted belongs to the user, who may write to it afterwards. Few rows are
    copied; of many a checksum tells whether they still are what they were.

    Parameters
    ----------
    values : array of shape (N, D)
        The rows.
    weights : array of shape (N,), optional
        Their weights.
    checksum : int, optional
        Of both together; None where they are copies.
    """

    values: Array
    weights: Array | None
    checksum: int | None

    @classmethod
    def of(cls, values: Array, weights: Array | None) -> Self:
        """Return rows of shape (N, D) and weights (N,) so that later changes are of no effect."""
        if values.size > COPIED:
            return cls(values, weights, _checksum(values, weights))
        return cls(values.copy(), None if weights is None else weights.copy(), None)

    def read(self) -> tuple[Array, Array | None]:
        """Return rows (N, D) and weights (N,).

        Raises
        ------
        DataError
            If they have been written to.
        """
        checksum = self.checksum
        if checksum is not None and checksum != _checksum(self.values, self.weights):
            raise DataError(
                "the rows, or their weights, were written to after they were fitted: pass the rows "
                "as they were as X, or fit a copy of them"
            )
        return self.values, self.weights


def _checksum(values: Array, weights: Array | None) -> int:
    found = zlib.crc32(values.data.cast("B"))
    return found if weights is None else zlib.crc32(weights.data.cast("B"), found)
