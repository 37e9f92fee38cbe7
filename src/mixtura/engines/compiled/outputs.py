"""What rows are told, written out row by row."""

from numba import njit

from mixtura.engines.compiled.options import INNER
from mixtura.engines.compiled.responsibilities import scale_rows, share


@njit(**INNER)
def write_values(n, values, to, start):
    """Write one value for each row."""
    for b in range(n):
        to[start + b] = values[b]


@njit(**INNER)
def write_shares(scores, stride, n_components, n, shares, start):
    """Write responsibilities row by row."""
    for b in range(n):
        at = (start + b) * n_components
        for k in range(n_components):
            shares[at + k] = scores[k * stride + b]


@njit(**INNER)
def write_labels(scores, stride, n_components, n, labels, start):
    """Write each row's component where whole rows have been assigned."""
    for b in range(n):
        labels[start + b] = 0
    for k in range(1, n_components):
        for b in range(n):
            if scores[k * stride + b] > 0.5:
                labels[start + b] = k


@njit(**INNER)
def write_assigned(assigned, row, scores, shape, weights, spare, n, outputs, start):
    """Write responsibilities of scored rows where they are asked for, and labels otherwise.

    ``assigned`` is (number of the assignment, key); the rest is as :func:`share` takes it.
    """
    shares, _, labels = outputs
    assignment, key = assigned
    stride, n_components, padded = shape
    share(assignment, key, row, scores, shape, weights, False, spare)
    if shares.size > 0:
        scale_rows(scores, stride, n_components, padded, spare[1])
        write_shares(scores, stride, n_components, n, shares, start)
    else:
        write_labels(scores, stride, n_components, n, labels, start)


@njit(**INNER)
def write_densities(block, stride, n_features, n, top, densities, start):
    """Write log densities; a row with a missing value has none."""
    for b in range(n):
        nothing = 0.0
        for d in range(n_features):
            nothing += block[d * stride + b] - block[d * stride + b]
        densities[start + b] = top[b] + nothing
