"""The compiled engine: fused sweeps in machine code, in threads."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mixtura.assignments import Assignment, Given, Hard, Labelled, Sampled, Soft, row_key
from mixtura.data import Block, Rows
from mixtura.engines.base import Engine
from mixtura.engines.compiled import kernels
from mixtura.engines.compiled.matrices import pack_factor
from mixtura.engines.compiled.workspace import (
    available_threads,
    block_size,
    run_segments,
    segment_rows,
)
from mixtura.potentials import Potentials
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray, StructureShape

NOTHING = np.empty(0)
NO_LABELS = np.empty(0, dtype=np.int64)
NO_MATRICES = np.empty((0, 0, 0))
LOWEST_CONSTANT = -1e300
"""In place of minus infinity, from which nothing may be subtracted."""


@final
@dataclass(frozen=True)
class CompiledEngine(Engine):
    """Kernels of eight lanes over blocks that stay in cache; nothing of size N x K is kept.

    Parameters
    ----------
    n_threads : int, optional
        Largest number of threads; by default what the process may use.
    """

    n_threads: int | None = None

    def sweep(
        self, rows: Rows, potentials: Potentials, assignment: Assignment
    ) -> SufficientStatistics:
        prepared = _Prepared(potentials)
        parts = [
            self._sweep_piece(piece, prepared, potentials, assignment) for piece in rows.pieces()
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def _sweep_piece(
        self, piece: Block, prepared: "_Prepared", potentials: Potentials, assignment: Assignment
    ) -> SufficientStatistics:
        values, single = _flat(piece.values)
        assigned = _assigned(assignment, piece)
        weighting = (NOTHING, False) if piece.weights is None else (piece.weights, True)
        kernel = kernels.sweep_kernel(single)
        n_rows = len(piece.values)
        step = prepared.segment_rows(n_rows)

        def job(start: int) -> tuple[Any, ...]:
            statistics = prepared.zeros()
            span = (piece.start, start, min(start + step, n_rows), prepared.block)
            data_term = kernel(
                values, weighting, prepared.arguments, assigned, span, statistics, prepared.room()
            )
            return data_term, *statistics

        parts = run_segments(job, range(0, n_rows, step), self._threads(n_rows > step))
        summed = [_added(part) for part in zip(*parts, strict=True)]
        return prepared.statistics(potentials, *summed)

    def responsibilities(self, rows: Rows, potentials: Potentials) -> Array:
        n_components = potentials.mean.shape[0]
        shares = np.empty(rows.n_rows * n_components)
        for piece in rows.pieces():
            where = slice(piece.start * n_components, None)
            self._tell(piece, potentials, shares=shares[where])
        return shares.reshape(rows.n_rows, n_components)

    def log_density(self, rows: Rows, potentials: Potentials) -> Array:
        densities = np.empty(rows.n_rows)
        for piece in rows.pieces():
            self._tell(piece, potentials, densities=densities[piece.start :])
        return densities

    def labels(self, rows: Rows, potentials: Potentials) -> IntegerArray:
        labels = np.empty(rows.n_rows, dtype=np.int64)
        for piece in rows.pieces():
            to = labels[piece.start :]
            self._tell(piece, potentials, labels=to, assignment=Hard())
        return labels.astype(np.intp, copy=False)

    def sample_labels(
        self, rows: Rows, potentials: Potentials, n_draws: int, seed: int
    ) -> IntegerArray:
        drawn = np.empty((n_draws, rows.n_rows), dtype=np.int64)
        for sweep in range(n_draws):
            for piece in rows.pieces():
                to = drawn[sweep, piece.start :]
                self._tell(piece, potentials, labels=to, assignment=Sampled(seed, sweep))
        return drawn.astype(np.intp, copy=False)

    def _tell(
        self,
        piece: Block,
        potentials: Potentials,
        *,
        shares: Array = NOTHING,
        densities: Array = NOTHING,
        labels: Any = NO_LABELS,
        assignment: Assignment | None = None,
    ) -> None:
        prepared = _Prepared(potentials)
        values, single = _flat(piece.values)
        number, key, _, _ = _assigned(assignment or Soft(), piece)
        outputs = (shares, densities, labels)
        kernel = kernels.tell_kernel(single)
        n_rows = len(piece.values)
        step = prepared.segment_rows(n_rows)

        def job(start: int) -> None:
            span = (piece.start, start, min(start + step, n_rows), prepared.block)
            kernel(values, prepared.arguments, number, key, span, prepared.room(), outputs)

        run_segments(job, range(0, n_rows, step), self._threads(n_rows > step))

    def _threads(self, worthwhile: bool) -> int:
        if not worthwhile:
            return 1
        available = available_threads()
        return available if self.n_threads is None else min(available, self.n_threads)


@final
class _Prepared:
    """Potentials as the kernels want them, and the sizes that follow."""

    def __init__(self, potentials: Potentials) -> None:
        self.sizes = n_components, n_features = potentials.mean.shape
        self.structure: StructureShape = potentials.structure
        self.is_matrix = len(self.structure) == 3
        constant = np.maximum(potentials.log_weight + potentials.offset, LOWEST_CONSTANT)
        mean = np.ascontiguousarray(potentials.mean).reshape(-1)
        scale, factor, packed = NOTHING, NO_MATRICES, NOTHING
        if self.is_matrix:
            shape = (n_components, n_features, n_features)
            factor = np.ascontiguousarray(np.broadcast_to(potentials.precision_cholesky, shape))
            kind = kernels.PLANE if n_features == 2 else kernels.MATRIX
            packed = _packed(factor) if kind == kernels.MATRIX else NOTHING
        else:
            kind = kernels.VECTOR
            spread = np.broadcast_to(potentials.precision_cholesky, self.sizes)
            scale = np.ascontiguousarray(spread).reshape(-1)
        self.arguments = (kind, constant, mean, scale, factor, packed)
        self.block = block_size(n_components, n_features, self.is_matrix)
        self.work_size = (n_components + 2 * n_features + 8) * (self.block + 8)

    def segment_rows(self, n_rows: int) -> int:
        """Return the rows of a segment."""
        n_components, n_features = self.sizes
        moments = n_features * n_features if self.is_matrix else n_features
        work = n_components * (moments + 8)
        return segment_rows(n_rows, work, 8 * n_components * (moments + n_features), self.block)

    def room(self) -> Array:
        """Return working memory for one segment."""
        return np.empty(self.work_size)

    def zeros(self) -> tuple[Array, Array, Array, Array]:
        """Return zeroed count, first and second moments and matrices of one segment."""
        n_components, n_features = self.sizes
        matrices = (n_components, n_features, n_features) if self.is_matrix else (0, 0, 0)
        return (
            np.zeros(n_components),
            np.zeros(n_components * n_features),
            np.zeros(0 if self.is_matrix else n_components * n_features),
            np.zeros(matrices),
        )

    def statistics(
        self,
        potentials: Potentials,
        data_term: float,
        count: Array,
        first: Array,
        second: Array,
        square: Array,
    ) -> SufficientStatistics:
        """Return what the kernels found, in the potentials' structure."""
        if self.is_matrix:
            moments = square + np.tril(square, -1).transpose(0, 2, 1)
        else:
            moments = second.reshape(self.sizes)
            if self.structure[1] == 1:
                moments = moments.sum(axis=1, keepdims=True)
        if self.structure[0] == 1:
            moments = moments.sum(axis=0, keepdims=True)
        first = first.reshape(self.sizes)
        return SufficientStatistics(count, first, moments, potentials.mean, float(data_term))


