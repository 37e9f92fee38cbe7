"""Sweeps over rows of which some cells were observed, with or without errors."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, final

import numpy as np
from scipy.special import logsumexp

from mixtura.data import ArrayRows, Patterns, Rows
from mixtura.engines.observed.kernels import Kernel, kernel_of
from mixtura.engines.observed.regressions import (
    Conditionals,
    conditionals_of,
    deviations,
    times,
)
from mixtura.messages.assignments import Assignment, Labelled, Sampled, shares
from mixtura.messages.linalg import covariance_factor
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray, StructureShape

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


def _structured(second: Array, structure: StructureShape) -> Array:
    """Return second moments (K, D, D) in a structure's shape."""
    if len(structure) == 2:
        second = np.einsum("kdd->kd", second)
        if structure[1] < second.shape[1]:
            second = second.sum(axis=1, keepdims=True)
    return second.sum(axis=0, keepdims=True) if structure[0] < len(second) else second


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


class Passes(Protocol):
    """Passes over rows in groups, under components of an engine's own form; None for those not had.

    An assignment, and what is returned, is in the order of the groups.
    """

    def sweep(self, patterns: Patterns, assignment: Assignment) -> SufficientStatistics | None:
        """Return the statistics of rows, what was not observed integrated out."""

    def responsibilities(self, patterns: Patterns) -> Array | None:
        """Return each component's share of each row, shape (n, K)."""

    def log_density(self, patterns: Patterns) -> Array | None:
        """Return the log density of what was observed of each row, shape (n,)."""


class Sweeper(ABC):
    """What rows that are complete and exact are asked of."""

    def passes(self, potentials: Potentials) -> Passes | None:
        """Return passes over rows that are not, or None where the engine has none of its own."""
        return None

    @abstractmethod
    def sweep(
        self, rows: Rows, potentials: Potentials, assignment: Assignment
    ) -> SufficientStatistics:
        """Return the weighted moments of the rows under their responsibilities."""

    @abstractmethod
    def responsibilities(self, rows: Rows, potentials: Potentials) -> Array:
        """Return each component's share of each row, shape (N, K)."""

    @abstractmethod
    def log_density(self, rows: Rows, potentials: Potentials) -> Array:
        """Return the log of the summed exponentiated scores of each row, shape (N,)."""


def swept(
    engine: Sweeper, rows: ArrayRows, potentials: Potentials, assignment: Assignment
) -> SufficientStatistics:
    """Return the statistics of rows, those that are not observed in full integrated out.

    Of sampled components the missing cells are drawn too.
    """
    total = SufficientStatistics.zero(potentials.mean, potentials.structure)
    if rows.observation.complete.size:
        total = total + _swept_complete(engine, rows, potentials, assignment)
    passes = engine.passes(potentials)
    for patterns in rows.observation.patterns:
        found = None
        if passes is not None:
            found = passes.sweep(patterns, assignment.at(patterns.positions))
        total = total + (found or _swept_patterns(patterns, potentials, assignment))
    return total


def _swept_patterns(
    patterns: Patterns, potentials: Potentials, assignment: Assignment
) -> SufficientStatistics:
    total = SufficientStatistics.zero(potentials.mean, potentials.structure)
    kernel = kernel_of(potentials)
    for part in parts_of(patterns, potentials.mean, covariances_of(potentials)):
        total = total + _part_statistics(part, kernel, assignment)
    return total


def scored(patterns: Patterns, potentials: Potentials) -> Iterator[tuple[IntegerArray, Array]]:
    """Yield positions (n,) and scores (n, K) of rows."""
    kernel = kernel_of(potentials)
    for part in parts_of(patterns, potentials.mean, covariances_of(potentials)):
        yield part.patterns.positions, part.scores(kernel)


def scored_parts(rows: ArrayRows, potentials: Potentials) -> Iterator[tuple[Part, Array]]:
    """Yield the rows that are not observed in full, with their scores (n, K)."""
    covariances, kernel = covariances_of(potentials), kernel_of(potentials)
    for patterns in rows.observation.patterns:
        for part in parts_of(patterns, potentials.mean, covariances):
            yield part, part.scores(kernel)


def _swept_complete(
    engine: Sweeper, rows: ArrayRows, potentials: Potentials, assignment: Assignment
) -> SufficientStatistics:
    """Return the statistics of the rows that are complete and exact."""
    whole, positions = rows.complete_rows, rows.observation.complete
    if not isinstance(assignment, Sampled):
        return engine.sweep(whole, potentials, assignment.at(positions))
    labels = assignment.drawn(engine.responsibilities(whole, potentials), positions)
    found = engine.sweep(whole, potentials, Labelled(labels))
    densities = engine.log_density(whole, potentials)
    weights = np.ones(len(labels)) if whole.weights is None else whole.weights
    return replace(found, log_normalizer=float(weights @ densities))


def _part_statistics(part: Part, kernel: Kernel, assignment: Assignment) -> SufficientStatistics:
    patterns, potentials = part.patterns, kernel.potentials
    scores, weights, positions = part.scores(kernel), patterns.row_weights, patterns.positions
    normalizer = np.asarray(logsumexp(scores, axis=1))
    data_term = float(weights @ assignment.data_term(scores, normalizer))
    if isinstance(assignment, Sampled):
        labels = assignment.drawn(shares(scores), positions)
        mass = np.eye(scores.shape[1])[labels] * weights[:, None]
        apart = np.zeros_like(part.apart)
        normals = assignment.normals(positions, apart.shape[2])
        apart[labels, np.arange(len(labels))] = part.drawn(labels, normals)
        first, second = moments_of(apart, mass)
    else:
        mass = assignment.at(positions).assign(scores, normalizer, 0) * weights[:, None]
        first, second = part.expected_moments(mass)
    second = _structured(second, potentials.structure)
    return SufficientStatistics(mass.sum(axis=0), first, second, potentials.mean, data_term)
