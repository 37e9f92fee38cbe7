"""Rows in tiles: sweeps are sums over them in their order, whatever holds them.

Rows of an array that are complete lie together, and the library adds their tiles itself; these
functions do the same, with the same bits, for rows that are read or swept elsewhere.
"""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from mixtura.data import ArrayRows, PartedRows, Rows, Tile
from mixtura.engines.observed.integration import Sweeper
from mixtura.engines.remembered_rows import RememberedRows
from mixtura.messages.assignments import Assignment, Soft
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array

PackedStatistics: TypeAlias = tuple[Array, Array, Array, float, Array | None, Array | None]
"""Count, first and second moments (of matrices the lower triangles), data term, what is beside."""


def in_tiles(rows: Rows, potentials: Potentials) -> ArrayRows | PartedRows | None:
    """Return rows that are to be looked at tile by tile; None for those that are not."""
    if isinstance(rows, PartedRows):
        return rows
    if not isinstance(rows, ArrayRows) or rows.is_one_tile or rows.is_grouped:
        return None
    return None if rows.is_plain and potentials.background is None else rows


def _swept(
    engine: Sweeper, potentials: Potentials, assignment: Assignment, tile: Tile
) -> SufficientStatistics:
    return engine.sweep(tile.rows, potentials, assignment.of_rows(tile.start, tile.stop))


def _packed(sweep: Callable[[Tile], SufficientStatistics], tile: Tile) -> PackedStatistics:
    """Return the statistics of a tile as they go over a network: without what is known there."""
    found, second = sweep(tile), None
    if found.second.ndim == 3 and np.array_equal(found.second, found.second.swapaxes(1, 2)):
        second = found.second[:, *np.tril_indices(found.second.shape[1])]
    parts = (found.count, found.first, found.second if second is None else second)
    return (*parts, found.log_normalizer, found.background, found.members)


def unpacked(packed: PackedStatistics, potentials: Potentials) -> SufficientStatistics:
    """Return statistics about the potentials' means of what went over a network."""
    count, first, second, data_term, background, members = packed
    shape = potentials.structure
    if second.ndim < len(shape):
        whole, (rows, columns) = np.empty(shape), np.tril_indices(shape[1])
        whole[:, rows, columns] = whole[:, columns, rows] = second
        second = whole
    beside = {"background": background, "members": members}
    return SufficientStatistics(count, first, second, potentials.mean, data_term, **beside)


def swept_in_tiles(
    engine: Sweeper, rows: ArrayRows | PartedRows, potentials: Potentials, assignment: Assignment
) -> SufficientStatistics:
    """Return the statistics of the rows of all tiles, added in their order."""
    if isinstance(rows, RememberedRows) and isinstance(assignment, Soft) and not potentials.tail:
        origin = rows.origin
        return rows.remembered(potentials, lambda: engine.sweep(origin, potentials, assignment))
    swept = partial(_swept, engine, potentials, assignment)
    if isinstance(rows, PartedRows) and rows.is_elsewhere:
        swept = partial(_swept, rows.swept_by(engine), potentials, assignment)
        parts = (unpacked(one, potentials) for one in rows.each(partial(_packed, swept)))
        return _sum(parts, potentials)
    tiles = rows.tiles()
    try:
        return _sum(map(swept, tiles), potentials)
    finally:
        # A sweep that is interrupted leaves no thread that reads ahead for it.
        if isinstance(tiles, Generator):
            tiles.close()


def _sum(parts: Iterable[SufficientStatistics], potentials: Potentials) -> SufficientStatistics:
    total: SufficientStatistics | None = None
    for part in parts:
        total = part if total is None else total + part
    if total is None:
        return SufficientStatistics.zero(potentials.mean, potentials.structure)
    return total


def _told(tell: Callable[[Rows, Potentials], Any], potentials: Potentials, tile: Tile) -> Any:
    return tell(tile.rows, potentials)


def told_in_tiles(
    tell: Callable[[Rows, Potentials], Any],
    rows: ArrayRows | PartedRows,
    potentials: Potentials,
) -> Any:
    """Return numbers (N, ...) that are told of rows, tile by tile."""
    return np.concatenate(list(rows.each(partial(_told, tell, potentials))))
