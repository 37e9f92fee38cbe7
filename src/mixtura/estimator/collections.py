"""Rows of Dask collections, as an estimator fits them and answers about them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.errors import DataError, InvalidArgumentError
from mixtura.typing import Array


def is_collection(X: Any) -> bool:
    """Return whether rows are a Dask collection."""
    return type(X).__module__.partition(".")[0] in ("dask", "dask_expr")


def collection_rows(estimator: Any, X: Any, others: dict[str, Any], *, reset: bool) -> Any:
    """Return the rows of a Dask collection, whose features an estimator gets or must have.

    Parameters
    ----------
    estimator : GaussianMixtureModel
        With ``reset`` it gets their number and names.
    X : Dask DataFrame or array of shape (N, D)
        The rows.
    others : dict
        What was given beside them.
    reset : bool
        Whether these are the first rows that the estimator sees.

    Raises
    ------
    InvalidArgumentError
        If something was given that goes with rows in memory alone.
    DataError
        If the rows cannot be used, or have other features.
    """
    from mixtura.engines.distributed.dask_rows import dask_names, dask_rows

    for name in ("measurement_error", "labels", "groups"):
        if others[name] is not None:
            raise InvalidArgumentError("is not taken beside a Dask collection yet", argument=name)
    names = dask_names(X)
    known = vars(estimator)
    if not reset:
        X = _as_fitted(estimator, X, names)
    rows = dask_rows(X, others["sample_weight"], to_fit=reset)
    if not reset:
        return rows
    known["n_features_in_"] = rows.n_features
    known.pop("feature_names_in_", None)
    if names is not None:
        known["feature_names_in_"] = np.asarray(names, dtype=object)
    nothing = np.flatnonzero(rows.weight_of_cells() == 0.0)
    if nothing.size and rows.unobserved.n_missing:
        raise DataError(f"X has no value at all in column {nothing[0]}: leave the column out")
    return rows


def _as_fitted(estimator: Any, X: Any, names: tuple[str, ...] | None) -> Any:
    """Return a collection whose columns are those that were fitted."""
    fitted = vars(estimator).get("feature_names_in_")
    if names is not None and fitted is not None:
        if set(names) != set(fitted):
            raise DataError(
                f"the feature names should match those passed during fit: {list(fitted)!r}; "
                f"got {list(names)!r}"
            )
        return X[list(fitted)]
    if X.shape[1] != estimator.n_features_in_:
        raise DataError(
            f"X has {X.shape[1]} features, and the model was fitted to {estimator.n_features_in_}"
        )
    return X


def told_of_collection(
    estimator: Any,
    X: Any,
    tell: Callable[[ArrayRows, Engine], Any],
    n_columns: int | None,
    engine: Engine,
) -> Any:
    """Return what is told of rows as a Dask collection of the same partitions.

    Parameters
    ----------
    estimator : GaussianMixtureModel
        What was fitted.
    X : Dask DataFrame or array
        The rows.
    tell : callable
        Tells numbers of rows, by an engine.
    n_columns : int, optional
        How many numbers of each row; None for one.
    engine : Engine
        The engine.
    """
    from mixtura.engines.distributed.dask_rows import dask_names, one_threaded, told_by_partition

    X = _as_fitted(estimator, X, dask_names(X))
    dtype = np.dtype(np.intp if getattr(tell, "__name__", "") == "labels" else np.float64)
    told = partial(_told_values, tell, one_threaded(engine))
    return told_by_partition(X, told, n_columns, dtype)


def _told_values(tell: Callable[[ArrayRows, Engine], Any], engine: Engine, values: Array) -> Any:
    return tell(ArrayRows(np.require(values, requirements=["C", "A"])), engine)
