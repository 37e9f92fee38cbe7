"""Rows of Spark DataFrames, swept in the Python workers that Spark starts beside its partitions.

A function of a partition goes out by ``mapInArrow``, and its result comes back as one row. Results
are put in the order of the partitions, and a checksum tells whether Spark has computed a partition
anew in another order.
"""

import os
import pickle
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np

from mixtura.data import ArrayRows, Tile
from mixtura.data.columns import filled_matrix, joined_batches, position_of
from mixtura.data.parted_rows import RowFacts
from mixtura.data.sources import one_line, shown
from mixtura.data.table_output import extended_batch, payload_batch
from mixtura.engines.distributed.placed_rows import (
    Partition,
    PartitionFacts,
    PartitionPlace,
    PlacedRows,
    Preparation,
    first_look,
    numbered_partition,
    on_partition,
    places_of,
    shared_words,
    words_of_partition,
)
from mixtura.errors import DataError, MixturaError
from mixtura.typing import Array

Result = TypeVar("Result")

NUMERIC = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
"""How names of Spark's numeric types begin."""

SCHEMA = "part int, payload binary"
"""Of the rows that come back."""


@final
@dataclass(frozen=True)
class Columns:
    """Which columns of a frame are what.

    Parameters
    ----------
    names : tuple of str
        The D columns of data.
    weights : str or None
        The column of row weights.
    errors : mapping of str to str, or array of shape (D,), or None
        Standard deviations of errors: columns, by columns of data; or the same for all rows.
    labels, groups : str or None
        Columns of known labels, and of groups.
    """

    names: tuple[str, ...]
    weights: str | None = None
    errors: Any = None
    labels: str | None = None
    groups: str | None = None

    @property
    def numeric(self) -> list[str]:
        """The columns that are numbers, each once."""
        beside = self.errors.values() if isinstance(self.errors, Mapping) else ()
        weights = () if self.weights is None else (self.weights,)
        return list(dict.fromkeys((*self.names, *weights, *beside)))

    @property
    def words(self) -> list[str]:
        """The columns of labels and of groups."""
        return [name for name in (self.labels, self.groups) if name is not None]

    def errors_of(self, batch: Any) -> Any:
        """Return the standard deviations of the errors of a table's rows."""
        if not isinstance(self.errors, Mapping):
            return self.errors
        found = np.zeros((batch.num_rows, len(self.names)))
        for place, name in enumerate(self.names):
            if name in self.errors:
                found[:, place] = filled_matrix(batch.select([self.errors[name]]))[:, 0]
        return found


@final
@dataclass(frozen=True)
class Parting:
    """Makes a Partition of the Arrow batches of one.

    Parameters
    ----------
    columns : Columns
        What they are.
    leaves_blank : bool
        Whether rows without any cell are left out.
    words : tuple of list, or None
        The labels and the groups of all partitions, where they are known already.
    """

    columns: Columns
    leaves_blank: bool
    words: tuple[list[Any] | None, list[Any] | None] | None = None

    def __call__(self, batches: Iterator[Any]) -> Partition:
        columns, held = self.columns, list(batches)
        if not held:
            return Partition(np.empty((0, 0)), None, 0)
        table = joined_batches(held)
        words = [
            None if name is None else table.column(name).to_pylist()
            for name in (columns.labels, columns.groups)
        ]
        weights = None
        if columns.weights is not None:
            weights = filled_matrix(table.select([columns.weights]))[:, 0]
        values = filled_matrix(table.select(list(columns.names)))
        prepare = Preparation(self.leaves_blank)
        part = prepare(values, weights, columns.errors_of(table), *words)
        return part if self.words is None else numbered_partition(part, *self.words)


