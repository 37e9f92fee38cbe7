"""Potentials: the K-sized message that goes out to the rows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import logsumexp

from mixtura.typing import Array, IntegerArray, StructureShape


class Tail(ABC):
    """How a component's density falls off, where it is not Gaussian."""

    @abstractmethod
    def log_kernel(self, component: int, whitened: Array) -> Array:
        """Return what takes the place of ``-1/2 |z|^2`` for standardised rows z (n, D): (n,)."""

    @abstractmethod
    def draw(self, components: IntegerArray, n_features: int, rng: np.random.Generator) -> Array:
        """Return standardised rows (n, D), one for each of the components (n,)."""


@final
@dataclass(frozen=True, eq=False)
class StudentTail(Tail):
    """Student's t: a Gaussian whose unknown variance has been averaged out.

    Parameters
    ----------
    degrees_of_freedom : array of shape (K,) or (K, D)
        One for each component: one multivariate t. One for each component and feature: a product
        of univariate ones.
    """

    degrees_of_freedom: Array

    def log_kernel(self, component: int, whitened: Array) -> Array:
        freedom = self.degrees_of_freedom[component]
        if np.ndim(freedom) == 0:
            distance = np.einsum("nd,nd->n", whitened, whitened)
            return -0.5 * (freedom + whitened.shape[1]) * np.log1p(distance / freedom)
        return np.log1p(whitened * whitened / freedom) @ (-0.5 * (freedom + 1.0))

    def draw(self, components: IntegerArray, n_features: int, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal((components.size, n_features))
        freedom = self.degrees_of_freedom[components].reshape(components.size, -1)
        return noise / np.sqrt(rng.chisquare(freedom) / freedom)


@final
@dataclass(frozen=True, eq=False)
class ScaleMixtureTail(Tail):
    """Gaussians of several widths about one centre: a variance averaged by quadrature.

    Parameters
    ----------
    log_share : array of shape (K, 1, J) or (K, D, J)
        Log shares of the J widths, of all features together or of each on its own, the log
        determinants of the widths (relative to the potentials' own) included.
    precision : array of shape (K, D, J)
        Precisions relative to the potentials' own.
    """

    log_share: Array
    precision: Array

    def log_kernel(self, component: int, whitened: Array) -> Array:
        share, precision = self.log_share[component], self.precision[component]
        squares = whitened * whitened
        if len(share) == 1:
            exponents = -0.5 * (squares @ precision)
            return np.asarray(logsumexp(exponents + share[0], axis=1))
        total = np.zeros(len(squares))
        for d in range(len(share)):
            exponents = -0.5 * np.multiply.outer(squares[:, d], precision[d])
            total += np.asarray(logsumexp(exponents + share[d], axis=1))
        return total

    def draw(self, components: IntegerArray, n_features: int, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal((components.size, n_features))
        # The shares hold the widths' determinants, which are no part of a probability.
        width = self.precision.shape[1] // self.log_share.shape[1]
        log_det = 0.5 * np.log(self.precision)
        log_det = log_det.sum(axis=1, keepdims=True) if width > 1 else log_det
        cumulative = np.cumsum(np.exp(self.log_share - log_det), axis=2)[components]
        uniform = rng.random(cumulative.shape[:2])[:, :, None] * cumulative[:, :, -1:]
        chosen = np.broadcast_to((cumulative < uniform).sum(axis=2), noise.shape)
        rows, features = components[:, None], np.arange(n_features)
        return noise / np.sqrt(self.precision[rows, features, chosen])


@final
@dataclass(frozen=True, eq=False)
class Potentials:
    """What an engine needs to score rows.

    ``scores[n, k] = log_weight[k] + offset[k] - 1/2 |(x_n - mean[k]) precision_cholesky[k]|^2``

    Parameters
    ----------
    log_weight : array of shape (K,)
        Logarithms of the mixture weights; minus infinity for a weight of zero.
    offset : array of shape (K,)
        Everything in the log density that does not depend on the row.
    mean : array of shape (K, D)
        Component means, also the pivots of the moments that come back.
    precision_cholesky : array of the family's structure shape
        Upper-triangular factors P with P P^T the precision (matrix families), or reciprocal
        standard deviations (the others).
    tail : Tail, optional
        What takes the place of the last term where the components are not Gaussian.
    """

    log_weight: Array
    offset: Array
    mean: Array
    precision_cholesky: Array
    tail: Tail | None = None

    @property
    def structure(self) -> StructureShape:
        """Shape of the structure, which is also the shape of the second moments."""
        return self.precision_cholesky.shape

    def components(self, some: slice) -> "Potentials":
        """Return the potentials of some Gaussian components alone."""
        factor = self.precision_cholesky
        own = factor if len(factor) == 1 else factor[some]
        return Potentials(self.log_weight[some], self.offset[some], self.mean[some], own)
