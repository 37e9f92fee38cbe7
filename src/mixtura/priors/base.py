"""What a prior promises: K-sized statistics in, a posterior with a mode out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, final

import numpy as np

from mixtura.errors import InvalidArgumentError, Part, Remedy, Setting
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.named_options import NamedOptions
from mixtura.messages.potentials import Tail
from mixtura.messages.prior_arrays import (
    ClusterSteps,
    ComponentSteps,
    MatrixSteps,
    ModeSteps,
    WeightSteps,
)
from mixtura.messages.statistics import SufficientStatistics
from mixtura.priors.bounds import TieBounds
from mixtura.priors.partition_probabilities import Partitions
from mixtura.typing import Array, IntegerArray, StructureShape


class Prior(NamedOptions, ABC):
    """A distribution whose hyperparameters are the fields of a frozen dataclass."""

    def hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_hyperparameters(cls, values: Mapping[str, Any]) -> Self:
        """Return the prior with the given hyperparameters."""
        return cls(**values)


class WeightPrior(Prior):
    """Prior of the mixture weights."""

    has_constant_powers: ClassVar[bool] = False
    """Whether the density is a product of powers of the weights: a Dirichlet, or flat."""

    @abstractmethod
    def check(self, n_components: int) -> None:
        """Raise InvalidArgumentError unless the hyperparameters fit K components."""

    @abstractmethod
    def posterior(self, count: Array) -> "WeightPrior":
        """Return the posterior given the components' total responsibilities, shape (K,)."""

    @abstractmethod
    def mode(self, n_components: int) -> Array:
        """Return the weights of highest density, shape (K,)."""

    @abstractmethod
    def log_density(self, weights: Array) -> float:
        """Return the log density of weights of shape (K,), in nats, all constants included."""

    @abstractmethod
    def log_weight_gradient(self, weights: Array) -> Array:
        """Return the gradient of the log density in the logarithms of the weights, shape (K,)."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, n_components: int) -> Array:
        """Return weights drawn from the prior, shape (K,)."""

    @property
    def is_exchangeable(self) -> bool:
        """Whether relabelling the components leaves the prior as it is."""
        return True

    @property
    def finds_components(self) -> bool:
        """Whether the number of components is a limit, and the occupied ones are to be found."""
        return False

    @property
    def has_random_number(self) -> bool:
        """Whether weights may be exactly zero, and how many are not is to be found."""
        return False

    def n_sharing(self, n_components: int, n_rows: float) -> float:
        """Return how many components are expected to share the extent of N rows."""
        return float(n_components)

    def n_needed(self, n_rows: float, loss: float, most: int) -> int:
        """Return how many weights lose less than so many expected groups of N rows, 1 to ``most``.

        One where the prior has no more weights than it is given.
        """
        return 1

    def typical(self, n_components: int) -> Array:
        """Return weights (K,) from which a sampler may begin: the mode, where there is one."""
        return self.mode(n_components)

    def steps(self, n_components: int) -> WeightSteps | None:
        """Return the prior as numbers that native chains draw from; None where it has none."""
        concentration = self.concentrations(n_components)
        return None if concentration is None else WeightSteps(concentration, np.empty(0))

    def is_unbounded_at(self, weights: Array) -> bool:
        """Whether the weights lie where the density has no upper bound."""
        return False

    def preferred_order(self, count: Array) -> IntegerArray:
        """Return the numbering of components of given counts under which the prior fits best."""
        return np.arange(count.size)

    def matching_order(self, count: Array) -> IntegerArray:
        """Return which cluster of a start, of counts (K,), goes to each component."""
        return np.arange(count.size)

    def concentrations(self, n_components: int) -> Array | None:
        """Return the concentrations (K,) of a prior that is Dirichlet, None of any other."""
        return None

    def partitions(self, n_components: int) -> Partitions | None:
        """Return the partitions of rows that the weights make when they are integrated out.

        None where the components are not exchangeable, or the partitions not of product form.
        """
        return None


class AveragedWeights(WeightPrior):
    """Weights over which averages are known: what variational Bayes asks of them."""

    @abstractmethod
    def expected_log_weights(self, n_components: int) -> Array:
        """Return the expected logarithms of the weights, shape (K,)."""

    @abstractmethod
    def expected_weights(self, n_components: int) -> Array:
        """Return the expected weights, shape (K,)."""

    @abstractmethod
    def divergence(self, other: "WeightPrior", n_components: int) -> float:
        """Return ``E[log this - log other]`` under this of another of the same kind, in nats."""

    def bound_log_weights(self, n_components: int) -> Array:
        """Return the log weights (K,) of the evidence lower bound: the expected ones.

        Of a process: as if what its K components leave were further components without rows.
        """
        return self.expected_log_weights(n_components)

    def bound_divergence(self, other: "WeightPrior", n_components: int) -> float:
        """Return the divergence that belongs to the log weights of the bound, in nats."""
        return self.divergence(other, n_components)

    @abstractmethod
    def weight_quantiles(
        self, probabilities: Array, n_components: int, n_first: int | None = None
    ) -> Array:
        """Return the points (P, K) below which each weight lies with P given probabilities.

        With ``n_first`` those of the first so many weights alone, shape (P, n_first).
        """

    @abstractmethod
    def weight_deviations(self, n_components: int) -> Array:
        """Return the standard deviation of each weight, shape (K,)."""


PROPER: Remedy = (
    *("use a proper prior, or another inference method such as ", Setting("inference", "map")),
)
"""What to do where a prior is improper."""

SAMPLED: Remedy = ("use ", Setting("inference", ("gibbs", "collapsed")))
"""What to do where weights may be exactly zero."""

HAVE_NO_MODE: tuple[Part, ...] = (
    *(Setting("inference", "vb"), " or ", Setting("inference", "gibbs")),
)
"""The methods that need no posterior mode."""


@final
@dataclass(frozen=True, eq=False)
class ExpectedComponents:
    """A posterior of the components as the rows feel it in variational Bayes.

    ``E[log N(x; mu_k, Sigma_k)] = offset[k] - 1/2 |(x - mean[k]) precision_cholesky[k]|^2``

    Parameters
    ----------
    mean : array of shape (K, D)
        Expected means, in the data's units.
    precision_cholesky : array of the structure shape
        Factors of the expected precisions.
    offset : array of shape (K,)
        What does not depend on the row.
    """

    mean: Array
    precision_cholesky: Array
    offset: Array


@final
@dataclass(frozen=True, eq=False)
class PredictiveComponents:
    """The density of a new row of each component, averaged over the posterior.

    ``log E[N(x; mu_k, Sigma_k)] = offset[k] + tail((x - mean[k]) precision_cholesky[k])``

    Parameters
    ----------
    mean : array of shape (K, D)
        Centres, in the data's units.
    precision_cholesky : array of shape (K or 1, D, D), or (K or 1, D or 1)
        Factors of the precisions in whose units the tail is.
    offset : array of shape (K,)
        What does not depend on the row.
    tail : Tail, optional
        How the densities fall off where they are not Gaussian.
    """

    mean: Array
    precision_cholesky: Array
    offset: Array
    tail: Tail | None = None


@final
@dataclass(frozen=True, eq=False)
class Marginals:
    """What is known about each of an array of numbers on its own.

    Parameters
    ----------
    mean, deviation : array
        Expectation and standard deviation; NaN and infinity where the tails are too heavy to
        have one.
    quantiles : array of shape (P, ...)
        Points below which the number lies with the P probabilities that were asked for.
    """

    mean: Array
    deviation: Array
    quantiles: Array


class ComponentPosterior(ABC):
    """Posterior of means and covariances given (soft) assignments."""

    @abstractmethod
    def mode(self) -> tuple[Array, Array]:
        """Return the means (K, D) and covariances (structure shape) of highest density."""

    @abstractmethod
    def posterior(self, statistics: SufficientStatistics) -> "ComponentPosterior":
        """Return the posterior after further rows."""


class AveragedComponents(ComponentPosterior):
    """A posterior over which averages are known: what variational Bayes asks of it."""

    @abstractmethod
    def expected(self) -> ExpectedComponents:
        """Return the expected log density of a row under each component."""

    @abstractmethod
    def estimate(self) -> tuple[Array, Array]:
        """Return the expected means (K, D) and covariances (structure shape).

        The mode stands in for the expectation of a covariance that has none.
        """

    @abstractmethod
    def divergence(self, prior: "ComponentPrior") -> float:
        """Return the Kullback-Leibler divergence of the posterior from its prior, in nats."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return means (K, D) and covariances (structure shape) drawn from the posterior."""

    @abstractmethod
    def predictive(self) -> PredictiveComponents:
        """Return the density of a new row of each component."""

    @abstractmethod
    def mean_marginals(self, probabilities: Array) -> Marginals:
        """Return what is known about each mean, shape (K, D)."""

    @abstractmethod
    def deviation_marginals(self, probabilities: Array) -> Marginals:
        """Return what is known about the standard deviation of each feature, shape (K, D)."""

    @abstractmethod
    def covariance_marginals(self, probabilities: Array) -> Marginals:
        """Return what is known about each (co)variance, in the structure shape."""


