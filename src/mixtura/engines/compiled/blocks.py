"""Rows of a block and what comes with them, copied to working memory, features first."""

from numba import njit

from mixtura.engines.compiled.lanes import LANES, load, load_pairs, load_transposed, store

OPTIONS = {"nogil": True, "error_model": "numpy"}


@njit(**OPTIONS)
def take_block(rows, n_features, start, n, padded, stride, block):
    """Copy rows to (D, stride), features first; the last row again where the block is padded."""
    taken = take_eights(rows, n_features, start, n, stride, block)
    for b in range(taken, padded):
        at = (start + min(b, n - 1)) * n_features
        for d in range(n_features):
            block[d * stride + b] = rows[at + d]


@njit(**OPTIONS)
def take_eights(rows, n_features, start, n, stride, block):
    """Copy rows eight at a time, as long as whole loads stay within the data; return how many."""
    whole = n // 8 * 8
    if n_features == 1:
        for b in range(0, whole, 8):
            store(block, b, load(rows, start + b))
        return whole
    if n_features == 2:
        for b in range(0, whole, 8):
            first, second = load_pairs(rows, 2 * (start + b))
            store(block, b, first)
            store(block, stride + b, second)
        return whole
    if n_features < LANES:
        # The loads reach beyond the eight rows.
        within = (rows.size - LANES) // n_features - start - 7
        whole = max(min(whole, within // 8 * 8), 0)
        for b in range(0, whole, 8):
            take_few(rows, n_features, start + b, stride, block, b)
        return whole
    last = n_features - LANES
    for b in range(0, whole, 8):
        at = (start + b) * n_features
        for d in range(0, last + 1, 8):
            take_eight(rows, n_features, at, stride, block, b, d)
        if last % 8 != 0:
            take_eight(rows, n_features, at, stride, block, b, last)
    return whole


@njit(**OPTIONS)
def take_eight(rows, n_features, at, stride, block, b, d):
    """Copy features d to d + 8 of eight rows."""
    v0, v1, v2, v3, v4, v5, v6, v7 = load_transposed(rows, at + d, n_features)
    to = d * stride + b
    store(block, to, v0)
    store(block, to + stride, v1)
    store(block, to + 2 * stride, v2)
    store(block, to + 3 * stride, v3)
    store(block, to + 4 * stride, v4)
    store(block, to + 5 * stride, v5)
    store(block, to + 6 * stride, v6)
    store(block, to + 7 * stride, v7)


@njit(**OPTIONS)
def take_few(rows, n_features, row, stride, block, b):
    """Copy the three to seven features of eight rows."""
    v0, v1, v2, v3, v4, v5, v6, _ = load_transposed(rows, row * n_features, n_features)
    store(block, b, v0)
    store(block, stride + b, v1)
    store(block, 2 * stride + b, v2)
    if n_features > 3:
        store(block, 3 * stride + b, v3)
    if n_features > 4:
        store(block, 4 * stride + b, v4)
    if n_features > 5:
        store(block, 5 * stride + b, v5)
    if n_features > 6:
        store(block, 6 * stride + b, v6)


@njit(**OPTIONS)
def take_weights(row_weights, weighted, start, n, padded, weights):
    """Copy the rows' weights; padding weighs nothing."""
    for b in range(n):
        weights[b] = row_weights[start + b] if weighted else 1.0
    for b in range(n, padded):
        weights[b] = 0.0


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
