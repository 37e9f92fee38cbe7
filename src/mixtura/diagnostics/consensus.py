"""The one partition that stands for draws of the allocations, and how sure it is."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

from mixtura.diagnostics.partition_draws import (
    VARIATION_OF_INFORMATION,
    PartitionDraws,
    PartitionLoss,
    canonical_labels,
)
from mixtura.errors import InvalidArgumentError
from mixtura.typing import IntegerArray

MOST_DRAWS = 500
"""Draws that a search looks at: evenly spaced ones where there are more."""

MOST_SWEEPS = 100
"""Sweeps over the rows; a few settle it, and each lowers the loss."""

GAIN = 1e-12
"""Least by which a move must lower the loss, so that rounding cannot make it go round."""

MORE_GROUPS = 3
"""Cuts of the tree have up to this many times the groups of the draw that has most."""


@final
@dataclass(frozen=True, eq=False)
class Consensus:
    """A partition that is close to the draws.

    Parameters
    ----------
    labels : integer array of shape (N,)
        Group of each row, numbered from 0 in the order of their first rows.
    expected_loss : float
        Its distance from the draws that were looked at, on average.
    """

    labels: IntegerArray
    expected_loss: float


@final
@dataclass(frozen=True, eq=False)
class CredibleBall:
    """The smallest ball around a partition that holds a share of the draws [WadeGhahramani2018]_.

    Parameters
    ----------
    radius : float
        Largest distance in it.
    horizontal : integer array of shape (N,)
        The draw in it that is farthest from the centre.
    upper, lower : integer array of shape (N,)
        Of the draws in it with fewest, and with most, groups the one that is farthest.
    """

    radius: float
    horizontal: IntegerArray
    upper: IntegerArray
    lower: IntegerArray


@final
@dataclass(frozen=True, eq=False)
class Grouping:
    """A partition that stands for draws, and how sure it is.

    Parameters
    ----------
    labels : integer array of shape (N,)
        Group of each row, numbered from 0 in the order of their first rows.
    expected_loss : float
        Its distance from the draws, on average.
    ball : CredibleBall
        The smallest ball around it that holds a share of the draws.
    level : float
        That share.
    """

    labels: IntegerArray
    expected_loss: float
    ball: CredibleBall
    level: float

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.labels.max()) + 1

    def __repr__(self) -> str:
        return (
            f"<Grouping of {self.labels.size:,} rows: {self.n_groups} groups, expected loss "
            f"{self.expected_loss:.4g}, radius {self.ball.radius:.4g} at level {self.level:g}>"
        )


def consensus_partition(
    allocations: IntegerArray,
    loss: PartitionLoss = VARIATION_OF_INFORMATION,
    n_starts: int = 4,
    seed: int = 0,
) -> Consensus:
    """Return a partition of small expected distance from the draws [WadeGhahramani2018]_.

    Rows are moved one by one, and groups merged, while that lowers the loss [Dahl2022]_. Starts
    are the best draw, the best cut of a tree by average linkage of co-clustering, and rows put in
    one after the other in random orders. The least loss of all is kept; there may be a lower one.

    Parameters
    ----------
    allocations : integer array of shape (S, N)
        Component of each row, by draw; of more than 500 draws evenly spaced ones are used.
    loss : PartitionLoss
        What is close: variation of information, or Binder's loss.
    n_starts : int, default=4
        Number of random orders.
    seed : int, default=0
        Seed of the orders.
    """
    n_draws = len(allocations)
    chosen = np.unique(np.linspace(0, n_draws - 1, min(n_draws, MOST_DRAWS)).round().astype(int))
    draws = PartitionDraws.of(np.asarray(allocations)[chosen])
    rng = np.random.default_rng(seed)
    starts = [_best_draw(draws, loss), _best_cut(draws, loss)]
    starts += [np.full(draws.n_rows, -1)] * n_starts
    ends = [_Search(draws, loss, start).run(rng) for start in starts]
    losses = [draws.expected(labels, loss) for labels in ends]
    best = int(np.argmin(losses))
    return Consensus(ends[best], losses[best])


def credible_ball(
    labels: IntegerArray,
    allocations: IntegerArray,
    loss: PartitionLoss = VARIATION_OF_INFORMATION,
    level: float = 0.95,
) -> CredibleBall:
    """Return the ball around a partition (N,) that holds at least a share of the draws (S, N).

    Parameters
    ----------
    labels : integer array of shape (N,)
        The centre.
    allocations : integer array of shape (S, N)
        Component of each row, by draw.
    loss : PartitionLoss
        The distance.
    level : float, default=0.95
        The share, above 0 and at most 1.
    """
    if not 0.0 < level <= 1.0:
        raise InvalidArgumentError(
            f"must be above 0 and at most 1; got {level!r}", argument="level"
        )
    draws = PartitionDraws.of(allocations)
    distances = draws.distances(canonical_labels(np.asarray(labels)[None])[0], loss)
    order = np.argsort(distances, kind="stable")
    held = np.cumsum(draws.shares[order])
    radius = float(distances[order[np.searchsorted(held, level - GAIN)]])
    inside = np.flatnonzero(distances <= radius + GAIN)
    sizes = draws.labels[inside].max(axis=1)

    def farthest(among: IntegerArray) -> IntegerArray:
        return draws.labels[among[np.argmax(distances[among])]]

    return CredibleBall(
        radius,
        farthest(inside),
        farthest(inside[sizes == sizes.min()]),
        farthest(inside[sizes == sizes.max()]),
    )


def _best_draw(draws: PartitionDraws, loss: PartitionLoss) -> IntegerArray:
    """Return the draw of least expected loss among the most frequent ones."""
    frequent = np.argsort(-draws.shares, kind="stable")[: MOST_DRAWS // 5]
    losses = [draws.expected(labels, loss) for labels in draws.labels[frequent]]
    return draws.labels[frequent[int(np.argmin(losses))]]


def _best_cut(draws: PartitionDraws, loss: PartitionLoss) -> IntegerArray:
    """Return the cut of least expected loss of a tree by average linkage."""
    if draws.n_rows == 1:
        return np.zeros(1, dtype=np.intp)
    together = np.zeros((draws.n_rows, draws.n_rows))
    for labels, share in zip(draws.labels, draws.shares, strict=True):
        together += share * (labels[:, None] == labels)
    # Shares that add up to one may be a rounding error above it.
    tree = linkage(squareform(np.maximum(1.0 - together, 0.0), checks=False), "average")
    most = min(draws.n_rows, MORE_GROUPS * (int(draws.labels.max()) + 1))
    cuts = canonical_labels(cut_tree(tree, np.arange(1, most + 1)).T)
    return cuts[int(np.argmin([draws.expected(cut, loss) for cut in cuts]))]


@final
class _Search:
    """A partition in the making, with the overlaps of its groups with those of the draws.

    Groups have slots; one slot at least is free, for a row that starts a group of its own. Rows
    labelled -1 are in none yet.
    """

    def __init__(self, draws: PartitionDraws, loss: PartitionLoss, labels: IntegerArray) -> None:
        self.draws, self.loss = draws, loss
        self.at = np.arange(len(draws.labels))
        sizes = np.arange(draws.n_rows + 1.0)
        self.of_size = loss.of_sizes(sizes, draws.n_rows)
        self.step = np.diff(self.of_size)
        self._place(labels)

    def run(self, rng: np.random.Generator) -> IntegerArray:
        """Return the partition at which no move and no merger lowers the loss."""
        for _ in range(MOST_SWEEPS):
            moved = self._move(rng.permutation(self.draws.n_rows))
            self._place(canonical_labels(self.labels[None])[0])
            if not (self._merge() or moved):
                break
        return self.labels

    def _place(self, labels: IntegerArray) -> None:
        n_slots = int(labels.max()) + 2
        placed = labels.copy()
        # Slots last: what a row needs of a draw then lies in one piece.
        self.overlaps = np.zeros((len(self.at), int(self.draws.labels.max()) + 1, n_slots), int)
        if (labels >= 0).all():
            self.overlaps = self.draws.overlaps(labels, n_slots).swapaxes(1, 2).copy()
        self.size = np.bincount(labels[labels >= 0], minlength=n_slots)
        self.labels = placed

    def _move(self, rows: IntegerArray) -> bool:
        """Put each row where it costs least; return whether any row has moved."""
        moved = False
        for row in rows:
            groups = self.draws.labels[:, row]
            old = self.labels[row]
            if old >= 0:
                self.overlaps[self.at, groups, old] -= 1
                self.size[old] -= 1
            costs = self.step[self.size] - 2.0 * (
                self.draws.shares @ self.step.take(self.overlaps[self.at, groups])
            )
            new = int(np.argmin(costs))
            if old >= 0 and costs[new] > costs[old] - GAIN:
                new = old
            self.overlaps[self.at, groups, new] += 1
            self.size[new] += 1
            self.labels[row] = new
            moved |= new != old
            if self.size.all():
                self.size = np.append(self.size, 0)
                self.overlaps = np.pad(self.overlaps, ((0, 0), (0, 0), (0, 1)))
        return moved

    def _merge(self) -> bool:
        """Merge the two groups for which it lowers the loss most; return whether there are any."""
        used = np.flatnonzero(self.size)
        own = self.of_size[self.size] - 2.0 * (
            self.draws.shares @ self.of_size.take(self.overlaps).sum(axis=1)
        )
        best, pair = -GAIN, None
        for position, one in enumerate(used):
            rest = used[position + 1 :]
            both = self.overlaps[:, :, [one]] + self.overlaps[:, :, rest]
            gains = (
                self.of_size[self.size[one] + self.size[rest]]
                - 2.0 * (self.draws.shares @ self.of_size.take(both).sum(axis=1))
                - own[one]
                - own[rest]
            )
            if rest.size and gains.min() < best:
                best, pair = float(gains.min()), (one, rest[int(np.argmin(gains))])
        if pair is None:
            return False
        labels = np.where(self.labels == pair[1], pair[0], self.labels)
        self._place(canonical_labels(labels[None])[0])
        return True
