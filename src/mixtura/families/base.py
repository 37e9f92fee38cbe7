"""Covariance families: what the components' covariances share, and how they score rows."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from mixtura.messages.linalg import precision_factor
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.messages.prior_arrays import Restriction
from mixtura.messages.statistics import feature_sum
from mixtura.typing import Array, StructureShape

LOG_TWO_PI = float(np.log(2.0 * np.pi))


class CovarianceFamily(ABC):
    """One structure of covariance matrices.

    A family is stateless; sizes come with each call. Its covariances are stored in the *structure
    shape* (see :data:`mixtura.typing.StructureShape`), in which sharing is a length of one.
    """

    name: ClassVar[str]
    """The name by which estimator and command know the family."""

    description: ClassVar[str]
    """One line for tables and reports."""

    is_restricted: ClassVar[bool] = False
    """Whether components share more than the structure shape says, such as a shape alone."""

    shares_volume: ClassVar[bool] = False
    """Whether a restricted family has one volume for all components."""

    shares_axes: ClassVar[bool | None] = False
    """Whether a restricted family has the same axes for all components; None: the features."""

    has_common_unit: ClassVar[bool] = False
    """Whether a change of one column's unit leads out of the family."""

    restriction: ClassVar[Restriction] = Restriction.NONE
    """What components share beyond the structure shape, where native runs know it."""

    @abstractmethod
    def structure(self, n_components: int, n_features: int) -> StructureShape:
        """Return the structure shape for K components of D features."""

    @abstractmethod
    def n_covariance_parameters(self, n_components: int, n_features: int) -> int:
        """Return the number of free covariance parameters."""

    @abstractmethod
    def precision_cholesky(self, covariances: Array) -> Array:
        """Return the factors of the precisions, in the structure shape."""

    @abstractmethod
    def log_determinant(self, precision_cholesky: Array, n_features: int) -> Array:
        """Return the log determinants of the precision factors, shape (K,) or (1,)."""

    @abstractmethod
    def expand(self, covariances: Array, n_components: int, n_features: int) -> Array:
        """Return the covariances as matrices of shape (K, D, D)."""

    @abstractmethod
    def public(self, covariances: Array) -> Array:
        """Return the covariances in the shape that scikit-learn's users know.

        Full (K, D, D), tied (D, D), diagonal (K, D), spherical (K,), tied diagonal (D,), tied
        spherical ().
        """

    @abstractmethod
    def compact(self, moments: Array) -> Array:
        """Return full second moments of shape (K, D, D) summed over what the family shares."""

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Return the number of free parameters: weights, means and covariances."""
        weights_and_means = n_components - 1 + n_components * n_features
        return weights_and_means + self.n_covariance_parameters(n_components, n_features)

    def placed(self, covariances: Array, n_components: int, n_features: int) -> Array:
        """Return covariances of this family, or of a coinciding one, in its structure shape.

        With one feature a fit may hold variances for matrices, and one for K that are equal.
        """
        structure = self.structure(n_components, n_features)
        found = covariances.reshape(-1, *structure[1:])
        return found if found.shape == structure else np.broadcast_to(found, structure).copy()

    def share(self, n_components: int, n_features: int) -> float:
        """Return how many matrices' worth of free parameters a component has, one at most."""
        all_together = self.n_covariance_parameters(n_components, n_features)
        return all_together / (n_components * self.n_covariance_parameters(1, n_features))

    def variances(self, covariances: Array, n_components: int, n_features: int) -> Array:
        """Return the marginal variances, shape (K, D), in squared units of the data."""
        diagonal = np.einsum("kdd->kd", covariances) if covariances.ndim == 3 else covariances
        if diagonal.shape != (n_components, n_features):
            diagonal = np.broadcast_to(diagonal, (n_components, n_features))
        return diagonal.copy()

    def potentials(self, parameters: MixtureParameters) -> Potentials:
        """Return the potentials under which scores are log weights plus log densities."""
        n_features = parameters.n_features
        factor = self.precision_cholesky(parameters.covariances)
        offset = self.log_determinant(factor, n_features) - 0.5 * n_features * LOG_TWO_PI
        log_weight = _logarithms(parameters.weights)
        if offset.shape != log_weight.shape:
            offset = np.full(log_weight.shape, offset)
        return Potentials(log_weight, offset, parameters.means, factor)


def _logarithms(weights: Array) -> Array:
    if min(weights.tolist()) > 0.0:
        return np.log(weights)
    with np.errstate(divide="ignore"):
        return np.log(weights)


class MatrixFamily(CovarianceFamily):
    """Families whose members are whole matrices: structure shape (K or 1, D, D)."""

    def precision_cholesky(self, covariances: Array) -> Array:
        return precision_factor(covariances)

    def log_determinant(self, precision_cholesky: Array, n_features: int) -> Array:
        return feature_sum(np.log(precision_cholesky.diagonal(axis1=1, axis2=2)))

    def expand(self, covariances: Array, n_components: int, n_features: int) -> Array:
        return np.broadcast_to(covariances, (n_components, n_features, n_features)).copy()


class VectorFamily(CovarianceFamily):
    """Families of diagonal matrices: structure shape (K or 1, D or 1)."""

    def precision_cholesky(self, covariances: Array) -> Array:
        return np.reciprocal(np.sqrt(covariances))

    def log_determinant(self, precision_cholesky: Array, n_features: int) -> Array:
        shared = n_features // precision_cholesky.shape[1]
        total = feature_sum(np.log(precision_cholesky))
        return total if shared == 1 else shared * total

    def expand(self, covariances: Array, n_components: int, n_features: int) -> Array:
        variances = self.variances(covariances, n_components, n_features)
        return variances[:, :, None] * np.eye(n_features)
