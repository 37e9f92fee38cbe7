"""Read the numbers of a table from CSV, TSV, Parquet, Arrow or standard input."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, final

import numpy as np

from mixtura.data.columns import Column, RawTable, counts_rows, fill, position_of
from mixtura.data.file_table import FileTable, MissingCells
from mixtura.data.number_format import AS_THEY_STAND, NumberFormat
from mixtura.data.sources import ByteSource, Format, detect_format, listed, open_source, shown
from mixtura.errors import DataError, Message, Remedy, Setting
from mixtura.typing import Array

if TYPE_CHECKING:
    import pyarrow as pa


def read_table(
    source: str | Path,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    stdin: BinaryIO | None = None,
    *,
    missing: MissingCells = MissingCells.REFUSE,
    errors: Mapping[str, str] | None = None,
    labels: str | None = None,
    groups: str | None = None,
    keep: Sequence[str] = (),
    keep_all: bool = False,
    exclude: Sequence[str] = (),
    numbers: NumberFormat = AS_THEY_STAND,
) -> FileTable:
    """Read numeric columns from a file or from standard input.

    The format is told from the first bytes: Parquet, Arrow IPC (file, stream, Feather version 2),
    else delimited text whose encoding, delimiter, decimal mark and header are guessed.

    Parameters
    ----------
    source : str or Path
        A path, or ``"-"`` for standard input.
    columns : sequence of str, optional
        The columns to take, in this order; by default all numeric columns in the file's order.
        Columns of a file without header are called ``column_1``, ``column_2``, ...
    weights : str, optional
        A column of non-negative row weights.
    stdin : binary file, optional
        Read in place of the process's standard input.
    missing : MissingCells, default=MissingCells.REFUSE
        What becomes of rows of which cells are missing: they stay, NaN where a cell is missing;
        they are left out, which a note says; or they are an error.
    errors : mapping of str to str, optional
        For columns of data, the columns with the standard deviations of their measurement errors.
    labels, groups : str, optional
        Columns of known labels, and of groups of rows that share a component, of any type.
    keep : sequence of str
        Columns of any type that are to stand beside results, as texts.
    keep_all : bool, default=False
        Whether all columns are.
    exclude : sequence of str
        Columns that are not taken though they are numbers.
    numbers : NumberFormat
        How numbers are written in a text, as far as that is said.

    Returns
    -------
    FileTable
        ``values`` of shape (N, D) and, where asked for, ``weights`` of shape (N,) and ``errors``
        of shape (N, D).

    Raises
    ------
    DataError
        If there is no such file or column, the file is damaged or in an unknown format, or a cell
        is infinite or no number, or missing where that is refused. The message is one printable
        line that names file, row and column.
    """
    origin = open_source(source, stdin)
    try:
        raw = _open(origin, numbers)
        words = {of: name for of, name in (("labels", labels), ("groups", groups)) if name}
        asked = _asked(raw, columns, weights, errors or {}, words, exclude)
        taken, notes = _take(raw, asked, missing)
        data = [column for column in taken if column.index not in asked.beside]
        matrix = _matrix(raw, data, missing)
        beside = {column.index: column for column in taken if column.index in asked.beside}
        row_weights = None if asked.weight is None else _weights(raw, beside[asked.weight])
        inexact = {of: beside[error] for of, error in asked.errors.items()}
        deviations = _errors(raw, data, matrix, inexact)
        texts = {of: _labels(raw, position) for of, position in asked.words.items()}
        kept = {raw.names[i]: _texts(raw, i) for i in _kept(raw, keep, keep_all=keep_all)}
    except OSError as error:
        raise DataError(f"{origin.label}: {error.strerror or 'could not be read'}") from None
    names = tuple(raw.names[column.index] for column in data)
    table = FileTable(
        *(raw.label, names, matrix, row_weights, raw.notes + notes, deviations, None),
        **texts,
        kept=kept,
    )
    return _complete(table) if missing is MissingCells.DROP else table


@final
@dataclass(frozen=True)
class _Asked:
    """The columns that a user named, by their positions.

    Parameters
    ----------
    data : list of int or None
        Columns of data; None for all that are numbers.
    weight : int or None
        The column of weights.
    errors : dict of int to int
        Columns of errors by those of data.
    words : dict of str to int
        Columns of labels and groups.
    excluded : frozenset of int
        Columns that are not taken.
    """

    data: list[int] | None
    weight: int | None
    errors: dict[int, int]
    words: dict[str, int]
    excluded: frozenset[int]

    @property
    def beside(self) -> frozenset[int]:
        """Columns that are no data."""
        return frozenset(self.errors.values()) | ({self.weight} - {None})  # type: ignore[arg-type]


def _asked(
    raw: RawTable,
    columns: Sequence[str] | None,
    weights: str | None,
    errors: Mapping[str, str],
    words: Mapping[str, str],
    exclude: Sequence[str],
) -> _Asked:
    data = None if columns is None else _requested(raw, columns)
    excluded = frozenset(_position(raw, name) for name in _apart(raw, exclude))
    both = excluded & set(data or ())
    if both:
        name = shown(raw.names[min(both)])
        raise DataError(f"{raw.label}: column {name} cannot be asked for and excluded")
    weight = None if weights is None else _position(raw, weights)
    by_column = {_position(raw, of): _position(raw, error) for of, error in errors.items()}
    used = set(by_column) | set(data or ())
    if weight is not None and weight in used:
        raise DataError(f"{raw.label}: column {shown(weights)} cannot be data and weights")
    for of, error in by_column.items():
        if error in used or error == weight:
            also = "weights" if error == weight else "data"
            raise DataError(
                f"{raw.label}: column {shown(raw.names[error])} cannot be {also} and errors"
            )
        if data is not None and of not in data:
            raise DataError(
                f"{raw.label}: column {shown(raw.names[of])} has errors and is not among the "
                f"columns to read: {listed([raw.names[i] for i in data])}"
            )
    texts = {of: _position(raw, name) for of, name in words.items()}
    for of, position in texts.items():
        if position in used:
            raise DataError(
                f"{raw.label}: column {shown(raw.names[position])} cannot be data and {of}"
            )
    return _Asked(data, weight, by_column, texts, excluded)


def _complete(table: FileTable) -> FileTable:
    """Return the rows without missing cells, and say how many others there were."""
    is_complete = np.asarray(~np.isnan(table.values).any(axis=1))
    n_dropped = int((~is_complete).sum())
    if not n_dropped:
        return table
    if n_dropped == len(is_complete):
        raise DataError(f"{table.source}: every row has missing values in the columns used")
    rows = "1 row" if n_dropped == 1 else f"{n_dropped:,} rows"
    return replace(
        table,
        values=np.ascontiguousarray(table.values[is_complete]),
        weights=None if table.weights is None else table.weights[is_complete],
        errors=None if table.errors is None else table.errors[is_complete],
        labels=None if table.labels is None else table.labels[is_complete],
        groups=None if table.groups is None else table.groups[is_complete],
        kept={name: cells[is_complete] for name, cells in table.kept.items()},
        notes=(*table.notes, f"Left out {rows} with missing values."),
        positions=np.flatnonzero(is_complete),
    )


def _open(origin: ByteSource, numbers: NumberFormat) -> RawTable:
    # Each reader brings its own part of pyarrow; only the one that is needed is imported.
    format_ = detect_format(origin)
    if format_ is Format.TEXT:
        from mixtura.data.delimited import open_delimited

        return open_delimited(origin, numbers)
    from mixtura.data.columnar import open_columnar

    return open_columnar(origin, format_)


def _requested(raw: RawTable, columns: Sequence[str]) -> list[int]:
    asked = [columns] if isinstance(columns, str) else list(columns)
    # Names may stand together with commas between them, unless that is itself a name.
    names = _apart(raw, asked)
    if not names:
        raise DataError(f"{raw.label}: no column was asked for; there are {listed(raw.names)}")
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{raw.label}: column {shown(name)} was asked for {count} times")
    return [_position(raw, name) for name in names]


def _apart(raw: RawTable, asked: Sequence[str]) -> list[str]:
    """Return names, which may stand together with commas between them unless that is a name."""
    names: list[str] = []
    for name in asked:
        is_one = name in raw.names or "," not in name
        names += [name] if is_one else [part.strip() for part in name.split(",")]
    return names


def _position(raw: RawTable, name: str) -> int:
    return position_of(raw.label, raw.names, name)


def _take(
    raw: RawTable, asked: _Asked, missing: MissingCells
) -> tuple[list[Column], tuple[str, ...]]:
    """Return the data columns and those beside them, all numeric, and what was left out."""
    beside = asked.beside
    if asked.data is not None:
        columns = raw.load([*asked.data, *sorted(beside)])
        n_rows = next((len(one.values) for one in columns if one.values is not None), None)
        for position, column in enumerate(columns):
            if column.values is not None:
                continue
            is_empty = column.kind == "no values" and column.index not in beside
            if missing is MissingCells.INTEGRATE and is_empty and n_rows is not None:
                columns[position] = replace(column, values=_nothing(n_rows))
            else:
                _refuse_words(raw, column)
        return columns, ()
    named = beside | set(asked.errors)
    kept, words, counters = [], [], []
    texts = (set(asked.words.values()) | asked.excluded) - beside
    for column in raw.load([i for i in range(len(raw.names)) if i not in texts]):
        if column.values is not None:
            is_counter = column.index in raw.row_numbers and counts_rows(column.values)
            (counters if is_counter and column.index not in named else kept).append(column)
        elif column.index in named or (column.numeric and 2 * column.numeric >= column.present):
            # Nearly numbers, so that leaving it out would surprise.
            _refuse_words(raw, column)
        else:
            words.append(column)
    _refuse_twins(raw, [column for column in kept if column.index not in beside])
    return kept, _left_out(raw, words, counters)


def _nothing(n_rows: int) -> "pa.ChunkedArray":
    """Return a column of missing cells."""
    import pyarrow as pa

    return pa.chunked_array([pa.nulls(n_rows, pa.float64())])


def _refuse_words(raw: RawTable, column: Column) -> NoReturn:
    name = shown(raw.names[column.index])
    if column.first_bad is None:
        raise DataError(f"{raw.label}: column {name} has {column.kind}, not numbers")
    where, cell = _place(raw, column.first_bad, column.index)
    message = f"{where}: {shown(cell)} is not a number"
    if column.numeric:
        message += f"; {column.numeric} of the {column.present} cells of this column are"
    raise DataError(message, remedy=_reading_remedy(cell))


def _reading_remedy(cell: str) -> Remedy:
    """Return which option reads a cell that is a number with something in it, if one does."""
    if not any(c.isdigit() for c in cell):
        return ()
    if re.search(r"[%\u20a0-\u20cf$£¥]|^[A-Z]{3}\b|\b[A-Z]{3}$", cell.strip()):
        return (
            Setting("marks", spelled="NumberFormat(marks=True)"),
            " reads currencies and percentages",
        )
    if re.search(r"\d[.,'’_\s]\d", cell):
        return (
            *(Setting("thousands", spelled="NumberFormat(thousands=)"), " and "),
            *(Setting("decimal", spelled="NumberFormat(decimal=)"), " say how numbers are written"),
        )
    return ()


def _refuse_twins(raw: RawTable, columns: list[Column]) -> None:
    seen: dict[str, int] = {}
    for column in columns:
        name = raw.names[column.index]
        if name in seen:
            raise DataError(
                f"{raw.label}: columns {seen[name] + 1} and {column.index + 1} are both called "
                f"{shown(name)}: rename one of them, or name the columns to read"
            )
        seen[name] = column.index
    if not columns:
        raise DataError(f"{raw.label}: no column holds numbers; there are {listed(raw.names)}")


def _left_out(raw: RawTable, words: list[Column], counters: list[Column]) -> tuple[str, ...]:
    notes = []
    empty = [column for column in words if not column.present and column.kind == "no values"]
    words = [column for column in words if column not in empty]
    groups = (
        (words, "not numeric"),
        (empty, "no values"),
        (counters, "it only numbers the rows"),
    )
    for columns, why in groups:
        if columns:
            names = [raw.names[column.index] for column in columns]
            plural = "columns" if len(names) > 1 else "column"
            notes.append(f"Left out {plural} {listed(names)}: {why}.")
    written = (_how_written(raw, column) for column in words)
    return (*notes, *dict.fromkeys(note for note in written if note))


AMOUNT = re.compile(r"[A-Z$£€¥]{0,3} ?[+-]?\d[\d.,'’_ ]{0,20} ?[A-Z$£€¥%]{0,3}")
"""What may be a number with marks in it: neither a date nor a text."""


def _how_written(raw: RawTable, column: Column) -> str:
    """Return which option reads the cells of a column that was left out; nothing of words."""
    if column.first_bad is None:
        return ""
    cell = raw.locate(column.first_bad, column.index).cell
    remedy = _reading_remedy(cell)
    if not remedy or isinstance(remedy, str | Setting) or not AMOUNT.fullmatch(cell.strip()):
        return ""
    return Message(f"Of {shown(cell)} and the like: ", *remedy, ".")


def _matrix(raw: RawTable, columns: list[Column], missing: MissingCells) -> Array:
    """Return finite numbers, shape (N, D), NaN where a cell is missing if that may be."""
    arrays = [column.values for column in columns if column.values is not None]
    matrix = np.empty((len(arrays[0]), len(arrays)))
    if not len(matrix):
        raise DataError(f"{raw.label}: has no rows")
    for position, values in enumerate(arrays):
        fill(matrix[:, position], values)
    wrong = ~np.isfinite(matrix)
    if not wrong.any():
        return matrix
    is_missing = np.isnan(matrix)
    incomplete = is_missing.any(axis=1)
    if missing is MissingCells.REFUSE and incomplete.any():
        row, position = np.argwhere(is_missing)[0]
        where, cell = _place(raw, int(row), columns[position].index)
        count = int(incomplete.sum())
        rows = "1 row has" if count == 1 else f"{count} rows have"
        word = f"({shown(cell)}) " if cell.strip() else ""
        raise DataError(
            f"{where}: the value {word}is missing; {rows} missing values in the columns used"
        )
    wrong &= ~is_missing
    if wrong.any():
        row, position = np.argwhere(wrong)[0]
        where, cell = _place(raw, int(row), columns[position].index)
        raise DataError(f"{where}: {shown(cell)} is infinite")
    return matrix


def _errors(
    raw: RawTable, data: list[Column], matrix: Array, errors: Mapping[int, Column]
) -> Array | None:
    """Return standard deviations of errors, shape (N, D); None where no column has any."""
    if not errors:
        return None
    found = np.zeros(matrix.shape)
    for position, column in enumerate(data):
        error = errors.get(column.index)
        if error is None or error.values is None:
            continue
        fill(found[:, position], error.values)
        has = ~np.isnan(matrix[:, position])
        own = np.where(has, found[:, position], 0.0)
        wrong = ~(np.isfinite(own) & (own >= 0.0))
        if wrong.any():
            where, cell = _place(raw, int(np.argmax(wrong)), error.index)
            said = shown(cell) if cell.strip() else "nothing"
            raise DataError(f"{where}: an error must be a number from 0 on; got {said}")
        found[:, position] = own
    return found


def _kept(raw: RawTable, names: Sequence[str], *, keep_all: bool) -> list[int]:
    """Return the positions of columns that results stand beside, each once."""
    if keep_all:
        return [i for i, name in enumerate(raw.names) if name not in raw.names[:i]]
    return list(dict.fromkeys(_position(raw, name) for name in _apart(raw, names)))


def _texts(raw: RawTable, position: int) -> np.ndarray:
    """Return a column as texts, None where a cell is missing."""
    words = raw.words(position).to_pylist()
    found = np.empty(len(words), dtype=object)
    found[:] = words
    return found


def _labels(raw: RawTable, position: int) -> np.ndarray:
    """Return a column as whole numbers if all of its cells are, else as texts; None if missing."""
    words = _texts(raw, position)
    if all(word is None or re.fullmatch(r"[+-]?\d{1,15}(\.0*)?", word) for word in words):
        words[:] = [None if word is None else int(float(word)) for word in words]
    return words


def _weights(raw: RawTable, column: Column) -> Array:
    weights = np.ascontiguousarray(_matrix(raw, [column], MissingCells.REFUSE)[:, 0])
    if weights.min() < 0:
        where, cell = _place(raw, int(np.argmax(weights < 0)), column.index)
        raise DataError(f"{where}: the weight {shown(cell)} is negative")
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not 0 < total < np.inf:
        name = shown(raw.names[column.index])
        raise DataError(f"{raw.label}: the weights in column {name} sum to {total:g}")
    return weights


def _place(raw: RawTable, row: int, index: int) -> tuple[str, str]:
    """Return where a cell is, in words, and what it holds."""
    place = raw.locate(row, index)
    line = "" if place.line is None else f" (line {place.line})"
    return f"{raw.label}: row {row + 1}{line}, column {shown(raw.names[index])}", place.cell
