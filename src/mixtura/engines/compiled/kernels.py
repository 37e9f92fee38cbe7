"""One pass over a range of rows: scores, responsibilities, moments; or what a row is told."""

from collections.abc import Callable
from functools import cache
from typing import Any

from numba import njit, types

from mixtura.engines.compiled.counter import uniforms_of
from mixtura.engines.compiled.elementary import log
from mixtura.engines.compiled.lanes import add, load, store
from mixtura.engines.compiled.matrices import centre, moments_matrix, score_matrix
from mixtura.engines.compiled.planes import moments_plane, score_plane
from mixtura.engines.compiled.responsibilities import draw, exponentiate, harden, highest, soften
from mixtura.engines.compiled.vectors import count_of, moments_vector, score_vector

OPTIONS = {"nogil": True, "error_model": "numpy"}

SOFT, HARD, SAMPLED, GIVEN, LABELLED = range(5)
"""Numbers of the assignments within compiled code."""

VECTOR, PLANE, MATRIX = range(3)
"""Numbers of the structures within compiled code."""


@njit(**OPTIONS)
def take_block(rows, n_features, start, n, padded, stride, block):
    """Copy rows to (D, stride), features first; the last row again where the block is padded."""
    if n_features == 1:
        for b in range(n // 8 * 8, n):
            block[b] = rows[start + b]
        for b in range(0, n // 8 * 8, 8):
            store(block, b, load(rows, start + b))
        for b in range(n, padded):
            block[b] = rows[start + n - 1]
        return
    for b in range(n):
        at = (start + b) * n_features
        for d in range(n_features):
            block[d * stride + b] = rows[at + d]
    for b in range(n, padded):
        at = (start + n - 1) * n_features
        for d in range(n_features):
            block[d * stride + b] = rows[at + d]


@njit(**OPTIONS)
def take_weights(row_weights, weighted, start, n, padded, weights):
    """Copy the rows' weights; padding weighs nothing."""
    for b in range(n):
        weights[b] = row_weights[start + b] if weighted else 1.0
    for b in range(n, padded):
        weights[b] = 0.0


@njit(**OPTIONS)
def score_block(potentials, block, stride, n, centred, scores):
    """Write every component's scores, (K, stride)."""
    kind, constant, mean, scale, factor, packed = potentials
    n_components, n_features = constant.size, mean.size // constant.size
    width = packed.size // n_components
    for k in range(n_components):
        at, to, base = k * n_features, k * stride, constant[k]
        if kind == VECTOR:
            score_vector(block, stride, n_features, n, base, mean, scale, at, scores, to)
        elif kind == PLANE:
            score_plane(block, stride, n, base, mean, at, factor[k], scores, to)
        else:
            centre(block, stride, n_features, n, mean, at, centred)
            score_matrix(centred, stride, n_features, n, base, packed, k * width, scores, to)


@njit(**OPTIONS)
def take_given(given, n_components, start, n, padded, stride, weights, scores):
    """Copy known responsibilities (N, K), times weights, to (K, stride)."""
    for k in range(n_components):
        for b in range(n):
            scores[k * stride + b] = given[(start + b) * n_components + k] * weights[b]
        for b in range(n, padded):
            scores[k * stride + b] = 0.0


@njit(**OPTIONS)
def take_labels(labels, n_components, start, n, padded, stride, weights, scores):
    """Write known labels as weighted responsibilities."""
    for k in range(n_components):
        for b in range(n):
            scores[k * stride + b] = weights[b] if labels[start + b] == k else 0.0
        for b in range(n, padded):
            scores[k * stride + b] = 0.0


@njit(**OPTIONS)
def add_moments(potentials, block, stride, n, centred, products, scores, statistics):
    """Add every component's moments to count (K,), first and second (K D), square (K, D, D)."""
    kind, _, mean, _, _, _ = potentials
    count, first, second, square = statistics
    n_components = count.size
    n_features = mean.size // n_components
    for k in range(n_components):
        at, start = k * n_features, k * stride
        count[k] += count_of(scores, start, n)
        if kind == VECTOR:
            moments_vector(block, stride, n_features, n, scores, start, mean, at, first, second)
        elif kind == PLANE:
            moments_plane(block, stride, n, scores, start, mean, at, first[at:], square[k])
        else:
            centre(block, stride, n_features, n, mean, at, centred)
            moments_matrix(
                centred, stride, n_features, n, scores, start, products, first[at:], square[k]
            )


@njit(**OPTIONS)
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


@njit(**OPTIONS)
def share(assignment, key, row, scores, stride, n_components, n, weights, weighted, spare):
    """Turn scores into weighted responsibilities; return the data term."""
    top, sums, uniforms = spare
    if assignment == SOFT:
        return soften(scores, stride, n_components, n, weights, weighted, top, sums)
    if assignment == HARD:
        return harden(scores, stride, n_components, n, weights, top)
    uniforms_of(key, row, n, uniforms)
    return draw(scores, stride, n_components, n, weights, weighted, uniforms, top, sums)


def _sweep(rows, weighting, potentials, assigned, span, statistics, work):
    """Add the statistics of a span of rows; return their data term.

    ``weighting`` is (weights, whether there are any), ``assigned`` (number, key, responsibilities,
    labels), ``span`` (number of the piece's first row, begin, end, rows of a block).
    """
    row_weights, weighted = weighting
    assignment, key, given, labels = assigned
    first_row, begin, end, size = span
    n_components = potentials[1].size
    n_features = potentials[2].size // n_components
    stride = size + 8
    scores, block, centred, products, weights, top, sums, uniforms = room_of(
        work, n_components, n_features, stride
    )
    result = 0.0
    for start in range(begin, end, size):
        n = min(size, end - start)
        padded = (n + 31) // 32 * 32
        take_block(rows, n_features, start, n, padded, stride, block)
        take_weights(row_weights, weighted, start, n, padded, weights)
        if assignment == GIVEN:
            take_given(given, n_components, start, n, padded, stride, weights, scores)
        elif assignment == LABELLED:
            take_labels(labels, n_components, start, n, padded, stride, weights, scores)
        else:
            score_block(potentials, block, stride, padded, centred, scores)
            row, uneven = first_row + start, weighted or padded > n
            spare = (top, sums, uniforms)
            result += share(
                assignment, key, row, scores, stride, n_components, padded, weights, uneven, spare
            )
        add_moments(potentials, block, stride, padded, centred, products, scores, statistics)
    return result


def _tell(rows, potentials, assignment, key, span, work, outputs):
    """Write what is asked of a span of rows; an output of size zero is not asked for.

    ``outputs`` are responsibilities, flat (N K); log densities (N,); and labels (N,), the most
    probable (hard) or drawn (sampled) components.
    """
    shares, densities, labels = outputs
    first_row, begin, end, size = span
    n_components = potentials[1].size
    n_features = potentials[2].size // n_components
    stride = size + 8
    scores, block, centred, _, weights, top, sums, uniforms = room_of(
        work, n_components, n_features, stride
    )
    for start in range(begin, end, size):
        n = min(size, end - start)
        padded = (n + 31) // 32 * 32
        take_block(rows, n_features, start, n, padded, stride, block)
        score_block(potentials, block, stride, padded, centred, scores)
        if densities.size > 0:
            log_sums(scores, stride, n_components, padded, top, sums)
            write_densities(block, stride, n_features, n, top, densities, start)
            continue
        take_weights(weights, False, 0, padded, padded, weights)
        row, spare = first_row + start, (top, sums, uniforms)
        share(assignment, key, row, scores, stride, n_components, padded, weights, False, spare)
        if shares.size > 0:
            write_shares(scores, stride, n_components, n, shares, start)
        else:
            write_labels(scores, stride, n_components, n, labels, start)


@njit(**OPTIONS)
def write_densities(block, stride, n_features, n, top, densities, start):
    """Write log densities; a row with a missing value has none."""
    for b in range(n):
        nothing = 0.0
        for d in range(n_features):
            nothing += block[d * stride + b] - block[d * stride + b]
        densities[start + b] = top[b] + nothing


@njit(**OPTIONS)
def write_shares(scores, stride, n_components, n, shares, start):
    """Write responsibilities row by row."""
    for b in range(n):
        at = (start + b) * n_components
        for k in range(n_components):
            shares[at + k] = scores[k * stride + b]


@njit(**OPTIONS)
def write_labels(scores, stride, n_components, n, labels, start):
    """Write each row's component where whole rows have been assigned."""
    for b in range(n):
        labels[start + b] = 0
    for k in range(1, n_components):
        for b in range(n):
            if scores[k * stride + b] > 0.5:
                labels[start + b] = k


@njit(**OPTIONS)
def log_sums(scores, stride, n_components, n, top, sums):
    """Write each row's log of the summed exponentiated scores to ``top``."""
    highest(scores, stride, n_components, n, top)
    exponentiate(scores, stride, n_components, n, top, sums)
    for b in range(0, n, 8):
        store(top, b, add(load(top, b), log(load(sums, b))))


def _read_only(kind: Any, dimensions: int = 1) -> Any:
    return types.Array(kind, dimensions, "C", readonly=True)


_FLAT = types.Array(types.float64, 1, "C")
_GIVEN = _read_only(types.float64)
_POTENTIALS = types.Tuple(
    (types.int64, _GIVEN, _GIVEN, _GIVEN, _read_only(types.float64, 3), _GIVEN)
)
_WEIGHTING = types.Tuple((_GIVEN, types.boolean))
_ASSIGNED = types.Tuple((types.int64, types.uint64, _GIVEN, _read_only(types.int64)))
_SPAN = types.UniTuple(types.int64, 4)
_STATISTICS = types.Tuple((_FLAT, _FLAT, _FLAT, types.Array(types.float64, 3, "C")))
_OUTPUTS = types.Tuple((_FLAT, _FLAT, types.Array(types.int64, 1, "C")))


def _made(signature: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        return njit(signature, cache=True, **OPTIONS)(function)
    except RuntimeError:  # nowhere to keep machine code: make it anew in every process
        return njit(signature, **OPTIONS)(function)


@cache
def sweep_kernel(single: bool) -> Callable[..., float]:
    """Return the compiled sweep over float32 (``single``) or float64 rows, flat (N D)."""
    rows = _read_only(types.float32 if single else types.float64)
    signature = types.float64(rows, _WEIGHTING, _POTENTIALS, _ASSIGNED, _SPAN, _STATISTICS, _FLAT)
    return _made(signature, _sweep)


@cache
def tell_kernel(single: bool) -> Callable[..., None]:
    """Return the compiled pass that writes responsibilities, log densities or labels."""
    rows = _read_only(types.float32 if single else types.float64)
    signature = types.void(rows, _POTENTIALS, types.int64, types.uint64, _SPAN, _FLAT, _OUTPUTS)
    return _made(signature, _tell)
