"""The Wishart distribution: of scale matrices that are themselves unknown."""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from scipy.special import multigammaln  # pyright: ignore[reportAttributeAccessIssue]

from mixtura.errors import InvalidArgumentError
from mixtura.messages.linalg import covariance_factor, precision_factor
from mixtura.messages.statistics import feature_sum
from mixtura.priors.base import Prior
from mixtura.priors.hyperparameters import check_matrix, hyperparameter, rescaled_matrix
from mixtura.typing import Array

LOG_TWO = float(np.log(2.0))


@final
@dataclass(frozen=True, eq=False)
class Wishart(Prior):
    """Wishart distribution of a positive-definite matrix, such as a learned scale.

    Density proportional to ``det(S)^((nu - D - 1) / 2) exp(-tr(scale^-1 S) / 2)``, with
    expectation ``degrees_of_freedom * scale``.

    Parameters
    ----------
    degrees_of_freedom : float
        Degrees of freedom nu, above D - 1.
    scale : float, array of shape (D,) or (D, D), default=1.0
        Scale matrix, in the units of S: a multiple of the identity, a diagonal, or a symmetric
        positive-definite matrix.

    Raises
    ------
    InvalidArgumentError
        If a hyperparameter is not finite, or not positive (definite) where it must be.
    """

    degrees_of_freedom: float
    scale: float | Array = 1.0

    def __post_init__(self) -> None:
        freedom = hyperparameter(
            self.degrees_of_freedom, "Wishart degrees_of_freedom", positive=True, max_ndim=0
        )
        scale = hyperparameter(
            self.scale, "Wishart scale", positive=True, max_ndim=2, or_matrix=True
        )
        object.__setattr__(self, "degrees_of_freedom", freedom)
        object.__setattr__(self, "scale", scale)

    def check(self, n_features: int) -> None:
        """Raise InvalidArgumentError unless the hyperparameters fit D features."""
        if self.degrees_of_freedom <= n_features - 1:
            raise InvalidArgumentError(
                "must be above the number of features less one, "
                f"{n_features - 1}; got {self.degrees_of_freedom}",
                argument="Wishart degrees_of_freedom",
            )
        check_matrix(self.scale, "Wishart scale", n_features)

    def matrix(self, n_features: int) -> Array:
        """Return the scale as a matrix (D, D)."""
        scale = np.asarray(self.scale)
        return scale if scale.ndim >= 2 else scale * np.eye(n_features)

    def log_density(self, values: Array) -> Array:
        """Return the log density of matrices (..., D, D)."""
        n_features, freedom = np.shape(values)[-1], self.degrees_of_freedom
        scale_factor = precision_factor(self.matrix(n_features))
        factor = covariance_factor(values)
        whitened = np.swapaxes(scale_factor, -1, -2) @ factor
        log_det, scale_log_det = 2.0 * log_diagonal(factor), -2.0 * log_diagonal(scale_factor)
        constant = 0.5 * freedom * (n_features * LOG_TWO + scale_log_det)
        return (
            0.5 * (freedom - n_features - 1.0) * log_det
            - 0.5 * (whitened * whitened).sum(axis=(-2, -1))
            - constant
            - multigammaln(0.5 * freedom, n_features)
        )

    def draw(self, rng: np.random.Generator, n_features: int) -> Array:
        """Return a matrix (D, D) drawn from the distribution."""
        factor = covariance_factor(self.matrix(n_features))
        return drawn_wishart(self.degrees_of_freedom, factor, rng)

    def rescaled(self, factor: Array) -> "Wishart":
        """Return the distribution of the matrix of ``x * factor``."""
        return Wishart(self.degrees_of_freedom, rescaled_matrix(self.scale, factor))


def drawn_wishart(degrees_of_freedom: float, factor: Array, rng: np.random.Generator) -> Array:
    """Return a Wishart matrix whose scale has this triangular factor, by Bartlett's rule."""
    size = len(factor)
    triangle = np.tril(rng.standard_normal((size, size)), -1)
    triangle += np.diag(np.sqrt(rng.chisquare(degrees_of_freedom - np.arange(size))))
    root = factor @ triangle
    return root @ root.T


def inverse_wishart_log_density(
    freedom: float | Array, scale_factor: Array, precision_factors: Array
) -> Array:
    """Return the log density of each of G inverse Wishart matrices.

    Parameters
    ----------
    freedom : float or array of shape (G,)
        Degrees of freedom.
    scale_factor : array of shape (D, D) or (G, D, D)
        Lower-triangular factor of the scale.
    precision_factors : array of shape (G, D, D)
        Upper-triangular factors of the matrices' inverses.
    """
    n_features = precision_factors.shape[-1]
    log_det = -2.0 * log_diagonal(precision_factors)
    whitened = scale_factor.swapaxes(-1, -2) @ precision_factors
    log_scale: float | Array = log_diagonal(scale_factor)
    if np.ndim(log_scale) == 0 and np.ndim(freedom) == 0:  # of a prior: NumPy is slow with numbers
        freedom, log_scale = float(freedom), float(log_scale)
    return (
        0.5 * freedom * (2.0 * log_scale - n_features * LOG_TWO)
        - log_multigamma(freedom, n_features)
        - 0.5 * (freedom + n_features + 1.0) * log_det
        - 0.5 * matrix_sum(whitened * whitened)
    )


def matrix_sum(values: Array) -> Array:
    """Return the sums of matrices (G, D, D), shape (G,)."""
    return values[:, 0, 0] if values.shape[-1] == 1 else values.sum(axis=(1, 2))


def log_multigamma(freedom: float | Array, n_features: int) -> float | Array:
    """Return the log of the multivariate gamma function of half the degrees of freedom."""
    if np.ndim(freedom) == 0:  # a prior's, of which a fit asks many times
        return _log_multigamma_of_one(float(freedom), n_features)
    return multigammaln(0.5 * np.asarray(freedom), n_features)


@lru_cache(maxsize=256)
def _log_multigamma_of_one(freedom: float, n_features: int) -> float:
    return float(multigammaln(0.5 * freedom, n_features))


def log_diagonal(factor: Array) -> Array:
    """Return half the log determinants of triangular factors times their transposes."""
    return feature_sum(np.log(factor.diagonal(axis1=-2, axis2=-1)))


def inverse_wishart_roots(rng: np.random.Generator, freedom: Array, scale_factor: Array) -> Array:
    """Return matrices (n, D, D) whose squares are inverse Wishart, given freedom (n,) and scales.

    Bartlett: W = T T^T with T lower triangular is Wishart of the identity [Bartlett1933]_.
    """
    size = scale_factor.shape[-1]
    triangle = np.tril(rng.standard_normal((freedom.size, size, size)), -1)
    squares = rng.chisquare(freedom[:, None] - np.arange(size))
    triangle += np.sqrt(squares)[:, :, None] * np.eye(size)
    return scale_factor @ np.swapaxes(np.linalg.inv(triangle), -1, -2)
