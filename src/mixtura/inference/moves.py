"""Coordinate ascent that also merges, drops and splits components."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import final

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference import move_proposals
from mixtura.inference.expectation_maximization import CoordinateAscent, Optimizer
from mixtura.inference.states import State, StateSummary
from mixtura.inference.stopping import ascent_is_over, is_higher
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel

NEARLY_SETTLED = 1e-2
"""Gain of a sweep, in nats for each row, below which moves are tried."""

PATIENCE = {"merge": 3, "drop": 4, "split": 8}
"""Sweeps within which a move must have raised the bound."""

REGROUP = 4
"""Sweeps after a split at which halves that belong together are merged again."""


@final
class Kind(Enum):
    """What is tried."""

    MERGE = "merge"
    DROP = "drop"
    SPLIT = "split"


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """A move that is being tried.

    Parameters
    ----------
    kind : Kind
        What was done.
    state : State
        Where it has led.
    sweeps : int
        Sweeps since.
    """

    kind: Kind
    state: State
    sweeps: int = 0


@final
@dataclass(frozen=True, eq=False)
class Tour:
    """Where a search with moves stands.

    Parameters
    ----------
    kept : State
        The best state.
    gain : float
        What the last sweep of it gained, in nats.
    trial : Trial, optional
        The move that is being tried.
    most : int
        Largest number of merges in the next trial; 0 where merges have been tried.
    n_dropped : int
        How many components have been tried to be dropped, from the smallest up.
    has_split : bool
        Whether splits have been tried.
    """

    kept: State
    gain: float = float("inf")
    trial: Trial | None = None
    most: int = 1 << 30
    n_dropped: int = 0
    has_split: bool = False


@final
@dataclass(frozen=True)
class Moves(Optimizer[Tour]):
    """Coordinate ascent whose settled ends are left by moves [UedaGhahramani2002]_.

    A step is one sweep. Where sweeps gain little any more, merges of several pairs at once, drops
    of the smallest components and splits of all components at once are tried in turn: a move is
    kept if some sweeps later the bound is higher, and otherwise the old state comes back. So the
    bound of what is kept never falls. The search ends where no move has helped.

    Parameters
    ----------
    summary : StateSummary
        What stands for the posterior while the rows are swept.
    """

    summary: StateSummary

    def begin(self, model: MixtureModel, state: State) -> Tour:
        return Tour(state)

    def state(self, search: Tour) -> State:
        return search.kept

    def settled(self, old: Tour, new: Tour, tol: float) -> bool:
        if old.trial is not None or new.trial is not None or not self._is_exhausted(new):
            return False
        return ascent_is_over(old.kept, new.kept, tol)

    def step(self, model: MixtureModel, rows: Rows, engine: Engine, search: Tour) -> Tour:
        if search.trial is not None:
            return self._continued(model, rows, engine, search, search.trial)
        if search.gain <= NEARLY_SETTLED * rows.total_weight and not self._is_exhausted(search):
            search, changed, kind = self._proposed(model, search)
            if changed is not None:
                state = self.summary.state(model, rows, engine, changed)
                return self._judged(replace(search, trial=Trial(kind, state, 1)))
        new = CoordinateAscent(self.summary).step(model, rows, engine, search.kept)
        return replace(search, kept=new, gain=new.objective - search.kept.objective)

    def _continued(
        self, model: MixtureModel, rows: Rows, engine: Engine, search: Tour, trial: Trial
    ) -> Tour:
        statistics = trial.state.statistics
        if trial.kind is Kind.SPLIT and trial.sweeps == REGROUP:
            parameters, most = trial.state.parameters, model.n_components
            statistics, _ = move_proposals.merged(self.summary, model, statistics, parameters, most)
        state = self.summary.state(model, rows, engine, statistics)
        return self._judged(replace(search, trial=Trial(trial.kind, state, trial.sweeps + 1)))

    def _judged(self, search: Tour) -> Tour:
        """Return the search with a trial that has raised the bound kept, or a vain one dropped."""
        trial, old = search.trial, search.kept.objective
        assert trial is not None
        if is_higher(trial.state.objective, old):
            return Tour(trial.state)
        if trial.sweeps < PATIENCE[trial.kind.value]:
            return search
        return replace(search, trial=None)

    @staticmethod
    def _is_exhausted(search: Tour) -> bool:
        n_small = len(move_proposals.small(search.kept.statistics))
        return search.most == 0 and search.has_split and search.n_dropped >= n_small

    def _proposed(
        self, model: MixtureModel, search: Tour
    ) -> tuple[Tour, SufficientStatistics | None, Kind]:
        """Return the next move and the search that knows of it; None where there is none."""
        kept = search.kept
        if search.most:
            changed, n_merges = move_proposals.merged(
                self.summary, model, kept.statistics, kept.parameters, search.most
            )
            search = replace(search, most=n_merges // 2)
            if n_merges:
                return search, changed, Kind.MERGE
        if not search.has_split:
            search = replace(search, has_split=True)
            if len(move_proposals.occupied(kept.statistics)) < model.n_components:
                changed = move_proposals.split(model, kept.statistics, kept.parameters)
                return search, changed, Kind.SPLIT
        small = move_proposals.small(kept.statistics)
        if search.n_dropped < len(small):
            component = int(small[search.n_dropped])
            search = replace(search, n_dropped=search.n_dropped + 1)
            return search, move_proposals.dropped(kept.statistics, component), Kind.DROP
        return search, None, Kind.MERGE
