"""Potentials in expanded form, where that form keeps its digits.

With u = x - c for a common centre c, a score is a constant plus a sum of coefficients times
features of u: its values, and their squares or products. What all components share (the quadratic
term of shared covariances) is worked out once for each row. The terms cancel as far as means lie
from the centre, so this form is used only where, for a typical row of every component, the sum of
their sizes is below :data:`MOST_CANCELLATION`: then the error of a score stays below about 1e-11.
"""

from functools import cache
from typing import final

import numpy as np

from mixtura.data import Block
from mixtura.engines.native.exact import LOWEST_CONSTANT, Exact
from mixtura.engines.native.library import KEY, POINTER, WHOLE, address, native_function
from mixtura.engines.native.passes import (
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

MOST_CANCELLATION = 3e4
TYPICAL = 3.0
"""Deviations from its mean within which a component's typical row lies."""

MOST_PRODUCTS = 2000
"""Features beyond which sums over them would take too much memory."""

MOST_SCORED = 6
"""Components that are scored together, at most."""

FEW_FEATURES, FEW_COMPONENTS, FEW_MEANS = 2, 16, 64
"""Up to which, together, the triangular form is the faster one; means, with variances alone."""

MATRICES_FROM, VARIANCES_FROM = 4.0, 8.0
"""Sizes from which on own matrices, and variances, are expanded; multiples of shared ones'."""

PRODUCTS, SQUARES, NORM, COMMON_MATRIX, COMMON_VARIANCES = range(5)
"""Kinds of features, as the library numbers them: those of full, diagonal, spherical, tied
structures, and of shared variances."""

LARGEST_TERM = 1e290


_ROWS = (POINTER, WHOLE, WHOLE, WHOLE)
_sweep = native_function(
    "sweep_expanded", WHOLE, *_ROWS, *(POINTER,) * 3, WHOLE, KEY, POINTER, WHOLE, POINTER
)
_tell = native_function(
    "tell_expanded", WHOLE, *_ROWS, POINTER, POINTER, WHOLE, KEY, WHOLE, *(POINTER,) * 4
)


@final
class Expansion:
    """Expanded potentials as the library wants them."""

    def __init__(self, potentials: Potentials, centre: Array, constant: Array) -> None:
        self.potentials = potentials
        self.centre = centre
        self.shape = sizes = potentials.mean.shape
        n_features = sizes[1]
        factor = potentials.precision_cholesky
        self.kind = kind = _kind(factor.shape, n_features)
        offset = potentials.mean - centre
        linear, quadratic = _coefficients(factor, offset, kind)
        coefficients = np.concatenate([linear, quadratic], axis=1)
        self.n_moments = n_features if factor.shape[0] == 1 else coefficients.shape[1]
        if kind == PRODUCTS:
            coefficients = coefficients[:, _by_rows(n_features)]
        whitened = _whitened(factor, offset)
        constant = constant - 0.5 * np.einsum("kd,kd->k", whitened, whitened)
        # Shared variances: their roots. A shared matrix: what sums begin with, and the factor.
        common = [np.empty(0)]
        if kind == COMMON_VARIANCES:
            common = [np.broadcast_to(factor.reshape(-1), (n_features,))]
        elif kind == COMMON_MATRIX:
            common = [np.zeros(n_features), _tiled(factor[0].T)]
        reach = max(1.0, np.abs(quadratic).max(initial=0.0), *(np.square(c).sum() for c in common))
        largest = min(LARGEST_TERM / reach, LARGEST_TERM)
        parts = ([largest], constant, centre, _tiled(coefficients), *common)
        self.numbers = unmasked(np.concatenate(parts, dtype=np.float64))
        self.sizes = np.array([kind, *sizes], dtype=np.int64)
        self.at = address(self.sizes), address(self.numbers)
        self.n_shared = {COMMON_MATRIX: n_features**2, COMMON_VARIANCES: n_features}.get(kind, 0)

    def sweep(self, piece: Block, assignment: Assignment, threads: Threads) -> SufficientStatistics:
        """Return the statistics of a piece of rows."""
        rows, single = rows_of(piece, self.shape[1])
        weights = weights_of(piece)
        number, key, handed = assigned(assignment, piece, self.shape[0])
        n_summed = (self.n_moments + 1) * self.shape[0]
        found = np.empty(1 + n_summed + self.n_shared)
        done = _sweep(
            address(rows),
            single,
            len(rows),
            piece.start + assignment.first_row,
            address_of(weights),
            *self.at,
            number,
            key,
            address_of(handed),
            threads(),
            address(found),
        )
        if not done:
            raise MemoryError("no memory for a sweep")
        if np.isnan(found[0]):
            return Exact(self.potentials).sweep(piece, assignment, threads)
        return self._statistics(found[0], found[1 : n_summed + 1], found[n_summed + 1 :])

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
        outputs = shares, densities, labels
        too_far = np.empty(1)
        done = _tell(
            address(rows),
            single,
            len(rows),
            piece.start,
            *self.at,
            *assignment,
            threads(),
            *map(address_of, outputs),
            address(too_far),
        )
        if not done:
            raise MemoryError("no memory to tell rows")
        if too_far[0] > 0.0:
            exact = Exact(self.potentials)
            exact.tell(
                piece,
                threads,
                shares=shares,
                densities=densities,
                labels=labels,
                assignment=assignment,
            )

    def _statistics(self, data_term: float, moments: Array, shared: Array) -> SufficientStatistics:
        """Return what was found, in the potentials' structure, about the means."""
        sizes = n_components, n_features = self.potentials.mean.shape
        by_component = moments.reshape(self.n_moments + 1, n_components).T
        count = by_component[:, 0].copy()
        first, second = by_component[:, 1 : n_features + 1], by_component[:, n_features + 1 :]
        if self.kind == PRODUCTS:
            second = _square(second, n_features)
        elif self.kind == COMMON_MATRIX:
            lower = np.tril(shared.reshape(n_features, n_features))
            second = (lower + np.tril(lower, -1).T)[None]
        elif self.kind == COMMON_VARIANCES:
            is_one = self.potentials.structure[1] == 1
            second = (shared.sum(keepdims=True) if is_one else shared)[None]
        else:
            second = second.reshape(self.potentials.structure)
        pivot = np.broadcast_to(self.centre, sizes)
        about_centre = SufficientStatistics(count, first, second, pivot, float(data_term))
        found = about_centre.about(self.potentials.mean)
        return SufficientStatistics(
            found.count, found.first, found.second, self.potentials.mean, found.log_normalizer
        )


def expansion_of(potentials: Potentials) -> Expansion | None:
    """Return the expanded form, or None where it would lose digits or gain no time."""
    constant = np.maximum(potentials.log_weight + potentials.offset, LOWEST_CONSTANT)
    n_components, n_features = potentials.mean.shape
    check_structure(potentials.structure, n_components, n_features)
    if constant.shape != (n_components,):
        raise ValueError(f"constants of shape {constant.shape} for {n_components} components")
    kind = _kind(potentials.structure, n_features)
    if kind == PRODUCTS and n_features * (n_features + 3) // 2 > MOST_PRODUCTS:
        return None
    live = constant > LOWEST_CONSTANT / 10
    if not live.any():
        return None
    centre = potentials.mean[live].mean(axis=0)
    offset = potentials.mean - centre
    if _is_flat(potentials.precision_cholesky):
        # No widths to compare with: exact only about the centre itself.
        return None if offset.any() else Expansion(potentials, centre, constant)
    with np.errstate(over="ignore", invalid="ignore"):
        cancelled = _cancellation(potentials.precision_cholesky, offset)
    # Components of no weight have no rows, but their scores must not overflow either.
    if not cancelled.max() < MOST_CANCELLATION:
        return None
    return Expansion(potentials, centre, constant)


def is_faster(potentials: Potentials, times: float) -> bool:
    """Return whether rows take less time in expanded form, as measured.

    ``times`` is the size of the problem, as a multiple of that from which on matrices that
    components share are expanded: what is prepared beforehand takes as long as some sweeps do.
    """
    n_components, n_features = potentials.mean.shape
    if n_features <= FEW_FEATURES and n_components <= FEW_COMPONENTS:
        return False
    if potentials.precision_cholesky.ndim == 2:
        return times >= VARIANCES_FROM and potentials.mean.size > FEW_MEANS
    return times >= (1.0 if len(potentials.precision_cholesky) == 1 else MATRICES_FROM)


@cache
def _by_rows(n_features: int) -> IntegerArray:
    """Return where the coefficients of x_i and of x_i x_0 to x_i x_i lie, i by i."""
    rows, _ = np.tril_indices(n_features)
    return np.argsort(np.concatenate([np.arange(n_features), rows]), kind="stable")


def _kind(structure: tuple[int, ...], n_features: int) -> int:
    if structure[0] == 1:
        return COMMON_MATRIX if len(structure) == 3 else COMMON_VARIANCES
    if len(structure) == 3 and n_features > 1:
        return PRODUCTS
    return NORM if len(structure) == 2 and structure[1] < n_features else SQUARES


def _is_flat(factor: Array) -> bool:
    diagonal = factor if factor.ndim == 2 else np.einsum("kdd->kd", factor)
    return bool((diagonal == 0.0).any())


def _cancellation(factor: Array, offset: Array) -> Array:
    """Return the sum of the sizes of a score's terms at a typical row of each component, (K,)."""
    if factor.ndim == 2:
        reach = np.abs(offset * factor) + TYPICAL
        return np.square(reach).sum(axis=1)
    precision = factor @ np.swapaxes(factor, -1, -2)
    variance = np.square(np.linalg.inv(factor)).sum(axis=-2)
    reach = np.abs(offset) + TYPICAL * np.sqrt(variance)
    if factor.shape[0] == 1:
        reach = reach.max(axis=0, keepdims=True)
    return np.einsum("kd,kde,ke->k", reach, np.abs(precision), reach)


def _whitened(factor: Array, offset: Array) -> Array:
    if factor.ndim == 2:
        return offset * factor
    stacked = np.broadcast_to(factor, (len(offset), *factor.shape[1:]))
    return np.einsum("kd,kde->ke", offset, stacked)


def _coefficients(factor: Array, offset: Array, kind: int) -> tuple[Array, Array]:
    """Return the coefficients of the values, or whitened values, and of what follows them."""
    none = np.empty((len(offset), 0))
    if kind == COMMON_MATRIX:
        return offset @ factor[0], none
    if factor.ndim == 2:
        precision = np.square(factor)
        linear = offset * precision
        if kind == COMMON_VARIANCES:
            return linear, none
        return linear, np.broadcast_to(-0.5 * precision, (len(offset), factor.shape[1]))
    precision = factor @ np.swapaxes(factor, -1, -2)
    rows, columns = np.tril_indices(offset.shape[1])
    twice = np.where(rows == columns, -0.5, -1.0)
    return np.einsum("kde,ke->kd", precision, offset), precision[:, rows, columns] * twice


def _square(triangle: Array, n_features: int) -> Array:
    rows, columns = np.tril_indices(n_features)
    square = np.empty((len(triangle), n_features, n_features))
    square[:, rows, columns] = triangle
    square[:, columns, rows] = triangle
    return square


def _tiled(coefficients: Array) -> Array:
    """Return coefficients (K, F) in the order in which scores read them: tiles of a few."""
    tiles = np.array_split(coefficients, _tile_ends(len(coefficients)))
    return np.concatenate([tile.T.ravel() for tile in tiles])


@cache
def _tile_ends(n_components: int) -> list[int]:
    n_tiles = -(-n_components // MOST_SCORED)
    return [t * n_components // n_tiles for t in range(1, n_tiles)]
