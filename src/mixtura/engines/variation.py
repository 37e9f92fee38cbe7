"""Runs of variational Bayes."""

from dataclasses import dataclass
from typing import final

from mixtura.messages.statistics import SufficientStatistics


@final
@dataclass(frozen=True, eq=False)
class Factors:
    """Where coordinate ascent stands.

    Parameters
    ----------
    basis : SufficientStatistics
        The statistics that gave the factors of weights and components.
    found : SufficientStatistics
        What a sweep under these factors found, about the expected means.
    objective : float
        Evidence lower bound there, in nats.
    lengths : tuple of float
        Squared lengths of the last steps in a row, in standard errors of the complete data.
    """

    basis: SufficientStatistics
    found: SufficientStatistics
    objective: float
    lengths: tuple[float, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Variation:
    """Where a run of steps led.

    Parameters
    ----------
    factors : Factors
        The end.
    objectives : tuple of float
        Evidence lower bound after each step, in nats.
    converged : bool
        Whether the last step was the last one needed.
    is_stuck : bool
        Whether the next step needs more than numbers: a singular matrix, a density that reaches
        as far as float64.
    """

    factors: Factors
    objectives: tuple[float, ...]
    converged: bool
    is_stuck: bool
