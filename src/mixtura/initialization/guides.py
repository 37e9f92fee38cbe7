"""What leads short runs of EM while starts are sought: a model, or a prior found on the way."""

from abc import ABC, abstractmethod
from typing import final

import numpy as np

from mixtura.families import CovarianceFamily
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.priors import ComponentPrior, FlatComponents
from mixtura.priors.elicitation import WithinGroups
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array, StructureShape

DEGENERATE = 10.0
"""Multiples of maximum likelihood's floor below which a component has collapsed."""


REFRESHED = 5
"""Steps after which the extent of all rows, in widths of the groups, is found anew."""


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

    @abstractmethod
    def next_prior(self, statistics: SufficientStatistics) -> ComponentPrior:
        """Return the component prior of the next step; one that is elicited moves on with it."""

    @abstractmethod
    def merit(self, parameters: MixtureParameters) -> float:
        """Return what is added to the log likelihood to compare ends, in nats."""

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

    def parameters(self, statistics: SufficientStatistics) -> MixtureParameters:
        """Return weights in proportion to the counts, and the components' mode."""
        return mode_under(self.next_prior(statistics), statistics)


def mode_under(prior: ComponentPrior, statistics: SufficientStatistics) -> MixtureParameters:
    """Return weights in proportion to the counts, and the components' mode under a prior."""
    count = np.maximum(statistics.count, 0.0)
    return MixtureParameters(count / count.sum(), *prior.posterior(statistics).mode())


@final
class ModelGuide(Guide):
    """The component prior of a model.

    Weights follow the counts, whatever their prior: it decides later, and may have no mode.
    """

    def __init__(self, model: MixtureModel) -> None:
        super().__init__(model.family, model.structure)
        self.model = model

    def next_prior(self, statistics: SufficientStatistics) -> ComponentPrior:
        return self.model.component_prior

    def merit(self, parameters: MixtureParameters) -> float:
        prior = self.model.component_prior
        if isinstance(prior, FlatComponents):
            multiples = prior.in_floor_units(parameters.covariances)
            return -np.inf if (multiples < DEGENERATE).any() else 0.0
        return prior.log_density(parameters.means, parameters.covariances)

    @property
    def may_collapse(self) -> bool:
        return isinstance(self.model.component_prior, FlatComponents)

    @property
    def counts_density(self) -> bool:
        return not self.may_collapse and self.structure[0] > 1

    def copy(self) -> "ModelGuide":
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
        self.within, self.scale = within, scale
        self._n_steps, self._farthest = 0, 1.0

    def next_prior(self, statistics: SufficientStatistics) -> ComponentPrior:
        if self.scale is None:
            self.scale = self.within.pooled(statistics)
        else:
            self.scale = self.within.updated(self.scale, statistics)
        if self.within.is_matrix and self._n_steps % REFRESHED == 0:
            self._farthest = self.within.farthest(self.scale)
        self._n_steps += 1
        return self.within.prior(self.scale, self._farthest)

    def merit(self, parameters: MixtureParameters) -> float:
        return 0.0

    def copy(self) -> "ElicitingGuide":
        other = ElicitingGuide(self.family, self.structure, self.within, self.scale)
        other._n_steps, other._farthest = self._n_steps, self._farthest
        return other
