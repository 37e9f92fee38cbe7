"""Weights of rows as they must be: numbers from zero on, one for each row."""

from typing import Any

import numpy as np

from mixtura.data.frames import numbers_of
from mixtura.errors import DataError, NotNumbersError
from mixtura.messages.conversion import as_float64
from mixtura.typing import Array

ACCEPTED = "sample_weight must be one non-negative number for each row"

MOST_TOTAL = 1e100
"""Sum of the weights at most: its products with squares of safe size are far from the limits."""


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
        If they are no weights of so many rows, none is above zero, or their sum is extreme.
    """
    given, _ = numbers_of(sample_weight, "sample_weight")
    try:
        weights = as_float64(given)
    except NotNumbersError:
        raise DataError(f"{ACCEPTED}; got {type(sample_weight).__name__}") from None
    weights = (
        np.full(n_rows, float(weights)) if weights.ndim == 0 else np.asarray(weights, order="C")
    )
    if weights.shape != (n_rows,):
        raise DataError(f"{ACCEPTED}: shape ({n_rows},); got shape {weights.shape}")
    invalid = ~(np.isfinite(weights) & (weights >= 0.0))
    if invalid.any():
        row = int(np.flatnonzero(invalid)[0])
        raise DataError(f"{ACCEPTED}; got {weights[row]} in row {row}, rows counted from 0")
    total = float(weights.sum()) if weights.max(initial=0.0) <= MOST_TOTAL else np.inf
    if total == 0.0:
        raise DataError("must hold at least one weight above zero", argument="sample_weight")
    if not 1.0 / MOST_TOTAL <= total <= MOST_TOTAL:
        added = "to more than 1e100" if total > MOST_TOTAL else f"to {total:.3g}"
        raise DataError(
            "must add up to between 1e-100 and 1e100, a weight of 2 counting as two "
            f"rows; got weights that add up {added}: divide them by their mean",
            argument="sample_weight",
        )
    return weights
