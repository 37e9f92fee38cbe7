"""Rows put into clusters, one at a time, the clusters' parameters integrated out."""

from abc import ABC, abstractmethod

import numpy as np
from scipy.special import gammaln, multigammaln  # pyright: ignore[reportAttributeAccessIssue]

from mixtura.messages.prior_arrays import ClusterSteps, MatrixSteps, PartitionSteps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


class Allocator(ABC):
    """Sweeps over rows that are put into clusters without limit to their number.

    Clusters are numbered in the order of their first rows. What is drawn depends on the labels,
    the steps and the generator alone.

    Parameters
    ----------
    values : array of shape (N, D)
        The rows.
    clusters : ClusterSteps or MatrixSteps
        What tells the rows of a cluster.
    """

    def __init__(self, values: Array, clusters: ClusterSteps | MatrixSteps) -> None:
        self.values = np.ascontiguousarray(values, dtype=np.float64)
        self.clusters = clusters

    @abstractmethod
    def run(
        self,
        labels: IntegerArray,
        partition: PartitionSteps,
        plan: tuple[int, int, int],
        rng: np.random.Generator,
    ) -> tuple[IntegerArray, Array]:
        """Return the clusters of the rows (N,) after some sweeps, and what each was worth.

        Parameters
        ----------
        labels : integer array of shape (N,)
            Clusters to begin with, numbered from 0 without gaps.
        partition : PartitionSteps
            What partitions are worth.
        plan : tuple of int
            Number of sweeps T; in each of them, how often every row is put anew, and how often a
            split or a merge is tried.
        rng : Generator
            Source of the random numbers; where it ends, the next sweep begins.

        Returns
        -------
        labels : integer array of shape (N,)
            Clusters of the rows.
        log_worth : array of shape (T,)
            After each sweep: log density of the rows given the partition, and the partition's own,
            up to the constant of the steps, in nats.
        """

    def stretch(
        self,
        labels: IntegerArray,
        partition: PartitionSteps,
        plan: tuple[int, int, int],
        rng: np.random.Generator,
        kept: tuple[int, int],
    ) -> tuple[IntegerArray, IntegerArray, Array]:
        """Return what :meth:`run` does, and the clusters after some of the sweeps.

        Parameters
        ----------
        labels, partition, plan, rng
            As for :meth:`run`.
        kept : tuple of int
            The number, counted from 1, of the first sweep whose clusters are returned, and that of
            sweeps from one to the next.

        Returns
        -------
        labels : integer array of shape (N,)
            Clusters of the rows after all T sweeps.
        partitions : integer array of shape (P, N)
            Clusters after each of the P sweeps that are kept.
        log_worth : array of shape (T,)
            As :meth:`run` says.
        """
        found = np.empty((number_kept(plan[0], kept), len(labels)), dtype=np.intp)
        worth, done = [np.empty(0)], 0
        for number, sweep in enumerate(range(kept[0], plan[0] + 1, kept[1])):
            labels, some = self.run(labels, partition, (sweep - done, *plan[1:]), rng)
            worth.append(some)
            found[number], done = labels, sweep
        labels, some = self.run(labels, partition, (plan[0] - done, *plan[1:]), rng)
        return labels, found, np.concatenate([*worth, some])

    def moments(self, partitions: IntegerArray) -> tuple[IntegerArray, SufficientStatistics]:
        """Return the moments of the clusters of partitions (P, N), and how many each has, (P,).

        Moments about the clusters' own means, of one partition after the other.
        """
        each = [self.statistics(labels) for labels in partitions]
        occupied = np.array([one.count.size for one in each], dtype=np.intp)
        count, first, second, pivot = (
            np.concatenate([getattr(one, name) for one in each])
            for name in ("count", "first", "second", "pivot")
        )
        return occupied, SufficientStatistics(count, first, second, pivot)

    def statistics(self, labels: IntegerArray) -> SufficientStatistics:
        """Return the moments of all clusters about their own means."""
        count = np.bincount(labels).astype(np.float64)

        def summed(table: Array) -> Array:
            columns = [np.bincount(labels, column) for column in table.T]
            return np.stack(columns, axis=1).astype(np.float64)

        mean = summed(self.values) / count[:, None]
        apart = self.values - mean[labels]
        if isinstance(self.clusters, MatrixSteps):
            products = apart[:, :, None] * apart[:, None, :]
            sums = summed(products.reshape(len(apart), -1))
            second = sums.reshape(-1, *products.shape[1:])
        elif self.clusters.is_shared:
            second = summed((apart * apart).sum(axis=1, keepdims=True))
        else:
            second = summed(apart * apart)
        # First moments are zero but for rounding.
        return SufficientStatistics(count, summed(apart), second, mean)


def log_marginals(moments: SufficientStatistics, clusters: ClusterSteps | MatrixSteps) -> Array:
    """Return the log density (t,) of the rows of clusters, parameters integrated out, in nats.

    Parameters
    ----------
    moments : SufficientStatistics
        Moments of t clusters about their own means.
    clusters : ClusterSteps or MatrixSteps
        What tells the rows of a cluster.
    """
    count, mean = moments.count, moments.mean()
    apart, size = mean - clusters.location, mean.shape[1]
    n = count[:, None]
    if isinstance(clusters, MatrixSteps):
        total, freedom = clusters.shrinkage + count, clusters.freedom + count
        pull = (clusters.shrinkage * count / total)[:, None, None]
        after = clusters.scale + moments.second + pull * apart[:, :, None] * apart[:, None, :]
        found = multigammaln(0.5 * freedom, size) - multigammaln(0.5 * clusters.freedom, size)
        found = found - 0.5 * count * size * np.log(np.pi)
        found = found - 0.5 * size * np.log(total / clusters.shrinkage)
        found = found + 0.5 * clusters.freedom * np.linalg.slogdet(clusters.scale)[1]
        return np.asarray(found - 0.5 * freedom * np.linalg.slogdet(after)[1])
    total = clusters.shrinkage + n
    pulled = clusters.shrinkage * n / total * apart * apart
    found = -0.5 * np.log(total / clusters.shrinkage).sum(axis=1)
    found = found - 0.5 * count * size * np.log(2.0 * np.pi)
    if clusters.is_known:
        squares = (moments.second + pulled) / clusters.scale
        return np.asarray(found - 0.5 * (n * np.log(clusters.scale) + squares).sum(axis=1))
    shape, scale, more, squares = clusters.shape, clusters.scale, 0.5 * n, moments.second + pulled
    if clusters.is_shared:
        shape, scale, more = shape[:1], scale[:1], more * size
        squares = moments.second + pulled.sum(axis=1, keepdims=True)
    found = found + (gammaln(shape + more) - gammaln(shape) + shape * np.log(scale)).sum(axis=1)
    return np.asarray(found - ((shape + more) * np.log(scale + 0.5 * squares)).sum(axis=1))


def number_kept(sweeps: int, kept: tuple[int, int]) -> int:
    """Return how many of so many sweeps are kept: the first that is, and every so manieth.

    Raises
    ------
    ValueError
        If one of the two numbers is below 1.
    """
    if min(kept) < 1:
        raise ValueError(f"sweeps are counted from 1 on; got {kept}")
    return len(range(kept[0], sweeps + 1, kept[1]))


def numbered(labels: IntegerArray) -> IntegerArray:
    """Return labels renumbered from 0, in the order of their first rows."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse]
