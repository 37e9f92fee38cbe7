"""Rows that are put into clusters, in native code."""

from dataclasses import replace
from typing import final

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln

from mixtura.engines.allocation import Allocator, number_kept
from mixtura.engines.native.library import POINTER, WHOLE, address, native_function
from mixtura.engines.native.passes import DOUBLE, LABEL, contiguous, unmasked
from mixtura.engines.native.random_source import source_of
from mixtura.messages.prior_arrays import ClusterSteps, MatrixSteps, PartitionSteps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray

LOG_PI = float(np.log(np.pi))
LOG_TWO_PI = float(np.log(2.0 * np.pi))

EACH, SHARED, KNOWN, MATRIX = range(4)
"""A variance for each feature, one for all, known ones, a matrix."""


_moments = native_function("cluster_moments", None, *[POINTER] * 8)
_allocate = native_function("allocate", WHOLE, *[POINTER] * 10)


@final
class NativeAllocator(Allocator):
    """Rows one at a time, a cluster's scale updated as a row joins or leaves it."""

    def __init__(self, values: Array, clusters: ClusterSteps | MatrixSteps) -> None:
        location, scale = (contiguous(p, DOUBLE) for p in (clusters.location, clusters.scale))
        clusters = replace(clusters, location=location, scale=scale)
        super().__init__(contiguous(values, DOUBLE), clusters)
        if self.values.ndim != 2 or self.values.shape[1:] != clusters.location.shape:
            raise ValueError(f"rows of shape {values.shape}, locations {clusters.location.shape}")
        self._kind, self._numbers, further = _prior_of(len(self.values), clusters)
        of_rows = np.append(0.0, np.cumsum(further)[:-1])
        self._constants = np.stack([further, of_rows])
        self._alone = further[0] + _log_density_alone(self.values, clusters)

    def run(
        self,
        labels: IntegerArray,
        partition: PartitionSteps,
        plan: tuple[int, int, int],
        rng: np.random.Generator,
    ) -> tuple[IntegerArray, Array]:
        after, _, worth = self.stretch(labels, partition, plan, rng, (plan[0] + 1, 1))
        return after, worth

    def stretch(
        self,
        labels: IntegerArray,
        partition: PartitionSteps,
        plan: tuple[int, int, int],
        rng: np.random.Generator,
        kept: tuple[int, int],
    ) -> tuple[IntegerArray, IntegerArray, Array]:
        n_rows, n_kept = len(self.values), number_kept(plan[0], kept)
        after, worth = self._whole(labels).copy(), np.empty(plan[0])
        found = np.empty((n_kept, n_rows), dtype=np.int64)
        sizes = np.array([self._kind, *self.values.shape, *plan, *kept], dtype=np.int64)
        parts = partition.log_join, partition.log_size, partition.log_new
        weights = np.stack([contiguous(part, DOUBLE) for part in parts])
        if weights.shape != (3, n_rows + 1):
            raise ValueError(f"a partition of {weights.shape[-1] - 1} rows, not of {n_rows}")
        with source_of(rng) as source:
            given = (sizes, self.values, self._numbers, self._constants, weights, self._alone)
            outputs = (after, found, worth)
            if not _allocate(*map(address, given), source, *map(address, outputs)):
                raise MemoryError(f"no memory for clusters of {len(after)} rows")
        return after.astype(np.intp, copy=False), found.astype(np.intp, copy=False), worth

    def statistics(self, labels: IntegerArray) -> SufficientStatistics:
        return self.moments(self._whole(labels)[None])[1]

    def moments(self, partitions: IntegerArray) -> tuple[IntegerArray, SufficientStatistics]:
        whole, n_rows = contiguous(partitions, LABEL), len(self.values)
        if whole.ndim != 2 or whole.shape[1] != n_rows:
            raise ValueError(f"partitions of shape {whole.shape}, not of {n_rows} rows")
        if whole.view(np.uint64).max(initial=0) >= n_rows:
            raise ValueError(f"labels of {n_rows} rows are wanted, from 0 to {n_rows - 1}")
        occupied = whole.max(axis=1) + 1
        n_clusters, n_features = int(occupied.sum()), self.values.shape[1]
        width = n_features**2 if self._kind == MATRIX else 1 if self._kind == SHARED else n_features
        shape, spread = (n_clusters, n_features), (n_clusters, width)
        count, mean, first, second = (
            np.zeros(some) for some in ((n_clusters,), shape, shape, spread)
        )
        sizes = np.array([self._kind, *self.values.shape, len(whole)], dtype=np.int64)
        outputs = (count, mean, first, second)
        _moments(*map(address, (sizes, self.values, whole, occupied)), *map(address, outputs))
        if self._kind == MATRIX:
            second = second.reshape(*shape, n_features)
        found = SufficientStatistics(count, first, second, mean)
        return occupied.astype(np.intp, copy=False), found

    def _whole(self, labels: IntegerArray) -> IntegerArray:
        """Return the labels of all rows as the library wants them."""
        whole, n_rows = contiguous(labels, LABEL), len(self.values)
        if whole.shape != (n_rows,) or whole.view(np.uint64).max() >= n_rows:
            raise ValueError(f"labels of {n_rows} rows are wanted, from 0 to {n_rows - 1}")
        return whole


