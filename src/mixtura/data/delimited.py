"""Columns of delimited text: CSV, TSV and their relatives."""

# pyarrow makes the functions of its compute module at run time.
# pyright: reportAttributeAccessIssue=false

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from mixtura.data.columns import Column, Place, RawTable, is_numeric
from mixtura.data.dialect import (
    MISSING,
    Dialect,
    blanks_to_tabs,
    guess_dialect,
    number_pattern,
    scan,
)
from mixtura.data.number_format import AS_THEY_STAND, NumberFormat
from mixtura.data.sources import ByteSource, one_line
from mixtura.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

MIXED = "cells with a percent sign and cells without"
"""What a column holds of which no one knows whether 5 is 5 or 500 percent."""

_BLOCK_BYTES = 1 << 22
_CELL_LIMIT = "a cell is longer than 131072 characters: is a quote not closed?"


@final
@dataclass(frozen=True, eq=False)
class _Text:
    """A text and all that is needed to find its cells."""

    source: ByteSource
    encoding: str
    dialect: Dialect
    odd_quotes: bool
    blank_tail: int
    numbers: NumberFormat = AS_THEY_STAND

    @property
    def label(self) -> str:
        return self.source.label

    @property
    def delimiter(self) -> str:
        return "\t" if self.dialect.delimiter == " " else self.dialect.delimiter

    @property
    def width(self) -> int:
        return len(self.dialect.names)


def open_delimited(source: ByteSource, numbers: NumberFormat = AS_THEY_STAND) -> RawTable:
    """Guess how a text table is written.

    Parameters
    ----------
    source : ByteSource
        The text.
    numbers : NumberFormat
        How numbers are written, as far as that was said.

    Returns
    -------
    RawTable
        Its columns, none of them read yet.

    Raises
    ------
    DataError
        If the source is not text or has no rows.
    """
    found = scan(source)
    dialect = guess_dialect(source, found.encoding, numbers)
    encoding = found.encoding
    if dialect.delimiter == " ":
        # The parser knows only single delimiters, so the text is rewritten; lines stay lines.
        with source.open() as file, io.TextIOWrapper(file, encoding, newline="") as text:
            content = blanks_to_tabs(text.read()).encode()
        source, encoding = ByteSource(source.label, None, content), "utf-8"
    text = _Text(source, encoding, dialect, found.odd_quotes, found.blank_tail, numbers)
    return RawTable(
        label=source.label,
        names=dialect.names,
        load=lambda indices: _load(text, indices),
        locate=lambda row, index: _locate(text, row, index),
        notes=dialect.notes,
        row_numbers=frozenset({0} if dialect.unnamed_first else ()),
        words=lambda index: _words(text, index),
    )


def _text_of(source: ByteSource) -> _Text:
    found = scan(source)
    dialect = guess_dialect(source, found.encoding)
    return _Text(source, found.encoding, dialect, found.odd_quotes, found.blank_tail)


def _load(text: _Text, indices: Sequence[int]) -> list[Column]:
    table = _parse(text, indices)
    if text.odd_quotes:
        _refuse_open_quote(text)
    return [
        _column(index, table.column(position), text.dialect.decimal, text.numbers)
        for position, index in enumerate(indices)
    ]


def _words(text: _Text, index: int) -> "pa.ChunkedArray":
    (column,) = _parse(text, [index], as_text=True).columns
    return trimmed_words(column)


