"""The Normal-inverse-gamma prior: conjugate for diagonal and spherical covariances."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import digamma, gammaln

from mixtura.errors import InvalidArgumentError
from mixtura.potentials import StudentTail
from mixtura.priors.base import (
    ComponentPosterior,
    ComponentPrior,
    ExpectedComponents,
    Marginals,
    PredictiveComponents,
)
from mixtura.priors.hyperparameters import check_per_feature, hyperparameter, unchecked, unscaled
from mixtura.priors.marginals import (
    deviation_marginals,
    mean_marginals,
    student_constant,
    variance_divergence,
    variance_marginals,
)
from mixtura.statistics import SufficientStatistics, feature_sum, shared_sum
from mixtura.steps import ClusterSteps, ComponentSteps, cluster_steps_of, steps_of
from mixtura.typing import Array, PerFeature, StructureShape

LOG_TWO_PI = float(np.log(2.0 * np.pi))


@final
@dataclass(frozen=True, eq=False)
class NormalInverseGamma(ComponentPrior, ComponentPosterior):
    """Conjugate prior of means and variances.

    ``variance ~ InverseGamma(shape, scale)`` for every free variance of the structure, and
    ``mean | variance ~ Normal(mean, variance / shrinkage)`` for every component and feature
    [Murphy2007]_. The density is taken in the means and variances.

    Parameters
    ----------
    mean : float or array of shape (D,), default=0.0
        Expected component mean, in the data's units.
    shrinkage : float or array of shape (D,), default=0.01
        Number of rows that the prior's mean is worth.
    shape : float or array of shape (D,), default=1.0
        Shape of the inverse gamma distribution of the variance.
    scale : float or array of shape (D,), default=1.0
        Scale of the inverse gamma distribution of the variance, in squared units.

    Raises
    ------
    InvalidArgumentError
        If a hyperparameter is not finite, or not above zero where it must be.
    """

    structure_dimensions = (2,)

    mean: PerFeature = 0.0
    shrinkage: PerFeature = 0.01
    shape: PerFeature = 1.0
    scale: PerFeature = 1.0

    def __post_init__(self) -> None:
        # Posteriors hold one value for each component as well, hence two dimensions.
        for name, positive in (
            ("mean", False),
            ("shrinkage", True),
            ("shape", True),
            ("scale", True),
        ):
            label = f"NormalInverseGamma {name}"
            value = hyperparameter(getattr(self, name), label, positive=positive, max_ndim=2)
            object.__setattr__(self, name, value)

    def check(self, structure: StructureShape, n_components: int, n_features: int) -> None:
        if len(structure) != 2:
            raise InvalidArgumentError(
                "NormalInverseGamma is for diagonal and spherical covariances; "
                "use NormalInverseWishart for full and tied ones"
            )
        for name in ("mean", "shrinkage", "shape", "scale"):
            check_per_feature(getattr(self, name), f"NormalInverseGamma {name}", n_features)
        if structure[1] < n_features and np.ndim(self.shape) + np.ndim(self.scale) > 0:
            raise InvalidArgumentError(
                "NormalInverseGamma shape and scale must each be one number where one variance "
                "serves all features (spherical covariances)"
            )

    def posterior(self, statistics: SufficientStatistics) -> "NormalInverseGamma":
        structure = statistics.structure
        count = statistics.count_by_feature
        shrinkage = self.shrinkage + count
        about_prior = statistics.first + count * (statistics.pivot - self.mean)
        mean = self.mean + about_prior / shrinkage
        pull = shared_sum(self.shrinkage * (mean - self.mean) ** 2, structure)
        return unchecked(
            NormalInverseGamma,
            mean=mean,
            shrinkage=shrinkage,
            shape=self.shape + 0.5 * shared_sum(count, structure),
            scale=self.scale + 0.5 * (statistics.scatter(mean) + pull),
        )

    def draw_given(
        self,
        statistics: SufficientStatistics,
        means: Array,
        covariances: Array,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        return self.posterior(statistics).sample(rng)

    def steps(self, n_features: int) -> ComponentSteps | None:
        prior = (self.mean, self.shrinkage, self.shape, self.scale)
        return steps_of(n_features, *prior, relative=True, power=2)

    def clusters(self, structure: StructureShape, n_features: int) -> ClusterSteps | None:
        prior = (self.mean, self.shrinkage, self.shape, self.scale)
        return cluster_steps_of(n_features, *prior, is_shared=structure[1] < n_features)

    def mode(self) -> tuple[Array, Array]:
        """Return the joint mode; needs the sizes that a posterior has."""
        means, shape = np.asarray(self.mean), np.asarray(self.shape)
        sharing = means.size / shape.size
        return means, self.scale / (shape + 1.0 + 0.5 * sharing)

    def log_density(self, means: Array, covariances: Array) -> float:
        shape, scale = np.asarray(self.shape), np.asarray(self.scale)
        logs = np.log(covariances)
        constant = shape * np.log(scale) - gammaln(shape)
        of_variances = constant - (shape + 1.0) * logs - scale / covariances
        deviations = (means - self.mean) / np.sqrt(covariances)
        of_means = 0.5 * (
            np.log(self.shrinkage) - LOG_TWO_PI - logs - self.shrinkage * deviations * deviations
        )
        return float(of_variances.sum() + of_means.sum())

    def gradient(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        precisions = 1.0 / covariances
        offsets = means - self.mean
        of_means = -np.asarray(self.shrinkage) * offsets * precisions
        # Each mean that shares a variance adds -1/2 to the power of the variance.
        of_offsets = -0.5 * precisions * (1.0 + of_means * offsets)
        of_variances = precisions * (self.scale * precisions - np.asarray(self.shape) - 1.0)
        return of_means, of_variances + shared_sum(
            np.broadcast_to(of_offsets, means.shape), covariances.shape
        )

    def pseudo_counts(self, n_features: int) -> tuple[float, float]:
        return float(np.max(self.shrinkage)), 2.0 * float(np.max(self.shape)) + 3.0

    def draw(
        self,
        rng: np.random.Generator,
        structure: StructureShape,
        n_components: int,
        n_features: int,
    ) -> tuple[Array, Array]:
        covariances = self.scale / rng.gamma(np.broadcast_to(self.shape, structure))
        deviations = np.sqrt(covariances / self.shrinkage)
        noise = rng.standard_normal((n_components, n_features))
        return self.mean + deviations * noise, covariances

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        return self.draw(rng, np.shape(self.scale), *np.shape(self.mean))

    def expected(self) -> ExpectedComponents:
        means, shape, scale = np.asarray(self.mean), np.asarray(self.shape), self.scale
        log_precision = digamma(shape) - np.log(scale)
        by_feature = log_precision - LOG_TWO_PI - np.reciprocal(self.shrinkage)
        return ExpectedComponents(
            means, np.reciprocal(np.sqrt(scale / shape)), 0.5 * feature_sum(by_feature)
        )

    def estimate(self) -> tuple[Array, Array]:
        excess = np.asarray(self.shape) - 1.0
        if (excess > 0.0).all():
            return np.asarray(self.mean), self.scale / excess
        means, mode = self.mode()
        safe = np.where(excess > 0.0, excess, 1.0)
        return means, np.where(excess > 0.0, self.scale / safe, mode)

    def divergence(self, prior: ComponentPrior) -> float:
        if not isinstance(prior, NormalInverseGamma):
            raise TypeError("a NormalInverseGamma has a divergence from its own kind alone")
        shape, scale = np.asarray(self.shape), np.asarray(self.scale)
        of_variances = variance_divergence(
            shape, scale, np.asarray(prior.shape), np.asarray(prior.scale)
        )
        ratio = np.asarray(prior.shrinkage / np.asarray(self.shrinkage))
        offset = (self.mean - np.asarray(prior.mean)) / np.sqrt(scale / shape)
        pull = np.asarray(prior.shrinkage) * offset * offset
        of_means = 0.5 * (ratio - 1.0 - np.log(ratio) + pull)
        return float(of_variances.sum() + of_means.sum())

    def predictive(self) -> PredictiveComponents:
        means, shape = np.asarray(self.mean), np.asarray(self.shape)
        n_components, n_features = means.shape
        variance = self.scale / shape * (1.0 + 1.0 / np.asarray(self.shrinkage))
        factor = 1.0 / np.sqrt(variance)
        log_det = np.log(factor).sum(axis=1)
        freedom = np.broadcast_to(2.0 * shape, (n_components, shape.shape[1]))
        if shape.shape[1] < n_features:
            freedom = freedom[:, 0]
            return PredictiveComponents(
                means, factor, log_det + student_constant(freedom, n_features), StudentTail(freedom)
            )
        constant = student_constant(freedom, 1).sum(axis=1)
        return PredictiveComponents(means, factor, log_det + constant, StudentTail(freedom))

    def mean_marginals(self, probabilities: Array) -> Marginals:
        return mean_marginals(
            np.asarray(self.mean),
            np.asarray(self.shape),
            np.asarray(self.scale),
            np.asarray(self.shrinkage),
            probabilities,
        )

    def deviation_marginals(self, probabilities: Array) -> Marginals:
        sizes = np.shape(self.mean)
        shape, scale = (np.broadcast_to(part, sizes) for part in (self.shape, self.scale))
        return deviation_marginals(shape, scale, probabilities)

    def covariance_marginals(self, probabilities: Array) -> Marginals:
        return variance_marginals(np.asarray(self.shape), np.asarray(self.scale), probabilities)

    def rescaled(self, factor: Array) -> "NormalInverseGamma":
        return NormalInverseGamma(
            unscaled(self.mean, factor),
            self.shrinkage,
            self.shape,
            unscaled(self.scale, factor * factor, positive=True),
        )
