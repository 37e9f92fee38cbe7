"""Diagonal covariances, one for each component or one for all."""

from typing import final

import numpy as np

from mixtura.families.base import VectorFamily
from mixtura.typing import Array, StructureShape


@final
class Diagonal(VectorFamily):
    """Ellipsoids along the axes."""

    name = "diag"
    description = "each component its own variance of every feature"

    def structure(self, n_components: int, n_features: int) -> StructureShape:
        return (n_components, n_features)

    def n_covariance_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features

    def public(self, covariances: Array) -> Array:
        return covariances

    def compact(self, moments: Array) -> Array:
        return np.einsum("kdd->kd", moments).copy()


@final
class TiedDiagonal(VectorFamily):
    """Ellipsoids along the axes, alike for all components."""

    name = "tied_diag"
    description = "one variance of every feature, shared by all components"

    def structure(self, n_components: int, n_features: int) -> StructureShape:
        return (1, n_features)

    def n_covariance_parameters(self, n_components: int, n_features: int) -> int:
        return n_features

    def public(self, covariances: Array) -> Array:
        return covariances[0]

    def compact(self, moments: Array) -> Array:
        return np.einsum("kdd->d", moments)[None, :]
