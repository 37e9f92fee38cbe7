"""Coordinate ascent, of which EM is one case: summary x soft x full sweeps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar, final

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference.states import Mode, State, StateSummary
from mixtura.inference.stopping import ascent_is_over, followed
from mixtura.model import MixtureModel

Search = TypeVar("Search")


class Optimizer(ABC, Generic[Search]):
    """A way to the nearest optimum: search in, search out; the driver holds the loop."""

    summary: StateSummary
    """What stands for the posterior while the rows are swept."""

    @abstractmethod
    def begin(self, model: MixtureModel, state: State) -> Search:
        """Return a search that stands at a state."""

    @abstractmethod
    def step(self, model: MixtureModel, rows: Rows, engine: Engine, search: Search) -> Search:
        """Return the next search; its objective is never lower, but for rounding."""

    @abstractmethod
    def state(self, search: Search) -> State:
        """Return where a search stands."""

    @abstractmethod
    def settled(self, old: Search, new: Search, tol: float) -> bool:
        """Whether the last step was the last one needed: at most ``tol`` nats are left to gain."""


@final
@dataclass(frozen=True)
class CoordinateAscent(Optimizer[State]):
    """The posterior given the rows' shares, the shares given the posterior, and so on.

    Plain EM [Dempster1977]_ where the mode stands for the posterior. The objective of a new state
    is never below that of the old one, but for rounding.

    Parameters
    ----------
    summary : StateSummary
        What stands for the posterior while the rows are swept.
    merges : bool
        Whether components are merged at the end where that raises the objective.
    """

    summary: StateSummary = Mode()  # noqa: RUF009 - frozen
    merges: bool = False

    def begin(self, model: MixtureModel, state: State) -> State:
        return state

    def step(self, model: MixtureModel, rows: Rows, engine: Engine, search: State) -> State:
        new = self.summary.next_state(model, rows, engine, search)
        is_held = model.background is not None or model.family.is_restricted
        if is_held and new.objective < search.objective:
            # No step of ascent loses but by rounding, of which there is most at a floor.
            return followed(search, search)
        return followed(search, new)

    def state(self, search: State) -> State:
        return search

    def settled(self, old: State, new: State, tol: float) -> bool:
        return ascent_is_over(old, new, tol)
