"""Partitions under Dirichlet and Pitman-Yor processes, which have no limit to their number."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import gammaln

from mixtura.messages.prior_arrays import PartitionSteps
from mixtura.priors.partition_probabilities import Partitions
from mixtura.priors.scales import Gamma
from mixtura.typing import Array, IntegerArray

TINY = float(np.finfo(float).tiny)
"""In place of gamma and beta variables that underflow."""

MOST_STICKS = 64
"""Sticks beyond which, on average, none is broken off for a row to choose."""


@final
@dataclass(frozen=True, eq=False)
class ProcessPartitions(Partitions):
    """Partitions under a Pitman-Yor process, without limit to the number of clusters.

    Parameters
    ----------
    prior : float or Gamma
        Concentration, or the prior of an unknown one.
    discount : float
        From 0, a Dirichlet process, to below 1.
    """

    prior: float | Gamma
    discount: float

    @property
    def _shape_and_rate(self) -> tuple[float, float]:
        assert isinstance(self.prior, Gamma)
        return float(np.asarray(self.prior.shape)), float(np.asarray(self.prior.rate))

    @property
    def concentration(self) -> float:
        if not isinstance(self.prior, Gamma):
            return self.prior
        shape, rate = self._shape_and_rate
        return shape / rate

    @property
    def is_known(self) -> bool:
        return not isinstance(self.prior, Gamma)

    def steps(self, n_rows: int, concentration: float) -> PartitionSteps:
        log_new = np.log(concentration + self.discount * np.arange(n_rows + 1.0))
        return PartitionSteps.of(-self.discount, log_new)

    def log_constant(self, n_rows: int, concentration: float) -> float:
        found = float(gammaln(concentration) - gammaln(concentration + n_rows))
        if isinstance(self.prior, Gamma):
            found += float(self.prior.log_density(np.asarray(concentration)))
        return found

    def draw_concentration(
        self, concentration: float, n_rows: int, n_clusters: int, rng: np.random.Generator
    ) -> float:
        # Auxiliary variables [EscobarWest1995]_ [Teh2006]_: a Beta for the rows, a coin for each
        # cluster but the first, which without discount always falls on its head.
        if self.is_known:
            return concentration
        shape, rate = self._shape_and_rate
        if n_rows > 1:
            rate -= np.log(max(rng.beta(concentration + 1.0, n_rows - 1.0), TINY))
        others = concentration + self.discount * np.arange(1, n_clusters)
        heads = rng.random(others.size) * others < concentration
        drawn = rng.gamma(shape + np.count_nonzero(heads)) / rate
        return max(float(drawn), TINY)

    def n_slots(self, n_components: int, n_clusters: int) -> int:
        return max(n_components, n_clusters + 1)

    def draw_weights(
        self, count: Array, occupied: IntegerArray, concentration: Array, rng: np.random.Generator
    ) -> Array:
        number = np.arange(count.shape[1]) - occupied[:, None]
        is_free = number >= 0
        start = (concentration + self.discount * occupied)[:, None]
        rows = rng.standard_gamma(np.where(is_free, 1.0, count - self.discount))
        rest = rng.standard_gamma(start)
        total = np.where(is_free, 0.0, rows).sum(axis=1, keepdims=True) + rest
        # Two gamma variables, in which neither a share nor its rest is rounded to zero.
        share = rng.standard_gamma(1.0 - self.discount, count.shape)
        beyond = rng.standard_gamma(start + self.discount * np.maximum(number + 1, 0))
        both = np.maximum(share + beyond, TINY)
        share, beyond = share / both, beyond / both
        share[:, -1] = 1.0
        left = np.cumprod(np.where(is_free, beyond, 1.0), axis=1)
        before = np.hstack([np.ones((len(count), 1)), left[:, :-1]])
        return np.where(is_free, rest * before * share, rows) / total

    def least_weight(self, concentration: float, n_rows: int) -> float:
        numbers = np.arange(1.0, MOST_STICKS + 1.0)
        left = (concentration + numbers * self.discount) / (
            concentration + 1.0 + (numbers - 1.0) * self.discount
        )
        return max(0.5 / max(n_rows, 1), float(np.prod(left)))

    def draw_atoms(
        self,
        count: Array,
        n_components: int,
        concentration: float,
        least: float,
        rng: np.random.Generator,
    ) -> Array:
        # Sticks are broken off what the clusters leave until no further one can be large.
        start = concentration + self.discount * count.size
        rows, rest = rng.standard_gamma(count - self.discount), rng.standard_gamma(start)
        total = max(float(rows.sum() + rest), TINY)
        weights, left, number = (rows / total).tolist(), rest / total, 0
        while left > least:
            number += 1
            share = rng.beta(1.0 - self.discount, start + number * self.discount)
            weights.append(left * share)
            left *= 1.0 - share
        return np.array(weights)
