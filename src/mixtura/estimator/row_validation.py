"""Rows as an estimator must have them: finite numbers, or none, named as before."""

import warnings
from typing import Any

import numpy as np
from sklearn import exceptions
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    check_array,
    check_consistent_length,
    column_or_1d,
)

from mixtura import errors
from mixtura.data.frames import PRECISIONS, UNREAD, as_matrix, is_plain, observed_matrix
from mixtura.errors import DataError, Doubt, NotNumbersError
from mixtura.messages.conversion import short_repr
from mixtura.typing import Array


def checked_rows(estimator: BaseEstimator, X: Any, *, reset: bool) -> Array:
    """Return rows as an array of shape (N, D), float64 or float32, NaN where a cell is missing.

    Parameters
    ----------
    estimator : GaussianMixtureModel
        Whose features they are: with ``reset`` it gets their number and names, otherwise the
        rows must have those that it has.
    X : array, frame, series or Table of shape (N, D)
        The rows.
    reset : bool
        Whether these are the first rows that the estimator sees.

    Raises
    ------
    ValueError
        If the rows are no numbers in two dimensions, some are infinite, a column to be fitted has
        no value, or the rows have other features.
    """
    known = vars(estimator)
    is_known = reset or (is_plain(X) and known.get("n_features_in_") == X.shape[1])
    if is_known and is_plain(X) and "feature_names_in_" not in known:
        # scikit-learn's checks, which take long, would find nothing to say or to change.
        known["n_features_in_"] = X.shape[1]
        return observed_matrix(X, None, to_fit=reset)
    matrix, names = as_matrix(X)
    _check_matrix(matrix)
    dtype: Any = PRECISIONS if names is None else np.float64
    values: Any = check_array(
        matrix, dtype=dtype, order="C", estimator=estimator, ensure_all_finite=False
    )
    if names is None:
        _check_feature_names(estimator, X, reset=reset)
        _check_n_features(estimator, values, reset=reset)
        known_names = getattr(estimator, "feature_names_in_", None)
        return observed_matrix(values, known_names, to_fit=reset)
    values = observed_matrix(values, names, to_fit=reset)
    if reset:
        _check_n_features(estimator, values, reset=True)
        vars(estimator)["feature_names_in_"] = np.asarray(names, dtype=object)
        return values
    _check_columns(getattr(estimator, "feature_names_in_", names), names)
    _check_n_features(estimator, values, reset=False)
    known = getattr(estimator, "feature_names_in_", names)
    if list(known) != list(names):
        raise DataError(
            f"the feature names should match those passed during fit: {list(known)!r}; "
            f"got {list(names)!r}"
        )
    return values


def _check_matrix(matrix: Any) -> None:
    """Raise NotNumbersError or DataError unless there are rows and columns of real numbers.

    The words that scikit-learn has for it are those that its own checks look for.
    """
    if not isinstance(matrix, np.ndarray):
        if hasattr(matrix, "toarray"):
            raise NotNumbersError("X is sparse: pass X.toarray()")
        raise NotNumbersError(
            "must be an array or a frame of numbers, with rows and columns; got "
            f"{short_repr(matrix)}",
            argument="X",
        )
    shape = matrix.shape
    if matrix.dtype.kind in UNREAD:
        raise NotNumbersError(
            f"X holds values of type {matrix.dtype}. Complex data not supported, nor anything but "
            "real numbers: pass their real and imaginary parts as columns, or their sizes"
        )
    if matrix.ndim == 1:
        raise DataError(
            f"X: Expected 2D array, got 1D array instead, of {shape[0]} values. Reshape your data: "
            "X.reshape(-1, 1) where it is one column, X.reshape(1, -1) where it is one row"
        )
    if matrix.ndim != 2:
        raise DataError(f"must have rows and columns; it has shape {shape}", argument="X")
    for size, what in zip(shape, ("sample", "feature"), strict=True):
        if not size:
            raise DataError(
                f"has 0 {what}(s) (shape={shape}) while a minimum of 1 is required.", argument="X"
            )


def _check_columns(known: Any, names: Any) -> None:
    """Raise DataError, naming them, where rows have columns that the fit had not, or lack some."""
    more = [name for name in names if name not in set(known)]
    less = [name for name in known if name not in set(names)]
    if len(names) == len(known) or not (more or less):
        return
    from mixtura.data.sources import listed

    said = []
    if more:
        said.append(f"X has {listed(more)}, which the fitted rows had not")
    if less:
        said.append(f"X lacks {listed(less)}, which the fitted rows had")
    raise DataError(f"{'; '.join(said)}: pass the columns {listed(list(known))}")


def classes_of_rows(y: Any, n_rows: int) -> np.ndarray:
    """Return the class of each row, shape (N,).

    Parameters
    ----------
    y : array, list or series of shape (N,)
        What the user gave.
    n_rows : int
        Number of rows N.

    Raises
    ------
    DataError
        If y is anything else, or some rows have no class.
    """
    try:
        found = column_or_1d(y, warn=True)
        check_consistent_length(np.empty(n_rows), found)
        if found.dtype != object:
            check_classification_targets(found)
    except (TypeError, ValueError) as error:
        from mixtura.data.sources import one_line

        raise DataError(
            f"must be one class for each of the {n_rows} rows: {one_line(error)}", argument="y"
        ) from None
    if found.dtype == object and any(_is_missing(one) for one in found.tolist()):
        raise DataError(
            "y has no class in some rows: leave them out, or fit a GaussianMixtureModel with "
            "labels="
        )
    return found


def _is_missing(one: Any) -> bool:
    """Whether a class is none: None, NaN, or a frame's own sign of a missing value."""
    try:
        return one is None or bool(one != one)
    except TypeError:  # pandas.NA, which is neither equal to itself nor not
        return True


class ConvergenceWarning(errors.ConvergenceWarning, exceptions.ConvergenceWarning):
    """A run that did not converge, for filters of mixtura's and of scikit-learn's warnings."""


def warn_of(doubts: tuple[Doubt, ...]) -> None:
    """Warn of what is doubtful about a fit, where the caller's caller called.

    Parameters
    ----------
    doubts : tuple of Doubt
        The doubts.
    """
    for doubt in doubts:
        is_slow = doubt.category is errors.ConvergenceWarning
        category = ConvergenceWarning if is_slow else doubt.category
        warnings.warn(doubt.message, category, stacklevel=3)
