"""Scans that the workers of a cluster read and sweep."""

from collections.abc import Hashable
from importlib import import_module
from typing import Any

from mixtura.data.label_words import WordList, provisional
from mixtura.data.scan_layout import Reading, cut
from mixtura.data.streamed_rows import StreamedRows, numbered, refuse_changed, told_of_changes
from mixtura.engines.distributed.dask_rows import DaskRows, persisted
from mixtura.engines.distributed.placed_rows import Partition, PartitionPlace
from mixtura.errors import DataError


def read_partition(
    reading: Reading,
    position: int,
    n_rows: int,
    fingerprint: Hashable,
    words: tuple[list[Any] | None, list[Any] | None] = (None, None),
) -> Partition:
    """Return the rows of a tile, read by the worker that sweeps them.

    Parameters
    ----------
    reading : Reading
        Reads them.
    position : int
        Where the first of them lies in the source.
    n_rows : int
        How many there are.
    fingerprint : hashable
        What the source was when its rows were counted.
    words : tuple of list, or None
        The labels and the groups that differ.

    Raises
    ------
    DataError
        If the source is another than it was, or has become shorter.
    """
    label, is_stable = reading.source.label, reading.source.is_stable
    if is_stable and reading.source.fingerprint() != fingerprint:
        raise DataError(f"{label}: has changed since its rows were counted: scan it anew")
    chunks = reading.chunks(position, lambda n_blank, n_dropped: None)
    if is_stable:
        chunks = told_of_changes(reading, fingerprint, chunks)
    tile = next(cut(chunks, iter((n_rows, 1 << 62))), None)
    if tile is None or len(tile.values) != n_rows:
        raise DataError(f"{label}: has fewer rows than when they were counted: scan it anew")
    if is_stable and reading.source.fingerprint() != fingerprint:
        refuse_changed(reading)
    labels, groups = (None if one is None else WordList(one) for one in words)
    tile = numbered(tile, labels, groups)
    known = provisional(tile.labels, tile.groups, n_rows)
    return Partition(tile.values, tile.weights, 0, tile.errors, known=known)


def cluster_rows(rows: StreamedRows, client: Any) -> DaskRows:
    """Return the rows of a scan in tiles that the workers of a client read, keep and sweep.

    Parameters
    ----------
    rows : StreamedRows
        The rows, counted.
    client : distributed.Client
        Whose workers can read the source.
    """
    delayed = import_module("dask").delayed
    is_stable = rows.reading.source.is_stable
    parts, places = [], []
    for number, entry in enumerate(rows.entries):
        told = (rows.reading, entry.position, entry.n_rows, rows.fingerprint, rows.words)
        parts.append(delayed(read_partition, pure=False)(*told))
        checksum = None if is_stable else entry.checksum
        places.append(PartitionPlace(number, entry.start, rows.n_rows, checksum, entry.has_missing))
    n_blank = rows.unobserved.n_blank - rows.facts.unobserved.n_blank
    return DaskRows(persisted(parts, client), places, rows.facts, n_blank, client, rows.words)
