"""Partitions of rows of which not all was observed, or something is known: by augmentation.

A sweep has two steps, each of which leaves the posterior of partition and completed rows as it is:
rows are put anew with all parameters integrated out, as of complete rows; then parameters are
drawn, rows are put anew given these and what was observed of them, and their cells are drawn.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import betaln

from mixtura.data import ArrayRows
from mixtura.data.known_labels import BACKGROUND, UNKNOWN, KnownLabels
from mixtura.engines import Engine
from mixtura.engines.allocation import Allocator, log_marginals, numbered
from mixtura.inference.mcmc.stretches import PartitionStretch
from mixtura.messages.background import BackgroundPotential
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.messages.prior_arrays import ClusterSteps, MatrixSteps, PartitionSteps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.posteriors.kept_partitions import narrowed
from mixtura.priors.partition_probabilities import Partitions
from mixtura.typing import Array, BooleanArray, IntegerArray

LARGEST = 2**63
"""Seeds of rows' random numbers are below this."""


@final
@dataclass(frozen=True, eq=False)
class Completed:
    """A partition, and the rows as they may have been.

    Parameters
    ----------
    labels : integer array of shape (N,)
        Cluster of each row, those that labels name first; -2 for the background.
    values : array of shape (n, D)
        The rows that were not observed in full, completed.
    """

    labels: IntegerArray
    values: Array


@final
@dataclass(frozen=True, eq=False)
class Visited:
    """A partition after its first step, with what is kept of it.

    Parameters
    ----------
    labels : integer array of shape (N,)
        Cluster of each row.
    count, mean, second : array of shape (t,), (t, D), (t, ...)
        Rows of the clusters, their means, and second moments of completed rows about these.
    members : array of shape (t,)
        How often each cluster counts for the weights: groups once.
    log_joint : float
        Log density of completed rows and partition, in nats.
    """

    labels: IntegerArray
    count: Array
    mean: Array
    second: Array
    members: Array
    log_joint: float


