"""Spherical covariances, one variance for each component or one for all."""

from typing import final

import numpy as np

from mixtura.families.base import VectorFamily
from mixtura.typing import Array, StructureShape


@final
class Spherical(VectorFamily):
    """Balls of different sizes."""

    name = "spherical"
    description = "each component one variance for all features"
    has_common_unit = True

    def structure(self, n_components: int, n_features: int) -> StructureShape:
        return (n_components, 1)

    def n_covariance_parameters(self, n_components: int, n_features: int) -> int:
        return n_components

    def public(self, covariances: Array) -> Array:
        return covariances[:, 0]

    def compact(self, moments: Array) -> Array:
        return np.einsum("kdd->k", moments)[:, None]


@final
class TiedSpherical(VectorFamily):
    """Balls of one common size: the model behind k-means."""

    name = "tied_spherical"
    description = "one variance for all components and features"
    has_common_unit = True

    def structure(self, n_components: int, n_features: int) -> StructureShape:
        return (1, 1)

    def n_covariance_parameters(self, n_components: int, n_features: int) -> int:
        return 1

    def public(self, covariances: Array) -> Array:
        return covariances[0, 0]

    def compact(self, moments: Array) -> Array:
        return np.einsum("kdd->", moments).reshape(1, 1)
