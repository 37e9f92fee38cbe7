"""The Dirichlet prior of the mixture weights."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import betaincinv, digamma, gammaln, xlogy

from mixtura.errors import InvalidArgumentError
from mixtura.priors.base import AveragedWeights, WeightPrior
from mixtura.priors.hyperparameters import hyperparameter, unchecked
from mixtura.priors.partition_probabilities import DirichletPartitions
from mixtura.typing import Array, IntegerArray

SMALLEST_WEIGHT = 1e-12
"""Weight of a component whose mode lies on the boundary of the simplex, where the density of a
concentration below one has no upper bound."""


@final
@dataclass(frozen=True, eq=False)
class Dirichlet(AveragedWeights):
    """Dirichlet distribution of the weights.

    Parameters
    ----------
    concentration : float or array of shape (K,), default=1.0
        One value for every component, or one for each. The value 1 is the uniform distribution; a
        total of tau_0 spread evenly is ``Dirichlet(tau_0 / K)``. Below 1 the density grows without
        bound at the edge of the simplex: a component may empty out, and then keeps the weight
        1e-12.

    Raises
    ------
    InvalidArgumentError
        If a concentration is not a finite number above zero.
    """

    has_constant_powers = True

    concentration: float | Array = 1.0

    def __post_init__(self) -> None:
        value = hyperparameter(self.concentration, "Dirichlet concentration", positive=True)
        object.__setattr__(self, "concentration", value)

    def _full(self, n_components: int) -> Array:
        if isinstance(self.concentration, np.ndarray):
            return self.concentration
        return np.full(n_components, self.concentration)

    @property
    def is_exchangeable(self) -> bool:
        if not isinstance(self.concentration, np.ndarray):
            return True
        return bool((self.concentration == self.concentration[0]).all())

    def check(self, n_components: int) -> None:
        if np.ndim(self.concentration) == 1 and np.size(self.concentration) != n_components:
            raise InvalidArgumentError(
                "must be one number or one for each of the "
                f"{n_components} components; got {np.size(self.concentration)} numbers",
                argument="Dirichlet concentration",
            )

    def posterior(self, count: Array) -> "Dirichlet":
        return unchecked(Dirichlet, concentration=self.concentration + count)

    def mode(self, n_components: int) -> Array:
        excess = np.maximum(self._full(n_components) - 1.0, 0.0)
        total = math.fsum(excess.tolist())
        if total == 0.0:
            # Uniform, or unbounded at the edge: the centre is the only symmetric answer.
            return np.full(n_components, 1.0 / n_components)
        weights = excess / total
        if min(weights.tolist()) < SMALLEST_WEIGHT and (self._full(n_components) < 1.0).any():
            weights = np.maximum(weights, SMALLEST_WEIGHT)
            weights = weights / weights.sum()
        return weights

    def log_density(self, weights: Array) -> float:
        powers = xlogy(self.concentration - 1.0, weights)
        return self._log_constant(weights.size) + float(powers.sum())

    def _total(self, n_components: int) -> float:
        if isinstance(self.concentration, np.ndarray):
            return math.fsum(self.concentration.tolist())
        return n_components * float(self.concentration)

    def _log_constant(self, n_components: int) -> float:
        """Return the log of the density's constant."""
        logs = gammaln(self.concentration)
        summed = math.fsum(logs.tolist()) if np.ndim(logs) > 0 else n_components * float(logs)
        return float(gammaln(self._total(n_components))) - summed

    def is_unbounded_at(self, weights: Array) -> bool:
        if min(weights.tolist()) > 2.0 * SMALLEST_WEIGHT:
            return False
        edge = weights <= 2.0 * SMALLEST_WEIGHT
        return bool((edge & (self._full(weights.size) < 1.0)).any())

    def log_weight_gradient(self, weights: Array) -> Array:
        return self._full(weights.size) - 1.0

    def draw(self, rng: np.random.Generator, n_components: int) -> Array:
        return rng.dirichlet(self._full(n_components))

    def matching_order(self, count: Array) -> IntegerArray:
        # sum_k (alpha_k - 1) log p_k is largest where weights and concentrations sort alike.
        order = np.arange(count.size)
        if not self.is_exchangeable:
            places = np.argsort(-self._full(count.size), kind="stable")
            order[places] = np.argsort(-count, kind="stable")
        return order

    def concentrations(self, n_components: int) -> Array:
        return np.ascontiguousarray(self._full(n_components))

    def partitions(self, n_components: int) -> DirichletPartitions | None:
        if not self.is_exchangeable:
            return None
        return DirichletPartitions(float(self._full(n_components)[0]), n_components)

    def expected_log_weights(self, n_components: int) -> Array:
        concentration = self._full(n_components)
        return digamma(concentration) - digamma(self._total(n_components))

    def expected_weights(self, n_components: int) -> Array:
        concentration = self._full(n_components)
        return concentration / self._total(n_components)

    def divergence(self, other: WeightPrior, n_components: int) -> float:
        if not isinstance(other, Dirichlet):
            raise TypeError(f"a Dirichlet has no divergence from a {type(other).__name__}")
        constants = self._log_constant(n_components) - other._log_constant(n_components)
        further = self._full(n_components) - other.concentration
        return constants + float(further @ self.expected_log_weights(n_components))

    def weight_quantiles(
        self, probabilities: Array, n_components: int, n_first: int | None = None
    ) -> Array:
        concentration = self._full(n_components)
        others = (concentration.sum() - concentration)[:n_first]
        concentration = concentration[:n_first]
        if n_components == 1:
            return np.ones((np.size(probabilities), 1))
        return betaincinv(concentration, others, np.reshape(probabilities, (-1, 1)))

    def weight_deviations(self, n_components: int) -> Array:
        total = self._total(n_components)
        share = self.expected_weights(n_components)
        return np.sqrt(share * (1.0 - share) / (total + 1.0))
