"""Assignments: what a row's scores say about which component it belongs to."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
from scipy.special import ndtri  # pyright: ignore[reportAttributeAccessIssue]

from mixtura.typing import Array, IntegerArray

STEP = 1.0 / (1 << 53)
"""From one uniform number to the next."""

CELLS = 1
"""Key of the random numbers of cells, beside those of rows."""

MEMBERS = 2
"""Key of the random numbers that say which rows belong to any component."""

PARTS = 0x7061_7274
"""Key of the random numbers of parts of the rows."""


def shares(scores: Array) -> Array:
    """Return probabilities proportional to the exponentiated scores, shape (n, K).

    Each row is divided by its own sum: a row 1e8 deviations from every component has scores of
    -5e15, from which a logarithm of the sum can no longer be subtracted.
    """
    top = scores.max(axis=1, keepdims=True)
    impossible = top == -np.inf
    if impossible.any():  # a row of no weight may have a label that no component can have
        scores, top = np.where(impossible, 0.0, scores), np.where(impossible, 0.0, top)
    relative = np.exp(scores - top)
    return relative / relative.sum(axis=1, keepdims=True)


class Assignment(ABC):
    """Turns scores into responsibilities."""

    is_given: ClassVar[bool] = False
    """Whether the responsibilities are known beforehand."""

    first_row: int = 0
    """Position among all rows of what is row 0 here, by which random numbers are keyed."""

    @abstractmethod
    def assign(self, scores: Array, log_normalizer: Array, first_row: int) -> Array:
        """Return responsibilities of shape (n, K) whose rows sum to one.

        Parameters
        ----------
        scores : array of shape (n, K)
            Scores of one block of rows.
        log_normalizer : array of shape (n,)
            Log of the summed exponentiated scores.
        first_row : int
            Position of the block's first row in the data.
        """

    def data_term(self, scores: Array, log_normalizer: Array) -> Array:
        """Return each row's contribution to the data term of the objective, shape (n,).

        Zero where the assignment does not ask for scores.
        """
        return log_normalizer

    def at(self, positions: IntegerArray) -> "Assignment":
        """Return the assignment of the rows at some positions (n,), which are rows 0 ... n - 1."""
        return self

    def of_rows(self, start: int, stop: int) -> "Assignment":
        """Return the assignment of the rows from ``start`` to before ``stop``, as rows 0, 1 ..."""
        return self

    def of_part(self, number: int) -> "Assignment":
        """Return the assignment of one of several parts of the rows, each numbered from row 0."""
        return self


@final
class Soft(Assignment):
    """Responsibilities proportional to the exponentiated scores."""

    def assign(self, scores: Array, log_normalizer: Array, first_row: int) -> Array:
        return shares(scores)


@final
class Hard(Assignment):
    """The whole row to its most probable component (the first of equals)."""

    def assign(self, scores: Array, log_normalizer: Array, first_row: int) -> Array:
        return np.eye(scores.shape[1])[scores.argmax(axis=1)]

    def data_term(self, scores: Array, log_normalizer: Array) -> Array:
        return scores.max(axis=1)


@final
@dataclass(frozen=True, eq=False)
class Sampled(Assignment):
    """The whole row to one component, drawn with the responsibilities' probabilities.

    A row's draw is a function of (seed, sweep, row), whatever the blocks and threads.

    Parameters
    ----------
    seed : int
        Seed of the run.
    sweep : int
        Number of the sweep within the run.
    first_row : int
        Position among all rows of what is row 0 here.
    """

    seed: int
    sweep: int = 0
    first_row: int = 0

    def of_rows(self, start: int, stop: int) -> "Sampled":
        return replace(self, first_row=self.first_row + start)

    def assign(self, scores: Array, log_normalizer: Array, first_row: int) -> Array:
        positions = np.arange(first_row, first_row + scores.shape[0])
        return np.eye(scores.shape[1])[self.drawn(shares(scores), positions)]

    def drawn(self, probabilities: Array, positions: IntegerArray) -> IntegerArray:
        """Return components drawn with probabilities (n, K) for the rows at positions (n,)."""
        uniform = uniforms_at(row_key(self.seed, self.sweep), positions + self.first_row)
        cumulative = np.cumsum(probabilities, axis=1)
        # Compare with the last sum rather than with 1: rounding must not pick a component K.
        below = cumulative <= (uniform * cumulative[:, -1])[:, None]
        return np.asarray(below[:, :-1].sum(axis=1))

    def of_part(self, number: int) -> "Sampled":
        # Equal positions in different parts are different rows: they need other numbers.
        if number == 0:
            return self
        words = np.random.SeedSequence(self.seed, spawn_key=(PARTS, number)).generate_state(2)
        return Sampled(int(words[0]) << 32 | int(words[1]), self.sweep, self.first_row)

    def uniforms_of_rows(self, n_rows: int) -> Array:
        """Return a number from 0 to below 1 for each row, others than those of its component."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.sweep, MEMBERS))
        key = int(sequence.generate_state(1, np.uint64)[0])
        return row_uniforms(key, self.first_row, n_rows)

    def normals(self, positions: IntegerArray, n_features: int) -> Array:
        """Return standard normal numbers for the cells of the rows at positions (n,), (n, D).

        Those of a cell are a function of (seed, sweep, row, column).
        """
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.sweep, CELLS))
        keys = sequence.generate_state(n_features, np.uint64)
        uniforms = [uniforms_at(int(key), positions + self.first_row) for key in keys]
        # In the middle of the smallest steps: neither 0 nor 1, of which there is no quantile.
        return np.asarray(ndtri(np.stack(uniforms, axis=1) + 0.5 * STEP))


