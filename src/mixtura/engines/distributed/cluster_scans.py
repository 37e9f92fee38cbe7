"""Scans that the workers of a cluster read and sweep."""

from collections.abc import Hashable
from importlib import import_module
from typing import Any

from mixtura.data.scan_layout import Reading, cut
from mixtura.data.streamed_rows import StreamedRows
from mixtura.engines.distributed.dask_rows import DaskRows, Partition, PartitionPlace, persisted
from mixtura.errors import DataError


def read_partition(
    reading: Reading, position: int, n_rows: int, fingerprint: Hashable
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

    Raises
    ------
    DataError
        If the source is another than it was, or has become shorter.
    """
    label = reading.source.label
    if reading.source.is_stable and reading.source.fingerprint() != fingerprint:
        raise DataError(f"{label}: has changed since its rows were counted: scan it anew")
    chunks = reading.chunks(position, lambda n_blank, n_dropped: None)
    tile = next(cut(chunks, iter((n_rows, 1 << 62))), None)
    if tile is None or len(tile.values) != n_rows:
        raise DataError(f"{label}: has fewer rows than when they were counted: scan it anew")
    return Partition(tile.values, tile.weights, 0, tile.errors)


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
        told = (rows.reading, entry.position, entry.n_rows, rows.fingerprint)
        parts.append(delayed(read_partition, pure=False)(*told))
        checksum = None if is_stable else entry.checksum
        places.append(PartitionPlace(number, entry.start, rows.n_rows, checksum, entry.has_missing))
    n_blank = rows.unobserved.n_blank - rows.facts.unobserved.n_blank
    return DaskRows(persisted(parts, client), places, rows.facts, n_blank, client)
