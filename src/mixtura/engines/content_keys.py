"""Rows chosen by what they hold: equal rows share one fate, whatever their order."""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from mixtura.data import ArrayRows, Block, PartedRows, Rows, Tile
from mixtura.data.joined_rows import joined
from mixtura.typing import Array, IntegerArray

DISCRETE = 16
"""Where distinct rows are fewer than one in so many of those wanted, the data are discrete."""

SHIFT = np.uint64(32)
MIX = np.uint64(0xD6E8FEB86659FD93)


def rows_below(values: Array, limit: int) -> IntegerArray:
    """Return the positions of the rows (n, D) whose hash is below a limit."""
    return np.flatnonzero(row_hashes(values) < np.uint64(limit))


def content_sample(
    rows: Rows, most: int, below: Callable[[Array, int], IntegerArray] = rows_below
) -> ArrayRows:
    """Return about ``most`` rows with their weights, or all of them where there are no more.

    A row is in the sample if a hash of its numbers is small enough. So the sample does not depend
    on the rows' order, and a row of weight two does as two rows. Of discrete data each distinct
    row is one row, of summed weight. ``below`` is :func:`rows_below`, or what finds the same.
    """
    if rows.n_rows <= most:
        if isinstance(rows, ArrayRows) and rows.values.flags.c_contiguous:
            return rows
        if isinstance(rows, PartedRows):
            return joined([tile.rows for tile in rows.tiles()])
        return _together(rows, list(rows.blocks()))
    if not rows.is_plain:
        return _observed_sample(rows, most)
    limit = int(most / rows.n_rows * 2.0**64)
    if isinstance(rows, PartedRows):
        parts = list(rows.each(partial(_below_of_tile, limit, below)))
        chosen = [block for part in parts for block in part]
    else:
        chosen = [_taken_from(block, below(block.values, limit)) for block in rows.blocks()]
    hashes = np.concatenate([row_hashes(block.values) for block in chosen])
    if np.unique(hashes).size < most // DISCRETE:
        return _distinct(rows, most)
    return _together(rows, chosen)


def _below_of_tile(
    limit: int, below: Callable[[Array, int], IntegerArray], tile: Tile
) -> list[Block]:
    """Return the rows of a tile whose hash is below a limit."""
    return [_taken_from(block, below(block.values, limit)) for block in tile.rows.blocks()]