def row_key(seed: int, sweep: int) -> int:
    """Return the 64-bit key of a sweep's row numbers."""
    sequence = np.random.SeedSequence(seed, spawn_key=(sweep,))
    return int(sequence.generate_state(1, np.uint64)[0])


def row_uniforms(key: int, first_row: int, n_rows: int) -> Array:
    """Return a number from 0 to below 1 for each row: SplitMix64 of the row's number [Steele2014]_.

    A counter-based generator: any row's number can be had without those before it.
    """
    return uniforms_at(key, np.arange(first_row, first_row + n_rows))


def uniforms_at(key: int, positions: IntegerArray) -> Array:
    """Return the numbers of :func:`row_uniforms` for rows at positions (n,)."""
    counter = positions.astype(np.uint64) + np.uint64(1)
    bits = np.uint64(key) + counter * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return (bits >> np.uint64(11)).astype(np.float64) * STEP


@final
@dataclass(frozen=True, eq=False)
class Given(Assignment):
    """Responsibilities that are known beforehand, such as those of a start.

    Parameters
    ----------
    responsibilities : array of shape (N, K)
        One row for each row of the data, each summing to one.
    """

    responsibilities: Array

    is_given = True

    def assign(self, scores: Array, log_normalizer: Array, first_row: int) -> Array:
        return self.responsibilities[first_row : first_row + scores.shape[0]]

    def data_term(self, scores: Array, log_normalizer: Array) -> Array:
        return np.zeros_like(log_normalizer)

    def of_rows(self, start: int, stop: int) -> "Given":
        return Given(self.responsibilities[start:stop])

    def at(self, positions: IntegerArray) -> "Given":
        return Given(self.responsibilities[positions])


@final
@dataclass(frozen=True, eq=False)
class Labelled(Assignment):
    """Whole rows to components that are known beforehand.

    Parameters
    ----------
    labels : integer array of shape (N,)
        Component of each row, 0 to K - 1.
    """

    labels: IntegerArray

    is_given = True

    def assign(self, scores: Array, log_normalizer: Array, first_row: int) -> Array:
        labels = self.labels[first_row : first_row + scores.shape[0]]
        return np.eye(scores.shape[1])[labels]

    def data_term(self, scores: Array, log_normalizer: Array) -> Array:
        return np.zeros_like(log_normalizer)

    def of_rows(self, start: int, stop: int) -> "Labelled":
        return Labelled(self.labels[start:stop])

    def at(self, positions: IntegerArray) -> "Labelled":
        return Labelled(self.labels[positions])
