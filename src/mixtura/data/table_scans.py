"""Rows that are not in memory, named once and read as often as they are swept."""

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np

from mixtura.data.file_table import MissingCells
from mixtura.data.label_words import WordList
from mixtura.data.memory_limits import memory_limit
from mixtura.data.row_scans import OpenedScan, RowScan
from mixtura.data.scan_files import FilesSource, found_files
from mixtura.data.scan_layout import Layout, Reading
from mixtura.data.scan_sources import ArraySource, ScanSource, npy_source
from mixtura.data.sources import shown
from mixtura.data.streamed_rows import (
    FirstPass,
    StreamedRows,
    checksums,
    first_pass,
    refuse_changed,
    whole_rows,
)
from mixtura.errors import DataError, InvalidArgumentError

ACCEPTED = (
    "a path, a list of paths, a directory, a pattern, a pyarrow dataset or table, a polars "
    "LazyFrame, a DuckDB relation, or an array of a file"
)


def scan(
    source: Any,
    columns: Sequence[str | int] | None = None,
    weights: str | None = None,
    labels: str | None = None,
    errors: Mapping[str, str] | None = None,
    groups: str | None = None,
    *,
    missing: str = "integrate",
    memory: int | float | str | None = None,
    cuts: Sequence[int] | None = None,
    cluster: Any = None,
) -> "TableScan":
    """Name rows that need not fit in memory; estimators take the result wherever they take rows.

    Rows are read in order and cut into tiles by their number alone, so that a fit has the same
    bytes whatever the files' parts, the memory and the number of threads. Files in a directory or
    of a pattern come in the order of their names as texts.

    Parameters
    ----------
    source : path, list of paths, or object
        Parquet, Arrow IPC and delimited text files, of the same columns: paths, a directory (with
        subdirectories such as ``year=2024``, whose keys can be columns), or a pattern such as
        ``"data/*.parquet"``; a pyarrow dataset or table, a polars LazyFrame or DataFrame, a DuckDB
        relation; a ``.npy`` file, or an array of shape (N, D) that is sliced by rows: a memory
        map, a dataset of h5py, an array of zarr.
    columns : sequence of str or int, optional
        The columns to take, in this order; by default all numeric ones.
    weights : str, optional
        A column of non-negative row weights.
    labels, groups : str, optional
        Columns of known labels and of groups of rows that share a component. Of rows that do not
        fit in memory a group must lie within one tile, or between two ``cuts``.
    errors : mapping of str to str, optional
        For columns of data, the columns with the standard deviations of their errors.
    missing : str, default="integrate"
        "integrate" over missing cells, "drop" rows that have some, or "refuse" them.
    memory : int or str, optional
        How much of the rows is kept between sweeps: bytes, or a text such as "2GB"; by default a
        quarter of what is free. All else is read again in each sweep.
    cuts : sequence of int, optional
        Numbers of rows after which sums are cut, in place of tiles, such as those of the
        partitions of a Dask collection; each part must fit in memory.
    cluster : distributed.Client, optional
        A client of a Dask cluster, whose workers can read the source: they read the tiles, keep
        them, and sweep them.

    Returns
    -------
    TableScan

    Raises
    ------
    InvalidArgumentError
        If an argument has a value that is not allowed.
    DataError
        If there is no such file or column, or columns differ among files.
    """
    rules = {rule.value: rule for rule in MissingCells}
    if errors is not None and not isinstance(errors, Mapping):
        raise InvalidArgumentError(
            f"must be columns of errors by columns of data, as {{'x': 'x_sd'}}; got {errors!r}",
            argument="errors",
        )
    if not isinstance(missing, str) or missing not in rules:
        raise InvalidArgumentError(
            f"must be one of {', '.join(map(repr, rules))}; got {missing!r}", argument="missing"
        )
    found = source_of(source)
    chosen = None if columns is None else _names(found, columns)
    beside = {name for name in (weights, labels, groups, *(errors or {}).values()) if name}
    taken = chosen or tuple(name for name in found.default_names if name not in beside)
    if not taken:
        raise DataError(f"{found.label}: no column of data is left")
    layout = Layout(taken, weights, dict(errors or {}), labels, groups, rules[missing])
    layout.check(found)
    given = None if cuts is None else _cuts(cuts)
    return TableScan(found, layout, memory, given, cluster)


def _cuts(cuts: Any) -> tuple[int, ...]:
    """Return numbers of rows, each above zero."""
    try:
        found = tuple(operator.index(one) for one in cuts)
    except TypeError:
        found = (0,)
    if not all(one > 0 for one in found):
        raise InvalidArgumentError(
            f"must be whole numbers of rows above zero, one for each part; got {cuts!r}",
            argument="cuts",
        )
    return found


