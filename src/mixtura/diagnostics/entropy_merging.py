"""Which components are one cluster: merging by the entropy of the assignments."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import xlogy

from mixtura.typing import Array, IntegerArray

SEPARATE = 0.01
"""Nats of entropy a row below which components are apart, and none is merged."""

BEND = 2.0
"""How many times as steep the entropies must be beyond their change point, or there is none."""

APART = 0.1
"""Share of the largest entropy of so many clusters up to which they count as apart."""

HELD = 0.5
"""Rows that a component holds at least in sum, or it is joined before others are compared."""


@final
@dataclass(frozen=True, eq=False)
class EntropyTree:
    """How components become clusters, two at a time [Baudry2010]_.

    Parameters
    ----------
    merges : integer array of shape (K - 1, 2)
        The two clusters that each step joins, called by their first components; the joined one is
        called by the smaller of both.
    entropies : array of shape (M,)
        Entropy of the assignments with 1 ... M clusters, in nats, where M components hold rows.
    n_merged : array of shape (M - 1,)
        Weight of the rows in the two clusters that the step from m + 1 to m clusters joins.
    n_rows : float
        Number of rows, or the sum of their weights.
    """

    merges: IntegerArray
    entropies: Array
    n_merged: Array
    n_rows: float

    @property
    def change_point(self) -> int:
        """Number of clusters from which on merging no longer lowers the entropy by much.

        Where two straight lines that meet at it fit the entropies best. All components are
        clusters where they lie apart. Where there are fewer than three, or the second line is not
        twice as steep as the first, so that there is no such point, it is the largest number of
        clusters whose entropy is at most a tenth of what it may be, ``N log C``.
        """
        most = len(self.entropies)
        if self.entropies[-1] <= SEPARATE * self.n_rows:
            return most
        if most > 2:
            place, lines = two_lines(self.entropies)
            before, after = lines[0, 1] - lines[0, 0], lines[1, -1] - lines[1, -2]
            if after >= BEND * before:
                return place
        limits = APART * self.n_rows * np.log(np.arange(1, most + 1))
        return int(np.flatnonzero(self.entropies <= limits).max(initial=0)) + 1

    def clusters(self, n_clusters: int) -> IntegerArray:
        """Return the cluster of each component, shape (K,), numbered by their first components."""
        root = np.arange(len(self.merges) + 1)
        for kept, joined in self.merges[: len(root) - n_clusters]:
            root[root == joined] = kept
        return np.unique(root, return_inverse=True)[1]


def entropy_tree(
    responsibilities: Array, weights: Array | None = None, n_components: int | None = None
) -> EntropyTree:
    """Return the tree of merges that lower the entropy of the assignments most at each step.

    Two clusters of shares a and b of a row have the share a + b when they are joined, which lowers
    the entropy by ``sum_n w_n [(a + b) log(a + b) - a log a - b log b]``. Components that hold less
    than half a row are joined first.

    Parameters
    ----------
    responsibilities : array of shape (N, P)
        Share of each row in each part of the mixture.
    weights : array of shape (N,), optional
        Weights of the rows.
    n_components : int, optional
        How many of the parts, the first ones, may be joined; all by default.
    """
    size = responsibilities.shape[1] if n_components is None else n_components
    counted = np.ones(len(responsibilities)) if weights is None else weights
    shares = np.array(responsibilities.T, dtype=np.float64, order="C")
    held = shares[:size] @ counted
    entropy = float(-xlogy(shares, shares).sum(axis=0) @ counted)
    gains = np.full((size, size), -np.inf)
    for k in range(size - 1):
        gains[k, k + 1 :] = _gains(shares[k], shares[k + 1 : size], counted)
    merges: list[tuple[int, int]] = []
    entropies, n_merged = [entropy], []
    n_empty = min(int((held < HELD).sum()), size - 1)
    for step in range(size - 1):
        first, second = _best_pair(gains, held if step < n_empty else None)
        entropy -= gains[first, second]
        merges.append((first, second))
        entropies.append(max(entropy, 0.0))
        shares[first] += shares[second]
        n_merged.append(held[first] + held[second])
        held[first], held[second] = n_merged[-1], np.inf
        gains[second], gains[:, second] = -np.inf, -np.inf
        for line in (gains[first], gains[:, first]):
            others = np.flatnonzero(np.isfinite(line))
            line[others] = _gains(shares[first], shares[others], counted)
    return EntropyTree(
        np.array(merges, dtype=np.intp).reshape(-1, 2),
        np.array(entropies[n_empty:], dtype=np.float64)[::-1],
        np.array(n_merged[n_empty:], dtype=np.float64)[::-1],
        float(counted.sum()),
    )


def _best_pair(gains: Array, held: Array | None) -> tuple[int, int]:
    """Return which two clusters to join; where rows held (K,) are given, the emptiest is one."""
    if held is not None:
        alone = np.full_like(gains, -np.inf)
        least = int(np.argmin(held))
        alone[least], alone[:, least] = gains[least], gains[:, least]
        gains = alone
    first, second = np.unravel_index(int(np.argmax(gains)), gains.shape)
    return int(first), int(second)


def _gains(share: Array, others: Array, weights: Array) -> Array:
    """Return by how much the entropy falls when a cluster (N,) is joined with each other (M, N)."""
    own = xlogy(share, share)
    found = [(xlogy(share + b, share + b) - own - xlogy(b, b)) @ weights for b in others]
    return np.maximum(np.array(found, dtype=np.float64), 0.0)


def two_lines(values: Array) -> tuple[int, Array]:
    """Return where two lines meet that fit values at 1 ... M best, and the values on both lines.

    Each line is fitted by least squares to the values on its side, the meeting point being on
    both; it is one of 2 ... M - 1. The lines are returned as an array of shape (2, M), NaN outside.
    """
    at = np.arange(1, len(values) + 1, dtype=np.float64)
    best: tuple[float, int, Array] | None = None
    for place in range(1, len(values) - 1):
        lines = np.full((2, len(values)), np.nan)
        for line, some in zip(lines, (slice(0, place + 1), slice(place, None)), strict=True):
            line[some] = np.polyval(np.polyfit(at[some], values[some], 1), at[some])
        misfit = float(np.nansum((lines - values) ** 2))
        if best is None or misfit < best[0]:
            best = misfit, place + 1, lines
    assert best is not None  # there are three values
    return best[1], best[2]
