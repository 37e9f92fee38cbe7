"""What rows are told, written out row by row."""

from numba import njit

OPTIONS = {"nogil": True, "error_model": "numpy"}


@njit(**OPTIONS)
def write_values(n, values, to, start):
    """Write one value for each row."""
    for b in range(n):
        to[start + b] = values[b]


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
