"""Files that a scan reads: Parquet, Arrow IPC and delimited text, one after the other."""

import os
import re
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from decimal import Decimal
from glob import glob
from itertools import accumulate
from pathlib import Path
from typing import Any, final
from urllib.parse import unquote

import numpy as np

from mixtura.data.columnar import damage_reported
from mixtura.data.columns import is_numeric, position_of
from mixtura.data.scan_sources import (
    BATCH_ROWS,
    Batch,
    ScannedFile,
    ScanSource,
    check_numeric_type,
    numeric_names,
    stat_of,
)
from mixtura.data.sources import Format, detect_format, open_source, shown
from mixtura.errors import DataError

SUFFIXES = (".parquet", ".arrow", ".feather", ".ipc", ".csv", ".tsv", ".txt")
"""Endings of the files that are read in a directory."""

PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4")
"""Endings after those, of files that are compressed."""

_KEY = re.compile(r"([^=/\\]+)=([^/\\]*)")


@final
class ParquetScan(ScannedFile):
    """A Parquet file, of which row groups are read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with damage_reported(open_source(path), Format.PARQUET):
            file = self._open()
            self.schema, self.n_rows = file.schema_arrow, file.metadata.num_rows
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        self._starts = list(accumulate(sizes, initial=0))

    def _open(self) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.path, pre_buffer=False, page_checksum_verification=True)

    def _group(self, row: int) -> int:
        """Return the number of the row group that a row lies in."""
        return max(0, min(bisect_right(self._starts, row), len(self._starts) - 1) - 1)

    def batches(self, names: Sequence[str], start: int) -> Iterator[tuple[int, list[Any]]]:
        groups = range(self._group(start), len(self._starts) - 1)
        first = self._starts[groups.start] if groups else 0
        source = open_source(self.path)
        with damage_reported(source, Format.PARQUET, lambda: self._damaged(names)):
            file = self._open()
            for batch in file.iter_batches(BATCH_ROWS, list(groups), columns=list(names)):
                yield first, [batch.column(name) for name in names]
                first += batch.num_rows

    def _damaged(self, names: Sequence[str]) -> str:
        """Return the first row group that cannot be read, in words; nothing if all can."""
        for group in range(len(self._starts) - 1):
            try:
                self._open().read_row_group(group, columns=list(names))
            except Exception:
                return f"row group {group + 1}, from row {self._starts[group] + 1} on, "
        return ""

    def place(self, row: int) -> str:
        group = self._group(row)
        return f"{self.label}: row group {group + 1}, row {row + 1}"


@final
class ArrowScan(ScannedFile):
    """An Arrow IPC file or stream, of which record batches are read."""

    def __init__(self, path: Path, format_: Format) -> None:
        self.path, self._format = path, format_
        self.n_rows = None
        with damage_reported(open_source(path), format_), self._open() as file:
            self.schema = self._reader(file).schema

    @property
    def _arguments(self) -> tuple[Any, ...]:
        return self.path, self._format

    def _open(self) -> Any:
        return open_source(self.path).open_arrow()

    def _reader(self, file: Any, names: Sequence[str] | None = None) -> Any:
        import pyarrow as pa

        fields = None if names is None else sorted({self.schema.names.index(n) for n in names})
        options = pa.ipc.IpcReadOptions(included_fields=fields)
        if self._format is Format.ARROW_FILE:
            return pa.ipc.open_file(file, options=options)
        return pa.ipc.open_stream(file, options=options)

    def batches(self, names: Sequence[str], start: int) -> Iterator[tuple[int, list[Any]]]:
        first = 0
        with damage_reported(open_source(self.path), self._format), self._open() as file:
            reader = self._reader(file, names)
            if self._format is Format.ARROW_FILE:
                batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                batches = iter(reader)
            for batch in batches:
                batch.validate(full=True)
                for at in range(0, batch.num_rows, BATCH_ROWS):
                    part = batch.slice(at, BATCH_ROWS)
                    yield first + at, [part.column(name) for name in names]
                first += batch.num_rows


@final
class FilesSource(ScanSource):
    """Files of the same columns, one after the other.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    label : str
        What messages call all of them.
    keys : sequence of dict, optional
        What the names of directories say of each file, as ``year=2024`` does.
    """

    def __init__(
        self, paths: Sequence[Path], label: str, keys: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.made = _stats_of(paths)
        self._files, self.label = [scanned_file(path) for path in paths], label
        self._keys = list(keys) or [{} for _ in paths]
        own = list(self._files[0].schema.names)
        self.names = (*own, *(key for key in self._keys[0] if key not in own))
        if any(set(keys) != set(self._keys[0]) for keys in self._keys):
            raise DataError(f"{label}: directories name different keys")
        numbers = [one.n_rows for one in self._files]
        known = [number for number in numbers if number is not None]
        self.n_rows = sum(known) if len(known) == len(numbers) else None
        self._starts: list[int] = [0]
        for number in numbers:
            if number is None:
                break
            self._starts.append(self._starts[-1] + number)

    @property
    def default_names(self) -> tuple[str, ...]:
        first = self._files[0]
        found = set()
        for one in self._files:
            own = {field.name for field in one.schema if is_numeric(field.type)}
            more = sorted(own - set(first.schema.names))
            if more:
                raise DataError(
                    f"{one.label}: has a column {shown(more[0])}, which {first.label} has not: "
                    "name the columns to read"
                )
            found |= own
        if not found:
            return numeric_names(first.label, first.schema)
        # A column without a value in one file, or that is text there, is a column all the same.
        counters = first.row_numbers
        names = [name for name in first.schema.names if name in found and name not in counters]
        for name in names:
            position_of(first.label, first.schema.names, name)
        return tuple(names)

    def check_numeric(self, name: str) -> None:
        if name in self._keys[0] and name not in self._files[0].schema.names:
            known = [keys[name] for keys in self._keys if keys[name] is not None]
            odd = [value for value in known if not isinstance(value, int | float)]
            if odd:
                raise DataError(f"{self.label}: {name}={odd[0]} is not a number")
            return
        for one in self._files:
            position_of(one.label, one.schema.names, name)
            check_numeric_type(one.label, one.schema, name)

    def batches(self, names: Sequence[str], start: int) -> Iterator[Batch]:
        number = min(bisect_right(self._starts, start), len(self._starts)) - 1
        number = min(number, len(self._files) - 1)
        first = self._starts[number]
        for one, keys in list(zip(self._files, self._keys, strict=True))[number:]:
            own = list(dict.fromkeys(n for n in names if n not in keys or n in one.schema.names))
            for name in own:
                position_of(one.label, one.schema.names, name)
            n_read = 0
            for at, columns in one.batches(own or one.schema.names[:1], max(0, start - first)):
                n_read = at + len(columns[0])
                known = dict(zip(own, columns, strict=False))
                yield Batch(
                    first + at, [_column(known, keys, name, len(columns[0])) for name in names]
                )
            if one.n_rows is None:
                one.n_rows = n_read
            if len(self._starts) <= number + 1:
                self._starts.append(first + one.n_rows)
            number, first = number + 1, first + one.n_rows

    def fingerprint(self) -> Hashable:
        return _stats_of([one.path for one in self._files])

    def place(self, row: int) -> str:
        number = min(bisect_right(self._starts, row) - 1, len(self._files) - 1)
        return self._files[number].place(row - self._starts[number])


def _stats_of(paths: Sequence[Path]) -> Hashable:
    return tuple((str(path), *stat_of(path)) for path in paths)


def _column(known: dict[str, Any], keys: dict[str, Any], name: str, n_rows: int) -> Any:
    if name in known:
        return known[name]
    import pyarrow as pa

    value = keys[name]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        value = Decimal(value) if abs(value) < 10**38 else float(value)
    return pa.array([value] * n_rows)


def scanned_file(path: Path) -> ScannedFile:
    """Return a file as it is read; its format is told from its first bytes.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    source = open_source(path)
    format_ = detect_format(source)
    if format_ is Format.PARQUET:
        return ParquetScan(path)
    if format_ is Format.TEXT:
        from mixtura.data.scan_text import TextScanFile

        return TextScanFile(path)
    return ArrowScan(path, format_)


