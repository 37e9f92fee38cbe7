"""mixtura: one iteration on any engine, and fitted estimators."""

import warnings
from collections.abc import Iterator
from typing import Any, final

import numpy as np

from benchmarks.starts import StartParameters
from mixtura import GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.families import FAMILIES
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.priors import FlatComponents, FlatWeights

ENOUGH = 1 << 18
"""Size N K D from which on the native engine takes the form that it takes of many rows."""

NARROWEST = 1e-12
"""Smallest variance, relative to that of a column: the estimator's own for maximum likelihood."""


@final
class Iteration:
    """One EM iteration of maximum likelihood, always from the same parameters.

    Potentials, sweep and M-step: what the estimator does for each iteration.
    """

    def __init__(
        self, engine: Engine, start: StartParameters, structure: str, rows: np.ndarray
    ) -> None:
        n_components, n_features = start.means.shape
        family = FAMILIES[structure]
        floor = FlatComponents(NARROWEST * rows.var(axis=0, dtype=np.float64))
        self.engine, self.rows = engine, ArrayRows(rows)
        self.model = MixtureModel(n_components, n_features, FlatWeights(), floor, family)
        covariances = start.structured(structure).reshape(self.model.structure)
        self._start = MixtureParameters(start.weights, start.means, covariances)

    def __call__(self) -> MixtureParameters:
        """Run the iteration and return its parameters."""
        return self.model.mode(self.sweep(self._start))

    def sweep(self, parameters: MixtureParameters) -> SufficientStatistics:
        """Return the statistics of the rows under given parameters."""
        return self.engine.sweep(self.rows, self.model.potentials(parameters), Soft())

    def warmed_up(self) -> "Iteration":
        """Return itself after a sweep of some rows, which compiles what has to be compiled.

        Enough of them that they are swept in the same form as all.
        """
        enough = max(1000, -(-ENOUGH // self._start.means.size))
        few = ArrayRows(np.ascontiguousarray(self.rows.values[:enough]))
        self.engine.sweep(few, self.model.potentials(self._start), Soft())
        return self

    def climb(self) -> Iterator[float]:
        """Yield the log likelihood before each M-step of plain EM, for ever."""
        parameters = self._start
        while True:
            statistics = self.sweep(parameters)
            yield statistics.log_normalizer
            parameters = self.model.mode(statistics)

    def log_likelihood(self, parameters: MixtureParameters) -> float:
        """Return the log likelihood of the rows."""
        return self.sweep(parameters).log_normalizer


def quiet_fit(rows: np.ndarray, n_components: int, **options: Any) -> GaussianMixtureModel:
    """Return a fitted estimator, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianMixtureModel(n_components, **options).fit(rows)


def likelihood_fit(
    rows: np.ndarray, n_components: int, means: np.ndarray | None, **options: Any
) -> GaussianMixtureModel:
    """Return a maximum likelihood fit from given means (K, D), or from the default start."""
    start = "split" if means is None else means
    return quiet_fit(rows, n_components, inference="ml", init=start, **options)
