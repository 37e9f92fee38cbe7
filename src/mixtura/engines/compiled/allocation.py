"""Sweeps over rows that are put into clusters, in compiled code."""

from collections.abc import Callable
from functools import cache
from typing import final

import numpy as np
from numba import njit, types
from scipy.linalg import solve_triangular
from scipy.special import gammaln

from mixtura.engines.allocation import Allocator
from mixtura.engines.compiled.clusters import (
    COUNT,
    EACH,
    KNOWN,
    MATRIX,
    SHARED,
    clear,
    copy,
    evidence,
    find,
    join,
    leave,
    score,
    weigh,
)
from mixtura.engines.compiled.options import INNER
from mixtura.engines.compiled.signatures import FLAT, READ, made, read_only
from mixtura.steps import ClusterSteps, MatrixSteps, PartitionSteps
from mixtura.typing import Array, IntegerArray

LOG_PI = float(np.log(np.pi))
LOG_TWO_PI = float(np.log(2.0 * np.pi))

WHOLE = types.Array(types.int64, 1, "C")
PRIOR = types.Tuple((types.int64, READ, read_only(types.float64, 2)))
PARTITION = types.UniTuple(READ, 3)
PLAN = types.UniTuple(types.int64, 2)
"""Scans and moves of a sweep."""


@njit(**INNER)
def open_cluster(k, book):
    """Put a cluster at the end of the list."""
    active, place, _, numbers = book
    active[numbers[0]] = k
    place[k] = numbers[0]
    numbers[0] += 1


@njit(**INNER)
def close_cluster(k, book):
    """Take a cluster out of the list; the last one takes its place."""
    active, place, free, numbers = book
    numbers[0] -= 1
    last = active[numbers[0]]
    active[place[k]] = last
    place[last] = place[k]
    free[numbers[1]] = k
    numbers[1] += 1


@njit(**INNER)
def take_free(book):
    """Return a cluster that is not in use."""
    _, _, free, numbers = book
    numbers[1] -= 1
    return free[numbers[1]]


@njit(**INNER)
def scan(rows, alone, labels, prior, partition, clusters, book, rng, room, spare):
    """Put every row anew, given the others (algorithm 3 of [Neal2000]_)."""
    log_join, _, log_new = partition
    active, _, _, numbers = book
    gains, scores = spare
    for n in range(labels.size):
        old = labels[n]
        labels[n] = -1
        if clusters[old, COUNT] == 1.0:
            close_cluster(old, book)
        elif not leave(rows, n, old, prior, clusters, room):
            find(rows, labels, old, old + 1, prior, clusters, room)
        total = numbers[0]
        gains[total] = alone[n]
        scores[total] = log_new[total] + alone[n]
        highest = scores[total]
        for a in range(total):
            k = active[a]
            size = int(clusters[k, COUNT])
            gains[a] = score(rows, n, k, prior, clusters, room)
            scores[a] = log_join[size] + gains[a]
            highest = max(highest, scores[a])
        mass = 0.0
        for a in range(total + 1):
            mass += np.exp(scores[a] - highest)
            scores[a] = mass
        level = rng.random() * mass
        chosen = 0
        while chosen < total and scores[chosen] <= level:
            chosen += 1
        if chosen == total:
            k = take_free(book)
            clear(k, prior, clusters, room)
            open_cluster(k, book)
        else:
            k = active[chosen]
        join(rows, n, k, gains[chosen], prior, clusters, room)
        labels[n] = k


@njit(**INNER)
def others(labels, first, second, rng, order):
    """Write the other rows of the clusters of two rows in random order; return their number."""
    total = 0
    for n in range(labels.size):
        if n != first and n != second and labels[n] in (labels[first], labels[second]):
            order[total] = n
            total += 1
    for k in range(total - 1, 0, -1):
        j = int(rng.random() * (k + 1))
        order[k], order[j] = order[j], order[k]
    return total


@njit(**INNER)
def grow(rows, alone, labels, pair, order, prior, log_join, clusters, rng, room, side):
    """Grow both sides of a split in the spare clusters; return the log probability of that.

    Drawn where the two rows are together, otherwise the sides that there are.
    """
    one, other = len(clusters) - 3, len(clusters) - 2
    first, second = pair
    is_split = labels[first] == labels[second]
    for n, k in ((first, one), (second, other)):
        clear(k, prior, clusters, room)
        join(rows, n, k, alone[n], prior, clusters, room)
    result, gains = 0.0, np.empty(2)
    for m in range(order.size):
        n = order[m]
        ahead = log_join[int(clusters[other, COUNT])] - log_join[int(clusters[one, COUNT])]
        for k in (other, one):
            gains[k - one] = score(rows, n, k, prior, clusters, room)
        ahead += gains[1] - gains[0]
        cost = max(ahead, 0.0) + np.log1p(np.exp(-abs(ahead)))
        takes_first = rng.random() < np.exp(-cost) if is_split else labels[n] == labels[first]
        result -= cost if takes_first else cost - ahead
        side[m] = takes_first
        k = one if takes_first else other
        join(rows, n, k, gains[k - one], prior, clusters, room)
    return result


