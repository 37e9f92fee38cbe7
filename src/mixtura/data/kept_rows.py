"""The rows of a fit, kept for what is asked about them later."""

import zlib
from dataclasses import dataclass
from typing import Self, final

from mixtura.data.known_labels import KnownLabels
from mixtura.data.memory import ArrayRows
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
    errors : array of shape (N or 1, D) or (N or 1, D, D), optional
        Variances or covariances of their measurement errors.
    labels : KnownLabels, optional
        The components that are known of them.
    checksum : int, optional
        Of both together; None where they are copies.
    """

    values: Array
    weights: Array | None
    errors: Array | None
    labels: KnownLabels | None
    checksum: int | None

    @classmethod
    def of(cls, rows: ArrayRows) -> Self:
        """Return rows so that later changes to their arrays are of no effect."""
        values, weights = rows.values, rows.weights
        if values.size > COPIED:
            own = (rows.errors, rows.labels, _checksum(values, weights))
            return cls(values, weights, *own)
        own = (rows.errors, rows.labels, None)
        return cls(values.copy(), None if weights is None else weights.copy(), *own)

    def read(self) -> ArrayRows:
        """Return the rows with their weights.

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
        return ArrayRows(self.values, self.weights, None, self.errors, None, self.labels)


def _checksum(values: Array, weights: Array | None) -> int:
    found = zlib.crc32(values.data.cast("B"))
    return found if weights is None else zlib.crc32(weights.data.cast("B"), found)
