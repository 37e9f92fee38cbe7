"""Sweeps over rows of which some cells were observed, with or without errors."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Protocol

import numpy as np

from mixtura.data import ArrayRows, Patterns, Rows
from mixtura.engines.observed.kernels import Kernel, kernel_of
from mixtura.engines.observed.parts import Part, covariances_of, log_sums, moments_of, parts_of
from mixtura.messages.assignments import Assignment, Labelled, Sampled, shares
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray, StructureShape


def _structured(second: Array, structure: StructureShape) -> Array:
    """Return second moments, (K, D, D) or (K, D), in a structure's shape."""
    if len(structure) == 2:
        second = np.einsum("kdd->kd", second) if second.ndim == 3 else second
        if structure[1] < second.shape[1]:
            second = second.sum(axis=1, keepdims=True)
    return second.sum(axis=0, keepdims=True) if structure[0] < len(second) else second


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

    @abstractmethod
    def labels(self, rows: Rows, potentials: Potentials) -> IntegerArray:
        """Return the component of the highest score of each row, shape (N,)."""

    @abstractmethod
    def sample_labels(
        self, rows: Rows, potentials: Potentials, n_draws: int, seed: int
    ) -> IntegerArray:
        """Return components drawn for each row, shape (n_draws, N)."""


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
    normalizer = log_sums(scores)
    data_term = float(weights @ assignment.data_term(scores, normalizer))
    if isinstance(assignment, Sampled):
        labels = assignment.drawn(shares(scores), positions)
        mass = np.eye(scores.shape[1])[labels] * weights[:, None]
        apart = np.zeros((scores.shape[1], *patterns.values.shape))
        normals = assignment.normals(positions, patterns.values.shape[1])
        apart[labels, np.arange(len(labels))] = part.drawn(labels, normals)
        first, second = moments_of(apart, mass)
    else:
        mass = assignment.at(positions).assign(scores, normalizer, 0) * weights[:, None]
        first, second = part.expected_moments(mass)
    second = _structured(second, potentials.structure)
    return SufficientStatistics(mass.sum(axis=0), first, second, potentials.mean, data_term)
