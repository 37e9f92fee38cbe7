"""Rows of which some cells were observed, under normal distributions."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.data import Patterns
from mixtura.engines.observed.kernels import Kernel
from mixtura.engines.observed.regressions import (
    Conditionals,
    conditionals_of,
    deviations,
    times,
)
from mixtura.messages.linalg import covariance_factor
from mixtura.messages.potentials import Potentials
from mixtura.typing import Array, IntegerArray

NUMBERS = 1 << 18
"""Numbers of rows, or of their groups' matrices, that are held at once."""

FARTHEST = 1e150
"""Standardised distances are held below this, so that their squares stay finite."""


class Part(ABC):
    """Some rows, and what is known of them under normal distributions."""

    patterns: Patterns

    @abstractmethod
    def scores(self, kernel: Kernel) -> Array:
        """Return the scores of the rows, shape (n, K)."""

    @abstractmethod
    def expected(self) -> Array:
        """Return the expected rows about each component's mean, shape (K, n, D)."""

    @abstractmethod
    def expected_moments(self, mass: Array) -> tuple[Array, Array]:
        """Return the moments of complete rows of responsibilities (n, K).

        First moments (K, D), and second ones, (K, D, D) of matrices and (K, D) of variances.
        """

    @abstractmethod
    def drawn(self, labels: IntegerArray, normals: Array) -> Array:
        """Return rows about their components' means (n, D), their cells drawn.

        Parameters
        ----------
        labels : integer array of shape (n,)
            Components of the rows.
        normals : array of shape (n, D)
            Standard normal numbers, of which the cells are made.
        """


@final
@dataclass(frozen=True, eq=False)
class MatrixPart(Part):
    """Rows under covariances that are matrices.

    Parameters
    ----------
    patterns : Patterns
        The n rows.
    conditionals : Conditionals
        What is known of their groups.
    apart : array of shape (K, n, D)
        How far observed cells are from the means; zero elsewhere.
    """

    patterns: Patterns
    conditionals: Conditionals
    apart: Array

    def scores(self, kernel: Kernel) -> Array:
        known, patterns = self.conditionals, self.patterns
        with np.errstate(over="ignore", invalid="ignore"):
            whitened = times(self.apart, known.standardising, patterns)
        found = kernel.log_density(_within(whitened), patterns.has_cells)
        return found + np.repeat(known.log_scale, patterns.sizes, axis=0)

    def expected(self) -> Array:
        return times(self.apart, self.conditionals.expecting, self.patterns)

    def by_group(self, mass: Array) -> Array:
        """Return the mass (n, K) of each group, shape (G, K)."""
        return np.add.reduceat(mass, self.patterns.starts[:-1], axis=0)

    def expected_moments(self, mass: Array) -> tuple[Array, Array]:
        expected, covariance = self.expected(), self.conditionals.covariance
        first, second = moments_of(expected, mass)
        by_group = self.by_group(mass)
        if covariance.shape[1] == 1:
            more = np.tensordot(by_group.T, covariance[:, 0], axes=1)
        else:
            more = np.einsum("gk,gkij->kij", by_group, covariance)
        return first, second + more

    def drawn(self, labels: IntegerArray, normals: Array) -> Array:
        patterns, covariance = self.patterns, self.conditionals.covariance
        unknown = np.einsum("gfdd->gfd", covariance) > 0.0
        size = covariance.shape[-1]
        both = unknown[..., :, None] & unknown[..., None, :]
        factor = covariance_factor(np.where(both, covariance, np.eye(size)))
        factor = np.where(unknown[..., :, None], factor, 0.0)
        group = np.repeat(np.arange(patterns.n_groups), patterns.sizes)
        own = factor[group, labels if covariance.shape[1] > 1 else 0]
        return self.expected()[labels, np.arange(len(labels))] + np.einsum(
            "nij,nj->ni", own, normals
        )


