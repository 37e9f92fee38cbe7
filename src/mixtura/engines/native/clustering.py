"""Clusters of few rows, from which starts are made."""

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines.native.library import POINTER, REAL, WHOLE, address, native_function
from mixtura.engines.native.passes import DOUBLE, LABEL, SMALL, Threads, address_of, contiguous
from mixtura.typing import Array, IntegerArray

_ward = native_function("ward", WHOLE, POINTER, POINTER, WHOLE, WHOLE, POINTER)
_cluster = native_function("cluster", WHOLE, POINTER, REAL, *(POINTER,) * 8)
_split = native_function("split", WHOLE, POINTER, POINTER, WHOLE, WHOLE, WHOLE, POINTER, POINTER)


def native_ward(values: Array, mass: Array) -> Array:
    """Return the merges of rows; ``Engine.ward_merges`` says what is what."""
    values, mass = _weighted(values, mass)
    steps = np.empty((max(len(values) - 1, 0), 3))
    if not _ward(address(values), address(mass), *values.shape, address(steps)):
        raise MemoryError("no memory to merge rows")
    return steps


def native_split(values: Array, weights: Array, most: int) -> tuple[Array, Array]:
    """Return clusters of rows; ``Engine.split_means`` says what is what."""
    values, weights = _weighted(values, weights)
    if most < 1:
        raise ValueError(f"at most {most} clusters")
    masses, means = np.empty(most), np.empty((most, values.shape[1]))
    sizes = (*values.shape, most)
    number = _split(address(values), address(weights), *sizes, address(masses), address(means))
    if number < 0:
        raise MemoryError("no memory to split rows")
    return means[:number], masses[:number]


def native_clusters(
    rows: ArrayRows,
    split: ArrayRows,
    few: tuple[Array, Array, IntegerArray | None],
    limits: tuple[int, int, int, float],
    threads: Threads,
) -> IntegerArray:
    """Return clusters of rows; ``Engine.clusters`` says what is what."""
    values, weights = _weighted(rows.values, _row_weights(rows))
    part, its_weights = (
        (values, weights) if split is rows else _weighted(split.values, _row_weights(split))
    )
    chosen, mass = _weighted(*few[:2])
    n_clusters, pieces, most_moves, close = limits
    widths = {array.shape[1] for array in (values, part, chosen)}
    if len(widths) > 1 or min(n_clusters, pieces) < 1 or not mass.min() > 0.0:
        raise ValueError(f"{n_clusters} clusters of rows {values.shape} and {chosen.shape}")
    positions = few[2]
    if positions is not None:
        positions = contiguous(positions, LABEL)
        if positions.shape != weights.shape or positions.view(np.uint64).max() >= len(chosen):
            raise ValueError(f"positions of shape {positions.shape} among {len(chosen)} rows")
    n_rows, n_features = values.shape
    work = n_rows * n_clusters * (n_features + 8)
    sizes = (n_rows, n_features, n_clusters, pieces, most_moves, len(chosen), len(part))
    n_threads = 1 if work < SMALL else threads(most_moves * work)
    given = np.array([*sizes, n_threads], dtype=np.int64)
    labels = np.empty((3, n_rows), dtype=np.int64)
    found = _cluster(
        *(address(given), close, address(values), address(weights)),
        *(address(part), address(its_weights)),
        *(address(chosen), address(mass), address_of(positions), address(labels)),
    )
    if found < 0:
        raise MemoryError("no memory to cluster rows")
    return labels[:found].astype(np.intp, copy=False)


def _row_weights(rows: ArrayRows) -> Array:
    return np.ones(rows.n_rows) if rows.weights is None else rows.weights


def _weighted(values: Array, weights: Array) -> tuple[Array, Array]:
    values, weights = contiguous(values, DOUBLE), contiguous(weights, DOUBLE)
    if values.ndim != 2 or not values.size or weights.shape != values.shape[:1]:
        raise ValueError(f"rows of shape {values.shape} with weights of shape {weights.shape}")
    if not (np.isfinite(values).all() and np.isfinite(weights).all() and weights.min() >= 0.0):
        raise ValueError("clusters are found of finite rows with weights from 0 on")
    return values, weights
