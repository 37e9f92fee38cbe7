"""Climbs to a mode in one run."""

from dataclasses import dataclass
from typing import final

from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array


@final
@dataclass(frozen=True, eq=False)
class Memory:
    """What a climb by quasi-Newton steps remembers.

    Parameters
    ----------
    reference : array of shape (K,), (K, D) and the structure's
        Weights, means and covariances where the coordinates are zero.
    count : array of shape (K,)
        Total responsibilities there.
    point, gradient : array of shape (n,)
        Where the climb stands in the coordinates, and the gradient there.
    pairs : array of shape (P, 2, n)
        Steps and changes of the gradient, the latest last.
    credit : tuple of float
        What the last steps gained above what EM would have gained.
    stretch : float
        Factor of the next step.
    """

    reference: tuple[Array, Array, Array]
    count: Array
    point: Array
    gradient: Array
    pairs: Array
    credit: tuple[float, ...]
    stretch: float


@final
@dataclass(frozen=True, eq=False)
class Standing:
    """Where a climb stands.

    Parameters
    ----------
    weights, means, covariances : array of shape (K,), (K, D) and the structure's
        The parameters.
    statistics : SufficientStatistics
        What a sweep under them found, about the means.
    objective : float
        Log joint density there, in nats.
    em_steps : int
        Steps of EM so far.
    gains : tuple of float
        What the last steps of EM in a row gained.
    lengths : tuple of float
        Their squared lengths.
    idle : int
        Steps in a row that gained no more than rounding.
    memory : Memory, optional
        What is remembered; nothing after a step of EM.
    """

    weights: Array
    means: Array
    covariances: Array
    statistics: SufficientStatistics
    objective: float
    em_steps: int = 0
    gains: tuple[float, ...] = ()
    lengths: tuple[float, ...] = ()
    idle: int = 0
    memory: Memory | None = None


@final
@dataclass(frozen=True, eq=False)
class Climb:
    """Where a run of steps led.

    Parameters
    ----------
    standing : Standing
        The end.
    objectives : tuple of float
        Log joint density after each step, in nats.
    converged : bool
        Whether the last step was the last one needed.
    is_stuck : bool
        Whether the next step needs more than numbers: a component without rows, a floor that is
        met, a singular matrix.
    """

    standing: Standing
    objectives: tuple[float, ...]
    converged: bool
    is_stuck: bool
