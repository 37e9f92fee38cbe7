"""The variational posterior: a factor for the weights and one for the components."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel, place_rows
from mixtura.posteriors.base import Posterior
from mixtura.posteriors.intervals import PROBABILITIES as ENDS
from mixtura.posteriors.intervals import Intervals
from mixtura.posteriors.point_posterior import PointPosterior
from mixtura.priors.base import (
    AveragedComponents,
    AveragedWeights,
    Marginals,
    averaged_components,
    averaged_weights,
)
from mixtura.typing import Array, IntegerArray

PROBABILITIES = (0.05, 0.5, 0.95)


@final
@dataclass(frozen=True, eq=False)
class VariationalPosterior(Posterior):
    """The closest distribution in which weights and components are independent.

    Everything it says of new rows is averaged over the parameters. ``parameters`` are the
    posterior means (of a covariance that has none: the mode).

    Parameters
    ----------
    model : MixtureModel
        The model that was fitted.
    statistics : SufficientStatistics
        Moments of the rows under their responsibilities; with the priors they give the factors.
    """

    model: MixtureModel
    statistics: SufficientStatistics

    @cached_property
    def weights(self) -> AveragedWeights:
        """The factor of the weights."""
        prior = self.model.weight_prior
        return averaged_weights(prior.posterior(self.statistics.count), prior)

    @cached_property
    def components(self) -> AveragedComponents:
        """The factor of means and covariances."""
        prior = self.model.component_prior
        return averaged_components(prior.posterior(self.statistics), prior)

    @cached_property
    def parameters(self) -> MixtureParameters:  # type: ignore[override]
        """The posterior means."""
        weights = self.weights.expected_weights(self.model.n_components)
        return MixtureParameters(weights, *self.components.estimate())

    def divergence(self) -> float:
        """Return the Kullback-Leibler divergence of the posterior from the prior, in nats."""
        prior, n_components = self.model.weight_prior, self.model.n_components
        of_weights = self.weights.bound_divergence(prior, n_components)
        return of_weights + self.components.divergence(self.model.component_prior)

    @property
    def expected_potentials(self) -> Potentials:
        """What an engine needs for the expected log joint density of each row and component."""
        expected = self.components.expected()
        log_weight = self.weights.bound_log_weights(self.model.n_components)
        return Potentials(log_weight, expected.offset, expected.mean, expected.precision_cholesky)

    @cached_property
    def predictive_potentials(self) -> Potentials:
        """What an engine needs for the density of a new row, averaged over the parameters."""
        part = self.components.predictive()
        with np.errstate(divide="ignore"):
            log_weight = np.log(self.weights.expected_weights(self.model.n_components))
        return Potentials(log_weight, part.offset, part.mean, part.precision_cholesky, part.tail)

    def plug_in(self) -> PointPosterior:
        """Return the mixture at the posterior means, whose answers average over nothing."""
        return PointPosterior(self.parameters, self.model.family)

    def log_predictive(self, rows: Rows, engine: Engine) -> Array:
        return engine.log_density(rows, self.predictive_potentials)

    def responsibilities(self, rows: Rows, engine: Engine) -> Array:
        return engine.responsibilities(rows, self.predictive_potentials)

    def labels(self, rows: Rows, engine: Engine) -> IntegerArray:
        return engine.labels(rows, self.predictive_potentials)

    def sample_assignments(
        self, rows: Rows, engine: Engine, n_draws: int, seed: int
    ) -> IntegerArray:
        return engine.sample_labels(rows, self.predictive_potentials, n_draws, seed)

    def expected_rows(self, rows: ArrayRows, engine: Engine) -> Array:
        return engine.expected_rows(rows, self.predictive_potentials)

    def sample_rows(
        self, rows: ArrayRows, engine: Engine, n_draws: int, rng: np.random.Generator
    ) -> Array:
        drawn = self.sample_parameters(n_draws, rng)
        seeds = rng.integers(2**63, size=n_draws)
        each = zip(drawn, seeds, strict=True)
        found = [engine.drawn_rows(rows, self.model.potentials(p), int(seed)) for p, seed in each]
        return np.stack(found)

    def sample(self, n_rows: int, rng: np.random.Generator) -> tuple[Array, IntegerArray]:
        potentials = self.predictive_potentials
        n_components, n_features = potentials.mean.shape
        weights = self.weights.expected_weights(n_components)
        assignments = rng.choice(n_components, size=n_rows, p=weights / weights.sum())
        if potentials.tail is None:
            noise = rng.standard_normal((n_rows, n_features))
        else:
            noise = potentials.tail.draw(assignments, n_features, rng)
        factor = potentials.precision_cholesky
        return place_rows(potentials.mean, factor, assignments, noise), assignments

    def sample_parameters(
        self, n_draws: int, rng: np.random.Generator
    ) -> tuple[MixtureParameters, ...]:
        """Return parameters drawn from the posterior."""
        n_components = self.model.n_components
        return tuple(
            MixtureParameters(self.weights.draw(rng, n_components), *self.components.sample(rng))
            for _ in range(n_draws)
        )

    def intervals(
        self, probabilities: tuple[float, float] = ENDS, n_first: int | None = None
    ) -> Intervals:
        size, n_components = (2, *self.components.estimate()[0].shape), self.model.n_components
        at = np.asarray(probabilities)
        return Intervals(
            probabilities,
            self.weights.weight_quantiles(at, n_components, n_first),
            np.broadcast_to(self.mean_marginals(probabilities).quantiles, size)[:, :n_first],
            np.broadcast_to(self.scale_marginals(probabilities).quantiles, size)[:, :n_first],
        )

    def weight_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each weight, shape (K,)."""
        n_components = self.model.n_components
        return Marginals(
            self.weights.expected_weights(n_components),
            self.weights.weight_deviations(n_components),
            self.weights.weight_quantiles(np.asarray(probabilities), n_components),
        )

    def mean_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each component mean, shape (K, D)."""
        return self.components.mean_marginals(np.asarray(probabilities))

    def scale_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each standard deviation, shape (K, D)."""
        return self.components.deviation_marginals(np.asarray(probabilities))

    def covariance_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each (co)variance, in the structure shape."""
        return self.components.covariance_marginals(np.asarray(probabilities))