@final
@dataclass(frozen=True, eq=False)
class CellPart(Part):
    """Rows whose cells do not depend on each other, given their components.

    Parameters
    ----------
    patterns : Patterns
        The n rows.
    apart : array of shape (K, n, D)
        How far observed cells are from the means; zero elsewhere.
    variances : array of shape (F, D)
        Of the K components, or of all of them where F is 1.
    errors : array of shape (n, D), optional
        Variances of the cells' errors; exact where None.
    """

    patterns: Patterns
    apart: Array
    variances: Array
    errors: Array | None

    def scores(self, kernel: Kernel) -> Array:
        has, total = self.patterns.has_cells, self._total()
        with np.errstate(over="ignore", invalid="ignore"):
            whitened = self.apart / np.sqrt(total)
        log_scale = -0.5 * np.where(has, np.log(total), 0.0).sum(axis=2)
        return kernel.log_density(_within(whitened), has) + log_scale.T

    def expected(self) -> Array:
        if self.errors is None:
            return self.apart
        return self.apart * (self.variances[:, None] / self._total())

    def expected_moments(self, mass: Array) -> tuple[Array, Array]:
        expected = self.expected()
        weighted = expected * mass.T[:, :, None]
        second = (weighted * expected).sum(axis=1)
        left = self._left()
        if len(left) == 1:
            second = second + mass.T @ left[0]
        else:
            second = second + np.einsum("nk,knd->kd", mass, left)
        return weighted.sum(axis=1), second

    def drawn(self, labels: IntegerArray, normals: Array) -> Array:
        rows, left = np.arange(len(labels)), self._left()
        own = left[labels if len(left) > 1 else 0, rows]
        return self.expected()[labels, rows] + normals * np.sqrt(own)

    def _total(self) -> Array:
        """Return the variances of measured cells, shape (F, n or 1, D)."""
        known = self.variances[:, None]
        return known if self.errors is None else known + self.errors

    def _left(self) -> Array:
        """Return the variances of cells about what is expected of them, shape (F, n, D)."""
        known = self.variances[:, None]
        rest = 0.0 if self.errors is None else known * (self.errors / self._total())
        return np.where(self.patterns.has_cells, rest, known)


def _within(whitened: Array) -> Array:
    """Return standardised deviations whose squares are numbers."""
    return np.clip(np.nan_to_num(whitened, nan=FARTHEST), -FARTHEST, FARTHEST)


def log_sums(scores: Array) -> Array:
    """Return the log of the summed exponentiated scores (n, K) of each row, shape (n,)."""
    # SciPy's takes as long as all else that is done to a few rows.
    most = scores.max(axis=1)
    return most + np.log(np.exp(scores - most[:, None]).sum(axis=1))


def moments_of(apart: Array, mass: Array) -> tuple[Array, Array]:
    """Return the first and second moments of deviations (K, n, D) under masses (n, K)."""
    weighted = apart * mass.T[:, :, None]
    return weighted.sum(axis=1), np.swapaxes(weighted, 1, 2) @ apart


def parts_of(patterns: Patterns, mean: Array, covariances: Array) -> Iterator[Part]:
    """Yield rows in order, as many as are held at once, with what is known of them.

    Parameters
    ----------
    patterns : Patterns
        The rows.
    mean : array of shape (K, D)
        Means of the components.
    covariances : array of shape (K, D, D), (1, D, D), (K, D) or (1, D)
        Their covariances or variances.
    """
    n_components, n_features = mean.shape
    if covariances.ndim == 2:
        if patterns.errors is None or patterns.errors.ndim == 2:
            yield from _cells(patterns, mean, covariances)
            return
        covariances = covariances[:, :, None] * np.eye(n_features)
    most_groups = max(1, NUMBERS // (4 * len(covariances) * n_features**2))
    most_rows = max(1, NUMBERS // (n_components * n_features))
    for some in patterns.parts(most_groups, most_rows):
        apart = deviations(some, mean)
        yield MatrixPart(some, conditionals_of(some, covariances), apart)


def _cells(patterns: Patterns, mean: Array, variances: Array) -> Iterator[CellPart]:
    most = max(1, NUMBERS // mean.size)
    for some in patterns.parts(most, most):
        errors = some.errors
        own = None if errors is None else np.repeat(errors, some.sizes, axis=0)
        yield CellPart(some, deviations(some, mean), variances, own)


def covariances_of(potentials: Potentials) -> Array:
    """Return the inverse precisions of the components, (K, D, D) of matrices, else (K, D).

    The first length is 1 where they share them.
    """
    factor, n_features = potentials.precision_cholesky, potentials.mean.shape[1]
    if factor.ndim == 3:
        inverse = np.linalg.inv(factor)
        return np.swapaxes(inverse, 1, 2) @ inverse
    return np.broadcast_to(1.0 / (factor * factor), (len(factor), n_features))
