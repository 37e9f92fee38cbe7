"""Rows of Dask collections and Spark DataFrames, fitted and answered about."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from mixtura.data import ArrayRows
from mixtura.data.label_words import WordList
from mixtura.engines import Engine
from mixtura.errors import DataError, InvalidArgumentError
from mixtura.typing import Array


def is_collection(X: Any) -> bool:
    """Return whether rows are a Dask collection or a Spark DataFrame."""
    return type(X).__module__.partition(".")[0] in ("dask", "dask_expr", "pyspark")


def _is_spark(X: Any) -> bool:
    return type(X).__module__.partition(".")[0] == "pyspark"


Words: TypeAlias = tuple[np.ndarray | None, np.ndarray | None]
"""The labels and the groups that differ; None where rows have none."""


def collection_rows(
    estimator: Any, X: Any, others: dict[str, Any], *, reset: bool
) -> tuple[Any, Words]:
    """Return the rows of a collection, whose features an estimator gets or must have.

    Parameters
    ----------
    estimator : GaussianMixtureModel
        With ``reset`` it gets their number and names.
    X : Dask DataFrame or array, or Spark DataFrame, of shape (N, D)
        The rows.
    others : dict
        What was given beside them: Dask collections of the same partitions, or names of columns.
    reset : bool
        Whether these are the first rows that the estimator sees.

    Raises
    ------
    InvalidArgumentError
        If what was given beside them does not go with them.
    DataError
        If the rows cannot be used, or have other features.
    """
    known = vars(estimator)
    rows, names = (_spark if _is_spark(X) else _dask)(estimator, X, others, reset=reset)
    words = tuple(None if one is None else WordList(one).array() for one in rows.words)
    if not reset:
        return rows, words
    known["n_features_in_"] = rows.n_features
    known.pop("feature_names_in_", None)
    if names is not None:
        known["feature_names_in_"] = np.asarray(names, dtype=object)
    nothing = np.flatnonzero(rows.weight_of_cells() == 0.0)
    if nothing.size and rows.unobserved.n_missing:
        raise DataError(f"X has no value at all in column {nothing[0]}: leave the column out")
    return rows, words


def _dask(estimator: Any, X: Any, others: dict[str, Any], *, reset: bool) -> tuple[Any, Any]:
    from mixtura.engines.distributed.dask_rows import dask_names, dask_rows

    X, beside = _columns_beside(X, others)
    names = dask_names(X)
    if not reset:
        X = _as_fitted(estimator, X, names)
    return dask_rows(X, **beside, to_fit=reset), names


def _columns_beside(X: Any, others: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a Dask collection without the columns that are named beside it, and these."""
    named = {name: given for name, given in others.items() if isinstance(given, str)}
    errors = others["measurement_error"]
    of_errors = dict(errors) if isinstance(errors, Mapping) else {}
    if not named and not of_errors:
        return X, others
    taken = [*named.values(), *of_errors.values()]
    columns = list(getattr(X, "columns", ()))
    for name in (*taken, *of_errors):
        if name not in columns:
            which = next((one for one, given in named.items() if given == name), None)
            raise InvalidArgumentError(
                f"names a column {name!r} that X has not", argument=which or "measurement_error"
            )
    beside: dict[str, Any] = {**others, **{name: X[given] for name, given in named.items()}}
    left = X[[name for name in columns if name not in taken]]
    if of_errors:
        beside["measurement_error"] = left.map_partitions(lambda part: part * 0.0).assign(
            **{of: X[error] for of, error in of_errors.items()}
        )
    return left, beside


def _spark(estimator: Any, X: Any, others: dict[str, Any], *, reset: bool) -> tuple[Any, Any]:
    from mixtura.engines.distributed.spark_rows import Columns, spark_names, spark_rows

    for name in ("sample_weight", "labels", "groups"):
        if others[name] is not None and not isinstance(others[name], str):
            raise InvalidArgumentError(
                "must be the name of a column of a Spark DataFrame", argument=name
            )
    errors = others["measurement_error"]
    if errors is not None and not isinstance(errors, Mapping) and np.ndim(errors) > 1:
        raise InvalidArgumentError(
            "must be columns of errors by columns of data, as {'x': 'x_sd'}, or one number for "
            "each column",
            argument="measurement_error",
        )
    of_errors = dict(errors) if isinstance(errors, Mapping) else {}
    named = [others[name] for name in ("sample_weight", "labels", "groups")]
    beside = [*(name for name in named if name is not None), *of_errors.values()]
    if not reset:
        names = [str(name) for name in estimator.feature_names_in_]
        X = X.select(*names, *beside)
    names = spark_names(X, beside)
    columns = Columns(names, named[0], of_errors or errors, named[1], named[2])
    return spark_rows(X, columns, to_fit=reset), names


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
    *,
    is_named: bool = False,
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
    is_named : bool
        Whether the columns of a Dask DataFrame have these names, too. In a Spark DataFrame those
        that it has already end in ``_imputed``.
    """
    from mixtura.engines.distributed.dask_rows import dask_names, told_by_partition
    from mixtura.engines.distributed.placed_rows import one_threaded

    told = partial(_told_values, tell, one_threaded(engine))
    is_label = getattr(tell, "__name__", "") == "labels"
    if _is_spark(X):
        from mixtura.engines.distributed.spark_rows import told_of_frame

        fitted = [str(name) for name in estimator.feature_names_in_]
        names = [f"{name}_imputed" if name in X.columns else name for name in names]
        return told_of_frame(X, fitted, told, names, "bigint" if is_label else "double")
    n_columns = None if is_label or names == ["log_density"] else len(names)
    X = _as_fitted(estimator, X, dask_names(X))
    dtype = np.dtype(np.intp if is_label else np.float64)
    found = told_by_partition(X, told, n_columns, dtype)
    return (
        found.rename(columns=dict(enumerate(names)))
        if is_named and hasattr(X, "columns")
        else found
    )


def _told_values(tell: Callable[[ArrayRows, Engine], Any], engine: Engine, values: Array) -> Any:
    return tell(ArrayRows(np.require(values, requirements=["C", "A"])), engine)
