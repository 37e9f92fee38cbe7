"""A posterior represented by draws of the parameters."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.errors import InvalidArgumentError
from mixtura.model import MixtureModel, draw_rows
from mixtura.parameters import MixtureParameters
from mixtura.posteriors.alignment import in_order
from mixtura.posteriors.base import Posterior
from mixtura.posteriors.intervals import PROBABILITIES as ENDS
from mixtura.posteriors.intervals import Intervals
from mixtura.posteriors.point import PointPosterior
from mixtura.potentials import Potentials
from mixtura.priors.base import Marginals
from mixtura.typing import Array, IntegerArray

PROBABILITIES = (0.05, 0.5, 0.95)

MOST_AVERAGED = 200
"""Draws over which answers about rows are averaged: at most so many, evenly spaced."""

MOST_TOGETHER = 1 << 16
"""Numbers of the covariances of draws whose potentials are found together."""


@final
@dataclass(frozen=True, eq=False)
class DrawsPosterior(Posterior):
    """Draws from the posterior, in C chains of S draws each, alike numbered.

    Marginals, and draws of rows and parameters, use all draws. Densities and probabilities of
    rows are averaged over at most 200 of them, evenly spaced over all chains.

    Parameters
    ----------
    model : MixtureModel
        The model that was fitted.
    weights : array of shape (C, S, K)
        Mixture weights.
    means : array of shape (C, S, K, D)
        Component means, in the data's units.
    covariances : array of shape (C, S, *structure)
        Covariances or variances, in squared units.
    log_joint : array of shape (C, S)
        Log joint density of rows and parameters, assignments summed out, in nats.
    log_likelihood : array of shape (C, S)
        Log likelihood of the (weighted) rows, in nats.
    numbers : integer array of shape (C, S, K)
        The number that each component had when it was drawn.
    """

    model: MixtureModel
    weights: Array
    means: Array
    covariances: Array
    log_joint: Array
    log_likelihood: Array
    numbers: IntegerArray

    @property
    def n_chains(self) -> int:
        """Number of chains C."""
        return self.log_joint.shape[0]

    @property
    def n_draws(self) -> int:
        """Number of draws of all chains, C S."""
        return self.log_joint.size

    @property
    def used_components(self) -> IntegerArray:
        """How many components of each draw have a weight above zero, shape (C, S)."""
        return (self.weights > 0.0).sum(axis=-1)

    def number_probabilities(self) -> Array:
        """Return the share of draws with 1 ... K components of weights above zero, shape (K,).

        Raises
        ------
        InvalidArgumentError
            If the number of components has no prior.
        """
        if not self.model.weight_prior.has_random_number:
            raise InvalidArgumentError(
                "number_probabilities needs a prior on the number of components, "
                "weight_prior=MixtureOfFiniteMixtures(); how many components hold rows under "
                f"{type(self.model.weight_prior).__name__} is told by summary() and convergence()"
            )
        numbers = np.bincount(self.used_components.ravel(), minlength=self.model.n_components + 1)
        return numbers[1:] / self.n_draws

    def draw(self, number: int) -> MixtureParameters:
        """Return one draw, numbered from 0 to C S - 1, chain after chain."""
        chain, step = divmod(number, self.log_joint.shape[1])
        parts = (self.weights, self.means, self.covariances)
        return MixtureParameters(*(part[chain, step] for part in parts))

    @cached_property
    def parameters(self) -> MixtureParameters:  # type: ignore[override]
        """The averages of the draws."""
        parts = (self.weights, self.means, self.covariances)
        weights, means, covariances = (part.mean(axis=(0, 1)) for part in parts)
        return MixtureParameters(weights / weights.sum(), means, covariances)

    @property
    def best(self) -> MixtureParameters:
        """The draw of highest log joint density."""
        return self.draw(int(np.argmax(self.log_joint)))

    def renumbered(self, orders: IntegerArray) -> "DrawsPosterior":
        """Return the same draws with their components renumbered, orders of shape (C, S, K).

        Component k of a renumbered draw is component ``orders[c, s, k]`` of the draw.
        """
        return replace(
            self,
            weights=in_order(self.weights, orders),
            means=in_order(self.means, orders),
            covariances=in_order(self.covariances, orders),
            numbers=in_order(self.numbers, orders),
        )

    def as_drawn(self) -> "DrawsPosterior":
        """Return the draws with their components in the numbers in which they were drawn."""
        return self.renumbered(np.argsort(self.numbers, axis=-1))

    def plug_in(self) -> PointPosterior:
        """Return the mixture at the posterior means, whose answers average over nothing."""
        return PointPosterior(self.parameters, self.model.family)

    @property
    def averaged(self) -> IntegerArray:
        """Numbers of the draws over which answers about rows are averaged."""
        return _evenly_spaced(self.n_draws, MOST_AVERAGED)

    @property
    def scales(self) -> Array:
        """Standard deviations of each feature, shape (C, S, K, D), in the data's units."""
        variances = self.covariances
        if len(self.model.structure) == 3:
            variances = np.einsum("...dd->...d", variances)
        return np.broadcast_to(np.sqrt(variances), self.means.shape)

    def kept(self, most: int) -> IntegerArray:
        """Return evenly spaced draws of each chain, at most so many of all C chains together.

        At least one of each chain; the numbers lie between 0 and S - 1.
        """
        return _evenly_spaced(self.log_joint.shape[1], max(1, most // self.n_chains))

    def thinned(self, most: int) -> "DrawsPosterior":
        """Return the posterior of the draws that :meth:`kept` names."""
        kept = self.kept(most)
        parts = ("weights", "means", "covariances", "log_joint", "log_likelihood", "numbers")
        return replace(self, **{name: getattr(self, name)[:, kept] for name in parts})

    def log_densities(self, rows: Rows, engine: Engine) -> Array:
        """Return the log density of each row under each draw, shape (C, S, N), in nats."""
        found = np.empty((self.n_draws, rows.n_rows))
        for number in range(self.n_draws):
            found[number] = engine.log_density(rows, self.model.potentials(self.draw(number)))
        return found.reshape(*self.log_joint.shape, rows.n_rows)

    def allocations(self, rows: Rows, engine: Engine, seed: int = 0) -> IntegerArray:
        """Return a component drawn for each row given each draw, shape (C, S, N)."""
        found = np.empty((self.n_draws, rows.n_rows), dtype=np.intp)
        seeds = np.random.default_rng(seed).integers(2**63, size=self.n_draws)
        for number in range(self.n_draws):
            potentials = self.model.potentials(self.draw(number))
            found[number] = engine.sample_labels(rows, potentials, 1, int(seeds[number]))[0]
        return found.reshape(*self.log_joint.shape, rows.n_rows)

    def replicates(self, n_rows: int, rng: np.random.Generator) -> Array:
        """Return rows drawn under each draw, shape (C, S, n_rows, D), in the data's units."""
        family = self.model.family
        drawn = [draw_rows(family, self.draw(i), n_rows, rng)[0] for i in range(self.n_draws)]
        return np.array(drawn).reshape(*self.log_joint.shape, n_rows, -1)

    def _potentials(self) -> Iterator[Potentials]:
        """Yield the potentials of draws over which answers are averaged."""
        size = self.model.n_components
        together = max(1, MOST_TOGETHER // max(1, self.covariances[0, 0].size))
        if self.model.structure[0] != size:  # shared covariances: not one for each component
            together = 1
        for start in range(0, len(self.averaged), together):
            chains, steps = np.divmod(
                self.averaged[start : start + together], self.weights.shape[1]
            )
            parts = (part[chains, steps] for part in (self.weights, self.means, self.covariances))
            # One mixture of all components of several draws: their factors are found at once.
            stacked = MixtureParameters(*(part.reshape(-1, *part.shape[2:]) for part in parts))
            found = self.model.potentials(stacked)
            for first in range(0, len(found.log_weight), size):
                own = slice(first, first + size)
                factor = (
                    found.precision_cholesky if together == 1 else found.precision_cholesky[own]
                )
                yield Potentials(found.log_weight[own], found.offset[own], found.mean[own], factor)

    def log_predictive(self, rows: Rows, engine: Engine) -> Array:
        total = np.full(rows.n_rows, -np.inf)
        for potentials in self._potentials():
            total = np.logaddexp(total, engine.log_density(rows, potentials))
        return total - np.log(len(self.averaged))

    def responsibilities(self, rows: Rows, engine: Engine) -> Array:
        total = np.zeros((rows.n_rows, self.model.n_components))
        for potentials in self._potentials():
            total += engine.responsibilities(rows, potentials)
        return total / total.sum(axis=1, keepdims=True)

    def labels(self, rows: Rows, engine: Engine) -> IntegerArray:
        return self.responsibilities(rows, engine).argmax(axis=1)

    def sample_assignments(
        self, rows: Rows, engine: Engine, n_draws: int, seed: int
    ) -> IntegerArray:
        rng = np.random.default_rng(seed)
        numbers, seeds = rng.integers(self.n_draws, size=n_draws), rng.integers(2**63, size=n_draws)
        drawn = [
            engine.sample_labels(rows, self.model.potentials(self.draw(int(number))), 1, int(own))
            for number, own in zip(numbers, seeds, strict=True)
        ]
        return np.concatenate(drawn)

    def sample(self, n_rows: int, rng: np.random.Generator) -> tuple[Array, IntegerArray]:
        numbers = rng.integers(self.n_draws, size=n_rows)
        rows = np.empty((n_rows, self.model.n_features))
        assignments = np.empty(n_rows, dtype=np.intp)
        order = np.argsort(numbers, kind="stable")
        bounds = np.flatnonzero(np.diff(numbers[order])) + 1
        for some in np.split(order, bounds):
            parameters = self.draw(int(numbers[some[0]]))
            rows[some], assignments[some] = draw_rows(self.model.family, parameters, some.size, rng)
        return rows, assignments

    def sample_parameters(
        self, n_draws: int, rng: np.random.Generator
    ) -> tuple[MixtureParameters, ...]:
        """Return parameters drawn from the posterior: draws chosen at random."""
        return tuple(self.draw(int(number)) for number in rng.integers(self.n_draws, size=n_draws))

    def intervals(
        self, probabilities: tuple[float, float] = ENDS, n_first: int | None = None
    ) -> Intervals:
        return Intervals(
            probabilities,
            self.weight_marginals(probabilities).quantiles[:, :n_first],
            self.mean_marginals(probabilities).quantiles[:, :n_first],
            self.scale_marginals(probabilities).quantiles[:, :n_first],
        )

    def weight_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each weight, shape (K,)."""
        return _marginals(self.weights, probabilities)

    def mean_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each component mean, shape (K, D)."""
        return _marginals(self.means, probabilities)

    def scale_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each standard deviation, shape (K, D)."""
        return _marginals(self.scales, probabilities)

    def covariance_marginals(self, probabilities: tuple[float, ...] = PROBABILITIES) -> Marginals:
        """Return mean, deviation and quantiles of each (co)variance, in the structure shape."""
        return _marginals(self.covariances, probabilities)


def _evenly_spaced(n_draws: int, most: int) -> IntegerArray:
    number = min(n_draws, most)
    return (np.arange(number) * n_draws + n_draws // 2) // number


def _marginals(draws: Array, probabilities: tuple[float, ...]) -> Marginals:
    """Return averages, standard deviations and quantiles over chains and draws."""
    together = draws.reshape(-1, *draws.shape[2:])
    deviation = together.std(axis=0, ddof=1) if len(together) > 1 else np.zeros(draws.shape[2:])
    quantiles = np.quantile(together, np.ravel(probabilities), axis=0)
    return Marginals(together.mean(axis=0), deviation, quantiles)
