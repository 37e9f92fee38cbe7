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

from mixtura.potentials import Potentials
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array

MOST_CANCELLATION = 3e4
TYPICAL = 3.0
"""Deviations from its mean within which a component's typical row lies."""

MOST_PRODUCTS = 2000
"""Features beyond which sums over them would take too much memory."""

MOST_WRITTEN = 128
"""Products that are written at once, as long as those of one feature are fewer."""

MOST_SCORED = 6
"""Components that are scored together, at most."""

PRODUCTS, SQUARES, NORM, COMMON_MATRIX, COMMON_VARIANCES = range(5)
"""Kinds of features, as the library numbers them: those of full, diagonal, spherical, tied
structures, and of shared variances."""

LARGEST_TERM = 1e290
NOTHING = np.empty(0)


BLOCK_BYTES = 192 << 10

def block_size(n_components, n_lines):
    import os
    if "BLOCK" in os.environ: return int(os.environ["BLOCK"])
    fitting = BLOCK_BYTES // (8 * (n_components + n_lines)) // 32 * 32
    return min(max(fitting, 64), 1024)

@final
class Expansion:
    """Expanded potentials as the kernels want them, and the sizes that follow."""

    def __init__(self, potentials: Potentials, centre: Array, constant: Array) -> None:
        self.potentials = potentials
        self.centre = np.ascontiguousarray(centre)
        sizes = n_components, n_features = potentials.mean.shape
        factor = potentials.precision_cholesky
        self.kind = _kind(factor.shape, n_features)
        offset = potentials.mean - centre
        linear, quadratic = _coefficients(factor, offset, self.kind)
        coefficients = np.concatenate([linear, quadratic], axis=1)
        whitened = _whitened(factor, offset)
        self.constant = constant - 0.5 * np.einsum("kd,kd->k", whitened, whitened)
        self.coefficients = _tiled(coefficients)
        self.scales, self.factor = NOTHING, NOTHING
        if self.kind == COMMON_MATRIX:
            self.scales, self.factor = np.zeros(n_features), _tiled(factor[0].T)
        if self.kind == COMMON_VARIANCES:
            self.scales = np.broadcast_to(factor.reshape(-1), (n_features,)).copy()
        terms = 1.0 if self.kind != COMMON_MATRIX else np.square(factor).sum()
        reach = max(1.0, terms, np.abs(quadratic).max(initial=0.0), np.square(self.scales).sum())
        self.largest = min(LARGEST_TERM / reach, LARGEST_TERM)
        self.n_moments = n_features if factor.shape[0] == 1 else coefficients.shape[1]
        self.bounds, n_written = _chunks(self.kind, n_features)
        self.block = block_size(n_components, n_features + n_written + 1)
        self.work_size = (n_components + n_features + n_written + 6) * (self.block + 8)
        self.work_per_row = n_components * (2 * coefficients.shape[1] + 8)
        self.bytes_per_segment = 8 * n_components * (self.n_moments + 1)

    def statistics(self, data_term: float, moments: Array, shared: Array) -> SufficientStatistics:
        """Return what the kernels found, in the potentials' structure, about the means."""
        sizes = n_components, n_features = self.potentials.mean.shape
        by_component = moments.reshape(self.n_moments + 1, n_components).T
        count, first = by_component[:, -1].copy(), by_component[:, :n_features]
        second = by_component[:, n_features:-1]
        if self.kind == PRODUCTS:
            second = _square(second, n_features)
        elif self.kind == COMMON_MATRIX:
            lower = np.tril(shared.reshape(n_features, n_features))
            second = (lower + np.tril(lower, -1).T)[None]
        elif self.kind == COMMON_VARIANCES:
            is_one = self.potentials.structure[1] == 1
            second = (shared.sum(keepdims=True) if is_one else shared)[None]
        pivot = np.broadcast_to(self.centre, sizes)
        about_centre = SufficientStatistics(count, first, second, pivot, float(data_term))
        found = about_centre.about(self.potentials.mean)
        return SufficientStatistics(
            found.count, found.first, found.second, self.potentials.mean, found.log_normalizer
        )


def expansion_of(potentials: Potentials, constant: Array) -> Expansion | None:
    """Return the expanded form, or None where it would lose digits or gain no time."""
    n_features = potentials.mean.shape[1]
    kind = _kind(potentials.structure, n_features)
    if kind == PRODUCTS and n_features * (n_features + 3) // 2 > MOST_PRODUCTS:
        return None
    live = constant > -1e299
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


def _chunks(kind: int, n_features: int) -> tuple[Array, int]:
    """Return where chunks of features begin and end, and how many rows the largest writes."""
    if kind != PRODUCTS:
        written = {SQUARES: n_features, NORM: 1, COMMON_MATRIX: n_features, COMMON_VARIANCES: 0}
        return np.array([0, n_features]), written[kind]
    bounds, written, most = [0], 0, 0
    for i in range(n_features):
        if written > 0 and written + i + 1 > MOST_WRITTEN:
            bounds.append(i)
            written = 0
        written += i + 1
        most = max(most, written)
    return np.array([*bounds, n_features]), most


def _kind(structure: tuple[int, ...], n_features: int) -> int:
    if structure[0] == 1:
        return COMMON_MATRIX if len(structure) == 3 else COMMON_VARIANCES
    if len(structure) == 3:
        return PRODUCTS
    return SQUARES if structure[1] == n_features else NORM


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
