"""mclust's EVE and VVE: matrices of common axes, along which variances differ."""

from typing import final

import numpy as np

from mixtura.families.plane_rotations import (
    GeometricMeans,
    LogProducts,
    OrientationObjective,
    best_orientation,
    starts,
)
from mixtura.families.restricted import RestrictedMatrices, about_axes, geometric_means
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.prior_arrays import Restriction
from mixtura.typing import Array

ROUGHLY = 3
"""Steps towards an orientation where a component has collapsed."""


@final
class EVE(RestrictedMatrices):
    """Ellipsoids of one direction and volume: shapes vary."""

    name = "EVE"
    restriction = Restriction.EVE
    description = "one volume, own shape, one orientation"
    has_common_unit = True
    shares_volume = True
    shares_shape = False
    shares_axes = True

    def solved(self, terms: CovarianceTerms, near: Array | None) -> Array:
        unit = float(geometric_means(np.einsum("kdd->kd", terms.scatter)).sum())
        objective = GeometricMeans(unit, terms.scatter.shape[1])
        axes, variances = _solved(objective, terms, near)
        means = geometric_means(variances)
        return about_axes(axes, variances * (means.sum() / terms.count.sum() / means)[:, None])


@final
class VVE(RestrictedMatrices):
    """Ellipsoids of one direction: volumes and shapes vary [Flury1984]_."""

    name = "VVE"
    restriction = Restriction.VVE
    description = "own volume and shape, one orientation"
    has_common_unit = True
    shares_volume = False
    shares_shape = False
    shares_axes = True

    def solved(self, terms: CovarianceTerms, near: Array | None) -> Array:
        axes, variances = _solved(LogProducts(terms.count), terms, near)
        return about_axes(axes, variances / terms.count[:, None])


def _solved(
    objective: OrientationObjective, terms: CovarianceTerms, near: Array | None
) -> tuple[Array, Array]:
    """Return the best common axes, and the scatter along them."""
    start = None if near is None else axes_of(near)
    if not terms.is_lifted:
        return best_orientation(objective, terms.scatter, start)
    start = starts(terms.scatter)[0] if start is None else start
    return best_orientation(objective, terms.scatter, start, ROUGHLY)


def axes_of(covariances: Array) -> Array | None:
    """Return the common axes (D, D) of matrices (K, D, D) that have such; None of degenerate ones.

    A sum in unlike proportions has the axes of all, where that of two may have equal variances.
    """
    traces = np.einsum("kdd->k", covariances)
    shares = np.sqrt(2.0 + np.arange(len(covariances))) / traces
    total = np.tensordot(shares, covariances, axes=1)
    return np.asarray(np.linalg.eigh(total)[1]) if np.isfinite(total).all() else None
