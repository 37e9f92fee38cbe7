"""What draws of the allocations say about groups of rows, whatever the components' numbers.

Allocations of S draws are integers of shape (S, N), not below zero: rows of one draw with equal
integers are together. The integers mean nothing beyond that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import xlogy

from mixtura.errors import InvalidArgumentError
from mixtura.typing import Array, IntegerArray

BLOCK = 20_000_000
"""Numbers that one step of a sum over draws holds at once."""


@final
@dataclass(frozen=True)
class PartitionLoss:
    """A distance between partitions that is a sum over the sizes of groups and of their overlaps.

    ``sum_g f(n_g) + sum_h f(m_h) - 2 sum_gh f(n_gh)``, with n_g rows in group g of one partition,
    m_h in group h of the other and n_gh in both.

    Parameters
    ----------
    of_sizes : callable
        Returns f for an array of sizes, given the number of rows.
    """

    of_sizes: Callable[[Array | IntegerArray, int], Array]


BINDER = PartitionLoss(lambda sizes, n_rows: 0.5 * sizes * (sizes - 1.0))
"""Number of pairs of rows that are together in one of the partitions only [Binder1978]_."""

VARIATION_OF_INFORMATION = PartitionLoss(lambda sizes, n_rows: xlogy(sizes, sizes) / n_rows)
"""Information in one of the partitions that is not in the other [Meila2007]_, in nats."""


@final
@dataclass(frozen=True, eq=False)
class PartitionDraws:
    """The different partitions among draws.

    Parameters
    ----------
    labels : integer array of shape (S, N)
        Group of each row, numbered from 0 in the order of their first rows.
    shares : array of shape (S,)
        Share of the draws that are this partition.
    """

    labels: IntegerArray
    shares: Array

    @classmethod
    def of(cls, allocations: IntegerArray) -> "PartitionDraws":
        """Return the partitions among allocations (S, N)."""
        labels, counts = np.unique(canonical_labels(allocations), axis=0, return_counts=True)
        return cls(labels, counts / counts.sum())

    @property
    def n_rows(self) -> int:
        """Number of rows N."""
        return self.labels.shape[1]

    def overlaps(self, labels: IntegerArray, n_groups: int) -> IntegerArray:
        """Return sizes (S, G, H) of the overlaps of a partition's groups with each draw's."""
        n_labels = int(self.labels.max()) + 1
        cells = self.labels + labels * n_labels
        cells = cells + np.arange(len(cells))[:, None] * (n_groups * n_labels)
        counts = np.bincount(cells.ravel(), minlength=len(cells) * n_groups * n_labels)
        return counts.reshape(len(cells), n_groups, n_labels)

    def distances(self, labels: IntegerArray, loss: PartitionLoss) -> Array:
        """Return the distance of a partition (N,) from each of the draws, shape (S,)."""
        table = self.overlaps(labels, int(labels.max()) + 1)
        parts = (table.sum(axis=2), table.sum(axis=1), table.reshape(len(table), -1))
        one, other, both = (loss.of_sizes(part, self.n_rows).sum(axis=1) for part in parts)
        return np.maximum(one + other - 2.0 * both, 0.0)

    def expected(self, labels: IntegerArray, loss: PartitionLoss) -> float:
        """Return the distance of a partition (N,) from the draws, on average."""
        return float(self.shares @ self.distances(labels, loss))


def canonical_labels(allocations: IntegerArray) -> IntegerArray:
    """Return allocations (S, N) with groups numbered 0, 1, ... in the order of their first rows."""
    values = np.asarray(allocations)
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "iu" or values.min() < 0:
        raise InvalidArgumentError(
            "must be integers of shape (S, N), not below zero; "
            f"got {values.dtype} of shape {values.shape}",
            argument="allocations",
        )
    n_draws, n_rows = values.shape
    first = np.full((n_draws, int(values.max()) + 1), n_rows)
    np.minimum.at(first, (np.arange(n_draws)[:, None], values), np.arange(n_rows))
    ranks = np.argsort(np.argsort(first, axis=1, kind="stable"), axis=1)
    return np.take_along_axis(ranks, values, axis=1)


def occupied_components(allocations: IntegerArray) -> IntegerArray:
    """Return the number of components with rows, for allocations (..., N): shape (...)."""
    ordered = np.sort(allocations, axis=-1)
    return 1 + (np.diff(ordered, axis=-1) != 0).sum(axis=-1)


def co_clustering(allocations: IntegerArray) -> Array:
    """Return the share of draws in which two rows are together, shape (N, N).

    Parameters
    ----------
    allocations : integer array of shape (S, N)
        Component of each row, by draw; N of at most some thousands.
    """
    labels = canonical_labels(allocations)
    n_draws, n_rows = labels.shape
    groups = np.arange(int(labels.max()) + 1)
    together = np.zeros((n_rows, n_rows))
    step = max(1, BLOCK // (n_rows * groups.size))
    for start in range(0, n_draws, step):
        # Whole numbers this small are exact in single precision.
        inside = labels[start : start + step, None, :] == groups[:, None]
        inside = inside.reshape(-1, n_rows).astype(np.float32)
        together += inside.T @ inside
    return together / n_draws
