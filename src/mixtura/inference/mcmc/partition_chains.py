"""One chain of a collapsed sampler: partitions of the rows, and parameters drawn given them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.data.known_labels import UNKNOWN
from mixtura.engines import Engine
from mixtura.engines.allocation import Allocator, numbered
from mixtura.inference.mcmc.chain_runs import (
    ChainPlan,
    Kept,
    Runner,
    RunState,
    checked,
    generator_of,
)
from mixtura.inference.mcmc.gibbs_chains import drawn
from mixtura.inference.mcmc.observed_partitions import Completed, KeptVisits, ObservedSweeps
from mixtura.inference.mcmc.stretches import (
    KEPT,
    MOST_HELD,
    OF_CLUSTERS,
    OF_DRAWS,
    OF_ROWS,
    KeptDraws,
    PartitionStretch,
    joined,
)
from mixtura.messages.assignments import Soft
from mixtura.messages.background import BACKGROUND
from mixtura.messages.draws import Draws
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.prior_arrays import ClusterSteps, MatrixSteps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.posteriors.kept_partitions import MOST_LABELS, Unsigned, spacing
from mixtura.priors.partition_probabilities import Partitions
from mixtura.typing import Array, IntegerArray

MOST_TOGETHER = 1 << 18
"""Numbers of the covariances that are drawn together."""

MOVES_BESIDE_CELLS = 12
"""Splits and merges of incomplete rows, for each of complete ones: they cost little beside drawing
parameters and cells, and those of groups whose cells are drawn are accepted less often. Iris with a
fifth of its cells missing needs some quarter of the draws."""


@final
@dataclass(frozen=True, eq=False)
class PartitionState(RunState):
    """Where a chain of partitions stands.

    Parameters
    ----------
    labels : integer array of shape (N,)
        Cluster of each row, numbered in the order of their first rows.
    concentration : float
        Concentration.
    random : dict
        State of the generator.
    past : tuple of PartitionStretch
        The sweeps so far.
    values : array of shape (n, D)
        The rows that were not observed in full, completed.
    """

    labels: IntegerArray
    concentration: float
    random: Any
    past: tuple[PartitionStretch, ...] = ()
    values: Array = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def sweeps(self) -> int:
        return sum(len(stretch.log_joint) for stretch in self.past)


@final
@dataclass(frozen=True, eq=False)
class PartitionSampler(Runner[PartitionState]):
    """What all chains of partitions have in common.

    Parameters
    ----------
    model : MixtureModel
        The model, in the rows' units.
    rows : Rows
        Rows without weights.
    engine : Engine
        Where sweeps run.
    plan : ChainPlan
        How long the chains are, and what is kept of them.
    partitions : Partitions
        What partitions are worth before any row is seen.
    clusters : ClusterSteps or MatrixSteps
        What tells the rows of a cluster.
    moves : int
        Splits and merges that are tried in each sweep; twelve times as many of incomplete rows.
    scans : int
        How often each sweep puts every row anew.
    most_labels : int
        Labels of rows that a chain keeps; of more draws the partitions are thinned evenly.
    """

    model: MixtureModel
    rows: Rows
    engine: Engine
    plan: ChainPlan
    partitions: Partitions
    clusters: ClusterSteps | MatrixSteps
    moves: int
    scans: int = 1
    most_labels: int = MOST_LABELS

    @cached_property
    def _allocator(self) -> Allocator:
        return self.engine.allocator(self.rows, self.clusters)

    @cached_property
    def _observed(self) -> ObservedSweeps | None:
        """Sweeps over rows that are incomplete, or of which something is known, if they are."""
        if self.rows.is_plain and self.model.background is None:
            return None
        assert isinstance(self.rows, ArrayRows)
        moves = self.moves if self.rows.is_complete else MOVES_BESIDE_CELLS * self.moves
        given = (self.engine, self.partitions, self.clusters, (self.scans, moves))
        return ObservedSweeps(self.model, self.rows, *given)

    def begin(self, start: SufficientStatistics, seed: np.random.SeedSequence) -> PartitionState:
        # Rows get components by a draw given the start's statistics.
        of_start, of_rows, of_chain = seed.spawn(3)
        typical = self.model.typical(start)
        first = drawn(self.model, start, typical, np.random.default_rng(of_start))
        number = int(of_rows.generate_state(1, np.uint64)[0])
        potentials = self.model.potentials(first)
        labels = self.engine.sample_labels(self.rows, potentials, 1, number)[0]
        return self.begin_at(labels, of_chain)

    def begin_at(
        self, labels: IntegerArray, seed: np.random.SeedSequence, concentration: float | None = None
    ) -> PartitionState:
        """Return a chain before its first sweep, whose first partition is given."""
        value = self.partitions.concentration if concentration is None else concentration
        random = np.random.PCG64(seed).state
        if self._observed is None:
            return PartitionState(numbered(labels), value, random)
        first = self._observed.begin(labels)
        return PartitionState(first.labels, value, random, (), first.values)

    def advance(self, state: PartitionState, sweeps: int) -> PartitionState:
        if self._observed is not None:
            return self._advanced(self._observed, state, sweeps)
        rng, begin, plan = generator_of(state.random), state.sweeps, self.plan
        labels, concentration, n_rows = state.labels, state.concentration, len(state.labels)
        steps = self.partitions.steps(n_rows, concentration)
        constant = self.partitions.log_constant(n_rows, concentration)
        every = spacing(n_rows, plan.kept_before(begin + sweeps), self.most_labels)
        kept = KeptDraws(self._allocator, plan.kept_before(begin), every)
        log_joint, values = np.empty(sweeps), []
        done, most = 0, plan.thin * max(1, MOST_HELD // n_rows)
        while done < sweeps:
            length = min(most, sweeps - done)
            if not self.partitions.is_known:
                length = 1
                n_clusters = int(labels.max()) + 1
                concentration = self.partitions.draw_concentration(
                    concentration, n_rows, n_clusters, rng
                )
                steps = self.partitions.steps(n_rows, concentration)
                constant = self.partitions.log_constant(n_rows, concentration)
            span = (length, self.scans, self.moves)
            first = (_until_kept(begin + done, plan), plan.thin)
            labels, found, worth = self._allocator.stretch(labels, steps, span, rng, first)
            log_joint[done : done + length] = worth + constant
            done += length
            values += [concentration] * len(found)
            kept.add(found)
        stretch = kept.stretch(np.array(values), log_joint, self.model.structure[1:])
        random = rng.bit_generator.state
        before = tuple(one.thinned(every) for one in state.past) if every else state.past
        return PartitionState(labels, concentration, random, (*before, stretch))

    def _advanced(
        self, observed: ObservedSweeps, state: PartitionState, sweeps: int
    ) -> PartitionState:
        """Return a chain of rows that were not observed in full after some more sweeps."""
        rng, begin, plan = generator_of(state.random), state.sweeps, self.plan
        concentration, now = state.concentration, Completed(state.labels, state.values)
        n_before = plan.kept_before(begin)
        n_after = plan.kept_before(begin + sweeps)
        every = spacing(len(state.labels), n_after, self.most_labels)
        log_joint, kept = np.empty(sweeps), KeptVisits(self.model, n_before, every)
        for number in range(sweeps):
            if not self.partitions.is_known:
                counts = observed.count(now.labels)
                concentration = self.partitions.draw_concentration(concentration, *counts, rng)
            now, visited = observed.stretch(now, concentration, rng)
            log_joint[number] = visited.log_joint
            if plan.kept_before(begin + number + 1) > plan.kept_before(begin + number):
                kept.add(visited, concentration)
        random = rng.bit_generator.state
        before = tuple(one.thinned(every) for one in state.past) if every else state.past
        past = (*before, kept.stretch(log_joint, len(state.labels)))
        return PartitionState(now.labels, concentration, random, past, now.values)

    def slots(self, n_components: int) -> IntegerArray:
        """Return which cluster each component has, (K,): those of labels have their own."""
        held = self.rows.held
        if not held.size:
            return np.arange(n_components)
        found = np.empty(n_components, dtype=np.intp)
        others = np.setdiff1d(np.arange(n_components), held)
        found[np.concatenate([held, others])] = np.arange(n_components)
        return found

    def share_of_clusters(self, members: Array, rng: np.random.Generator) -> Array | float:
        """Return what a background leaves of the weights, drawn given the units of clusters (S,).

        Of shape (S, 1); one without a background.
        """
        box = self.model.background
        if box is None:
            return 1.0
        assert self._observed is not None
        counts = (self._observed.n_units - members, members)
        first, second = (p + n for p, n in zip(box.concentration, counts, strict=True))
        return 1.0 - rng.beta(first, second)[:, None]

    def log_likelihoods(self, model: MixtureModel, parameters: MixtureParameters) -> Array:
        """Return the log likelihoods (S,) of S mixtures, one after the other, in nats."""
        K = model.n_components
        if self._observed is None:
            return self.engine.log_likelihoods(self.rows, model.potentials(parameters), K)
        found = []
        for start in range(0, parameters.weights.size, K):
            some = slice(start, start + K)
            own = (parameters.weights[some], parameters.means[some], parameters.covariances[some])
            potentials = model.potentials(MixtureParameters(*own))
            found.append(self.engine.sweep(self.rows, potentials, Soft()).log_normalizer)
        return np.array(found)

    def monitored(self, states: Sequence[PartitionState], plan: ChainPlan) -> list[Array]:
        log_joint = [np.concatenate([one.log_joint for one in state.past]) for state in states]
        occupied = [np.concatenate([one.occupied for one in state.past]) for state in states]
        return [np.stack(log_joint)[:, plan.kept], np.stack(occupied)[:, : plan.draws]]

    def packed(self, states: Sequence[PartitionState]) -> Kept:
        arrays = {
            "labels": np.stack([state.labels for state in states]).astype(np.float64),
            "current": np.array([state.concentration for state in states]),
        }
        if states[0].values.size:
            arrays["completed"] = np.stack([state.values for state in states])
        if states[0].past:
            past = [joined(state.past) for state in states]
            # Clusters of all chains one after the other: there are not as many of each.
            arrays |= {n: np.concatenate([getattr(p, n) for p in past]) for n in OF_CLUSTERS}
            alike = (*OF_DRAWS, "log_joint")
            arrays |= {n: np.stack([getattr(p, n) for p in past]) for n in alike}
            for name, key in zip(OF_ROWS, KEPT, strict=True):
                arrays[key] = np.stack([getattr(p, name) for p in past])
        return {"random": [state.random for state in states]}, arrays

    def restored(
        self, header: Mapping[str, Any], arrays: Mapping[str, Array], chains: int
    ) -> list[PartitionState]:
        labels = checked(arrays["labels"], (chains, self.rows.n_rows)).astype(np.int64)
        current = checked(arrays["current"], (chains,))
        least = 0 if self.model.background is None else BACKGROUND
        if labels.min() < least or (labels == UNKNOWN).any() or not (current > 0).all():
            raise ValueError("not labels from 0 on")
        values = self._completed(arrays, chains)
        past: list[tuple[PartitionStretch, ...]] = [() for _ in range(chains)]
        if "log_joint" in arrays:
            past = [(one,) for one in self._past(arrays, chains)]
        states = []
        for number in range(chains):
            generator_of(header["random"][number])
            own = labels[number][labels[number] >= 0]
            if np.unique(own).size != own.max(initial=-1) + 1:
                raise ValueError("labels with gaps")
            given = (labels[number], float(current[number]), header["random"][number])
            states.append(PartitionState(*given, past[number], values[number]))
        return states

    def _completed(self, arrays: Mapping[str, Array], chains: int) -> Array:
        """Return the completed rows (C, n, D) of an archive."""
        observed = self._observed
        n_rows = 0 if observed is None else observed.incomplete.size
        if not n_rows:
            return np.empty((chains, 0, 0))
        return checked(arrays["completed"], (chains, n_rows, self.model.n_features))

    def _past(self, arrays: Mapping[str, Array], chains: int) -> list[PartitionStretch]:
        """Return the stretch of each chain that arrays hold, every size checked."""
        sweeps = arrays["log_joint"].shape[-1]
        if sweeps > self.plan.sweeps:
            raise ValueError("more sweeps than the plan has")
        draws = self.plan.kept_before(sweeps)
        log_joint = checked(arrays["log_joint"], (chains, sweeps))
        occupied, concentration = (checked(arrays[n], (chains, draws)) for n in OF_DRAWS)
        totals = occupied.sum(axis=1).astype(np.int64)
        least = 1 if self.model.background is None else 0
        if (occupied < least).any() or (occupied != np.rint(occupied)).any():
            raise ValueError("not numbers of clusters")
        cells = {"mean": (self.model.n_features,), "second": self.model.structure[1:]}
        given = {"members": arrays["count"], **arrays}  # earlier files have rows alone
        parts = [checked(given[n], (int(totals.sum()), *cells.get(n, ()))) for n in OF_CLUSTERS]
        cuts = [np.split(part, np.cumsum(totals)[:-1]) for part in parts]
        steps, labels = self._partitions(arrays, occupied)
        return [
            PartitionStretch(
                occupied[c],
                concentration[c],
                *(part[c] for part in cuts),
                log_joint=log_joint[c],
                steps=steps[c],
                labels=labels[c],
            )
            for c in range(chains)
        ]

    def _partitions(
        self, arrays: Mapping[str, Any], occupied: Array
    ) -> tuple[IntegerArray, Unsigned]:
        """Return draws (C, P) and labels (C, P, N) of an archive; earlier ones have none."""
        chains, draws = occupied.shape
        n_rows = self.rows.n_rows
        if KEPT[1] not in arrays:
            return np.empty((chains, 0), dtype=np.intp), np.empty((chains, 0, n_rows), np.uint8)
        steps, labels = (arrays[name] for name in KEPT)
        if steps.ndim != 2 or labels.shape != (*steps.shape, n_rows):
            raise ValueError("not partitions of these rows")
        if steps.dtype != np.intp or labels.dtype.kind != "u" or (steps != steps[0]).any():
            raise ValueError("not partitions of all chains")
        if steps.size and (steps.min() < 0 or steps.max() >= draws or (np.diff(steps) <= 0).any()):
            raise ValueError("not partitions of draws")
        largest = np.take_along_axis(occupied, steps, axis=1) - 1
        if (labels.max(axis=2) != largest).any() or labels.min(initial=0) != 0:
            raise ValueError("not the clusters of these draws")
        return steps, labels


def _until_kept(sweep: int, plan: ChainPlan) -> int:
    """Return how many sweeps there are from one on to the next whose partition is kept."""
    first = plan.warmup + plan.thin
    if sweep < first:
        return first - sweep
    return plan.thin - (sweep - first) % plan.thin


def parameters_given(
    sampler: PartitionSampler,
    model: MixtureModel,
    past: PartitionStretch,
    log_joint: Array,
    seed: np.random.SeedSequence,
) -> Draws:
    """Return parameters drawn given the first partitions of a chain.

    Parameters
    ----------
    sampler : PartitionSampler
        What drew the partitions.
    model : MixtureModel
        The model, with room for all clusters.
    past : PartitionStretch
        The chain.
    log_joint : array of shape (S,)
        Log density of rows and partition at each of its first S draws, in nats.
    seed : SeedSequence
        Source of the random numbers.
    """
    rng, K, n_draws = np.random.default_rng(seed), model.n_components, len(log_joint)
    occupied = past.occupied[:n_draws].astype(np.int64)
    place, total = np.arange(K) < occupied[:, None], occupied.sum()
    count, members = np.zeros(place.shape), np.zeros(place.shape)
    count[place], members[place] = past.count[:total], past.members[:total]
    weights = sampler.partitions.draw_weights(members, occupied, past.concentration[:n_draws], rng)
    weights = weights * sampler.share_of_clusters(members.sum(axis=1), rng)
    pivot = np.zeros((*place.shape, model.n_features)) + past.mean[:1].sum(axis=0)
    second = np.zeros((n_draws, *model.structure))
    pivot[place], second[place] = past.mean[:total], past.second[:total]
    means, covariances, log_likelihood = np.empty_like(pivot), np.empty_like(second), []
    together = max(1, MOST_TOGETHER // second[0].size)
    slots = sampler.slots(K)
    for start in range(0, n_draws, together):
        some = slice(start, start + together)
        parts = (part[some].reshape(-1, *part.shape[2:]) for part in (count, pivot, second))
        counts, pivots, seconds = parts
        # Components of several draws beside each other: they are drawn at once.
        moments = SufficientStatistics(counts, np.zeros_like(pivots), seconds, pivots)
        found = model.component_prior.draw_given(moments, pivots, seconds, rng)
        means[some] = found[0].reshape(means[some].shape)[:, slots]
        covariances[some] = found[1].reshape(covariances[some].shape)[:, slots]
        weights[some] = weights[some][:, slots]
        parameters = MixtureParameters(
            weights[some].reshape(-1),
            means[some].reshape(found[0].shape),
            covariances[some].reshape(found[1].shape),
        )
        log_likelihood.append(sampler.log_likelihoods(model, parameters))
    return Draws(weights, means, covariances, np.concatenate(log_likelihood), log_joint)
