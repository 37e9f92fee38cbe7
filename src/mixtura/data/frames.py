"""Data frames and series as plain matrices; everything else passes through."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtura.data.containers import Columns, columns_of, matrix_of
from mixtura.data.file_table import FileTable
from mixtura.errors import DataError, NotNumbersError
from mixtura.messages.conversion import as_array, as_numbers
from mixtura.messages.lazy import LazyModule
from mixtura.typing import Array

if TYPE_CHECKING:
    import narwhals as nw

    from mixtura.data import columns, sources
else:  # what reads Arrow columns, and what puts names into messages
    columns = LazyModule("mixtura.data.columns")
    sources = LazyModule("mixtura.data.sources")

PRECISIONS = [np.float64, np.float32]
"""In which rows of NumPy arrays are taken as they are; sums are always in the first."""


UNREAD = "cV"
"""Kinds of arrays that are left to scikit-learn, which refuses them."""


def as_matrix(X: Any) -> tuple[Any, tuple[str, ...] | None]:
    """Turn a data frame, a series or an array into a matrix.

    Parameters
    ----------
    X : frame, series, FileTable, array or anything else
        A pandas, polars or pyarrow frame, or whatever else narwhals knows, with N rows and D
        columns; or one such column; or what ``read_table`` returned; or an array, a list, or
        whatever else NumPy can make an array of.

    Returns
    -------
    values : array of shape (N, D), or X itself
        Numbers, masked and missing ones NaN; float64 of frames, in which D is 1 for a series. An
        array of numbers without a mask is returned as it is, whatever its shape, and so is what is
        none of these. A pandas frame of float64 alone is not copied: its matrix may be read-only
        and in column order.
    names : tuple of str of length D, or None
        The column names; None where X has none, or some are not strings.

    Raises
    ------
    DataError
        If a column is not numeric, or two columns share a name.
    """
    values, names = numbers_of(X, "X")
    is_series = names is not None and isinstance(values, np.ndarray) and values.ndim == 1
    if not is_series:
        return values, None if names is None else _strings(names)
    return values[:, np.newaxis], _strings(names or ())


def numbers_of(X: Any, name: str) -> tuple[Any, tuple[Any, ...] | None]:
    """Return what :func:`as_matrix` does, but (N,) for a series, and names of whatever kind.

    Raises
    ------
    DataError
        If a column is not numeric, or two columns share a name.
    """
    if isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and not X.dtype.names):
        return _array(X, name), None  # the usual case, without importing narwhals
    if isinstance(X, FileTable):
        return X.values, X.names
    if X is None:
        raise DataError(f"{name} is None: pass an array or a frame of numbers")
    columns = columns_of(X)
    if columns is not None:
        return _array_of_columns(columns, name), tuple(columns)
    matrix, names = matrix_of(X)
    if matrix is X and (found := _framed(X)) is not None:
        return found
    if matrix is X and hasattr(X, "__arrow_c_stream__"):
        import pyarrow as pa

        return numbers_of(pa.table(X), name)
    return _array(matrix, name), names


def _framed(X: Any) -> tuple[Array, tuple[Any, ...]] | None:
    """Return numbers and names of what narwhals knows; None of anything else."""
    import narwhals as nw

    try:
        data = nw.from_native(_gathered(X), pass_through=True, allow_series=True)
        if isinstance(data, nw.LazyFrame):
            data = data.collect()
        if isinstance(data, nw.Series):
            if _width(data) is None:
                return _numbers(data, data.name), (data.name,)
            data = data.to_frame()
        if isinstance(data, nw.DataFrame):
            return _frame_values(data), _column_names(data)
    except nw.exceptions.DuplicateError as error:
        raise DataError(
            f"two columns of the data share a name: {sources.one_line(error)}"
        ) from None
    return None


def framed(values: Array, names: Sequence[str], kind: str) -> Any:
    """Return values (N, D) as a frame of a library, "pandas", "polars" or another's name."""
    import narwhals as nw

    columns_of_values = dict(zip(names, values.T, strict=True))
    backend: Any = kind
    return nw.from_dict(columns_of_values, backend=backend).to_native()


