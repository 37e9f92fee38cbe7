"""The first statistics of a run."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.messages.assignments import Assignment, Labelled, Soft
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array, IntegerArray, StructureShape


class Initializer(ABC):
    """A way to begin."""

    name: ClassVar[str]
    default_starts: ClassVar[int] = 1
    """How many starts are made where the user does not say."""

    needs_complete_rows: ClassVar[bool] = True
    """Whether it looks at rows whose missing cells are filled in."""

    numbers_components: ClassVar[bool] = False
    """Whether component k means something to the user before the fit."""

    @abstractmethod
    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        """Return the moments of the rows under the responsibilities of one start.

        Starts are numbered from 0.
        """


def share_statistics(
    model: MixtureModel, rows: Rows, engine: Engine, assignment: Assignment
) -> SufficientStatistics:
    """Return the statistics under a known assignment, about the components' means."""
    centre = engine.overall(rows, matrix=False).mean()[0]
    return _assigned(rows, engine, model.structure, model.n_components, assignment, centre)


def label_statistics(
    model: MixtureModel, rows: Rows, engine: Engine, labels: IntegerArray
) -> SufficientStatistics:
    """Return the statistics of rows whose components (N,) are known."""
    return share_statistics(model, rows, engine, Labelled(labels))


def label_statistics_of(
    rows: Rows,
    engine: Engine,
    structure: StructureShape,
    n_components: int,
    labels: IntegerArray,
    centre: Array,
) -> SufficientStatistics:
    """Return the statistics of rows whose components (N,) and whose mean (D,) are known."""
    return _assigned(rows, engine, structure, n_components, Labelled(labels), centre)


def _assigned(
    rows: Rows,
    engine: Engine,
    structure: StructureShape,
    n_components: int,
    assignment: Assignment,
    centre: Array,
) -> SufficientStatistics:
    pivot = np.broadcast_to(centre, (n_components, rows.n_features))
    blank = np.zeros(n_components)
    factor = np.zeros(structure)
    statistics = engine.sweep(rows, Potentials(blank, blank, pivot, factor), assignment)
    # About their own means separated components lose no digits.
    return engine.sweep(rows, Potentials(blank, blank, statistics.mean(), factor), assignment)


def near_statistics(
    model: MixtureModel, rows: Rows, engine: Engine, means: Array
) -> SufficientStatistics:
    """Return the statistics under equal components around ``means`` (K, D).

    Each has the columns' overall variances divided by K^(2/D); their average where the structure
    has one variance for all columns.
    """
    n_components, n_features = means.shape
    overall = engine.overall(rows, matrix=False)
    variances = overall.second[0] / max(overall.total, np.finfo(float).tiny)
    variances = variances / n_components ** (2.0 / n_features)
    structure = model.structure
    if len(structure) == 2 and structure[1] == 1:
        variances = variances.mean(keepdims=True)
    factor = 1.0 / np.sqrt(np.where(variances > 0, variances, 1.0))
    if len(structure) == 3:
        factor = np.diag(factor)
    equal = np.zeros(n_components)
    potentials = Potentials(equal, equal, means, np.broadcast_to(factor, structure).copy())
    return engine.sweep(rows, potentials, Soft())


def standard_units(rows: Rows, engine: Engine) -> tuple[Array, Array]:
    """Return the columns' means (D,) and reciprocal deviations (D,), zero for a constant one."""
    overall = engine.overall(rows, matrix=False)
    variances = overall.second[0] / max(overall.total, np.finfo(float).tiny)
    varied = variances > 0
    inverse = np.where(varied, 1.0 / np.sqrt(np.where(varied, variances, 1.0)), 0.0)
    return overall.mean()[0], inverse
