"""What every file format hands over: columns that are numbers, or why they are not."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from mixtura.data.sources import listed, shown
from mixtura.errors import DataError
from mixtura.typing import Array

if TYPE_CHECKING:
    import pyarrow as pa


@final
@dataclass(frozen=True, eq=False)
class Column:
    """One column of a file.

    Parameters
    ----------
    index : int
        Position in the file, from zero.
    values : pyarrow.ChunkedArray or None
        Numbers of any Arrow type, missing cells null; None if some cell is not a number.
    present : int
        Cells that are not missing.
    numeric : int
        Cells that are numbers.
    first_bad : int or None
        Row, from zero, of the first cell that is neither a number nor missing, where known.
    kind : str
        What the column holds if not numbers, for messages.
    """

    index: int
    values: "pa.ChunkedArray | None"
    present: int
    numeric: int
    first_bad: int | None = None
    kind: str = "numbers"


@final
@dataclass(frozen=True)
class Place:
    """One cell as the user finds it in the file.

    Parameters
    ----------
    line : int or None
        Physical line, from one, where the format has lines.
    cell : str
        What the cell holds.
    """

    line: int | None
    cell: str


@final
@dataclass(frozen=True, eq=False)
class RawTable:
    """A file whose header is known and whose columns are read on demand.

    Parameters
    ----------
    label : str
        What messages call the file.
    names : tuple of str
        Column names, in the file's order; they need not be unique.
    load : callable
        Reads the columns at the given positions.
    locate : callable
        Returns the :class:`Place` of a row and a column position, both from zero.
    notes : tuple of str
        What was guessed so far.
    row_numbers : frozenset of int
        Columns that no user named and that may merely number the rows.
    words : callable
        Reads the column at a position as texts, missing cells null.
    """

    label: str
    names: tuple[str, ...]
    load: Callable[[Sequence[int]], list[Column]]
    locate: Callable[[int, int], Place]
    notes: tuple[str, ...]
    row_numbers: frozenset[int]
    words: Callable[[int], "pa.ChunkedArray"]


def is_numeric(type_: "pa.DataType") -> bool:
    """Whether an Arrow type holds numbers; booleans, dates and durations do not."""
    import pyarrow as pa

    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return is_numeric(type_.value_type)
    return pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)


def fill(target: Array, values: "pa.ChunkedArray") -> None:
    """Write a numeric column into an array, missing cells as NaN.

    Parameters
    ----------
    target : array of shape (N,)
        Where the float64 numbers go, possibly strided.
    values : pyarrow.ChunkedArray of length N
        Integers, floats, decimals or dictionaries of them.
    """
    start = 0
    for chunk in values.chunks:
        # An integer above 2**53 is rounded to the nearest float64, not refused.
        numbers = plain(chunk).to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):  # signalling NaNs of a damaged file
            target[start : start + len(numbers)] = numbers
        start += len(numbers)


def filled_matrix(batch: "pa.RecordBatch") -> Array:
    """Return the numeric columns of a batch as float64 (n, D), missing cells as NaN."""
    import pyarrow as pa

    matrix = np.empty((batch.num_rows, batch.num_columns))
    for position, column in enumerate(batch.columns):
        fill(matrix[:, position], pa.chunked_array([column]))
    return matrix


def joined_batches(batches: "list[pa.RecordBatch]") -> "pa.RecordBatch":
    """Return batches of the same columns, one after the other, as one."""
    import pyarrow as pa

    whole = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return whole[0] if whole else batches[0]


def plain(chunk: "pa.Array") -> "pa.Array":
    """Return integers or floats in place of dictionaries, runs and decimals of them.

    A decimal becomes the nearest float64, by way of its text: Arrow's own cast divides by a power
    of ten and may be one bit off.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(chunk.type):
        return plain(chunk.dictionary_decode())
    if pa.types.is_run_end_encoded(chunk.type):
        return plain(pc.call_function("run_end_decode", [chunk]))
    if not pa.types.is_decimal(chunk.type):
        return chunk
    try:
        return pc.cast(pc.cast(chunk, pa.string()), pa.float64())
    except pa.ArrowInvalid:  # a damaged file may give a scale that has no text
        return pc.cast(chunk, pa.float64())


def counts_rows(values: "pa.ChunkedArray") -> bool:
    """Whether a column merely numbers the rows: 0, 1, 2, ... or 1, 2, 3, ..."""
    import pyarrow as pa

    if values.null_count or not len(values) or not pa.types.is_integer(values.type):
        return False
    numbers = np.empty(len(values))
    fill(numbers, values)
    return numbers[0] in (0.0, 1.0) and bool(np.all(np.diff(numbers) == 1.0))


def position_of(label: str, names: Sequence[str], name: str) -> int:
    """Return the position of a column that is asked for by name.

    Raises
    ------
    DataError
        If there is none, or several.
    """
    found = [i for i, known in enumerate(names) if known == name]
    if len(found) == 1:
        return found[0]
    if found:
        places = " and ".join(str(i + 1) for i in found)
        raise DataError(
            f"{label}: columns {places} are both called {shown(name)}: rename one of them"
        )
    folded = {known.casefold(): known for known in reversed(names)}
    close = difflib.get_close_matches(str(name).casefold(), folded, n=1)
    hint = f" (did you mean {shown(folded[close[0]])}?)" if close else ""
    raise DataError(
        f"{label}: there is no column {shown(name)}{hint}; there are {listed(tuple(names))}"
    )