@final
@dataclass(frozen=True)
class RowStore:
    """Rows of partitions in files on the machines that made them, mapped by every worker there.

    Spark's own memory holds rows as its Java process wants them; to hand them to Python in each
    sweep takes longer than the sweep. The files lie in Spark's directory of the application, which
    Spark removes in the end.

    Parameters
    ----------
    name : str
        Tells the rows of this frame from others.
    """

    name: str

    def _place(self, number: int) -> Path:
        files = import_module("pyspark").SparkFiles
        return Path(files.getRootDirectory()) / f"mixtura-{self.name}-{number}"

    def keep(self, number: int, part: Partition) -> str:
        """Write the rows of a partition, if there is room, and return their directory."""
        place = self._place(number)
        values, rest = place.with_suffix(".npy"), place.with_suffix(".pickle")
        _mapped.pop((self.name, number), None)
        try:
            own = place.with_suffix(f".{os.getpid()}")
            with own.open("wb") as file:
                np.save(file, part.values)
            os.replace(own, values)
            own.write_bytes(pickle.dumps(replace(part, values=np.empty((0, 0))), protocol=5))
            os.replace(own, rest)
        except OSError:  # the rows come from Spark in each sweep
            return ""
        return str(place.parent)

    def read(self, number: int) -> Partition | None:
        """Return the rows of a partition, or None where this machine has none."""
        key = (self.name, number)
        if key not in _mapped:
            place = self._place(number)
            try:
                values = np.load(place.with_suffix(".npy"), mmap_mode="r")
                rest = pickle.loads(place.with_suffix(".pickle").read_bytes())
            except (OSError, ValueError, EOFError, pickle.UnpicklingError):
                return None
            _mapped[key] = replace(rest, values=values.view(np.ndarray))
        return _mapped[key]


_mapped: dict[tuple[str, int], Partition] = {}
"""Partitions whose files this process has mapped."""


def _removed(name: str, folders: set[str]) -> None:
    """Delete the files of a store that lie on this machine."""
    for folder in folders:
        for path in Path(folder).glob(f"mixtura-{name}-*"):
            path.unlink(missing_ok=True)


def _run(
    make: Callable[[Iterator[Any]], Partition],
    function: Callable[[int, Partition], Any],
    batches: Iterator[Any],
) -> Iterator[Any]:
    """Yield a row with what a function returns of a partition; none of one without rows."""
    context = import_module("pyspark").TaskContext.get()
    number, part = context.partitionId(), make(batches)
    if not part.values.size and not part.n_blank:
        return
    yield payload_batch(number, pickle.dumps(function(number, part), protocol=5))


def _words(number: int, part: Partition) -> Any:
    return words_of_partition(part)


def _looked_at(
    store: RowStore, number: int, part: Partition
) -> tuple[PartitionFacts | None, int, str]:
    facts = first_look(part) if part.values.size else None
    return facts, part.n_blank, store.keep(number, part)


def _swept(
    places: dict[int, PartitionPlace],
    function: Callable[[Tile], Any],
    store: RowStore,
    number: int,
    part: Partition,
) -> Any:
    if number not in places:
        return None
    store.keep(number, part)
    return on_partition(part, places[number], function)


def _swept_where_kept(
    store: RowStore,
    places: list[tuple[int, PartitionPlace]],
    function: Callable[[Tile], Any],
    batches: Iterator[Any],
) -> Iterator[Any]:
    """Yield a row for each partition: what a function returns of it, or nothing if it is absent."""
    for batch in batches:
        for which in batch.column(0).to_pylist():
            number, place = places[which]
            part = store.read(number)
            if part is None:
                yield payload_batch(number, b"")
                continue
            found = on_partition(part, place, function)
            yield payload_batch(number, pickle.dumps(found, protocol=5))


@final
class SparkRows(PlacedRows):
    """Rows of the partitions of a Spark DataFrame.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        The columns that are asked for, persisted.
    make : callable
        Makes a Partition of the batches of one.
    places : dict of int to PartitionPlace
        Where the partitions lie that have rows, by their numbers.
    facts : RowFacts
        What is known of all rows.
    n_blank : int
        Rows without any cell, which were left out.
    kept : tuple of RowStore and set of str
        Where rows are kept for Python workers, and directories on this machine.
    words : tuple of list, or None
        The labels and the groups that differ, of which rows have the numbers.
    """

    def __init__(
        self,
        frame: Any,
        make: Callable[[Iterator[Any]], Partition],
        places: dict[int, PartitionPlace],
        facts: RowFacts,
        n_blank: int,
        kept: tuple[RowStore, set[str]],
        words: tuple[list[Any] | None, list[Any] | None] = (None, None),
    ) -> None:
        super().__init__([places[number] for number in sorted(places)], facts, n_blank, words)
        self._frame, self._make, self._by_number = frame, make, places
        self._store, folders = kept
        weakref.finalize(self, _removed, self._store.name, folders)

    def each(self, function: Callable[[Tile], Result]) -> Iterable[Result]:
        numbers = sorted(self._by_number)
        places = [(number, self._by_number[number]) for number in numbers]
        wanted = self._frame.sparkSession.range(0, len(numbers), 1, len(numbers))
        found = _collected(wanted, partial(_swept_where_kept, self._store, places, function))
        absent = [number for number in numbers if number not in found]
        if absent:  # a machine was lost, or others do the work now
            some = {number: self._by_number[number] for number in absent}
            again = partial(_swept, some, function, self._store)
            found |= _collected(self._frame, partial(_run, self._make, again))
        missing = [number for number in numbers if number not in found]
        if missing:
            raise DataError(f"partition {missing[0]} of the frame has no rows any more: persist it")
        return [found[number] for number in numbers]

    def tiles(self) -> Iterator[Tile]:
        yield from self.each(_itself)


