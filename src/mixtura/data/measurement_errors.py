"""Measurement errors as they must be: standard deviations or covariances, beside the rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixtura.data.frames import numbers_of
from mixtura.errors import DataError, NotNumbersError
from mixtura.messages.conversion import as_float64
from mixtura.typing import Array

ROUNDING = 1e-9
"""By how much of its size an eigenvalue of a covariance may be below zero."""


def error_variances(
    measurement_error: Any, values: Array, names: Sequence[str] | None = None
) -> Array | None:
    """Return the errors of rows as variances or covariances; None where all are zero.

    Parameters
    ----------
    measurement_error : array, list, frame or number, or None
        Standard deviations of shape (N, D), or (D,), or one number, in the data's units; or
        covariances of shape (N, D, D), in squared units. Of missing cells they do not count.
    values : array of shape (N, D)
        The rows, NaN where a cell is missing.
    names : sequence of D str, optional
        Names of the features, by which the columns of a frame are taken.

    Returns
    -------
    array of shape (N, D), (1, D) or (N, D, D), or None
        The first length is 1 where all rows have the same errors.

    Raises
    ------
    DataError
        If they are no errors of these rows.
    """
    if measurement_error is None:
        return None
    n_rows, n_features = values.shape
    accepted = (
        f"measurement_error must be standard deviations of shape ({n_rows}, {n_features}) or "
        f"({n_features},), or covariances of shape ({n_rows}, {n_features}, {n_features})"
    )
    try:
        given, columns = numbers_of(measurement_error, "measurement_error")
        errors = as_float64(given)
    except NotNumbersError:
        raise DataError(f"{accepted}; got {type(measurement_error).__name__}") from None
    if columns is not None and names is not None and errors.ndim == 2:
        errors = errors[:, _order(columns, names)]
    if errors.ndim == 0:
        errors = np.full(n_features, float(errors))
    shapes = ((n_features,), (n_rows, n_features), (n_rows, n_features, n_features))
    if errors.shape not in shapes:
        raise DataError(f"{accepted}; got shape {errors.shape}")
    if errors.ndim == 3:
        found = _covariances(errors, values)
    else:
        found = _variances(errors if errors.ndim == 2 else errors[None], values)
    return found if found.any() else None


def _order(columns: Sequence[Any], names: Sequence[str]) -> slice | list[int]:
    """Return where the features are among the columns of a frame that has their names."""
    listed = list(columns)
    known = set(listed) == set(names) and len(listed) == len(names)
    return [listed.index(name) for name in names] if known else slice(None)


def _variances(deviations: Array, values: Array) -> Array:
    missing = np.isnan(values)
    counts = ~missing if len(deviations) == len(values) else ~missing.all(axis=0, keepdims=True)
    with np.errstate(over="ignore"):
        variances = deviations * deviations
    broken = counts & ~((deviations >= 0.0) & np.isfinite(variances))
    if broken.any():
        row, column = np.argwhere(broken)[0]
        where = f"row {row}, column {column}" if len(deviations) > 1 else f"column {column}"
        raise DataError(
            "measurement_error must be finite standard deviations of zero or more; got "
            f"{deviations[row, column]} in {where}, counted from 0"
        )
    return np.where(counts, variances, 0.0)


def _covariances(covariances: Array, values: Array) -> Array:
    has = ~np.isnan(values)
    found = np.where(has[:, :, None] & has[:, None, :], covariances, 0.0)
    scale = np.abs(found).max(axis=(1, 2), initial=0.0)
    broken = ~np.isfinite(scale)
    if not broken.any():
        tolerance = ROUNDING * scale
        skewed = np.abs(found - np.swapaxes(found, 1, 2)).max(axis=(1, 2), initial=0.0)
        lowest = np.linalg.eigvalsh(found).min(axis=1, initial=0.0)
        broken = (skewed > tolerance) | (lowest < -tolerance)
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        raise DataError(
            "measurement_error must be symmetric, positive semidefinite covariances; that of row "
            f"{row}, counted from 0, is not"
        )
    return 0.5 * (found + np.swapaxes(found, 1, 2))
