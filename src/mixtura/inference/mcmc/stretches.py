"""What a chain of partitions keeps of its sweeps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mixtura.engines.allocation import Allocator
from mixtura.messages.statistics import SufficientStatistics
from mixtura.posteriors.kept_partitions import Unsigned, narrowed
from mixtura.typing import Array, IntegerArray

MOST_HELD = 1 << 20
"""Labels of rows and draws that wait until the moments of their clusters are found together."""

OF_CLUSTERS = ("count", "mean", "second", "members")
OF_DRAWS = ("occupied", "concentration")
"""Names of arrays in a file of chains."""

OF_ROWS = ("steps", "labels")
KEPT = ("partition_steps", "partition_labels")
"""Names of these in a file of chains, where "labels" are those that chains stand at."""

PAST = (*OF_DRAWS, *OF_CLUSTERS, "log_joint", *OF_ROWS)


@final
@dataclass(frozen=True, eq=False)
class PartitionStretch:
    """Consecutive sweeps of a chain of partitions.

    Parameters
    ----------
    occupied : array of shape (S,)
        Number of clusters of each draw that is kept.
    concentration : array of shape (S,)
        Concentration of each.
    count : array of shape (M,)
        Rows of all clusters, draw after draw.
    mean : array of shape (M, D)
        Their means.
    second : array of shape (M, ...)
        Second moments about these.
    members : array of shape (M,)
        How often they count for the weights: as their rows, but groups once.
    log_joint : array of shape (T,)
        Log density of rows and partition after each of the T sweeps, in nats.
    steps : integer array of shape (P,)
        The draws whose partitions are kept, numbered from the first draw of the chain on.
    labels : unsigned integer array of shape (P, N)
        These partitions, clusters numbered as above.
    """

    occupied: Array
    concentration: Array
    count: Array
    mean: Array
    second: Array
    members: Array
    log_joint: Array
    steps: IntegerArray
    labels: Unsigned

    def thinned(self, every: int) -> "PartitionStretch":
        """Return the stretch with the partitions of every so manieth draw of the chain alone."""
        some = self.steps % every == 0
        if some.all():
            return self
        return replace(self, steps=self.steps[some], labels=self.labels[some])


def joined(stretches: Sequence[PartitionStretch]) -> PartitionStretch:
    """Return stretches that follow each other as one."""
    parts = (np.concatenate([getattr(one, name) for one in stretches]) for name in PAST)
    return PartitionStretch(*parts)


@final
class KeptDraws:
    """What is kept of the partitions of a stretch, as they come.

    Parameters
    ----------
    allocator : Allocator
        What finds the moments of clusters.
    number : int
        Draws of the chain before the stretch.
    every : int
        The partition of every so manieth draw is kept whole; of none where 0.
    """

    def __init__(self, allocator: Allocator, number: int, every: int) -> None:
        self._allocator, self._number, self._every = allocator, number, every
        self._waiting: list[IntegerArray] = []
        self._moments: list[tuple[IntegerArray, SufficientStatistics]] = []
        self._steps = [np.empty(0, dtype=np.intp)]
        self._labels: list[Unsigned] = [np.empty((0, len(allocator.values)), dtype=np.uint8)]

    def add(self, partitions: IntegerArray) -> None:
        """Take the partitions (P, N) of further draws."""
        if not len(partitions):
            return
        self._waiting.append(partitions)
        if sum(one.size for one in self._waiting) > MOST_HELD:
            self._settle()

    def _settle(self) -> None:
        """Keep of the partitions that wait what is kept of them."""
        partitions = np.concatenate(self._waiting)
        self._waiting = []
        self._moments.append(self._allocator.moments(partitions))
        steps = self._number + np.arange(len(partitions))
        self._number += len(partitions)
        if self._every:
            some = steps % self._every == 0
            self._steps.append(steps[some])
            self._labels.append(narrowed(partitions[some]))

    def stretch(
        self, concentrations: Array, log_joint: Array, cell: tuple[int, ...]
    ) -> PartitionStretch:
        """Return all that was kept; ``cell`` is the shape of a cluster's second moments."""
        if self._waiting:
            self._settle()
        found = [(one.count, one.mean(), one.second) for _, one in self._moments]
        sizes = (0, self._allocator.values.shape[1])
        none = (np.empty(0), np.empty(sizes), np.empty((0, *cell)))
        count, mean, second = (
            np.concatenate([empty, *(one.reshape(-1, *empty.shape[1:]) for one in parts)])
            for empty, *parts in zip(none, *found, strict=True)
        )
        return PartitionStretch(
            np.concatenate([np.empty(0), *(one.astype(np.float64) for one, _ in self._moments)]),
            concentrations,
            count,
            mean,
            second,
            count,
            log_joint,
            np.concatenate(self._steps),
            np.concatenate(self._labels),
        )
