"""Potentials: the K-sized message that goes out to the rows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from scipy.special import logsumexp

from mixtura.messages.background import BackgroundPotential
from mixtura.typing import Array, BooleanArray, IntegerArray, StructureShape

_Parts: TypeAlias = tuple[Array, Array]

SQUARABLE = 1e150
"""Largest distance whose square is a number."""


class Tail(ABC):
    """How a component's density falls off, where it is not Gaussian."""

    @abstractmethod
    def components(self, some: slice | IntegerArray) -> "Tail":
        """Return the tails of some components alone."""

    @abstractmethod
    def log_kernel(self, component: int, whitened: Array) -> Array:
        """Return what takes the place of ``-1/2 |z|^2`` for standardised rows z (n, D): (n,)."""

    @abstractmethod
    def far_kernel(self, component: int, whitened: Array, exponent: IntegerArray) -> _Parts:
        """Return the kernel of standardised rows whose squares may be beyond float64.

        Parameters
        ----------
        component : int
            The component.
        whitened : array of shape (n, D)
            Standardised rows, each divided by two to the power of its exponent.
        exponent : integer array of shape (n,)
            The exponents e.

        Returns
        -------
        leading, rest : arrays of shape (n,)
            The kernel is ``leading * 4**e + rest``.
        """

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

    def components(self, some: slice | IntegerArray) -> "StudentTail":
        return StudentTail(self.degrees_of_freedom[some])

    def log_kernel(self, component: int, whitened: Array) -> Array:
        freedom = self.degrees_of_freedom[component]
        if np.ndim(freedom) == 0:
            distance = np.einsum("nd,nd->n", whitened, whitened)
            return -0.5 * (freedom + whitened.shape[1]) * np.log1p(distance / freedom)
        return np.log1p(whitened * whitened / freedom) @ (-0.5 * (freedom + 1.0))

    def far_kernel(self, component: int, whitened: Array, exponent: IntegerArray) -> _Parts:
        freedom = self.degrees_of_freedom[component]
        if np.ndim(freedom) == 0:
            power = freedom + whitened.shape[1]
            logs = np.log(np.einsum("nd,nd->n", whitened, whitened)) + exponent * np.log(4.0)
            return np.zeros(len(whitened)), -0.5 * power * (logs - np.log(freedom))
        near, distance = _near(whitened, exponent)
        with np.errstate(divide="ignore"):  # of rows that are near, which are not asked
            logs = 2.0 * np.log(np.abs(whitened)) + exponent[:, None] * np.log(4.0)
        terms = np.where(near, np.log1p(distance * distance / freedom), logs - np.log(freedom))
        return np.zeros(len(whitened)), terms @ (-0.5 * (freedom + 1.0))

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

    def components(self, some: slice | IntegerArray) -> "ScaleMixtureTail":
        return ScaleMixtureTail(self.log_share[some], self.precision[some])

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

    def far_kernel(self, component: int, whitened: Array, exponent: IntegerArray) -> _Parts:
        share, precision = self.log_share[component], self.precision[component]
        squares = whitened * whitened
        if len(share) == 1:
            return _widest(-0.5 * (squares @ precision), share[0])
        near, distance = _near(whitened, exponent)
        leading, rest = np.zeros(len(squares)), np.zeros(len(squares))
        for d in range(len(share)):
            squared = np.multiply.outer(distance[:, d] ** 2, precision[d])
            here = np.asarray(logsumexp(share[d] - 0.5 * squared, axis=1))
            ahead, there = _widest(-0.5 * np.multiply.outer(squares[:, d], precision[d]), share[d])
            leading += np.where(near[:, d], 0.0, ahead)
            rest += np.where(near[:, d], here, there)
        return leading, rest

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


def _near(whitened: Array, exponent: IntegerArray) -> tuple[BooleanArray, Array]:
    """Return which coordinates (n, D) can be squared as they are, and those, zero elsewhere."""
    with np.errstate(over="ignore"):
        distance = np.ldexp(whitened, exponent[:, None])
    near = np.abs(distance) < SQUARABLE
    return near, np.where(near, distance, 0.0)


def _widest(exponents: Array, log_share: Array) -> _Parts:
    """Return the largest of the exponents (n, J), and the log of the shares of those that are."""
    largest = exponents.max(axis=1)
    has_it = exponents == largest[:, None]
    return largest, np.asarray(logsumexp(np.where(has_it, log_share, -np.inf), axis=1))


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
    background : BackgroundPotential, optional
        How rows are scored that belong to no component; the log weights of the components then
        hold what the background leaves.
    """

    log_weight: Array
    offset: Array
    mean: Array
    precision_cholesky: Array
    tail: Tail | None = None
    background: BackgroundPotential | None = None

    @property
    def structure(self) -> StructureShape:
        """Shape of the structure, which is also the shape of the second moments."""
        return self.precision_cholesky.shape

    def components(self, some: slice | IntegerArray) -> "Potentials":
        """Return the potentials of some components alone, without background."""
        factor = self.precision_cholesky
        own = factor if len(factor) == 1 else factor[some]
        tail = None if self.tail is None else self.tail.components(some)
        return Potentials(self.log_weight[some], self.offset[some], self.mean[some], own, tail)
