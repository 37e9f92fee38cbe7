"""What a fit knows about parameters and rows, whichever method made it."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.errors import InvalidArgumentError, Setting
from mixtura.messages.parameters import MixtureParameters
from mixtura.posteriors.intervals import PROBABILITIES, Intervals
from mixtura.typing import Array, IntegerArray


class Posterior(ABC):
    """A distribution (or a point) over mixture parameters, conditioned on the rows seen."""

    is_drawn: ClassVar[bool] = False
    """Whether it is draws of the parameters."""

    @property
    @abstractmethod
    def parameters(self) -> MixtureParameters:
        """The one value of the parameters that stands for the posterior."""

    def intervals(
        self, probabilities: tuple[float, float] = PROBABILITIES, n_first: int | None = None
    ) -> Intervals | None:
        """Return where weights, means and standard deviations lie; None where it knows a point.

        With ``n_first`` those of the first so many components alone.
        """
        return None

    def number_probabilities(self) -> Array:
        """Return the probabilities of 1 ... K components, shape (K,).

        Raises
        ------
        InvalidArgumentError
            Unless there are draws under a prior on the number of components.
        """
        raise InvalidArgumentError(
            "number_probabilities needs draws of the posterior",
            remedy=(
                *("fit with ", Setting("weight_prior"), "=MixtureOfFiniteMixtures() and "),
                Setting("inference", ("collapsed", "gibbs")),
            ),
        )

    @abstractmethod
    def log_predictive(self, rows: Rows, engine: Engine) -> Array:
        """Return the log predictive density of each row, shape (N,), in nats."""

    @abstractmethod
    def responsibilities(self, rows: Rows, engine: Engine) -> Array:
        """Return the probability of each component for each row, shape (N, K)."""

    @abstractmethod
    def labels(self, rows: Rows, engine: Engine) -> IntegerArray:
        """Return the most probable component of each row, shape (N,)."""

    @abstractmethod
    def sample_assignments(
        self, rows: Rows, engine: Engine, n_draws: int, seed: int
    ) -> IntegerArray:
        """Return components drawn for each row, shape (n_draws, N)."""

    @abstractmethod
    def expected_rows(self, rows: ArrayRows, engine: Engine) -> Array:
        """Return the expected true values of rows given what was observed of them, (N, D)."""

    @abstractmethod
    def sample_rows(
        self, rows: ArrayRows, engine: Engine, n_draws: int, rng: np.random.Generator
    ) -> Array:
        """Return true values of rows, drawn given what was observed, shape (n_draws, N, D)."""

    def completed(self, rows: ArrayRows, engine: Engine) -> Array:
        """Return the values of rows, missing ones as they are expected, shape (N, D)."""
        return rows.filled(lambda: self.expected_rows(rows, engine))

    @abstractmethod
    def sample(self, n_rows: int, rng: np.random.Generator) -> tuple[Array, IntegerArray]:
        """Return rows (N, D) drawn from the predictive and their components (N,)."""
