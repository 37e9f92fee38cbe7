"""Where the bytes of a table come from, and which format they are in."""

import enum
import io
import os
import re
import stat
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, final

from mixtura.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

STANDARD_INPUT = "standard input"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def shown(text: object, limit: int = 40) -> str:
    """Return user data as a short quoted literal without control characters.

    Parameters
    ----------
    text : object
        A cell, a column name or a path; what is not text is shown through ``str``.
    limit : int
        Characters kept before the text is cut.

    Returns
    -------
    str
        The ``repr`` of the (cut) text, which escapes everything unprintable.
    """
    text = str(text)
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def one_line(error: BaseException) -> str:
    """Return the message of a library's exception as one short printable line."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return (text if len(text) <= 160 else text[:159] + "…").rstrip(".")


def listed(names: "list[str] | tuple[str, ...]", limit: int = 10) -> str:
    """Return names as ``'a', 'b' and 3 more``."""
    kept = ", ".join(shown(name) for name in names[:limit])
    return kept if len(names) <= limit else f"{kept} and {len(names) - limit} more"


@final
class Format(enum.Enum):
    """The formats that are told apart by their first bytes."""

    PARQUET = "Parquet"
    ARROW_FILE = "an Arrow IPC file"
    ARROW_STREAM = "an Arrow IPC stream"
    TEXT = "delimited text"


_MAGIC = {
    b"PAR1": Format.PARQUET,
    b"ARROW1": Format.ARROW_FILE,
    b"\xff\xff\xff\xff": Format.ARROW_STREAM,
}

# Refused by name, because "not a number in row 1" would not tell the user what to do.
_FOREIGN = {
    b"PARE": "an encrypted Parquet file: decrypt it first",
    b"FEA1": "a Feather file of version 1: save it as version 2",
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or export the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: export the sheet as CSV",
    b"\x89HDF": "an HDF5 file: export the table as CSV or Parquet",
    b"\x93NUMPY": "a NumPy file: load it with numpy.load",
    b"SQLite format 3": "a SQLite database: export the table as CSV or Parquet",
    b"%PDF-": "a PDF document: a table is needed",
}


_PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}

LONGEST_MAGIC = 6
"""Bytes that tell how a file is compressed."""

MOST_UNPACKED = 1 << 32
"""Bytes of the content of a compressed file at most, which is held in memory."""


@final
@dataclass(frozen=True, eq=False)
class ByteSource:
    """A file, or bytes that were read from a pipe; it can be opened again and again.

    Parameters
    ----------
    label : str
        What messages call it, printable and on one line.
    path : Path or None
        A regular file, read as it is needed.
    content : bytes
        The bytes themselves where there is no path.
    """

    label: str
    path: Path | None
    content: bytes = b""

    def open(self) -> BinaryIO:
        """Return the bytes as a Python file."""
        return io.BytesIO(self.content) if self.path is None else self.path.open("rb")

    def open_arrow(self) -> "pa.NativeFile":
        """Return the bytes as an Arrow file; never unpacked because of a name's ending."""
        import pyarrow as pa

        return pa.BufferReader(self.content) if self.path is None else pa.OSFile(str(self.path))


def open_source(source: str | Path, stdin: BinaryIO | None = None) -> ByteSource:
    """Find the bytes that a user's argument names.

    Parameters
    ----------
    source : str or Path
        A path, or ``"-"`` for standard input.
    stdin : binary file, optional
        Read in place of ``sys.stdin.buffer``.

    Returns
    -------
    ByteSource
        A regular file by its path, or the whole content of a pipe.

    Raises
    ------
    DataError
        If nothing readable is there.
    """
    text = os.fspath(source)
    if text == "-":
        stream = sys.stdin.buffer if stdin is None else stdin
        return _of_content(STANDARD_INPUT, stream.read())
    label = text if text.isprintable() and len(text) <= 200 else shown(text, limit=200)
    if _URL.match(text):
        raise DataError(f"{label}: addresses are not supported: download the file first")
    path = Path(text)
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            with path.open("rb") as file:
                packing = packing_of(file.read(LONGEST_MAGIC))
            return ByteSource(label, path) if packing is None else unpacked(label, path, packing)
        if stat.S_ISFIFO(mode):
            return _of_content(label, path.read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{label}: {reason[:1].lower()}{reason[1:]}") from None
    if stat.S_ISDIR(mode):
        raise DataError(f"{label}: is a directory: name a file in it")
    raise DataError(f"{label}: is not a regular file: use '-' for standard input")


def _of_content(label: str, content: bytes) -> ByteSource:
    packing = packing_of(content[:LONGEST_MAGIC])
    if packing is None:
        return ByteSource(label, None, content)
    return unpacked(label, content, packing)


def packing_of(head: bytes) -> str | None:
    """Return how a file is compressed, by its first bytes; None where it is not."""
    return next((name for magic, name in _PACKINGS.items() if head.startswith(magic)), None)


def unpacked(label: str, source: Path | bytes, packing: str) -> ByteSource:
    """Return the content of a compressed file.

    Parameters
    ----------
    label : str
        What messages call it.
    source : Path or bytes
        The compressed bytes, or the file that holds them.
    packing : str
        How they are compressed: ``"gzip"``, ``"bz2"``, ``"xz"``, ``"zstd"`` or ``"lz4"``.

    Raises
    ------
    DataError
        If the file is damaged, or its content larger than 4 GiB.
    """
    import bz2
    import gzip
    import lzma

    import pyarrow as pa

    openers: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    try:
        if packing in openers:
            file = openers[packing](source if isinstance(source, Path) else io.BytesIO(source))
        else:
            raw = pa.OSFile(str(source)) if isinstance(source, Path) else pa.BufferReader(source)
            file = pa.CompressedInputStream(raw, packing)
        with file:
            content = file.read(MOST_UNPACKED + 1)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise DataError(f"{label}: is damaged: it could not be unpacked as {packing}") from None
    if len(content) > MOST_UNPACKED:
        raise DataError(f"{label}: unpacks to more than 4 GiB: unpack it first")
    return ByteSource(label, None, content)


def detect_format(source: ByteSource) -> Format:
    """Tell the format from the first bytes; names are not trusted.

    Raises
    ------
    DataError
        If the source is empty or in a format that is known but not supported.
    """
    with source.open() as file:
        head = file.read(32)
    if not head:
        raise DataError(f"{source.label}: is empty")
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise DataError(f"{source.label}: is {what}")
    found = (known for magic, known in _MAGIC.items() if head.startswith(magic))
    detected = next(found, Format.TEXT)
    suffix = source.path.suffix.lower() if source.path else ""
    if detected is Format.TEXT and suffix in (".parquet", ".arrow", ".feather"):
        raise DataError(f"{source.label}: is named {suffix} but is not such a file")
    return detected