def _observed_sample(rows: Rows, most: int) -> ArrayRows:
    """Return about so many rows with missing cells, errors or labels, told by what is there."""
    limit = int(most / rows.n_rows * 2.0**64)
    if isinstance(rows, ArrayRows) and (rows.is_one_tile or rows.is_labelled):
        return _observed_below(rows, limit, most // DISCRETE)
    tiles = _tiled(rows)
    sample = joined(list(tiles.each(partial(_observed_of_tile, limit))))
    n_different = np.unique(row_hashes(canonical(sample.values))).size
    if n_different < most // DISCRETE and not rows.has_errors:
        return _distinct(rows, most)
    return sample


def _tiled(rows: Rows) -> ArrayRows | PartedRows:
    if isinstance(rows, ArrayRows | PartedRows):
        return rows
    return _together(rows, list(rows.blocks()))


def _observed_of_tile(limit: int, tile: Tile) -> ArrayRows:
    return _observed_below(tile.rows, limit, 0)


def _observed_below(rows: ArrayRows, limit: int, fewest: int) -> ArrayRows:
    """Return the rows whose hash is below a limit; all where fewer than so many differ."""
    hashes = row_hashes(canonical(rows.values))
    chosen = hashes < np.uint64(limit)
    if np.unique(hashes[chosen]).size < fewest:
        chosen[:] = True
    if rows.weights is not None:
        chosen &= rows.weights > 0.0
    return rows.taken(np.flatnonzero(chosen))


def fewer_rows(sample: ArrayRows, most: int) -> ArrayRows:
    """Return the rows of a sample whose hashes are lowest: at most so many that differ."""
    hashes = row_hashes(sample.values)
    if sample.weights is not None:
        hashes = np.where(sample.weights > 0.0, hashes, ~np.uint64(0))
    different = np.unique(hashes)
    if different.size <= most:
        return sample
    chosen = np.flatnonzero(hashes <= different[most - 1])
    weights = None if sample.weights is None else sample.weights[chosen]
    return ArrayRows(sample.values[chosen], weights, sample.factor)


def in_order(sample: ArrayRows) -> ArrayRows:
    """Return the distinct rows of a sample in lexicographic order, with their summed weights.

    Rows without weight are left out. So what is done with them, rounding included, does not depend
    on the order in which rows come, nor on whether a row is there twice or has a weight of two.
    """
    values, weights = sample.values, sample.weights
    if weights is not None and not (weights > 0.0).all() and (weights > 0.0).any():
        values, weights = values[weights > 0.0], weights[weights > 0.0]
    order = values[:, 0].argsort()
    first = values[order, 0]
    if (first[1:] == first[:-1]).any():
        keys = values.T[::-1] if weights is None else (weights, *values.T[::-1])
        order = np.lexsort(keys)
    values = values[order]
    weights = None if weights is None else weights[order]
    begins = np.r_[True, (values[1:] != values[:-1]).any(axis=1)]
    if not begins.all():
        mass = np.ones(len(values)) if weights is None else weights
        values, weights = values[begins], np.add.reduceat(mass, np.flatnonzero(begins))
    if weights is not None and (weights == 1.0).all():
        weights = None
    return ArrayRows(values, weights, sample.factor)


def _taken_from(block: Block, positions: IntegerArray) -> Block:
    if block.weights is None:
        return Block(block.start, block.values[positions], None)
    positions = positions[block.weights[positions] > 0]
    return Block(block.start, block.values[positions], block.weights[positions])


def _distinct(rows: Rows, most: int) -> ArrayRows:
    """Return the distinct rows, each with the weight of all that equal it."""
    found, values, mass = np.empty(0, np.uint64), np.empty((0, rows.n_features)), np.empty(0)
    for hashes, own, weights in _tiled(rows).each(_distinct_of_tile):
        both = np.concatenate([found, hashes])
        all_values, all_mass = np.concatenate([values, own]), np.concatenate([mass, weights])
        found, first, where = np.unique(both, return_index=True, return_inverse=True)
        mass = np.bincount(where, weights=all_mass).astype(np.float64, copy=False)
        values = all_values[first]
    kept = mass > 0
    if found.size > most:
        kept &= found < np.uint64(most / found.size * 2.0**64)
    return ArrayRows(values[kept], mass[kept], rows.factor)


def _distinct_of_tile(tile: Tile) -> tuple[np.ndarray, Array, Array]:
    """Return hashes (n,), values (n, D) and weights (n,) of the distinct rows of a tile."""
    rows = tile.rows
    hashes = np.concatenate([row_hashes(canonical(b.values)) for b in rows.blocks()])
    found, first, where = np.unique(hashes, return_index=True, return_inverse=True)
    mass: Array = np.bincount(where, weights=rows.whole.row_weights).astype(np.float64, copy=False)
    return found, rows.values[first].astype(np.float64), mass


def _together(rows: Rows, blocks: list[Block]) -> ArrayRows:
    values = np.concatenate([block.values for block in blocks])
    weights = None
    if any(block.weights is not None for block in blocks):
        weights = np.concatenate([block.row_weights for block in blocks])
    return ArrayRows(values, weights, rows.factor)


def canonical(values: Array) -> Array:
    """Return values of which all missing ones have the same bits."""
    return np.where(np.isnan(values), np.nan, values)


def row_hashes(values: Array) -> np.ndarray:
    """Return a 64-bit hash of each row, shape (n,): multilinear in the folded bits, then mixed.

    Short numbers have bits in their upper half alone; folded to the lower half, these reach all.
    Equal rows have equal hashes: zeros of both signs are one number.
    """
    bits = np.add(values, 0.0, dtype=np.float64).view(np.uint64)
    bits ^= bits >> SHIFT
    odd = column_factors(bits.shape[1])
    hashes = bits[:, 0] * odd[0]
    for column in range(1, bits.shape[1]):
        hashes += bits[:, column] * odd[column]
    hashes ^= hashes >> SHIFT
    hashes *= MIX
    hashes ^= hashes >> SHIFT
    return hashes


@lru_cache(maxsize=32)
def column_factors(n_features: int) -> np.ndarray:
    """Return the odd 64-bit factor of each column, shape (D,)."""
    return np.random.SeedSequence(0).generate_state(n_features, np.uint64) | np.uint64(1)
