"""One pass over a range of rows: scores, responsibilities, moments; or what a row is told."""

from collections.abc import Callable
from functools import cache

from numba import njit, types

from mixtura.engines.compiled.blocks import take_block, take_handed, take_weights
from mixtura.engines.compiled.matrices import moments_matrices, score_matrices
from mixtura.engines.compiled.options import INNER
from mixtura.engines.compiled.outputs import write_assigned, write_densities
from mixtura.engines.compiled.pairs import sweep_drawn_pairs, sweep_soft_pairs
from mixtura.engines.compiled.planes import moments_planes, score_planes
from mixtura.engines.compiled.products import weigh_and_count
from mixtura.engines.compiled.responsibilities import (
    SAMPLED,
    SOFT,
    highest,
    log_sums,
    share,
)
from mixtura.engines.compiled.signatures import (
    ASSIGNED,
    FLAT,
    OUTPUTS,
    READ,
    SPAN,
    WEIGHTING,
    made,
    read_only,
)
from mixtura.engines.compiled.vectors import moments_vectors, score_vectors

VECTOR, PLANE, MATRIX = range(3)
"""Numbers of the structures within compiled code."""


@njit(**INNER)
def room_of(work, n_components, n_features, stride):
    """Return the parts of the working memory: scores, block, centred, products and four rows."""
    block = n_components * stride
    centred = block + n_features * stride
    products = centred + n_features * stride
    rows = products + 4 * stride
    return (
        work[:block],
        work[block:centred],
        work[centred:products],
        work[products:rows],
        work[rows : rows + stride],
        work[rows + stride : rows + 2 * stride],
        work[rows + 2 * stride : rows + 3 * stride],
        work[rows + 3 * stride : rows + 4 * stride],
    )


@njit(**INNER)
def sweep_pairs(rows, weighting, potentials, assigned, span, statistics):
    """Add the rows of a span, where there is a kernel; return data term and where it ended."""
    assignment, key, _, _ = assigned
    first_row, begin, end, _ = span
    if assignment == SOFT:
        return sweep_soft_pairs(
            rows, weighting, potentials, key, first_row, begin, end, statistics
        ), end
    if assignment == SAMPLED:
        return sweep_drawn_pairs(
            rows, weighting, potentials, key, first_row, begin, end, statistics
        ), end
    return 0.0, begin


def _sweep_of(kind: int) -> Callable[..., float]:
    """Return the sweep of a kind of structures; the branches of other kinds are not compiled."""

    def sweep(rows, weighting, potentials, assigned, span, statistics, work):
        """Add the statistics of a span of rows; return their data term.

        ``weighting`` is (weights, whether there are any), ``assigned`` (number, key,
        responsibilities, labels), ``span`` (number of the piece's first row, begin, end, rows of a
        block).
        """
        row_weights, weighted = weighting
        assignment, key, _, _ = assigned
        first_row, begin, end, size = span
        n_components = potentials[0].size
        n_features = potentials[1].size // n_components
        stride = size + 8
        scores, block, centred, products, weights, top, sums, uniforms = room_of(
            work, n_components, n_features, stride
        )
        result = 0.0
        if kind == VECTOR and n_features == 1 and n_components == 2:
            found = sweep_pairs(rows, weighting, potentials, assigned, span, statistics)
            result, begin = result + found[0], found[1]
        for start in range(begin, end, size):
            n = min(size, end - start)
            padded = (n + 31) // 32 * 32
            take_block(rows, n_features, start, n, padded, stride, block)
            take_weights(row_weights, weighted, start, n, padded, weights)
            shape = (stride, n_components, padded)
            if not take_handed(assigned, start, n, shape, weights, scores, sums):
                if kind == VECTOR:
                    score_vectors(potentials, block, stride, padded, scores)
                elif kind == PLANE:
                    score_planes(potentials, block, stride, padded, scores)
                else:
                    score_matrices(potentials, block, stride, padded, centred, scores)
                highest(scores, stride, n_components, padded, top)
                row, uneven = first_row + start, weighted or padded > n
                spare = (top, sums, uniforms)
                result += share(assignment, key, row, scores, shape, weights, uneven, spare)
            weigh_and_count(scores, stride, n_components, padded, sums, statistics[0])
            if kind == VECTOR:
                moments_vectors(potentials, block, stride, padded, scores, statistics)
            elif kind == PLANE:
                moments_planes(potentials, block, stride, padded, scores, statistics)
            else:
                moments_matrices(
                    potentials, block, stride, padded, centred, products, scores, statistics
                )
        return result

    return sweep


sweep_vectors = njit(**INNER)(_sweep_of(VECTOR))
sweep_planes = njit(**INNER)(_sweep_of(PLANE))
sweep_matrices = njit(**INNER)(_sweep_of(MATRIX))
"""Sweeps within other compiled code."""


def _tell_of(kind: int) -> Callable[..., float]:
    """Return the pass that tells rows, of a kind of structures."""

    def tell(rows, potentials, assignment, key, span, work, outputs):
        """Write what is asked of a span of rows; an output of size zero is not asked for.

        ``outputs`` are responsibilities, flat (N K); log densities (N,); and labels (N,), the most
        probable (hard) or drawn (sampled) components.
        """
        _, densities, _ = outputs
        first_row, begin, end, size = span
        n_components = potentials[0].size
        n_features = potentials[1].size // n_components
        stride = size + 8
        scores, block, centred, _, weights, top, sums, uniforms = room_of(
            work, n_components, n_features, stride
        )
        for start in range(begin, end, size):
            n = min(size, end - start)
            padded = (n + 31) // 32 * 32
            take_block(rows, n_features, start, n, padded, stride, block)
            if kind == VECTOR:
                score_vectors(potentials, block, stride, padded, scores)
            elif kind == PLANE:
                score_planes(potentials, block, stride, padded, scores)
            else:
                score_matrices(potentials, block, stride, padded, centred, scores)
            highest(scores, stride, n_components, padded, top)
            if densities.size > 0:
                log_sums(scores, stride, n_components, padded, top, sums)
                write_densities(block, stride, n_features, n, top, densities, start)
                continue
            take_weights(weights, False, 0, padded, padded, weights)
            row, spare = first_row + start, (top, sums, uniforms)
            shape = (stride, n_components, padded)
            told = (assignment, key)
            write_assigned(told, row, scores, shape, weights, spare, n, outputs, start)
        return 0.0

    return tell


POTENTIALS = types.Tuple((READ, READ, READ, read_only(types.float64, 3), READ))
"""Constants, means, reciprocal standard deviations, factors, packed factors."""

STATISTICS = types.Tuple((FLAT, FLAT, FLAT, types.Array(types.float64, 3, "C")))
"""Counts (K,), first and second moments (K D), matrices (K, D, D)."""


@cache
def sweep_kernel(kind: int, single: bool) -> Callable[..., float]:
    """Return the compiled sweep over float32 (``single``) or float64 rows, flat (N D)."""
    rows = read_only(types.float32 if single else types.float64)
    signature = types.float64(rows, WEIGHTING, POTENTIALS, ASSIGNED, SPAN, STATISTICS, FLAT)
    return made(signature, _sweep_of(kind))


@cache
def tell_kernel(kind: int, single: bool) -> Callable[..., float]:
    """Return the compiled pass that writes responsibilities, log densities or labels."""
    rows = read_only(types.float32 if single else types.float64)
    signature = types.float64(rows, POTENTIALS, types.int64, types.uint64, SPAN, FLAT, OUTPUTS)
    return made(signature, _tell_of(kind))
