"""Rows, or values of a column, that are equal."""

import numpy as np

from mixtura.data.base import Rows
from mixtura.data.parted_rows import PartedRows
from mixtura.typing import Array

ROUNDING = 1e-12
"""Eigenvalue of correlations, for each feature, below which columns depend on each other."""


def _together(rows: Rows) -> tuple[Array, Array]:
    if isinstance(rows, PartedRows):
        raise rows.too_many("a prior whose bound depends on tied rows")
    blocks = [(block.values, block.row_weights) for block in rows.blocks()]
    return np.concatenate([values for values, _ in blocks]), np.concatenate([w for _, w in blocks])


def largest_ties(rows: Rows, n_groups: int, *, by_row: bool) -> list[Array]:
    """Return the weights of the largest groups of equal values, in falling order.

    One array of at most ``n_groups`` for each column, or with ``by_row`` one of equal rows.
    """
    values, weights = _together(rows)
    columns = [values] if by_row else [values[:, [d]] for d in range(values.shape[1])]
    found = []
    for column in columns:
        seen = ~np.isnan(column).any(axis=1)
        _, group = np.unique(column[seen], axis=0, return_inverse=True)
        found.append(np.sort(np.bincount(np.ravel(group), weights[seen]))[::-1][:n_groups])
    return found


def ties_at(rows: Rows, point: Array, *, by_row: bool) -> list[Array]:
    """Return the weight of the values of each column that equal a point's, or of equal rows."""
    values, weights = _together(rows)
    equal = values == point
    if by_row:
        equal |= np.isnan(values)  # a missing cell may be anything
        return [weights[equal.all(axis=1)].sum(keepdims=True)]
    return [weights[here].sum(keepdims=True) for here in equal.T]


def ties_in_plane(rows: Rows, point: Array) -> list[Array]:
    """Return the weight of all rows if they lie in one plane through a point, else zero.

    Where they lie in several planes, one is added for each further one.
    """
    values, weights = _together(rows)
    offsets = np.nan_to_num(values - point, nan=0.0) * np.sqrt(weights)[:, None]
    offsets = offsets[weights > 0.0]
    norms = np.sqrt((offsets * offsets).sum(axis=0))
    scaled = offsets / np.where(norms > 0.0, norms, 1.0)
    size = scaled.shape[1]
    n_planes = np.count_nonzero(np.linalg.eigvalsh(scaled.T @ scaled) <= ROUNDING * size)
    return [np.array([weights.sum() + n_planes - 1.0 if n_planes > 0 else 0.0])]
