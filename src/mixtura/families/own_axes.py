"""mclust's VEE, EEV, VEV and EVV: matrices that share volume, shape, or shape and axes."""

from typing import final

import numpy as np

from mixtura.families.relative_volumes import volumes_and_matrix, volumes_and_shape
from mixtura.families.restricted import RestrictedMatrices, about_axes
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.prior_arrays import Restriction
from mixtura.typing import Array


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
    values, axes = np.linalg.eigh(scatter)
    return np.maximum(values, 0.0), axes
