"""Whole searches for starts in one call of the library."""

from collections.abc import Callable
from typing import final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines.native.library import POINTER, WHOLE, address, native_function
from mixtura.engines.native.passes import (
    DOUBLE,
    LABEL,
    SMALL,
    address_of,
    check_restriction,
    check_structure,
    contiguous,
    rows_of,
    unmasked,
    weights_of,
)
from mixtura.engines.search import Leading, SearchEnd, SearchPlan, Starts
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray, StructureShape

MOST_RUNS = 8
"""Numbers of steps that the library has room for."""

_search = native_function("search", WHOLE, POINTER, WHOLE, WHOLE, *(POINTER,) * 5)


def native_search(
    rows: ArrayRows,
    starts: Starts,
    shape: tuple[int, StructureShape],
    leading: Leading,
    plan: SearchPlan,
    threads: Callable[[], int],
) -> list[SearchEnd]:
    """Return where starts lead; ``Engine.search`` says what is what."""
    piece = rows.whole
    n_components, structure = shape
    n_features = piece.values.shape[1]
    check_structure(structure, n_components, n_features)
    check_restriction(leading.modes.restriction, structure, n_components)
    values, single = rows_of(piece, n_features)
    weights = weights_of(piece)
    layout = _SearchLayout(n_components, n_features, structure, leading)
    labels = _labels(starts, len(values), n_components) if isinstance(starts, np.ndarray) else None
    ends = np.zeros((len(starts), layout.size))
    if not isinstance(starts, np.ndarray):
        for number, statistics in enumerate(starts):
            ends[number, : layout.n_moments] = layout.written(statistics)
    structure_sizes = (structure[0], structure[1], len(structure) == 3)
    if not len(starts) or not 0 < len(plan.steps) <= MOST_RUNS:
        raise ValueError(f"{len(starts)} starts and {len(plan.steps)} numbers of steps")
    if not (np.isfinite(values).all() and (weights is None or np.isfinite(weights).all())):
        raise ValueError("starts are sought in finite rows with finite weights")
    n_moments = n_features * (n_features if len(structure) == 3 else 1)
    per_row = n_components * (n_moments + 8)
    whole_numbers = (
        *(n_components, n_features, *structure_sizes, leading.modes.restriction),
        *(leading.modes.is_conjugate, leading.scales is not None),
        1 if len(values) * per_row < SMALL else threads(),
        *(len(starts), labels is not None, *plan.whole_numbers),
    )
    sizes = np.array(whole_numbers, dtype=np.int64)
    numbers = layout.numbers(leading, plan)
    found = _search(
        *(address(values), single, len(values), address_of(weights)),
        *(address(sizes), address(numbers), address_of(labels), address(ends)),
    )
    if found < 0:
        raise MemoryError("no memory to search for starts")
    return [layout.read(end) for end in ends[:found]]


def _labels(starts: IntegerArray, n_rows: int, n_components: int) -> IntegerArray:
    labels: IntegerArray = contiguous(starts, LABEL)
    if labels.ndim != 2 or labels.shape[1] != n_rows or not labels.size:
        raise ValueError(f"clusters of shape {labels.shape} of {n_rows} rows")
    if labels.view(np.uint64).max() >= n_components:
        raise ValueError(f"clusters are numbered from 0 to {n_components - 1}")
    return labels


@final
class _SearchLayout:
    """How the library has the numbers of an end."""

    def __init__(
        self, n_components: int, n_features: int, structure: StructureShape, leading: Leading
    ) -> None:
        self.structure, self.means = structure, (n_components, n_features)
        n_first, n_second = n_components * n_features, int(np.prod(structure))
        width, is_matrix = structure[1], len(structure) == 3
        self.n_scale = n_second // structure[0]
        self.n_prior = 3 * n_features + (1 if is_matrix else width) + self.n_scale
        known = n_features if is_matrix else width
        scales = leading.scales
        n_within = 0 if scales is None else 6 + 3 * known + n_features + self.n_scale
        moments = (n_components, n_first, n_second, n_first)
        parts = (*moments, *moments[:3], 1, self.n_prior, n_within, 1, 1)
        ends = np.cumsum((0, *parts)).tolist()
        self.n_moments, self.size = ends[4], ends[-1]
        self.ends, self.is_elicited = ends, scales is not None

    def numbers(self, leading: Leading, plan: SearchPlan) -> Array:
        """Return what is no whole number, one after the other."""
        extent, reach = leading.extent, plan.reach.numbers
        single = (*plan.numbers, extent.refreshed, extent.since)
        prior = leading.modes.numbers
        scales = leading.scales
        within = np.empty(0) if scales is None else scales.numbers(self.structure)
        expected = self.n_prior, self.ends[10] - self.ends[9]
        if (prior.size, within.size) != expected:
            raise ValueError(f"steps of {prior.size} and {within.size} numbers, not {expected}")
        matrices = self.is_elicited and len(self.structure) == 3
        covariance = contiguous(extent.covariance, DOUBLE).ravel()
        if covariance.size != (self.n_scale if matrices else 0):
            raise ValueError(f"a covariance of {covariance.size} numbers for {self.structure}")
        parts = ((*single, extent.shrinkage, *reach), prior, within, covariance)
        return unmasked(np.concatenate(parts, dtype=np.float64))

    def written(self, statistics: SufficientStatistics) -> Array:
        """Return the moments of a start as the library has them."""
        shapes = statistics.first.shape, statistics.pivot.shape, statistics.structure
        if shapes != (self.means, self.means, self.structure):
            raise ValueError(f"statistics of shapes {shapes}")
        parts = (statistics.count, statistics.first, statistics.second, statistics.pivot)
        return unmasked(np.concatenate([np.ravel(part) for part in parts], dtype=np.float64))

    def read(self, end: Array) -> SearchEnd:
        """Return an end, a copy of its numbers."""
        pieces = [end[a:b].copy() for a, b in zip(self.ends, self.ends[1:], strict=False)]
        count, first, second, pivot, weights, means, covariances, term, _, within, since, merit = (
            pieces
        )
        statistics = SufficientStatistics(
            count,
            first.reshape(self.means),
            second.reshape(self.structure),
            pivot.reshape(self.means),
            float(term[0]),
        )
        return SearchEnd(
            statistics,
            weights,
            means.reshape(self.means),
            covariances.reshape(self.structure),
            merit=float(merit[0]),
            scale=within[-self.n_scale :].reshape(self.structure[1:]) if within.size else None,
            shrinkage=float(within[2]) if within.size else 0.0,
            since=int(since[0]),
        )