def _names(source: ScanSource, columns: Any) -> tuple[str, ...]:
    given = [columns] if isinstance(columns, str | int) else list(columns)
    if not given:
        raise DataError(f"{source.label}: no column was asked for")
    for column in given:
        if isinstance(column, int) and not 0 <= column < len(source.names):
            raise DataError(
                f"{source.label}: there is no column {column}; there are {len(source.names)}"
            )
    names = (source.names[one] if isinstance(one, int) else str(one) for one in given)
    return tuple(source.names[source.position(name)] for name in names)


@final
class TableScan(RowScan):
    """Rows by where they are; see :func:`scan`.

    Parameters
    ----------
    source : ScanSource
        What is read.
    layout : Layout
        Which columns are what.
    memory : int, str or None
        How much may be kept.
    cuts : tuple of int, optional
        Numbers of rows of the parts that are summed up on their own.
    cluster : distributed.Client, optional
        Whose workers sweep the rows.
    """

    def __init__(
        self,
        source: ScanSource,
        layout: Layout,
        memory: Any = None,
        cuts: tuple[int, ...] | None = None,
        cluster: Any = None,
    ) -> None:
        self._source, self._layout, self._memory, self._cuts = source, layout, memory, cuts
        self.cluster = cluster
        self._limit = memory_limit(memory)
        self._opened: OpenedScan | None = None
        self._sums: list[int] = []

    def __repr__(self) -> str:
        names = ", ".join(shown(name) for name in self.names[:6])
        more = ", ..." if len(self.names) > 6 else ""
        return f"<scan of {self.label}: columns {names}{more}>"

    @property
    def label(self) -> str:
        """What messages call the source."""
        return self._source.label

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the D columns of data."""
        return self._layout.names

    @property
    def is_named(self) -> bool:
        """Whether the columns have names of the user's."""
        return self._source.is_named

    @property
    def limit(self) -> int:
        """Bytes of rows that are kept."""
        return self._limit

    def excluded(self, names: Sequence[str]) -> "TableScan":
        """Return a scan without columns, each of which the source must have."""
        for name in names:
            self._source.position(name)
        left = [name for name in self.names if name not in names]
        if not left:
            raise DataError(f"{self.label}: no column of data is left")
        return self.with_columns(left)

    def with_columns(self, names: Sequence[str]) -> "TableScan":
        """Return a scan of other columns of the same source."""
        if tuple(names) == self.names:
            return self
        for name in names:
            self._source.position(name)
        errors = {of: error for of, error in self._layout.errors.items() if of in names}
        layout = replace(self._layout, names=tuple(names), errors=errors)
        layout.check(self._source)
        return TableScan(self._source, layout, self._memory, self._cuts, self.cluster)

    def opened(self, *, to_fit: bool, report: Callable[[str], None] | None = None) -> "OpenedScan":
        """Return the rows: in memory if they fit, else as they are read.

        Parameters
        ----------
        to_fit : bool
            Whether rows without any cell are left out, and every column needs a value.
        report : callable, optional
            Is told how sweeps go.

        Raises
        ------
        DataError
            If a row cannot be used, or the source has changed since it was scanned.
        """
        before = self._source.unchanged()
        if self._opened is not None and self._opened.serves(before, to_fit=to_fit):
            if isinstance(self._opened.rows, StreamedRows):
                self._opened.rows.report = report
            elif not self._source.is_stable:  # of streamed rows each sweep tells
                self._check_same_numbers()
            return self._opened
        self._opened = None  # what was held goes before anything else is read
        self._opened = self._open(to_fit, report)
        return self._opened

    def _open(self, to_fit: bool, report: Callable[[str], None] | None) -> "OpenedScan":
        reading = Reading(self._source, self._layout, to_fit)
        before = self._source.unchanged()
        limit = self._limit if self.cluster is None else 1
        found = first_pass(reading, limit, self._cuts)
        if found.facts is None:
            why = "every row has missing values" if found.n_dropped else "has no rows"
            raise DataError(f"{self.label}: {why}")
        if self._layout.weights is not None:
            _check_total(self.label, self._layout.weights, found.facts.total_weight)
        if to_fit:
            self._check_values(found)
        if found.is_whole and self._cuts is None and self.cluster is None:
            labels = _words(found, "labels", found.labels)
            groups = _words(found, "groups", found.groups)
            rows: Any = whole_rows(found, len(self.names))
        else:
            labels = None if found.labels is None else found.labels.array()
            groups = found.groups
            rows = StreamedRows(reading, found, self._cuts, report)
        self._sums = [entry.checksum for entry in found.entries]
        return OpenedScan(rows, labels, groups, before, to_fit, found.n_blank, found.n_dropped)

    def _check_same_numbers(self) -> None:
        """Read the source again, and raise DataError where its numbers are others than before."""
        assert self._opened is not None
        reading = Reading(self._source, self._layout, self._opened.to_fit)
        again = checksums(reading, self._cuts)
        if again != self._sums:
            refuse_changed(reading)

    def _check_values(self, found: FirstPass) -> None:
        assert found.facts is not None
        nothing = np.flatnonzero(found.facts.weight_of_cells == 0.0)
        if nothing.size and found.facts.unobserved.n_missing:
            name = self.names[int(nothing[0])]
            raise DataError(
                f"{self.label}: has no value at all in column {shown(name)}: leave the column out"
            )

    def positions(self, rows: Any) -> Any:
        """Return where rows lie in the source, shape (n,) for each tile."""
        if isinstance(rows, StreamedRows):
            return rows.positions()
        opened = self._opened
        if opened is not None and opened.rows is rows and not (opened.n_blank or opened.n_dropped):
            return iter((np.arange(rows.n_rows),))
        reading = Reading(self._source, self._layout, False)
        return (chunk.positions for chunk in reading.chunks(0, lambda n_blank, n_dropped: None))


