"""Tables that are written piece by piece, whole or not at all."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.messages.validation import FilePath

ENDINGS = (".parquet", ".arrow", ".feather", ".csv", ".tsv")


def write_pieces(
    path: str | Path,
    names: Sequence[str],
    pieces: Iterator[Sequence[np.ndarray]],
    *,
    overwrite: bool = False,
) -> Path:
    """Write columns that come piece by piece to a file.

    Parameters
    ----------
    path : str or Path
        Its ending says how: ``.parquet``, ``.arrow`` or ``.feather``, or ``.csv``.
    names : sequence of str
        Names of the columns.
    pieces : iterator of sequences of arrays of shape (n,)
        The columns, some rows after others.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InvalidArgumentError
        If the ending is unknown, the file exists, or it cannot be written.
    """
    path = Path(FilePath().read(path, "to"))
    if path.suffix.lower() not in ENDINGS:
        raise InvalidArgumentError(
            f"must end in one of {', '.join(ENDINGS)}; got {str(path)!r}", argument="to"
        )
    if path.exists() and not overwrite:
        raise InvalidArgumentError(f"{str(path)!r} exists: choose another name", argument="to")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        os.close(handle)
    except OSError as error:
        raise InvalidArgumentError(f"{str(path)!r} cannot be written: {error.strerror}") from None
    try:
        _write(temporary, path.suffix.lower(), names, pieces)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _write(
    place: str, ending: str, names: Sequence[str], pieces: Iterator[Sequence[np.ndarray]]
) -> None:
    import pyarrow as pa

    writer: Any = None
    try:
        for columns in pieces:
            table = pa.table([pa.array(column) for column in columns], names=list(names))
            if writer is None:
                writer = _writer(place, ending, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _writer(place: str, ending: str, schema: Any) -> Any:
    import pyarrow as pa

    if ending == ".parquet":
        import pyarrow.parquet as pq

        return pq.ParquetWriter(place, schema)
    if ending in (".csv", ".tsv"):
        from pyarrow import csv

        options = csv.WriteOptions(delimiter="," if ending == ".csv" else "\t")
        return csv.CSVWriter(place, schema, write_options=options)
    return pa.ipc.new_file(place, schema)


def payload_batch(number: int, payload: bytes) -> Any:
    """Return an Arrow batch of one row: the number of a part, and bytes."""
    import pyarrow as pa

    columns = [pa.array([number], pa.int32()), pa.array([payload], pa.binary())]
    return pa.RecordBatch.from_arrays(columns, names=["part", "payload"])


def extended_batch(batch: Any, names: Sequence[str], found: np.ndarray) -> Any:
    """Return an Arrow batch with further columns: whole numbers as int64, others as float64."""
    import pyarrow as pa

    type_ = pa.int64() if found.dtype.kind in "iu" else pa.float64()
    arrays = [*batch.columns, *(pa.array(column, type_) for column in found.T)]
    return pa.RecordBatch.from_arrays(arrays, names=[*batch.schema.names, *names])
