"""Minibatches: the posterior is brought up to date after each part of the rows."""

from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import final

import numpy as np

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference.expectation_maximization import Optimizer
from mixtura.inference.schedules import BATCH_SIZE
from mixtura.inference.states import State, StateSummary, summed_scores
from mixtura.inference.stopping import ascent_is_over, followed
from mixtura.messages.assignments import Soft
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel


@final
@dataclass(frozen=True, eq=False)
class DecayedStatistics:
    """Where an incremental search stands.

    Parameters
    ----------
    state : State
        The posterior that the statistics of all minibatches give.
    parts : tuple of SufficientStatistics
        The statistics of each minibatch when it was last visited; in place of the data term each
        holds the entropy of its responsibilities. Empty before the first visit.
    """

    state: State
    parts: tuple[SufficientStatistics, ...] = ()


@final
@dataclass(frozen=True)
class Incremental(Optimizer[DecayedStatistics]):
    """Coordinate ascent, one minibatch at a time [NealHinton1998]_ [HughesSudderth2013]_.

    What a minibatch said at its last visit is remembered and replaced at the next, so every row
    counts once, there is no learning rate, and the end is that of full sweeps. The objective is
    the bound that the remembered responsibilities give: it never decreases, and meets the exact
    objective at the end.

    Parameters
    ----------
    summary : StateSummary
        What stands for the posterior while the rows are swept.
    batch_size : int
        Rows of a minibatch.
    """

    summary: StateSummary
    batch_size: int

    def __post_init__(self) -> None:
        replace(BATCH_SIZE, optional=False).read(self.batch_size, "batch_size")

    def begin(self, model: MixtureModel, state: State) -> DecayedStatistics:
        return DecayedStatistics(state)

    def step(
        self, model: MixtureModel, rows: Rows, engine: Engine, search: DecayedStatistics
    ) -> DecayedStatistics:
        parts = list(search.parts)
        total = reduce(add, parts) if parts else search.state.statistics
        for number, batch in enumerate(rows.batches(self.batch_size)):
            potentials = self.summary.potentials(model, total, search.state.parameters)
            if number == len(parts):
                # The first visit: nothing to replace yet, so nothing is updated on the way.
                parts.append(visited(batch, engine, potentials))
                continue
            found = visited(batch, engine, potentials)
            total = _replaced(total, parts[number], found)
            parts[number] = found
        return self._gathered(model, rows, parts, search.state)

    def _gathered(
        self, model: MixtureModel, rows: Rows, parts: list[SufficientStatistics], before: State
    ) -> DecayedStatistics:
        # Added anew, since replacing leaves rounding behind.
        total = reduce(add, parts)
        order = np.arange(total.count.size)
        if not rows.held.size:
            order = model.weight_prior.preferred_order(total.count)
            total = total.permuted(order)
        near = before.parameters.permuted(order)
        potentials = self.summary.potentials(model, total, near)
        data_term = total.log_normalizer + summed_scores(potentials, total)
        state = followed(before, self.summary.state_of(model, total, data_term, near))
        return DecayedStatistics(state, tuple(part.permuted(order) for part in parts))

    def state(self, search: DecayedStatistics) -> State:
        return search.state

    def settled(self, old: DecayedStatistics, new: DecayedStatistics, tol: float) -> bool:
        return ascent_is_over(old.state, new.state, tol)


def visited(batch: Rows, engine: Engine, potentials: Potentials) -> SufficientStatistics:
    """Return a minibatch's statistics with the entropy in place of the data term."""
    found = engine.sweep(batch, potentials, Soft())
    entropy = found.log_normalizer - summed_scores(potentials, found)
    return replace(found, log_normalizer=entropy)


def _replaced(
    total: SufficientStatistics, old: SufficientStatistics, new: SufficientStatistics
) -> SufficientStatistics:
    changed = total - old + new
    return replace(changed, count=np.maximum(changed.count, 0.0))
