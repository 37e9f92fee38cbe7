"""Triangular factors of stacked covariance matrices, safe at any scale of the columns."""

import threading
from typing import final

import numpy as np
from scipy.linalg.lapack import dtrtri  # pyright: ignore[reportAttributeAccessIssue]

from mixtura.typing import Array

SMALLEST_EIGENVALUE = 1e-15
"""Of a correlation matrix that rounding has made indefinite; about what float64 resolves."""


WIDE = 24
"""Features from which on triangular matrices are inverted as such, one by one."""


def covariance_factor(covariances: Array) -> Array:
    """Return lower-triangular L with L L^T each of the covariances, shape (..., D, D).

    The factorisation runs on correlations, so that columns of very different units neither
    overflow nor underflow. A matrix that rounding has made indefinite is lifted to the nearest
    one that float64 can tell from singular.
    """
    deviations = np.sqrt(np.einsum("...dd->...d", covariances))
    correlations = covariances / deviations[..., :, None] / deviations[..., None, :]
    try:
        lower = np.linalg.cholesky(correlations)
    except np.linalg.LinAlgError:
        lower = np.linalg.cholesky(nearest_positive_definite(correlations))
    return lower * deviations[..., :, None]


def precision_factor(covariances: Array) -> Array:
    """Return upper-triangular P with P P^T the inverse of each covariance, shape (..., D, D).

    The factor of the last covariances is kept, for each thread: potentials, priors and gradients
    ask for that of the same matrices in turn.
    """
    if covariances.shape[-1] == 1:
        return 1.0 / np.sqrt(covariances)
    if _LAST.covariances is None or not np.array_equal(_LAST.covariances, covariances):
        factor = precision_factors(covariances)
        _LAST.covariances, _LAST.factor = covariances.copy(), factor
    return _LAST.factor.copy()


@final
class _Last(threading.local):
    """What was factorised last."""

    covariances: Array | None = None
    factor: Array


_LAST = _Last()


def precision_factors(covariances: Array) -> Array:
    """Return what :func:`precision_factor` does, of matrices that are asked for once."""
    deviations = np.sqrt(np.einsum("...dd->...d", covariances))
    lower = covariance_factor(covariances) / deviations[..., :, None]
    if lower.shape[-1] < WIDE:
        inverse = np.linalg.solve(lower, np.broadcast_to(np.eye(lower.shape[-1]), lower.shape))
    else:
        inverse = np.empty_like(lower)
        for position in np.ndindex(lower.shape[:-2]):
            inverse[position] = dtrtri(lower[position], lower=1)[0]
    return np.triu(np.swapaxes(inverse, -1, -2)) / deviations[..., :, None]


def nearest_positive_definite(correlations: Array) -> Array:
    """Return the matrices (..., D, D) with their eigenvalues raised to what float64 resolves."""
    values, vectors = np.linalg.eigh(correlations)
    floor = SMALLEST_EIGENVALUE * values.shape[-1] * np.maximum(values[..., -1:], 1.0)
    values = np.maximum(values, floor)
    return (vectors * values[..., None, :]) @ np.swapaxes(vectors, -1, -2)