class ComponentPrior(Prior):
    """Prior of the components' means and covariances.

    The structure shape says what the covariances share; a prior never learns a family's name.
    Densities are with respect to the coordinates that the class names (variances, standard
    deviations or covariance matrices), without any change of variables.
    """

    has_known_scales: ClassVar[bool] = False
    """Whether the components' scales are given rather than found."""
    structure_dimensions: ClassVar[tuple[int, ...]]
    """Lengths of the structure shapes that the prior is for: 3 matrices, 2 variances."""

    @abstractmethod
    def check(self, structure: StructureShape, n_components: int, n_features: int) -> None:
        """Raise InvalidArgumentError unless prior and hyperparameters fit the structure."""

    @property
    def pull_of_means(self) -> tuple[Array, Array] | None:
        """How many rows the prior of a mean is worth, and where these lie.

        None where the best mean depends on the covariance.
        """
        return None

    @abstractmethod
    def posterior(self, statistics: SufficientStatistics) -> ComponentPosterior:
        """Return the posterior given sufficient statistics."""

    def restriction_refusal(self, structure: StructureShape) -> str | None:
        """Return why no restricted family goes with the prior, and what does; None where one may.

        A restricted family is one whose covariances share more than a structure shape says.
        """
        return (
            f"{type(self).__name__} is not for this covariance_type: use NormalInverseWishart "
            "(NormalInverseGamma for 'VEI' and 'EVI') with a known scale, or inference='ml'"
        )

    def restricted_terms(
        self, statistics: SufficientStatistics, share: float
    ) -> tuple[Array, CovarianceTerms]:
        """Return the means of highest density, and what restricted covariances are chosen by.

        Parameters
        ----------
        statistics : SufficientStatistics
            Of each component's own covariance.
        share : float
            How many times the prior of a covariance counts for each component: one where each
            has its own, less where they share something.
        """
        raise InvalidArgumentError(f"{type(self).__name__} takes no restricted covariances")

    def restricted_log_density(self, means: Array, covariances: Array, share: float) -> float:
        """Return the log density of means and restricted covariances, up to a constant, in nats.

        That of each covariance counts ``share`` times; what the family's own volume would divide
        it by is left out.
        """
        raise InvalidArgumentError(f"{type(self).__name__} takes no restricted covariances")

    def draw_given(
        self,
        statistics: SufficientStatistics,
        means: Array,
        covariances: Array,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        """Return means (K, D) and covariances (structure shape) after a step of Gibbs sampling.

        Where their distribution given the statistics can be drawn from at once, the current ones
        do not matter; otherwise the step leaves it as it is. Of no rows the prior is drawn from.
        """
        raise InvalidArgumentError(f"{type(self).__name__} cannot be sampled", remedy=PROPER)

    def mode_steps(self, structure: StructureShape, n_features: int) -> ModeSteps | None:
        """Return how EM finds the mode, as numbers; None where it is not in closed form."""
        return None

    def steps(self, n_features: int) -> ComponentSteps | MatrixSteps | None:
        """Return numbers that native chains draw from, whatever is shared; None without any."""
        return None

    def clusters(
        self, structure: StructureShape, n_features: int
    ) -> ClusterSteps | MatrixSteps | None:
        """Return the prior as numbers that tell a cluster's rows, parameters integrated out.

        None where there is no closed form. Each component has variances or a matrix of its own.
        """
        return None

    @abstractmethod
    def log_density(self, means: Array, covariances: Array) -> float:
        """Return the log density in nats, all constants included."""

    def log_volume(self, covariances: Array) -> float:
        """Return the log density that a change of variables adds at covariances.

        ``log_density`` plus this is a density of means and variances (or covariance matrices),
        whatever coordinates the prior is stated in.
        """
        return 0.0

    def unbounded(self, structure: StructureShape, n_features: int) -> str | None:
        """Return why the density of rows and parameters has no upper bound, and a remedy.

        None where it has one as long as no rows are tied. Under such a prior there is no mode to
        find, though the posterior may be proper.
        """
        return None

    def tie_bounds(self, structure: StructureShape, n_features: int) -> TieBounds | None:
        """Return how many tied rows the prior bears; None where it bears any number."""
        return None

    @property
    def fixes_covariances(self) -> bool:
        """Whether the covariances are known, so that the means alone are free."""
        return False

    def pseudo_counts(self, n_features: int) -> tuple[float, float]:
        """Return about how many rows the prior is worth to a mean and to a covariance.

        The units of a search, in which no answer is stated.
        """
        return 1.0, 1.0

    def in_floor_units(self, covariances: Array) -> Array | None:
        """Return variances, or eigenvalues in rising order, as multiples of the smallest allowed.

        None where every positive (definite) covariance is allowed.
        """
        return None

    def smallest_variances(self, n_features: int) -> Array | None:
        """Return the smallest variances (D,) that are allowed; None where all are."""
        return None

    @abstractmethod
    def gradient(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        """Return the gradient of the log density in the means and in the covariances.

        Matrices are taken as functions of all their entries, so that the gradient is symmetric.
        """

    @abstractmethod
    def draw(
        self,
        rng: np.random.Generator,
        structure: StructureShape,
        n_components: int,
        n_features: int,
    ) -> tuple[Array, Array]:
        """Return means (K, D) and covariances (structure shape) drawn from the prior."""

    @abstractmethod
    def rescaled(self, factor: Array) -> "ComponentPrior":
        """Return the prior of the components of ``x * factor``, factor of shape (D,)."""


def averaged_weights(posterior: WeightPrior, prior: WeightPrior) -> AveragedWeights:
    """Return the posterior of the weights under a prior, where variational Bayes can use it.

    Raises
    ------
    InvalidArgumentError
        If it cannot.
    """
    if isinstance(posterior, AveragedWeights):
        return posterior
    name = type(prior).__name__
    if prior.has_random_number:
        raise InvalidArgumentError(
            f"{name} has no variational posterior, since weights may be exactly zero",
            remedy=SAMPLED,
        )
    raise InvalidArgumentError(f"{name} has no variational posterior", remedy=PROPER)


def averaged_components(posterior: ComponentPosterior, prior: ComponentPrior) -> AveragedComponents:
    """Return the posterior of the components under a prior, where variational Bayes can use it.

    Raises
    ------
    InvalidArgumentError
        If it cannot.
    """
    if isinstance(posterior, AveragedComponents):
        return posterior
    name = type(prior).__name__
    raise InvalidArgumentError(f"{name} has no variational posterior", remedy=PROPER)
