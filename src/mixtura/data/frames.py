"""Data frames and series as plain matrices; everything else passes through."""

import numbers
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.data.tables import Table
from mixtura.errors import DataError
from mixtura.lazy import LazyModule
from mixtura.typing import Array

if TYPE_CHECKING:
    import narwhals as nw

    from mixtura.data import sources
else:  # what puts names into messages
    sources = LazyModule("mixtura.data.sources")

PRECISIONS = [np.float64, np.float32]
"""In which rows of NumPy arrays are taken as they are; sums are always in the first."""


def as_matrix(X: Any) -> tuple[Any, tuple[str, ...] | None]:
    """Turn a data frame or a series into a matrix.

    Parameters
    ----------
    X : frame, series, Table or anything else
        A pandas, polars or pyarrow frame, or whatever else narwhals knows, with N rows and D
        columns; or one such column; or what ``read_table`` returned.

    Returns
    -------
    values : array of shape (N, D), or X itself
        Float64 numbers, missing ones NaN; D is 1 for a series. What is neither frame nor series,
        a NumPy array of any shape included, is returned untouched. A pandas frame of float64
        alone is not copied: its matrix may be read-only and in column order.
    names : tuple of str of length D, or None
        The column names; None where X has none, or some are not strings.

    Raises
    ------
    DataError
        If a column is not numeric, or two columns share a name.
    """
    if isinstance(X, np.ndarray | list | tuple):
        return X, None  # the usual case, without importing narwhals
    if isinstance(X, Table):
        return X.values, X.names
    import narwhals as nw

    try:
        data = nw.from_native(_gathered(X), pass_through=True, allow_series=True)
        if isinstance(data, nw.LazyFrame):
            data = data.collect()
        if isinstance(data, nw.Series):
            return _numbers(data, data.name)[:, np.newaxis], _strings([data.name])
        if isinstance(data, nw.DataFrame):
            return _frame_values(data), _strings(data.columns)
    except nw.exceptions.DuplicateError as error:
        said = sources.one_line(error)
        raise DataError(f"two columns of the data share a name: {said}") from None
    return X, None


def is_plain(X: Any) -> bool:
    """Return whether X is a matrix that can be taken as it is, if its numbers are finite."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.size == 0:
        return False
    return X.dtype in PRECISIONS and X.dtype.isnative and X.flags.c_contiguous


def finite_matrix(values: Array, names: Any) -> Array:
    """Return rows (N, D) as they are.

    Raises
    ------
    DataError
        If a number is missing or infinite; it names the first one's row and column.
    """
    if np.isfinite(values.sum(dtype=np.float64)) or np.isfinite(values).all():
        return values
    row, column = np.argwhere(~np.isfinite(values))[0]
    found = "NaN" if np.isnan(values[row, column]) else "infinity"
    name = f"column {column}" if names is None else f"column {sources.shown(names[column])}"
    n_rows = int((~np.isfinite(values)).any(axis=1).sum())
    raise DataError(
        f"X contains {found} in row {row}, {name} (rows counted from 0; {n_rows} such row(s) in "
        "all): remove or impute them, a mixture with missing cells is not supported"
    )


def _gathered(X: Any) -> Any:
    # narwhals reads tables and chunked arrays, not the batches and arrays they consist of.
    pa = sys.modules.get("pyarrow")
    if pa is not None and isinstance(X, pa.RecordBatch):
        return pa.Table.from_batches([X])
    if pa is not None and isinstance(X, pa.Array):
        return pa.chunked_array([X])
    return X


def _strings(names: Sequence[Any]) -> tuple[str, ...] | None:
    # polars calls a series without name "".
    return tuple(names) if all(isinstance(name, str) and name for name in names) else None


def _frame_values(frame: "nw.DataFrame[Any]") -> Array:
    if frame.implementation.is_pandas():
        native = frame.to_native()
        if len(native.columns) and all(dtype == np.float64 for dtype in native.dtypes):
            return native.to_numpy()
    values = np.empty(frame.shape)
    # By position: a pandas column may be called by a number, which would pick a row.
    for position, series in enumerate(frame.iter_columns()):
        values[:, position] = _numbers(series, series.name)
    return values


def _numbers(series: "nw.Series[Any]", name: Any) -> Array:
    """Return the cells of one column as float64, shape (N,)."""
    import narwhals as nw

    cells = series.to_numpy()
    if cells.dtype.kind in "iuf":
        return cells.astype(np.float64, copy=False)
    if series.dtype.is_numeric():  # decimals, and integers with gaps
        return series.cast(nw.Float64).to_numpy()
    if cells.dtype.kind == "O" and all(_is_number_or_missing(cell) for cell in cells):
        return np.array([np.nan if cell is None else float(cell) for cell in cells])
    column = "the column" if name is None else f"column {sources.shown(name)}"
    raise DataError(f"{column} is not numeric: it holds {_described(series)}")


def _is_number_or_missing(cell: Any) -> bool:
    return cell is None or (
        isinstance(cell, numbers.Real | Decimal) and not isinstance(cell, bool | np.bool_)
    )


def _described(series: "nw.Series[Any]") -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(series.dtype))
    return f"values of type {text if len(text) <= 40 else text[:39] + '…'}"
