"""A posterior represented by one value of the parameters."""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.families import CovarianceFamily
from mixtura.messages.background import Background
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.model import draw_rows, potentials_of
from mixtura.posteriors.base import Posterior
from mixtura.typing import Array, IntegerArray


@final
@dataclass(frozen=True, eq=False)
class PointPosterior(Posterior):
    """The mode of the posterior (or of the likelihood).

    Parameters
    ----------
    estimate : MixtureParameters
        Weights, means and covariances.
    family : CovarianceFamily
        Structure of the covariances.
    background : Background, optional
        What rows come from that belong to no component.
    """

    estimate: MixtureParameters
    family: CovarianceFamily
    background: Background | None = None

    @property
    def parameters(self) -> MixtureParameters:
        return self.estimate

    @property
    def potentials(self) -> Potentials:
        """What an engine needs to score rows."""
        return _potentials_of(self)

    def log_predictive(self, rows: Rows, engine: Engine) -> Array:
        return engine.log_density(rows, self.potentials)

    def responsibilities(self, rows: Rows, engine: Engine) -> Array:
        return engine.responsibilities(rows, self.potentials)

    def labels(self, rows: Rows, engine: Engine) -> IntegerArray:
        return engine.labels(rows, self.potentials)

    def sample_assignments(
        self, rows: Rows, engine: Engine, n_draws: int, seed: int
    ) -> IntegerArray:
        return engine.sample_labels(rows, self.potentials, n_draws, seed)

    def expected_rows(self, rows: ArrayRows, engine: Engine) -> Array:
        return engine.expected_rows(rows, self.potentials)

    def sample_rows(
        self, rows: ArrayRows, engine: Engine, n_draws: int, rng: np.random.Generator
    ) -> Array:
        seeds = rng.integers(2**63, size=n_draws)
        drawn = [engine.drawn_rows(rows, self.potentials, int(seed)) for seed in seeds]
        return np.stack(drawn)

    def sample(self, n_rows: int, rng: np.random.Generator) -> tuple[Array, IntegerArray]:
        return draw_rows(self.family, self.estimate, n_rows, rng, self.background)


@lru_cache(maxsize=8)
def _potentials_of(posterior: PointPosterior) -> Potentials:
    # At the end of a fit one and the same posterior is asked for several things in a row.
    return potentials_of(posterior.family, posterior.estimate, posterior.background)
