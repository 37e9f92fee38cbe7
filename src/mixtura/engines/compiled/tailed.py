"""Potentials with tails, and the passes that tell rows under them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import final

import numpy as np
from numba import types

from mixtura.engines.compiled.blocks import take_block
from mixtura.engines.compiled.exact import LOWEST_CONSTANT, Exact
from mixtura.engines.compiled.kernels import MATRIX, PLANE, POTENTIALS, VECTOR, room_of
from mixtura.engines.compiled.matrices import score_matrices
from mixtura.engines.compiled.outputs import write_assigned, write_densities
from mixtura.engines.compiled.planes import score_planes
from mixtura.engines.compiled.responsibilities import fill, highest, log_sums
from mixtura.engines.compiled.signatures import FLAT, OUTPUTS, READ, SPAN, made, read_only
from mixtura.engines.compiled.tails import mixture_features, student_distances, student_features
from mixtura.engines.compiled.vectors import score_vectors
from mixtura.potentials import Potentials, ScaleMixtureTail, StudentTail, Tail

DISTANCES, FEATURES, MIXTURE = range(3)
"""Numbers of the tails within compiled code: t of distances, t of features, mixed widths."""

TAILS = types.Tuple((READ, READ, READ, READ))
"""Constants, and the three arrays that :mod:`mixtura.engines.compiled.tails` takes."""

NOTHING = np.empty(0)


@final
class Tailed:
    """Potentials with a tail as the kernels want them, and the sizes that follow."""

    def __init__(self, potentials: Potentials, tail: Tail) -> None:
        n_components, n_features = sizes = potentials.mean.shape
        constant = np.maximum(potentials.log_weight + potentials.offset, LOWEST_CONSTANT)
        nothing = np.zeros(n_components)
        exact = Exact(replace(potentials, log_weight=nothing, offset=nothing, tail=None))
        self.kind, factor = exact.kind, exact.arguments[2]
        self.work_per_row = exact.work_per_row
        n_terms = 0
        if isinstance(tail, ScaleMixtureTail):
            self.tail = MIXTURE
            shares, precision = tail.log_share, tail.precision
            n_terms = precision.shape[2]
            self.work_per_row *= n_terms
            tails = (shares, precision, NOTHING)
        else:
            assert isinstance(tail, StudentTail)
            freedom = tail.degrees_of_freedom
            if n_features == 1:
                freedom = freedom.reshape(-1)
            inverse = 1.0 / np.broadcast_to(freedom, sizes[: freedom.ndim])
            self.tail = DISTANCES if freedom.ndim == 1 else FEATURES
            counted = n_features if freedom.ndim == 1 else 1
            power = -0.5 * (np.broadcast_to(freedom, inverse.shape) + counted)
            alike = NOTHING
            if self.tail == FEATURES:
                factor = factor * np.sqrt(inverse).reshape(-1)
                alike = (power == power[:, :1]).all(axis=1).astype(float)
            tails = (power, inverse, alike)
        flat = tuple(np.ascontiguousarray(part, dtype=np.float64).reshape(-1) for part in tails)
        zeros, mean, _, matrices, packed = exact.arguments
        self.arguments = ((zeros, mean, factor, matrices, packed), (constant, *flat))
        self.block = exact.block
        self.work_size = exact.work_size + 8 * (n_features + n_terms)
        self.bytes_per_segment = exact.bytes_per_segment

    def tell_kernel(self, single: bool) -> Callable[..., float]:
        """Return the compiled pass that tells rows."""
        return tell_kernel(self.kind, self.tail, single)


def tailed(potentials: Potentials) -> Tailed | None:
    """Return potentials with a tail in compiled form; None where there are no kernels for it."""
    tail = potentials.tail
    by_feature = isinstance(tail, ScaleMixtureTail) or (
        isinstance(tail, StudentTail) and tail.degrees_of_freedom.ndim == 2
    )
    is_matrix = len(potentials.structure) == 3 and potentials.mean.shape[1] > 1
    if tail is None or not isinstance(tail, StudentTail | ScaleMixtureTail):
        return None
    return None if by_feature and is_matrix else Tailed(potentials, tail)


def _tell_of(kind: int, tail: int) -> Callable[..., float]:
    """Return the pass that tells rows, of a kind of structures and tails."""

    def tell(rows, arguments, assignment, key, span, work, outputs):
        """Write what is asked of a span of rows; an output of size zero is not asked for."""
        potentials, tails = arguments
        _, densities, _ = outputs
        first_row, begin, end, size = span
        n_components = potentials[0].size
        n_features = potentials[1].size // n_components
        stride = size + 8
        room = 8 * n_features
        scores, block, centred, _, weights, top, sums, uniforms = room_of(
            work[: (n_components + 2 * n_features + 8) * stride], n_components, n_features, stride
        )
        spare_room = work[(n_components + 2 * n_features + 8) * stride :]
        fill(weights, size, 1.0)
        for start in range(begin, end, size):
            n = min(size, end - start)
            padded = (n + 31) // 32 * 32
            take_block(rows, n_features, start, n, padded, stride, block)
            if tail == MIXTURE:
                squares, terms = spare_room[:room], spare_room[room:]
                mixture_features(potentials, tails, block, stride, padded, squares, terms, scores)
            elif tail == FEATURES:
                student_features(potentials, tails, block, stride, padded, scores)
            else:
                if kind == VECTOR:
                    score_vectors(potentials, block, stride, padded, scores)
                elif kind == PLANE:
                    score_planes(potentials, block, stride, padded, scores)
                elif kind == MATRIX:
                    score_matrices(potentials, block, stride, padded, centred, scores)
                student_distances(tails, stride, padded, scores)
            highest(scores, stride, n_components, padded, top)
            if densities.size > 0:
                log_sums(scores, stride, n_components, padded, top, sums)
                write_densities(block, stride, n_features, n, top, densities, start)
                continue
            row, spare = first_row + start, (top, sums, uniforms)
            shape, told = (stride, n_components, padded), (assignment, key)
            write_assigned(told, row, scores, shape, weights, spare, n, outputs, start)
        return 0.0

    return tell


@cache
def tell_kernel(kind: int, tail: int, single: bool) -> Callable[..., float]:
    """Return the compiled pass that writes responsibilities, log densities or labels."""
    rows = read_only(types.float32 if single else types.float64)
    arguments = types.Tuple((POTENTIALS, TAILS))
    signature = types.float64(rows, arguments, types.int64, types.uint64, SPAN, FLAT, OUTPUTS)
    return made(signature, _tell_of(kind, tail))
