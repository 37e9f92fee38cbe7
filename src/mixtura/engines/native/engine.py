"""The native engine: fused sweeps in C++, in threads."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from mixtura.assignments import Assignment, row_key
from mixtura.data import ArrayRows, Rows
from mixtura.engines.base import Engine
from mixtura.engines.native.allocation import NativeAllocator
from mixtura.engines.native.chains import native_chain
from mixtura.engines.native.exact import Exact
from mixtura.engines.native.passes import HARD, SAMPLED
from mixtura.engines.native.processors import available_threads
from mixtura.engines.reference import ReferenceEngine
from mixtura.potentials import Potentials
from mixtura.statistics import SufficientStatistics
from mixtura.steps import ChainDraws, ChainSteps, ClusterSteps, MatrixSteps
from mixtura.typing import Array, IntegerArray

if TYPE_CHECKING:
    from mixtura.engines.compiled import CompiledEngine

LARGEST_CHAIN = 1 << 18
"""Size N K D up to which whole chains run in native code, in one thread each."""


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
        if potentials.tail is not None:
            return ReferenceEngine().sweep(rows, potentials, assignment)
        if self._expands(rows, potentials):
            return self._compiled().sweep(rows, potentials, assignment)
        exact, total = Exact(potentials), None
        for piece in rows.pieces():
            part = exact.sweep(piece, assignment, self._threads)
            total = part if total is None else total + part
        assert total is not None
        return total

    def responsibilities(self, rows: Rows, potentials: Potentials) -> Array:
        if potentials.tail is not None or self._expands(rows, potentials):
            return self._compiled().responsibilities(rows, potentials)
        exact = Exact(potentials)
        shares = np.empty((rows.n_rows, potentials.mean.shape[0]))
        for piece in rows.pieces():
            exact.tell(piece, self._threads, shares=shares[piece.start :])
        return shares

    def log_density(self, rows: Rows, potentials: Potentials) -> Array:
        if potentials.tail is not None or self._expands(rows, potentials):
            return self._compiled().log_density(rows, potentials)
        exact = Exact(potentials)
        densities = np.empty(rows.n_rows)
        for piece in rows.pieces():
            exact.tell(piece, self._threads, densities=densities[piece.start :])
        return densities

    def labels(self, rows: Rows, potentials: Potentials) -> IntegerArray:
        if potentials.tail is not None or self._expands(rows, potentials):
            return self._compiled().labels(rows, potentials)
        exact = Exact(potentials)
        labels = np.empty(rows.n_rows, dtype=np.int64)
        for piece in rows.pieces():
            to = labels[piece.start :]
            exact.tell(piece, self._threads, labels=to, assignment=(HARD, 0))
        return labels.astype(np.intp, copy=False)

    def sample_labels(
        self, rows: Rows, potentials: Potentials, n_draws: int, seed: int
    ) -> IntegerArray:
        if potentials.tail is not None or self._expands(rows, potentials):
            return self._compiled().sample_labels(rows, potentials, n_draws, seed)
        exact = Exact(potentials)
        drawn = np.empty((n_draws, rows.n_rows), dtype=np.int64)
        for sweep in range(n_draws):
            chosen = (SAMPLED, row_key(seed, sweep))
            for piece in rows.pieces():
                to = drawn[sweep, piece.start :]
                exact.tell(piece, self._threads, labels=to, assignment=chosen)
        return drawn.astype(np.intp, copy=False)

    def subsample(self, rows: Rows, most: int) -> ArrayRows:
        return self._compiled().subsample(rows, most)

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
        return native_chain(values, steps, current, span, row_seed, rng)

    def allocator(self, rows: Rows, clusters: ClusterSteps | MatrixSteps) -> NativeAllocator:
        values = np.concatenate([block.values for block in rows.blocks()])
        return NativeAllocator(values, clusters)

    def _threads(self) -> int:
        available = available_threads()
        return available if self.n_threads is None else min(available, self.n_threads)

    def _expands(self, rows: Rows, potentials: Potentials) -> bool:
        """Return whether potentials are to be had in expanded form."""
        size = rows.n_rows * potentials.mean.size
        if self.expanded_from is None or size < self.expanded_from:
            return False
        if potentials.mean.shape == (2, 1):
            return False
        from mixtura.engines.compiled.expansion import Expansion

        return isinstance(self._compiled()._prepared(rows, potentials), Expansion)

    def _compiled(self) -> "CompiledEngine":
        """Return the engine that does what this one does not do yet."""
        from mixtura.engines.compiled import CompiledEngine

        return CompiledEngine(self.n_threads, self.expanded_from)
