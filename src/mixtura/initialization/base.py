"""The first statistics of a run."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.random import SeedSequence

from mixtura.assignments import Given
from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.model import MixtureModel
from mixtura.potentials import Potentials
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


class Initializer(ABC):
    """A way to begin."""

    name: ClassVar[str]
    default_starts: ClassVar[int] = 1
    """How many starts are made where the user does not say."""

    numbers_components: ClassVar[bool] = False
    """Whether component k means something to the user before the fit."""

    @abstractmethod
    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        """Return the moments of the rows under the responsibilities of one start.

        Starts are numbered from 0.
        """


def gather(
    model: MixtureModel, rows: Rows, engine: Engine, responsibilities: Array
) -> SufficientStatistics:
    """Return the statistics under known responsibilities (N, K), about the components' means."""
    pivot = np.broadcast_to(
        engine.overall(rows, matrix=False).mean(), (model.n_components, rows.n_features)
    )
    blank = np.zeros(model.n_components)
    factor = np.zeros(model.structure)
    assignment = Given(responsibilities)
    statistics = engine.sweep(rows, Potentials(blank, blank, pivot, factor), assignment)
    # About their own means separated components lose no digits.
    return engine.sweep(rows, Potentials(blank, blank, statistics.mean(), factor), assignment)


def one_hot(labels: IntegerArray, n_components: int) -> Array:
    """Return labels (N,) as responsibilities (N, K)."""
    return np.eye(n_components)[labels]


def nearest_responsibilities(means: Array, rows: Rows, engine: Engine) -> Array:
    """Return responsibilities (N, K) under equal components around ``means`` (K, D).

    Each has the columns' overall variances divided by K^(2/D).
    """
    n_components, n_features = means.shape
    overall = engine.overall(rows, matrix=False)
    variances = overall.second / max(overall.total, np.finfo(float).tiny)
    variances = variances / n_components ** (2.0 / n_features)
    factor = 1.0 / np.sqrt(np.where(variances > 0, variances, 1.0))
    equal = np.zeros(n_components)
    return engine.responsibilities(rows, Potentials(equal, equal, means, factor))
