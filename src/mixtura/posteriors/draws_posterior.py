"""A posterior represented by draws of the parameters."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.errors import InvalidArgumentError, Setting
from mixtura.messages.background import BACKGROUND, BackgroundPotential
from mixtura.messages.draws import Draws, in_order
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.model import MixtureModel, draw_rows
from mixtura.posteriors.base import Posterior
from mixtura.posteriors.intervals import PROBABILITIES as ENDS
from mixtura.posteriors.intervals import Intervals
from mixtura.posteriors.kept_partitions import KeptPartitions, Unsigned, fingerprints
from mixtura.posteriors.point_posterior import PointPosterior
from mixtura.priors.base import Marginals
from mixtura.typing import Array, IntegerArray

PROBABILITIES = (0.05, 0.5, 0.95)

MOST_SCORED, MOST_SHARED = 1_000_000_000, 30_000_000
"""Densities of components, rows x draws x K, that densities and probabilities of rows take: some
seconds, and about one."""

FEWEST_AVERAGED = 200
"""Draws over which answers about rows are averaged in any case."""

STACKED = 256
"""Components of several draws that are scored together."""

MOST_TOGETHER = 1 << 16
"""Numbers of the covariances of draws whose potentials are found together."""


@final
@dataclass(frozen=True, eq=False)
class DrawsPosterior(Posterior):
    """Draws from the posterior, in C chains of S draws each, alike numbered.

    Marginals, and draws of rows and parameters, use all draws. So do densities and probabilities
    of rows, as long as rows x draws x K is at most 1e9 and 3e7; of more rows at once they are
    averaged over fewer draws, evenly spaced in each chain, but not over fewer than 200.

    Parameters
    ----------
    model : MixtureModel
        The model that was fitted.
    draws : Draws
        The draws of C chains, in the data's units: the joint density is that of rows and
        parameters, assignments summed out, and rows count by their weights.
    numbers : integer array of shape (C, S, K)
        The number that each component had when it was drawn.
    partitions : KeptPartitions, optional
        Where the parameters were drawn given partitions of the rows, these.
    """

    is_drawn = True

    model: MixtureModel
    draws: Draws
    numbers: IntegerArray
    partitions: KeptPartitions | None = None

    def __repr__(self) -> str:
        n_chains, n_draws = self.draws.shape
        return (
            f"<DrawsPosterior, K = {self.model.n_components}, D = {self.model.n_features}: "
            f"{n_chains} chains of {n_draws:,} draws>"
        )

    @property
    def weights(self) -> Array:
        """Mixture weights, shape (C, S, K)."""
        return self.draws.weights

    @property
    def means(self) -> Array:
        """Component means, shape (C, S, K, D), in the data's units."""
        return self.draws.means

    @property
    def covariances(self) -> Array:
        """Covariances or variances, shape (C, S, *structure), in squared units."""
        return self.draws.covariances

    @property
    def log_joint(self) -> Array:
        """Log joint density of rows and parameters, shape (C, S), in nats."""
        return self.draws.log_joint

    @property
    def log_likelihood(self) -> Array:
        """Log likelihood of the (weighted) rows, shape (C, S), in nats."""
        return self.draws.log_likelihood

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
                "number_probabilities needs a prior on the number of components, ",
                Setting("weight_prior"),
                "=MixtureOfFiniteMixtures(); how many components hold rows under "
                f"{type(self.model.weight_prior).__name__} is told by summary() and convergence()",
            )
        numbers = np.bincount(self.used_components.ravel(), minlength=self.model.n_components + 1)
        return numbers[1:] / self.n_draws

    def draw(self, number: int) -> MixtureParameters:
        """Return one draw, numbered from 0 to C S - 1, chain after chain."""
        return self.draws.at(*divmod(number, self.log_joint.shape[1]))

    @cached_property
    def parameters(self) -> MixtureParameters:  # type: ignore[override]
        """The averages of the draws."""
        parts = (self.weights, self.means, self.covariances)
        weights, means, covariances = (part.mean(axis=(0, 1)) for part in parts)
        total = 1.0 if self.model.background is not None else weights.sum()
        return MixtureParameters(weights / total, means, covariances)

    @property
    def best(self) -> MixtureParameters:
        """The draw of highest log joint density."""
        return self.draw(int(np.argmax(self.log_joint)))

    def relabelled(self, orders: IntegerArray) -> "DrawsPosterior":
        """Return the same draws with their components relabelled, orders of shape (C, S, K).

        Component k of a relabelled draw is component ``orders[c, s, k]`` of the draw.
        """
        numbers = in_order(self.numbers, orders)
        return replace(self, draws=self.draws.relabelled(orders), numbers=numbers)

    def as_drawn(self) -> "DrawsPosterior":
        """Return the draws with their components in the numbers in which they were drawn."""
        return self.relabelled(np.argsort(self.numbers, axis=-1))

    def plug_in(self) -> PointPosterior:
        """Return the mixture at the posterior means, whose answers average over nothing."""
        return PointPosterior(self.parameters, self.model.family, self.model.background)

    def averaged(self, n_rows: int, most: int = MOST_SCORED) -> "DrawsPosterior":
        """Return the draws over which an answer about so many rows is averaged."""
        affordable = most // max(1, n_rows * self.model.n_components)
        number = max(FEWEST_AVERAGED, affordable)
        return self if number >= self.n_draws else self.thinned(number)

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
        return self._at(self.kept(most))

    def _at(self, steps: IntegerArray) -> "DrawsPosterior":
        """Return the posterior of some draws of each chain, in rising order."""
        own = self.partitions
        return DrawsPosterior(
            self.model,
            self.draws.kept(steps),
            self.numbers[:, steps],
            None if own is None else own.thinned(steps),
        )

    def log_densities(self, rows: Rows, engine: Engine) -> Array:
        """Return the log density of each row under each draw, shape (C, S, N), in nats."""
        found = np.empty((self.n_draws, rows.n_rows))
        for number in range(self.n_draws):
            found[number] = engine.log_density(rows, self.model.potentials(self.draw(number)))
        return found.reshape(*self.log_joint.shape, rows.n_rows)

    def allocations(
        self, rows: Rows, engine: Engine, most: int | None = None, seed: int = 0
    ) -> IntegerArray:
        """Return a component for each row under each draw, or at most so many, shape (C, S, N).

        Rows that were fitted have those of their own partitions, where these are kept: then of the
        draws whose partitions are. Of other rows they are drawn given the parameters of the draw.
        """
        place = self._places(rows)
        if self.partitions is None or place is None:
            chosen = self if most is None else self.thinned(most)
            return chosen._given_parameters(rows, engine, seed)
        n_kept = self.partitions.steps.size
        number = n_kept if most is None else max(1, most // self.n_chains)
        some = _evenly_spaced(n_kept, number)
        chains = np.repeat(np.arange(self.n_chains), some.size)
        rng = np.random.default_rng(seed)
        found = self._own(rows, engine, place, chains, np.tile(some, self.n_chains), rng)
        return found.reshape(self.n_chains, some.size, rows.n_rows)

    def _places(self, rows: Rows) -> IntegerArray | None:
        """Return where rows are among those whose partitions are kept; None if nowhere."""
        if self.partitions is None or not self.partitions.steps.size:
            return None
        place = self.partitions.places(_fingerprints(rows))
        return place if (place >= 0).any() else None

    def _own(
        self,
        rows: Rows,
        engine: Engine,
        place: IntegerArray,
        chains: IntegerArray,
        positions: IntegerArray,
        rng: np.random.Generator,
    ) -> IntegerArray:
        """Return components of rows by partitions that are kept, shape (n, N).

        Those of other rows, whose place is below zero, are drawn given the parameters.
        """
        assert self.partitions is not None
        known, kept = place >= 0, self.partitions
        found = np.empty((chains.size, rows.n_rows), dtype=np.intp)
        seeds = rng.integers(2**63, size=chains.size)
        for i, (chain, position) in enumerate(zip(chains, positions, strict=True)):
            step = int(kept.steps[position])
            if not known.all():
                drawn = self.draw(int(chain) * self.log_joint.shape[1] + step)
                potentials = self.model.potentials(drawn)
                found[i] = engine.sample_labels(rows, potentials, 1, int(seeds[i]))[0]
            present = np.argsort(self.numbers[chain, step])
            found[i, known] = present[kept.labels[chain, position, place[known]]]
        return found

    def _given_parameters(self, rows: Rows, engine: Engine, seed: int) -> IntegerArray:
        """Return components drawn for the rows given the parameters of each draw, (C, S, N)."""
        found = np.empty((self.n_draws, rows.n_rows), dtype=np.intp)
        seeds = np.random.default_rng(seed).integers(2**63, size=self.n_draws)
        for number in range(self.n_draws):
            potentials = self.model.potentials(self.draw(number))
            found[number] = engine.sample_labels(rows, potentials, 1, int(seeds[number]))[0]
        found[found == BACKGROUND] = self.model.n_components  # a group of its own
        return found.reshape(*self.log_joint.shape, rows.n_rows)

    def occupied(self, rows: Rows) -> IntegerArray | None:
        """Return how many components have rows in the partition of each draw, shape (C, S).

        None without partitions, and where the rows are others than those fitted.
        """
        if self.partitions is None or not self.partitions.are_all(_fingerprints(rows)):
            return None
        return self.partitions.occupied.astype(np.intp)

    def replicates(self, n_rows: int, rng: np.random.Generator) -> Array:
        """Return rows drawn under each draw, shape (C, S, n_rows, D), in the data's units."""
        family = self.model.family
        given = (n_rows, rng, self.model.background)
        drawn = [draw_rows(family, self.draw(i), *given)[0] for i in range(self.n_draws)]
        return np.array(drawn).reshape(*self.log_joint.shape, n_rows, -1)

    def _stacked(self, number: int) -> Iterator[Potentials]:
        """Yield the components of so many draws at a time as those of one mixture."""
        parts = (self.weights, self.means, self.covariances)
        weights, means, covariances = (part.reshape(-1, *part.shape[2:]) for part in parts)
        number = max(1, min(number, MOST_TOGETHER // max(1, covariances[0].size)))
        for start in range(0, len(weights), number):
            some = slice(start, start + number)
            shares = weights[some].reshape(-1)
            # One mixture of all components of several draws: their factors are found at once.
            stacked = MixtureParameters(
                shares,
                means[some].reshape(shares.size, -1),
                covariances[some].reshape(-1, *covariances.shape[2:]),
            )
            if len(stacked.covariances) in (1, shares.size):
                yield self.model.family.potentials(stacked)
                continue
            # What the components of a draw share is one for each of them here.
            times = shares.size // len(stacked.covariances)
            repeated = np.repeat(stacked.covariances, times, axis=0)
            yield self.model.family.potentials(replace(stacked, covariances=repeated))

    def log_predictive(self, rows: Rows, engine: Engine) -> Array:
        averaged = self.averaged(rows.n_rows)
        if rows.is_labelled:
            return averaged._predictive_of_labelled(rows, engine)
        total = np.full(rows.n_rows, -np.inf)
        for potentials in averaged._stacked(max(1, STACKED // self.model.n_components)):
            total = np.logaddexp(total, engine.log_density(rows, potentials))
        if self.model.background is not None:
            weight = float((1.0 - averaged.weights.sum(axis=-1)).clip(0.0).sum())
            own = BackgroundPotential(np.log(weight), self.model.background)
            total = np.logaddexp(total, engine.background_density(rows, own))
        return total - np.log(averaged.n_draws)

    def _predictive_of_labelled(self, rows: Rows, engine: Engine) -> Array:
        """Return the log predictive density of rows whose labels name components of each draw."""
        # Of several draws together they would name those of the first.
        found, share = np.full(rows.n_rows, -np.inf), -np.log(self.n_draws)
        for number in range(self.n_draws):
            potentials = self.model.potentials(self.draw(number))
            found = np.logaddexp(found, engine.log_density(rows, potentials) + share)
        return found

    def responsibilities(self, rows: Rows, engine: Engine) -> Array:
        averaged, size = self.averaged(rows.n_rows, MOST_SHARED), self.model.n_components
        if self.model.background is not None:
            found = np.zeros((rows.n_rows, size + 1))
            for number in range(averaged.n_draws):
                found += engine.responsibilities(rows, self.model.potentials(averaged.draw(number)))
            return found / averaged.n_draws
        total = np.zeros((rows.n_rows, size))
        for potentials in averaged._stacked(max(1, STACKED // size)):
            total += engine.summed_responsibilities(rows, potentials, size)
        return total / total.sum(axis=1, keepdims=True)

    def labels(self, rows: Rows, engine: Engine) -> IntegerArray:
        found = self.responsibilities(rows, engine).argmax(axis=1)
        return np.where(found == self.model.n_components, BACKGROUND, found)

    def expected_rows(self, rows: ArrayRows, engine: Engine) -> Array:
        averaged = self.averaged(rows.n_rows, MOST_SHARED)
        total = np.zeros(rows.values.shape)
        for number in range(averaged.n_draws):
            total += engine.expected_rows(rows, self.model.potentials(averaged.draw(number)))
        return total / averaged.n_draws

    def sample_rows(
        self, rows: ArrayRows, engine: Engine, n_draws: int, rng: np.random.Generator
    ) -> Array:
        each = np.resize(_evenly_spaced(self.n_draws, n_draws), n_draws)
        seeds = rng.integers(2**63, size=n_draws)
        drawn = (self.model.potentials(self.draw(int(number))) for number in each)
        both = zip(drawn, seeds.tolist(), strict=True)
        return np.stack([engine.drawn_rows(rows, one, seed) for one, seed in both])

    def sample_assignments(
        self, rows: Rows, engine: Engine, n_draws: int, seed: int
    ) -> IntegerArray:
        rng, place = np.random.default_rng(seed), self._places(rows)
        if self.partitions is not None and place is not None:
            chains = rng.integers(self.n_chains, size=n_draws)
            positions = rng.integers(self.partitions.steps.size, size=n_draws)
            return self._own(rows, engine, place, chains, positions, rng)
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
            rows[some], assignments[some] = draw_rows(
                *(self.model.family, parameters, some.size, rng, self.model.background)
            )
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


def _fingerprints(rows: Rows) -> Unsigned:
    """Return the fingerprints of the rows, in their order."""
    parts = [fingerprints(block.values) for block in rows.blocks()]
    return np.concatenate([np.empty(0, dtype=np.uint64), *parts])


def _evenly_spaced(n_draws: int, most: int) -> IntegerArray:
    number = min(n_draws, most)
    return (np.arange(number) * n_draws + n_draws // 2) // number


def _marginals(draws: Array, probabilities: tuple[float, ...]) -> Marginals:
    """Return averages, standard deviations and quantiles over chains and draws."""
    together = draws.reshape(-1, *draws.shape[2:])
    deviation = together.std(axis=0, ddof=1) if len(together) > 1 else np.zeros(draws.shape[2:])
    quantiles = np.quantile(together, np.ravel(probabilities), axis=0)
    return Marginals(together.mean(axis=0), deviation, quantiles)
