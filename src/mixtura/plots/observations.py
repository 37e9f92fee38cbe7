"""Rows as plots take them: checked, and few enough to draw."""

from typing import Any

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.fit import Fit
from mixtura.messages.background import BACKGROUND
from mixtura.messages.conversion import as_numbers_of
from mixtura.typing import Array, BooleanArray, IntegerArray


def as_column(x: Any, name: str = "x") -> Array:
    """Return one column of numbers, shape (N,).

    Raises
    ------
    InvalidArgumentError
        If there is more than one column.
    """
    values = as_numbers_of(x, name)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InvalidArgumentError(f"must be one column; got shape {values.shape}", argument=name)
    return values


def as_rows(x: Any, fit: Fit) -> Array:
    """Return the rows as an array of shape (N, D).

    Raises
    ------
    InvalidArgumentError
        If the number of columns is not the model's.
    """
    values = as_numbers_of(x, "x")
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] != fit.model.n_features:
        raise InvalidArgumentError(
            f"must have the {fit.model.n_features} columns of the fit; got shape {values.shape}",
            argument="x",
        )
    return values


def as_labels(labels: Any, n_rows: int, fit: Fit) -> IntegerArray:
    """Return component numbers, one for each row; K for the background.

    Raises
    ------
    InvalidArgumentError
        If there is not one for each row, or one lies outside the model.
    """
    values = as_numbers_of(labels, "labels")
    if values.shape != (n_rows,):
        raise InvalidArgumentError(
            f"must be {n_rows} component numbers, one for each row; got shape {values.shape}",
            argument="labels",
        )
    values = values.astype(np.intp)
    if fit.model.background is not None:
        values = np.where(values == BACKGROUND, fit.model.n_components, values)
    if values.size and not (values.min() >= 0 and values.max() < fit.n_parts):
        raise InvalidArgumentError(
            f"must lie between 0 and {fit.model.n_components - 1}", argument="labels"
        )
    return values


def as_responsibilities(responsibilities: Any, n_rows: int, fit: Fit) -> Array:
    """Return responsibilities of shape (N, K), or (N, K + 1) with a background.

    Raises
    ------
    InvalidArgumentError
        If they have another shape.
    """
    values = as_numbers_of(responsibilities, "responsibilities")
    if values.shape != (n_rows, fit.n_parts):
        raise InvalidArgumentError(
            f"must have shape {(n_rows, fit.n_parts)}; got {values.shape}",
            argument="responsibilities",
        )
    return values


def as_marks(imputed: Any, rows: Array) -> BooleanArray | None:
    """Return which values of rows (N, D) are imputed; None where none are told.

    Raises
    ------
    InvalidArgumentError
        If there is not one for each value.
    """
    if imputed is None:
        return None
    marks = as_numbers_of(imputed, "imputed") != 0.0
    marks = marks[:, None] if marks.ndim == 1 else marks
    if marks.shape != rows.shape:
        raise InvalidArgumentError(
            f"must have the shape of the rows, {rows.shape}; got {marks.shape}", argument="imputed"
        )
    return marks


def subsample(n_rows: int, limit: int) -> tuple[IntegerArray, str]:
    """Return the positions of at most ``limit`` rows, and the sentence that says so.

    The same rows are chosen each time, evenly at random, so that no period in the data shows.
    """
    if n_rows <= limit:
        return np.arange(n_rows), ""
    chosen = np.sort(np.random.default_rng(0).choice(n_rows, size=limit, replace=False))
    return chosen, f"a random {limit:,} of {n_rows:,} rows drawn"
