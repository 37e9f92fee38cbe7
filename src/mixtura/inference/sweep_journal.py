"""A file of what the sweeps of a fit found, from which the same fit goes on after a kill."""

import hashlib
import json
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np

from mixtura.data import ArrayRows, PartedRows, Rows
from mixtura.engines.remembered_rows import RememberedRows, SweepMemory
from mixtura.errors import InvalidArgumentError, ModelFileError
from mixtura.fit import Problem
from mixtura.messages.statistics import SufficientStatistics

MAGIC = b"mixtura sweeps 1\n"
"""How such a file begins."""

PARTS = ("count", "first", "second", "pivot", "background", "members")
"""The arrays of statistics, of which the last two may be none."""

_SIZES = struct.Struct("<QI")


@final
class SweepJournal(SweepMemory):
    """Records in a file, one for each sweep, of which one that was cut off does not count.

    Parameters
    ----------
    path : str or Path
        The file; it is made if there is none.

    Raises
    ------
    ModelFileError
        If it is something else.
    InvalidArgumentError
        If it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._known: dict[bytes, SufficientStatistics] = {}
        try:
            if not self._path.exists():
                _begun(self._path)
            content, whole = self._path.read_bytes(), len(MAGIC)
            if not content.startswith(MAGIC):
                said = "is not a checkpoint of sweeps" if content else "is empty, no checkpoint"
                raise ModelFileError(f"{str(path)!r} {said}: delete it, or name another file")
            for end, key, found in _records(content):
                self._known[key], whole = found, end
            with self._path.open("r+b") as file:
                file.truncate(whole)
        except OSError as error:
            raise InvalidArgumentError(
                f"{str(path)!r} cannot be written: {error.strerror}", argument="checkpoint"
            ) from None

    def recalled(self, key: bytes) -> SufficientStatistics | None:
        return self._known.get(key)

    def keep(self, key: bytes, found: SufficientStatistics) -> None:
        self._known[key] = found
        body = key + _packed(found)
        begin = b"" if self._path.exists() else MAGIC
        with self._path.open("ab") as file:
            file.write(begin + _SIZES.pack(len(body), zlib.crc32(body)) + body)

    def remove(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)


def _begun(path: Path) -> None:
    """Make a file without sweeps: whole or not at all, so that an empty one is somebody else's."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    with os.fdopen(handle, "wb") as file:
        file.write(MAGIC)
    os.replace(temporary, path)


def _packed(found: SufficientStatistics) -> bytes:
    arrays = {name: getattr(found, name) for name in PARTS}
    shapes = {name: list(array.shape) for name, array in arrays.items() if array is not None}
    head = json.dumps({"shapes": shapes}).encode()
    numbers = [np.float64(found.log_normalizer).tobytes()]
    numbers += [np.ascontiguousarray(arrays[name], np.float64).tobytes() for name in shapes]
    return struct.pack("<I", len(head)) + head + b"".join(numbers)


def _unpacked(body: bytes) -> SufficientStatistics:
    (size,) = struct.unpack_from("<I", body)
    shapes = json.loads(body[4 : 4 + size])["shapes"]
    numbers = np.frombuffer(body[4 + size :], np.float64)
    parts: dict[str, Any] = {}
    start = 1
    for name, shape in shapes.items():
        stop = start + int(np.prod(shape))
        parts[name] = numbers[start:stop].reshape(shape).copy()
        start = stop
    return SufficientStatistics(log_normalizer=float(numbers[0]), **parts)


def _records(content: bytes) -> Iterator[tuple[int, bytes, SufficientStatistics]]:
    """Yield the end, the key and the statistics of each record that is whole."""
    start = len(MAGIC)
    while start + _SIZES.size <= len(content):
        size, expected = _SIZES.unpack_from(content, start)
        start += _SIZES.size
        body = content[start : start + size]
        if len(body) < size or zlib.crc32(body) != expected:
            return
        start += size
        yield start, body[:32], _unpacked(body[32:])


def journaled(
    problem: Problem, checkpoint: str | Path | None
) -> tuple[Problem, SweepJournal | None]:
    """Return a problem whose sweeps are kept in a file, where they are many rows'.

    Parameters
    ----------
    problem : Problem
        The problem.
    checkpoint : str, Path or None
        The file; None to keep nothing.
    """
    if checkpoint is None:
        return problem, None
    journal, rows = SweepJournal(checkpoint), problem.rows
    identity = _identity(rows)
    if identity is None or not isinstance(rows, ArrayRows | PartedRows):
        return problem, journal
    return replace(problem, rows=RememberedRows(rows, journal, identity)), journal


def _identity(rows: Rows) -> bytes | None:
    """Return what tells rows from others; None of rows whose sweeps are not kept."""
    if isinstance(rows, PartedRows):
        return repr(rows.identity).encode()
    if not isinstance(rows, ArrayRows) or rows.is_one_tile or rows.is_labelled:
        return None
    digest = hashlib.sha256()
    for part in (rows.values, rows.weights, rows.errors):
        if part is not None:
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data.cast("B"))
    return digest.digest()
