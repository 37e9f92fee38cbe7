"""Partitions of rows into clusters: what weights say when they are integrated out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import gammaln

from mixtura.messages.prior_arrays import PartitionSteps
from mixtura.typing import Array, IntegerArray


class Partitions(ABC):
    """An exchangeable distribution of partitions, a product over clusters and their number.

    ``P(n_1 ... n_t) = C_N prod_{s < t} nu(s) prod_j prod_{m=1}^{n_j - 1} (m + shift)``, given the
    concentration where that is unknown [Pitman1995]_.
    """

    @property
    @abstractmethod
    def concentration(self) -> float:
        """The concentration, or where a chain begins if it is unknown."""

    @property
    def is_known(self) -> bool:
        """Whether the concentration is known, so that steps are always the same."""
        return True

    @abstractmethod
    def steps(self, n_rows: int, concentration: float) -> PartitionSteps:
        """Return the weights of joining a cluster of N rows and of a new one."""

    @abstractmethod
    def log_constant(self, n_rows: int, concentration: float) -> float:
        """Return log C_N, with the log prior density of an unknown concentration, in nats."""

    def draw_concentration(
        self, concentration: float, n_rows: int, n_clusters: int, rng: np.random.Generator
    ) -> float:
        """Return the concentration after a step that leaves it distributed given a partition."""
        return concentration

    @abstractmethod
    def n_slots(self, n_components: int, n_clusters: int) -> int:
        """Return the number of components in which so many clusters and the rest have room."""

    @abstractmethod
    def draw_weights(
        self, count: Array, occupied: IntegerArray, concentration: Array, rng: np.random.Generator
    ) -> Array:
        """Return weights (S, K) drawn given partitions.

        Parameters
        ----------
        count : array of shape (S, K)
            Rows of each component: those of clusters first, then zeros.
        occupied : integer array of shape (S,)
            Number of clusters.
        concentration : array of shape (S,)
            Concentrations.
        rng : Generator
            Source of the random numbers.
        """

    def least_weight(self, concentration: float, n_rows: int) -> float:
        """Return the weight above which :meth:`draw_atoms` finds all atoms; of finitely many 0."""
        return 0.0

    def draw_atoms(
        self,
        count: Array,
        n_components: int,
        concentration: float,
        least: float,
        rng: np.random.Generator,
    ) -> Array:
        """Return the weights (T,) of clusters, drawn given a partition, and of all other atoms.

        Of other atoms those of weights above a least one, and perhaps smaller ones.

        Parameters
        ----------
        count : array of shape (t,)
            Rows of each cluster; their weights come first.
        n_components : int
            Number of components K of a prior that has so many.
        concentration, least : float
            Concentration, and the least weight.
        rng : Generator
            Source of the random numbers.
        """
        n_slots = self.n_slots(n_components, count.size)
        whole = np.append(count, np.zeros(n_slots - count.size))
        occupied, value = np.array([count.size]), np.array([concentration])
        return self.draw_weights(whole[None], occupied, value, rng)[0]


@final
@dataclass(frozen=True)
class DirichletPartitions(Partitions):
    """Partitions under K weights from a symmetric Dirichlet distribution.

    Parameters
    ----------
    alpha : float
        Concentration of each weight.
    n_components : int
        Number of weights K.
    """

    alpha: float
    n_components: int

    @property
    def concentration(self) -> float:
        return self.alpha

    def steps(self, n_rows: int, concentration: float) -> PartitionSteps:
        left = np.maximum(self.n_components - np.arange(n_rows + 1.0), 0.0)
        with np.errstate(divide="ignore"):
            return PartitionSteps.of(self.alpha, np.log(left) + np.log(self.alpha))

    def log_constant(self, n_rows: int, concentration: float) -> float:
        total = self.n_components * self.alpha
        return float(gammaln(total) - gammaln(total + n_rows))

    def n_slots(self, n_components: int, n_clusters: int) -> int:
        return n_components

    def draw_weights(
        self, count: Array, occupied: IntegerArray, concentration: Array, rng: np.random.Generator
    ) -> Array:
        shares = rng.standard_gamma(self.alpha + count)
        return shares / shares.sum(axis=1, keepdims=True)
