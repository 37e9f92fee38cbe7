"""Potentials of many mixtures at once, such as draws from a posterior."""

from typing import final

import numpy as np

from mixtura.data import Block
from mixtura.engines.native.library import POINTER, WHOLE, address, native_function
from mixtura.engines.native.passes import (
    SMALL,
    Threads,
    address_of,
    check_structure,
    rows_of,
    unmasked,
    weights_of,
)
from mixtura.messages.potentials import Potentials
from mixtura.typing import Array

_ROWS = (POINTER, WHOLE, WHOLE, WHOLE)
_MIXTURES = (POINTER, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE)
_data_terms = native_function(
    "data_terms", WHOLE, *_ROWS, POINTER, *_MIXTURES, WHOLE, POINTER, POINTER
)
_summed_shares = native_function(
    "summed_shares", WHOLE, *_ROWS, *_MIXTURES, WHOLE, POINTER, POINTER
)


@final
class Mixtures:
    """Potentials of T mixtures of K components each, as the library wants them.

    Parameters
    ----------
    potentials : Potentials
        Gaussian components, those of one mixture after the other, each with a factor of its own.
    n_components : int
        Number of components K of a mixture.
    """

    def __init__(self, potentials: Potentials, n_components: int) -> None:
        mean, factor = potentials.mean, potentials.precision_cholesky
        self.n_mixtures, n_features = len(mean) // n_components, mean.shape[1]
        check_structure(factor.shape, len(mean), n_features)
        n_factors, width = n_components, factor.shape[1]
        parts = (potentials.log_weight, potentials.offset, mean, factor)
        table = [np.reshape(part, (self.n_mixtures, -1)) for part in parts]
        self.numbers = unmasked(np.concatenate(table, axis=1, dtype=np.float64))
        n_spreads = n_features**2 if factor.ndim == 3 else width
        n_numbers = (2 + n_features) * n_components + n_factors * n_spreads
        if self.numbers.shape[1] != n_numbers:
            raise ValueError(
                f"{self.n_mixtures} mixtures of {n_components} components with "
                f"{self.numbers.shape[1]} numbers each, where {n_numbers} are needed"
            )
        self.shape = (n_components, n_features, n_factors, width, int(factor.ndim == 3))
        n_moments = n_features**2 if factor.ndim == 3 else n_features
        self.work_per_row = n_components * (n_moments + 8)
        self.n_found = 1 + n_components * (1 + n_features) + n_factors * n_moments

    def data_terms(self, piece: Block, threads: Threads) -> Array:
        """Return the log likelihood of a piece of weighted rows under each mixture, (T,)."""
        rows, single = rows_of(piece, self.shape[1])
        weights, terms = weights_of(piece), np.zeros(self.n_mixtures)
        room = np.empty(self.n_found)
        done = _data_terms(
            *(address(rows), single, len(rows), piece.start, address_of(weights)),
            *(address(self.numbers), self.n_mixtures, *self.shape),
            self._threads(len(rows), threads),
            *map(address, (room, terms)),
        )
        if not done:
            raise MemoryError("no memory for a sweep")
        return terms

    def summed_shares(self, piece: Block, threads: Threads) -> Array:
        """Return the responsibilities of a piece of rows, summed over the mixtures, (N, K)."""
        rows, single = rows_of(piece, self.shape[1])
        total = np.zeros((len(rows), self.shape[0]))
        room = np.empty_like(total)
        done = _summed_shares(
            *(address(rows), single, len(rows), piece.start),
            *(address(self.numbers), self.n_mixtures, *self.shape),
            self._threads(len(rows), threads),
            *map(address, (room, total)),
        )
        if not done:
            raise MemoryError("no memory to tell rows")
        return total

    def _threads(self, n_rows: int, threads: Threads) -> int:
        """Return how many threads a mixture's pass over so many rows may use."""
        work = n_rows * self.work_per_row
        return 1 if work < SMALL else threads(self.n_mixtures * work)
