"""Rows of Dask collections, swept where they lie.

Statistics are a pure function of a partition and the potentials, and are added on the driver in
the order of the partitions: so neither the number of workers nor tasks that run twice show. Dask
may compute a partition anew, after a worker was lost; whether it has the same rows in the same
order is told by a checksum.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, TypeVar, final

import numpy as np

from mixtura.data import Tile
from mixtura.data.parted_rows import RowFacts
from mixtura.data.sources import one_line, shown
from mixtura.engines.distributed.placed_rows import (
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
from mixtura.errors import DataError, InvalidArgumentError, MixturaError
from mixtura.typing import Array

Result = TypeVar("Result")

AS_THEY_ARE = Preparation(leaves_blank=False)
"""Keeps every row."""

SCATTERED = 1 << 22
"""Bytes of the potentials of all tasks from which on each worker gets them once."""


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
    words : tuple of list, or None
        The labels and the groups that differ, of which rows have the numbers.
    """

    def __init__(
        self,
        parts: list[Any],
        places: list[PartitionPlace],
        facts: RowFacts,
        n_blank: int,
        client: Any = None,
        words: tuple[list[Any] | None, list[Any] | None] = (None, None),
    ) -> None:
        super().__init__(places, facts, n_blank, words)
        self._parts, self._client = parts, client

    @property
    def identity(self) -> Hashable:
        return super().identity, [place.checksum for place in self._places]

    def each(self, function: Callable[[Tile], Result]) -> Iterable[Result]:
        client = self._client or client_that_is_there()
        if client is not None and _size_of(function) * len(self._parts) > SCATTERED:
            try:
                given = client.scatter(function, broadcast=True, hash=False)
                return self._told(given)
            except DataError:  # the workers that had it may be gone: those that are left get it
                return self._told(function)
        return self._told(function)

    def _told(self, function: Any) -> list[Any]:
        run = _dask().delayed(on_partition, pure=False)
        placed = zip(self._parts, self._places, strict=True)
        return computed([run(part, place, function) for part, place in placed], self._client)

    def tiles(self) -> Iterator[Tile]:
        for part, place in zip(self._parts, self._places, strict=True):
            (held,) = computed([part], self._client)
            yield on_partition(held, place, _same)


def _same(tile: Tile) -> Tile:
    return tile


def _size_of(function: Any) -> int:
    import pickle

    return len(pickle.dumps(function, protocol=5))


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


def dask_rows(
    X: Any,
    sample_weight: Any = None,
    measurement_error: Any = None,
    labels: Any = None,
    groups: Any = None,
    *,
    to_fit: bool,
) -> DaskRows:
    """Return the rows of a collection, whose partitions stay on the workers.

    Parameters
    ----------
    X : Dask DataFrame or array of shape (N, D)
        The rows.
    sample_weight : Dask Series or array of shape (N,), optional
        Their weights, in the same partitions.
    measurement_error : Dask collection of shape (N, D), or array of shape (D,), optional
        Standard deviations of their errors.
    labels, groups : Dask Series or array of shape (N,), optional
        Known labels, and groups that share a component, each in one partition.
    to_fit : bool
        Whether rows without any cell are left out.

    Raises
    ------
    DataError
        If rows cannot be used.
    InvalidArgumentError
        If what is beside them does not go with them.
    """
    delayed = _dask().delayed

    parts = _delayed_parts(X)
    beside = [
        _beside(given, len(parts), name)
        for given, name in (
            (sample_weight, "sample_weight"),
            (measurement_error, "measurement_error"),
            (labels, "labels"),
            (groups, "groups"),
        )
    ]
    make = delayed(Preparation(to_fit, dask_names(X)), pure=False)
    held = persisted([make(*of_part) for of_part in zip(parts, *beside, strict=True)])
    words = (None, None)
    if labels is not None or groups is not None:
        named = delayed(words_of_partition, pure=False)
        words = shared_words(computed([named(part) for part in held]))
        number = delayed(partial(numbered_partition, labels=words[0], groups=words[1]), pure=False)
        held = persisted([number(part) for part in held])
    looked = computed([delayed(first_look, pure=False)(part) for part in held])
    places, facts = places_of(dict(enumerate(looked)), "collection")
    n_blank = sum(one.n_blank for one in looked)
    kept = [held[number] for number in places]
    return DaskRows(kept, list(places.values()), facts, n_blank, words=words)


def _beside(given: Any, n_parts: int, name: str) -> list[Any]:
    """Return what is beside the rows of each partition."""
    if given is None:
        return [None] * n_parts
    if not hasattr(given, "to_delayed"):
        if name == "measurement_error" and np.ndim(given) < 2:
            return [given] * n_parts
        shape = "DataFrame or array" if name == "measurement_error" else "Series or array"
        raise InvalidArgumentError(
            f"must be a Dask {shape} with the partitions of X", argument=name
        )
    parts = _delayed_parts(given) if given.ndim == 2 else list(np.ravel(given.to_delayed()))
    if len(parts) != n_parts:
        raise InvalidArgumentError(
            f"has {len(parts)} partitions where X has {n_parts}", argument=name
        )
    return parts


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
    found = tell(AS_THEY_ARE(part).values)
    return type(part.iloc[:, 0])(found, index=part.index)


def _frame(part: Any, tell: Callable[[Array], Array], n_columns: int) -> Any:
    values = AS_THEY_ARE(part).values
    found = tell(values) if len(values) else np.empty((0, n_columns))
    return type(part)(found, index=part.index, columns=range(n_columns))
