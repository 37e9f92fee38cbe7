"""Columns of Parquet and Arrow IPC files."""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from mixtura.data.columns import Column, Place, RawTable, is_numeric
from mixtura.data.sources import ByteSource, Format, one_line
from mixtura.errors import DataError, MixturaError

if TYPE_CHECKING:
    import pyarrow as pa

PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""Names that pandas gives to columns of row labels without one."""


def open_columnar(source: ByteSource, format_: Format) -> RawTable:
    """Read the schema of a Parquet or Arrow file.

    Parameters
    ----------
    source : ByteSource
        The file.
    format_ : Format
        Which of the three columnar formats it is in.

    Returns
    -------
    RawTable
        Its columns, none of them read yet.

    Raises
    ------
    DataError
        If the file is damaged, truncated or encrypted.
    """
    import pyarrow as pa

    read = _read_parquet if format_ is Format.PARQUET else _arrow_reader(format_)
    with damage_reported(source, format_):
        schema = _schema(source, format_)
        names, types = tuple(schema.names), list(schema.types)  # damaged names do not decode
    if not names:
        raise DataError(f"{source.label}: has no columns")
    loaded: dict[int, pa.ChunkedArray] = {}

    def load(indices: Sequence[int]) -> list[Column]:
        wanted = [i for i in indices if is_numeric(types[i])]
        with damage_reported(source, format_):
            loaded.update(zip(wanted, read(source, schema, wanted), strict=True))
        return [_column(i, types[i], loaded.get(i)) for i in indices]

    def locate(row: int, index: int) -> Place:
        try:
            return Place(None, str(loaded[index][row].as_py()))
        except (ArithmeticError, ValueError):  # a damaged decimal has more digits than it may
            return Place(None, "?")

    def words(index: int) -> "pa.ChunkedArray":
        with damage_reported(source, format_):
            (values,) = read(source, schema, [index])
            if pa.types.is_dictionary(values.type):
                values = values.cast(values.type.value_type)
            return values.cast(pa.string())

    unnamed = (i for i, name in enumerate(names) if PANDAS_INDEX.fullmatch(name))
    notes = (f"Read as {format_.value}.",)
    if format_ is Format.ARROW_STREAM and not _ends_properly(source):
        notes += ("The stream has no end mark: if its writer was interrupted, rows are missing.",)
    return RawTable(source.label, names, load, locate, notes, frozenset(unnamed), words)


@contextmanager
def damage_reported(
    source: ByteSource, format_: Format, where: Callable[[], str] = str
) -> Iterator[None]:
    """Turn whatever a damaged file raises into a DataError that names it."""
    # Damaged files raise nearly anything: ArrowInvalid, OSError, MemoryError, UnicodeDecodeError.
    try:
        yield
    except MixturaError:
        raise
    except Exception as error:
        raise DataError(
            f"{source.label}: {where()}could not be read as {format_.value}, it may be damaged "
            f"or incomplete: {one_line(error)}"
        ) from None


def _column(index: int, type_: "pa.DataType", values: "pa.ChunkedArray | None") -> Column:
    import pyarrow as pa

    if values is None:
        kind = "no values" if pa.types.is_null(type_) else f"values of type {_type_name(type_)}"
        return Column(index, None, present=0, numeric=0, kind=kind)
    present = len(values) - values.null_count
    return Column(index, values, present=present, numeric=present)


def _type_name(type_: "pa.DataType") -> str:
    # Nested types and time zones carry text from the file.
    try:
        text = str(type_)
    except UnicodeDecodeError:
        return "unknown"
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 40 else text[:39] + "…"


def _ends_properly(source: ByteSource) -> bool:
    with source.open() as file:
        file.seek(-min(8, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return file.read() == b"\xff\xff\xff\xff\0\0\0\0"


def _schema(source: ByteSource, format_: Format) -> "pa.Schema":
    import pyarrow as pa
    import pyarrow.parquet as pq

    with source.open_arrow() as file:
        if format_ is Format.PARQUET:
            return pq.ParquetFile(file).schema_arrow
        if format_ is Format.ARROW_FILE:
            return pa.ipc.open_file(file).schema
        return pa.ipc.open_stream(file).schema


def _read_parquet(
    source: ByteSource, schema: "pa.Schema", indices: Sequence[int]
) -> "list[pa.ChunkedArray]":
    import pyarrow.parquet as pq

    with source.open_arrow() as file:
        parquet = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False)
        names = list(dict.fromkeys(schema.field(i).name for i in indices))
        table = parquet.read(columns=names)
        table.validate(full=True)
    # A name may be shared, with or without a prefix: "a" also brings "a.b" and a second "a".
    positions: dict[str, list[int]] = {}
    for position, field in enumerate(table.schema):
        positions.setdefault(field.name, []).append(position)
    taken = []
    for i in indices:
        twins = [j for j, field in enumerate(schema) if field.name == schema.field(i).name]
        taken.append(table.column(positions[schema.field(i).name][twins.index(i)]))
    return taken


def _arrow_reader(
    format_: Format,
) -> "Callable[[ByteSource, pa.Schema, Sequence[int]], list[pa.ChunkedArray]]":
    def read(
        source: ByteSource, schema: "pa.Schema", indices: Sequence[int]
    ) -> "list[pa.ChunkedArray]":
        import pyarrow as pa

        kept = sorted(indices)  # the order in which the columns come back
        chunks: dict[int, list[pa.Array]] = {i: [] for i in kept}
        with source.open_arrow() as file:
            for batch in _batches(file, format_, kept):
                # Offsets and dictionary indices of a damaged file point anywhere: reading them
                # unchecked would end the process.
                batch.validate(full=True)
                for position, i in enumerate(kept):
                    chunks[i].append(batch.column(position))
        return [pa.chunked_array(chunks[i], schema.field(i).type) for i in indices]

    return read


def _batches(
    file: "pa.NativeFile", format_: Format, indices: Sequence[int]
) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    if not indices:
        return
    options = pa.ipc.IpcReadOptions(included_fields=list(indices))
    if format_ is Format.ARROW_FILE:
        reader = pa.ipc.open_file(file, options=options)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from pa.ipc.open_stream(file, options=options)


def parquet_of(names: Sequence[str], columns: Sequence[np.ndarray]) -> bytes:
    """Return columns as a Parquet file.

    Parameters
    ----------
    names : sequence of str
        Names of the columns.
    columns : sequence of arrays of shape (N,)
        Numbers, or texts and numbers in object arrays, None where a cell is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = [pa.array(column.tolist() if column.dtype == object else column) for column in columns]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, names=list(names)), sink)
    return sink.getvalue()
