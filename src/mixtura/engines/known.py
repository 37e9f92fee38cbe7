"""Rows of which something is known beforehand: labels of some, groups that share a component."""

from mixtura.data import ArrayRows, Rows
from mixtura.engines.grouped import (
    densities_of_groups,
    drawn_groups,
    numbered,
    shares_of_groups,
    swept_groups,
)
from mixtura.engines.label_parts import (
    components_by_label,
    densities_by_label,
    drawn_by_label,
    shares_by_label,
    swept_by_label,
)
from mixtura.engines.observed.integration import Sweeper
from mixtura.messages.assignments import Assignment
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


def labelled(rows: Rows) -> ArrayRows | None:
    """Return rows of some of which labels or groups are known; None where of none."""
    return rows if isinstance(rows, ArrayRows) and rows.is_labelled else None


def swept_known(
    engine: Sweeper, rows: ArrayRows, potentials: Potentials, assignment: Assignment
) -> SufficientStatistics:
    """Return the statistics of the rows; known responsibilities stay what they are."""
    if assignment.is_given:
        return engine.sweep(rows.unlabelled, potentials, assignment)
    if rows.is_grouped:
        return swept_groups(engine, rows, potentials, assignment)
    return swept_by_label(engine.sweep, rows, potentials, assignment)


def shares_known(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> Array:
    """Return each component's share of each row."""
    if rows.is_grouped:
        return shares_of_groups(engine, rows, potentials)
    return shares_by_label(engine.responsibilities, rows, potentials)


def densities_known(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> Array:
    """Return the log density of each row and what is known of it, shape (N,)."""
    if rows.is_grouped:
        return densities_of_groups(engine, rows, potentials)
    return densities_by_label(engine.log_density, rows, potentials)


def labels_known(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> IntegerArray:
    """Return the most probable component of each row, shape (N,)."""
    if rows.is_grouped:
        best = shares_of_groups(engine, rows, potentials).argmax(axis=1)
        return numbered(best, len(potentials.mean))
    return components_by_label(engine.labels, rows, potentials)


def drawn_known(
    engine: Sweeper, rows: ArrayRows, potentials: Potentials, n_draws: int, seed: int
) -> IntegerArray:
    """Return components drawn for each row, shape (n_draws, N)."""
    if rows.is_grouped:
        return drawn_groups(engine, rows, potentials, n_draws, seed)
    return drawn_by_label(engine.sample_labels, rows, potentials, n_draws, seed)