def _packed(factor: Array) -> Array:
    n_components, n_features = factor.shape[:2]
    columns = range(-((-n_features) % 4), n_features, 4)
    width = sum(4 * (column + 4) for column in columns)
    packed = np.empty(n_components * width)
    for k in range(n_components):
        pack_factor(factor[k], n_features, packed, k * width)
    return packed


def _flat(values: Array) -> tuple[Array, bool]:
    """Return rows as a flat array of float32 or float64, and whether they are float32."""
    single = values.dtype == np.float32
    wanted = np.float32 if single else np.float64
    return np.ascontiguousarray(values, dtype=wanted).reshape(-1), single


def _assigned(assignment: Assignment, piece: Block) -> tuple[int, Any, Array, Any]:
    """Return the assignment's number, key, responsibilities and labels for the kernel."""
    rows = slice(piece.start, piece.start + len(piece.values))
    if isinstance(assignment, Soft):
        return kernels.SOFT, np.uint64(0), NOTHING, NO_LABELS
    if isinstance(assignment, Hard):
        return kernels.HARD, np.uint64(0), NOTHING, NO_LABELS
    if isinstance(assignment, Sampled):
        key = row_key(assignment.seed, assignment.sweep)
        return kernels.SAMPLED, np.uint64(key), NOTHING, NO_LABELS
    if isinstance(assignment, Labelled):
        labels = np.ascontiguousarray(assignment.labels[rows], dtype=np.int64)
        return kernels.LABELLED, np.uint64(0), NOTHING, labels
    if isinstance(assignment, Given):
        given = np.ascontiguousarray(assignment.responsibilities[rows], dtype=np.float64)
        return kernels.GIVEN, np.uint64(0), given.reshape(-1), NO_LABELS
    raise TypeError(f"the compiled engine does not know {assignment!r}")


def _added(parts: tuple[Any, ...]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
