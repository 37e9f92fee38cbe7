"""Rows of Dask collections and Spark DataFrames, fitted and answered about."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.errors import DataError, InvalidArgumentError
from mixtura.typing import Array


def is_collection(X: Any) -> bool:
    """Return whether rows are a Dask collection or a Spark DataFrame."""
    return type(X).__module__.partition(".")[0] in ("dask", "dask_expr", "pyspark")


def _is_spark(X: Any) -> bool:
    return type(X).__module__.partition(".")[0] == "pyspark"


def collection_rows(estimator: Any, X: Any, others: dict[str, Any], *, reset: bool) -> Any:
    """Return the rows of a collection, whose features an estimator gets or must have.

    Parameters
    ----------
    estimator : GaussianMixtureModel
        With ``reset`` it gets their number and names.
    X : Dask DataFrame or array, or Spark DataFrame, of shape (N, D)
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
    for name in ("measurement_error", "labels", "groups"):
        if others[name] is not None:
            raise InvalidArgumentError("is not taken beside a Dask collection yet", argument=name)
    known = vars(estimator)
    rows, names = (_spark if _is_spark(X) else _dask)(
        estimator, X, others["sample_weight"], reset=reset
    )
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


def _dask(estimator: Any, X: Any, sample_weight: Any, *, reset: bool) -> tuple[Any, Any]:
    from mixtura.engines.distributed.dask_rows import dask_names, dask_rows

    names = dask_names(X)
    if not reset:
        X = _as_fitted(estimator, X, names)
    return dask_rows(X, sample_weight, to_fit=reset), names


def _spark(estimator: Any, X: Any, sample_weight: Any, *, reset: bool) -> tuple[Any, Any]:
    from mixtura.engines.distributed.spark_rows import spark_names, spark_rows

    if sample_weight is not None and not isinstance(sample_weight, str):
        raise InvalidArgumentError(
            "must be the name of a column of a Spark DataFrame", argument="sample_weight"
        )
    if not reset:
        names = [str(name) for name in estimator.feature_names_in_]
        X = X.select(*names, *([sample_weight] if sample_weight else []))
    names = tuple(name for name in spark_names(X) if name != sample_weight)
    return spark_rows(X, sample_weight, to_fit=reset), names


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
    names: list[str],
    engine: Engine,
) -> Any:
    """Return what is told of rows: a Dask collection of the same partitions, or a Spark DataFrame.

    The latter has the columns of the one that was given, and what is told beside them.

    Parameters
    ----------
    estimator : GaussianMixtureModel
        What was fitted.
    X : Dask DataFrame or array
        The rows.
    tell : callable
        Tells numbers of rows, by an engine.
    names : list of str
        What the numbers of each row are called.
    engine : Engine
        The engine.
    """
    from mixtura.engines.distributed.dask_rows import dask_names, one_threaded, told_by_partition

    told = partial(_told_values, tell, one_threaded(engine))
    is_label = getattr(tell, "__name__", "") == "labels"
    if _is_spark(X):
        from mixtura.engines.distributed.spark_rows import told_of_frame

        fitted = [str(name) for name in estimator.feature_names_in_]
        return told_of_frame(X, fitted, told, names, "bigint" if is_label else "double")
    n_columns = None if is_label or names == ["log_density"] else len(names)
    X = _as_fitted(estimator, X, dask_names(X))
    dtype = np.dtype(np.intp if is_label else np.float64)
    return told_by_partition(X, told, n_columns, dtype)


def _told_values(tell: Callable[[ArrayRows, Engine], Any], engine: Engine, values: Array) -> Any:
    return tell(ArrayRows(np.require(values, requirements=["C", "A"])), engine)