@final
@dataclass(frozen=True, eq=False)
class ObservedSweeps:
    """Sweeps over rows that are incomplete, or of which something is known.

    Parameters
    ----------
    model : MixtureModel
        The model, in the rows' units.
    rows : ArrayRows
        Rows without weights.
    engine : Engine
        Where sweeps run.
    partitions : Partitions
        What partitions are worth before any row is seen.
    clusters : ClusterSteps or MatrixSteps
        What tells the rows of a cluster.
    plan : tuple of int
        How often each sweep puts every row anew, and how often it tries a split or a merge.
    """

    model: MixtureModel
    rows: ArrayRows
    engine: Engine
    partitions: Partitions
    clusters: ClusterSteps | MatrixSteps
    plan: tuple[int, int]

    @cached_property
    def incomplete(self) -> IntegerArray:
        """Positions of the rows that were not observed in full."""
        if self.rows.is_complete:
            return np.empty(0, dtype=np.intp)
        whole = np.ones(self.rows.n_rows, dtype=bool)
        whole[self.rows.observation.complete] = False
        return np.flatnonzero(whole)

    @cached_property
    def _units(self) -> IntegerArray:
        """Unit of each row: its group, or the row on its own."""
        labels, n_rows = self.rows.labels, self.rows.n_rows
        groups = None if labels is None else labels.groups
        own = np.arange(n_rows)
        if groups is None:
            return own
        return np.unique(np.where(groups < 0, n_rows + own, groups), return_inverse=True)[1]

    @cached_property
    def _heads(self) -> IntegerArray:
        """The first row of each unit."""
        return np.unique(self._units, return_index=True)[1]

    @cached_property
    def _codes(self) -> IntegerArray:
        """Class of each row, that of its unit where one row of this has one."""
        labels = self.rows.labels
        if labels is None:
            return np.full(self.rows.n_rows, UNKNOWN, dtype=np.intp)
        found = np.full(self._heads.size, UNKNOWN, dtype=np.intp)
        known = labels.is_known
        found[self._units[known]] = labels.codes[known]
        return found[self._units]

    @cached_property
    def _is_tied(self) -> BooleanArray:
        """Which rows are of a class, or share their cluster with others."""
        return (self._codes >= 0) | (np.bincount(self._units)[self._units] > 1)

    @cached_property
    def _named(self) -> IntegerArray:
        """A row of each class, in the order of their components."""
        present = np.unique(self._codes[self._codes >= 0])
        return np.array([np.argmax(self._codes == code) for code in present], dtype=np.intp)

    @cached_property
    def _movable(self) -> tuple[IntegerArray, ArrayRows]:
        """The rows that are put anew given parameters: incomplete ones, or all without a class."""
        labels, rows = self.rows.labels, self.rows
        if labels is None and self.model.background is None:
            return self.incomplete, rows.taken(self.incomplete)
        positions = np.flatnonzero(self._codes == UNKNOWN)
        some = rows.taken(positions)
        own, known = some.labels, None
        if own is not None and own.groups is not None and (own.groups >= 0).any():
            known = KnownLabels(np.full(positions.size, UNKNOWN), own.classes, own.groups)
        return positions, some.with_labels(known)

    @cached_property
    def _holed(self) -> ArrayRows:
        return self.rows.taken(self.incomplete).with_labels(None)

    @cached_property
    def _background_logs(self) -> Array:
        """Log density of each row under the background, missing cells those of uniform ones."""
        box = self.model.background
        assert box is not None
        logs = self.engine.background_density(
            self.rows.with_labels(None), BackgroundPotential(0.0, box)
        )
        return logs - self.rows.is_missing @ np.log(box.sides)

    @cached_property
    def _known_steps(self) -> dict[tuple[int, float], PartitionSteps]:
        return {}

    def steps(self, n_units: int, concentration: float) -> PartitionSteps:
        """Return what partitions of so many units are worth."""
        key = (n_units, concentration)
        if key not in self._known_steps:
            if not self.partitions.is_known:
                self._known_steps.clear()
            self._known_steps[key] = self.partitions.steps(max(n_units, 1), concentration)
        return self._known_steps[key]

    def begin(self, labels: IntegerArray) -> Completed:
        """Return a first partition, with cells as one component expects them."""
        complete = self.engine.completed(self.rows)
        assert isinstance(complete, ArrayRows)
        values = complete.values[self.incomplete].astype(np.float64)
        return Completed(self.numbered(labels), values)

    def numbered(self, labels: IntegerArray) -> IntegerArray:
        """Return clusters numbered by their first rows, those of classes before all others."""
        found = np.array(labels, dtype=np.int64)
        inside = found >= 0
        found[inside] = numbered(found[inside])
        named = found[self._named]
        if named.size:
            others = np.setdiff1d(np.arange(found.max() + 1), named)
            rank = np.empty(named.size + others.size, dtype=np.int64)
            rank[np.concatenate([named, others])] = np.arange(rank.size)
            found[inside] = rank[found[inside]]
        return found

    @property
    def n_units(self) -> int:
        """How many units there are."""
        return self._heads.size

    def count(self, labels: IntegerArray) -> tuple[int, int]:
        """Return how many units belong to clusters, and how many clusters there are."""
        of_units = labels[self._heads]
        return int((of_units >= 0).sum()), int(labels.max(initial=-1)) + 1

    def stretch(
        self, state: Completed, concentration: float, rng: np.random.Generator
    ) -> tuple[Completed, Visited]:
        """Return what a sweep leads to, and the partition after its first step."""
        values = np.array(self.rows.values, dtype=np.float64)
        values[self.incomplete] = state.values
        inside = np.flatnonzero(state.labels >= 0)
        whole = self._allocator(values[inside]) if inside.size else None
        labels = self._collapsed(state.labels, values, whole, concentration, rng)
        visited = self._visited(labels, whole, inside, concentration)
        weights, potentials = self._drawn(visited, concentration, rng)
        labels = self._moved(labels, potentials, weights, concentration, rng)
        if self.incomplete.size:
            own = np.maximum(labels[self.incomplete], 0)
            present, own = np.unique(own, return_inverse=True)
            some = potentials.components(present)
            normals = rng.standard_normal(state.values.shape)
            values = self.engine.completed_given(self._holed, some, own, normals)
            state = replace(state, values=values)
        return Completed(self.numbered(labels), state.values), visited

    def _collapsed(
        self,
        labels: IntegerArray,
        values: Array,
        whole: Allocator | None,
        concentration: float,
        rng: np.random.Generator,
    ) -> IntegerArray:
        """Put the rows anew that share their clusters with rows on their own alone.

        ``whole`` has all rows of clusters.
        """
        n_units, n_clusters = self.count(labels)
        is_tied = np.zeros(n_clusters, dtype=bool)
        is_tied[labels[self._is_tied & (labels >= 0)]] = True
        some = np.flatnonzero((labels >= 0) & ~is_tied[np.maximum(labels, 0)] if n_clusters else [])
        if not some.size:
            return labels
        steps, beside = self.steps(n_units, concentration), int(is_tied.sum())
        size = some.size + 1
        own = PartitionSteps(
            steps.log_join[:size], steps.log_size[:size], steps.log_new[beside : beside + size]
        )
        is_whole = whole is not None and some.size == len(whole.values)
        allocator = whole if is_whole else self._allocator(values[some])
        assert allocator is not None
        moves = self.plan[1] if some.size > 1 else 0
        found, _ = allocator.run(numbered(labels[some]), own, (1, self.plan[0], moves), rng)
        labels = labels.copy()
        labels[some] = n_clusters + found
        return self.numbered(labels)

    def _allocator(self, values: Array) -> Allocator:
        return self.engine.allocator(ArrayRows(values), self.clusters)

    def _visited(
        self,
        labels: IntegerArray,
        whole: Allocator | None,
        inside: IntegerArray,
        concentration: float,
    ) -> Visited:
        n_units, n_clusters = self.count(labels)
        of_units = labels[self._heads]
        members = np.bincount(of_units[of_units >= 0], minlength=n_clusters)
        cells = (self.model.n_features, self.model.structure[1:])
        count, mean, second = np.empty(0), np.empty((0, cells[0])), np.empty((0, *cells[1]))
        of_rows = 0.0
        if whole is not None:
            moments = whole.statistics(labels[inside])
            count, mean, second = moments.count, moments.mean(), moments.second
            of_rows = float(log_marginals(moments, self.clusters).sum())
        steps = self.steps(n_units, concentration)
        worth = of_rows + self.partitions.log_constant(n_units, concentration)
        worth += float(steps.log_size[members].sum() + steps.log_new[:n_clusters].sum())
        box = self.model.background
        if box is not None:
            counts = box.given(self._heads.size - n_units, n_units)
            worth += float(betaln(*counts) - betaln(*box.concentration))
            worth += float(self._background_logs[labels < 0].sum())
        return Visited(labels, count, mean, second, members.astype(np.float64), worth)

    def _drawn(
        self, visited: Visited, concentration: float, rng: np.random.Generator
    ) -> tuple[Array, Potentials]:
        """Return weights and potentials of all atoms, drawn given a partition."""
        least = self.partitions.least_weight(concentration, self._heads.size)
        given = (self.model.n_components, concentration, least, rng)
        weights = self.partitions.draw_atoms(visited.members, *given)
        of_all, background = weights, None
        if (box := self.model.background) is not None:
            inside = float(visited.members.sum())
            share = rng.beta(*box.given(self._heads.size - inside, inside))
            with np.errstate(divide="ignore"):
                background = BackgroundPotential(float(np.log(share)), box)
            of_all = weights * (1.0 - share)
        more = weights.size - visited.members.size
        pivot = np.zeros((weights.size, self.model.n_features)) + self.clusters.location
        pivot[: visited.members.size] = visited.mean
        second = np.concatenate([visited.second, np.zeros((more, *visited.second.shape[1:]))])
        count = np.append(visited.count, np.zeros(more))
        about = SufficientStatistics(count, np.zeros_like(pivot), second, pivot)
        means, covariances = self.model.component_prior.draw_given(about, pivot, second, rng)
        parameters = MixtureParameters(of_all, means, covariances)
        potentials = self.model.family.potentials(parameters)
        return weights, replace(potentials, background=background)

    def _moved(
        self,
        labels: IntegerArray,
        potentials: Potentials,
        weights: Array,
        concentration: float,
        rng: np.random.Generator,
    ) -> IntegerArray:
        """Put rows anew given parameters, among the clusters that are large enough."""
        positions, rows = self._movable
        least = self.partitions.least_weight(concentration, self._heads.size)
        some = np.flatnonzero(weights > least)
        if not positions.size or not some.size:
            return labels
        seed = int(rng.integers(LARGEST))
        own = replace(potentials.components(some), background=potentials.background)
        found = self.engine.sample_labels(rows, own, 1, seed)[0]
        old = labels[positions]
        # Rows of clusters that are too small to be chosen stay in them.
        stays = np.isin(old, np.flatnonzero(weights <= least))
        new = np.where(found == BACKGROUND, BACKGROUND, some[np.maximum(found, 0)])
        labels = labels.copy()
        labels[positions] = np.where(stays, old, new)
        return labels


