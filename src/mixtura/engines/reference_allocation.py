"""The reference allocator: closed forms from scratch, the oracle of the native one."""

from typing import final

import numpy as np
from scipy.special import gammaln, multigammaln  # pyright: ignore[reportAttributeAccessIssue]

from mixtura.engines.allocation import Allocator, numbered
from mixtura.messages.prior_arrays import ClusterSteps, MatrixSteps, PartitionSteps
from mixtura.typing import Array, IntegerArray

LOG_TWO_PI = float(np.log(2.0 * np.pi))
LOG_PI = float(np.log(np.pi))


def log_marginal(values: Array, clusters: ClusterSteps | MatrixSteps) -> float:
    """Return the log density of the rows (n, D) of one cluster, in nats."""
    n, n_features = values.shape
    if n == 0:
        return 0.0
    mean = values.mean(axis=0)
    apart, away = values - mean, mean - clusters.location
    if isinstance(clusters, MatrixSteps):
        total, freedom = clusters.shrinkage + n, clusters.freedom + n
        pull = clusters.shrinkage * n / total * np.outer(away, away)
        after = clusters.scale + apart.T @ apart + pull
        found = multigammaln(0.5 * freedom, n_features)
        found -= multigammaln(0.5 * clusters.freedom, n_features)
        found -= 0.5 * n * n_features * LOG_PI
        found -= 0.5 * n_features * np.log(total / clusters.shrinkage)
        found += 0.5 * clusters.freedom * np.linalg.slogdet(clusters.scale)[1]
        return float(found - 0.5 * freedom * np.linalg.slogdet(after)[1])
    total = clusters.shrinkage + n
    squares = (apart * apart).sum(axis=0) + clusters.shrinkage * n / total * away * away
    found = -0.5 * np.log(total / clusters.shrinkage).sum() - 0.5 * n * n_features * LOG_TWO_PI
    if clusters.is_known:
        return float(found - 0.5 * (n * np.log(clusters.scale) + squares / clusters.scale).sum())
    shape, scale, more = clusters.shape, clusters.scale, 0.5 * n
    if clusters.is_shared:
        shape, scale, squares = shape[:1], scale[:1], squares.sum(keepdims=True)
        more *= n_features
    found += (gammaln(shape + more) - gammaln(shape) + shape * np.log(scale)).sum()
    return float(found - ((shape + more) * np.log(scale + 0.5 * squares)).sum())


def log_acceptance(log_ratio: float, log_proposal: float) -> float:
    """Return the log probability, if below zero, of accepting a move.

    Parameters
    ----------
    log_ratio : float
        Log ratio of what partitions are worth after the move and before.
    log_proposal : float
        Log probability of proposing the way there less that of the way back.
    """
    return log_ratio - log_proposal


@final
class ReferenceAllocator(Allocator):
    """Rows one at a time, each cluster's density from all its rows."""

    def run(
        self,
        labels: IntegerArray,
        partition: PartitionSteps,
        plan: tuple[int, int, int],
        rng: np.random.Generator,
    ) -> tuple[IntegerArray, Array]:
        sweeps, scans, moves = plan
        worth = np.empty(sweeps)
        for sweep in range(sweeps):
            state = _State(self, numbered(labels), partition)
            for _ in range(scans):
                state.scan(rng)
            for _ in range(moves if len(labels) > 1 else 0):
                state.split_or_merge(rng)
            labels = numbered(state.labels)
            worth[sweep] = state.log_worth()
        return labels, worth