def _prior_of(n_rows: int, steps: ClusterSteps | MatrixSteps) -> tuple[int, Array, Array]:
    """Return kind and numbers of a prior, and the constants of a row beside 0 to N + 1 others."""
    rows, size = np.arange(n_rows + 2.0), steps.location.size
    shrinkage = np.broadcast_to(steps.shrinkage, size)
    ratio = shrinkage + rows[:, None]
    further = 0.5 * np.log(ratio / (ratio + 1.0)).sum(axis=1)
    if isinstance(steps, MatrixSteps):
        half = 0.5 * (steps.freedom + rows + 1.0)
        further += gammaln(half) - gammaln(half - 0.5 * size) - 0.5 * size * LOG_PI
        before = -0.5 * steps.freedom * np.linalg.slogdet(steps.scale)[1]
        kind, shape, scale = MATRIX, np.full(size, steps.freedom), steps.scale.reshape(-1)
    else:
        kind = KNOWN if steps.is_known else SHARED if steps.is_shared else EACH
        shape, scale, before = steps.shape, steps.scale, 0.0
        further -= 0.5 * size * LOG_TWO_PI
        if steps.is_known:
            further -= 0.5 * np.log(scale).sum()
        else:
            used, more = (slice(0, 1), 0.5 * size) if steps.is_shared else (slice(None), 0.5)
            powers = shape[used] + more * rows[:, None]
            further += (gammaln(powers + more) - gammaln(powers)).sum(axis=1)
            before = -float((shape[used] * np.log(scale[used])).sum())
    parts = [[before], steps.location, shrinkage, shape, scale]
    numbers = unmasked(np.concatenate(parts, dtype=np.float64))
    if shape.shape != (size,) or scale.size != (size * size if kind == MATRIX else size):
        raise ValueError(f"a prior of {size} features with {scale.size} numbers of scales")
    return kind, numbers, further


def _log_density_alone(values: Array, steps: ClusterSteps | MatrixSteps) -> Array:
    """Return the log density of each row (N, D) as a cluster, but for a constant, shape (N,)."""
    apart = values - steps.location
    squares = steps.shrinkage / (steps.shrinkage + 1.0) * apart * apart
    if isinstance(steps, MatrixSteps):
        factor = np.linalg.cholesky(steps.scale)
        inside = solve_triangular(factor, apart.T, lower=True, check_finite=False)
        ratio = steps.shrinkage / (steps.shrinkage + 1.0)
        more = np.log(1.0 + ratio * (inside * inside).sum(axis=0))
        return -0.5 * (steps.freedom + 1.0) * more - np.log(np.diag(factor)).sum()
    if steps.is_known:
        return -0.5 * (squares / steps.scale).sum(axis=1)
    if steps.is_shared:
        power, scale = steps.shape[0] + 0.5 * steps.shape.size, steps.scale[0]
        before = steps.shape[0] * np.log(scale)
        return before - power * np.log(scale + 0.5 * squares.sum(axis=1))
    before = steps.shape @ np.log(steps.scale)
    return before - np.log(steps.scale + 0.5 * squares) @ (steps.shape + 0.5)