@final
class KeptVisits:
    """What is kept of the partitions of a stretch, as they come.

    Parameters
    ----------
    model : MixtureModel
        The model.
    number : int
        Draws of the chain before the stretch.
    every : int
        The partition of every so manieth draw is kept whole; of none where 0.
    """

    def __init__(self, model: MixtureModel, number: int, every: int) -> None:
        self._model, self._number, self._every = model, number, every
        self._visits: list[Visited] = []
        self._concentrations: list[float] = []
        self._steps: list[int] = []

    def add(self, visited: Visited, concentration: float) -> None:
        """Take the partition of a further draw."""
        step = self._number + len(self._visits)
        is_whole = self._every and step % self._every == 0 and self._model.background is None
        if is_whole:
            self._steps.append(step)
        labels = narrowed(visited.labels) if is_whole else np.empty(0, dtype=np.uint8)
        self._visits.append(replace(visited, labels=labels))
        self._concentrations.append(concentration)

    def stretch(self, log_joint: Array, n_rows: int) -> PartitionStretch:
        """Return all that was kept."""
        size, cell = self._model.n_features, self._model.structure[1:]
        none = (np.empty(0), np.empty((0, size)), np.empty((0, *cell)), np.empty(0))
        parts = [(v.count, v.mean, v.second, v.members) for v in self._visits]
        whole = [v.labels for v in self._visits if v.labels.size]
        labels = narrowed(np.stack(whole) if whole else np.empty((0, n_rows), dtype=np.uint8))
        return PartitionStretch(
            np.array([float(v.members.size) for v in self._visits]),
            np.array(self._concentrations),
            *(np.concatenate(some) for some in zip(none, *parts, strict=True)),
            log_joint=log_joint,
            steps=np.array(self._steps, dtype=np.intp),
            labels=labels,
        )
