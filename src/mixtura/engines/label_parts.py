"""Rows of some of which the components are known: each part under the components it may have.

A sweep of such rows is the sum of a sweep of the rows without a label under all components and, for
each label, one of its rows under the components of that label alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.engines.beside_background import only_background, uniform_log_density
from mixtura.messages.assignments import Assignment, Sampled
from mixtura.messages.background import BACKGROUND
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


@final
@dataclass(frozen=True, eq=False)
class LabelledPart:
    """Rows of one label, or those without.

    Parameters
    ----------
    number : int
        0 of rows without a class, otherwise one more than its number.
    positions : integer array of shape (n,)
        Where they lie in the data.
    rows : ArrayRows
        The rows.
    components : integer array, optional
        The components that they may have; None for all.
    is_background : bool
        Whether they are known to belong to no component.
    """

    number: int
    positions: IntegerArray
    rows: ArrayRows
    components: IntegerArray | None
    is_background: bool = False

    def potentials(self, potentials: Potentials) -> Potentials:
        """Return the potentials of the components that the rows may have."""
        return potentials if self.components is None else potentials.components(self.components)

    def scattered(self, found: Array, n_components: int) -> Array:
        """Return columns (n, L) of the rows' own components as those of all, shape (n, K)."""
        if self.components is None:
            return found
        whole = np.zeros((len(found), n_components))
        whole[:, self.components] = found
        return whole

    def numbered(self, found: IntegerArray) -> IntegerArray:
        """Return positions among the rows' own components as components."""
        return found if self.components is None else self.components[found]

    def whole(
        self, found: SufficientStatistics, pivot: Array, *, is_shared: bool
    ) -> SufficientStatistics:
        """Return statistics of the rows' own components as those of all, about pivots (K, D)."""
        own = self.components
        if own is None:
            return found
        about = found.about(pivot[own])
        count, first = np.zeros(len(pivot)), np.zeros_like(pivot)
        count[own], first[own] = about.count, about.first
        second = about.second
        if not is_shared:
            second = np.zeros((len(pivot), *about.second.shape[1:]))
            second[own] = about.second
        return replace(about, count=count, first=first, second=second, pivot=pivot)


def parts_by_label(rows: ArrayRows) -> tuple[LabelledPart, ...]:
    """Return the rows without a label, and those of each."""

    def find() -> tuple[LabelledPart, ...]:
        labels = rows.labels
        assert labels is not None
        plain, parts = rows.unlabelled, []
        for code in np.unique(labels.codes).tolist():
            positions = np.flatnonzero(labels.codes == code)
            own = labels.classes.components(code) if code >= 0 else None
            some = plain if positions.size == rows.n_rows else plain.taken(positions)
            number = code + 1 if code >= 0 else 0
            parts.append(LabelledPart(number, positions, some, own, code == BACKGROUND))
        return tuple(parts)

    return rows.once("parts by label", find)


def swept_by_label(
    sweep: Callable[[Rows, Potentials, Assignment], SufficientStatistics],
    rows: ArrayRows,
    potentials: Potentials,
    assignment: Assignment,
) -> SufficientStatistics:
    """Return the statistics of rows of which some labels are known."""
    total = SufficientStatistics.zero(potentials.mean, potentials.structure)
    is_shared = potentials.structure[0] < len(potentials.mean)
    for part in parts_by_label(rows):
        if part.is_background:
            total = total + _of_background(part.rows, potentials)
            continue
        found = sweep(part.rows, part.potentials(potentials), assignment.of_part(part.number))
        total = total + part.whole(found, potentials.mean, is_shared=is_shared)
    return total


def _of_background(rows: ArrayRows, potentials: Potentials) -> SufficientStatistics:
    """Return the statistics of rows that are known to belong to no component."""
    own = potentials.background
    assert own is not None
    weights = np.ones(rows.n_rows) if rows.weights is None else rows.weights
    none = SufficientStatistics.zero(potentials.mean, potentials.structure)
    counts = weights > 0.0
    if not counts.any():
        return replace(none, background=np.zeros(2))
    density = weights[counts] @ uniform_log_density(rows, own.box)[counts]
    counted = np.array([weights.sum(), density])
    data_term = float(counted[0] * own.log_weight + density)
    return replace(none, log_normalizer=data_term, background=counted)


def told_by_label(
    tell: Callable[[ArrayRows, Potentials], Any], rows: ArrayRows, potentials: Potentials
) -> Array:
    """Return numbers (N, ...) of rows, each told under the components that it may have.

    Of rows that are known to belong to no component, as if it were not known.
    """
    found = [(part, tell(part.rows, part.potentials(potentials))) for part in parts_by_label(rows)]
    one = found[0][1]
    whole = np.empty((rows.n_rows, *one.shape[1:]), dtype=one.dtype)
    for part, told in found:
        whole[part.positions] = told
    return whole


def densities_by_label(
    tell: Callable[[Rows, Potentials], Array], rows: ArrayRows, potentials: Potentials
) -> Array:
    """Return the log density of each row and what is known of its component, shape (N,)."""
    whole = np.empty(rows.n_rows)
    for part in parts_by_label(rows):
        told = only_background if part.is_background else tell
        whole[part.positions] = told(part.rows, part.potentials(potentials))
    return whole


def shares_by_label(
    tell: Callable[[Rows, Potentials], Array], rows: ArrayRows, potentials: Potentials
) -> Array:
    """Return each component's share of each row, shape (N, K), zero where a label excludes it."""
    n_columns = len(potentials.mean) + (potentials.background is not None)
    whole = np.empty((rows.n_rows, n_columns))
    for part in parts_by_label(rows):
        if part.is_background:
            whole[part.positions] = np.eye(n_columns)[-1]
            continue
        told = tell(part.rows, part.potentials(potentials))
        whole[part.positions] = part.scattered(told, whole.shape[1])
    return whole


def components_by_label(
    tell: Callable[[Rows, Potentials], IntegerArray], rows: ArrayRows, potentials: Potentials
) -> IntegerArray:
    """Return a component of each row, shape (N,), among those that its label allows."""
    whole = np.empty(rows.n_rows, dtype=np.intp)
    for part in parts_by_label(rows):
        if part.is_background:
            whole[part.positions] = BACKGROUND
            continue
        whole[part.positions] = part.numbered(tell(part.rows, part.potentials(potentials)))
    return whole


def drawn_by_label(
    draw: Callable[[Rows, Potentials, int, int], IntegerArray],
    rows: ArrayRows,
    potentials: Potentials,
    n_draws: int,
    seed: int,
) -> IntegerArray:
    """Return components drawn for each row, shape (n_draws, N), among those it may have."""
    whole = np.empty((n_draws, rows.n_rows), dtype=np.intp)
    for part in parts_by_label(rows):
        if part.is_background:
            whole[:, part.positions] = BACKGROUND
            continue
        own = Sampled(seed).of_part(part.number).seed
        found = draw(part.rows, part.potentials(potentials), n_draws, own)
        whole[:, part.positions] = part.numbered(found)
    return whole


def drawn_values_by_label(
    draw: Callable[[ArrayRows, Potentials, int], Array],
    rows: ArrayRows,
    potentials: Potentials,
    seed: int,
) -> Array:
    """Return true values of rows (N, D), drawn under the components that each may have."""
    whole = rows.values.astype(np.float64)
    for part in parts_by_label(rows):
        own = Sampled(seed).of_part(part.number).seed
        whole[part.positions] = draw(part.rows, part.potentials(potentials), own)
    return whole