def trimmed_words(column: Any) -> Any:
    """Return a column of texts without white space around them, missing cells null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(trimmed, pa.array(sorted(MISSING))), None, trimmed)


def _options(
    text: _Text, indices: Sequence[int], types: "Mapping[str, pa.DataType] | None"
) -> tuple[Any, Any, Any]:
    """Return how pyarrow is to read, parse and convert columns."""
    from pyarrow import csv as arrow_csv

    read = arrow_csv.ReadOptions(
        # Positions stand for names, which need not be unique.
        column_names=[str(i) for i in range(text.width)],
        skip_rows=text.dialect.first_line,
        encoding="utf8" if text.encoding.startswith("utf-8") else text.encoding,
        block_size=max(_BLOCK_BYTES, 4 * text.dialect.longest),
    )
    parse = arrow_csv.ParseOptions(
        delimiter=text.delimiter,
        newlines_in_values=True,
        # In a file of one column an empty line is a missing value.
        ignore_empty_lines=text.width > 1,
    )
    convert = arrow_csv.ConvertOptions(
        null_values=sorted(MISSING),
        strings_can_be_null=True,
        true_values=[],
        false_values=[],
        decimal_point=text.dialect.decimal,
        include_columns=[str(i) for i in indices],
        column_types=types,
    )
    return read, parse, convert


def _parse(text: _Text, indices: Sequence[int], *, as_text: bool = False) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    types = dict.fromkeys(map(str, indices), pa.string()) if as_text else None
    options = _options(text, indices, types)
    try:
        with text.source.open_arrow() as file:
            table = arrow_csv.read_csv(file, *options)
    except pa.ArrowInvalid as error:
        _refuse_ragged_row(text)
        raise DataError(f"{text.label}: could not be parsed: {one_line(error)}") from None
    return table.slice(0, table.num_rows - text.blank_tail) if text.width == 1 else table


@contextmanager
def text_reader(
    source: ByteSource, indices: Sequence[int], types: "Mapping[str, pa.DataType] | None"
) -> Iterator[Any]:
    """Open a text whose columns are read block by block, called by their positions.

    Parameters
    ----------
    source : ByteSource
        The text.
    indices : sequence of int
        Positions of the columns.
    types : mapping of str to pyarrow.DataType, or None
        Types of the columns by position; None to guess them from the first block.

    Raises
    ------
    DataError
        If its cells are apart by runs of blanks, or it ends in empty lines that may be rows.
    """
    from pyarrow import csv as arrow_csv

    text = _text_of(source)
    if text.dialect.delimiter == " " or (text.width == 1 and text.blank_tail):
        raise DataError(
            f"{source.label}: large texts whose cells are apart by blanks, or that end in empty "
            "lines, are not read in pieces: write the table as Parquet"
        )
    read, parse, convert = _options(text, indices, types)
    with source.open_arrow() as file:
        yield arrow_csv.open_csv(file, read, parse, convert)


def located_cell(
    source: ByteSource, index: int, first: int, is_right: Callable[[str], bool]
) -> tuple[int, int, str] | None:
    """Return row, line and text of the first cell of a column that is wrong; slow.

    Parameters
    ----------
    source : ByteSource
        The text.
    index : int
        Position of the column.
    first : int
        Rows before which none is looked at.
    is_right : callable
        Whether a cell is as it should be.
    """
    for row, (line, cells) in enumerate(_rows(_text_of(source))):
        if row >= first and index < len(cells) and not is_right(cells[index]):
            return row, line, cells[index]
    return None


def _column(
    index: int, values: "pa.ChunkedArray", decimal: str, numbers: NumberFormat = AS_THEY_STAND
) -> Column:
    import pyarrow as pa

    present = len(values) - values.null_count
    if pa.types.is_null(values.type):
        return Column(index, None, present=0, numeric=0, kind="no values")
    if is_numeric(values.type):
        return Column(index, values, present=present, numeric=present)
    if pa.types.is_string(values.type):
        return _column_of_words(index, values, decimal, numbers)
    return Column(index, None, present, numeric=0, first_bad=_first(values.is_valid()), kind="text")


def _column_of_words(
    index: int, values: "pa.ChunkedArray", decimal: str, written: NumberFormat
) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed, percent = pc.utf8_trim_whitespace(values), None
    if not written.is_plain:
        trimmed, percent = written.cleaned(trimmed, decimal)
    missing = pc.or_(pc.is_null(trimmed), pc.is_in(trimmed, pa.array(sorted(MISSING))))
    numbers = pc.and_not(pc.match_substring_regex(trimmed, number_pattern(decimal)), missing)
    numbers = pc.fill_null(numbers, False)
    present = len(values) - (pc.sum(missing).as_py() or 0)  # the sum of no rows is null
    numeric = pc.sum(numbers).as_py() or 0
    if numeric < present or not present:
        bad = _first(pc.invert(pc.or_(missing, numbers)))
        return Column(index, None, present, numeric, bad, kind="text" if present else "no values")
    # Only marks, or white space around a missing-value word, kept the parser from reading numbers.
    words = pc.replace_substring(pc.if_else(missing, None, trimmed), decimal, ".")
    found = pc.cast(words, pa.float64())
    if percent is not None:
        is_percent = pc.sum(pc.and_(percent, pc.invert(missing))).as_py() or 0
        if 0 < is_percent < present:
            return Column(index, None, present, numeric, kind=MIXED)
        found = pc.if_else(percent, pc.divide(found, 100.0), found)
    return Column(index, found, present, numeric)


def _first(mask: "pa.ChunkedArray") -> int | None:
    import pyarrow.compute as pc

    row = pc.index(mask, True).as_py()
    return row if row >= 0 else None


def _rows(text: _Text, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield (first physical line, cells) of each row of data; slow, for messages only."""
    skipped = text.dialect.first_line
    with text.source.open() as file, io.TextIOWrapper(file, text.encoding, newline="") as lines:
        body = itertools.islice(lines, skipped, None)
        reader = csv.reader(body, delimiter=text.delimiter, strict=strict)
        line = skipped + 1
        for cells in reader:
            if cells or text.width == 1:
                yield line, cells or [""]
            line = skipped + reader.line_num + 1


def _locate(text: _Text, row: int, index: int) -> Place:
    try:
        line, cells = next(itertools.islice(_rows(text), row, None))
        return Place(line, cells[index])
    except (csv.Error, StopIteration, IndexError):
        return Place(None, "?")


def _refuse_ragged_row(text: _Text) -> None:
    try:
        for row, (line, cells) in enumerate(_rows(text), start=1):
            if len(cells) != text.width:
                raise DataError(
                    f"{text.label}: row {row} (line {line}) has {_cells(len(cells))} where "
                    f"the first row of the file has {_cells(text.width)}"
                )
    except csv.Error:
        raise DataError(f"{text.label}: {_CELL_LIMIT}") from None


def _refuse_open_quote(text: _Text) -> None:
    # Such a quote swallows the rows that follow, and lenient parsers say nothing.
    last = text.dialect.first_line
    try:
        for line, cells in _rows(text, strict=True):
            last = line + sum(cell.count("\n") for cell in cells)
    except csv.Error:
        raise DataError(
            f"{text.label}: a double quote after line {last} is never closed, or closed in the "
            "middle of a cell"
        ) from None


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
