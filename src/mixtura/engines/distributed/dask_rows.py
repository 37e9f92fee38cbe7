"""Rows of Dask collections, swept where they lie.

Statistics are a pure function of a partition and the potentials, and are added on the driver in
the order of the partitions: so neither the number of workers nor tasks that run twice show. Dask
may compute a partition anew, after a worker was lost; whether it has the same rows in the same
order is told by a checksum.
"""

import weakref
import zlib
from abc import ABC
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any, TypeVar, final

import numpy as np

from mixtura.data import ArrayRows, PartedRows, Tile, Unobserved
from mixtura.data.parted_rows import RowFacts, facts_of_tile, summed_facts
from mixtura.data.sources import one_line, shown
from mixtura.errors import DataError, InvalidArgumentError, MixturaError
from mixtura.typing import Array

Result = TypeVar("Result")

SCATTERED = 1 << 20
"""Bytes of potentials from which on they are sent to each worker once."""

_known: dict[int, tuple[weakref.ref[Any], int]] = {}
"""Checksums of the arrays of this process that have one."""


@final
@dataclass(frozen=True, eq=False)
class Partition:
    """The rows of a partition, as they are swept.

    Parameters
    ----------
    values : array of shape (n, D)
    weights : array of shape (n,), optional
    n_blank : int
        Rows without any cell, which were left out.
    errors : array of shape (n, D), optional
        Variances of measurement errors.
    """

    values: Array
    weights: Array | None
    n_blank: int
    errors: Array | None = None

    @property
    def checksum(self) -> int:
        """A number that changes with any number of the rows, and their order."""
        place = id(self.values)
        if place in _known and _known[place][0]() is self.values:
            return _known[place][1]
        found = zlib.crc32(self.values.data.cast("B")) if self.values.size else 0
        for part in (self.weights, self.errors):
            if part is not None and part.size:
                found = zlib.crc32(np.ascontiguousarray(part).data.cast("B"), found)
        _known[place] = weakref.ref(self.values, lambda _: _known.pop(place, None)), found
        return found


@final
@dataclass(frozen=True, eq=False)
class PartitionFacts:
    """What was seen of a partition at first.

    Parameters
    ----------
    facts : RowFacts
    checksum : int
    n_blank : int
    has_missing, has_infinite : bool
    """

    facts: RowFacts
    checksum: int
    n_blank: int
    has_missing: bool
    has_infinite: bool


def prepared(part: Any, weights: Any, *, leaves_blank: bool) -> Partition:
    """Return a partition of a collection as numbers that lie as the library wants them."""
    if hasattr(part, "to_numpy"):
        part = part.to_numpy(np.float64, na_value=np.nan)
    single = getattr(part, "dtype", None) == np.float32
    # Arrays of tasks often lie at odd addresses.
    values: Any = np.require(part, np.float32 if single else np.float64, ["C", "A"])
    if values.ndim == 1:
        values = values[:, None]
    given = None
    if weights is not None:
        weights = weights.to_numpy() if hasattr(weights, "to_numpy") else weights
        given = np.require(np.ravel(weights), np.float64, ["C", "A"])
        if given.shape != values.shape[:1]:
            raise DataError(f"sample_weight has {given.size} rows in a partition of {len(values)}")
        if not (np.isfinite(given) & (given >= 0.0)).all():
            raise DataError("sample_weight must be one non-negative number for each row")
    blank = np.isnan(values).all(axis=1) if leaves_blank else np.zeros(len(values), dtype=bool)
    if blank.any():
        values = np.ascontiguousarray(values[~blank])
        given = None if given is None else np.ascontiguousarray(given[~blank])
    return Partition(values, given, int(blank.sum()))


def first_look(part: Partition) -> PartitionFacts:
    """Return what is known of a partition after one look at its rows."""
    rows = ArrayRows(part.values, part.weights)
    facts = facts_of_tile(Tile(0, 0, rows))
    infinite = bool(np.isinf(part.values).any())
    return PartitionFacts(facts, part.checksum, part.n_blank, rows.has_missing, infinite)


@final
@dataclass(frozen=True)
class PartitionPlace:
    """Where a partition lies among all rows, and what it was at first.

    Parameters
    ----------
    number, start, n_rows : int
        Its number, its first row, and how many rows there are in all.
    checksum : int or None
        Of its numbers; None where its source says if it changes.
    has_missing : bool
        Whether a cell is missing.
    """

    number: int
    start: int
    n_rows: int
    checksum: int | None
    has_missing: bool


