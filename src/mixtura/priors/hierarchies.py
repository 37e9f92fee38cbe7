"""Priors whose scale is itself unknown: its distribution is integrated out, or averaged over."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from mixtura.errors import Message
from mixtura.messages.statistics import SufficientStatistics
from mixtura.priors.base import (
    HAVE_NO_MODE,
    AveragedComponents,
    ComponentPrior,
    ExpectedComponents,
    Marginals,
    PredictiveComponents,
)
from mixtura.priors.learned_scales import LearnedScale
from mixtura.typing import Array, StructureShape


class HierarchicalPrior(ComponentPrior):
    """A prior whose scale may be a distribution: one scale for all components, to be learned.

    The density is then that of means and covariances with the scale integrated out.
    """

    @property
    @abstractmethod
    def learns_scale(self) -> bool:
        """Whether the scale is a distribution rather than a number."""

    @abstractmethod
    def learned_scale(self, structure: StructureShape) -> tuple[LearnedScale, Array]:
        """Return the distribution of the scale, and the power that the free spreads give it."""

    @abstractmethod
    def posterior(self, statistics: SufficientStatistics) -> AveragedComponents:
        """Return the posterior given sufficient statistics."""

    @abstractmethod
    def given_scale(self, scale: Array) -> "HierarchicalPrior":
        """Return the prior at one value of the scale."""

    @abstractmethod
    def pull(self, learned: LearnedScale, covariances: Array) -> Array:
        """Return the pull of covariances on the scale."""

    @abstractmethod
    def expected_pull(self, learned: LearnedScale, factor: AveragedComponents) -> Array:
        """Return the expected pull under a posterior at one value of the scale."""

    @abstractmethod
    def best_scale(self, statistics: SufficientStatistics, *, of_mode: bool) -> Array:
        """Return the scale at which the posterior's mode, or its best factor, is to be taken."""

    def unbounded(self, structure: StructureShape, n_features: int) -> str | None:
        bounds, n_spreads = self.tie_bounds(structure, n_features), structure[0]
        if bounds is None or n_spreads == 1:
            return None
        # Without ties: a row for each component, where it can lie on one, or a plane of them.
        untied = np.ones(n_spreads - 1) if bounds.point is None else np.zeros(1)
        untied = np.array([n_features - 1.0]) if bounds.in_plane else untied
        if bounds.bears(untied, np.inf, of_mode=True):
            return None
        return Message(
            f"{type(self).__name__} with a learned scale has no posterior mode with {n_spreads} "
            "components: they and the scale may shrink together without end; ",
            remedy=(f"{bounds.remedy}, or use ", *HAVE_NO_MODE),
        )

    def scale_given(self, covariances: Array) -> Array:
        """Return the expected scale given covariances, in the structure shape."""
        learned, power = self.learned_scale(covariances.shape)
        return learned.expected(power, self.pull(learned, covariances))

    def integrated_log_density(self, means: Array, covariances: Array) -> float:
        """Return the log density with the scale integrated out, in nats."""
        learned, power = self.learned_scale(covariances.shape)
        pull = self.pull(learned, covariances)
        scale = learned.expected(power, pull)  # any would do; at this one nothing cancels
        given = self.given_scale(scale).log_density(means, covariances)
        marginal = learned.log_evidence(power, pull) - learned.log_kernel(scale, power, pull)
        return given + marginal

    def integrated_gradient(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        """Return the gradient of that density: the expected one given the scale, by Fisher."""
        return self.given_scale(self.scale_given(covariances)).gradient(means, covariances)

    def draw_with_scale(
        self,
        rng: np.random.Generator,
        structure: StructureShape,
        n_components: int,
        n_features: int,
    ) -> tuple[Array, Array]:
        """Return means and covariances drawn given a scale that is drawn first."""
        learned, _ = self.learned_scale(structure)
        scale = learned.draw(*learned.nothing, rng)
        return self.given_scale(scale).draw(rng, structure, n_components, n_features)

    def draw_given_with_scale(
        self,
        statistics: SufficientStatistics,
        means: Array,
        covariances: Array,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        """Return means and covariances drawn given a scale that is drawn given the current ones.

        The covariances of components without rows do not enter: they are drawn together with the
        scale, which would otherwise hardly move where they are many.
        """
        is_own = len(covariances) == len(means)
        occupied = covariances[statistics.count > 0.0] if is_own else covariances
        learned, power = self.learned_scale(occupied.shape)
        scale = learned.draw(power, self.pull(learned, occupied), rng)
        return self.given_scale(scale).draw_given(statistics, means, covariances, rng)


@final
@dataclass(frozen=True, eq=False)
class HierarchicalPosterior(AveragedComponents):
    """Posterior of means and covariances whose prior learns its scale; not of the prior's form.

    Its mode is that with the scale integrated out. What variational Bayes uses are two factors,
    one for the scale and one, of the form that a known scale would give, for means and covariances.

    Parameters
    ----------
    prior : HierarchicalPrior
        The prior.
    statistics : SufficientStatistics
        Moments of the assigned rows.
    """

    prior: HierarchicalPrior
    statistics: SufficientStatistics

    def posterior(self, statistics: SufficientStatistics) -> "HierarchicalPosterior":
        return HierarchicalPosterior(self.prior, self.statistics + statistics)

    def mode(self) -> tuple[Array, Array]:
        scale = self.prior.best_scale(self.statistics, of_mode=True)
        return self.prior.given_scale(scale).posterior(self.statistics).mode()

    @cached_property
    def scale(self) -> Array:
        """Expected scale under its factor."""
        return self.prior.best_scale(self.statistics, of_mode=False)

    @cached_property
    def factor(self) -> AveragedComponents:
        """The factor of means and covariances."""
        return self.prior.given_scale(self.scale).posterior(self.statistics)

    def expected(self) -> ExpectedComponents:
        return self.factor.expected()

    def estimate(self) -> tuple[Array, Array]:
        return self.factor.estimate()

    def divergence(self, prior: ComponentPrior) -> float:
        # E[log s] appears in the divergence of either factor, and cancels.
        if not isinstance(prior, HierarchicalPrior) or not prior.learns_scale:
            raise TypeError("factors under a learned scale have a divergence from it alone")
        learned, power = prior.learned_scale(self.statistics.structure)
        pull = prior.expected_pull(learned, self.factor)
        of_scale = learned.log_kernel(self.scale, power, pull) - learned.log_evidence(power, pull)
        return self.factor.divergence(prior.given_scale(self.scale)) + of_scale

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        return self.factor.sample(rng)

    def predictive(self) -> PredictiveComponents:
        return self.factor.predictive()

    def mean_marginals(self, probabilities: Array) -> Marginals:
        return self.factor.mean_marginals(probabilities)

    def deviation_marginals(self, probabilities: Array) -> Marginals:
        return self.factor.deviation_marginals(probabilities)

    def covariance_marginals(self, probabilities: Array) -> Marginals:
        return self.factor.covariance_marginals(probabilities)
