"""Guess how a text table is written: encoding, delimiter, decimal mark and header."""

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from mixtura.data.number_format import AS_THEY_STAND, NumberFormat
from mixtura.data.sources import ByteSource
from mixtura.errors import DataError

if TYPE_CHECKING:
    from typing import TextIO

MISSING = frozenset(
    [
        "NA",
        "na",
        "N/A",
        "n/a",
        "#N/A",
        "<NA>",
        "NaN",
        "nan",
        "NAN",
        "null",
        "NULL",
        "Null",
        "None",
        "none",
        "NONE",
        "?",
        "-",
        ".",
    ]
) | {""}
"""Words that mean "no value"; compared after removing white space around the cell."""

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "blanks"}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SCAN_BYTES = 1 << 22
_SAMPLE_CHARACTERS = 1 << 18
_SAMPLE_LIMIT = 1 << 26
_SAMPLE_ROWS = 500


def number_pattern(decimal: str) -> str:
    """Return the regular expression, for Python and for RE2, of a number with this decimal mark."""
    mark = re.escape(decimal)
    digits = rf"(?:[0-9]+(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    return rf"^[+-]?(?:{digits}|(?i:inf|infinity))$"


_NUMBERS = {mark: re.compile(number_pattern(mark)) for mark in ".,"}


@final
@dataclass(frozen=True)
class TextScan:
    """What one pass over all characters tells.

    Parameters
    ----------
    encoding : str
        Python's name of the encoding.
    odd_quotes : bool
        Whether the number of double quotes is odd, so that one may never be closed.
    blank_tail : int
        Empty lines at the end.
    """

    encoding: str
    odd_quotes: bool
    blank_tail: int


@final
@dataclass(frozen=True)
class Dialect:
    """How the cells of a text table are found.

    Parameters
    ----------
    delimiter : str
        One character; a blank stands for any run of blanks and tabs.
    decimal : str
        ``"."`` or ``","``.
    names : tuple of str
        One name for each column.
    first_line : int
        Physical lines before the first row of data.
    unnamed_first : bool
        Whether the header leaves the first column without a name.
    longest : int
        Characters in the longest line seen.
    notes : tuple of str
        The guesses, in sentences.
    """

    delimiter: str
    decimal: str
    names: tuple[str, ...]
    first_line: int
    unnamed_first: bool
    longest: int
    notes: tuple[str, ...]


def scan(source: ByteSource) -> TextScan:
    """Find the encoding and refuse what is not text.

    Raises
    ------
    DataError
        If the bytes cannot be decoded, hold NUL or nothing but white space.
    """
    with source.open() as file:
        head = file.read(4)
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            try:
                return _scan_as(source, encoding)
            except UnicodeError:
                name = encoding.upper().removesuffix("-SIG")
                raise DataError(
                    f"{source.label}: begins as {name} text but has bytes that are not {name}"
                ) from None
    for encoding in ("utf-8", "cp1252"):
        try:
            return _scan_as(source, encoding)
        except UnicodeError:
            continue
    return _scan_as(source, "latin-1")


def _scan_as(source: ByteSource, encoding: str) -> TextScan:
    decoder = codecs.getincrementaldecoder(encoding)()
    quotes = lines = tail = 0
    blank = True
    with source.open() as file:
        while True:
            content = file.read(_SCAN_BYTES)
            text = decoder.decode(content, final=not content)
            if "\0" in text:
                line = lines + text[: text.index("\0")].count("\n") + 1
                raise DataError(
                    f"{source.label}: line {line} holds a NUL byte: the file is binary, or "
                    "UTF-16 text without its byte order mark"
                )
            quotes += text.count('"')
            lines += text.count("\n")
            body = text.rstrip(" \t\r\n")
            ending = text[len(body) :]
            tail = (0 if body else tail) + (ending.count("\n") or ending.count("\r"))
            blank = blank and not body
            if not content:
                break
    if blank:
        raise DataError(f"{source.label}: is empty")
    return TextScan(encoding, quotes % 2 == 1, max(0, tail - 1))


def guess_dialect(
    source: ByteSource, encoding: str, numbers: NumberFormat = AS_THEY_STAND
) -> Dialect:
    """Guess delimiter, decimal mark and header from the first rows.

    Parameters
    ----------
    source : ByteSource
        The text.
    encoding : str
        From :func:`scan`.
    numbers : NumberFormat
        How numbers are written, as far as that was said.

    Raises
    ------
    DataError
        If there is no row of data.
    """
    with source.open() as file, io.TextIOWrapper(file, encoding, newline="") as text:
        lines = _sample(text)
    skipped = 0
    while skipped < len(lines) and _is_skipped(lines[skipped]):
        skipped += 1
    comments = sum(bool(line.strip()) for line in lines[:skipped])
    lines = lines[skipped:]
    if not lines:
        raise DataError(f"{source.label}: has no rows, only comments or empty lines")
    delimiter, decimal = _best_separators(lines, numbers)
    rows, ends = _split(lines, delimiter)
    header = _has_header([numbers.plain(row) for row in rows], decimal)
    if header and len(rows) == 1:
        raise DataError(f"{source.label}: has a header but no rows")
    width = len(rows[0])
    return Dialect(
        delimiter=delimiter,
        decimal=decimal,
        names=_names(rows[0] if header else [""] * width),
        first_line=skipped + (ends[0] if header else 0),
        unnamed_first=header and width > 1 and not rows[0][0].strip(),
        longest=max(map(len, lines)),
        notes=_notes(encoding, comments, delimiter if width > 1 else None, decimal, header, width),
    )


