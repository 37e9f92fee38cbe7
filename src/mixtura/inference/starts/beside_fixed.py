"""Starts beside parameters that are given."""

from dataclasses import dataclass, replace
from typing import final

from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference.starts.base import Initializer
from mixtura.messages.assignments import Soft
from mixtura.messages.fixed_parameters import matched
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel


@final
@dataclass(frozen=True, eq=False)
class StartBesideFixed(Initializer):
    """Another start, its components numbered so that given means are near, and a sweep from it.

    Parameters
    ----------
    start : Initializer
        The other start.
    """

    start: Initializer
    name = "beside fixed parameters"
    numbers_components = True

    @property
    def needs_complete_rows(self) -> bool:  # type: ignore[override]  # as the other start does
        """Whether it looks at rows whose missing cells are filled in."""
        return self.start.needs_complete_rows

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        assert model.fixed is not None
        free = replace(model, fixed=None)
        found = self.start.statistics(free, rows, engine, number, seed)
        if not self.start.numbers_components or rows.held.size:
            found = found.permuted(matched(model.fixed, free.mode(found), rows.held))
        return engine.sweep(rows, model.potentials(model.mode(found)), Soft())