@final
class _State:
    """A partition under way: labels, and the clusters in the order in which they are tried."""

    def __init__(
        self, allocator: ReferenceAllocator, labels: IntegerArray, partition: PartitionSteps
    ) -> None:
        self.allocator, self.labels, self.partition = allocator, labels.copy(), partition
        self.active = list(range(int(labels.max()) + 1))
        self.fresh = len(self.active)

    def marginal(self, members: IntegerArray) -> float:
        """Return the log density of some rows as one cluster."""
        return log_marginal(self.allocator.values[members], self.allocator.clusters)

    def gain(self, members: IntegerArray, row: int) -> float:
        """Return the log weight of a row that joins others."""
        more = self.marginal(np.append(members, row)) - self.marginal(members)
        return float(self.partition.log_join[len(members)]) + more

    def members(self, cluster: int) -> IntegerArray:
        """Return the rows of a cluster."""
        return np.flatnonzero(self.labels == cluster)

    def drop(self, cluster: int) -> None:
        """Take a cluster without rows out of the list; the last takes its place."""
        place = self.active.index(cluster)
        self.active[place] = self.active[-1]
        self.active.pop()

    def scan(self, rng: np.random.Generator) -> None:
        """Put every row anew, given the others."""
        for row in range(len(self.labels)):
            old, self.labels[row] = self.labels[row], -1
            if not (self.labels == old).any():
                self.drop(int(old))
            scores = [self.gain(self.members(cluster), row) for cluster in self.active]
            new = float(self.partition.log_new[len(self.active)])
            scores.append(new + self.marginal(np.array([row])))
            chances = np.exp(np.array(scores) - max(scores))
            chosen = int((chances.cumsum() <= rng.random() * chances.sum()).sum())
            if chosen == len(self.active):
                self.active.append(self.fresh)
                self.fresh += 1
            self.labels[row] = self.active[chosen]

    def split_or_merge(self, rng: np.random.Generator) -> None:
        """Try to part the cluster of two rows, or to join their two clusters."""
        n_rows, log_new = len(self.labels), self.partition.log_new
        first = int(rng.random() * n_rows)
        second = int(rng.random() * (n_rows - 1))
        second += second >= first
        one, other = (int(self.labels[row]) for row in (first, second))
        both = np.flatnonzero((self.labels == one) | (self.labels == other))
        order = both[(both != first) & (both != second)]
        for k in range(order.size - 1, 0, -1):
            j = int(rng.random() * (k + 1))
            order[k], order[j] = order[j], order[k]
        sides, log_proposal = self.sides(first, second, order, rng)
        log_size = self.partition.log_size
        log_ratio = float(log_new[len(self.active) - (one != other)])
        log_ratio += sum(float(log_size[side.size]) + self.marginal(side) for side in sides)
        log_ratio -= float(log_size[both.size]) + self.marginal(both)
        if one == other:
            if np.log(1.0 - rng.random()) < log_acceptance(log_ratio, log_proposal):
                self.labels[sides[1]] = self.fresh
                self.active.append(self.fresh)
                self.fresh += 1
        elif np.log(1.0 - rng.random()) < log_acceptance(-log_ratio, -log_proposal):
            self.labels[sides[1]] = one
            self.drop(other)

    def sides(
        self, first: int, second: int, order: IntegerArray, rng: np.random.Generator
    ) -> tuple[list[IntegerArray], float]:
        """Return the two sides of a split, and the log probability of growing them.

        Drawn where the two rows are together, otherwise those that there are.
        """
        is_split = self.labels[first] == self.labels[second]
        sides, log_proposal = [np.array([first]), np.array([second])], 0.0
        for row in order:
            gains = [self.gain(side, int(row)) for side in sides]
            ahead = gains[1] - gains[0]
            if is_split:
                takes_first = rng.random() < np.exp(-np.logaddexp(0.0, ahead))
            else:
                takes_first = self.labels[row] == self.labels[first]
            log_proposal -= np.logaddexp(0.0, ahead if takes_first else -ahead)
            chosen = 0 if takes_first else 1
            sides[chosen] = np.append(sides[chosen], row)
        return sides, float(log_proposal)

    def log_worth(self) -> float:
        """Return what the partition is worth with its rows."""
        groups = [self.members(cluster) for cluster in self.active]
        of_rows = sum(self.marginal(group) for group in groups)
        of_sizes = sum(float(self.partition.log_size[group.size]) for group in groups)
        return float(of_rows + of_sizes + self.partition.log_new[: len(groups)].sum())
