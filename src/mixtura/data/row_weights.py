"""Weights of rows as they must be: numbers from zero on, one for each row."""

from typing import Any

import numpy as np

from mixtura.conversion import as_float64
from mixtura.data.frames import as_column
from mixtura.errors import DataError, NotNumbersError
from mixtura.typing import Array

ACCEPTED = "sample_weight must be one non-negative number for each row"


def row_weights(sample_weight: Any, n_rows: int) -> Array:
    """Return weights of rows as a float64 array of shape (N,).

    Parameters
    ----------
    sample_weight : array, list, series or number
        Shape (N,), or one number for all rows.
    n_rows : int
        Number of rows N.

    Raises
    ------
    DataError
        If they are no weights of so many rows, or none is above zero.
    """
    given = as_column(sample_weight, "sample_weight")
    try:
        weights = as_float64(given)
    except NotNumbersError:
        raise DataError(f"{ACCEPTED}; got {type(sample_weight).__name__}") from None
    if weights.ndim == 0:
        weights = np.full(n_rows, float(weights))
    if weights.shape != (n_rows,):
        raise DataError(f"{ACCEPTED}: shape ({n_rows},); got shape {weights.shape}")
    unlawful = ~(np.isfinite(weights) & (weights >= 0.0))
    if unlawful.any():
        row = int(np.flatnonzero(unlawful)[0])
        raise DataError(f"{ACCEPTED}; got {weights[row]} in row {row}, rows counted from 0")
    if not weights.any():
        raise DataError("sample_weight must hold at least one weight above zero")
    return weights
