"""What leads short runs of EM while starts are sought: a model, or a prior found on the way."""

from abc import ABC, abstractmethod
from typing import final

import numpy as np

from mixtura.engines.search import NO_EXTENT, Extent, Leading, SearchEnd
from mixtura.families import CovarianceFamily, RestrictedFamily
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.prior_arrays import ModeSteps, ScaleSteps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.priors import ComponentPrior, FlatComponents
from mixtura.priors.elicitation import SHRINKAGE, WithinGroups
from mixtura.typing import Array, StructureShape

DEGENERATE = 10.0
"""Multiples of maximum likelihood's floor below which a component has collapsed."""

REFRESHED = 5
"""Steps after which the extent of all rows, in widths of the groups, is found anew."""


TINY = float(np.finfo(np.float64).tiny)

NO_COVARIANCE = NO_EXTENT.covariance


class Guide(ABC):
    """How statistics become parameters, and how good an end is.

    Parameters
    ----------
    family : CovarianceFamily
        The family of the components.
    structure : tuple of int
        Its structure shape.
    """

    def __init__(self, family: CovarianceFamily, structure: StructureShape) -> None:
        self.family, self.structure = family, structure
        self.scale: Array | None = None

    def begin(self, statistics: SufficientStatistics, n_steps: int) -> None:  # noqa: B027 - optional
        """Prepare for a run of so many steps from statistics."""

    @abstractmethod
    def steps(
        self, statistics: SufficientStatistics, rest: float
    ) -> tuple[ModeSteps, ScaleSteps | None] | None:
        """Return how parameters follow from statistics as numbers; None where numbers cannot.

        Where ``rest`` is above zero they end when the scale changes by no more, relatively.
        """

    def leading(self) -> Leading | None:
        """Return what leads whole searches; None where numbers cannot."""
        return None

    def reached(self, end: SearchEnd) -> "Guide":
        """Return the guide that stands where a search has ended."""
        return self

    def arrive(self, scale: Array | None) -> None:
        """Stand where steps led that were taken as numbers, the default prior's scale included."""
        self.scale = scale

    @abstractmethod
    def next_prior(self, statistics: SufficientStatistics) -> ComponentPrior:
        """Return the component prior of the next step; one that is elicited moves on with it."""

    @abstractmethod
    def merit(self, parameters: MixtureParameters) -> float:
        """Return what is added to the log likelihood to compare ends, in nats."""

    def has_vanished(self, statistics: SufficientStatistics) -> bool:
        """Whether the rows of a component have no width, which its covariance may not show."""
        return False

    @property
    def may_vanish(self) -> bool:
        """Whether a component whose rows have no width may keep a covariance that has one."""
        return False

    @property
    def may_collapse(self) -> bool:
        """Whether components can close in on single rows."""
        return False

    @property
    def counts_density(self) -> bool:
        """Whether the merit counts the prior density of components that have their own widths."""
        return False

    @abstractmethod
    def copy(self) -> "Guide":
        """Return a guide that stands where this one does and goes its own way."""

    def parameters(
        self, statistics: SufficientStatistics, near: MixtureParameters | None = None
    ) -> MixtureParameters:
        """Return weights in proportion to the counts, and the components' mode.

        Parameters
        ----------
        statistics : SufficientStatistics
            Moments of the rows.
        near : MixtureParameters, optional
            Where a search for common axes begins.
        """
        return mode_under(self.next_prior(statistics), statistics)


def mode_under(prior: ComponentPrior, statistics: SufficientStatistics) -> MixtureParameters:
    """Return weights in proportion to the counts, and the components' mode under a prior."""
    count = np.maximum(statistics.count, 0.0)
    return MixtureParameters(count / count.sum(), *prior.posterior(statistics).mode())


def steps_under(
    prior: ComponentPrior, statistics: SufficientStatistics
) -> tuple[ModeSteps, ScaleSteps | None] | None:
    """Return how parameters follow from statistics under a prior; None where numbers cannot say."""
    steps = prior.mode_steps(statistics.structure, statistics.first.shape[1])
    return None if steps is None else (steps, None)


