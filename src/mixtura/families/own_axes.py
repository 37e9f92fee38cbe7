"""mclust's VEE, EEV, VEV and EVV: matrices that share volume, shape, or shape and axes."""

from itertools import combinations
from typing import final

import numpy as np

from mixtura.families.relative_volumes import volumes_and_matrix, volumes_and_shape
from mixtura.families.restricted import RestrictedMatrices, about_axes
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.prior_arrays import Restriction
from mixtura.typing import Array

ALIKE = 1e8
"""Ratio of the largest variance to the smallest up to which the largest's digits are enough."""

MOST_SWEEPS = 30
"""After which matrices are diagonal to the last digit."""

EPSILON = float(np.finfo(np.float64).eps)


@final
class VEE(RestrictedMatrices):
    """Ellipsoids of one shape and direction: volumes vary."""

    name = "VEE"
    restriction = Restriction.VEE
    description = "own volume, one shape and orientation"
    shares_volume = False
    shares_shape = True
    shares_axes = True

    def solved(self, terms: CovarianceTerms, near: Array | None) -> Array:
        volumes, matrix = volumes_and_matrix(terms.count, terms.scatter, volumes_of(near))
        return volumes[:, None, None] * matrix


@final
class EEV(RestrictedMatrices):
    """Ellipsoids of one volume and shape: directions vary."""

    name = "EEV"
    restriction = Restriction.EEV
    description = "one volume and shape, own orientation"
    has_common_unit = True
    shares_volume = True
    shares_shape = True
    shares_axes = False

    def solved(self, terms: CovarianceTerms, near: Array | None) -> Array:
        values, axes = _spectra(terms.scatter)
        variances = values.sum(axis=0) / terms.count.sum()
        return about_axes(axes, np.broadcast_to(variances, values.shape))


@final
class VEV(RestrictedMatrices):
    """Ellipsoids of one shape: volumes and directions vary."""

    name = "VEV"
    restriction = Restriction.VEV
    description = "own volume, one shape, own orientation"
    has_common_unit = True
    shares_volume = False
    shares_shape = True
    shares_axes = False

    def solved(self, terms: CovarianceTerms, near: Array | None) -> Array:
        values, axes = _spectra(terms.scatter)
        volumes, shape = volumes_and_shape(terms.count, values, volumes_of(near))
        return about_axes(axes, volumes[:, None] * shape)


@final
class EVV(RestrictedMatrices):
    """Ellipsoids of one volume: shapes and directions vary."""

    name = "EVV"
    restriction = Restriction.EVV
    description = "one volume, own shape and orientation"
    shares_volume = True
    shares_shape = False
    shares_axes = False

    def solved(self, terms: CovarianceTerms, near: Array | None) -> Array:
        means = volumes_of(terms.scatter)
        assert means is not None
        return terms.scatter * (means.sum() / terms.count.sum() / means)[:, None, None]


def volumes_of(matrices: Array | None) -> Array | None:
    """Return the D-th roots of the determinants of matrices (K, D, D), where there are any."""
    if matrices is None:
        return None
    return np.exp(np.linalg.slogdet(matrices)[1] / matrices.shape[-1])


def _spectra(scatter: Array) -> tuple[Array, Array]:
    """Return eigenvalues (K, D) in rising order, none below zero, and eigenvectors (K, D, D)."""
    variances = np.einsum("kdd->kd", scatter)
    if (variances.max(axis=1) > ALIKE * variances.min(axis=1)).any():
        values, axes = rotated(scatter)
    else:
        values, axes = np.linalg.eigh(scatter)
    return np.maximum(values, 0.0), axes


def rotated(matrices: Array) -> tuple[Array, Array]:
    """Return eigenvalues (K, D) in rising order and eigenvectors, by Jacobi's rotations.

    Entries are told to be zero by the variances of their row and column, so that features of very
    different scales keep their digits [DemmelVeselic1992]_; ``eigh`` has those of the largest.

    Parameters
    ----------
    matrices : array of shape (K, D, D)
        Symmetric matrices.
    """
    turned, axes = matrices.copy(), np.zeros_like(matrices)
    size = matrices.shape[1]
    axes[:, range(size), range(size)] = 1.0
    for _ in range(MOST_SWEEPS):
        moved = False
        for p, q in combinations(range(size), 2):
            first, last, entry = turned[:, p, p], turned[:, q, q], turned[:, p, q]
            turns = entry**2 > EPSILON**2 * np.abs(first * last)
            if not turns.any():
                continue
            moved = True
            half = (last - first) / np.where(turns, 2.0 * entry, 1.0)
            tangent = np.where(half < 0.0, -1.0, 1.0) / (np.abs(half) + np.sqrt(1.0 + half**2))
            tangent = np.where(turns, tangent, 0.0)
            cosine = 1.0 / np.sqrt(1.0 + tangent**2)
            rotation = np.array([[cosine, tangent * cosine], [-tangent * cosine, cosine]])
            rotation, both = rotation.transpose(2, 0, 1), [p, q]
            ends = first - tangent * entry, last + tangent * entry, np.where(turns, 0.0, entry)
            turned[:, :, both] = turned[:, :, both] @ rotation
            turned[:, both, :] = rotation.transpose(0, 2, 1) @ turned[:, both, :]
            turned[:, p, p], turned[:, q, q] = ends[:2]
            turned[:, p, q] = turned[:, q, p] = ends[2]
            axes[:, :, both] = axes[:, :, both] @ rotation
        if not moved:
            break
    values = np.einsum("kdd->kd", turned)
    order = values.argsort(axis=1)
    return np.take_along_axis(values, order, 1), np.take_along_axis(axes, order[:, None, :], 2)
