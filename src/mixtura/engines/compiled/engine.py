"""The compiled engine: fused sweeps in machine code, in threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np

from mixtura.assignments import Assignment, Given, Hard, Labelled, Sampled, Soft, row_key
from mixtura.data import ArrayRows, Block, Rows
from mixtura.engines.base import Engine
from mixtura.engines.compiled import responsibilities
from mixtura.engines.compiled.allocation import CompiledAllocator
from mixtura.engines.compiled.chains import compiled_chain
from mixtura.engines.compiled.exact import LOWEST_CONSTANT, Exact
from mixtura.engines.compiled.expansion import Expansion, expansion_of, is_faster
from mixtura.engines.compiled.hashing import compiled_rows_below
from mixtura.engines.compiled.matrix_chains import compiled_matrix_chain
from mixtura.engines.compiled.tailed import Tailed, tailed
from mixtura.engines.compiled.workspace import (
    available_threads,
    run_segments,
    segment_rows,
    working_memory,
)
from mixtura.engines.content import content_sample
from mixtura.engines.reference import ReferenceEngine
from mixtura.potentials import Potentials
from mixtura.statistics import SufficientStatistics
from mixtura.steps import ChainDraws, ChainSteps, ClusterSteps, MatrixSteps
from mixtura.typing import Array, IntegerArray

Prepared: TypeAlias = Exact | Expansion
"""Potentials for sweeps."""

LARGEST_CHAIN = 1 << 18
"""Size N K D up to which whole chains run in compiled code, in one thread each."""

NOTHING = np.empty(0)
NO_LABELS = np.empty(0, dtype=np.int64)
NO_KEY = np.uint64(0)
UNWEIGHTED = (NOTHING, False)
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
SCORED = (Soft, Sampled)
"""Assignments whose data term is the log of summed scores."""


@final
@dataclass(frozen=True)
class CompiledEngine(Engine):
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
        if potentials.tail is not None:
            return ReferenceEngine().sweep(rows, potentials, assignment)
        # Two components in one dimension have an exact kernel of their own, faster than any other.
        pairs = potentials.mean.shape == (2, 1) and isinstance(assignment, SCORED)
        prepared = Exact(potentials) if pairs else self._prepared(rows, potentials)
        total = None
        for piece in rows.pieces():
            part = self._sweep_piece(piece, prepared, assignment)
            total = part if total is None else total + part
        assert total is not None
        return total

    def _sweep_piece(
        self, piece: Block, prepared: Prepared, assignment: Assignment
    ) -> SufficientStatistics:
        values, single = _flat(piece.values)
        assigned = _assigned(assignment, piece)
        weighting = UNWEIGHTED if piece.weights is None else (piece.weights, True)
        kernel = prepared.sweep_kernel(single)
        n_rows = len(piece.values)
        step = _segment(prepared, n_rows)

        def job(start: int) -> tuple[Any, ...]:
            statistics = prepared.zeros()
            span = (piece.start, start, min(start + step, n_rows), prepared.block)
            work = working_memory(prepared.work_size)
            data_term = kernel(
                values, weighting, prepared.arguments, assigned, span, statistics, work
            )
            return data_term, *statistics

        if n_rows <= step:
            summed = job(0)
        else:
            parts = run_segments(job, range(0, n_rows, step), self._threads())
            summed = tuple(_added(part) for part in zip(*parts, strict=True))
        if isinstance(prepared, Expansion) and np.isnan(summed[0]):
            return self._sweep_piece(piece, Exact(prepared.potentials), assignment)
        return prepared.statistics(*summed)

    def responsibilities(self, rows: Rows, potentials: Potentials) -> Array:
        prepared = self._telling(rows, potentials)
        if prepared is None:
            return ReferenceEngine().responsibilities(rows, potentials)
        n_components = potentials.mean.shape[0]
        shares = np.empty(rows.n_rows * n_components)
        for piece in rows.pieces():
            where = slice(piece.start * n_components, None)
            self._tell(piece, prepared, shares=shares[where])
        return shares.reshape(rows.n_rows, n_components)

    def log_density(self, rows: Rows, potentials: Potentials) -> Array:
        prepared = self._telling(rows, potentials)
        if prepared is None:
            return ReferenceEngine().log_density(rows, potentials)
        densities = np.empty(rows.n_rows)
        for piece in rows.pieces():
            self._tell(piece, prepared, densities=densities[piece.start :])
        return densities

    def labels(self, rows: Rows, potentials: Potentials) -> IntegerArray:
        prepared = self._telling(rows, potentials)
        if prepared is None:
            return ReferenceEngine().labels(rows, potentials)
        labels = np.empty(rows.n_rows, dtype=np.int64)
        for piece in rows.pieces():
            to = labels[piece.start :]
            self._tell(piece, prepared, labels=to, assignment=Hard())
        return labels.astype(np.intp, copy=False)

    def sample_labels(
        self, rows: Rows, potentials: Potentials, n_draws: int, seed: int
    ) -> IntegerArray:
        prepared = self._telling(rows, potentials)
        if prepared is None:
            return ReferenceEngine().sample_labels(rows, potentials, n_draws, seed)
        drawn = np.empty((n_draws, rows.n_rows), dtype=np.int64)
        for sweep in range(n_draws):
            for piece in rows.pieces():
                to = drawn[sweep, piece.start :]
                self._tell(piece, prepared, labels=to, assignment=Sampled(seed, sweep))
        return drawn.astype(np.intp, copy=False)

    def subsample(self, rows: Rows, most: int) -> ArrayRows:
        return content_sample(rows, most, compiled_rows_below)

    def chain(
        self,
        rows: Rows,
        steps: ChainSteps,
        current: tuple[Array, Array, Array],
        span: tuple[int, int, int, int],
        row_seed: int,
        rng: np.random.Generator,
    ) -> ChainDraws | None:
        if rows.n_rows * current[1].size > LARGEST_CHAIN:
            return None
        values = np.concatenate([block.values for block in rows.blocks()])
        given = (current, span, row_seed, rng)
        if isinstance(steps.components, MatrixSteps):
            return compiled_matrix_chain(values, steps.weights, steps.components, *given)
        return compiled_chain(values, steps.weights, steps.components, *given)

    def allocator(self, rows: Rows, clusters: ClusterSteps | MatrixSteps) -> CompiledAllocator:
        values = np.concatenate([block.values for block in rows.blocks()])
        return CompiledAllocator(values, clusters)

    def _tell(
        self,
        piece: Block,
        prepared: Prepared | Tailed,
        *,
        shares: Array = NOTHING,
        densities: Array = NOTHING,
        labels: Any = NO_LABELS,
        assignment: Assignment | None = None,
    ) -> None:
        values, single = _flat(piece.values)
        number, key, _, _ = _assigned(assignment or Soft(), piece)
        outputs = (shares, densities, labels)
        kernel = prepared.tell_kernel(single)
        n_rows = len(piece.values)
        step = _segment(prepared, n_rows)

        def job(start: int) -> float:
            span = (piece.start, start, min(start + step, n_rows), prepared.block)
            work = working_memory(prepared.work_size)
            return kernel(values, prepared.arguments, number, key, span, work, outputs)

        told = run_segments(job, range(0, n_rows, step), self._threads() if n_rows > step else 1)
        if isinstance(prepared, Expansion) and np.isnan(told).any():
            self._tell(
                piece,
                Exact(prepared.potentials),
                shares=shares,
                densities=densities,
                labels=labels,
                assignment=assignment,
            )

    def _telling(self, rows: Rows, potentials: Potentials) -> Prepared | Tailed | None:
        """Return the potentials for telling rows; None where there are no kernels for a tail."""
        return self._prepared(rows, potentials) if potentials.tail is None else tailed(potentials)

    def _prepared(self, rows: Rows, potentials: Potentials) -> Prepared:
        """Return the potentials in the fastest form that keeps their digits."""
        size = rows.n_rows * potentials.mean.size
        if self.expanded_from is None or size < self.expanded_from:
            return Exact(potentials)
        if self.expanded_from > 0 and not is_faster(potentials):
            return Exact(potentials)
        constant = np.maximum(potentials.log_weight + potentials.offset, LOWEST_CONSTANT)
        return expansion_of(potentials, constant) or Exact(potentials)

    def _threads(self) -> int:
        available = available_threads()
        return available if self.n_threads is None else min(available, self.n_threads)


def _segment(prepared: Prepared | Tailed, n_rows: int) -> int:
    return segment_rows(n_rows, prepared.work_per_row, prepared.bytes_per_segment, prepared.block)


def _flat(values: Array) -> tuple[Array, bool]:
    """Return rows as a flat array of float32 or float64, and whether they are float32."""
    single = values.dtype == SINGLE
    return np.ascontiguousarray(values, dtype=SINGLE if single else DOUBLE).ravel(), single


def _assigned(assignment: Assignment, piece: Block) -> tuple[int, Any, Array, Any]:
    """Return the assignment's number, key, responsibilities and labels for the kernel."""
    if isinstance(assignment, Soft):
        return responsibilities.SOFT, NO_KEY, NOTHING, NO_LABELS
    if isinstance(assignment, Hard):
        return responsibilities.HARD, NO_KEY, NOTHING, NO_LABELS
    if isinstance(assignment, Sampled):
        key = row_key(assignment.seed, assignment.sweep)
        return responsibilities.SAMPLED, np.uint64(key), NOTHING, NO_LABELS
    rows = slice(piece.start, piece.start + len(piece.values))
    if isinstance(assignment, Labelled):
        labels = np.ascontiguousarray(assignment.labels[rows], dtype=np.int64)
        return responsibilities.LABELLED, NO_KEY, NOTHING, labels
    if isinstance(assignment, Given):
        given = np.ascontiguousarray(assignment.responsibilities[rows], dtype=np.float64)
        return responsibilities.GIVEN, NO_KEY, given.reshape(-1), NO_LABELS
    raise TypeError(f"the compiled engine does not know {assignment!r}")


def _added(parts: Sequence[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
