"""What chains of every kind have in common: a plan, a place in it, and what can be kept of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, final

import numpy as np

from mixtura.messages.prior_arrays import kept_before
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array


@final
@dataclass(frozen=True)
class ChainPlan:
    """How long a chain runs and what is kept of it.

    Parameters
    ----------
    draws : int
        Number of draws that are kept.
    warmup : int
        Number of sweeps before the first of them.
    thin : int
        Number of sweeps from one to the next.
    """

    draws: int
    warmup: int
    thin: int

    @property
    def sweeps(self) -> int:
        """Number of draws whose density is known: the first, and one after each sweep but one."""
        return self.warmup + self.draws * self.thin

    @property
    def kept(self) -> slice:
        """Positions of the draws that are kept among all."""
        return slice(self.warmup + self.thin - 1, self.sweeps, self.thin)

    def kept_before(self, sweep: int) -> int:
        """Return how many draws have been kept before a sweep."""
        return kept_before(sweep, self.warmup, self.thin)

    def until(self, sweep: int) -> "ChainPlan":
        """Return the plan of which a chain that ends before a sweep is the whole."""
        return ChainPlan(self.kept_before(sweep), self.warmup, self.thin)


class RunState(ABC):
    """Where a chain stands: all that its further sweeps depend on, and those behind it."""

    @property
    @abstractmethod
    def sweeps(self) -> int:
        """Number of sweeps so far."""


State = TypeVar("State", bound=RunState)

Kept = tuple[dict[str, Any], dict[str, Array]]
"""Chains as plain data for a header, and as named arrays."""


class Runner(ABC, Generic[State]):
    """What all chains of a fit have in common."""

    plan: ChainPlan

    @abstractmethod
    def begin(self, start: SufficientStatistics, seed: np.random.SeedSequence) -> State:
        """Return a chain before its first sweep, from the statistics of a start."""

    @abstractmethod
    def advance(self, state: State, sweeps: int) -> State:
        """Return the chain after some more sweeps; where it is cut shows in no bit of it."""

    @abstractmethod
    def monitored(self, states: Sequence[State], plan: ChainPlan) -> list[Array]:
        """Return the draws (C, S) of a plan by which it is told whether there are enough of them.

        Of quantities that do not depend on the numbers of the components.
        """

    @abstractmethod
    def packed(self, states: Sequence[State]) -> Kept:
        """Return chains that stand at the same sweep as plain data and arrays."""

    @abstractmethod
    def restored(
        self, header: Mapping[str, Any], arrays: Mapping[str, Array], chains: int
    ) -> list[State]:
        """Return so many chains from plain data and arrays, every size checked.

        Raises
        ------
        KeyError, TypeError, ValueError, OverflowError, IndexError
            If they do not describe chains of this fit.
        """


def generator_of(state: Any) -> np.random.Generator:
    """Return the generator that a state describes, after checking that it does."""
    bits = np.random.PCG64(0)
    bits.state = state
    return np.random.Generator(bits)


def checked(array: Array, shape: tuple[int, ...]) -> Array:
    """Return an array of a file if it is one of finite numbers and of a shape.

    Raises
    ------
    ValueError
        If it is not.
    """
    if array.shape != shape or array.dtype != np.float64 or not np.isfinite(array).all():
        raise ValueError("not an array of finite numbers of this shape")
    return array
