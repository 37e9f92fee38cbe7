"""Rows of a NumPy array."""

from collections.abc import Iterator
from typing import final

import numpy as np

from mixtura.data.base import Block, Rows
from mixtura.typing import Array

BLOCK_ENTRIES = 1 << 16
"""Numbers in a block: half a megabyte, which stays in cache."""

SIDE_BY_SIDE = 256


@final
class ArrayRows(Rows):
    """Rows held in memory.

    Parameters
    ----------
    values : array of shape (N, D)
        Finite rows, float64 or float32.
    weights : array of shape (N,), optional
        Non-negative weights; one each by default.
    factor : array of shape (D,), optional
        What the user's rows have been multiplied by; one by default.
    """

    def __init__(
        self, values: Array, weights: Array | None = None, factor: Array | None = None
    ) -> None:
        self.values = values
        self._factor = np.ones(values.shape[1]) if factor is None else factor
        self.weights = weights
        self._whole = Block(0, values, weights)

    @property
    def n_rows(self) -> int:
        return self.values.shape[0]

    @property
    def n_features(self) -> int:
        return self.values.shape[1]

    @property
    def total_weight(self) -> float:
        return float(self.n_rows if self.weights is None else self.weights.sum())

    @property
    def factor(self) -> Array:
        return self._factor

    def blocks(self) -> Iterator[Block]:
        step = max(1, BLOCK_ENTRIES // self.n_features)
        for start in range(0, self.n_rows, step):
            stop = start + step
            weights = None if self.weights is None else self.weights[start:stop]
            yield Block(start, self.values[start:stop], weights)

    def pieces(self) -> Iterator[Block]:
        return iter((self._whole,))

    def batches(self, size: int) -> Iterator[Rows]:
        for start in range(0, self.n_rows, size):
            stop = start + size
            weights = None if self.weights is None else self.weights[start:stop]
            yield ArrayRows(self.values[start:stop], weights, self._factor)

    def magnitude(self) -> Array:
        return self.once("magnitude", self._magnitude)

    def is_within(self, limit: float) -> bool:
        if not self.knows("magnitude"):
            flat = self.values.ravel(order="K")
            with np.errstate(over="ignore", invalid="ignore"):
                if flat @ flat <= limit * limit:  # one pass, and true where there is room for many
                    return True
        return super().is_within(limit)

    def _magnitude(self) -> Array:
        # Many rows side by side make a long row: along short ones NumPy's reductions are slow.
        n_rows, n_features = self.values.shape
        whole = n_rows // SIDE_BY_SIDE * SIDE_BY_SIDE
        wide = self.values[:whole].reshape(-1, SIDE_BY_SIDE * n_features)
        parts = (wide.max(axis=0, initial=-np.inf), -wide.min(axis=0, initial=np.inf))
        largest = np.maximum(*parts).reshape(SIDE_BY_SIDE, n_features).max(axis=0)
        rest = np.abs(self.values[whole:]).max(axis=0, initial=-np.inf)
        return np.maximum(largest, rest).astype(np.float64)

    def rescaled(self, factor: Array) -> "ArrayRows":
        return ArrayRows(self.values * factor, self.weights, self._factor * factor)
