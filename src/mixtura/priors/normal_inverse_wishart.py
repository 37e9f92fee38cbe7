"""The Normal-inverse-Wishart prior: conjugate for full and tied covariances."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import digamma, gammaln

from mixtura.errors import InvalidArgumentError
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.linalg import covariance_factor, precision_factor
from mixtura.messages.potentials import StudentTail
from mixtura.messages.prior_arrays import (
    ClusterSteps,
    ComponentSteps,
    MatrixSteps,
    ModeSteps,
    cluster_steps_of,
    conjugate_steps,
    matrix_steps_of,
    steps_of,
)
from mixtura.messages.statistics import SufficientStatistics, feature_sum, outer_moments
from mixtura.priors.base import (
    AveragedComponents,
    ComponentPrior,
    ExpectedComponents,
    Marginals,
    PredictiveComponents,
)
from mixtura.priors.bounds import TieBounds
from mixtura.priors.hierarchies import HierarchicalPosterior, HierarchicalPrior
from mixtura.priors.hyperparameters import (
    check_per_feature,
    hyperparameter,
    unchecked,
    unscaled,
)
from mixtura.priors.learned_scales import (
    LearnedScale,
    check_matrix_scale,
    matrix_scale,
    matrix_tie_bounds,
    rescaled_matrix_scale,
)
from mixtura.priors.marginals import (
    deviation_marginals,
    matrix_marginals,
    mean_marginals,
    student_constant,
)
from mixtura.priors.scale_solutions import best_matrix
from mixtura.priors.scales import Gamma
from mixtura.priors.wishart import (
    Wishart,
    inverse_wishart_log_density,
    inverse_wishart_roots,
    log_diagonal,
)
from mixtura.typing import Array, PerFeature, StructureShape

LOG_TWO = float(np.log(2.0))
LOG_TWO_PI = float(np.log(2.0 * np.pi))


@final
@dataclass(frozen=True, eq=False)
class NormalInverseWishart(HierarchicalPrior, AveragedComponents):
    """Conjugate prior of means and covariance matrices.

    ``covariance ~ InverseWishart(degrees_of_freedom, scale)`` and
    ``mean | covariance ~ Normal(mean, covariance / shrinkage)`` [Murphy2007]_. The density is
    taken in the means and covariance matrices.

    Parameters
    ----------
    mean : float or array of shape (D,), default=0.0
        Expected component mean, in the data's units.
    shrinkage : float, default=0.01
        Number of rows that the prior's mean is worth.
    degrees_of_freedom : float, optional
        Above D - 1; D + 2 by default, where the expected covariance is ``scale``.
    scale : float, array of shape (D,) or (D, D), Wishart or Gamma, default=1.0
        Scale matrix in squared units: a multiple of the identity, a diagonal, or a symmetric
        positive-definite matrix. With a Wishart it is unknown, the same for all components
        [Stephens2000b]_, and integrated out; with a Gamma so is each of D diagonal entries
        [HuangWand2013]_.

    Raises
    ------
    InvalidArgumentError
        If a hyperparameter is not finite, or not positive (definite) where it must be.
    """

    structure_dimensions = (3,)

    mean: PerFeature = 0.0
    shrinkage: float | Array = 0.01
    degrees_of_freedom: float | Array | None = None
    scale: float | Array | Wishart | Gamma = 1.0

    def __post_init__(self) -> None:
        def keep(name: str, positive: bool, max_ndim: int) -> None:
            given, label = getattr(self, name), f"NormalInverseWishart {name}"
            checks = {"positive": positive, "max_ndim": max_ndim, "or_matrix": True}
            object.__setattr__(self, name, hyperparameter(given, label, **checks))

        # Posteriors hold one value for each component as well, hence the extra dimension.
        keep("mean", False, 2)
        keep("shrinkage", True, 1)
        if not self.learns_scale:
            keep("scale", True, 3)
        if self.degrees_of_freedom is not None:
            keep("degrees_of_freedom", True, 1)

    def check(self, structure: StructureShape, n_components: int, n_features: int) -> None:
        if len(structure) != 3:
            raise InvalidArgumentError(
                "NormalInverseWishart is for full and tied covariances; "
                "use NormalInverseGamma for diagonal and spherical ones"
            )
        check_per_feature(self.mean, "NormalInverseWishart mean", n_features)
        for name in ("shrinkage", "degrees_of_freedom"):
            if np.ndim(getattr(self, name)) > 0:
                raise InvalidArgumentError(
                    "must be one number", argument=f"NormalInverseWishart {name}"
                )
        if self._freedom(n_features) <= n_features - 1:
            raise InvalidArgumentError(
                "must be above the number of features "
                f"less one, {n_features - 1}; got {self.degrees_of_freedom}",
                argument="NormalInverseWishart degrees_of_freedom",
            )
        check_matrix_scale(self.scale, "NormalInverseWishart scale", n_features)

    @property
    def learns_scale(self) -> bool:
        return isinstance(self.scale, Wishart | Gamma)

    def learned_scale(self, structure: StructureShape) -> tuple[LearnedScale, Array]:
        assert isinstance(self.scale, Wishart | Gamma)
        power = 0.5 * structure[0] * float(self._freedom(structure[1]))
        return matrix_scale(self.scale, structure[1], power)

    def given_scale(self, scale: float | Array) -> "NormalInverseWishart":
        return unchecked(NormalInverseWishart, **{**self.hyperparameters(), "scale": scale})

    def pull(self, learned: LearnedScale, covariances: Array) -> Array:
        factor = precision_factor(covariances)
        return learned.pull_of((factor @ np.swapaxes(factor, -1, -2)).sum(axis=0))

    def expected_pull(self, learned: LearnedScale, factor: AveragedComponents) -> Array:
        assert isinstance(factor, NormalInverseWishart)
        root, freedom = factor._precision_factor, np.asarray(factor.degrees_of_freedom)
        precisions = freedom[:, None, None] * (root @ np.swapaxes(root, -1, -2))
        return learned.pull_of(precisions.sum(axis=0))

    def tie_bounds(self, structure: StructureShape, n_features: int) -> TieBounds | None:
        if not self.learns_scale:
            return None
        given = self.learned_scale(structure)[0], float(self._freedom(n_features))
        return matrix_tie_bounds(*given, structure, np.broadcast_to(self.mean, n_features))

    def best_scale(self, statistics: SufficientStatistics, *, of_mode: bool) -> Array:
        rows = self.given_scale(0.0)._conjugate(statistics)
        counts, sizes = np.asarray(rows.degrees_of_freedom), np.shape(rows.mean)
        if of_mode:
            counts = counts + sizes[1] + 1.0 + sizes[0] / counts.size
        return best_matrix(*self.learned_scale(statistics.structure), counts, rows._scale)

    @property
    def _scale(self) -> Array:
        """The scale, where it is known."""
        assert not isinstance(self.scale, Wishart | Gamma)
        return np.asarray(self.scale)

    def _freedom(self, n_features: int) -> float | Array:
        if self.degrees_of_freedom is None:
            return float(n_features + 2)
        return self.degrees_of_freedom

    def _matrix(self, n_features: int) -> Array:
        scale = self._scale
        return scale if scale.ndim >= 2 else scale * np.eye(n_features)

    @cached_property
    def _matrix_factor(self) -> Array:
        return covariance_factor(self._scale)

    @cached_property
    def _precision_factor(self) -> Array:
        return precision_factor(self._scale)

    def _factor(self, n_features: int) -> Array:
        """Return the lower-triangular factor of the scale, worked out once."""
        scale = self._scale
        return self._matrix_factor if scale.ndim >= 2 else np.sqrt(scale) * np.eye(n_features)

    @property
    def pull_of_means(self) -> tuple[Array, Array] | None:
        return None if self.learns_scale else (np.asarray(self.shrinkage), np.asarray(self.mean))

    def posterior(self, statistics: SufficientStatistics) -> AveragedComponents:
        if self.learns_scale:
            return HierarchicalPosterior(self, statistics)
        return self._conjugate(statistics)

    def _conjugate(self, statistics: SufficientStatistics) -> "NormalInverseWishart":
        structure, shrinkage = statistics.structure, self.shrinkage + statistics.count
        about_prior = statistics.first + statistics.count[:, None] * (statistics.pivot - self.mean)
        mean = self.mean + about_prior / shrinkage[:, None]
        offset = mean - self.mean
        pull = outer_moments(np.asarray(self.shrinkage)[..., None] * offset, offset, structure)
        count = statistics.count if structure[0] > 1 else statistics.count.sum(keepdims=True)
        return unchecked(
            NormalInverseWishart,
            mean=mean,
            shrinkage=shrinkage,
            degrees_of_freedom=self._freedom(structure[-1]) + count,
            scale=self._matrix(structure[-1]) + statistics.scatter(mean) + pull,
        )

    def restriction_refusal(self, structure: StructureShape) -> str | None:
        return super().restriction_refusal(structure) if self.learns_scale else None

    def restricted_terms(
        self, statistics: SufficientStatistics, share: float
    ) -> tuple[Array, CovarianceTerms]:
        n_features = statistics.structure[-1]
        rows = self.given_scale(share * self._matrix(n_features))._conjugate(statistics)
        # Each mean adds one to the power of its own covariance.
        worth = share * (float(self._freedom(n_features)) + n_features + 1.0) + 1.0
        return np.asarray(rows.mean), CovarianceTerms(statistics.count + worth, rows._scale)

    def restricted_log_density(self, means: Array, covariances: Array, share: float) -> float:
        of_means, of_covariances = self._log_densities(means, covariances)
        return float(share * of_covariances.sum() + of_means.sum())

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
        given = np.array([self._freedom(n_features)]), self._matrix(n_features)
        return conjugate_steps(n_features, self.mean, self.shrinkage, *given)

    def steps(self, n_features: int) -> ComponentSteps | MatrixSteps | None:
        if self.learns_scale or n_features > 1:
            return self._matrix_steps(n_features)
        return steps_of(1, *self._as_variance, relative=True, power=2)

    def clusters(
        self, structure: StructureShape, n_features: int
    ) -> ClusterSteps | MatrixSteps | None:
        matrix = self.learns_scale or n_features > 1
        return self._matrix_steps(n_features) if matrix else cluster_steps_of(1, *self._as_variance)

    def _matrix_steps(self, n_features: int) -> MatrixSteps | None:
        if self.learns_scale:
            return None
        freedom, scale = self._freedom(n_features), self._matrix(n_features)
        return matrix_steps_of(n_features, self.mean, self.shrinkage, freedom, scale)

    @property
    def _as_variance(self) -> tuple[PerFeature, PerFeature, PerFeature, PerFeature]:
        # A matrix of one entry is a variance: inverse gamma of half the freedom and half the scale.
        shape = 0.5 * np.asarray(self._freedom(1))
        return self.mean, self.shrinkage, shape, 0.5 * self._matrix(1).ravel()

    def mode(self) -> tuple[Array, Array]:
        """Return the joint mode; needs the sizes that a posterior has."""
        means, scale = np.asarray(self.mean), self._scale
        n_components, n_features = means.shape
        sharing = n_components / scale.shape[0]
        freedom = np.asarray(self._freedom(n_features)) + n_features + 1.0 + sharing
        return means, scale / freedom.reshape(-1, 1, 1)

    def log_density(self, means: Array, covariances: Array) -> float:
        if self.learns_scale:
            return self.integrated_log_density(means, covariances)
        of_means, of_covariances = self._log_densities(means, covariances)
        return float(of_covariances.sum() + of_means.sum())

    def _log_densities(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        """Return the log densities of the means (K,) and of the covariances (K or 1,)."""
        n_features = means.shape[1]
        freedom = self._freedom(n_features)
        factor = precision_factor(covariances)
        log_det = -2.0 * log_diagonal(factor)
        scale_factor = self._factor(n_features)
        of_covariances = inverse_wishart_log_density(freedom, scale_factor, factor)
        residual = ((means - self.mean)[:, None, :] @ factor)[:, 0, :]
        of_means = 0.5 * (
            n_features * (np.log(self.shrinkage) - LOG_TWO_PI)
            - log_det
            - self.shrinkage * feature_sum(residual * residual)
        )
        return of_means, of_covariances

    def gradient(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        if self.learns_scale:
            return self.integrated_gradient(means, covariances)
        n_components, n_features = means.shape
        factor = precision_factor(covariances)
        precisions = factor @ np.swapaxes(factor, -1, -2)
        pulls = (precisions @ (means - self.mean)[:, :, None])[:, :, 0]
        shrinkage = np.broadcast_to(self.shrinkage, (n_components,))[:, None]
        power = np.asarray(self._freedom(n_features)) + n_features + 1.0
        power = power + n_components / covariances.shape[0]
        squares = outer_moments(shrinkage * pulls, pulls, covariances.shape)
        of_scale = precisions @ self._matrix(n_features) @ precisions
        of_covariances = of_scale + squares - np.reshape(power, (-1, 1, 1)) * precisions
        return -shrinkage * pulls, 0.5 * of_covariances

    def pseudo_counts(self, n_features: int) -> tuple[float, float]:
        freedom = float(np.max(self._freedom(n_features)))
        return float(np.max(self.shrinkage)), freedom + n_features + 2.0

    def draw(
        self,
        rng: np.random.Generator,
        structure: StructureShape,
        n_components: int,
        n_features: int,
    ) -> tuple[Array, Array]:
        if self.learns_scale:
            return self.draw_with_scale(rng, structure, n_components, n_features)
        freedom = np.broadcast_to(self._freedom(n_features), structure[:1])
        root = inverse_wishart_roots(rng, freedom, covariance_factor(self._matrix(n_features)))
        covariances = root @ np.swapaxes(root, -1, -2)
        noise = rng.standard_normal((n_components, n_features))
        spread = (
            np.broadcast_to(root, (n_components, n_features, n_features)) @ noise[:, :, None]
        )[:, :, 0]
        shrinkage = np.broadcast_to(self.shrinkage, (n_components,))
        return self.mean + spread / np.sqrt(shrinkage)[:, None], covariances

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        return self.draw(rng, np.shape(self._scale), *np.shape(self.mean))

    def expected(self) -> ExpectedComponents:
        freedom, factor = np.asarray(self.degrees_of_freedom), self._precision_factor
        spread = factor.shape[-1] * (LOG_TWO_PI - LOG_TWO + 1.0 / np.asarray(self.shrinkage))
        log_precision = self._digamma_and_gammaln[0] + 2.0 * log_diagonal(factor)
        factor = factor * np.sqrt(freedom)[:, None, None]
        return ExpectedComponents(np.asarray(self.mean), factor, 0.5 * (log_precision - spread))

    def _halves(self, n_features: int) -> Array:
        """Return half the degrees of freedom of each of the D factors of a determinant."""
        freedom = np.reshape(np.asarray(self._freedom(n_features), dtype=np.float64), (-1, 1))
        return 0.5 * (freedom - np.arange(n_features))

    @cached_property
    def _digamma_and_gammaln(self) -> tuple[Array, Array]:
        """The digamma and log gamma functions of a posterior's halves, summed."""
        halves = self._halves(np.shape(self._scale)[-1])
        return feature_sum(digamma(halves)), feature_sum(gammaln(halves))

    def estimate(self) -> tuple[Array, Array]:
        means = np.asarray(self.mean)
        excess = np.asarray(self.degrees_of_freedom).reshape(-1, 1, 1) - means.shape[1] - 1.0
        if (excess > 0.0).all():
            return means, self._scale / excess
        safe = np.where(excess > 0.0, excess, 1.0)
        return means, np.where(excess > 0.0, self._scale / safe, self.mode()[1])

    def divergence(self, prior: ComponentPrior) -> float:
        if not isinstance(prior, NormalInverseWishart):
            raise TypeError("a NormalInverseWishart has a divergence from its own kind alone")
        means, freedom = np.asarray(self.mean), np.asarray(self.degrees_of_freedom)
        n_features = means.shape[1]
        factor, prior_factor = self._precision_factor, prior._factor(n_features)
        prior_freedom = np.asarray(prior._freedom(n_features))
        whitened = np.swapaxes(prior_factor, -1, -2) @ factor
        log_det = 2.0 * (log_diagonal(factor) + log_diagonal(prior_factor))
        digammas, constants = self._digamma_and_gammaln
        of_covariances = (
            0.5 * freedom * ((whitened * whitened).sum(axis=(1, 2)) - n_features)
            - 0.5 * prior_freedom * log_det
            + gammaln(prior._halves(n_features)).sum(axis=1)
            - constants
            + 0.5 * (freedom - prior_freedom) * digammas
        )
        offset = ((means - prior.mean)[:, None, :] @ factor)[:, 0, :]
        ratio = prior.shrinkage / np.asarray(self.shrinkage)
        pull = prior.shrinkage * freedom * (offset * offset).sum(axis=1)
        of_means = 0.5 * (n_features * (ratio - 1.0 - np.log(ratio)) + pull)
        return float(of_covariances.sum() + of_means.sum())

    def predictive(self) -> PredictiveComponents:
        means, shrinkage = np.asarray(self.mean), np.asarray(self.shrinkage)
        n_components, n_features = means.shape
        freedom = np.asarray(self.degrees_of_freedom) - n_features + 1.0
        freedom = np.broadcast_to(freedom, (n_components,))
        spread = (1.0 + 1.0 / shrinkage) / freedom
        factor = precision_factor(spread[:, None, None] * self._scale)
        log_det = np.log(np.einsum("kdd->kd", factor)).sum(axis=1)
        offset = log_det + student_constant(freedom, n_features)
        return PredictiveComponents(means, factor, offset, StudentTail(freedom))

    def _variances(self) -> tuple[Array, Array]:
        """Return shape (K or 1, 1) and scale (K or 1, D) of the variances' inverse gammas."""
        shape = 0.5 * (np.asarray(self.degrees_of_freedom) - np.shape(self.mean)[1] + 1.0)
        return shape[:, None], 0.5 * np.einsum("kdd->kd", self._scale)

    def mean_marginals(self, probabilities: Array) -> Marginals:
        mean, shrinkage = np.asarray(self.mean), np.asarray(self.shrinkage)[:, None]
        return mean_marginals(mean, *self._variances(), shrinkage, probabilities)

    def deviation_marginals(self, probabilities: Array) -> Marginals:
        shape, scale = np.broadcast_arrays(*self._variances(), self.mean)[:2]
        return deviation_marginals(shape, scale, probabilities)

    def covariance_marginals(self, probabilities: Array) -> Marginals:
        return matrix_marginals(np.asarray(self.degrees_of_freedom), self._scale, probabilities)

    def rescaled(self, factor: Array) -> "NormalInverseWishart":
        mean, scale = unscaled(self.mean, factor), rescaled_matrix_scale(self.scale, factor)
        return NormalInverseWishart(mean, self.shrinkage, self.degrees_of_freedom, scale)
