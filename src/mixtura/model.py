"""The model: weight prior x component prior x covariance family."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, final

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.families import CovarianceFamily, RestrictedFamily, univariate
from mixtura.messages.background import BACKGROUND, Background, BackgroundPotential
from mixtura.messages.fixed_parameters import FixedParameters
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.messages.prior_arrays import (
    ChainSteps,
    ClimbSteps,
    ClusterSteps,
    MatrixSteps,
    ModeSteps,
    Restriction,
)
from mixtura.messages.statistics import SufficientStatistics
from mixtura.messages.variational_prior_arrays import VariationalSteps
from mixtura.priors import ComponentPrior, WeightPrior
from mixtura.typing import Array, IntegerArray, Seed, StructureShape

ModeSolver: TypeAlias = Callable[
    [SufficientStatistics, ModeSteps, Array | None], tuple[Array, Array] | None
]
"""Finds means and covariances from statistics, near covariances; None where it cannot."""


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
    background : Background, optional
        What rows come from that belong to no component. Weights of components then sum to one
        minus its weight.
    fixed : FixedParameters, optional
        Parameters of components that are given.

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
    background: Background | None = None
    fixed: FixedParameters | None = None

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
        refusal = self.component_prior.restriction_refusal(self.structure)
        if self.family.is_restricted and refusal is not None:
            raise InvalidArgumentError(refusal)

    @property
    def structure(self) -> StructureShape:
        """Structure shape of covariances, precision factors and second moments."""
        return self.family.structure(self.n_components, self.n_features)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        own = 0 if self.background is None else self.background.n_parameters
        own -= 0 if self.fixed is None else self.fixed.n_parameters
        return own + self.family.n_parameters(self.n_components, self.n_features)

    @property
    def steps(self) -> ChainSteps | None:
        """The steps of a Gibbs sampler as numbers, where priors and family have such."""
        weights = self.weight_prior.steps(self.n_components)
        components = self.component_prior.steps(self.n_features)
        if weights is None or components is None or self.background is not None:
            return None
        if self.family.is_restricted:
            return None
        return ChainSteps(weights, components)

    @property
    def cluster_steps(self) -> ClusterSteps | MatrixSteps | None:
        """What tells the rows of a cluster, its parameters integrated out, where anything does."""
        structure = self.family.structure(2, self.n_features)
        if (
            self.family.is_restricted or structure[0] == 1
        ):  # clusters that share a covariance depend on each other
            return None
        return self.component_prior.clusters(structure, self.n_features)

    @property
    def mode_steps(self) -> ModeSteps | None:
        """The way from statistics to means and covariances as numbers, where there is such."""
        steps, family = (
            self.component_prior.mode_steps(self.structure, self.n_features),
            self.family,
        )
        if steps is None or not family.is_restricted:
            return steps
        is_known = family.restriction != Restriction.NONE
        return replace(steps, restriction=family.restriction) if is_known else None

    @property
    def climb_steps(self) -> ClimbSteps | None:
        """The way to the mode as numbers, where the priors have such."""
        components = self.mode_steps
        if self.background is not None or self.fixed is not None:
            return None
        if components is None or not self.weight_prior.has_constant_powers:
            return None
        powers = self.weight_prior.log_weight_gradient(np.ones(self.n_components))
        return ClimbSteps(components, powers, self.component_prior.pseudo_counts(self.n_features))

    @property
    def variational_steps(self) -> VariationalSteps | None:
        """The steps of variational Bayes as numbers, where the priors have such."""
        concentration = self.weight_prior.concentrations(self.n_components)
        if concentration is None or self.background is not None or self.family.is_restricted:
            return None
        prior = self.component_prior
        from mixtura.priors.factors import variational_steps

        return variational_steps(concentration, prior, self.structure, self.n_features)

    def component_mode(
        self,
        statistics: SufficientStatistics,
        near: MixtureParameters | None = None,
        solver: ModeSolver | None = None,
    ) -> tuple[Array, Array]:
        """Return the means and covariances of highest posterior density given statistics.

        Parameters
        ----------
        statistics : SufficientStatistics
            Moments of the rows.
        near : MixtureParameters, optional
            Where a search for common axes begins; the density there is then no higher.
        solver : callable, optional
            Finds the mode of restricted families from numbers, where it can, instead of classes.
        """
        family, prior = self.family, self.component_prior
        if not isinstance(family, RestrictedFamily):
            return prior.posterior(statistics).mode()
        steps = None if solver is None else self.mode_steps
        if solver is not None and steps is not None:
            found = solver(statistics, steps, None if near is None else near.covariances)
            if found is not None:
                return found
        share = family.share(self.n_components, self.n_features)
        means, terms = prior.restricted_terms(statistics, share)
        return means, family.best(terms, None if near is None else near.covariances)

    def component_log_density(self, parameters: MixtureParameters) -> float:
        """Return the log prior density of means and covariances, in nats.

        Of a restricted family up to a constant, by which its own volume would divide it.
        """
        of_components = parameters.means, parameters.covariances
        if not self.family.is_restricted:
            return self.component_prior.log_density(*of_components)
        share = self.family.share(self.n_components, self.n_features)
        return self.component_prior.restricted_log_density(*of_components, share)

    def mode(
        self,
        statistics: SufficientStatistics,
        near: MixtureParameters | None = None,
        solver: ModeSolver | None = None,
    ) -> MixtureParameters:
        """Return the parameters of highest posterior density given sufficient statistics.

        Parameters
        ----------
        statistics : SufficientStatistics
            Moments of the rows.
        near : MixtureParameters, optional
            Where a search for common axes begins.
        solver : callable, optional
            As for :meth:`component_mode`.
        """
        weights = self.weight_prior.posterior(statistics.of_weights).mode(self.n_components)
        if self.fixed is not None:
            return self._mode_beside(self.fixed, statistics, weights, (near, solver))
        weights = self._beside_background(weights, statistics)
        return MixtureParameters(weights, *self.component_mode(statistics, near, solver))

    def typical(self, statistics: SufficientStatistics) -> MixtureParameters:
        """Return parameters to which the statistics belong: the mode, where there is one."""
        weights = self.weight_prior.posterior(statistics.of_weights).typical(self.n_components)
        weights = self._beside_background(weights, statistics)
        return MixtureParameters(weights, *self.component_mode(statistics))

    def potentials(self, parameters: MixtureParameters) -> Potentials:
        """Return what an engine needs to score rows under the parameters."""
        return potentials_of(self.family, parameters, self.background)

    def _mode_beside(
        self,
        fixed: FixedParameters,
        statistics: SufficientStatistics,
        weights: Array,
        search: tuple[MixtureParameters | None, ModeSolver | None],
    ) -> MixtureParameters:
        """Return the parameters of highest posterior density beside those that are given."""
        pull = self.component_prior.pull_of_means
        assert pull is not None
        weights = self._beside_background(fixed.weights_beside(weights), statistics)
        about = fixed.about_means(statistics, pull)
        modes = self.component_mode(about, *search)
        return MixtureParameters(weights, *fixed.placed(*modes))

    def _beside_background(self, weights: Array, statistics: SufficientStatistics) -> Array:
        """Return weights of sum one as those beside the most probable one of the background."""
        if self.background is None:
            return weights
        return weights * (
            1.0 - self.background.mode(statistics.of_background, float(statistics.of_weights.sum()))
        )

    def log_prior(self, parameters: MixtureParameters) -> float:
        """Return the log prior density of the parameters, in nats, all constants included.

        Of a restricted family without that by which its own volume would divide the density.
        """
        weights, of_background = parameters.weights, 0.0
        if self.background is not None:
            total = weights.sum()
            weights, of_background = weights / total, self.background.log_density(1.0 - total)
        of_weights = self.weight_prior.log_density(weights) + of_background
        return of_weights + self.component_log_density(parameters)

    def rescaled(self, factor: Array) -> "MixtureModel":
        """Return the model of ``x * factor``, factor of shape (D,)."""
        background = None if self.background is None else self.background.rescaled(factor)
        fixed = None if self.fixed is None else self.fixed.rescaled(factor)
        prior = self.component_prior.rescaled(factor)
        return replace(self, component_prior=prior, background=background, fixed=fixed)

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
        if self.family.is_restricted:
            raise InvalidArgumentError(
                f"a prior of {self.family.name!r} covariances cannot be drawn from"
            )
        rng = np.random.default_rng(random_state)
        weights = self.weight_prior.draw(rng, self.n_components)
        if self.background is not None:
            weights = weights * (1.0 - rng.beta(*self.background.concentration))
        drawn = self.component_prior.draw(rng, self.structure, self.n_components, self.n_features)
        parameters = MixtureParameters(weights, *drawn)
        rows, assignments = draw_rows(self.family, parameters, n_rows, rng, self.background)
        variances = self.family.variances(drawn[1], self.n_components, self.n_features)
        return PriorSample(parameters, assignments, rows, np.sqrt(variances))


def draw_rows(
    family: CovarianceFamily,
    parameters: MixtureParameters,
    n_rows: int,
    rng: np.random.Generator,
    background: Background | None = None,
) -> tuple[Array, IntegerArray]:
    """Return rows (N, D) drawn from a mixture and the component (N,) that each came from."""
    if background is not None:
        return _draw_with_background(family, parameters, n_rows, rng, background)
    n_components, n_features = parameters.means.shape
    assignments = rng.choice(n_components, size=n_rows, p=parameters.weights)
    noise = rng.standard_normal((n_rows, n_features))
    factor = family.precision_cholesky(parameters.covariances)
    return place_rows(parameters.means, factor, assignments, noise), assignments


def _draw_with_background(
    family: CovarianceFamily,
    parameters: MixtureParameters,
    n_rows: int,
    rng: np.random.Generator,
    background: Background,
) -> tuple[Array, IntegerArray]:
    share = float(parameters.weights.sum())
    rows, assignments = draw_rows(
        family, replace(parameters, weights=parameters.weights / share), n_rows, rng
    )
    is_background = rng.random(n_rows) >= share
    rows[is_background] = background.draw(int(is_background.sum()), rng)
    return rows, np.where(is_background, BACKGROUND, assignments)


def potentials_of(
    family: CovarianceFamily, parameters: MixtureParameters, background: Background | None
) -> Potentials:
    """Return what an engine needs to score rows under parameters, and a background."""
    found = family.potentials(parameters)
    if background is None:
        return found
    with np.errstate(divide="ignore"):
        log_weight = float(np.log(max(1.0 - float(parameters.weights.sum()), 0.0)))
    return replace(found, background=BackgroundPotential(log_weight, background))


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
