"""Potentials with tails, for telling rows."""

from dataclasses import replace

import numpy as np

from mixtura.engines.native.exact import LOWEST_CONSTANT, Exact
from mixtura.engines.native.passes import DOUBLE, contiguous, unmasked
from mixtura.messages.potentials import Potentials, ScaleMixtureTail, StudentTail
from mixtura.typing import Array

DISTANCES, FEATURES, WIDTHS = 1, 2, 3
"""Numbers of the tails within the library: t of distances, t of features, mixed widths."""


def tailed(potentials: Potentials) -> Exact | None:
    """Return potentials with a tail as the library wants them; None where it knows none such."""
    tail, n_features = potentials.tail, potentials.mean.shape[1]
    is_matrix = potentials.precision_cholesky.ndim == 3 and n_features > 1
    if isinstance(tail, ScaleMixtureTail):
        if is_matrix:
            return None
        shares, precision = (contiguous(p, DOUBLE) for p in (tail.log_share, tail.precision))
        sizes, n_widths = potentials.mean.shape, precision.shape[-1]
        grouped = (sizes[0], 1, n_widths), (*sizes, n_widths)
        if not precision.size or precision.shape != grouped[1] or shares.shape not in grouped:
            raise ValueError(f"widths of shapes {shares.shape} and {precision.shape} for {sizes}")
        sizes = (WIDTHS, precision.shape[2], shares.shape[1])
        return _prepared(potentials, potentials.precision_cholesky, sizes, shares, precision)
    if not isinstance(tail, StudentTail):
        return None
    freedom = contiguous(tail.degrees_of_freedom, DOUBLE)
    shape = np.shape(tail.degrees_of_freedom)
    if shape not in (potentials.mean.shape[:1], potentials.mean.shape):
        raise ValueError(f"degrees of freedom {shape} for means {potentials.mean.shape}")
    if n_features == 1:
        freedom = freedom.reshape(-1)
    by_feature = freedom.ndim == 2
    if by_feature and is_matrix:
        return None
    inverse = 1.0 / np.broadcast_to(freedom, potentials.mean.shape[: freedom.ndim])
    counted = 1 if by_feature else n_features
    power = -0.5 * (np.broadcast_to(freedom, inverse.shape) + counted)
    if not by_feature:
        factor = potentials.precision_cholesky
        return _prepared(potentials, factor, (DISTANCES, 0, 0), power, inverse)
    factor = potentials.precision_cholesky * np.sqrt(inverse)
    alike = (power == power[:, :1]).all(axis=1)
    return _prepared(potentials, factor, (FEATURES, 0, 0), power, inverse, alike)


def _prepared(
    potentials: Potentials, factor: Array, sizes: tuple[int, int, int], *parts: Array
) -> Exact:
    none = np.zeros(len(potentials.mean))
    gaussian = replace(potentials, log_weight=none, offset=none, tail=None)
    exact = Exact(replace(gaussian, precision_cholesky=factor))
    constant = np.maximum(potentials.log_weight + potentials.offset, LOWEST_CONSTANT)
    if constant.shape != none.shape:
        raise ValueError(f"constants of shape {constant.shape} for {none.size} components")
    flat = [part.reshape(-1) for part in (constant, *parts)]
    numbers = unmasked(np.concatenate(flat, dtype=np.float64))
    exact.hold_tail(np.array(sizes, dtype=np.int64), numbers)
    return exact
