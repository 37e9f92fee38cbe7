"""The article's prior: means and scales independent of each other."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.priors.base import (
    ComponentPosterior,
    ComponentPrior,
    ExpectedComponents,
    Marginals,
    PredictiveComponents,
)
from mixtura.priors.conditionals import draw_means, draw_variances
from mixtura.priors.hyperparameters import check_per_feature
from mixtura.priors.mean_field import MeanField, best_factors
from mixtura.priors.scales import InverseGamma, Normal, PositivePrior
from mixtura.statistics import SufficientStatistics, shared_sum
from mixtura.steps import ComponentSteps, steps_of
from mixtura.typing import Array, StructureShape

MAX_ALTERNATIONS = 1000
RESOLUTION = 4.0 * np.finfo(float).eps
SMALLEST_DEVIATION, LARGEST_DEVIATION = 1e-150, 1e150
"""Their squares are still numbers that float64 holds in full."""
IGNORING_OVERFLOW = np.errstate(over="ignore")
"""Where means are found given variances: of rows of 1e150 under a prior of 1e-100."""
GRID = 64
"""Variances that are tried between the smallest and the largest mode."""


@final
@dataclass(frozen=True, eq=False)
class Independent(ComponentPrior):
    """Normal means, and standard deviations (or variances) independent of them.

    For diagonal and spherical covariances and their tied forms, which includes every structure of
    one feature. The density is taken in the means and in what the prior is stated on: standard
    deviations with ``scale``, variances with ``variance``.

    Parameters
    ----------
    mean : Normal
        Prior of every component mean.
    scale : InverseGamma or LogNormal, optional
        Prior of the standard deviations.
    variance : InverseGamma or LogNormal, optional
        Prior of the variances. Exactly one of ``scale`` and ``variance`` is given.

    Raises
    ------
    InvalidArgumentError
        If not exactly one of ``scale`` and ``variance`` is given, or a part has the wrong type.
    """

    structure_dimensions = (2,)

    mean: Normal
    scale: PositivePrior | None = None
    variance: PositivePrior | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.mean, Normal):
            raise InvalidArgumentError(f"Independent mean must be a Normal; got {self.mean!r}")
        if (self.scale is None) == (self.variance is None):
            raise InvalidArgumentError(
                "Independent takes exactly one of scale= (on standard deviations) and variance="
            )
        if not isinstance(self.spread, PositivePrior):
            raise InvalidArgumentError(
                f"Independent scale or variance must be an InverseGamma or LogNormal; "
                f"got {self.spread!r}"
            )

    @property
    def spread(self) -> PositivePrior:
        """The prior of the standard deviations or variances, whichever was given."""
        return self.scale if self.scale is not None else self.variance  # type: ignore[return-value]

    @property
    def is_on_variance(self) -> bool:
        """Whether the prior is stated on variances rather than standard deviations."""
        return self.variance is not None

    def check(self, structure: StructureShape, n_components: int, n_features: int) -> None:
        if len(structure) != 2:
            raise InvalidArgumentError(
                "an Independent prior is for diagonal and spherical covariances (and any with one "
                "feature); use NormalInverseWishart for full and tied ones"
            )
        for part in (self.mean, self.spread):
            for name, value in part.hyperparameters().items():
                check_per_feature(value, f"{type(part).__name__} {name}", n_features)
        per_feature = any(np.ndim(value) > 0 for value in self.spread.hyperparameters().values())
        if structure[1] < n_features and per_feature:
            raise InvalidArgumentError(
                f"{type(self.spread).__name__} must have one number for each hyperparameter where "
                "one scale serves all features (spherical covariances)"
            )

    def posterior(self, statistics: SufficientStatistics) -> "IndependentPosterior":
        return IndependentPosterior(self, statistics)

    def draw_given(
        self,
        statistics: SufficientStatistics,
        means: Array,
        covariances: Array,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        means = draw_means(self.mean, statistics, covariances, rng)
        spread = (self.spread, self.is_on_variance)
        return means, draw_variances(*spread, statistics, means, rng)

    def steps(self, n_features: int) -> ComponentSteps | None:
        if not isinstance(self.spread, InverseGamma):
            return None
        with np.errstate(over="ignore", divide="ignore"):
            precision = np.asarray(1.0 / np.square(self.mean.scale))
        prior = (self.mean.location, precision, self.spread.shape, self.spread.scale)
        power = 2 if self.is_on_variance else 1
        return steps_of(n_features, *prior, relative=False, power=power)

    def log_density(self, means: Array, covariances: Array) -> float:
        values = covariances if self.is_on_variance else np.sqrt(covariances)
        of_spread = self.spread.log_density(values)
        return float(self.mean.log_density(means).sum() + of_spread.sum())

    def log_volume(self, covariances: Array) -> float:
        # d sigma / d sigma^2 = 1 / (2 sigma)
        return 0.0 if self.is_on_variance else -float(np.log(2.0 * np.sqrt(covariances)).sum())

    def gradient(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        location, scale = np.asarray(self.mean.location), np.asarray(self.mean.scale)
        of_means = (location - means) / scale / scale
        if self.is_on_variance:
            return of_means, self.spread.gradient(covariances)
        deviations = np.sqrt(covariances)
        return of_means, self.spread.gradient(deviations) * 0.5 / deviations

    def draw(
        self,
        rng: np.random.Generator,
        structure: StructureShape,
        n_components: int,
        n_features: int,
    ) -> tuple[Array, Array]:
        means = self.mean.draw(rng, (n_components, n_features))
        values = self.spread.draw(rng, structure)
        return means, values if self.is_on_variance else values**2

    def rescaled(self, factor: Array) -> "Independent":
        spread = self.spread.rescaled(factor * factor if self.is_on_variance else factor)
        mean = self.mean.rescaled(factor)
        if self.is_on_variance:
            return Independent(mean, variance=spread)
        return Independent(mean, scale=spread)


@final
@dataclass(frozen=True, eq=False)
class IndependentPosterior(ComponentPosterior):
    """Independent prior times the likelihood of assigned rows; not of the prior's own form."""

    prior: Independent
    statistics: SufficientStatistics

    def posterior(self, statistics: SufficientStatistics) -> "IndependentPosterior":
        return IndependentPosterior(self.prior, self.statistics + statistics)

    def mode(self) -> tuple[Array, Array]:
        """Return the joint mode by alternating the two closed-form conditional modes.

        Where prior and rows disagree strongly there may be several modes. The ascent from the
        means of the rows ends in the one of smallest variance, that from the prior's means in the
        one of largest; where they differ, others are looked for in between. The best is kept,
        separately for every free variance.
        """
        problem = _Alternation(self.prior, self.statistics)
        starts = np.empty((2, *problem.rows_mean.shape))
        starts[0], starts[1] = problem.rows_mean, problem.location
        means, variances = problem.ascend(starts)
        near_rows, near_prior = (means[0], variances[0]), (means[1], variances[1])
        best = problem.better(near_prior, near_rows)
        if (near_prior[1] > near_rows[1] * (1.0 + 1e-6)).any():
            best = problem.better(problem.ascend(problem.between(near_rows, near_prior)), best)
        return best

    @cached_property
    def factors(self) -> MeanField:
        """The best factors in which means and scales are independent."""
        prior = self.prior
        return best_factors(prior.mean, prior.spread, prior.is_on_variance, self.statistics)

    def expected(self) -> ExpectedComponents:
        return self.factors.expected()

    def estimate(self) -> tuple[Array, Array]:
        return self.factors.estimate()

    def divergence(self, prior: ComponentPrior) -> float:
        if not isinstance(prior, Independent):
            raise TypeError("factors of an Independent prior have a divergence from it alone")
        return self.factors.divergence

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        return self.factors.sample(rng)

    def predictive(self) -> PredictiveComponents:
        return self.factors.predictive()

    def mean_marginals(self, probabilities: Array) -> Marginals:
        return self.factors.mean_marginals(probabilities)

    def deviation_marginals(self, probabilities: Array) -> Marginals:
        known, sizes = self.factors.scale.marginals(1.0, probabilities), self.factors.mean.shape
        return Marginals(
            np.broadcast_to(known.mean, sizes),
            np.broadcast_to(known.deviation, sizes),
            np.broadcast_to(known.quantiles, (len(known.quantiles), *sizes)),
        )

    def covariance_marginals(self, probabilities: Array) -> Marginals:
        return self.factors.scale.marginals(2.0, probabilities)


