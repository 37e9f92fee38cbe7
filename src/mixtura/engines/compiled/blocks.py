"""Rows of a block and what comes with them, copied to working memory, features first."""

from numba import njit

from mixtura.engines.compiled.lanes import load, load_columns, load_pairs, store
from mixtura.engines.compiled.options import INNER
from mixtura.engines.compiled.responsibilities import GIVEN, LABELLED, fill


@njit(**INNER)
def take_block(rows, n_features, start, n, padded, stride, block):
    """Copy rows to (D, stride), features first; the last row again where the block is padded."""
    whole = n // 8 * 8
    for b in range(0, whole, 8):
        at = (start + b) * n_features
        if n_features == 1:
            store(block, b, load(rows, at))
            continue
        if n_features == 2:
            first, second = load_pairs(rows, at)
            store(block, b, first)
            store(block, stride + b, second)
            continue
        for d in range(0, n_features - 1, 2):
            first, second = load_columns(rows, at + d, n_features)
            store(block, d * stride + b, first)
            store(block, (d + 1) * stride + b, second)
        if n_features % 2 == 1:
            _, last = load_columns(rows, at + n_features - 2, n_features)
            store(block, (n_features - 1) * stride + b, last)
    for b in range(whole, padded):
        at = (start + min(b, n - 1)) * n_features
        for d in range(n_features):
            block[d * stride + b] = rows[at + d]


@njit(**INNER)
def take_weights(row_weights, weighted, start, n, padded, weights):
    """Copy the rows' weights; padding weighs nothing."""
    for b in range(n):
        weights[b] = row_weights[start + b] if weighted else 1.0
    for b in range(n, padded):
        weights[b] = 0.0


@njit(**INNER)
def take_given(given, n_components, start, n, padded, stride, weights, scores):
    """Copy known responsibilities (N, K), times weights, to (K, stride)."""
    for k in range(n_components):
        for b in range(n):
            scores[k * stride + b] = given[(start + b) * n_components + k] * weights[b]
        for b in range(n, padded):
            scores[k * stride + b] = 0.0


@njit(**INNER)
def take_labels(labels, n_components, start, n, padded, stride, weights, scores):
    """Write known labels as weighted responsibilities."""
    for k in range(n_components):
        for b in range(n):
            scores[k * stride + b] = weights[b] if labels[start + b] == k else 0.0
        for b in range(n, padded):
            scores[k * stride + b] = 0.0


@njit(**INNER)
def take_handed(assigned, start, n, shape, weights, scores, factor):
    """Take responsibilities or labels that were given; return whether they were."""
    assignment, _, given, labels = assigned
    stride, n_components, padded = shape
    if assignment == GIVEN:
        take_given(given, n_components, start, n, padded, stride, weights, scores)
    elif assignment == LABELLED:
        take_labels(labels, n_components, start, n, padded, stride, weights, scores)
    else:
        return False
    fill(factor, padded, 1.0)
    return True
