"""The model: weight prior x component prior x covariance family."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.families import CovarianceFamily, univariate
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.messages.prior_arrays import ChainSteps, ClimbSteps, ClusterSteps, MatrixSteps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.messages.variational_prior_arrays import VariationalSteps
from mixtura.priors import ComponentPrior, WeightPrior
from mixtura.typing import Array, IntegerArray, Seed, StructureShape


@final
@dataclass(frozen=True, eq=False)
class PriorSample:
    """One draw of everything the model describes.

    Parameters
    ----------
    parameters : MixtureParameters
        Weights, means and covariances.
    assignments : integer array of shape (N,)
        Component of each row.
    rows : array of shape (N, D)
        The rows, in the data's units.
    scales : array of shape (K, D)
        Marginal standard deviations of the components, in the data's units.
    """

    parameters: MixtureParameters
    assignments: IntegerArray
    rows: Array
    scales: Array


@final
@dataclass(frozen=True, eq=False)
class MixtureModel:
    """A Gaussian mixture with priors, before any data.

    Parameters
    ----------
    n_components : int
        Number of components K.
    n_features : int
        Number of features D.
    weight_prior : WeightPrior
        Prior of the mixture weights.
    component_prior : ComponentPrior
        Prior of the means and covariances.
    family : CovarianceFamily
        Structure of the covariances. With one feature, where matrices are variances, it is
        replaced by the coinciding family that the component prior is for.

    Raises
    ------
    InvalidArgumentError
        If the priors do not fit the family or the sizes.
    """

    n_components: int
    n_features: int
    weight_prior: WeightPrior
    component_prior: ComponentPrior
    family: CovarianceFamily

    def __post_init__(self) -> None:
        for name in ("n_components", "n_features"):
            if getattr(self, name) < 1:
                raise InvalidArgumentError(
                    f"must be at least 1; got {getattr(self, name)}", argument=name
                )
        if self.n_features == 1:
            dimensions = self.component_prior.structure_dimensions
            object.__setattr__(self, "family", univariate(self.family, dimensions))
        self.weight_prior.check(self.n_components)
        self.component_prior.check(self.structure, self.n_components, self.n_features)

    @property
    def structure(self) -> StructureShape:
        """Structure shape of covariances, precision factors and second moments."""
        return self.family.structure(self.n_components, self.n_features)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return self.family.n_parameters(self.n_components, self.n_features)

    @property
    def steps(self) -> ChainSteps | None:
        """The steps of a Gibbs sampler as numbers, where priors and family have such."""
        weights = self.weight_prior.steps(self.n_components)
        components = self.component_prior.steps(self.n_features)
        if weights is None or components is None:
            return None
        return ChainSteps(weights, components)

    @property
    def cluster_steps(self) -> ClusterSteps | MatrixSteps | None:
        """What tells the rows of a cluster, its parameters integrated out, where anything does."""
        structure = self.family.structure(2, self.n_features)
        if structure[0] == 1:  # clusters that share a covariance depend on each other
            return None
        return self.component_prior.clusters(structure, self.n_features)

    @property
    def climb_steps(self) -> ClimbSteps | None:
        """The way to the mode as numbers, where the priors have such."""
        components = self.component_prior.mode_steps(self.structure, self.n_features)
        if components is None or not self.weight_prior.has_constant_powers:
            return None
        powers = self.weight_prior.log_weight_gradient(np.ones(self.n_components))
        return ClimbSteps(components, powers, self.component_prior.pseudo_counts(self.n_features))

    @property
    def variational_steps(self) -> VariationalSteps | None:
        """The steps of variational Bayes as numbers, where the priors have such."""
        concentration = self.weight_prior.concentrations(self.n_components)
        if concentration is None:
            return None
        prior = self.component_prior
        from mixtura.priors.factors import variational_steps

        return variational_steps(concentration, prior, self.structure, self.n_features)

    def mode(self, statistics: SufficientStatistics) -> MixtureParameters:
        """Return the parameters of highest posterior density given sufficient statistics."""
        weights = self.weight_prior.posterior(statistics.count).mode(self.n_components)
        return MixtureParameters(weights, *self.component_prior.posterior(statistics).mode())

    def typical(self, statistics: SufficientStatistics) -> MixtureParameters:
        """Return parameters to which the statistics belong: the mode, where there is one."""
        weights = self.weight_prior.posterior(statistics.count).typical(self.n_components)
        return MixtureParameters(weights, *self.component_prior.posterior(statistics).mode())

    def potentials(self, parameters: MixtureParameters) -> Potentials:
        """Return what an engine needs to score rows under the parameters."""
        return self.family.potentials(parameters)

    def log_prior(self, parameters: MixtureParameters) -> float:
        """Return the log prior density of the parameters, in nats, all constants included."""
        of_weights = self.weight_prior.log_density(parameters.weights)
        return of_weights + self.component_prior.log_density(
            parameters.means, parameters.covariances
        )

    def rescaled(self, factor: Array) -> "MixtureModel":
        """Return the model of ``x * factor``, factor of shape (D,)."""
        return replace(self, component_prior=self.component_prior.rescaled(factor))

    def sample_prior(self, n_rows: int = 1, random_state: Seed = None) -> PriorSample:
        """Draw weights, components, assignments and rows from the model.

        Parameters
        ----------
        n_rows : int, default=1
            Number of rows N.
        random_state : int, SeedSequence, Generator or None
            Seed of the draw.

        Raises
        ------
        InvalidArgumentError
            If a prior is flat and so has nothing to draw from.
        """
        rng = np.random.default_rng(random_state)
        weights = self.weight_prior.draw(rng, self.n_components)
        drawn = self.component_prior.draw(rng, self.structure, self.n_components, self.n_features)
        parameters = MixtureParameters(weights, *drawn)
        rows, assignments = draw_rows(self.family, parameters, n_rows, rng)
        variances = self.family.variances(drawn[1], self.n_components, self.n_features)
        return PriorSample(parameters, assignments, rows, np.sqrt(variances))


def draw_rows(
    family: CovarianceFamily, parameters: MixtureParameters, n_rows: int, rng: np.random.Generator
) -> tuple[Array, IntegerArray]:
    """Return rows (N, D) drawn from a mixture and the component (N,) that each came from."""
    n_components, n_features = parameters.means.shape
    assignments = rng.choice(n_components, size=n_rows, p=parameters.weights)
    noise = rng.standard_normal((n_rows, n_features))
    factor = family.precision_cholesky(parameters.covariances)
    return place_rows(parameters.means, factor, assignments, noise), assignments


def place_rows(means: Array, factor: Array, assignments: IntegerArray, noise: Array) -> Array:
    """Return the rows whose standardised values under their components are ``noise`` (N, D)."""
    n_components, n_features = means.shape
    if factor.ndim == 2:
        spread = noise / np.broadcast_to(factor, (n_components, n_features))[assignments]
    else:
        factor = np.broadcast_to(factor, (n_components, n_features, n_features))
        spread = np.empty_like(noise)
        for k in np.unique(assignments):
            # z = (x - mean) P, hence x - mean = z P^-1
            member = assignments == k
            spread[member] = np.linalg.solve(factor[k].T, noise[member].T).T
    return means[assignments] + spread
