"""Passes in expanded form: scores and moments as matrix products of features of centred rows.

The fewest operations there are, at the price of digits where means lie many standard deviations
from the centre: :mod:`mixtura.engines.compiled.expansion` says when that price is nothing.
"""

from collections.abc import Callable
from functools import cache

from numba import njit, types

from mixtura.engines.compiled.blocks import take_block, take_handed, take_weights
from mixtura.engines.compiled.features import COMMON_MATRIX, SQUARES, centre_block, write_features
from mixtura.engines.compiled.lanes import add, load, mul, splat, store, total
from mixtura.engines.compiled.matrices import moments_matrix
from mixtura.engines.compiled.options import INNER
from mixtura.engines.compiled.outputs import write_assigned, write_values
from mixtura.engines.compiled.products import moment_products, score_products, weigh_and_count
from mixtura.engines.compiled.responsibilities import (
    fill,
    log_sums,
    scale_rows,
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

EXPANSION = types.Tuple(
    (types.int64, types.int64, types.float64, READ, READ, READ, READ, read_only(types.float64, 2))
)
"""Kind, shared (whether row terms are common), largest square, constants, coefficients, centre,
reciprocal standard deviations and factor."""

STATISTICS = types.Tuple((FLAT, FLAT, FLAT))
"""Counts (K,), moments (F, K) flat, and the second moments that all components share."""


@njit(**INNER)
def room_of(work, n_components, n_rows, stride):
    """Return the parts of the working memory: scores, features and five rows."""
    features = n_components * stride
    rows = features + n_rows * stride
    return (
        work[:features],
        work[features:rows],
        work[rows : rows + stride],
        work[rows + stride : rows + 2 * stride],
        work[rows + 2 * stride : rows + 3 * stride],
        work[rows + 3 * stride : rows + 4 * stride],
        work[rows + 4 * stride : rows + 5 * stride],
    )


@njit(**INNER)
def score_expanded(rows, expansion, start, n, padded, stride, features, scores, top, row_terms):
    """Write features, scores, the highest of each row and the common terms.

    Returns whether every value is small enough for its square.
    """
    kind, _, largest, constant, coefficients, centre, scales, factor = expansion
    n_features = centre.size
    first = n_features if kind == COMMON_MATRIX else 0
    n_scored = coefficients.size // constant.size
    take_block(rows, n_features, start, n, padded, stride, features)
    squares = n_features if kind == SQUARES else 0
    outside = total(centre_block(features, stride, n_features, padded, centre, largest, squares))
    write_features(kind, features, stride, n_features, padded, factor, scales, row_terms)
    score_products(
        features,
        first,
        n_scored,
        stride,
        padded,
        coefficients,
        constant,
        top,
        scores,
        rows,
        (start + n) * n_features,
        n_features,
    )
    return outside == 0.0


@njit(**INNER)
def shared_moments(kind, features, stride, n_features, n, weights, products, second):
    """Add the second moments of all rows, whatever their component."""
    if kind == COMMON_MATRIX:
        square = second.reshape((n_features + 1, n_features))
        moments_matrix(
            features, stride, n_features, n, weights, 0, products, square[n_features], square
        )
        return
    for d in range(n_features):
        a = splat(0.0)
        for b in range(0, n, 8):
            u = load(features, d * stride + b)
            a = add(a, mul(mul(u, u), load(weights, b)))
        second[d] += total(a)


@njit(**INNER)
def common_term(row_terms, weights, n):
    """Return the weighted sum of the terms that all scores of a row share."""
    a = splat(0.0)
    for b in range(0, n, 8):
        a = add(a, mul(load(row_terms, b), load(weights, b)))
    return total(a)


def _sweep(rows, weighting, expansion, assigned, span, statistics, work):
    """Add the statistics of a span of rows about the centre; return their data term.

    NaN where a row is too far from the centre for this form.
    """
    row_weights, weighted = weighting
    assignment, key, _, _ = assigned
    first_row, begin, end, size = span
    kind, shared, _, constant, _, centre, _, _ = expansion
    count, moments, second = statistics
    n_components, n_features = constant.size, centre.size
    n_moments = moments.size // n_components
    n_written = 2 * n_features if kind == COMMON_MATRIX else n_moments
    stride = size + 8
    scores, features, weights, top, sums, uniforms, row_terms = room_of(
        work[4 * stride :], n_components, n_written, stride
    )
    products = work[: 4 * stride]
    result = 0.0
    for start in range(begin, end, size):
        n = min(size, end - start)
        padded = (n + 31) // 32 * 32
        take_weights(row_weights, weighted, start, n, padded, weights)
        if not score_expanded(
            rows, expansion, start, n, padded, stride, features, scores, top, row_terms
        ):
            return result + float("nan")
        shape = (stride, n_components, padded)
        if not take_handed(assigned, start, n, shape, weights, scores, sums):
            row, uneven = first_row + start, weighted or padded > n
            spare = (top, sums, uniforms)
            result += share(assignment, key, row, scores, shape, weights, uneven, spare)
            if shared:
                result += common_term(row_terms, weights, padded)
        if shared:
            shared_moments(kind, features, stride, n_features, padded, weights, products, second)
        if n_moments < n_components:
            # Fewer features than components: what is left of the responsibilities goes to them.
            scale_rows(features, stride, n_moments, padded, sums)
            moment_products(sums, 1, stride, padded, scores, n_components, count)
        else:
            weigh_and_count(scores, stride, n_components, padded, sums, count)
        moment_products(features, n_moments, stride, padded, scores, n_components, moments)
    return result


def _tell(rows, expansion, assignment, key, span, work, outputs):
    """Write what is asked of a span of rows; return zero, or NaN where a row is too far."""
    _, densities, _ = outputs
    first_row, begin, end, size = span
    kind, shared, _, constant, coefficients, centre, _, _ = expansion
    n_components, n_features = constant.size, centre.size
    n_scored = coefficients.size // n_components
    n_written = 2 * n_features if kind == COMMON_MATRIX else n_scored
    stride = size + 8
    scores, features, weights, top, sums, uniforms, row_terms = room_of(
        work[4 * stride :], n_components, n_written, stride
    )
    fill(weights, size, 1.0)
    for start in range(begin, end, size):
        n = min(size, end - start)
        padded = (n + 31) // 32 * 32
        if not score_expanded(
            rows, expansion, start, n, padded, stride, features, scores, top, row_terms
        ):
            return float("nan")
        if densities.size > 0:
            log_sums(scores, stride, n_components, padded, top, sums)
            if shared:
                for b in range(0, padded, 8):
                    store(top, b, add(load(top, b), load(row_terms, b)))
            write_values(n, top, densities, start)
            continue
        row, spare = first_row + start, (top, sums, uniforms)
        shape = (stride, n_components, padded)
        told = (assignment, key)
        write_assigned(told, row, scores, shape, weights, spare, n, outputs, start)
    return 0.0


@cache
def sweep_kernel(single: bool) -> Callable[..., float]:
    """Return the compiled sweep over float32 (``single``) or float64 rows, flat (N D)."""
    rows = read_only(types.float32 if single else types.float64)
    return made(types.float64(rows, WEIGHTING, EXPANSION, ASSIGNED, SPAN, STATISTICS, FLAT), _sweep)


@cache
def tell_kernel(single: bool) -> Callable[..., float]:
    """Return the compiled pass that writes responsibilities, log densities or labels."""
    rows = read_only(types.float32 if single else types.float64)
    return made(
        types.float64(rows, EXPANSION, types.int64, types.uint64, SPAN, FLAT, OUTPUTS), _tell
    )
