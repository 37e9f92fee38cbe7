"""Tied covariances: one matrix for all components."""

from typing import final

from mixtura.families.base import MatrixFamily
from mixtura.typing import Array, StructureShape


@final
class Tied(MatrixFamily):
    """Ellipsoids of one common shape, size and direction."""

    name = "tied"
    description = "one covariance matrix shared by all components"

    def structure(self, n_components: int, n_features: int) -> StructureShape:
        return (1, n_features, n_features)

    def n_covariance_parameters(self, n_components: int, n_features: int) -> int:
        return n_features * (n_features + 1) // 2

    def public(self, covariances: Array) -> Array:
        return covariances[0]

    def compact(self, moments: Array) -> Array:
        return moments.sum(axis=0, keepdims=True)