def found_files(given: str | Path) -> tuple[list[Path], list[dict[str, Any]]]:
    """Return the files that a path, a directory or a pattern names, in the order of their names.

    With what the names of directories say of each, as ``year=2024`` does.

    Raises
    ------
    DataError
        If there are none.
    """
    text = os.fspath(given)
    path = Path(text)
    if path.is_dir():
        files = sorted(
            (one for one in path.rglob("*") if _is_table(one) and one.is_file()),
            key=str,
        )
        files = [one for one in files if not _is_hidden(one.relative_to(path))]
        if not files:
            raise DataError(f"{text}: is a directory without a file that ends in {SUFFIXES}")
        return files, [_keys(one) for one in files]
    if not path.exists() and any(mark in text for mark in "*?["):
        files = [Path(one) for one in sorted(glob(text, recursive=True)) if Path(one).is_file()]
        if not files:
            raise DataError(f"{text}: no file has such a name")
        return files, [_keys(one) for one in files]
    return [path], [_keys(path)]


def _is_table(path: Path) -> bool:
    whole = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return whole.suffix.lower() in SUFFIXES


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.parts)


def _keys(path: Path) -> dict[str, Any]:
    found = {}
    for part in path.parts[:-1]:
        match = _KEY.fullmatch(part)
        if match:
            found[match[1]] = _value(unquote(match[2]))
    return found


def _value(text: str) -> Any:
    """Return what a key says: a number, a text, or None where the value is missing."""
    if text == "__HIVE_DEFAULT_PARTITION__":
        return None
    if "_" in text:  # which Python allows in a number
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def estimated_size(path: Path) -> int:
    """Return about how many bytes the numbers of a file take in memory, as far as can be told."""
    source = open_source(path)
    if detect_format(source) is Format.PARQUET:
        one = ParquetScan(path)
        width = sum(is_numeric(field.type) for field in one.schema)
        return int(8 * width * (one.n_rows or 0))
    return int(np.int64(path.stat().st_size))