@final
class ModelGuide(Guide):
    """The component prior of a model.

    Weights follow the counts, whatever their prior: it decides later, and may have no mode.
    """

    def __init__(self, model: MixtureModel) -> None:
        super().__init__(model.family, model.structure)
        self.model = model

    def steps(
        self, statistics: SufficientStatistics, rest: float
    ) -> tuple[ModeSteps, ScaleSteps | None] | None:
        if statistics.structure != self.structure:
            return steps_under(self.model.component_prior, statistics)
        steps = self.model.mode_steps
        return None if steps is None else (steps, None)

    def parameters(
        self, statistics: SufficientStatistics, near: MixtureParameters | None = None
    ) -> MixtureParameters:
        if not self.family.is_restricted:
            return super().parameters(statistics)
        count = np.maximum(statistics.count, 0.0)
        if near is None:  # one beginning, that of the pooled moments, is enough of a short run
            means = statistics.mean()
            pooled = statistics.scatter(means).sum(axis=0) / max(statistics.total, TINY)
            near = MixtureParameters(count, means, np.broadcast_to(pooled, statistics.structure))
        parts = self.model.component_mode(statistics, near)
        return MixtureParameters(count / count.sum(), *parts)

    def leading(self) -> Leading | None:
        modes = self.model.mode_steps
        return None if modes is None else Leading(modes, None, NO_EXTENT)

    def next_prior(self, statistics: SufficientStatistics) -> ComponentPrior:
        return self.model.component_prior

    def merit(self, parameters: MixtureParameters) -> float:
        prior = self.model.component_prior
        if isinstance(prior, FlatComponents):
            multiples = prior.in_floor_units(parameters.covariances)
            return -np.inf if (multiples < DEGENERATE).any() else 0.0
        return self.model.component_log_density(parameters)

    def has_vanished(self, statistics: SufficientStatistics) -> bool:
        prior = self.model.component_prior
        if not (self.may_vanish and isinstance(prior, FlatComponents)):
            return False
        # Shapes of their own stay above the floor only because no step could follow.
        seen = statistics.count > 0.0
        own = statistics.scatter(statistics.mean())[seen]
        own /= statistics.count[seen].reshape(-1, *(1,) * (own.ndim - 1))
        return bool((prior.in_floor_units(own) < DEGENERATE).any())

    @property
    def may_vanish(self) -> bool:
        family = self.family
        is_restricted = isinstance(family, RestrictedFamily)
        return self.may_collapse and is_restricted and not family.shares_shape

    @property
    def may_collapse(self) -> bool:
        return isinstance(self.model.component_prior, FlatComponents)

    @property
    def counts_density(self) -> bool:
        return not self.may_collapse and self.structure[0] > 1

    def copy(self) -> "ModelGuide":
        return self


@final
class PriorGuide(Guide):
    """A component prior that is known, for rows that are part of all.

    Parameters
    ----------
    guide : Guide
        That of all rows, which says what has collapsed.
    prior : ComponentPrior
        The prior.
    structure : tuple of int
        The structure shape of the part.
    """

    def __init__(self, guide: Guide, prior: ComponentPrior, structure: StructureShape) -> None:
        super().__init__(guide.family, structure)
        self.guide, self.prior = guide, prior

    def steps(
        self, statistics: SufficientStatistics, rest: float
    ) -> tuple[ModeSteps, ScaleSteps | None] | None:
        return steps_under(self.prior, statistics)

    def next_prior(self, statistics: SufficientStatistics) -> ComponentPrior:
        return self.prior

    def merit(self, parameters: MixtureParameters) -> float:
        return self.guide.merit(parameters)

    def copy(self) -> "PriorGuide":
        return self


@final
class ElicitingGuide(Guide):
    """The default prior, whose scale is found anew from the groups before each step.

    Parameters
    ----------
    family : CovarianceFamily
        The family of the components.
    within : WithinGroups
        What takes the scale from groups.
    scale : array, optional
        The scale so far.
    """

    def __init__(
        self,
        family: CovarianceFamily,
        structure: StructureShape,
        within: WithinGroups,
        scale: Array | None = None,
    ) -> None:
        super().__init__(family, structure)
        self.within = within
        self.scale = scale
        self._farthest, self._n_steps = 1.0, REFRESHED

    def begin(self, statistics: SufficientStatistics, n_steps: int) -> None:
        if self.within.is_matrix and self._n_steps >= REFRESHED:
            scale = self.within.pooled(statistics) if self.scale is None else self.scale
            self._farthest, self._n_steps = self.within.farthest(scale), 0
        self._n_steps += n_steps

    def steps(
        self, statistics: SufficientStatistics, rest: float
    ) -> tuple[ModeSteps, ScaleSteps | None] | None:
        return self.within.steps(self.scale, self._farthest, rest)

    def leading(self) -> Leading | None:
        modes, scales = self.within.steps(self.scale, self._farthest, 0.0)
        covariance = self.within.moments.covariance if self.within.is_matrix else NO_COVARIANCE
        extent = Extent(REFRESHED, self._n_steps, SHRINKAGE, covariance)
        return Leading(modes, scales, extent)

    def reached(self, end: SearchEnd) -> "ElicitingGuide":
        other = ElicitingGuide(self.family, self.structure, self.within, end.scale)
        other._farthest, other._n_steps = SHRINKAGE / end.shrinkage, end.since
        return other

    def next_prior(self, statistics: SufficientStatistics) -> ComponentPrior:
        if self.scale is None:
            self.scale = self.within.pooled(statistics)
        else:
            self.scale = self.within.updated(self.scale, statistics)
        return self.within.prior(self.scale, self._farthest)

    def merit(self, parameters: MixtureParameters) -> float:
        return 0.0

    def copy(self) -> "ElicitingGuide":
        other = ElicitingGuide(self.family, self.structure, self.within, self.scale)
        other._farthest, other._n_steps = self._farthest, self._n_steps
        return other
