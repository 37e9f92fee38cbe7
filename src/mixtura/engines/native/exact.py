"""Potentials in triangular form: exact however far rows and means lie apart."""

from typing import final

import numpy as np

from mixtura.data import Block
from mixtura.engines.native.library import KEY, POINTER, WHOLE, address, native_function
from mixtura.engines.native.passes import (
    SMALL,
    SOFT,
    Threads,
    address_of,
    assigned,
    check_structure,
    rows_of,
    unmasked,
    weights_of,
)
from mixtura.messages.assignments import Assignment
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray

_ROWS = (POINTER, WHOLE, WHOLE, WHOLE)
_POTENTIALS = (POINTER, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE)
_sweep = native_function(
    "sweep", WHOLE, *_ROWS, POINTER, *_POTENTIALS, WHOLE, KEY, POINTER, WHOLE, POINTER
)
_tell = native_function(
    "tell", WHOLE, *_ROWS, *_POTENTIALS, POINTER, POINTER, WHOLE, KEY, WHOLE, *(POINTER,) * 3
)


_overall = native_function(
    "overall", WHOLE, POINTER, *(WHOLE,) * 2, POINTER, *(WHOLE,) * 3, POINTER, POINTER
)


LOWEST_CONSTANT = -1e300
"""In place of minus infinity, from which nothing may be subtracted."""


@final
class Exact:
    """Potentials in triangular form as the library wants them.

    Parameters
    ----------
    potentials : Potentials
        Gaussian components.
    """

    def __init__(self, potentials: Potentials) -> None:
        mean, factor = potentials.mean, potentials.precision_cholesky
        n_components, n_features = mean.shape
        n_factors, width = factor.shape[:2]
        is_matrix = factor.ndim == 3
        check_structure(factor.shape, n_components, n_features)
        sizes = potentials.log_weight.shape, potentials.offset.shape
        if sizes != ((n_components,),) * 2:
            raise ValueError(f"constants of shapes {sizes} for {n_components} components")
        self.potentials = potentials
        # One array for all: one address, and whatever their types and order were is settled.
        parts = (potentials.log_weight, potentials.offset, mean.ravel(), factor.ravel())
        self.numbers = unmasked(np.concatenate(parts, dtype=np.float64))
        n_moments = n_features * n_features if is_matrix else n_features
        size = n_factors * (n_moments if is_matrix else width)
        self.at = address(self.numbers)
        self.shape = (n_components, n_features, n_factors, width, int(is_matrix))
        self.work_per_row = n_components * (n_moments + 8)
        self.n_first = 1 + n_components
        self.n_second = self.n_first + n_components * n_features
        self.end = self.n_second + size
        self.n_found = self.n_second + n_factors * n_moments
        self.tail: tuple[int | None, int | None] = (None, None)

    def hold_tail(self, sizes: IntegerArray, numbers: Array) -> None:
        """Take what the library is to know of a tail, for telling rows."""
        self.held = sizes, numbers
        self.tail = address(sizes), address(numbers)
        self.work_per_row *= max(1, int(sizes[1]))

    def sweep(self, piece: Block, assignment: Assignment, threads: Threads) -> SufficientStatistics:
        """Return the statistics of a piece of rows."""
        rows, single = rows_of(piece, self.shape[1])
        weights = weights_of(piece)
        n_rows, n_components = len(rows), self.shape[0]
        number, key, handed = assigned(assignment, piece, n_components)
        found = np.empty(self.n_found)
        done = _sweep(
            address(rows),
            single,
            n_rows,
            piece.start + assignment.first_row,
            address_of(weights),
            self.at,
            *self.shape,
            number,
            key,
            address_of(handed),
            1 if (work := n_rows * self.work_per_row) < SMALL else threads(work),
            address(found),
        )
        if not done:
            raise MemoryError("no memory for a sweep")
        mean = self.potentials.mean
        return SufficientStatistics(
            found[1 : self.n_first],
            found[self.n_first : self.n_second].reshape(mean.shape),
            found[self.n_second : self.end].reshape(self.potentials.structure),
            mean,
            float(found[0]),
        )

    def tell(
        self,
        piece: Block,
        threads: Threads,
        *,
        shares: Array | None = None,
        densities: Array | None = None,
        labels: IntegerArray | None = None,
        assignment: tuple[int, int] = (SOFT, 0),
    ) -> None:
        """Write responsibilities (N, K), log densities (N,) or labels (N,) of a piece of rows."""
        rows, single = rows_of(piece, self.shape[1])
        n_rows = len(rows)
        done = _tell(
            address(rows),
            single,
            n_rows,
            piece.start,
            self.at,
            *self.shape,
            *self.tail,
            *assignment,
            1 if (work := n_rows * self.work_per_row) < SMALL else threads(work),
            *(address_of(output) for output in (shares, densities, labels)),
        )
        if not done:
            raise MemoryError("no memory to tell rows")


def overall_of(piece: Block, threads: Threads, *, is_matrix: bool) -> SufficientStatistics:
    """Return the statistics of a piece of rows as one component, about their own mean."""
    n_features = piece.values.shape[1]
    rows, single = rows_of(piece, n_features)
    weights = weights_of(piece)
    if not rows.size:
        raise ValueError(f"rows of shape {rows.shape} have no mean")
    n_moments = n_features * n_features if is_matrix else n_features
    potentials = np.zeros(2 + n_features + n_moments)
    found = np.empty(2 + n_features + n_moments)
    work = len(rows) * (n_moments + 8)
    done = _overall(
        *(address(rows), single, len(rows), address_of(weights), n_features, is_matrix),
        1 if work < SMALL else threads(work),
        *map(address, (potentials, found)),
    )
    if not done:
        raise MemoryError("no memory for a sweep")
    structure = (1, n_features, n_features) if is_matrix else (1, n_features)
    return SufficientStatistics(
        found[1:2],
        found[2 : 2 + n_features].reshape(1, n_features),
        found[2 + n_features :].reshape(structure),
        potentials[2 : 2 + n_features].reshape(1, n_features),
        float(found[0]),
    )
