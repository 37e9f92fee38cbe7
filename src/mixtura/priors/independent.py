"""The article's prior: means and scales independent of each other."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from mixtura.errors import InvalidArgumentError, Message
from mixtura.messages.prior_arrays import ComponentSteps, steps_of
from mixtura.messages.statistics import SufficientStatistics, shared_sum
from mixtura.priors.base import (
    HAVE_NO_MODE,
    AveragedComponents,
    ComponentPrior,
    ExpectedComponents,
    Marginals,
    PredictiveComponents,
)
from mixtura.priors.bounds import TieBounds
from mixtura.priors.conditionals import draw_means, draw_variances
from mixtura.priors.hierarchies import HierarchicalPosterior, HierarchicalPrior
from mixtura.priors.hyperparameters import unchecked
from mixtura.priors.independent_modes import Alternation
from mixtura.priors.learned_scales import GammaScales, LearnedScale, check_scale
from mixtura.priors.mean_field import MeanField, best_factors
from mixtura.priors.scale_solutions import self_answering
from mixtura.priors.scales import Gamma, InverseGamma, Normal, PositivePrior
from mixtura.typing import Array, PerFeature, StructureShape

LOWEST = 1e-30
"""Of the largest scale that can answer spreads: none is looked for below this share of it."""


@final
@dataclass(frozen=True, eq=False)
class Independent(HierarchicalPrior):
    """Normal means, and standard deviations (or variances) independent of them.

    For diagonal and spherical covariances and their tied forms, which includes every structure of
    one feature. The density is taken in the means and in what the prior is stated on: standard
    deviations with ``scale``, variances with ``variance``.

    Parameters
    ----------
    mean : Normal
        Prior of every component mean.
    scale : InverseGamma, LogNormal or HalfNormal, optional
        Prior of the standard deviations. The scale of an InverseGamma may be a Gamma: it is then
        unknown, the same for all components, and integrated out of the density.
    variance : InverseGamma, LogNormal or HalfNormal, optional
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
            raise InvalidArgumentError(
                f"must be a Normal; got {self.mean!r}", argument="Independent mean"
            )
        if (self.scale is None) == (self.variance is None):
            raise InvalidArgumentError(
                "Independent takes exactly one of scale= (on standard deviations) and variance="
            )
        if not isinstance(self.spread, PositivePrior):
            raise InvalidArgumentError(
                "Independent scale or variance must be an InverseGamma, LogNormal or HalfNormal; "
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

    @property
    def parts(self) -> tuple[Normal, PositivePrior, bool]:
        """Prior of the means, of the spreads, and whether that is on variances."""
        return self.mean, self.spread, self.is_on_variance

    def check(self, structure: StructureShape, n_components: int, n_features: int) -> None:
        if len(structure) != 2:
            raise InvalidArgumentError(
                "an Independent prior is for diagonal and spherical covariances (and any with one "
                "feature); ",
                remedy="use NormalInverseWishart for full and tied ones",
            )
        per_feature = False
        for part in (self.mean, self.spread):
            for name, value in part.hyperparameters().items():
                own = check_scale(value, f"{type(part).__name__} {name}", n_features)
                per_feature = per_feature or (own and part is self.spread)
        if structure[1] < n_features and per_feature:
            raise InvalidArgumentError(
                f"{type(self.spread).__name__} must have one number for each hyperparameter where "
                "one scale serves all features (spherical covariances)"
            )

    @property
    def learns_scale(self) -> bool:
        return isinstance(self.spread, InverseGamma) and self.spread.learns_scale

    def learned_scale(self, structure: StructureShape) -> tuple[GammaScales, Array]:
        spread = self.spread
        assert isinstance(spread, InverseGamma)
        assert isinstance(spread.scale, Gamma)
        power = structure[0] * np.broadcast_to(spread.shape, structure[1])
        return GammaScales.of(spread.scale, structure[1]), power

    def given_scale(self, scale: PerFeature) -> "Independent":
        assert isinstance(self.spread, InverseGamma)
        spread = unchecked(InverseGamma, shape=self.spread.shape, scale=scale)
        on_variance = spread if self.is_on_variance else None
        on_deviation = None if self.is_on_variance else spread
        return unchecked(Independent, mean=self.mean, scale=on_deviation, variance=on_variance)

    def pull(self, learned: LearnedScale, covariances: Array) -> Array:
        values = covariances if self.is_on_variance else np.sqrt(covariances)
        return (1.0 / values).sum(axis=0)

    def expected_pull(self, learned: LearnedScale, factor: AveragedComponents) -> Array:
        assert isinstance(factor, IndependentPosterior)
        return factor.factors.scale.reciprocal.sum(axis=0)

    def unbounded(self, structure: StructureShape, n_features: int) -> str | None:
        if self.spread.vanishes_at_zero or structure[0] == 1:  # one spread serves all rows
            return super().unbounded(structure, n_features)
        return Message(
            f"under {type(self.spread).__name__} there is no posterior mode: a component may "
            "shrink onto one row without end; ",
            remedy=("use InverseGamma or LogNormal, or ", *HAVE_NO_MODE),
        )

    def tie_bounds(self, structure: StructureShape, n_features: int) -> TieBounds | None:
        width = (n_features / structure[1]) * (1.0 if self.is_on_variance else 2.0)
        by_row = structure[1] < n_features
        if not self.spread.vanishes_at_zero:
            if structure[0] == 1:
                return None
            remedy = "use InverseGamma or LogNormal"
            return TieBounds(2.0, 0.0, width, 0.0, 2, remedy, by_row, is_coupled=False)
        if not self.learns_scale:
            return None
        learned, power = self.learned_scale(structure)
        if learned.is_bounded_below:
            return None
        each = 2.0 * float(power.min()) / structure[0]
        sizes = (learned.room, each, width, 2.0, structure[0])
        return TieBounds(*sizes, learned.remedy, by_row)

    def best_scale(self, statistics: SufficientStatistics, *, of_mode: bool) -> Array:
        return _LearnedScale(self, statistics, of_mode).best()

    def posterior(self, statistics: SufficientStatistics) -> AveragedComponents:
        if self.learns_scale:
            return HierarchicalPosterior(self, statistics)
        return IndependentPosterior(self, statistics)

    def draw_given(
        self,
        statistics: SufficientStatistics,
        means: Array,
        covariances: Array,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        if self.learns_scale:
            return self.draw_given_with_scale(statistics, means, covariances, rng)
        means = draw_means(self.mean, statistics, covariances, rng)
        spread = (self.spread, self.is_on_variance)
        return means, draw_variances(*spread, statistics, means, rng)

    def steps(self, n_features: int) -> ComponentSteps | None:
        if not isinstance(self.spread, InverseGamma) or isinstance(self.spread.scale, Gamma):
            return None
        with np.errstate(over="ignore", divide="ignore"):
            precision = np.asarray(1.0 / np.square(self.mean.scale))
        prior = (self.mean.location, precision, self.spread.shape, self.spread.scale)
        power = 2 if self.is_on_variance else 1
        return steps_of(n_features, *prior, relative=False, power=power)

    def log_density(self, means: Array, covariances: Array) -> float:
        if self.learns_scale:
            return self.integrated_log_density(means, covariances)
        values = covariances if self.is_on_variance else np.sqrt(covariances)
        of_spread = self.spread.log_density(values)
        return float(self.mean.log_density(means).sum() + of_spread.sum())

    def log_volume(self, covariances: Array) -> float:
        # d sigma / d sigma^2 = 1 / (2 sigma)
        return 0.0 if self.is_on_variance else -float(np.log(2.0 * np.sqrt(covariances)).sum())

    def gradient(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        if self.learns_scale:
            return self.integrated_gradient(means, covariances)
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
        if self.learns_scale:
            return self.draw_with_scale(rng, structure, n_components, n_features)
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
class IndependentPosterior(AveragedComponents):
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
        problem = Alternation(*self.prior.parts, self.statistics)
        starts = np.empty((2, *problem.rows_mean.shape))
        starts[0], starts[1] = problem.rows_mean, problem.location
        means, variances = problem.ascend(starts)
        near_rows, near_prior = (means[0], variances[0]), (means[1], variances[1])
        best = problem.better(near_prior, near_rows)
        if (near_prior[1] > near_rows[1] * (1.0 + 1e-6)).any():
            best = problem.better(problem.ascend(problem.between(near_rows, near_prior)), best)
        return best

    def height(self, of_mode: bool) -> Array:
        """Return the objective that the mode, or the best factors, reach: (*structure)."""
        if of_mode:
            return Alternation(*self.prior.parts, self.statistics).objective(*self.mode())
        factors = self.factors
        divergence = shared_sum(factors.mean_divergence, self.statistics.structure)
        return factors.scale.log_normalizer - divergence

    @cached_property
    def factors(self) -> MeanField:
        """The best factors in which means and scales are independent."""
        return best_factors(*self.prior.parts, self.statistics)

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
class _LearnedScale:
    """The scale that answers the spreads that are best given it."""

    def __init__(self, prior: Independent, statistics: SufficientStatistics, of_mode: bool) -> None:
        self.prior, self.statistics, self.of_mode = prior, statistics, of_mode
        self.learned, self.power = prior.learned_scale(statistics.structure)

    def best(self) -> Array:
        """Return the higher of the ends from the largest scale and from the rows' own spreads."""
        high = self.learned.expected(self.power, np.zeros_like(self.power))
        low = np.maximum(LOWEST * high, self.learned.minimum)
        bounds = np.log(low), np.log(high)
        ends = [
            self_answering(self._answer, start, *bounds) for start in (bounds[1], self._of_rows())
        ]
        heights = [self._height(end) for end in ends]
        return np.exp(np.where(heights[1] > heights[0], ends[1], ends[0]))

    def _of_rows(self) -> Array:
        """Return the log scale that answers the rows' own spreads."""
        problem = Alternation(*self.prior.parts, self.statistics)
        occupied = problem.entries > 0.0
        pooled = problem.rows_scatter.sum(axis=0) / np.maximum(problem.entries.sum(axis=0), 1.0)
        own = problem.rows_scatter / np.where(occupied, problem.entries, 1.0)
        variances = np.maximum(np.where(occupied, own, pooled), problem.smallest)
        return np.log(self._answer_to(self.prior.pull(self.learned, variances)))

    def _answer_to(self, pull: Array) -> Array:
        return self.learned.expected(self.power, pull)

    def _given(self, t: Array) -> "IndependentPosterior":
        return IndependentPosterior(self.prior.given_scale(np.exp(t)), self.statistics)

    def _pull(self, posterior: "IndependentPosterior") -> Array:
        if self.of_mode:
            return self.prior.pull(self.learned, posterior.mode()[1])
        return self.prior.expected_pull(self.learned, posterior)

    def _answer(self, t: Array) -> Array:
        return np.log(self._answer_to(self._pull(self._given(t))))

    def _height(self, t: Array) -> Array:
        """Return the objective of the spreads that are best given a scale, for each feature."""
        posterior = self._given(t)
        pull = self._pull(posterior)
        scale = np.exp(t)
        kernel = self.power * t - scale * pull
        marginal = self.learned.log_evidences(self.power, pull) - kernel
        return posterior.height(self.of_mode).sum(axis=0) + marginal
