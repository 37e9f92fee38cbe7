"""Families whose covariances share more than a structure shape can say."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from mixtura.families.base import CovarianceFamily, MatrixFamily, VectorFamily
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.typing import Array, StructureShape


class RestrictedFamily(CovarianceFamily):
    """Covariances ``volume_k axes_k diag(shape_k) axes_k'`` of which some parts are shared.

    A shape has determinant one, so that a volume is the D-th root of a determinant
    [CeleuxGovaert1995]_. Rows are told and scored as those of the family without restrictions;
    what is shared is held by the M-step alone.
    """

    is_restricted = True

    @abstractmethod
    def solved(self, terms: CovarianceTerms, near: Array | None) -> Array:
        """Return the covariances of the family that minimise terms, none of them empty.

        Parameters
        ----------
        terms : CovarianceTerms
            What is to be small.
        near : array of the structure shape, optional
            Covariances of the family from which a search may begin.
        """

    def best(self, terms: CovarianceTerms, near: Array | None = None) -> Array:
        """Return the covariances of the family that minimise terms, held above the floor.

        Where the floor takes part they are those of the family near, if these are no worse.
        """
        occupied = terms.occupied
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            # A shape of a component's own would take its determinant to zero.
            found = None if occupied.is_flat and not self.shares_shape else self._found(terms, near)
            if found is not None and not occupied.is_narrow(found):
                return found
            found = self._found(occupied.lifted, near)
            if found is None or not np.isfinite(found).all():
                found = self.solved(occupied.pooled, None)
            if near is None or not occupied.value(near) < occupied.value(found):
                return found
            return near

    def _found(self, terms: CovarianceTerms, near: Array | None) -> Array | None:
        try:
            return self.solved(terms.occupied, near)
        except np.linalg.LinAlgError:
            return None

    def n_covariance_parameters(self, n_components: int, n_features: int) -> int:
        planes = n_features * (n_features - 1) // 2 if self.shares_axes is not None else 0
        n_volumes, n_shapes, n_axes = (
            1 if shared else n_components
            for shared in (self.shares_volume, self.shares_shape, self.shares_axes)
        )
        return n_volumes + n_shapes * (n_features - 1) + n_axes * planes

    def public(self, covariances: Array) -> Array:
        return covariances

    shares_shape: ClassVar[bool]
    """Whether all components have one shape."""


class RestrictedMatrices(RestrictedFamily, MatrixFamily):
    """Restricted families of whole matrices."""

    def structure(self, n_components: int, n_features: int) -> StructureShape:
        return (n_components, n_features, n_features)

    def compact(self, moments: Array) -> Array:
        return moments


class RestrictedVariances(RestrictedFamily, VectorFamily):
    """Restricted families of diagonal matrices."""

    shares_axes = None

    def structure(self, n_components: int, n_features: int) -> StructureShape:
        return (n_components, n_features)

    def compact(self, moments: Array) -> Array:
        return np.einsum("kdd->kd", moments).copy()


def about_axes(axes: Array, variances: Array) -> Array:
    """Return matrices (K, D, D) of given axes, as columns, (D, D) or (K, D, D), and variances."""
    return (axes * variances[:, None, :]) @ np.swapaxes(axes, -1, -2)


def geometric_means(variances: Array) -> Array:
    """Return the geometric means (K,) of variances (K, D)."""
    return np.exp(np.log(variances).mean(axis=1))