def framed_like(X: Any, values: Array) -> Any:
    """Return values (N, D) as a frame of the kind of X, with its column names and index.

    Of anything but a frame or a series, the values themselves.
    """
    if isinstance(X, list | tuple | np.ndarray | FileTable) or X is None:
        return values
    import narwhals as nw

    data = nw.from_native(_gathered(X), pass_through=True, allow_series=True)
    if isinstance(data, nw.LazyFrame):
        data = data.collect()
    if isinstance(data, nw.Series):
        if _width(data) is not None:
            return values
        return _with_index(data, values[:, 0], X)
    if not isinstance(data, nw.DataFrame) or data.shape != values.shape:
        return values
    if data.implementation.is_pandas_like():
        native: Any = data.to_native()
        return type(native)(values, columns=native.columns, index=native.index)
    columns_of_values = dict(zip(data.columns, values.T, strict=True))
    return nw.from_dict(columns_of_values, backend=data.implementation).to_native()


def _with_index(series: "nw.Series[Any]", cells: Array, X: Any) -> Any:
    """Return cells (N,) as a series of the same kind."""
    import narwhals as nw

    if series.implementation.is_pandas_like():
        return type(X)(cells, index=X.index, name=X.name)
    made = nw.new_series(series.name, cells.tolist(), nw.Float64, backend=series.implementation)
    return made.to_native()


def _array_of_columns(given: Columns, name: str) -> Any:
    """Return named columns as one matrix; what is no number is told by the column's name."""
    known = []
    for key, column in given.items():
        try:
            known.append(np.asarray(numbers_of(column, name)[0]))
        except NotNumbersError:
            raise DataError(f"column {sources.shown(key)} is not numeric") from None
    if any(column.ndim != 1 for column in known) or len({len(one) for one in known}) > 1:
        raise DataError(
            "must have columns of one length, with one number for each row", argument=name
        )
    return np.column_stack(known) if known else np.empty((0, 0))


def _array(X: Any, name: str) -> Any:
    """Return what is an array, or can be one, as an array of numbers; all else as it is."""
    try:
        array = as_array(X)
    except ValueError:
        raise DataError("must have rows of one length", argument=name) from None
    except (TypeError, RuntimeError) as error:
        said = sources.one_line(error)
        raise NotNumbersError(
            f"{name} cannot be made a NumPy array, {said}: pass an array of numbers"
        ) from None
    if array is None or array.dtype.kind in UNREAD:
        return X if array is None else array
    try:
        return as_numbers(array)
    except NotNumbersError as error:
        raise NotNumbersError(
            f"{name}: the argument must be an array of numbers, not of strings, dates or anything "
            f"but numbers; it holds {error}"
        ) from None


def default_names(n_features: int) -> tuple[str, ...]:
    """Return the names of columns that have none: x0, x1 and so on."""
    return tuple(f"x{number}" for number in range(n_features))


