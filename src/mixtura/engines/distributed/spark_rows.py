"""Rows of Spark DataFrames, swept in the Python workers that Spark starts beside its partitions.

A function of a partition goes out by ``mapInArrow``, and its result comes back as one row. Results
are put in the order of the partitions, and a checksum tells whether Spark has computed a partition
anew in another order.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, TypeVar, final

import numpy as np

from mixtura.data import ArrayRows, Tile
from mixtura.data.columns import filled_matrix
from mixtura.data.parted_rows import RowFacts, summed_facts
from mixtura.data.sources import one_line, shown
from mixtura.data.table_output import extended_batch, payload_batch
from mixtura.engines.distributed.dask_rows import (
    Partition,
    PartitionFacts,
    PartitionPlace,
    PlacedRows,
    first_look,
    on_partition,
    one_threaded,
    prepared,
)
from mixtura.errors import DataError, MixturaError
from mixtura.typing import Array

Result = TypeVar("Result")

NUMERIC = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
"""How names of Spark's numeric types begin."""

SCHEMA = "part int, payload binary"
"""Of the rows that come back."""


def _partition(batches: Iterator[Any], *, has_weights: bool, leaves_blank: bool) -> Partition:
    """Return the rows of Arrow batches, the weights of which come last."""
    tables = [filled_matrix(batch) for batch in batches]
    table = np.concatenate(tables) if tables else np.empty((0, 0))
    if has_weights and table.size:
        values, weights = np.ascontiguousarray(table[:, :-1]), table[:, -1].copy()
        return prepared(values, weights, leaves_blank=leaves_blank)
    return prepared(table, None, leaves_blank=leaves_blank)


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


def _looked_at(number: int, part: Partition) -> PartitionFacts | int:
    return first_look(part) if part.values.size else part.n_blank


def _swept(
    places: dict[int, PartitionPlace],
    function: Callable[[Tile], Any],
    number: int,
    part: Partition,
) -> Any:
    if number not in places:
        return None
    return on_partition(part, places[number], function)


@final
class SparkRows(PlacedRows):
    """Rows of the partitions of a Spark DataFrame.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        Numeric columns alone, the weights last.
    make : callable
        Makes a Partition of the batches of one.
    places : dict of int to PartitionPlace
        Where the partitions lie that have rows, by their numbers.
    facts : RowFacts
        What is known of all rows.
    n_blank : int
        Rows without any cell, which were left out.
    """

    def __init__(
        self,
        frame: Any,
        make: Callable[[Iterator[Any]], Partition],
        places: dict[int, PartitionPlace],
        facts: RowFacts,
        n_blank: int,
    ) -> None:
        super().__init__([places[number] for number in sorted(places)], facts, n_blank)
        self._frame, self._make, self._by_number = frame, make, places

    def swept_by(self, engine: Any) -> Any:
        return one_threaded(engine)

    def each(self, function: Callable[[Tile], Result]) -> Iterable[Result]:
        found = _collected(self._frame, self._make, partial(_swept, self._by_number, function))
        missing = sorted(set(self._by_number) - set(found))
        if missing:
            raise DataError(f"partition {missing[0]} of the frame has no rows any more: persist it")
        return [found[number] for number in sorted(self._by_number)]

    def tiles(self) -> Iterator[Tile]:
        yield from self.each(_itself)


def _itself(tile: Tile) -> Tile:
    return Tile(tile.number, tile.start, ArrayRows(tile.rows.values, tile.rows.weights))


def _collected(
    frame: Any,
    make: Callable[[Iterator[Any]], Partition],
    function: Callable[[int, Partition], Any],
) -> dict[int, Any]:
    """Return what a function returns of each partition that has rows, by its number."""
    try:
        rows = frame.mapInArrow(partial(_run, make, function), SCHEMA).collect()
    except MixturaError:
        raise
    except Exception as error:
        said = str(error)
        told = [line for line in said.splitlines() if "mixtura.errors." in line]
        text = told[-1].partition(": ")[2] if told else one_line(error)
        raise DataError(f"Spark could not sweep the rows: {text}") from error
    return {row["part"]: pickle.loads(bytes(row["payload"])) for row in rows}


def spark_names(frame: Any) -> tuple[str, ...]:
    """Return the names of the columns of a frame.

    Raises
    ------
    DataError
        If one holds no numbers.
    """
    for name, kind in frame.dtypes:
        if not kind.startswith(NUMERIC):
            raise DataError(f"column {shown(name)} is not numeric: it holds values of {kind}")
    return tuple(frame.columns)


def spark_rows(frame: Any, weights: str | None, *, to_fit: bool) -> SparkRows:
    """Return the rows of a Spark DataFrame, which is persisted.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        Numeric columns; null and NaN where a cell is missing.
    weights : str, optional
        The column of weights.
    to_fit : bool
        Whether rows without any cell are left out.

    Raises
    ------
    DataError
        If rows cannot be used.
    """
    column = import_module("pyspark.sql.functions").col
    names = [name for name in spark_names(frame) if name != weights]
    asked = [*names, weights] if weights is not None else names
    chosen = [column(f"`{name}`").cast("double") for name in asked]
    frame = frame.select(*chosen).persist()
    make = partial(_partition, has_weights=weights is not None, leaves_blank=to_fit)
    looked = _collected(frame, make, _looked_at)
    found = {number: one for number, one in looked.items() if isinstance(one, PartitionFacts)}
    if not found:
        raise DataError("the frame has no rows")
    odd = [number for number, one in found.items() if one.has_infinite]
    if odd:
        raise DataError(f"partition {odd[0]} of the frame has infinite cells")
    numbers = sorted(number for number, one in found.items() if one.facts.n_rows)
    facts = summed_facts(found[number].facts for number in numbers)
    places, start = dict[int, PartitionPlace](), 0
    for number in numbers:
        one = found[number]
        known = (facts.n_rows, one.checksum, one.has_missing)
        places[number] = PartitionPlace(number, start, *known)
        start += one.facts.n_rows
    n_blank = sum(
        one.n_blank if isinstance(one, PartitionFacts) else one for one in looked.values()
    )
    return SparkRows(frame, make, places, facts, n_blank)


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