@njit(**INNER)
def split_or_merge(rows, alone, labels, prior, partition, clusters, book, rng, room, spare):
    """Try to part the cluster of two rows, or to join their two clusters [Dahl2005]_."""
    log_join, log_size, log_new = partition
    order, side = spare
    one, other, whole = len(clusters) - 3, len(clusters) - 2, len(clusters) - 1
    first = int(rng.random() * labels.size)
    second = int(rng.random() * (labels.size - 1))
    if second >= first:
        second += 1
    here, there = labels[first], labels[second]
    order = order[: others(labels, first, second, rng, order)]
    log_proposal = grow(
        rows, alone, labels, (first, second), order, prior, log_join, clusters, rng, room, side
    )
    if here == there:
        whole = here
    else:
        copy(one, whole, clusters)
        join(rows, second, whole, 0.0, prior, clusters, room)
        for m in range(order.size):
            if not side[m]:
                join(rows, order[m], whole, 0.0, prior, clusters, room)
        weigh(whole, prior, clusters, room)
    log_ratio = log_new[book[3][0] - (1 if here != there else 0)]
    for k in (one, other):
        log_ratio += log_size[int(clusters[k, COUNT])] + evidence(k, prior, clusters)
    log_ratio -= log_size[int(clusters[whole, COUNT])] + evidence(whole, prior, clusters)
    log_level = np.log(1.0 - rng.random())
    if here == there and log_level < log_ratio - log_proposal:
        k = take_free(book)
        open_cluster(k, book)
        copy(one, here, clusters)
        copy(other, k, clusters)
        labels[second] = k
        for m in range(order.size):
            if not side[m]:
                labels[order[m]] = k
    elif here != there and log_level < log_proposal - log_ratio:
        copy(whole, here, clusters)
        for n in range(labels.size):
            if labels[n] == there:
                labels[n] = here
        close_cluster(there, book)


@njit(**INNER)
def number(labels, ranks):
    """Number clusters in the order of their first rows; return how many there are."""
    for k in range(ranks.size):
        ranks[k] = -1
    total = 0
    for n in range(labels.size):
        if ranks[labels[n]] < 0:
            ranks[labels[n]] = total
            total += 1
        labels[n] = ranks[labels[n]]
    return total


@njit(**INNER)
def begin(labels, book):
    """Write the list of clusters and that of those not in use."""
    active, place, free, numbers = book
    total = number(labels, free)
    for k in range(total):
        active[k], place[k] = k, k
    numbers[0], numbers[1] = total, free.size - total
    for k in range(total, free.size):
        free[free.size - 1 - k] = k  # the lowest on top
    return total


@cache
def kernel() -> Callable[..., None]:
    """Return the compiled sweeps over float64 rows (N, D)."""

    def allocate(rows, prior, partition, alone, plan, width, rng, labels, worth):
        """Replace labels by those after some sweeps, and write what each was worth."""
        n_rows, n_features = rows.shape
        scans, moves = plan
        clusters = np.empty((n_rows + 3, width))  # the last three for splits and merges
        active, place = np.empty(n_rows, dtype=np.int64), np.empty(n_rows, dtype=np.int64)
        book = (active, place, np.empty(n_rows, dtype=np.int64), np.zeros(2, dtype=np.int64))
        spare = (np.empty(n_rows, dtype=np.int64), np.empty(n_rows, dtype=np.bool_))
        room, scores = np.empty(n_features), (np.empty(n_rows + 1), np.empty(n_rows + 1))
        for sweep in range(worth.size):
            find(rows, labels, 0, begin(labels, book), prior, clusters, room)
            for _ in range(scans):
                scan(rows, alone, labels, prior, partition, clusters, book, rng, room, scores)
            if n_rows > 1:
                for _ in range(moves):
                    split_or_merge(
                        rows, alone, labels, prior, partition, clusters, book, rng, room, spare
                    )
            total = 0.0
            for a in range(book[3][0]):
                k = active[a]
                size = int(clusters[k, COUNT])
                total += evidence(k, prior, clusters) + partition[1][size] + partition[2][a]
            worth[sweep] = total
        number(labels, book[2])

    values = read_only(types.float64, 2)
    parts = (values, PRIOR, PARTITION, READ, PLAN, types.int64, types.npy_rng, WHOLE, FLAT)
    return made(types.void(*parts), allocate)


@final
class CompiledAllocator(Allocator):
    """Sweeps in machine code, each cluster changed by the row that joins or leaves it."""

    def __init__(self, values: Array, clusters: ClusterSteps | MatrixSteps) -> None:
        super().__init__(values, clusters)
        n_rows, size = self.values.shape
        kind, numbers, further = _prior_of(n_rows, clusters)
        of_rows = np.append(0.0, np.cumsum(further)[:-1])
        self._prior = kind, numbers, np.stack([further, of_rows])
        spread = size * size if kind == MATRIX else 1 if kind == SHARED else size
        self._width = 2 + size + spread
        self._alone = further[0] + _log_density_alone(self.values, clusters)

    def run(
        self,
        labels: IntegerArray,
        partition: PartitionSteps,
        plan: tuple[int, int, int],
        rng: np.random.Generator,
    ) -> tuple[IntegerArray, Array]:
        sweeps, scans, moves = plan
        after, worth = np.array(labels, dtype=np.int64), np.empty(sweeps)
        weights = (partition.log_join, partition.log_size, partition.log_new)
        given = (self.values, self._prior, weights, self._alone, (scans, moves), self._width)
        kernel()(*given, rng, after, worth)
        return after, worth


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
    numbers = np.concatenate([[before], steps.location, shrinkage, shape, scale])
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
