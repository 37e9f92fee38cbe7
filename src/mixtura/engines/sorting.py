"""Columns of rows, each sorted: what tells measurements from other numbers."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines.content_keys import canonical, row_hashes
from mixtura.typing import Array, BooleanArray, IntegerArray

NOISE = 8.0
"""Roundings of a column's largest value: numbers that are closer are one number."""


@final
@dataclass(frozen=True, eq=False)
class SortedColumns:
    """The numbers of each column in ascending order, of all rows or of a sample.

    Parameters
    ----------
    values : array of shape (n, D)
        Each column sorted on its own.
    weights : array of shape (n, D), optional
        Weights of the rows that the numbers are from, all above zero; None for one each.
    is_first : boolean array of shape (n, D)
        Whether a number differs from the one before it by more than rounding.
    n_distinct_rows : int
        How many of the n rows differ.
    n_rows : int
        Number of all rows N that have weight; n where there is no sample.
    total_weight : float
        Sum of the weights of all N rows.
    """

    values: Array
    weights: Array | None
    is_first: BooleanArray
    n_distinct_rows: int
    n_rows: int
    total_weight: float

    @cached_property
    def n_distinct(self) -> IntegerArray:
        """Number of distinct values in each column, shape (D,)."""
        return self.is_first.sum(axis=0)

    @property
    def mass(self) -> float:
        """Sum of the weights of the n rows."""
        return float(len(self.values) if self.weights is None else self.weights[:, 0].sum())

    def smallest_gaps(self) -> Array:
        """Return the smallest difference of distinct values of each column, shape (D,).

        It is infinite where a column is constant.
        """
        gaps = np.where(self.is_first[1:], self.values[1:] - self.values[:-1], np.inf)
        return gaps.min(axis=0, initial=np.inf)

    def distinct(self, column: int) -> tuple[Array, Array]:
        """Return the distinct values of a column in ascending order, and the weight of each."""
        starts = np.flatnonzero(self.is_first[:, column])
        ends = np.append(starts[1:], len(self.values))
        if self.weights is None:
            mass = (ends - starts).astype(np.float64)
        else:
            mass = np.add.reduceat(self.weights[:, column], starts)
        return self.values[starts, column], mass


def sorted_columns(sample: ArrayRows, n_rows: int, total_weight: float) -> SortedColumns:
    """Return the sorted columns of a sample of rows, or of all of them.

    Parameters
    ----------
    sample : ArrayRows
        The rows that are looked at; those of weight zero are left out.
    n_rows : int
        Number of all rows that have weight.
    total_weight : float
        Sum of their weights.
    """
    values, weights = np.asarray(sample.values), sample.weights
    if sample.has_missing:
        return _of_observed(sample, n_rows, total_weight)
    rounding = np.finfo(values.dtype).eps
    values = values.astype(np.float64, copy=False)
    if weights is not None and (seen := weights > 0).any() and not seen.all():
        values, weights = values[seen], weights[seen]
    if weights is None:
        # Sorting is much faster along numbers that lie together.
        ordered = np.sort(np.ascontiguousarray(values.T), axis=1).T
    else:
        order = np.argsort(values, axis=0, kind="stable")
        ordered, weights = np.take_along_axis(values, order, axis=0), weights[order]
    noise = NOISE * rounding * np.maximum(np.abs(ordered[0]), np.abs(ordered[-1]))
    is_first, gaps = np.ones(ordered.shape, dtype=bool), ordered[1:] - ordered[:-1]
    is_first[1:] = gaps > noise
    if values.shape[1] == 1:
        n_distinct_rows = min(len(values), 1) + int(np.count_nonzero(gaps))
    else:
        n_distinct_rows = int(np.unique(row_hashes(values)).size)
    return SortedColumns(ordered, weights, is_first, n_distinct_rows, n_rows, total_weight)


def _of_observed(sample: ArrayRows, n_rows: int, total_weight: float) -> SortedColumns:
    """Return the sorted columns of rows with missing cells.

    As if the missing cells of a column were spread like those that are there: its values are
    repeated evenly, and none is added.
    """
    weights = np.ones(sample.n_rows) if sample.weights is None else sample.weights
    seen = weights > 0.0
    values, weights = sample.values[seen], weights[seen]
    order = np.argsort(values, axis=0, kind="stable")
    counts = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    # NaNs are sorted behind all numbers.
    taken = np.arange(len(values))[:, None] * counts // max(len(values), 1)
    order = np.take_along_axis(order, taken, axis=0)
    ordered = np.nan_to_num(np.take_along_axis(values, order, axis=0), nan=0.0)
    mass = weights[order]
    mass *= weights.sum() / mass.sum(axis=0)
    filled = ArrayRows(ordered, None)
    found = sorted_columns(filled, n_rows, total_weight)
    n_distinct = int(np.unique(row_hashes(canonical(values))).size)
    has_weights = sample.weights is not None
    return replace(found, weights=mass if has_weights else None, n_distinct_rows=n_distinct)