def on_partition(part: Partition, place: PartitionPlace, function: Callable[[Tile], Any]) -> Any:
    """Return what a function returns of a partition, or raise a DataError if it has changed."""
    if place.checksum is not None and part.checksum != place.checksum:
        raise DataError(
            f"partition {place.number} of the collection has other rows, or another order, than "
            "when it was first computed: persist it, or write it to files"
        )
    errors = part.errors if part.errors is None or part.errors.any() else None
    rows = ArrayRows(part.values, part.weights, None, errors)
    rows.once("missing", lambda: place.has_missing)
    return function(Tile(place.number, place.start, rows.as_tile_of(place.n_rows)))


class PlacedRows(PartedRows, ABC):
    """Rows in partitions that stay where they are.

    Parameters
    ----------
    places : list of PartitionPlace
        Where the partitions lie that have rows, in the order of their numbers.
    facts : RowFacts
        What is known of all rows.
    n_blank : int
        Rows without any cell, which were left out.
    """

    def __init__(self, places: list[PartitionPlace], facts: RowFacts, n_blank: int) -> None:
        self._places, self._facts, self._blank = places, facts, n_blank

    @property
    def facts(self) -> RowFacts:
        return self._facts

    @property
    def unobserved(self) -> Unobserved:
        own = self._facts.unobserved
        return replace(own, n_blank=own.n_blank + self._blank)

    @property
    def has_missing(self) -> bool:
        return self._facts.unobserved.n_missing + self._facts.unobserved.n_blank > 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of rows of the partitions that have any."""
        starts = [place.start for place in self._places]
        return tuple(np.diff([*starts, self._facts.n_rows]).tolist())

    @property
    def is_elsewhere(self) -> bool:
        return True


@final
class DaskRows(PlacedRows):
    """Rows in partitions that lie on the workers of a cluster.

    Parameters
    ----------
    parts : sequence of delayed Partition
        The partitions that have rows, persisted.
    places : sequence of PartitionPlace
        Where they lie among all rows.
    facts : RowFacts
        What is known of all rows.
    n_blank : int
        Rows without any cell, which were left out.
    client : distributed.Client, optional
        Whose workers have them; by default the client that is there.
    """

    def __init__(
        self,
        parts: list[Any],
        places: list[PartitionPlace],
        facts: RowFacts,
        n_blank: int,
        client: Any = None,
    ) -> None:
        super().__init__(places, facts, n_blank)
        self._parts, self._client = parts, client

    def swept_by(self, engine: Any) -> Any:
        return one_threaded(engine)

    @property
    def identity(self) -> Hashable:
        return super().identity, [place.checksum for place in self._places]

    def each(self, function: Callable[[Tile], Result]) -> Iterable[Result]:
        delayed = _dask().delayed

        client = self._client or client_that_is_there()
        given: Any = function
        if client is not None and _is_large(function):
            given = client.scatter(function, broadcast=True, hash=False)
        tasks = [
            delayed(on_partition, pure=False)(part, place, given)
            for part, place in zip(self._parts, self._places, strict=True)
        ]
        return computed(tasks, self._client)

    def tiles(self) -> Iterator[Tile]:
        for part, place in zip(self._parts, self._places, strict=True):
            (held,) = computed([part], self._client)
            yield on_partition(held, place, _same)


def one_threaded(engine: Any) -> Any:
    """Return an engine with one thread: a task has no more."""
    return replace(engine, n_threads=1) if hasattr(engine, "n_threads") else engine


def _same(tile: Tile) -> Tile:
    return tile


def _is_large(function: Any) -> bool:
    import pickle

    return len(pickle.dumps(function, protocol=5)) > SCATTERED


def _dask() -> Any:
    """Return Dask, which is there where its collections are."""
    return import_module("dask")


def client_that_is_there() -> Any:
    """Return the client of a Dask cluster, or None where there is none."""
    import sys

    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_client()
    except ValueError:
        return None


def computed(tasks: list[Any], client: Any = None) -> list[Any]:
    """Return what tasks return, in their order.

    Raises
    ------
    DataError
        If Dask cannot run them: a client is gone, or workers were lost again and again.
    """
    dask, client = _dask(), client or client_that_is_there()
    try:
        if client is None:
            return list(dask.compute(*tasks, scheduler="threads"))
        return list(client.gather(client.compute(tasks)))
    except MixturaError:
        raise
    except Exception as error:
        raise DataError(
            f"Dask could not sweep the rows, {type(error).__name__}: {one_line(error)}"
        ) from error


def dask_names(X: Any) -> tuple[str, ...] | None:
    """Return the names of the columns of a collection; None of an array.

    Raises
    ------
    DataError
        If a column holds no numbers.
    """
    if not hasattr(X, "columns"):
        return None
    for name, dtype in X.dtypes.items():
        if getattr(dtype, "kind", "O") not in "iufb":
            raise DataError(f"column {shown(name)} is not numeric: it holds values of {dtype}")
    return tuple(str(name) for name in X.columns)


def _delayed_parts(X: Any) -> list[Any]:
    """Return the partitions of a collection, each with all of its columns."""
    if hasattr(X, "columns"):
        return list(X.to_delayed(optimize_graph=True))
    if X.ndim != 2:
        raise InvalidArgumentError(f"X must have two dimensions; got {X.ndim}")
    return list(np.ravel(X.rechunk({1: -1}).to_delayed()))


def dask_rows(X: Any, sample_weight: Any, *, to_fit: bool) -> DaskRows:
    """Return the rows of a collection, whose partitions stay on the workers.

    Parameters
    ----------
    X : Dask DataFrame or array of shape (N, D)
        The rows.
    sample_weight : Dask Series or array of shape (N,), optional
        Their weights, in the same partitions.
    to_fit : bool
        Whether rows without any cell are left out.

    Raises
    ------
    DataError
        If rows cannot be used.
    """
    delayed = _dask().delayed

    parts = _delayed_parts(X)
    weights: list[Any] = [None] * len(parts)
    if sample_weight is not None:
        if not hasattr(sample_weight, "to_delayed"):
            raise InvalidArgumentError(
                "must be a Dask Series or array with the partitions of X", argument="sample_weight"
            )
        weights = list(np.ravel(sample_weight.to_delayed()))
        if len(weights) != len(parts):
            raise InvalidArgumentError(
                f"has {len(weights)} partitions where X has {len(parts)}", argument="sample_weight"
            )
    make = delayed(partial(prepared, leaves_blank=to_fit), pure=False)
    held = [make(part, weight) for part, weight in zip(parts, weights, strict=True)]
    held = persisted(held)
    found = computed([delayed(first_look, pure=False)(part) for part in held])
    odd = [number for number, one in enumerate(found) if one.has_infinite]
    if odd:
        raise DataError(f"partition {odd[0]} of the collection has infinite cells")
    return _rows_of(held, found)


def _rows_of(parts: list[Any], found: list[PartitionFacts]) -> DaskRows:
    """Return the partitions that have rows, with where they lie."""
    kept = [number for number, one in enumerate(found) if one.facts.n_rows]
    if not kept:
        raise DataError("the collection has no rows")
    facts = summed_facts(found[number].facts for number in kept)
    places, start = list[PartitionPlace](), 0
    for number in kept:
        one = found[number]
        known = (facts.n_rows, one.checksum, one.has_missing)
        places.append(PartitionPlace(number, start, *known))
        start += one.facts.n_rows
    n_blank = sum(one.n_blank for one in found)
    return DaskRows([parts[number] for number in kept], places, facts, n_blank)


def persisted(tasks: list[Any], client: Any = None) -> list[Any]:
    """Return tasks whose results are kept where they were computed."""
    dask, client = _dask(), client or client_that_is_there()
    try:
        if client is None:
            return list(dask.persist(*tasks, scheduler="threads"))
        return list(client.persist(tasks))
    except Exception as error:
        raise DataError(f"Dask could not compute the rows: {one_line(error)}") from error


def told_by_partition(
    X: Any, tell: Callable[[Array], Array], n_columns: int | None, dtype: Any
) -> Any:
    """Return what is told of rows as a Dask collection of the same partitions.

    Parameters
    ----------
    X : Dask DataFrame or array
        The rows.
    tell : callable
        Returns numbers (n,) or (n, n_columns) of the values (n, D) of a partition.
    n_columns : int, optional
        Number of columns; None for one number a row.
    dtype : dtype
        Of the numbers.
    """
    if hasattr(X, "columns"):
        if n_columns is None:
            meta = X._meta.iloc[:, 0].astype(dtype).rename(None)
            return X.map_partitions(_series, tell, meta=meta)
        meta = type(X._meta)(np.empty((0, n_columns), dtype), columns=range(n_columns))
        return X.map_partitions(_frame, tell, n_columns, meta=meta)
    whole = X.rechunk({1: -1})
    if n_columns is None:
        return whole.map_blocks(tell, dtype=dtype, drop_axis=1)
    return whole.map_blocks(tell, dtype=dtype, chunks=(whole.chunks[0], (n_columns,)))


def _series(part: Any, tell: Callable[[Array], Array]) -> Any:
    found = tell(prepared(part, None, leaves_blank=False).values)
    return type(part.iloc[:, 0])(found, index=part.index)


def _frame(part: Any, tell: Callable[[Array], Array], n_columns: int) -> Any:
    values = prepared(part, None, leaves_blank=False).values
    found = tell(values) if len(values) else np.empty((0, n_columns))
    return type(part)(found, index=part.index, columns=range(n_columns))
