"""Potentials in triangular form: exact however far rows and means lie apart."""

from collections.abc import Callable
from functools import cache
from typing import final

import numpy as np

from mixtura.engines.compiled import kernels
from mixtura.engines.compiled.matrices import pack_factor
from mixtura.engines.compiled.workspace import block_size
from mixtura.potentials import Potentials
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array, StructureShape

NOTHING = np.empty(0)
NO_MATRICES = np.empty((0, 0, 0))
LOWEST_CONSTANT = -1e300
"""In place of minus infinity, from which nothing may be subtracted."""

LOWEST = np.array(LOWEST_CONSTANT)


@final
class Exact:
    """Potentials in triangular form as the kernels want them, and the sizes that follow."""

    def __init__(self, potentials: Potentials) -> None:
        self.potentials = potentials
        mean, spread = potentials.mean, potentials.precision_cholesky
        self.sizes = n_components, n_features = mean.shape
        self.structure: StructureShape = spread.shape
        self.is_matrix = spread.ndim == 3 and n_features > 1
        constant = np.maximum(potentials.log_weight + potentials.offset, LOWEST)
        scale, factor, packed = NOTHING, NO_MATRICES, NOTHING
        if self.is_matrix:
            shape = (n_components, n_features, n_features)
            factor = np.ascontiguousarray(np.broadcast_to(spread, shape))
            self.kind = kernels.PLANE if n_features == 2 else kernels.MATRIX
            packed = _packed(factor) if self.kind == kernels.MATRIX else NOTHING
        else:
            self.kind = kernels.VECTOR
            if spread.size != mean.size:
                shared, spread = spread.reshape(self.structure[:2]), np.empty(self.sizes)
                spread[...] = shared
            scale = spread.ravel()
        self.arguments = (constant, mean.ravel(), scale, factor, packed)
        room = _room(n_components, n_features, self.is_matrix)
        self.block, self.work_size, self.work_per_row, self.bytes_per_segment = room

    def sweep_kernel(self, single: bool) -> Callable[..., float]:
        """Return the compiled sweep over float32 (``single``) or float64 rows."""
        return kernels.sweep_kernel(self.kind, single)

    def tell_kernel(self, single: bool) -> Callable[..., float]:
        """Return the compiled pass that tells rows."""
        return kernels.tell_kernel(self.kind, single)

    def zeros(self) -> tuple[Array, Array, Array, Array]:
        """Return zeroed count, first and second moments and matrices of one segment."""
        n_components, n_features = self.sizes
        count, first = np.zeros(n_components), np.zeros(n_components * n_features)
        if self.is_matrix:
            return count, first, NOTHING, np.zeros((n_components, n_features, n_features))
        return count, first, np.zeros(n_components * n_features), NO_MATRICES

    def statistics(
        self,
        data_term: float,
        count: Array,
        first: Array,
        second: Array,
        square: Array,
    ) -> SufficientStatistics:
        """Return what the kernels found, in the potentials' structure."""
        n_components, n_features = self.sizes
        if self.is_matrix:
            moments = square + np.tril(square, -1).transpose(0, 2, 1)
        else:
            moments = second.reshape(self.sizes)
            if self.structure[1] < n_features:
                moments = moments.sum(axis=1, keepdims=True)
        if self.structure[0] < n_components:
            moments = moments.sum(axis=0, keepdims=True)
        moments = moments.reshape(self.structure)
        first = first.reshape(self.sizes)
        return SufficientStatistics(count, first, moments, self.potentials.mean, float(data_term))


@cache
def _room(n_components: int, n_features: int, is_matrix: bool) -> tuple[int, int, int, int]:
    """Return rows of a block, numbers to work on it, and by how much passes are segmented."""
    block = block_size(n_components + (3 if is_matrix else 1) * n_features)
    moments = n_features * n_features if is_matrix else n_features
    work_size = (n_components + 2 * n_features + 8) * (block + 8)
    return block, work_size, n_components * (moments + 8), 8 * n_components * (moments + n_features)


def _packed(factor: Array) -> Array:
    n_components, n_features = factor.shape[:2]
    columns = range(-((-n_features) % 4), n_features, 4)
    width = sum(4 * (column + 4) for column in columns)
    packed = np.empty(n_components * width)
    for k in range(n_components):
        pack_factor(factor[k], n_features, packed, k * width)
    return packed
