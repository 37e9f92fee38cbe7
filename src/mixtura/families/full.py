"""Full covariances: every component has a matrix of its own."""

from typing import final

from mixtura.families.base import MatrixFamily
from mixtura.typing import Array, StructureShape


@final
class Full(MatrixFamily):
    """Ellipsoids of any shape, size and direction."""

    name = "full"
    description = "each component its own covariance matrix"

    def structure(self, n_components: int, n_features: int) -> StructureShape:
        return (n_components, n_features, n_features)

    def n_covariance_parameters(self, n_components: int, n_features: int) -> int:
        return n_components * n_features * (n_features + 1) // 2

    def public(self, covariances: Array) -> Array:
        return covariances

    def compact(self, moments: Array) -> Array:
        return moments