def is_plain(X: Any) -> bool:
    """Return whether X is a matrix that can be taken as it is, if its numbers are finite."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.size == 0:
        return False
    return X.dtype in PRECISIONS and X.dtype.isnative and X.flags.c_contiguous


def observed_matrix(values: Array, names: Any, *, to_fit: bool) -> Array:
    """Return rows (N, D) as they are; missing cells, which are NaN, all have the same bits.

    Parameters
    ----------
    values : array of shape (N, D)
        The rows.
    names : sequence of D str, or None
        Names of the columns, for messages.
    to_fit : bool
        Whether every column needs a value.

    Raises
    ------
    DataError
        If a number is infinite, the first of which is named by row and column; or a column that
        needs a value has none.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)) or np.isfinite(values).all():
            return values

    def named(column: int) -> str:
        return f"column {column}" if names is None else f"column {sources.shown(names[column])}"

    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise DataError(
            f"X contains infinity in row {row}, {named(column)} (rows counted from 0; "
            f"{int(infinite.any(axis=1).sum())} such row(s) in all): remove it, or make it NaN "
            "where the value is missing"
        )
    missing = np.isnan(values)
    if to_fit and missing.all(axis=0).any():
        column = int(np.flatnonzero(missing.all(axis=0))[0])
        raise DataError(f"X has no value at all in {named(column)}: leave the column out")
    nan = values.dtype.type(np.nan)
    whole = np.dtype(f"u{values.dtype.itemsize}")
    if (values[missing].view(whole) == np.array(nan).view(whole)).all():
        return values  # as nearly always: no copy
    return np.where(missing, nan, values)


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
    if len(_column_names(frame)) > frame.shape[1]:
        return np.hstack([_part(series) for series in frame.iter_columns()])
    values = np.empty(frame.shape)
    # By position: a pandas column may be called by a number, which would pick a row.
    for position, series in enumerate(frame.iter_columns()):
        values[:, position] = _numbers(series, series.name)
    return values


def _column_names(frame: "nw.DataFrame[Any]") -> tuple[Any, ...]:
    """Return the names of the features: a column of arrays is as many of them as these are long."""
    names: list[Any] = []
    for name, series in zip(frame.columns, frame.iter_columns(), strict=True):
        width = _width(series)
        names += [name] if width is None else [f"{name}_{i}" for i in range(width)]
    return tuple(names)


def _width(series: "nw.Series[Any]") -> int | None:
    """Return how long the arrays are that a column holds; None where it holds none."""
    import narwhals as nw

    # narwhals has no word for some of Arrow's numbers.
    if series.implementation.is_pyarrow() and columns.is_numeric(series.to_native().type):
        return None
    dtype = series.dtype
    return dtype.shape[0] if isinstance(dtype, nw.Array) and len(dtype.shape) == 1 else None


def _part(series: "nw.Series[Any]") -> Array:
    """Return a column as an array of shape (N, 1), or (N, W) where it holds arrays of length W."""
    if _width(series) is not None:
        wide = np.asarray(series.to_numpy())
        if wide.ndim == 2 and wide.dtype.kind in "iuf":
            return wide.astype(np.float64, copy=False)
    return _numbers(series, series.name)[:, np.newaxis]


def _numbers(series: "nw.Series[Any]", name: Any) -> Array:
    """Return the cells of one column as float64, shape (N,)."""
    import narwhals as nw

    if series.implementation.is_pyarrow() and columns.is_numeric(series.to_native().type):
        return _filled(series.to_native())
    if series.dtype in (nw.Int128, nw.UInt128):
        return series.cast(nw.Float64).to_numpy()
    if series.dtype.is_nested():
        raise DataError(
            f"column {sources.shown(name)} is not numeric: it holds {_described(series)}; make "
            "columns of its fields, by unnest or to_list, or leave it out"
        )
    cells = series.to_numpy()
    if cells.dtype.kind in "iufb":
        return cells.astype(np.float64, copy=False)
    if series.dtype.is_decimal():
        return _filled(series.to_arrow())
    if series.dtype.is_numeric():  # integers with gaps
        return series.cast(nw.Float64).to_numpy()
    if cells.dtype.kind == "O":
        with suppress(NotNumbersError):
            return as_numbers(cells)
    column = "the column" if name is None else f"column {sources.shown(name)}"
    raise DataError(f"{column} is not numeric: it holds {_described(series)}")


def _filled(column: Any) -> Array:
    """Return the cells of a numeric Arrow column, or array, as float64, shape (N,)."""
    import pyarrow as pa

    values = np.empty(len(column))
    columns.fill(values, pa.chunked_array([column]) if isinstance(column, pa.Array) else column)
    return values


def _described(series: "nw.Series[Any]") -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(series.dtype))
    return f"values of type {text if len(text) <= 40 else text[:39] + '…'}"
