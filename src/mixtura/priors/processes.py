"""Dirichlet and Pitman-Yor processes: weights of as many components as the data ask for."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from scipy.special import digamma, poch

from mixtura.errors import InvalidArgumentError
from mixtura.priors.base import AveragedWeights, WeightPrior
from mixtura.priors.concentration import concentration_grid
from mixtura.priors.hyperparameters import hyperparameter
from mixtura.priors.process_partitions import TINY, ProcessPartitions
from mixtura.priors.scales import Gamma
from mixtura.priors.stick_breaking import StickBreaking
from mixtura.typing import Array, IntegerArray


class WeightProcess(AveragedWeights):
    """A prior of infinitely many weights; a mixture has K - 1 of them, and the rest in the last."""

    @property
    @abstractmethod
    def _parts(self) -> tuple[float | Gamma, float]:
        """Concentration and discount."""

    def _sticks(self, n_components: int) -> StickBreaking:
        return _prior_sticks(*self._parts, n_components)

    def check(self, n_components: int) -> None:
        pass

    def posterior(self, count: Array) -> StickBreaking:
        return self._sticks(count.size).posterior(count)

    @property
    def is_exchangeable(self) -> bool:
        return False

    @property
    def finds_components(self) -> bool:
        return True

    def preferred_order(self, count: Array) -> IntegerArray:
        return self._sticks(count.size).preferred_order(count)

    def is_unbounded_at(self, weights: Array) -> bool:
        return self._sticks(weights.size).is_unbounded_at(weights)

    def mode(self, n_components: int) -> Array:
        return self._sticks(n_components).mode(n_components)

    def log_density(self, weights: Array) -> float:
        return self._sticks(weights.size).log_density(weights)

    def log_weight_gradient(self, weights: Array) -> Array:
        return self._sticks(weights.size).log_weight_gradient(weights)

    def draw(self, rng: np.random.Generator, n_components: int) -> Array:
        return self._sticks(n_components).draw(rng, n_components)

    def partitions(self, n_components: int) -> ProcessPartitions:
        return ProcessPartitions(*self._parts)

    def expected_log_weights(self, n_components: int) -> Array:
        return self._sticks(n_components).expected_log_weights(n_components)

    def expected_weights(self, n_components: int) -> Array:
        return self._sticks(n_components).expected_weights(n_components)

    def divergence(self, other: WeightPrior, n_components: int) -> float:
        return self._sticks(n_components).divergence(other, n_components)

    def bound_log_weights(self, n_components: int) -> Array:
        return self._sticks(n_components).bound_log_weights(n_components)

    def bound_divergence(self, other: WeightPrior, n_components: int) -> float:
        return self._sticks(n_components).bound_divergence(other, n_components)

    def weight_quantiles(
        self, probabilities: Array, n_components: int, n_first: int | None = None
    ) -> Array:
        return self._sticks(n_components).weight_quantiles(probabilities, n_components, n_first)

    def weight_deviations(self, n_components: int) -> Array:
        return self._sticks(n_components).weight_deviations(n_components)

    def n_sharing(self, n_components: int, n_rows: float) -> float:
        return self.expected_n_clusters(n_rows)

    def n_needed(self, n_rows: float, loss: float, most: int) -> int:
        # The rows of the rest are one group where they might be several: each pair of them, or
        # each row, stands for one group lost at most.
        concentration, discount = self._parts
        grid = concentration_grid(concentration, np.zeros_like, 0)
        number = np.arange(1, most) * discount
        log_rest, log_square = _log_rests(grid.values[:, None] + number, discount)
        pairs = np.log(max(n_rows * (n_rows - 1.0) / 2.0, TINY)) + log_square
        lost = grid.shares @ np.exp(np.minimum(np.log(n_rows) + log_rest, pairs))
        return min(most, 2 + int(np.count_nonzero(lost > loss)))

    def expected_n_clusters(self, n_rows: float) -> float:
        """Return the prior expectation of the number of clusters among rows.

        Parameters
        ----------
        n_rows : int
            Number of rows N. The process is not truncated here.
        """
        concentration, discount = self._parts
        grid = concentration_grid(concentration, np.zeros_like, 0)
        return float(grid.shares @ _n_clusters(grid.values, discount, n_rows))


@final
@dataclass(frozen=True, eq=False)
class DirichletProcess(WeightProcess):
    """Weights of a Dirichlet process [Ferguson1973]_ [Sethuraman1994]_, truncated at K components.

    ``weight[k] = v[k] prod_{j<k} (1 - v[j])`` with ``v[k] ~ Beta(1, concentration)``; the last
    component takes the rest. The number of components is then a limit: those that the rows do not
    need stay empty.

    Parameters
    ----------
    concentration : float or Gamma, default=1.0
        The larger, the more clusters are expected, about concentration log(rows); see
        ``expected_n_clusters``. A ``Gamma`` leaves it to the data.

    Raises
    ------
    InvalidArgumentError
        If the concentration is neither a finite number above zero nor a Gamma of two numbers.
    """

    concentration: float | Gamma = 1.0

    def __post_init__(self) -> None:
        value = _concentration(self.concentration, "DirichletProcess")
        object.__setattr__(self, "concentration", value)

    @property
    def _parts(self) -> tuple[float | Gamma, float]:
        return self.concentration, 0.0


@final
@dataclass(frozen=True, eq=False)
class PitmanYor(WeightProcess):
    """Weights of a Pitman-Yor process [PitmanYor1997]_, truncated at K components.

    As :class:`DirichletProcess`, with ``v[k] ~ Beta(1 - discount, concentration + k discount)``:
    the sizes of clusters fall off as a power, so that there are more small ones.

    Parameters
    ----------
    concentration : float or Gamma, default=1.0
        Concentration, above zero, or its prior.
    discount : float, default=0.0
        From 0, a Dirichlet process, to below 1.

    Raises
    ------
    InvalidArgumentError
        If a value is not allowed.
    """

    concentration: float | Gamma = 1.0
    discount: float = 0.0

    def __post_init__(self) -> None:
        value = _concentration(self.concentration, "PitmanYor")
        discount = hyperparameter(self.discount, "PitmanYor discount", max_ndim=0)
        if not 0.0 <= discount < 1.0:
            raise InvalidArgumentError(
                f"must be at least 0 and below 1; got {self.discount!r}",
                argument="PitmanYor discount",
            )
        object.__setattr__(self, "concentration", value)
        object.__setattr__(self, "discount", discount)

    @property
    def _parts(self) -> tuple[float | Gamma, float]:
        return self.concentration, self.discount


@lru_cache(maxsize=32)
def _prior_sticks(
    concentration: float | Gamma, discount: float, n_components: int
) -> StickBreaking:
    return StickBreaking(concentration, discount, np.zeros(n_components))


def _concentration(value: object, name: str) -> float | Gamma:
    if not isinstance(value, Gamma):
        number = hyperparameter(value, f"{name} concentration", positive=True, max_ndim=0)
        assert isinstance(number, float)
        return number
    if np.ndim(value.shape) + np.ndim(value.rate) > 0:
        raise InvalidArgumentError(
            f"must be a number or a Gamma of two numbers; got {value!r}",
            argument=f"{name} concentration",
        )
    if value.is_truncated:
        raise InvalidArgumentError(
            f"must be a Gamma without a minimum; got {value!r}", argument=f"{name} concentration"
        )
    return value


def _log_rests(second: Array, discount: float) -> tuple[Array, Array]:
    """Return the logs of the expected rest after each stick, and of its square, (J, M).

    Sticks are Beta(1 - discount, second), second of shape (J, M).
    """
    total = second + (1.0 - discount)
    first = np.log(second) - np.log(total)
    square = first + np.log1p(second) - np.log1p(total)
    return np.cumsum(first, axis=1), np.cumsum(square, axis=1)


def _n_clusters(concentration: Array, discount: float, n_rows: float) -> Array:
    """Return the expected number of clusters among N rows at each concentration (J,)."""
    if discount == 0.0:
        return concentration * (digamma(concentration + n_rows) - digamma(concentration))
    ratio = poch(concentration + n_rows, discount) / poch(concentration, discount)
    return concentration / discount * (ratio - 1.0)
