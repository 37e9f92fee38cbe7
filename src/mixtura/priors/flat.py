"""Flat priors: under them the mode is the maximum of the likelihood."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.prior_arrays import ModeSteps, flat_steps
from mixtura.messages.statistics import ZERO, SufficientStatistics
from mixtura.priors.base import (
    ComponentPosterior,
    ComponentPrior,
    WeightPrior,
)
from mixtura.priors.hyperparameters import check_per_feature, hyperparameter, unchecked, unscaled
from mixtura.typing import Array, StructureShape

SMALLEST = float(np.finfo(np.float64).tiny)


@final
@dataclass(frozen=True, eq=False)
class FlatWeights(WeightPrior):
    """A density of one everywhere on the simplex.

    Parameters
    ----------
    count : array of shape (K,), optional
        Rows already seen (of a posterior).
    """

    has_constant_powers = True

    count: float | Array = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", hyperparameter(self.count, "FlatWeights count"))

    def check(self, n_components: int) -> None:
        pass

    def posterior(self, count: Array) -> "FlatWeights":
        return unchecked(FlatWeights, count=self.count + count)

    def mode(self, n_components: int) -> Array:
        count = np.maximum(self.count, ZERO)
        total = math.fsum(count.tolist()) if count.ndim > 0 else 0.0
        return count / total if total > 0.0 else np.full(n_components, 1.0 / n_components)

    def log_density(self, weights: Array) -> float:
        return 0.0

    def log_weight_gradient(self, weights: Array) -> Array:
        return np.zeros_like(weights)

    def draw(self, rng: np.random.Generator, n_components: int) -> Array:
        raise InvalidArgumentError("a flat prior is improper: nothing can be drawn from it")


@final
@dataclass(frozen=True, eq=False)
class FlatComponents(ComponentPrior):
    """A density of one for all means and all variances above a floor.

    The likelihood of a Gaussian mixture has no upper bound: a component may collapse onto one
    row. The floor keeps the answer finite, and lies far below anything that data can resolve.

    Parameters
    ----------
    minimum_variance : float or array of shape (D,)
        Smallest variance, in squared units of the data. Matrices are held above the diagonal
        matrix of these values.
    """

    structure_dimensions = (2, 3)

    minimum_variance: float | Array

    def __post_init__(self) -> None:
        value = hyperparameter(self.minimum_variance, "minimum_variance", positive=True)
        object.__setattr__(self, "minimum_variance", value)

    def check(self, structure: StructureShape, n_components: int, n_features: int) -> None:
        check_per_feature(self.minimum_variance, "minimum_variance", n_features)

    @property
    def pull_of_means(self) -> tuple[Array, Array] | None:
        return np.zeros(()), np.zeros(())

    def posterior(self, statistics: SufficientStatistics) -> "FlatPosterior":
        return FlatPosterior(self, statistics)

    def restriction_refusal(self, structure: StructureShape) -> None:
        return None

    def restricted_terms(
        self, statistics: SufficientStatistics, share: float
    ) -> tuple[Array, CovarianceTerms]:
        means = statistics.mean()
        floor = self._floor(means.shape[1])
        return means, CovarianceTerms(statistics.count, statistics.scatter(means), floor)

    def restricted_log_density(self, means: Array, covariances: Array, share: float) -> float:
        return 0.0

    def log_density(self, means: Array, covariances: Array) -> float:
        return 0.0

    def smallest_variances(self, n_features: int) -> Array:
        return self._floor(n_features)

    def in_floor_units(self, covariances: Array) -> Array:
        if np.max(self.minimum_variance) <= SMALLEST:  # there is no floor
            return np.full((len(covariances), covariances.shape[1]), np.inf)
        if covariances.ndim == 2:
            return covariances / self._floor(covariances.shape[1])
        unit = np.sqrt(self._floor(covariances.shape[1]))
        return np.asarray(np.linalg.eigvalsh(covariances / unit[:, None] / unit), dtype=np.float64)

    def _floor(self, width: int) -> Array:
        # One variance for features of different floors is held above the highest.
        floor = np.asarray(self.minimum_variance)
        return np.broadcast_to(floor.max() if width < floor.size else floor, (width,))

    def gradient(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        return np.zeros_like(means), np.zeros_like(covariances)

    def mode_steps(self, structure: StructureShape, n_features: int) -> ModeSteps:
        return flat_steps(np.broadcast_to(self.minimum_variance, n_features), structure)

    def draw(
        self,
        rng: np.random.Generator,
        structure: StructureShape,
        n_components: int,
        n_features: int,
    ) -> tuple[Array, Array]:
        raise InvalidArgumentError("a flat prior is improper: nothing can be drawn from it")

    def rescaled(self, factor: Array) -> "FlatComponents":
        return FlatComponents(unscaled(self.minimum_variance, factor * factor, positive=True))


@final
@dataclass(frozen=True, eq=False)
class FlatPosterior(ComponentPosterior):
    """The likelihood of means and covariances, given assignments."""

    prior: FlatComponents
    statistics: SufficientStatistics

    def posterior(self, statistics: SufficientStatistics) -> "FlatPosterior":
        return FlatPosterior(self.prior, self.statistics + statistics)

    def mode(self) -> tuple[Array, Array]:
        statistics = self.statistics
        means = statistics.mean()
        structure = statistics.structure
        scatter = statistics.scatter(means)
        n_features = means.shape[1]
        count = statistics.count if structure[0] > 1 else statistics.count.sum(keepdims=True)
        if len(structure) == 2 and structure[1] < n_features:
            count = count * n_features
        occupied = min(count.tolist()) > 0.0
        count = count[:, None] if len(structure) == 2 else count[:, None, None]
        if occupied:
            return means, self._floored(scatter / count, n_features)
        # A component without rows takes the pooled covariance: a valid one, at no weight.
        pooled = scatter.sum(axis=0) / max(count.sum(), SMALLEST)
        seen = count > 0.0
        covariances = np.where(seen, scatter / np.where(seen, count, 1.0), pooled)
        return means, self._floored(covariances, n_features)

    def _floored(self, covariances: Array, n_features: int) -> Array:
        floor = np.asarray(self.prior.minimum_variance)
        if covariances.ndim == 2:
            shared = covariances.shape[1] < n_features
            return np.maximum(covariances, floor.max() if shared else floor)
        if n_features == 1:
            return np.maximum(covariances, floor)
        floor = np.broadcast_to(floor, (n_features,))
        if floor.max() <= SMALLEST:  # there is none
            return covariances
        # In the floor's units the constrained maximum raises the eigenvalues to one.
        unit = np.sqrt(floor)
        values, vectors = np.linalg.eigh(covariances / unit[:, None] / unit)
        low = values[:, 0] < 1.0
        if low.any():
            lifted = (vectors * np.maximum(values, 1.0)[:, None, :]) @ vectors.transpose(0, 2, 1)
            lifted = lifted * unit[:, None] * unit
            covariances = np.where(low[:, None, None], lifted, covariances)
        return covariances
