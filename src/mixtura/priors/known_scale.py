"""Components of known standard deviations, with normal means."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import ndtri

from mixtura.errors import InvalidArgumentError, Setting
from mixtura.messages.prior_arrays import ClusterSteps, cluster_steps_of
from mixtura.messages.statistics import SufficientStatistics
from mixtura.priors.base import (
    AveragedComponents,
    ComponentPrior,
    ExpectedComponents,
    Marginals,
    PredictiveComponents,
)
from mixtura.priors.hyperparameters import check_per_feature, hyperparameter, unchecked, unscaled
from mixtura.priors.scales import LOG_TWO_PI, Normal
from mixtura.typing import Array, PerFeature, StructureShape

DIAGONAL = ("diag", "spherical", "tied_diag", "tied_spherical")
"""Names of the families without correlations."""


@final
@dataclass(frozen=True, eq=False)
class KnownScale(ComponentPrior):
    """Known standard deviations, and normal means.

    For diagonal and spherical covariances and their tied forms, which includes every structure of
    one feature; since all components have the same scale, the tied forms say the same with fewer
    numbers. The density is that of the means alone: covariances are not free, and whatever ones
    are asked about count as the known ones.

    Parameters
    ----------
    scale : float or array of shape (D,)
        Standard deviation of every component, in the data's units.
    mean : Normal, default=Normal(0, 1)
        Prior of every component mean.

    Raises
    ------
    InvalidArgumentError
        If a scale is not a finite number above zero, or the mean's prior is not a Normal.
    """

    structure_dimensions = (2,)
    has_known_scales = True

    scale: PerFeature
    mean: Normal = Normal()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        scale = hyperparameter(self.scale, "KnownScale scale", positive=True)
        object.__setattr__(self, "scale", scale)
        if not isinstance(self.mean, Normal):
            raise InvalidArgumentError(
                f"must be a Normal; got {self.mean!r}", argument="KnownScale mean"
            )

    def check(self, structure: StructureShape, n_components: int, n_features: int) -> None:
        if len(structure) != 2:
            raise InvalidArgumentError(
                "KnownScale is for diagonal and spherical covariances (and any with one feature); ",
                remedy=(
                    "use ",
                    Setting("covariance_type", DIAGONAL),
                ),
            )
        check_per_feature(self.scale, "KnownScale scale", n_features)
        for name, value in self.mean.hyperparameters().items():
            check_per_feature(value, f"Normal {name}", n_features)
        if structure[1] < n_features and np.ndim(self.scale) > 0:
            raise InvalidArgumentError(
                "must be one number where one scale serves all features (spherical covariances)",
                argument="KnownScale scale",
            )

    @property
    def fixes_covariances(self) -> bool:
        return True

    def variances(self, structure: StructureShape) -> Array:
        """Return the known variances in a structure's shape."""
        return np.broadcast_to(np.square(self.scale), structure).copy()

    def posterior(self, statistics: SufficientStatistics) -> "KnownScalePosterior":
        return KnownScalePosterior(self, statistics)

    def draw_given(
        self,
        statistics: SufficientStatistics,
        means: Array,
        covariances: Array,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        return self.posterior(statistics).sample(rng)

    def clusters(self, structure: StructureShape, n_features: int) -> ClusterSteps | None:
        with np.errstate(over="ignore", under="ignore"):
            shrinkage = np.square(np.asarray(self.scale) / np.asarray(self.mean.scale))
        prior = (self.mean.location, shrinkage, 1.0, np.square(self.scale))
        return cluster_steps_of(n_features, *prior, is_known=True)

    def log_density(self, means: Array, covariances: Array) -> float:
        return float(self.mean.log_density(means).sum())

    def gradient(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        location, scale = np.asarray(self.mean.location), np.asarray(self.mean.scale)
        return (location - means) / scale / scale, np.zeros_like(covariances)

    def draw(
        self,
        rng: np.random.Generator,
        structure: StructureShape,
        n_components: int,
        n_features: int,
    ) -> tuple[Array, Array]:
        return self.mean.draw(rng, (n_components, n_features)), self.variances(structure)

    def rescaled(self, factor: Array) -> "KnownScale":
        return KnownScale(unscaled(self.scale, factor, positive=True), self.mean.rescaled(factor))


@final
@dataclass(frozen=True, eq=False)
class KnownScalePosterior(AveragedComponents):
    """Normal means given assigned rows of known scale.

    Parameters
    ----------
    prior : KnownScale
        The prior.
    statistics : SufficientStatistics
        Moments of the assigned rows.
    """

    prior: KnownScale
    statistics: SufficientStatistics

    def posterior(self, statistics: SufficientStatistics) -> "KnownScalePosterior":
        return KnownScalePosterior(self.prior, self.statistics + statistics)

    @property
    def means(self) -> Normal:
        """The posterior of each mean, shape (K, D)."""
        count = self.statistics.count_by_feature
        location, scale = np.asarray(self.prior.mean.location), np.asarray(self.prior.mean.scale)
        with np.errstate(over="ignore"):
            ratio = np.square(np.asarray(self.prior.scale) / scale)
        share = count / (count + ratio)
        mean = location + share * (self.statistics.mean() - location)
        # scale sqrt(ratio / (count + ratio)), whose ratio may be beyond float64
        return _normal(mean, scale / np.sqrt(1.0 + count / ratio))

    @property
    def variances(self) -> Array:
        """The known variances, in the structure shape."""
        return self.prior.variances(self.statistics.structure)

    def mode(self) -> tuple[Array, Array]:
        return np.asarray(self.means.location), self.variances

    def estimate(self) -> tuple[Array, Array]:
        return self.mode()

    def expected(self) -> ExpectedComponents:
        means = self.means
        location, spread = np.asarray(means.location), np.asarray(means.scale)
        deviation = np.broadcast_to(self.prior.scale, location.shape)
        offset = -0.5 * LOG_TWO_PI - np.log(deviation) - 0.5 * np.square(spread / deviation)
        return ExpectedComponents(location, 1.0 / np.sqrt(self.variances), offset.sum(axis=1))

    def divergence(self, prior: ComponentPrior) -> float:
        if not isinstance(prior, KnownScale):
            raise TypeError("means of known scale have a divergence from their own kind alone")
        ratio = np.square(np.asarray(self.means.scale) / np.asarray(prior.mean.scale))
        pull = (np.asarray(self.means.location) - prior.mean.location) / prior.mean.scale
        return float(0.5 * (ratio - 1.0 - np.log(ratio) + pull * pull).sum())

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        return self.means.draw(rng, self.statistics.first.shape), self.variances

    def predictive(self) -> PredictiveComponents:
        means = self.means
        location = np.asarray(means.location)
        deviation = np.hypot(np.broadcast_to(self.prior.scale, location.shape), means.scale)
        offset = -0.5 * LOG_TWO_PI * location.shape[1] - np.log(deviation).sum(axis=1)
        return PredictiveComponents(location, 1.0 / deviation, offset)

    def mean_marginals(self, probabilities: Array) -> Marginals:
        location, spread = np.asarray(self.means.location), np.asarray(self.means.scale)
        levels = np.reshape(ndtri(probabilities), (-1, 1, 1))
        return Marginals(location, spread, location + levels * spread)

    def deviation_marginals(self, probabilities: Array) -> Marginals:
        known = np.broadcast_to(self.prior.scale, self.statistics.first.shape)
        return _certain(known, np.size(probabilities))

    def covariance_marginals(self, probabilities: Array) -> Marginals:
        return _certain(self.variances, np.size(probabilities))


def _normal(location: Array, scale: Array) -> Normal:
    """Return a Normal of shape (K, D); the class itself checks one for each feature."""
    return unchecked(Normal, location=location, scale=scale)


def _certain(values: Array, n_probabilities: int) -> Marginals:
    quantiles = np.broadcast_to(values, (n_probabilities, *values.shape))
    return Marginals(values, np.zeros_like(values), quantiles)