def _itself(tile: Tile) -> Tile:
    rows = tile.rows
    own = (np.array(rows.values), rows.weights, None, rows.errors, None, rows.labels)
    return Tile(tile.number, tile.start, ArrayRows(*own))


def _collected(frame: Any, function: Callable[[Iterator[Any]], Iterator[Any]]) -> dict[int, Any]:
    """Return what a function of Arrow batches tells of partitions, by their numbers."""
    try:
        rows = frame.mapInArrow(function, SCHEMA).collect()
    except MixturaError:
        raise
    except Exception as error:
        said = str(error)
        told = [line for line in said.splitlines() if "mixtura.errors." in line]
        text = told[-1].partition(": ")[2] if told else one_line(error)
        raise DataError(f"Spark could not sweep the rows: {text}") from error
    return {row["part"]: pickle.loads(bytes(row["payload"])) for row in rows if row["payload"]}


def spark_names(frame: Any, beside: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of the columns of a frame, but for those that are no data.

    Raises
    ------
    DataError
        If one holds no numbers.
    """
    for name, kind in frame.dtypes:
        if name not in beside and not kind.startswith(NUMERIC):
            raise DataError(f"column {shown(name)} is not numeric: it holds values of {kind}")
    return tuple(name for name in frame.columns if name not in beside)


def spark_rows(frame: Any, columns: Columns, *, to_fit: bool) -> SparkRows:
    """Return the rows of a Spark DataFrame, which is persisted.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        Its columns of data are numeric; null and NaN where a cell is missing.
    columns : Columns
        Which of its columns are what.
    to_fit : bool
        Whether rows without any cell are left out.

    Raises
    ------
    DataError
        If rows cannot be used.
    """
    column = import_module("pyspark.sql.functions").col
    for name in (*columns.numeric, *columns.words):
        position_of("the frame", frame.columns, name)
    chosen = [column(f"`{name}`").cast("double") for name in columns.numeric]
    kinds = dict(frame.dtypes)
    for name in columns.words:
        is_number = kinds[name].startswith(NUMERIC) and not kinds[name].startswith("decimal")
        word = column(f"`{name}`")
        chosen.append(word if is_number else word.cast("string"))
    frame = frame.select(*chosen).persist()
    make = Parting(columns, to_fit)
    if columns.words:
        named = _collected(frame, partial(_run, make, _words))
        make = replace(make, words=shared_words([named[number] for number in sorted(named)]))
    store = RowStore(uuid.uuid4().hex)
    looked = _collected(frame, partial(_run, make, partial(_looked_at, store)))
    found = {number: one[0] for number, one in looked.items() if one[0] is not None}
    places, facts = places_of(found, "frame")
    n_blank = sum(one[1] for one in looked.values())
    folders = {one[2] for one in looked.values() if one[2]}
    words = (None, None) if make.words is None else make.words
    return SparkRows(frame, make, places, facts, n_blank, (store, folders), words)


def told_of_frame(
    frame: Any, names: list[str], tell: Callable[[Array], Array], columns: list[str], kind: str
) -> Any:
    """Return a frame with further columns, of what is told of its rows.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        The rows.
    names : list of str
        Its columns that the model is about, in the model's order.
    tell : callable
        Returns numbers (n,) or (n, columns) of values (n, D).
    columns : list of str
        Names of the further columns.
    kind : str
        Their type, as Spark calls it.
    """
    types = import_module("pyspark.sql.types")
    known = {"bigint": types.LongType(), "double": types.DoubleType()}
    fields = [*frame.schema.fields, *(types.StructField(name, known[kind]) for name in columns)]
    return frame.mapInArrow(partial(_told, names, tell, columns), types.StructType(fields))


def _told(
    names: list[str],
    tell: Callable[[Array], Array],
    columns: list[str],
    batches: Iterator[Any],
) -> Iterator[Any]:
    for batch in batches:
        found = np.asarray(tell(filled_matrix(batch.select(names))))
        yield extended_batch(batch, columns, found.reshape(batch.num_rows, -1))
