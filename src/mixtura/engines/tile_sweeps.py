"""Rows in tiles: sweeps are sums over them in their order, whatever holds them.

Rows of an array that are complete lie together, and the library adds their tiles itself; these
functions do the same, with the same bits, for rows that are read or swept elsewhere.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mixtura.data import ArrayRows, PartedRows, Rows, Tile
from mixtura.engines.observed.integration import Sweeper
from mixtura.engines.remembered_rows import RememberedRows
from mixtura.messages.assignments import Assignment, Soft
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics


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


def swept_in_tiles(
    engine: Sweeper, rows: ArrayRows | PartedRows, potentials: Potentials, assignment: Assignment
) -> SufficientStatistics:
    """Return the statistics of the rows of all tiles, added in their order."""
    if isinstance(rows, RememberedRows) and isinstance(assignment, Soft) and not potentials.tail:
        origin = rows.origin
        return rows.remembered(potentials, lambda: engine.sweep(origin, potentials, assignment))
    if isinstance(rows, PartedRows):
        engine = rows.swept_by(engine)
    total: SufficientStatistics | None = None
    for part in rows.each(partial(_swept, engine, potentials, assignment)):
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
