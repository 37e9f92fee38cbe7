"""Rows of which some cells were observed, under normal distributions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.data import Patterns
from mixtura.engines.observed.conditionals import (
    Conditionals,
    conditionals_of,
    deviations,
    times,
)
from mixtura.engines.observed.kernels import Kernel
from mixtura.factorization import covariance_factor
from mixtura.potentials import Potentials
from mixtura.typing import Array, IntegerArray

NUMBERS = 1 << 18
"""Numbers of rows, or of their groups' matrices, that are held at once."""

FARTHEST = 1e150
"""Standardised distances are held below this, so that their squares stay finite."""


@final
@dataclass(frozen=True, eq=False)
class Part:
    """Some rows, and what is known of them under normal distributions.

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
        """Return the scores of the rows, shape (n, K)."""
        known, patterns = self.conditionals, self.patterns
        with np.errstate(over="ignore", invalid="ignore"):
            whitened = times(self.apart, known.standardising, patterns)
        whitened = np.clip(np.nan_to_num(whitened, nan=FARTHEST), -FARTHEST, FARTHEST)
        observed = np.repeat(patterns.observed, patterns.sizes, axis=0)
        found = kernel.log_density(whitened, observed)
        return found + np.repeat(known.log_scale, patterns.sizes, axis=0)

    def expected(self) -> Array:
        """Return the expected rows about each component's mean, shape (K, n, D)."""
        return times(self.apart, self.conditionals.expecting, self.patterns)

    def by_group(self, mass: Array) -> Array:
        """Return the mass (n, K) of each group, shape (G, K)."""
        return np.add.reduceat(mass, self.patterns.starts[:-1], axis=0)

    def expected_moments(self, mass: Array) -> tuple[Array, Array]:
        """Return first (K, D) and second (K, D, D) moments of rows of responsibilities (n, K)."""
        expected, covariance = self.expected(), self.conditionals.covariance
        first, second = moments_of(expected, mass)
        by_group = self.by_group(mass)
        if covariance.shape[1] == 1:
            more = np.tensordot(by_group.T, covariance[:, 0], axes=1)
        else:
            more = np.einsum("gk,gkij->kij", by_group, covariance)
        return first, second + more

    def drawn(self, labels: IntegerArray, normals: Array) -> Array:
        """Return rows about their components' means (n, D), their cells drawn.

        Parameters
        ----------
        labels : integer array of shape (n,)
            Components of the rows.
        normals : array of shape (n, D)
            Standard normal numbers, of which the cells are made.
        """
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
    covariances : array of shape (K, D, D) or (1, D, D)
        Their covariances.
    """
    n_components, n_features = mean.shape
    most_groups = max(1, NUMBERS // (4 * len(covariances) * n_features**2))
    most_rows = max(1, NUMBERS // (n_components * n_features))
    for some in patterns.parts(most_groups, most_rows):
        apart = deviations(some, mean)
        yield Part(some, conditionals_of(some, covariances), apart)


def covariances_of(potentials: Potentials) -> Array:
    """Return the inverse precisions of the components, (K, D, D), or (1, D, D) if they share it."""
    factor, n_features = potentials.precision_cholesky, potentials.mean.shape[1]
    if factor.ndim == 3:
        inverse = np.linalg.inv(factor)
        return np.swapaxes(inverse, 1, 2) @ inverse
    variances = np.broadcast_to(1.0 / (factor * factor), (len(factor), n_features))
    return variances[:, :, None] * np.eye(n_features)
