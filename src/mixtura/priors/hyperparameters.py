"""Hyperparameters: checked where a user gives them, and not again where posteriors follow."""

import math
from typing import Any, TypeVar

import numpy as np

from mixtura.errors import InvalidArgumentError, NotNumbersError
from mixtura.messages.conversion import as_float64, short_repr
from mixtura.typing import Array, PerFeature

Distribution = TypeVar("Distribution")


def hyperparameter(
    value: Any, name: str, *, positive: bool = False, max_ndim: int = 1, or_matrix: bool = False
) -> float | Array:
    """Return a validated hyperparameter: a float, or a float64 array where one was given.

    With ``or_matrix`` one of two dimensions or more need not be positive: :func:`check_matrix`
    looks at it.
    """
    if type(value) is float and (0.0 if positive else -math.inf) < value < math.inf:
        return value
    try:
        if isinstance(value, bool) or getattr(value, "dtype", None) == np.bool_:
            raise NotNumbersError("a truth value")
        array = as_float64(value)
    except NotNumbersError:
        raise InvalidArgumentError(
            f"must be a number or numbers; got {short_repr(value)}", argument=name
        ) from None
    if array.ndim > max_ndim or array.size == 0:
        raise InvalidArgumentError(
            f"must be a number or an array of at most {max_ndim} dimension(s); "
            f"got shape {array.shape}",
            argument=name,
        )
    low, high = array.min(), array.max()  # NaN where one is
    if not (low > -np.inf and high < np.inf):
        raise InvalidArgumentError(f"must be finite; got {short_repr(value)}", argument=name)
    if positive and not low > 0 and not (or_matrix and array.ndim >= 2):
        raise InvalidArgumentError(f"must be above zero; got {short_repr(value)}", argument=name)
    return float(array) if array.ndim == 0 else array.copy()  # the user may write to theirs


def check_per_feature(value: PerFeature, name: str, n_features: int) -> None:
    """Raise InvalidArgumentError unless a hyperparameter is one number or one per feature."""
    if np.ndim(value) > 0 and np.shape(value) != (n_features,):
        raise InvalidArgumentError(
            f"must be one number or one for each of the {n_features} features; "
            f"got shape {np.shape(value)}",
            argument=name,
        )


def check_matrix(value: float | Array, name: str, n_features: int) -> None:
    """Raise InvalidArgumentError unless a value is a valid (D, D) matrix, or short for one."""
    if np.ndim(value) < 2:
        check_per_feature(value, name, n_features)
        return
    matrix, size = np.asarray(value), (n_features, n_features)
    if matrix.shape != size:
        raise InvalidArgumentError(
            f"must be one number, {n_features} numbers or a matrix of shape {size}; "
            f"got shape {matrix.shape}",
            argument=name,
        )
    deviations = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    valid = bool((deviations > 0).all())
    if valid and n_features > 1:
        correlations = matrix / deviations[:, None] / deviations
        valid = bool((np.abs(correlations - correlations.T) <= 1e-10).all())
        valid = valid and bool(np.linalg.eigvalsh(correlations)[0] > 0)
    if not valid:
        raise InvalidArgumentError("must be symmetric and positive definite", argument=name)


def rescaled_matrix(value: float | Array, factor: Array) -> float | Array:
    """Return the (D, D) matrix, or what is short for one, of ``x * factor``."""
    if np.ndim(value) < 2:
        return unscaled(value, factor * factor, positive=True)
    matrix = np.asarray(value) * factor[:, None] * factor
    diagonal = np.einsum("...dd->...d", matrix)
    np.maximum(diagonal, np.finfo(float).tiny, out=diagonal)
    return matrix


def unscaled(value: PerFeature, factor: Array, *, positive: bool = False) -> float | Array:
    """Return ``value * factor``, a float again where both are the same for all features."""
    limits = np.finfo(float)
    with np.errstate(over="ignore"):  # the largest number, where the product is larger
        product = np.asarray(value) * factor
    product = np.clip(product, limits.tiny if positive else -limits.max, limits.max)
    if np.ndim(value) == 0 and np.all(factor == factor[0]):
        return float(product[0])
    return product


def unchecked(kind: type[Distribution], **values: Any) -> Distribution:
    """Return a distribution whose hyperparameters follow from checked ones, without checks.

    Posteriors are made at each iteration; to look at their numbers would take as long as the rest.
    """
    made = object.__new__(kind)
    made.__dict__.update(values)
    return made