def _sample(text: "TextIO") -> list[str]:
    sample = ""
    size = _SAMPLE_CHARACTERS
    while True:
        more = text.read(size)
        sample += more
        size = len(sample)  # doubles the sample, so that a very long line costs little
        lines = list(io.StringIO(sample, newline=""))
        if not more:
            return lines
        if sum(not _is_skipped(line) for line in lines) > 3 or len(sample) > _SAMPLE_LIMIT:
            return lines[:-1] or lines  # the last line may be cut


def _is_skipped(line: str) -> bool:
    stripped = line.strip()
    return not stripped or stripped.startswith("#")


def _split(lines: list[str], delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Return the first rows and the number of lines down to the end of each."""
    if delimiter == " ":
        lines = [blanks_to_tabs(line) for line in lines]
        delimiter = "\t"
    reader = csv.reader(lines, delimiter=delimiter)
    rows: list[list[str]] = []
    ends: list[int] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
                ends.append(reader.line_num)
            if len(rows) == _SAMPLE_ROWS:
                break
    except csv.Error:  # a cell beyond the csv module's limit: judge by the rows so far
        pass
    return rows or [[lines[0].strip()]], ends or [1]


def blanks_to_tabs(text: str) -> str:
    """Turn runs of blanks between cells into single tabs, keeping the lines."""
    text = re.sub(r"(?m)^[ \t]+|[ \t]+(?=\r?$)", "", text)
    if '"' not in text:
        return re.sub(r"[ \t]+", "\t", text)
    return re.sub(r'"(?:[^"]|"")*"|[ \t]+', lambda m: m[0] if m[0].startswith('"') else "\t", text)


def is_number(cell: str, decimal: str) -> bool:
    """Whether a cell is a number with this decimal mark."""
    return _NUMBERS[decimal].match(cell.strip()) is not None


def _best_separators(lines: list[str], numbers: NumberFormat) -> tuple[str, str]:
    # A delimiter is as good as the rows are equally long and their cells numbers; the first
    # row counts for the length only, since it may be the header.
    best, best_score = (",", numbers.decimal or "."), 0.0
    for delimiter in _DELIMITERS:
        rows, _ = _split(lines, delimiter)
        width = _usual_width(rows, widest=delimiter != " ")
        if width == 1:
            continue
        regular = [row for row in rows if len(row) == width]
        cells = [c for row in regular if len(rows) == 1 or row is not rows[0] for c in row]
        present = numbers.plain([c for c in cells if c.strip() not in MISSING])
        marks = numbers.decimal or ("." if delimiter == "," else ".,")
        shares = {m: sum(is_number(c, m) for c in present) for m in marks}
        decimal = max(marks, key=shares.__getitem__)  # a tie goes to the point
        score = len(regular) / len(rows) * (shares[decimal] / max(1, len(present)) + 0.05)
        if score > best_score:
            best, best_score = (delimiter, decimal), score
    return best


def _usual_width(rows: list[list[str]], *, widest: bool) -> int:
    counts = Counter(map(len, rows))
    most = max(counts.values())
    widths = [width for width, count in counts.items() if count == most]
    return max(widths) if widest else min(widths)


def _has_header(rows: list[list[str]], decimal: str) -> bool:
    first, rest = rows[0], rows[1:]
    named = [c.strip() not in MISSING and not is_number(c, decimal) for c in first]
    if all(named) or not any(is_number(c, decimal) for c in first):
        return True
    # Some cell is a number, some a word: a header only if a word stands above numbers.
    for j, is_name in enumerate(named):
        below = [row[j] for row in rest if j < len(row) and row[j].strip() not in MISSING]
        if is_name and below and 2 * sum(is_number(c, decimal) for c in below) >= len(below):
            return True
    return False


def _names(header: list[str]) -> tuple[str, ...]:
    return tuple(name.strip() or f"column_{j}" for j, name in enumerate(header, start=1))


def _notes(
    encoding: str, comments: int, delimiter: str | None, decimal: str, header: bool, width: int
) -> tuple[str, ...]:
    notes = []
    if encoding in ("cp1252", "latin-1"):
        guess = "Windows-1252" if encoding == "cp1252" else "Latin-1"
        notes.append(f"The text is not UTF-8; it was read as {guess}.")
    elif encoding.startswith(("utf-16", "utf-32")):
        notes.append(f"The text is {encoding.upper()}.")
    if comments:
        lines = "1 comment line" if comments == 1 else f"{comments} comment lines"
        notes.append(f"Skipped {lines} beginning with '#' at the top.")
    if delimiter is None:
        notes.append("Each line holds one cell.")
    else:
        notes.append(f"Cells are separated by {_DELIMITERS[delimiter]}.")
    if decimal == ",":
        notes.append("The decimal mark is a comma: '1,5' is one and a half.")
    if header:
        notes.append("The first row names the columns.")
    else:
        last = f" to column_{width}" if width > 1 else ""
        notes.append(f"There is no header: columns are called column_1{last}.")
    return tuple(notes)
