"""Potentials: the K-sized message that goes out to the rows."""

from dataclasses import dataclass
from typing import final

from mixtura.typing import Array, StructureShape


@final
@dataclass(frozen=True, eq=False)
class Potentials:
    """What an engine needs to score rows.

    ``scores[n, k] = log_weight[k] + offset[k] - 1/2 |(x_n - mean[k]) precision_cholesky[k]|^2``

    Parameters
    ----------
    log_weight : array of shape (K,)
        Logarithms of the mixture weights; minus infinity for a weight of zero.
    offset : array of shape (K,)
        Everything in the log density that does not depend on the row.
    mean : array of shape (K, D)
        Component means, also the pivots of the moments that come back.
    precision_cholesky : array of the family's structure shape
        Upper-triangular factors P with P P^T the precision (matrix families), or reciprocal
        standard deviations (the others).
    """

    log_weight: Array
    offset: Array
    mean: Array
    precision_cholesky: Array

    @property
    def structure(self) -> StructureShape:
        """Shape of the structure, which is also the shape of the second moments."""
        return self.precision_cholesky.shape
