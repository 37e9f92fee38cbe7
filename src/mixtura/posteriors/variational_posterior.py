"""The variational posterior: a factor for the weights and one for the components."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.messages.background import BACKGROUND, BackgroundPotential
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

N_DRAWN = 4000
"""Draws of weights beside a background, by which their intervals are told."""


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
        return averaged_weights(prior.posterior(self.statistics.of_weights), prior)

    @cached_property
    def components(self) -> AveragedComponents:
        """The factor of means and covariances."""
        prior = self.model.component_prior
        return averaged_components(prior.posterior(self.statistics), prior)

    @cached_property
    def parameters(self) -> MixtureParameters:  # type: ignore[override]
        """The posterior means."""
        weights = self.weights.expected_weights(self.model.n_components) * self._left
        return MixtureParameters(weights, *self.components.estimate())

    @property
    def _counts(self) -> tuple[float, float]:
        """Weight of the rows of the background, and of all others."""
        return self.statistics.of_background, float(self.statistics.of_weights.sum())

    @property
    def _left(self) -> float:
        """Expected weight of all components together."""
        background = self.model.background
        return 1.0 if background is None else 1.0 - background.mean(*self._counts)

    def divergence(self) -> float:
        """Return the Kullback-Leibler divergence of the posterior from the prior, in nats."""
        prior, n_components = self.model.weight_prior, self.model.n_components
        of_weights = self.weights.bound_divergence(prior, n_components)
        found = of_weights + self.components.divergence(self.model.component_prior)
        background = self.model.background
        return found if background is None else found + background.divergence(*self._counts)

    @property
    def expected_potentials(self) -> Potentials:
        """What an engine needs for the expected log joint density of each row and component."""
        expected = self.components.expected()
        log_weight, own = self.weights.bound_log_weights(self.model.n_components), None
        if self.model.background is not None:
            of_own, of_rest = self.model.background.expected_logs(*self._counts)
            own = BackgroundPotential(of_own, self.model.background)
            log_weight = log_weight + of_rest
        parts = (expected.offset, expected.mean, expected.precision_cholesky)
        return Potentials(log_weight, *parts, background=own)

    @cached_property
    def predictive_potentials(self) -> Potentials:
        """What an engine needs for the density of a new row, averaged over the parameters."""
        part = self.components.predictive()
        with np.errstate(divide="ignore"):
            log_weight = np.log(self.weights.expected_weights(self.model.n_components) * self._left)
        own = None
        if self.model.background is not None:
            own = BackgroundPotential(float(np.log1p(-self._left)), self.model.background)
        parts = (part.offset, part.mean, part.precision_cholesky, part.tail)
        return Potentials(log_weight, *parts, own)

    def plug_in(self) -> PointPosterior:
        """Return the mixture at the posterior means, whose answers average over nothing."""
        return PointPosterior(self.parameters, self.model.family, self.model.background)

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
        rows = place_rows(potentials.mean, factor, assignments, noise)
        background = self.model.background
        if background is None:
            return rows, assignments
        is_background = rng.random(n_rows) >= self._left
        rows[is_background] = background.draw(int(is_background.sum()), rng)
        return rows, np.where(is_background, BACKGROUND, assignments)

    def sample_parameters(
        self, n_draws: int, rng: np.random.Generator
    ) -> tuple[MixtureParameters, ...]:
        """Return parameters drawn from the posterior."""
        n_components = self.model.n_components
        drawn = (
            (self.weights.draw(rng, n_components), self.components.sample(rng))
            for _ in range(n_draws)
        )
        background = self.model.background
        if background is None:
            return tuple(MixtureParameters(weights, *parts) for weights, parts in drawn)
        given = background.given(*self._counts)
        return tuple(
            MixtureParameters(weights * (1.0 - rng.beta(*given)), *parts)
            for weights, parts in drawn
        )

    def intervals(
        self, probabilities: tuple[float, float] = ENDS, n_first: int | None = None
    ) -> Intervals:
        size = (2, *self.components.estimate()[0].shape)
        at = np.asarray(probabilities)
        return Intervals(
            probabilities,
            self._weight_quantiles(at, n_first),
            np.broadcast_to(self.mean_marginals(probabilities).quantiles, size)[:, :n_first],
            np.broadcast_to(self.scale_marginals(probabilities).quantiles, size)[:, :n_first],
        )

    def weight_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each weight, shape (K,)."""
        n_components = self.model.n_components
        return Marginals(
            self.weights.expected_weights(n_components) * self._left,
            self._weight_deviations(),
            self._weight_quantiles(np.asarray(probabilities), None),
        )

    def _weight_deviations(self) -> Array:
        """Return the standard deviation of each weight, what the background takes off it."""
        background, n_components = self.model.background, self.model.n_components
        own = self.weights.weight_deviations(n_components)
        if background is None:
            return own
        a, b = background.given(*self._counts)
        mean, variance = self.weights.expected_weights(n_components), a * b / (a + b) ** 2
        variance /= a + b + 1.0
        return np.sqrt(own**2 * (self._left**2 + variance) + mean**2 * variance)

    def _weight_quantiles(self, at: Array, n_first: int | None) -> Array:
        """Return points (P, K) below which the weights lie; beside a background from draws."""
        background, n_components = self.model.background, self.model.n_components
        if background is None:
            return self.weights.weight_quantiles(at, n_components, n_first)
        rng = np.random.default_rng(0)
        left = 1.0 - rng.beta(*background.given(*self._counts), size=N_DRAWN)
        drawn = [self.weights.draw(rng, n_components)[:n_first] for _ in range(N_DRAWN)]
        return np.quantile(np.stack(drawn) * left[:, None], at, axis=0)

    def mean_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each component mean, shape (K, D)."""
        return self.components.mean_marginals(np.asarray(probabilities))

    def scale_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each standard deviation, shape (K, D)."""
        return self.components.deviation_marginals(np.asarray(probabilities))

    def covariance_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each (co)variance, in the structure shape."""
        return self.components.covariance_marginals(np.asarray(probabilities))
