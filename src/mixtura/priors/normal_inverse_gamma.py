"""The Normal-inverse-gamma prior: conjugate for diagonal and spherical covariances."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import digamma, gammaln

from mixtura.errors import InvalidArgumentError
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.potentials import StudentTail
from mixtura.messages.prior_arrays import (
    ClusterSteps,
    ComponentSteps,
    ModeSteps,
    cluster_steps_of,
    conjugate_steps,
    steps_of,
)
from mixtura.messages.statistics import SufficientStatistics, feature_sum, shared_sum
from mixtura.priors.base import (
    AveragedComponents,
    ComponentPrior,
    ExpectedComponents,
    Marginals,
    PredictiveComponents,
)
from mixtura.priors.bounds import TieBounds
from mixtura.priors.hierarchies import HierarchicalPosterior, HierarchicalPrior
from mixtura.priors.hyperparameters import check_per_feature, hyperparameter, unchecked, unscaled
from mixtura.priors.learned_scales import GammaScales, LearnedScale, check_scale, rescaled_scale
from mixtura.priors.marginals import (
    deviation_marginals,
    mean_marginals,
    student_constant,
    variance_divergence,
    variance_marginals,
)
from mixtura.priors.scale_solutions import best_scales
from mixtura.priors.scales import Gamma
from mixtura.typing import Array, PerFeature, StructureShape

LOG_TWO_PI = float(np.log(2.0 * np.pi))


@final
@dataclass(frozen=True, eq=False)
class NormalInverseGamma(HierarchicalPrior, AveragedComponents):
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
    scale : float, array of shape (D,) or Gamma, default=1.0
        Scale of the inverse gamma distribution of the variance, in squared units. With a Gamma it
        is unknown, one number for each feature (one for all where one variance serves them all),
        the same for all components [RichardsonGreen1997]_, and integrated out of the density.

    Raises
    ------
    InvalidArgumentError
        If a hyperparameter is not finite, or not above zero where it must be.
    """

    structure_dimensions = (2,)

    mean: PerFeature = 0.0
    shrinkage: PerFeature = 0.01
    shape: PerFeature = 1.0
    scale: PerFeature | Gamma = 1.0

    def __post_init__(self) -> None:
        # Posteriors hold one value for each component as well, hence two dimensions.
        for name, positive in (
            ("mean", False),
            ("shrinkage", True),
            ("shape", True),
            ("scale", True),
        ):
            if name == "scale" and self.learns_scale:
                continue
            label = f"NormalInverseGamma {name}"
            value = hyperparameter(getattr(self, name), label, positive=positive, max_ndim=2)
            object.__setattr__(self, name, value)

    def check(self, structure: StructureShape, n_components: int, n_features: int) -> None:
        if len(structure) != 2:
            raise InvalidArgumentError(
                "NormalInverseGamma is for diagonal and spherical covariances; "
                "use NormalInverseWishart for full and tied ones"
            )
        for name in ("mean", "shrinkage", "shape"):
            check_per_feature(getattr(self, name), f"NormalInverseGamma {name}", n_features)
        per_feature = check_scale(self.scale, "NormalInverseGamma scale", n_features)
        if structure[1] < n_features and (per_feature or np.ndim(self.shape) > 0):
            raise InvalidArgumentError(
                "NormalInverseGamma shape and scale must each be one number where one variance "
                "serves all features (spherical covariances)"
            )

    @property
    def learns_scale(self) -> bool:
        return isinstance(self.scale, Gamma)

    def learned_scale(self, structure: StructureShape) -> tuple[GammaScales, Array]:
        assert isinstance(self.scale, Gamma)
        power = structure[0] * np.broadcast_to(self.shape, structure[1])
        return GammaScales.of(self.scale, structure[1]), power

    def given_scale(self, scale: PerFeature) -> "NormalInverseGamma":
        return unchecked(NormalInverseGamma, **{**self.hyperparameters(), "scale": scale})

    def pull(self, learned: LearnedScale, covariances: Array) -> Array:
        return (1.0 / covariances).sum(axis=0)

    def expected_pull(self, learned: LearnedScale, factor: AveragedComponents) -> Array:
        assert isinstance(factor, NormalInverseGamma)
        return (np.asarray(factor.shape) / factor._scale).sum(axis=0)

    def tie_bounds(self, structure: StructureShape, n_features: int) -> TieBounds | None:
        if not self.learns_scale:
            return None
        learned, power = self.learned_scale(structure)
        if learned.is_bounded_below:
            return None
        # A component without rows, its mean where the prior expects it, costs nothing.
        width = n_features / structure[1]
        return TieBounds(
            learned.room,
            2.0 * float(power.min()) / structure[0],
            width,
            2.0 + width,
            structure[0],
            learned.remedy,
            by_row=width > 1.0,
            point=np.broadcast_to(self.mean, n_features),
        )

    def best_scale(self, statistics: SufficientStatistics, *, of_mode: bool) -> Array:
        rows = self.given_scale(0.0)._conjugate(statistics)
        counts = np.asarray(rows.shape)
        if of_mode:
            counts = counts + 1.0 + 0.5 * np.size(rows.mean) / counts.size
        return best_scales(*self.learned_scale(statistics.structure), counts, rows._scale)

    @property
    def _scale(self) -> Array:
        """The scale, where it is known."""
        assert not isinstance(self.scale, Gamma)
        return np.asarray(self.scale)

    @property
    def pull_of_means(self) -> tuple[Array, Array] | None:
        return None if self.learns_scale else (np.asarray(self.shrinkage), np.asarray(self.mean))

    def posterior(self, statistics: SufficientStatistics) -> AveragedComponents:
        if self.learns_scale:
            return HierarchicalPosterior(self, statistics)
        return self._conjugate(statistics)

    def _conjugate(self, statistics: SufficientStatistics) -> "NormalInverseGamma":
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
            scale=self._scale + 0.5 * (statistics.scatter(mean) + pull),
        )

    def restriction_refusal(self, structure: StructureShape) -> str | None:
        if self.learns_scale:
            return super().restriction_refusal(structure)
        if np.ndim(self.shape) > 0:
            return (
                "NormalInverseGamma shape must be one number where components share a volume or "
                "a shape"
            )
        return None

    def restricted_terms(
        self, statistics: SufficientStatistics, share: float
    ) -> tuple[Array, CovarianceTerms]:
        rows = self.given_scale(share * self._scale)._conjugate(statistics)
        # Each mean adds one to the power of its own variance.
        worth = 2.0 * share * (float(np.asarray(self.shape)) + 1.0) + 1.0
        return np.asarray(rows.mean), CovarianceTerms(statistics.count + worth, 2.0 * rows._scale)

    def restricted_log_density(self, means: Array, covariances: Array, share: float) -> float:
        of_means, of_variances = self._log_densities(means, covariances)
        return float(share * of_variances.sum() + of_means.sum())

    def draw_given(
        self,
        statistics: SufficientStatistics,
        means: Array,
        covariances: Array,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        if self.learns_scale:
            return self.draw_given_with_scale(statistics, means, covariances, rng)
        return self._conjugate(statistics).sample(rng)

    def mode_steps(self, structure: StructureShape, n_features: int) -> ModeSteps | None:
        if self.learns_scale:
            return None
        shape, scale = (np.broadcast_to(x, structure[1]) for x in (self.shape, self._scale))
        return conjugate_steps(n_features, self.mean, self.shrinkage, shape, scale)

    def steps(self, n_features: int) -> ComponentSteps | None:
        if isinstance(self.scale, Gamma):
            return None
        prior = (self.mean, self.shrinkage, self.shape, self.scale)
        return steps_of(n_features, *prior, relative=True, power=2)

    def clusters(self, structure: StructureShape, n_features: int) -> ClusterSteps | None:
        if isinstance(self.scale, Gamma):
            return None
        prior = (self.mean, self.shrinkage, self.shape, self.scale)
        return cluster_steps_of(n_features, *prior, is_shared=structure[1] < n_features)

    def mode(self) -> tuple[Array, Array]:
        """Return the joint mode; needs the sizes that a posterior has."""
        means, shape = np.asarray(self.mean), np.asarray(self.shape)
        sharing = means.size / shape.size
        return means, self._scale / (shape + 1.0 + 0.5 * sharing)

    def log_density(self, means: Array, covariances: Array) -> float:
        if self.learns_scale:
            return self.integrated_log_density(means, covariances)
        of_means, of_variances = self._log_densities(means, covariances)
        return float(of_variances.sum() + of_means.sum())

    def _log_densities(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        """Return the log densities of means (K, D) and of variances (in the structure shape)."""
        shape, scale = np.asarray(self.shape), self._scale
        logs = np.log(covariances)
        constant = shape * np.log(scale) - gammaln(shape)
        of_variances = constant - (shape + 1.0) * logs - scale / covariances
        deviations = (means - self.mean) / np.sqrt(covariances)
        of_means = 0.5 * (
            np.log(self.shrinkage) - LOG_TWO_PI - logs - self.shrinkage * deviations * deviations
        )
        return of_means, of_variances

    def gradient(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        if self.learns_scale:
            return self.integrated_gradient(means, covariances)
        precisions = 1.0 / covariances
        offsets = means - self.mean
        of_means = -np.asarray(self.shrinkage) * offsets * precisions
        # Each mean that shares a variance adds -1/2 to the power of the variance.
        of_offsets = -0.5 * precisions * (1.0 + of_means * offsets)
        of_variances = precisions * (self._scale * precisions - np.asarray(self.shape) - 1.0)
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
        if self.learns_scale:
            return self.draw_with_scale(rng, structure, n_components, n_features)
        covariances = self._scale / rng.gamma(np.broadcast_to(self.shape, structure))
        deviations = np.sqrt(covariances / self.shrinkage)
        noise = rng.standard_normal((n_components, n_features))
        return self.mean + deviations * noise, covariances

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        return self.draw(rng, np.shape(self._scale), *np.shape(self.mean))

    def expected(self) -> ExpectedComponents:
        means, shape, scale = np.asarray(self.mean), np.asarray(self.shape), self._scale
        log_precision = digamma(shape) - np.log(scale)
        by_feature = log_precision - LOG_TWO_PI - np.reciprocal(self.shrinkage)
        return ExpectedComponents(
            means, np.reciprocal(np.sqrt(scale / shape)), 0.5 * feature_sum(by_feature)
        )

    def estimate(self) -> tuple[Array, Array]:
        excess = np.asarray(self.shape) - 1.0
        if (excess > 0.0).all():
            return np.asarray(self.mean), self._scale / excess
        means, mode = self.mode()
        safe = np.where(excess > 0.0, excess, 1.0)
        return means, np.where(excess > 0.0, self._scale / safe, mode)

    def divergence(self, prior: ComponentPrior) -> float:
        if not isinstance(prior, NormalInverseGamma):
            raise TypeError("a NormalInverseGamma has a divergence from its own kind alone")
        shape, scale = np.asarray(self.shape), self._scale
        of_variances = variance_divergence(shape, scale, np.asarray(prior.shape), prior._scale)
        ratio = np.asarray(prior.shrinkage / np.asarray(self.shrinkage))
        offset = (self.mean - np.asarray(prior.mean)) / np.sqrt(scale / shape)
        pull = np.asarray(prior.shrinkage) * offset * offset
        of_means = 0.5 * (ratio - 1.0 - np.log(ratio) + pull)
        return float(of_variances.sum() + of_means.sum())

    def predictive(self) -> PredictiveComponents:
        means, shape = np.asarray(self.mean), np.asarray(self.shape)
        n_components, n_features = means.shape
        variance = self._scale / shape * (1.0 + 1.0 / np.asarray(self.shrinkage))
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
            self._scale,
            np.asarray(self.shrinkage),
            probabilities,
        )

    def deviation_marginals(self, probabilities: Array) -> Marginals:
        sizes = np.shape(self.mean)
        shape, scale = (np.broadcast_to(part, sizes) for part in (self.shape, self._scale))
        return deviation_marginals(shape, scale, probabilities)

    def covariance_marginals(self, probabilities: Array) -> Marginals:
        return variance_marginals(np.asarray(self.shape), self._scale, probabilities)

    def rescaled(self, factor: Array) -> "NormalInverseGamma":
        scale = rescaled_scale(self.scale, factor * factor)
        return NormalInverseGamma(unscaled(self.mean, factor), self.shrinkage, self.shape, scale)
