"""A background: rows that belong to no component, uniform on an axis-aligned box."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy.special import betaln, digamma

from mixtura.typing import Array

BACKGROUND = -2
"""Label of rows of the background."""

Pair = tuple[float, float]

UNIFORM: Pair = (1.0, 1.0)
"""Pseudo-counts of the prior of a background's weight, where none are given."""


@final
@dataclass(frozen=True, eq=False)
class Background:
    """A uniform density on a box, and what is known of its weight beforehand.

    Parameters
    ----------
    lower, upper : array of shape (D,)
        Sides of the box, in the data's units.
    concentration : tuple of float
        Beta prior of the weight: pseudo-counts of the background, and of all components together.
    volume : float, optional
        What the density is one over where it was given; by default the volume of the box. The
        sides by which the density is a product over columns are then all longer, or shorter, by
        the same factor.
    """

    lower: Array
    upper: Array
    concentration: Pair = UNIFORM
    volume: float | None = None

    @property
    def sides(self) -> Array:
        """What the density of each column is one over, shape (D,)."""
        sides = self.upper - self.lower
        if self.volume is None:
            return sides
        logs = np.log(sides)
        return sides * np.exp((np.log(self.volume) - logs.sum()) / sides.size)

    @property
    def log_volume(self) -> float:
        """Log of what the density of a complete row is one over."""
        return float(np.log(self.sides).sum())

    @property
    def n_parameters(self) -> int:
        """Number of free parameters: the weight, and the volume unless it was given."""
        return 1 if self.volume is not None else 2

    def rescaled(self, factor: Array) -> "Background":
        """Return the background of ``x * factor``, factor of shape (D,)."""
        volume = None if self.volume is None else float(self.volume * np.prod(factor))
        return replace(self, lower=self.lower * factor, upper=self.upper * factor, volume=volume)

    def given(self, count: float, rest: float) -> Pair:
        """Return the posterior's pseudo-counts, given the weight of rows here and elsewhere."""
        return self.concentration[0] + count, self.concentration[1] + rest

    def mode(self, count: float, rest: float) -> float:
        """Return the most probable weight given the weight of rows here and elsewhere."""
        first, second = self.given(count, rest)
        first, second = max(first - 1.0, 0.0), max(second - 1.0, 0.0)
        return first / (first + second) if first + second > 0.0 else 0.5

    def log_density(self, weight: float) -> float:
        """Return the log prior density of a weight of the background, in nats."""
        a, b = self.concentration
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log([weight, 1.0 - weight])
        total = sum(power * log for power, log in ((a - 1.0, logs[0]), (b - 1.0, logs[1])) if power)
        return float(total - betaln(a, b))

    def divergence(self, count: float, rest: float) -> float:
        """Return the divergence of the weight's posterior from its prior, in nats."""
        a, b = self.given(count, rest)
        c, d = self.concentration
        of_logs = (a - c) * digamma(a) + (b - d) * digamma(b) - (a + b - c - d) * digamma(a + b)
        return float(of_logs - betaln(a, b) + betaln(c, d))

    def expected_logs(self, count: float, rest: float) -> Pair:
        """Return the expected logs of the weight and of one minus it."""
        a, b = self.given(count, rest)
        return float(digamma(a) - digamma(a + b)), float(digamma(b) - digamma(a + b))

    def mean(self, count: float, rest: float) -> float:
        """Return the expected weight."""
        a, b = self.given(count, rest)
        return a / (a + b)

    def draw(self, n_rows: int, rng: np.random.Generator) -> Array:
        """Return rows (n_rows, D) drawn uniformly from the box."""
        return rng.uniform(self.lower, self.upper, (n_rows, self.lower.size))


@final
@dataclass(frozen=True, eq=False)
class BackgroundPotential:
    """How rows are scored under the background.

    Parameters
    ----------
    log_weight : float
        Log of its weight, or the expected one.
    box : Background
        Its density.
    """

    log_weight: float
    box: Background