@final
class _Alternation:
    """The M-step's objective and its two conditional maximisers."""

    def __init__(self, prior: Independent, statistics: SufficientStatistics) -> None:
        self.prior = prior
        self.location, self.scale = np.asarray(prior.mean.location), np.asarray(prior.mean.scale)
        self.structure = statistics.structure
        self.count = statistics.count_by_feature
        self.rows_mean = statistics.mean()
        self.rows_scatter = statistics.scatter(self.rows_mean)
        self.entries = shared_sum(self.count, self.structure)
        # A prior may let the spread of tied rows shrink to nothing, below the rounding of the
        # rows themselves and at last below the smallest number: not further than that.
        size = np.abs(self.rows_mean)
        if self.structure[1] < size.shape[1]:
            size = size.max(axis=1, keepdims=True)
        if self.structure[0] < size.shape[0]:
            size = size.max(axis=0, keepdims=True)
        self.smallest = np.maximum(2.0 * RESOLUTION * size, SMALLEST_DEVIATION) ** 2

    def scatter(self, means: Array) -> Array:
        squares = self.count * (means - self.rows_mean) ** 2
        return self.rows_scatter + shared_sum(squares, self.structure)

    def variances_given(self, means: Array) -> Array:
        scatter = self.scatter(means)
        if self.prior.is_on_variance:
            variances = self.prior.spread.variance_mode(self.entries, scatter)
        else:
            deviations = self.prior.spread.deviation_mode(self.entries, scatter)
            variances = np.minimum(deviations, LARGEST_DEVIATION) ** 2
        return np.minimum(np.maximum(variances, self.smallest), LARGEST_DEVIATION**2)

    def means_given(self, variances: Array) -> Array:
        ratio = variances / self.scale / self.scale
        share = self.count / (self.count + ratio)
        return self.location + share * (self.rows_mean - self.location)

    @IGNORING_OVERFLOW
    def ascend(self, means: Array) -> tuple[Array, Array]:
        variances = self.variances_given(means)
        for _ in range(MAX_ALTERNATIONS):
            means = self.means_given(variances)
            updated = self.variances_given(means)
            moving = np.abs(updated - variances) > RESOLUTION * variances
            variances = updated
            if not np.count_nonzero(moving):
                break
        return self.means_given(variances), variances

    @IGNORING_OVERFLOW
    def between(self, low: tuple[Array, Array], high: tuple[Array, Array]) -> Array:
        """Return the means of the best variances of a grid from the low to the high ones."""
        best = low
        for share in np.linspace(0.0, 1.0, GRID + 2)[1:-1]:
            variances = low[1] * (high[1] / low[1]) ** share
            best = self.better((self.means_given(variances), variances), best)
        return best[0]

    def better(self, new: tuple[Array, Array], old: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return the means and variances of the higher objective, for every free variance."""
        higher = self.objective(*new) > self.objective(*old)
        return np.where(higher, new[0], old[0]), np.where(higher, new[1], old[1])

    def objective(self, means: Array, variances: Array) -> Array:
        """Return the log density up to a constant, one value for each free variance."""
        values = variances if self.prior.is_on_variance else np.sqrt(variances)
        of_rows = -0.5 * (self.entries * np.log(variances) + self.scatter(means) / variances)
        of_means = shared_sum(self.prior.mean.log_density(means), self.structure)
        return of_rows + self.prior.spread.log_density(values) + of_means
