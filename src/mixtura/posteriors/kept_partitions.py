"""Partitions of the fitted rows, kept beside the parameters that were drawn given them."""

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mixtura.typing import Array, IntegerArray

Unsigned = npt.NDArray[np.unsignedinteger[Any]]

MOST_LABELS = 1 << 26
"""Labels of all rows, draws and chains that are kept: 64 megabytes of one byte each."""

MIXERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Odd numbers by which the bits of a fingerprint are spread."""


@final
@dataclass(frozen=True, eq=False)
class KeptPartitions:
    """The partitions of the fitted rows that draws of the parameters belong to.

    Rows are known by fingerprints of their values, so that they are found again in any order, in
    parts, and after a model file has been read. Rows of weight zero were not fitted; of a row of
    weight w, which stands for w rows, the first of these is kept.

    Parameters
    ----------
    rows : unsigned integer array of shape (M,)
        Fingerprints of the M rows that were fitted.
    steps : integer array of shape (P,)
        The draws of each chain whose partitions are kept, from 0 to S - 1; evenly spaced.
    labels : unsigned integer array of shape (C, P, M)
        Number that the component of each row had when it was drawn.
    occupied : unsigned integer array of shape (C, S)
        How many components have rows, under every draw.
    """

    rows: Unsigned
    steps: IntegerArray
    labels: Unsigned
    occupied: Unsigned

    def thinned(self, kept: IntegerArray) -> "KeptPartitions":
        """Return the partitions of some draws of each chain, in rising order."""
        among = np.isin(self.steps, kept)
        return replace(
            self,
            steps=np.searchsorted(kept, self.steps[among]),
            labels=self.labels[:, among],
            occupied=self.occupied[:, kept],
        )

    def places(self, rows: Unsigned) -> IntegerArray:
        """Return where rows (N,), by their fingerprints, are among those fitted; -1 of others.

        Of equal rows the first is the first that was fitted, and so on.
        """
        order = np.argsort(self.rows, kind="stable")
        known = self.rows[order]
        asked = np.argsort(rows, kind="stable")
        rank = np.empty(rows.size, dtype=np.intp)
        rank[asked] = np.arange(rows.size)
        before = rank - np.searchsorted(rows[asked], rows, "left")  # equal rows that come earlier
        found = np.searchsorted(known, rows, "left") + before
        is_there = found < np.searchsorted(known, rows, "right")
        return np.where(is_there, order[np.where(is_there, found, 0)], -1)

    def are_all(self, rows: Unsigned) -> bool:
        """Return whether rows (N,), by their fingerprints, are those fitted, in any order."""
        return rows.size == self.rows.size and bool((self.places(rows) >= 0).all())


def fingerprints(values: Array) -> Unsigned:
    """Return a number for each row (N, D) that other rows do not have, shape (N,).

    64 bits: among a million rows two different ones are alike with a probability of 3e-8.
    """
    bits = np.ascontiguousarray(values, dtype=np.float64) + 0.0  # zero has two signs
    if np.isnan(bits).any():
        bits[np.isnan(bits)] = np.nan  # as has what is missing
    mixed = np.full(len(bits), bits.shape[1], dtype=np.uint64)
    for column in bits.view(np.uint64).T:
        mixed ^= column
        for mixer, shift in zip(MIXERS, (30, 27), strict=True):
            mixed ^= mixed >> np.uint64(shift)
            mixed *= np.uint64(mixer)
        mixed ^= mixed >> np.uint64(31)
    return mixed


def narrowed(numbers: npt.NDArray[Any]) -> Unsigned:
    """Return whole numbers, not below zero, in as few bytes as hold the largest."""
    largest = int(numbers.max(initial=0))
    return np.asarray(numbers).astype(np.min_scalar_type(largest))


def spacing(n_rows: int, n_draws: int, most: int) -> int:
    """Return from one draw to the next whose partition is kept, so that at most so many labels are.

    A power of two, so that the draws kept of a longer chain are among those of a shorter one; 0
    where not even one partition has room.
    """
    if n_rows > most:
        return 0
    every = 1
    while -(-n_draws // every) * n_rows > most:
        every *= 2
    return every
