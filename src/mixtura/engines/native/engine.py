"""The native engine: fused sweeps in C++, in threads."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.engines.allocation import Allocator
from mixtura.engines.ascent import Ascent
from mixtura.engines.base import Engine, incomplete
from mixtura.engines.beside_background import (
    array_rows,
    background_logs,
    drawn_beside_background,
    labels_of_shares,
    shares_beside_background,
    swept_beside_background,
)
from mixtura.engines.climb import Climb, Standing
from mixtura.engines.content_keys import content_sample
from mixtura.engines.far_rows import may_be_far, told_draws, told_labels, told_shares
from mixtura.engines.known import (
    densities_known,
    drawn_known,
    labelled,
    labels_known,
    shares_known,
    swept_known,
)
from mixtura.engines.native.ascent_call import native_ascent
from mixtura.engines.native.climb_call import native_climb
from mixtura.engines.native.clustering import native_clusters, native_split, native_ward
from mixtura.engines.native.exact import Exact, overall_of
from mixtura.engines.native.expansion import Expansion, expansion_of, is_faster
from mixtura.engines.native.hashing import native_rows_below
from mixtura.engines.native.mixtures import Mixtures
from mixtura.engines.native.mode_call import native_mode
from mixtura.engines.native.observed_calls import ObservedPasses
from mixtura.engines.native.passes import HARD, SAMPLED
from mixtura.engines.native.processors import available_threads
from mixtura.engines.native.search_call import native_search
from mixtura.engines.native.tailed import tailed
from mixtura.engines.native.variation_call import native_variation
from mixtura.engines.observed.integration import swept
from mixtura.engines.observed.telling import (
    drawn_components,
    told_components,
    told_densities,
    told_responsibilities,
)
from mixtura.engines.reference import ReferenceEngine
from mixtura.engines.search import Leading, SearchEnd, SearchPlan, Starts
from mixtura.engines.tile_sweeps import in_tiles, swept_in_tiles, told_in_tiles
from mixtura.engines.variation import Factors, Variation
from mixtura.messages.assignments import Assignment, Sampled, Soft, row_key
from mixtura.messages.potentials import Potentials
from mixtura.messages.prior_arrays import (
    ChainDraws,
    ChainSteps,
    ClimbSteps,
    ClusterSteps,
    MatrixSteps,
    ModeSteps,
    ScaleSteps,
)
from mixtura.messages.statistics import SufficientStatistics
from mixtura.messages.variational_prior_arrays import VariationalSteps
from mixtura.typing import Array, IntegerArray, StructureShape

LARGEST_CHAIN = 1 << 18
"""Size N K D up to which whole chains run in native code, in one thread each."""

LARGEST_CLIMB = 1 << 20
"""Size N K D up to which whole climbs run in native code."""

LARGEST_SEARCH = 1 << 24
"""Numbers of all second moments of the rows by component up to which whole searches for starts run
in native code: about a second or less, in which the process does not look for interrupts."""

SCORED = (Soft, Sampled)
"""Assignments whose data term is the log of summed scores."""


@final
@dataclass(frozen=True)
class NativeEngine(Engine):
    """Kernels of eight lanes over blocks that stay in cache; nothing of size N x K is kept.

    Parameters
    ----------
    n_threads : int, optional
        Largest number of threads; by default what the process may use.
    expanded_from : int, optional
        Size N K D of a problem from which on scores and moments are had in expanded form, as
        matrix products, where that keeps their digits and takes less time; where 0 even if it
        takes more, never where None. All else is in triangular form.
    """

    n_threads: int | None = None
    expanded_from: int | None = 1 << 18

    def sweep(
        self, rows: Rows, potentials: Potentials, assignment: Assignment
    ) -> SufficientStatistics:
        if (parted := in_tiles(rows, potentials)) is not None:
            return swept_in_tiles(self, parted, potentials, assignment)
        if (known := labelled(rows)) is not None:
            return swept_known(self, known, potentials, assignment)
        if potentials.background is not None:
            return swept_beside_background(self, rows, potentials, assignment)
        if (some := incomplete(rows)) is not None:
            return swept(self, some, potentials, assignment)
        if potentials.tail is not None:
            return ReferenceEngine().sweep(rows, potentials, assignment)
        # Two components in one dimension have an exact kernel of their own, faster than any other.
        pairs = potentials.mean.shape == (2, 1) and isinstance(assignment, SCORED)
        prepared = Exact(potentials) if pairs else self._prepared(rows, potentials)
        total = None
        for piece in rows.pieces():
            part = prepared.sweep(piece, assignment, self._threads)
            total = part if total is None else total + part
        if total is None:
            return SufficientStatistics.zero(potentials.mean, potentials.structure)
        return total

    def passes(self, potentials: Potentials) -> ObservedPasses | None:
        if potentials.tail is not None:
            return None
        return ObservedPasses(potentials, self._threads)

    def responsibilities(self, rows: Rows, potentials: Potentials) -> Array:
        if (parted := in_tiles(rows, potentials)) is not None:
            return told_in_tiles(self.responsibilities, parted, potentials)
        if (known := labelled(rows)) is not None:
            return shares_known(self, known, potentials)
        if potentials.background is not None:
            return shares_beside_background(self, rows, potentials)
        if (some := incomplete(rows)) is not None:
            return told_responsibilities(self, some, potentials)
        prepared = self._telling(rows, potentials)
        if prepared is None:
            return ReferenceEngine().responsibilities(rows, potentials)
        shares = np.empty((rows.n_rows, potentials.mean.shape[0]))
        for piece in rows.pieces():
            prepared.tell(piece, self._threads, shares=shares[piece.start :])
        return told_shares(rows, potentials, shares)

    def log_density(self, rows: Rows, potentials: Potentials) -> Array:
        if (parted := in_tiles(rows, potentials)) is not None:
            return told_in_tiles(self.log_density, parted, potentials)
        if (known := labelled(rows)) is not None:
            return densities_known(self, known, potentials)
        if potentials.background is not None:
            return background_logs(self, array_rows(rows), potentials)[0]
        if (some := incomplete(rows)) is not None:
            return told_densities(self, some, potentials)
        prepared = self._telling(rows, potentials)
        if prepared is None:
            return ReferenceEngine().log_density(rows, potentials)
        densities = np.empty(rows.n_rows)
        for piece in rows.pieces():
            prepared.tell(piece, self._threads, densities=densities[piece.start :])
        return densities

    def labels(self, rows: Rows, potentials: Potentials) -> IntegerArray:
        if (parted := in_tiles(rows, potentials)) is not None:
            return told_in_tiles(self.labels, parted, potentials)
        if (known := labelled(rows)) is not None:
            return labels_known(self, known, potentials)
        if potentials.background is not None:
            return labels_of_shares(self.responsibilities(rows, potentials))
        if (some := incomplete(rows)) is not None:
            return told_components(self, some, potentials)
        prepared = self._telling(rows, potentials)
        if prepared is None:
            return ReferenceEngine().labels(rows, potentials)
        labels = np.empty(rows.n_rows, dtype=np.int64)
        for piece in rows.pieces():
            to = labels[piece.start :]
            prepared.tell(piece, self._threads, labels=to, assignment=(HARD, 0))
        return told_labels(rows, potentials, labels.astype(np.intp, copy=False))

    def sample_labels(
        self, rows: Rows, potentials: Potentials, n_draws: int, seed: int
    ) -> IntegerArray:
        if (known := labelled(rows)) is not None:
            return drawn_known(self, known, potentials, n_draws, seed)
        if potentials.background is not None:
            return drawn_beside_background(self, rows, potentials, n_draws, seed)
        if (some := incomplete(rows)) is not None:
            return drawn_components(self, some, potentials, n_draws, seed)
        prepared = self._telling(rows, potentials)
        if prepared is None:
            return ReferenceEngine().sample_labels(rows, potentials, n_draws, seed)
        drawn = np.empty((n_draws, rows.n_rows), dtype=np.int64)
        for sweep in range(n_draws):
            chosen = (SAMPLED, row_key(seed, sweep))
            for piece in rows.pieces():
                to = drawn[sweep, piece.start :]
                prepared.tell(piece, self._threads, labels=to, assignment=chosen)
        return told_draws(rows, potentials, drawn.astype(np.intp, copy=False), seed)

    def _overall(self, rows: Rows, *, matrix: bool) -> SufficientStatistics:
        size = rows.n_rows * rows.n_features
        is_small = self.expanded_from is None or size < self.expanded_from
        if not is_small or not isinstance(rows, ArrayRows) or not rows.is_complete:
            return super()._overall(rows, matrix=matrix)
        return overall_of(rows.whole, self._threads, is_matrix=matrix)

    def log_likelihoods(self, rows: Rows, potentials: Potentials, n_components: int) -> Array:
        mixtures = self._mixtures(rows, potentials, n_components)
        if mixtures is None:
            return super().log_likelihoods(rows, potentials, n_components)
        terms = np.zeros(mixtures.n_mixtures)
        for piece in rows.pieces():
            terms += mixtures.data_terms(piece, self._threads)
        return terms

    def summed_responsibilities(
        self, rows: Rows, potentials: Potentials, n_components: int
    ) -> Array:
        mixtures = self._mixtures(rows, potentials, n_components)
        if mixtures is None or may_be_far(rows, potentials, n_components):
            return super().summed_responsibilities(rows, potentials, n_components)
        parts = [mixtures.summed_shares(piece, self._threads) for piece in rows.pieces()]
        return np.concatenate([np.empty((0, n_components)), *parts])

    def _subsample(self, rows: Rows, most: int) -> ArrayRows:
        return content_sample(rows, most, native_rows_below)

    def mode(
        self, statistics: SufficientStatistics, steps: ModeSteps, near: Array | None
    ) -> tuple[Array, Array] | None:
        return native_mode(statistics, steps, near)

    def ascent(
        self,
        rows: ArrayRows,
        begin: SufficientStatistics,
        steps: tuple[ModeSteps, ScaleSteps | None],
        limits: tuple[int, float, float],
    ) -> Ascent | None:
        if not rows.is_plain:
            return None
        return native_ascent(rows, begin, steps, limits, self._threads)

    def climb(
        self,
        rows: Rows,
        begin: Standing,
        steps: ClimbSteps,
        limits: tuple[int, float],
        *,
        by_em: bool,
    ) -> Climb | None:
        if not isinstance(rows, ArrayRows) or not rows.is_plain:
            return None
        if self._sweeps(rows, begin.means, begin.covariances):
            return None
        return native_climb(rows, begin, steps, limits, by_em, self._threads)

    def search(
        self,
        rows: ArrayRows,
        starts: Starts,
        shape: tuple[int, StructureShape],
        leading: Leading,
        plan: SearchPlan,
    ) -> list[SearchEnd]:
        n_components, structure = shape
        work = rows.n_rows * n_components * int(np.prod(structure[1:]))
        if work > LARGEST_SEARCH or not rows.is_plain:
            return []
        return native_search(rows, starts, shape, leading, plan, self._threads)

    def variation(
        self, rows: Rows, begin: Factors, steps: VariationalSteps, limits: tuple[int, float]
    ) -> Variation | None:
        found = begin.found
        if not isinstance(rows, ArrayRows) or not rows.is_plain:
            return None
        if self._sweeps(rows, found.pivot, found.second):
            return None
        return native_variation(rows, begin, steps, limits, self._threads)

    def ward_merges(self, values: Array, mass: Array) -> Array:
        return native_ward(values, mass)

    def split_means(self, values: Array, weights: Array, most: int) -> tuple[Array, Array]:
        return native_split(values, weights, most)

    def clusters(
        self,
        rows: ArrayRows,
        split: ArrayRows,
        few: tuple[Array, Array, IntegerArray | None],
        limits: tuple[int, int, int, float],
    ) -> IntegerArray:
        return native_clusters(rows, split, few, limits, self._threads)

    def chain(
        self,
        rows: Rows,
        steps: ChainSteps,
        current: tuple[Array, Array, Array],
        span: tuple[int, int, int, int],
        row_seed: int,
        rng: np.random.Generator,
    ) -> ChainDraws | None:
        from mixtura.engines.native.chain_calls import native_chain

        if rows.n_rows * current[1].size > LARGEST_CHAIN or not rows.is_plain:
            return None
        values = np.concatenate([block.values for block in rows.blocks()])
        return native_chain(values, steps, current, span, row_seed, rng)

    def allocator(self, rows: Rows, clusters: ClusterSteps | MatrixSteps) -> Allocator:
        from mixtura.engines.native.allocation_calls import NativeAllocator

        return NativeAllocator(rows.complete_values("collapsed"), clusters)

    def _mixtures(self, rows: Rows, potentials: Potentials, n_components: int) -> Mixtures | None:
        """Return potentials of several mixtures; None where one at a time is faster."""
        one = potentials.components(slice(0, n_components))
        is_shared = len(potentials.precision_cholesky) < len(potentials.mean)
        if is_shared or not rows.is_plain or self._expands(rows, one):
            return None
        return Mixtures(potentials, n_components)

    def _threads(self, work: int | None = None) -> int:
        if self.n_threads == 1:
            return 1
        available = available_threads(work)
        return available if self.n_threads is None else min(available, self.n_threads)

    def _telling(self, rows: Rows, potentials: Potentials) -> Exact | Expansion | None:
        """Return the potentials for telling rows; None where the library does not know a tail."""
        return self._prepared(rows, potentials) if potentials.tail is None else tailed(potentials)

    def _prepared(self, rows: Rows, potentials: Potentials) -> Exact | Expansion:
        """Return the potentials in the fastest form that keeps their digits."""
        expanded = expansion_of(potentials) if self._expands(rows, potentials) else None
        return expanded or Exact(potentials)

    def _sweeps(self, rows: Rows, means: Array, covariances: Array) -> bool:
        """Return whether sweeps are what takes time: of many rows, or in expanded form."""
        if rows.n_rows * means.size > LARGEST_CLIMB:
            return True
        return self._expands(rows, Potentials(means[:, 0], means[:, 0], means, covariances))

    def _expands(self, rows: Rows, potentials: Potentials) -> bool:
        """Return whether sweeps are to be had in expanded form, if their digits allow."""
        size = rows.planned_rows * potentials.mean.size
        if self.expanded_from is None or size < self.expanded_from:
            return False
        return self.expanded_from == 0 or is_faster(potentials, size / self.expanded_from)
