"""The resolution of columns: how far apart the numbers are that a column can hold."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines.sorting import SortedColumns, sorted_columns
from mixtura.typing import Array, BooleanArray, IntegerArray

OFF_GRID = 0.01
"""Share of the spacing by which values of a grid may miss it."""

FEWEST_ROWS = 20.0
"""Weight of the rows below which no column is taken to be rounded."""

TIED = 2.0
"""Rows that a value holds on average from which on a column is rounded whatever its values."""

OBLIQUE = 1.0 / 24.0
"""Variance, in units of rounded columns, of a direction in which a component sits on values."""

TAKES_PART = 0.1
"""Share of a direction from which on a column is named."""

ROUNDING = np.finfo(np.float64).eps


@final
@dataclass(frozen=True, eq=False)
class ColumnResolution:
    """What the columns of the rows can tell apart at all.

    Parameters
    ----------
    spacing : array of shape (D,)
        Resolution h of each column in its units; 0 where it is continuous.
    dependent : tuple of int
        Columns that are tied together by linear equations.
    names : tuple of str
        Names of the D columns.
    """

    spacing: Array
    dependent: tuple[int, ...]
    names: tuple[str, ...]

    def rescaled(self, factor: Array | None) -> "ColumnResolution":
        """Return what the columns times ``factor`` (D,) can tell apart; None leaves them."""
        return self if factor is None else replace(self, spacing=self.spacing * factor)

    def narrow(self, variances: Array, covariances: Array) -> BooleanArray:
        """Return where components are narrower than rounding leaves anything, shape (K, D).

        A variance is below h^2 / 12, or takes part in a direction v among the rounded columns
        whose variance is below half of sum_d v_d^2 h_d^2 / 12.

        Parameters
        ----------
        variances : array of shape (K, D)
            Variances of the components.
        covariances : array of any structure
            Their covariances; matrices alone have directions.
        """
        narrow = variances < self.spacing**2 / 12.0
        # What dependent columns leave of a direction is said of the columns, not of components.
        rounded: IntegerArray = np.flatnonzero(self.spacing)
        if rounded.size > 1 and self.dependent:
            rounded = np.setdiff1d(rounded, self.dependent)
        if covariances.ndim == 3 and rounded.size > 1:
            spacing = self.spacing[rounded]
            block = covariances[:, rounded[:, None], rounded] / spacing[:, None] / spacing
            # A component that no draw used may have none.
            block = np.where(np.isfinite(block), block, np.eye(rounded.size))
            values, vectors = np.linalg.eigh(block)
            flat = values[:, 0] < OBLIQUE
            narrow[..., rounded] |= flat[:, None] & (np.abs(vectors[:, :, 0]) > TAKES_PART)
        return narrow


def resolution(columns: SortedColumns) -> Array:
    """Return the spacing h of the numbers that each column holds, shape (D,), in its units.

    It is the smallest difference of two distinct values where all values are multiples of it
    apart (integers, decimals), or where each value holds two rows on average (any other rounding);
    and 0 where neither holds, for such a column is continuous, where it is constant, and where
    there are fewer than 20 rows, which do not tell. Rounding to h adds h^2 / 12 to a variance.

    A row of weight two counts as two rows, the order of rows does not matter, and the resolution
    moves with the units of a column. Of many rows it is that of a sample: where values are so
    many that hardly two neighbours are in it, that is a multiple of the true one or 0, and in any
    case far below what distinguishes components.

    Parameters
    ----------
    columns : SortedColumns
        What ``engine.sorted_columns(rows)`` returns.
    """
    spacing = columns.smallest_gaps()
    n_distinct, mass = columns.n_distinct, columns.mass
    if mass < FEWEST_ROWS:
        return np.zeros_like(spacing)
    varied = n_distinct > 1
    found = spacing if varied.all() else np.where(varied, spacing, 1.0)
    tied = mass >= TIED * n_distinct
    rounded = tied if tied.all() else _on_grid(columns, found) | tied
    return np.where(varied & rounded, found, 0.0)


def spacing(values: Array) -> float:
    """Return how far apart the numbers are that a column of values (N,) can hold; 0 for any."""
    columns = sorted_columns(ArrayRows(values[:, np.newaxis]), values.size, float(values.size))
    return float(resolution(columns)[0])


def _on_grid(columns: SortedColumns, spacing: Array) -> BooleanArray:
    """Return which columns hold nothing but multiples of a spacing, from their first value on."""
    first = columns.values[0]
    extent = columns.values[-1] - first
    # The spacing is a difference of two numbers; the extent has it to more digits.
    spacing = np.where(extent > 0, extent / np.maximum(np.round(extent / spacing), 1.0), spacing)
    steps = (columns.values - first) / spacing
    largest = np.maximum(np.abs(first), np.abs(columns.values[-1]))
    tolerance = OFF_GRID + 8.0 * ROUNDING * largest / spacing
    missed = np.abs(steps - np.round(steps)).max(axis=0)
    return (missed <= tolerance) & (tolerance < 0.1)
