"""Potentials in expanded form, where that form keeps its digits.

With u = x - c for a common centre c, a score is a constant plus a sum of coefficients times
features of u: its values, and their squares or products. What all components share (the quadratic
term of shared covariances) is worked out once for each row. The terms cancel as far as means lie
from the centre, so this form is used only where, for a typical row of every component, the sum of
their sizes is below :data:`MOST_CANCELLATION`: then the error of a score stays below about 1e-11.
"""

from typing import final

import numpy as np

from mixtura.engines.compiled import expanded
from mixtura.engines.compiled.features import (
    COMMON_MATRIX,
    COMMON_VARIANCES,
    NORM,
    PRODUCTS,
    SQUARES,
)
from mixtura.engines.compiled.tiles import IS_WIDE
from mixtura.engines.compiled.workspace import block_size
from mixtura.potentials import Potentials
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array

MOST_CANCELLATION = 3e4
TYPICAL = 3.0
"""Deviations from its mean within which a component's typical row lies."""

MOST_PRODUCTS = 2000
"""Features beyond which a block of them no longer stays in cache."""

FEW_COMPONENTS, FEW_FEATURES = 16, 2
"""Where, with sixteen vector registers, the kernels of the triangular form are the faster ones."""

LARGEST_TERM = 1e290
NO_MATRIX = np.empty((0, 0))
NOTHING = np.empty(0)


@final
class Expansion:
    """Expanded potentials as the kernels want them, and the sizes that follow."""

    sweep_kernel = staticmethod(expanded.sweep_kernel)
    tell_kernel = staticmethod(expanded.tell_kernel)

    def __init__(self, potentials: Potentials, centre: Array, constant: Array) -> None:
        self.potentials = potentials
        self.centre = centre
        n_components, n_features = potentials.mean.shape
        self.structure = structure = potentials.structure
        self.shared = structure[0] == 1
        self.kind = _kind(structure, n_features)
        offset = potentials.mean - centre
        factor, scales = NO_MATRIX, NOTHING
        if self.kind == COMMON_MATRIX:
            factor = np.ascontiguousarray(potentials.precision_cholesky[0])
        if self.kind == COMMON_VARIANCES:
            scales = np.broadcast_to(potentials.precision_cholesky.reshape(-1), (n_features,))
            scales = np.ascontiguousarray(scales)
        linear, quadratic = _coefficients(potentials.precision_cholesky, offset, self.kind)
        coefficients = np.concatenate([linear, quadratic], axis=1)
        self.n_moments = n_features if self.shared else coefficients.shape[1]
        n_written = 2 * n_features if self.kind == COMMON_MATRIX else coefficients.shape[1]
        whitened = _whitened(potentials.precision_cholesky, offset)
        constant = constant - 0.5 * np.einsum("kd,kd->k", whitened, whitened)
        reach = max(float(np.abs(quadratic).max(initial=0.0)), np.square(factor).sum())
        reach = max(1.0, reach, np.square(scales).sum())
        largest = min(LARGEST_TERM / reach, LARGEST_TERM)
        self.arguments = (
            self.kind,
            int(self.shared),
            largest,
            constant,
            _tiled(coefficients),
            np.ascontiguousarray(centre),
            scales,
            factor,
        )
        self.block = block_size(n_components + n_written)
        self.work_size = (n_components + n_written + 9) * (self.block + 8)
        self.work_per_row = n_components * (2 * coefficients.shape[1] + 8)
        self.bytes_per_segment = 8 * n_components * self.n_moments

    def zeros(self) -> tuple[Array, Array, Array]:
        """Return zeroed counts, moments and shared second moments of one segment."""
        n_components, n_features = self.potentials.mean.shape
        size = {COMMON_MATRIX: n_features * (n_features + 1), COMMON_VARIANCES: n_features}
        return (
            np.zeros(n_components),
            np.zeros(self.n_moments * n_components),
            np.zeros(size.get(self.kind, 0)),
        )

    def statistics(
        self, data_term: float, count: Array, moments: Array, shared: Array
    ) -> SufficientStatistics:
        """Return what the kernels found, in the potentials' structure, about the means."""
        sizes = n_components, n_features = self.potentials.mean.shape
        by_component = moments.reshape(self.n_moments, n_components).T
        first, rest = by_component[:, :n_features], by_component[:, n_features:]
        if self.kind == PRODUCTS:
            second = _square(rest, n_features)
        elif self.kind == COMMON_MATRIX:
            lower = np.tril(shared.reshape(n_features + 1, n_features)[:n_features])
            second = (lower + np.tril(lower, -1).T)[None]
        elif self.kind == COMMON_VARIANCES:
            width = self.structure[1]
            second = (shared if width == n_features else shared.sum(keepdims=True))[None]
        else:
            second = rest
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


def is_faster(potentials: Potentials) -> bool:
    """Return whether many rows take less time in expanded form, as measured on both layouts."""
    n_components, n_features = potentials.mean.shape
    if IS_WIDE or n_components > FEW_COMPONENTS:
        return True
    return n_features > FEW_FEATURES and _kind(potentials.structure, n_features) != SQUARES


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
    """Return coefficients (K, F) in the order in which scores read them."""
    whole = len(coefficients) // 4 * 4
    tiles = coefficients[:whole].reshape(whole // 4, 4, coefficients.shape[1]).transpose(0, 2, 1)
    return np.concatenate([tiles.reshape(-1), coefficients[whole:].reshape(-1)])
