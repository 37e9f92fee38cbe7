"""Mixtures of finite mixtures: weights of as many components as a prior of their number says."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import gammaln, log_softmax, logsumexp, softmax, xlogy

from mixtura.errors import InvalidArgumentError
from mixtura.messages.prior_arrays import PartitionSteps, WeightSteps
from mixtura.priors.base import SAMPLED, WeightPrior
from mixtura.priors.hyperparameters import hyperparameter
from mixtura.priors.partition_probabilities import Partitions
from mixtura.typing import Array, IntegerArray

SMALLEST = 1e-300
"""Least weight of a component in use: zero says that it is not."""


class RandomNumber(WeightPrior):
    """Weights of which a random number are above zero, and the others exactly zero."""

    @property
    def finds_components(self) -> bool:
        return True

    @property
    def has_random_number(self) -> bool:
        return True

    def mode(self, n_components: int) -> Array:
        raise InvalidArgumentError(
            "MixtureOfFiniteMixtures has no mode, since weights may be exactly zero",
            remedy=SAMPLED,
        )

    @abstractmethod
    def expected_weights(self, n_components: int) -> Array:
        """Return the expected weights, shape (K,)."""


@final
@dataclass(frozen=True, eq=False)
class MixtureOfFiniteMixtures(RandomNumber):
    """A prior on the number of components [RichardsonGreen1997]_ [MillerHarrison2018]_.

    The number M of components is drawn from 1 to ``n_components``, its largest value; then M of
    the components, all choices alike, and their weights from ``Dirichlet(concentration, ...)``.
    The other components have weight zero and no rows. For ``inference="collapsed"`` and
    ``"gibbs"``.

    Parameters
    ----------
    concentration : float, default=1.0
        Concentration of the Dirichlet distribution of the weights, whatever M is.
    rate : float, optional
        ``M - 1`` has a Poisson distribution of this rate, cut off at the largest number. None
        makes all numbers equally probable.

    Raises
    ------
    InvalidArgumentError
        If a value is not a finite number above zero.
    """

    concentration: float = 1.0
    rate: float | None = None

    def __post_init__(self) -> None:
        for name in ("concentration", "rate"):
            given = getattr(self, name)
            if name == "rate" and given is None:
                continue
            told = f"MixtureOfFiniteMixtures {name}"
            object.__setattr__(self, name, hyperparameter(given, told, positive=True, max_ndim=0))

    def check(self, n_components: int) -> None:
        pass

    def posterior(self, count: Array) -> "FiniteMixturesPosterior":
        return FiniteMixturesPosterior(self.concentration, self._log_numbers(count.size), count)

    def _log_numbers(self, n_components: int) -> Array:
        """Return the log prior probabilities (K,) of 1 ... K components."""
        if self.rate is None:
            return np.full(n_components, -np.log(n_components))
        further = np.arange(n_components)
        return log_softmax(xlogy(further, self.rate) - gammaln(further + 1.0))

    def _before(self, n_components: int) -> "FiniteMixturesPosterior":
        return self.posterior(np.zeros(n_components))

    def number_probabilities(self, n_components: int) -> Array:
        """Return the prior probabilities of 1 ... K components, shape (K,)."""
        return np.exp(self._log_numbers(n_components))

    def n_sharing(self, n_components: int, n_rows: float) -> float:
        return self.expected_n_clusters(n_rows, n_components)

    def expected_n_clusters(self, n_rows: float, n_components: int) -> float:
        """Return the prior expectation of the number of clusters among rows.

        Parameters
        ----------
        n_rows : int
            Number of rows N.
        n_components : int
            Largest number of components K.
        """
        numbers = np.arange(1, n_components + 1)
        total = numbers * self.concentration
        empty = np.zeros(n_components)  # of one component: none is, where there are rows
        others = total[:-1]
        log_empty = gammaln(total[1:]) - gammaln(total[1:] + n_rows)
        empty[1:] = np.exp(log_empty + gammaln(others + n_rows) - gammaln(others))
        return float(self.number_probabilities(n_components) @ (numbers * (1.0 - empty)))

    def log_density(self, weights: Array) -> float:
        return self._before(weights.size).log_density(weights)

    def log_weight_gradient(self, weights: Array) -> Array:
        return self._before(weights.size).log_weight_gradient(weights)

    def draw(self, rng: np.random.Generator, n_components: int) -> Array:
        return self._before(n_components).draw(rng, n_components)

    def expected_weights(self, n_components: int) -> Array:
        return self._before(n_components).expected_weights(n_components)

    def typical(self, n_components: int) -> Array:
        return self.expected_weights(n_components)

    def partitions(self, n_components: int) -> "FiniteMixturePartitions":
        return FiniteMixturePartitions(self.concentration, self._log_numbers(n_components))

    def steps(self, n_components: int) -> WeightSteps:
        concentration = np.full(n_components, self.concentration)
        return WeightSteps(concentration, self._log_numbers(n_components))


@final
@dataclass(frozen=True, eq=False)
class FiniteMixturesPosterior(RandomNumber):
    """Number of components and weights, given counts.

    Parameters
    ----------
    concentration : float
        Concentration of the weights of the components in use.
    log_numbers : array of shape (K,)
        Log prior probabilities of 1 ... K components.
    count : array of shape (K,)
        Rows of each component; zeros for the prior itself.
    """

    concentration: float
    log_numbers: Array
    count: Array

    def check(self, n_components: int) -> None:
        assert n_components == self.count.size

    def posterior(self, count: Array) -> "FiniteMixturesPosterior":
        return FiniteMixturesPosterior(self.concentration, self.log_numbers, self.count + count)

    @property
    def is_exchangeable(self) -> bool:
        return bool((self.count == self.count[0]).all())

    @cached_property
    def _n_occupied(self) -> int:
        return int((self.count > 0.0).sum())

    @cached_property
    def _log_terms(self) -> Array:
        total = float(self.count.sum())
        return log_partition_terms(self.log_numbers, self.concentration, total, self._n_occupied)

    @cached_property
    def number_probabilities(self) -> Array:
        """Probabilities of 1 ... K components, shape (K,)."""
        return softmax(self._log_terms)

    @cached_property
    def log_evidence(self) -> float:
        """Log expectation of prod weight^count under the prior, in nats."""
        if not self._n_occupied:
            return 0.0
        n_empty, n_components = self.count.size - self._n_occupied, self.count.size
        of_numberings = gammaln(n_empty + 1.0) - gammaln(n_components + 1.0)
        of_sizes = gammaln(self.concentration + self.count) - gammaln(self.concentration)
        return float(of_numberings + logsumexp(self._log_terms) + of_sizes.sum())

    def log_density(self, weights: Array) -> float:
        used = weights > 0.0
        if (self.count[~used] > 0.0).any():
            return -np.inf
        number, n_components, value = int(used.sum()), weights.size, self.concentration
        of_choice = gammaln(number + 1.0) + gammaln(n_components - number + 1.0)
        of_choice -= gammaln(n_components + 1.0)
        constant = gammaln(number * value) - number * gammaln(value)
        powers = (value - 1.0 + self.count[used]) @ np.log(weights[used])
        told = self.log_numbers[number - 1] + of_choice + constant + powers
        return float(told - self.log_evidence)

    def log_weight_gradient(self, weights: Array) -> Array:
        return np.where(weights > 0.0, self.concentration - 1.0 + self.count, 0.0)

    def draw(self, rng: np.random.Generator, n_components: int) -> Array:
        used = self.count > 0.0
        number = 1 + rng.choice(n_components, p=self.number_probabilities)
        empty = rng.permutation(np.flatnonzero(~used))
        used[empty[: number - self._n_occupied]] = True
        shape = self.concentration + self.count[used]
        # Of small shapes gamma variables are below the least number, their logarithms are not.
        logs = np.log(rng.standard_gamma(shape + 1.0)) - rng.standard_exponential(number) / shape
        shares = np.exp(logs - logs.max())
        weights = np.zeros(n_components)
        weights[used] = np.maximum(shares / shares.sum(), SMALLEST)
        return weights

    def expected_weights(self, n_components: int) -> Array:
        numbers = np.arange(1.0, n_components + 1.0)
        shares = self.number_probabilities / (numbers * self.concentration + self.count.sum())
        further = np.maximum(numbers - self._n_occupied, 0.0)
        empty = self.concentration * (shares @ further) / max(n_components - self._n_occupied, 1)
        occupied = (self.concentration + self.count) * shares.sum()
        return np.where(self.count > 0.0, occupied, empty)

    def typical(self, n_components: int) -> Array:
        return self.expected_weights(n_components)


def log_partition_terms(
    log_numbers: Array, concentration: float, n_rows: float, n_clusters: int
) -> Array:
    """Return the logs of the terms of V_N(t), shape (K,): of 1 ... K components.

    ``p(M) M! / (M - t)! Gamma(M c) / Gamma(M c + N)``, minus infinity where M < t.

    Parameters
    ----------
    log_numbers : array of shape (K,)
        Log prior probabilities of 1 ... K components.
    concentration : float
        Concentration c of each weight.
    n_rows, n_clusters : float, int
        Number of rows N and of clusters t.
    """
    numbers = np.arange(1, log_numbers.size + 1)
    further = np.maximum(numbers - n_clusters, 0)
    choices = gammaln(numbers + 1.0) - gammaln(further + 1.0)
    total = numbers * concentration
    rising = gammaln(total + n_rows) - gammaln(total)
    return np.where(numbers >= n_clusters, log_numbers + choices - rising, -np.inf)


@final
@dataclass(frozen=True, eq=False)
class FiniteMixturePartitions(Partitions):
    """Partitions under a mixture of finite mixtures [MillerHarrison2018]_.

    A new cluster beside t others has the weight ``c V_N(t + 1) / V_N(t)``, one of n rows ``n + c``.

    Parameters
    ----------
    alpha : float
        Concentration c of each weight.
    log_numbers : array of shape (K,)
        Log prior probabilities of 1 ... K components.
    """

    alpha: float
    log_numbers: Array

    @property
    def concentration(self) -> float:
        return self.alpha

    def steps(self, n_rows: int, concentration: float) -> PartitionSteps:
        most = min(n_rows, self.log_numbers.size)
        given = (self.log_numbers, self.alpha, n_rows)
        table = [log_partition_terms(*given, t) for t in range(1, most + 1)]
        logs = np.logaddexp.reduce(np.array(table), axis=1)
        log_new = np.full(n_rows + 1, -np.inf)
        log_new[:most] = np.log(self.alpha) + np.diff(logs, prepend=0.0)
        return PartitionSteps.of(self.alpha, log_new)

    def log_constant(self, n_rows: int, concentration: float) -> float:
        return 0.0

    def n_slots(self, n_components: int, n_clusters: int) -> int:
        return n_components

    def draw_weights(
        self, count: Array, occupied: IntegerArray, concentration: Array, rng: np.random.Generator
    ) -> Array:
        posteriors = (FiniteMixturesPosterior(self.alpha, self.log_numbers, one) for one in count)
        return np.stack([one.draw(rng, count.shape[1]) for one in posteriors])