def _words(found: FirstPass, name: str, known: WordList | None) -> Any:
    """Return the labels or groups of all rows, shape (N,), None where one is unknown."""
    if known is None:
        return None
    codes = np.concatenate([getattr(chunk, name) for chunk in found.held])
    values = np.empty(len(known) + 1, dtype=object)
    values[: len(known)] = known.values
    return values[codes]


def _check_total(label: str, name: str, total: float) -> None:
    if not 1e-100 <= total <= 1e100:
        raise DataError(
            f"{label}: the weights in column {shown(name)} sum to {total:g}: they must add up to "
            "between 1e-100 and 1e100"
        )


def source_of(source: Any) -> ScanSource:
    """Return what a scan reads from.

    Raises
    ------
    InvalidArgumentError
        If it is nothing that can be scanned.
    DataError
        If it cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        return _of_paths([source], os.fspath(source))
    if isinstance(source, list | tuple):
        if not source or not all(isinstance(one, str | os.PathLike) for one in source):
            raise InvalidArgumentError(f"must be {ACCEPTED}; got a list", argument="source")
        return _of_paths(list(source), f"{len(source)} files")
    if isinstance(source, np.memmap):
        return ArraySource(source, str(getattr(source, "filename", None) or "the memory map"))
    kind = type(source)
    room = kind.__module__.partition(".")[0]
    if room in ("polars", "pyarrow", "duckdb", "_duckdb", "pandas"):
        return _of_library(source, room)
    if all(hasattr(source, name) for name in ("shape", "dtype", "__getitem__")):
        file = getattr(getattr(source, "file", None), "filename", None)
        label = file or getattr(source, "path", None) or "the array"
        # What is written to a file that is open for it need not be in the file yet.
        is_read_only = getattr(getattr(source, "file", None), "mode", None) == "r"
        return ArraySource(source, str(label), file if is_read_only else None)
    raise InvalidArgumentError(f"must be {ACCEPTED}; got {kind.__name__}", argument="source")


def _of_paths(given: list[Any], label: str) -> ScanSource:
    if len(given) == 1 and Path(given[0]).suffix.lower() == ".npy":
        return npy_source(given[0], label)
    files, keys = [], []
    for one in given:
        found, of_each = found_files(one)
        files.extend(found)
        keys.extend(of_each)
    if len(given) > 1:  # what only some of them say is no column
        common = set(keys[0]).intersection(*keys)
        keys = [{key: of[key] for key in of if key in common} for of in keys]
    return FilesSource(files, label, keys)


def _of_library(source: Any, room: str) -> ScanSource:
    import pyarrow as pa
    import pyarrow.dataset as ds

    from mixtura.data.scan_queries import (
        DatasetSource,
        DuckDBSource,
        PolarsSource,
        TableSource,
    )

    name = type(source).__name__
    if room == "pyarrow" and isinstance(source, ds.Dataset):
        return DatasetSource(source, "the dataset", source.schema)
    if room == "polars" and name == "LazyFrame":
        return PolarsSource(source, "the LazyFrame", source.limit(0).collect().to_arrow().schema)
    if "duckdb" in room and name == "DuckDBPyRelation":
        empty = source.limit(0)
        table = empty.to_arrow_table() if hasattr(empty, "to_arrow_table") else empty.arrow()
        return DuckDBSource(source, "the relation", table.schema)
    if hasattr(source, "__arrow_c_stream__") and not isinstance(source, pa.RecordBatchReader):
        if room == "pandas":  # whose index is no data
            return TableSource(pa.Table.from_pandas(source, preserve_index=False), f"the {name}")
        return TableSource(pa.table(source), f"the {name}")
    if isinstance(source, pa.RecordBatch):
        return TableSource(pa.Table.from_batches([source]), "the batch")
    raise InvalidArgumentError(
        f"must be {ACCEPTED}, which can be read again; got {name}", argument="source"
    )
