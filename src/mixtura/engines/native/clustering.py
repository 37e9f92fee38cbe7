"""Clusters of few rows, from which starts are made."""

import numpy as np

from mixtura.engines.native.library import POINTER, WHOLE, address, native_function
from mixtura.engines.native.passes import DOUBLE, contiguous
from mixtura.typing import Array

_ward = native_function("ward", WHOLE, POINTER, POINTER, WHOLE, WHOLE, POINTER)
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


def _weighted(values: Array, weights: Array) -> tuple[Array, Array]:
    values, weights = contiguous(values, DOUBLE), contiguous(weights, DOUBLE)
    if values.ndim != 2 or not values.size or weights.shape != values.shape[:1]:
        raise ValueError(f"rows of shape {values.shape} with weights of shape {weights.shape}")
    if not (np.isfinite(values).all() and np.isfinite(weights).all() and weights.min() >= 0.0):
        raise ValueError("clusters are found of finite rows with weights from 0 on")
    return values, weights
