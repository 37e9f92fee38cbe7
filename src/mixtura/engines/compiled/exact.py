"""Potentials in triangular form: exact however far rows and means lie apart."""

from collections.abc import Callable
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


@final
class Exact:
    """Potentials in triangular form as the kernels want them, and the sizes that follow."""

    def __init__(self, potentials: Potentials) -> None:
        self.potentials = potentials
        self.sizes = n_components, n_features = potentials.mean.shape
        self.structure: StructureShape = potentials.structure
        self.is_matrix = len(self.structure) == 3 and n_features > 1
        constant = np.maximum(potentials.log_weight + potentials.offset, LOWEST_CONSTANT)
        mean = np.ascontiguousarray(potentials.mean).reshape(-1)
        scale, factor, packed = NOTHING, NO_MATRICES, NOTHING
        if self.is_matrix:
            shape = (n_components, n_features, n_features)
            factor = np.ascontiguousarray(np.broadcast_to(potentials.precision_cholesky, shape))
            kind = kernels.PLANE if n_features == 2 else kernels.MATRIX
            packed = _packed(factor) if kind == kernels.MATRIX else NOTHING
        else:
            kind = kernels.VECTOR
            spread = potentials.precision_cholesky.reshape(self.structure[:2])
            if spread.shape != self.sizes:
                spread = np.broadcast_to(spread, self.sizes)
            scale = np.ascontiguousarray(spread).reshape(-1)
        self.kind = kind
        self.arguments = (constant, mean, scale, factor, packed)
        self.block = block_size(n_components + (3 if self.is_matrix else 1) * n_features)
        self.work_size = (n_components + 2 * n_features + 8) * (self.block + 8)
        moments = n_features * n_features if self.is_matrix else n_features
        self.work_per_row = n_components * (moments + 8)
        self.bytes_per_segment = 8 * n_components * (moments + n_features)

    def sweep_kernel(self, single: bool) -> Callable[..., float]:
        """Return the compiled sweep over float32 (``single``) or float64 rows."""
        return kernels.sweep_kernel(self.kind, single)

    def tell_kernel(self, single: bool) -> Callable[..., float]:
        """Return the compiled pass that tells rows."""
        return kernels.tell_kernel(self.kind, single)

    def zeros(self) -> tuple[Array, Array, Array, Array]:
        """Return zeroed count, first and second moments and matrices of one segment."""
        n_components, n_features = self.sizes
        matrices = (n_components, n_features, n_features) if self.is_matrix else (0, 0, 0)
        return (
            np.zeros(n_components),
            np.zeros(n_components * n_features),
            np.zeros(0 if self.is_matrix else n_components * n_features),
            np.zeros(matrices),
        )

    def statistics(
        self,
        data_term: float,
        count: Array,
        first: Array,
        second: Array,
        square: Array,
    ) -> SufficientStatistics:
        """Return what the kernels found, in the potentials' structure."""
        if self.is_matrix:
            moments = square + np.tril(square, -1).transpose(0, 2, 1)
        else:
            moments = second.reshape(self.sizes)
            if self.structure[1] == 1:
                moments = moments.sum(axis=1, keepdims=True)
        if self.structure[0] == 1:
            moments = moments.sum(axis=0, keepdims=True)
        moments = moments.reshape(self.structure)
        first = first.reshape(self.sizes)
        return SufficientStatistics(count, first, moments, self.potentials.mean, float(data_term))


def _packed(factor: Array) -> Array:
    n_components, n_features = factor.shape[:2]
    columns = range(-((-n_features) % 4), n_features, 4)
    width = sum(4 * (column + 4) for column in columns)
    packed = np.empty(n_components * width)
    for k in range(n_components):
        pack_factor(factor[k], n_features, packed, k * width)
    return packed
