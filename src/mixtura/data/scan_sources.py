"""What a scan reads from: columns of numbers, batch by batch, again and again."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from mixtura.data.columnar import PANDAS_INDEX
from mixtura.data.columns import counts_rows, fill, is_numeric, position_of
from mixtura.data.sources import shown
from mixtura.errors import DataError
from mixtura.typing import Array

BATCH_ROWS = 1 << 16
"""Rows that are asked for at a time."""


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """Consecutive rows as a source has them.

    Parameters
    ----------
    start : int
        Position of the first row among all rows of the source.
    columns : list of arrays, or array of shape (n, D)
        What was asked for: Arrow arrays, one for each column, or numbers.
    """

    start: int
    columns: Any

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.columns) if isinstance(self.columns, np.ndarray) else len(self.columns[0])

    def numbers(self, positions: Sequence[int]) -> Array:
        """Return some of the columns as numbers (n, d), float64 or float32, NaN where missing."""
        if isinstance(self.columns, np.ndarray):
            return _taken(self.columns, positions)
        import pyarrow as pa

        found = np.empty((self.n_rows, len(positions)))
        for place, position in enumerate(positions):
            column = self.columns[position]
            whole = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
            fill(found[:, place], whole)
        return found

    def words(self, position: int) -> list[Any]:
        """Return a column as it is, None where a cell is missing."""
        return [_whole(value) for value in self.columns[position].to_pylist()]


def _whole(value: Any) -> Any:
    """Return a label: whole numbers as such, all else as text."""
    if value is None or value != value:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else str(value)


def _taken(numbers: np.ndarray, positions: Sequence[int]) -> Array:
    if list(positions) != list(range(numbers.shape[1])):
        numbers = numbers[:, list(positions)]
    kept = numbers.dtype if numbers.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    return np.require(numbers, kept.newbyteorder("="), ["C", "A"])


class ScanSource(ABC):
    """Rows in named or numbered columns, which can be read any number of times.

    Attributes
    ----------
    label : str
        What messages call it.
    names : tuple of str
        Names of its columns.
    is_named : bool
        Whether these are the user's.
    n_rows : int or None
        Number of rows where that is known beforehand.
    is_stable : bool
        Whether ``fingerprint`` tells if any row has changed.
    made : hashable
        The fingerprint from before the source was opened, as its names and number of rows are.
    """

    label: str
    names: tuple[str, ...]
    is_named: bool = True
    n_rows: int | None = None
    is_stable: bool = True
    made: Hashable = None

    @property
    @abstractmethod
    def default_names(self) -> tuple[str, ...]:
        """The columns that are read where none are named: all numeric ones."""

    @abstractmethod
    def check_numeric(self, name: str) -> None:
        """Raise DataError unless a column holds numbers."""

    @abstractmethod
    def batches(self, names: Sequence[str], start: int) -> Iterator[Batch]:
        """Yield columns in order, from a batch on in which or before which row ``start`` lies."""

    @abstractmethod
    def fingerprint(self) -> Hashable:
        """Return what changes if the source does, as far as it can be told without reading."""

    def unchanged(self) -> Hashable:
        """Return the fingerprint, or raise DataError if it is not that of the opened source."""
        found = self.fingerprint()
        if found != self.made:
            raise DataError(
                f"{self.label}: has changed since it was scanned",
                remedy="scan it anew once nothing writes to it",
            )
        return found

    def place(self, row: int) -> str:
        """Return where a row is, in words, rows counted from 1."""
        return f"{self.label}: row {row + 1}"

    def position(self, name: str) -> int:
        """Return the position of a column, or raise DataError."""
        return position_of(self.label, self.names, name)


class ScannedFile(ABC):
    """One file of columns.

    Attributes
    ----------
    path : Path
        The file.
    schema : pyarrow.Schema
        Names and types of its columns.
    n_rows : int or None
        Number of its rows where the file says it.
    """

    path: Path
    schema: Any
    n_rows: int | None

    @property
    def row_numbers(self) -> frozenset[str]:
        """Columns that nobody named and that merely number the rows, as far as the first do."""
        import pyarrow as pa

        unnamed = [name for name in self.schema.names if PANDAS_INDEX.fullmatch(name)]
        found = []
        for name in unnamed:
            for _, (column,) in self.batches([name], 0):
                whole = (
                    column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
                )
                if counts_rows(whole):
                    found.append(name)
                break
        return frozenset(found)

    @property
    def label(self) -> str:
        """What messages call the file."""
        text = str(self.path)
        return text if text.isprintable() and len(text) <= 200 else shown(text, limit=200)

    def __reduce__(self) -> tuple[Any, ...]:
        # What was opened is opened anew by the process that gets it.
        return type(self), self._arguments

    @property
    def _arguments(self) -> tuple[Any, ...]:
        return (self.path,)

    @abstractmethod
    def batches(self, names: Sequence[str], start: int) -> Iterator[tuple[int, list[Any]]]:
        """Yield first rows, from 0, and columns of batches, from row ``start`` or before on."""

    def place(self, row: int) -> str:
        """Return where a row of the file is, in words."""
        return f"{self.label}: row {row + 1}"


def numeric_names(label: str, schema: Any) -> tuple[str, ...]:
    """Return the names of the numeric columns of an Arrow schema.

    Raises
    ------
    DataError
        If there are none, or two share a name.
    """
    found = [field.name for field in schema if is_numeric(field.type)]
    for name in found:
        position_of(label, schema.names, name)
    if not found:
        raise DataError(f"{label}: no column holds numbers; there are {_listed(schema.names)}")
    return tuple(found)


def _listed(names: Sequence[str]) -> str:
    from mixtura.data.sources import listed

    return listed(tuple(names))


def check_numeric_type(label: str, schema: Any, name: str) -> None:
    """Raise DataError unless a column of an Arrow schema holds numbers."""
    import pyarrow as pa

    type_ = schema.field(name).type
    if not (is_numeric(type_) or pa.types.is_null(type_)):
        text = "".join(c if c.isprintable() else "?" for c in str(type_))[:40]
        raise DataError(f"{label}: column {shown(name)} has values of type {text}, not numbers")


@final
class ArraySource(ScanSource):
    """An array of shape (N, D) that is sliced by rows: NumPy's maps of files, h5py, zarr.

    Parameters
    ----------
    array : array
        Has ``shape``, ``dtype`` and slices.
    label : str
        What messages call it.
    path : path, optional
        The file whose bytes it is.
    """

    is_named = False

    def __init__(self, array: Any, label: str, path: Any = None) -> None:
        kind = np.dtype(array.dtype).kind
        if len(array.shape) != 2 or kind not in "fiub":
            raise DataError(
                f"{label}: an array of numbers of shape (N, D) is wanted; got shape "
                f"{tuple(array.shape)} of {array.dtype}"
            )
        self.label, self._array, self._path = label, array, path
        self.n_rows = int(array.shape[0])
        self.names = tuple(f"x{column}" for column in range(array.shape[1]))
        self.is_stable = path is not None
        self.made = self.fingerprint()

    @property
    def default_names(self) -> tuple[str, ...]:
        return self.names

    def check_numeric(self, name: str) -> None:
        """All columns are."""

    def batches(self, names: Sequence[str], start: int) -> Iterator[Batch]:
        positions = [self.position(name) for name in names]
        is_all = positions == list(range(len(self.names)))
        step = self._step()
        for first in range(start // step * step, self.n_rows or 0, step):
            part = np.asarray(self._array[first : first + step])
            yield Batch(first, part if is_all else part[:, positions])

    def __reduce__(self) -> tuple[Any, ...]:
        if self._path is None or not str(self._path).endswith(".npy"):
            raise DataError(
                f"{self.label}: only arrays in .npy files can be read by other processes"
            )
        return npy_source, (self._path, self.label)

    def _step(self) -> int:
        """Return how many rows are read at a time: whole chunks, of which a file has none else."""
        chunks = getattr(self._array, "chunks", None)
        own = chunks[0] if isinstance(chunks, tuple) and chunks else 1
        return int(max(1, BATCH_ROWS // max(own, 1)) * own)

    def read_by(self, array: Any) -> None:
        """Take rows from another array of the same shape and numbers from now on."""
        self._array = array

    def fingerprint(self) -> Hashable:
        # A file of h5py's has many arrays.
        own = (str(getattr(self._array, "name", "")), *self._array.shape, str(self._array.dtype))
        return own if self._path is None else (*own, *stat_of(self._path))


def stat_of(path: Any) -> tuple[int, int, int]:
    """Return size, time of the last change and number of a file.

    Raises
    ------
    DataError
        If it is not there any more.
    """
    import os

    try:
        found = os.stat(path)
    except OSError as error:
        said = error.strerror or "could not be read"
        raise DataError(f"{path}: {said[:1].lower()}{said[1:]}") from None
    return found.st_size, found.st_mtime_ns, found.st_ino


@final
@dataclass(frozen=True)
class NpyRows:
    """The numbers of a ``.npy`` file in row-major order, read slice by slice.

    Parameters
    ----------
    path, label : str
        The file, and what messages call it.
    offset : int
        Bytes before the first number.
    shape : tuple of int
        (N, D).
    dtype : dtype
        Of the numbers.
    """

    path: str
    label: str
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(self.shape[0])
        found = np.empty((stop - start, *self.shape[1:]), self.dtype)
        width = self.dtype.itemsize * self.shape[1]
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset + start * width)
                n_read = file.readinto(memoryview(found).cast("B")) if found.size else 0
        except OSError as error:
            raise DataError(f"{self.label}: {error.strerror or 'could not be read'}") from None
        if n_read != found.nbytes:
            raise DataError(f"{self.label}: ends before its last row")
        return found


def npy_source(path: Any, label: str) -> ArraySource:
    """Return the array of a ``.npy`` file, which is not read yet.

    Raises
    ------
    DataError
        If it is none.
    """
    before = stat_of(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{label}: could not be read as a NumPy file: {error}") from None
    found = ArraySource(array, label, path)
    if stat_of(path) != before:
        raise DataError(f"{label}: has changed while it was opened")
    if array.flags.c_contiguous:  # a map of a file that is cut short ends the process
        found.read_by(NpyRows(str(path), label, array.offset, array.shape, array.dtype))
    return found
