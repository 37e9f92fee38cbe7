"""Mean and covariance of all rows of which some cells were observed, and rows completed by them."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.engines.observed.parts import Part, parts_of
from mixtura.messages.assignments import Assignment, Soft
from mixtura.messages.linalg import precision_factors
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, BooleanArray

Sweep: TypeAlias = Callable[[ArrayRows, Potentials, Assignment], SufficientStatistics]

MOST_STEPS = 100
"""Steps of EM."""

AT_REST = 1e-6
"""Standard deviations, and correlations, by which the last step may still have moved."""

LOOKED_AT, MULTIPLICATIONS = 1 << 13, 1 << 28
"""Rows that are looked at of more, and multiplications of a step for which they are fewer."""

LEAST_SHARE = 0.01
"""Of a column's variance that is left at the start where errors seem to be all of it."""


def most_looked_at(rows: Rows) -> int:
    """Return how many rows suffice for their moments: fewer of many features."""
    size = rows.n_features
    return max(20 * size, min(LOOKED_AT, MULTIPLICATIONS // size**3))


def overall_statistics(rows: Rows, sample: ArrayRows, sweep: Sweep) -> SufficientStatistics:
    """Return the statistics of all rows as one component, about its mean.

    Mean and covariance of one normal distribution of the true and complete rows, by EM.

    Parameters
    ----------
    rows : Rows
        The rows.
    sample : ArrayRows
        Those of them that are looked at.
    sweep : callable
        The sweep of an engine.
    """
    mean, covariance = _moments(sample, sweep)
    total = rows.total_weight
    first = np.zeros((1, mean.size))
    return SufficientStatistics(np.array([total]), first, total * covariance[None], mean[None])


def completed_rows(rows: ArrayRows, overall: SufficientStatistics) -> ArrayRows:
    """Return the rows with missing cells as they are expected of one normal distribution."""
    values = rows.values.astype(np.float64)
    mean, covariance = overall.mean(), overall.second / max(overall.total, np.finfo(float).tiny)
    # Columns that do not vary have one value, whatever else is known.
    varied = np.einsum("kdd->d", covariance) > 0.0
    constant = np.isnan(values) & ~varied
    values[constant] = np.broadcast_to(mean[0], values.shape)[constant]
    some = _columns(rows, varied)
    inside = covariance[:, varied][:, :, varied]
    for part in _parts(some, mean[0, varied], inside[0]) if varied.any() else ():
        place = np.ix_(part.patterns.positions, np.flatnonzero(varied))
        expected = mean[0, varied] + part.expected()[0]
        given = values[place]
        values[place] = np.where(np.isnan(given), expected, given)
    return ArrayRows(values, rows.weights, rows.factor)


def completed_in_tiles(rows: ArrayRows, fill: Callable[[ArrayRows], ArrayRows]) -> ArrayRows:
    """Return rows of which each tile is completed on its own, as those of a scan are."""
    if rows.is_one_tile:
        return fill(rows)
    values = np.concatenate([fill(tile.rows).values for tile in rows.tiles()])
    return ArrayRows(values, rows.weights, rows.factor)


def _columns(rows: ArrayRows, some: BooleanArray) -> ArrayRows:
    errors = rows.errors
    if some.all():
        return rows  # no copy, and what was observed of them is known
    if errors is not None:
        errors = errors[:, some] if errors.ndim == 2 else errors[:, some][:, :, some]
    return ArrayRows(rows.values[:, some], rows.weights, None, errors)


def _parts(rows: ArrayRows, mean: Array, covariance: Array) -> Iterator[Part]:
    for patterns in rows.observation.patterns:
        yield from parts_of(patterns, mean[None], covariance[None])


def _moments(rows: ArrayRows, sweep: Sweep) -> tuple[Array, Array]:
    """Return mean (D,) and covariance (D, D) of all rows, zero where a column is constant."""
    weights = np.ones(rows.n_rows) if rows.weights is None else rows.weights
    has = ~rows.is_missing & (weights > 0.0)[:, None]
    mass = np.where(has, weights[:, None], 0.0)
    total = np.maximum(mass.sum(axis=0), np.finfo(float).tiny)
    filled = np.where(has, rows.values, 0.0)
    mean = (mass * filled).sum(axis=0) / total
    variances = (mass * (np.where(has, rows.values, mean) - mean) ** 2).sum(axis=0) / total
    lowest = np.where(has, rows.values, np.inf).min(axis=0)
    highest = np.where(has, rows.values, -np.inf).max(axis=0)
    varied = highest > lowest
    covariance = np.zeros((mean.size, mean.size))
    mean = np.where(varied | ~has.any(axis=0), mean, lowest)
    if varied.any():
        deviations = np.sqrt(variances[varied])
        some = _columns(rows, varied)
        errors = some.errors
        if errors is not None:
            size = deviations[:, None] * deviations if errors.ndim == 3 else deviations**2
            errors = errors / size
        standard = ArrayRows((some.values - mean[varied]) / deviations, some.weights, None, errors)
        shift, inside = _climbed(standard, mass[:, varied] / total[varied], sweep)
        mean[varied] += shift * deviations
        covariance[np.ix_(varied, varied)] = inside * deviations[:, None] * deviations
    return mean, covariance


def _climbed(rows: ArrayRows, mass: Array, sweep: Sweep) -> tuple[Array, Array]:
    """Return mean and covariance of standardised rows, of which shares of a column's mass are."""
    shares = np.ones(rows.n_features)
    if rows.errors is not None:
        variances = rows.errors if rows.errors.ndim == 2 else np.einsum("ndd->nd", rows.errors)
        of_errors = np.where(mass > 0.0, mass * variances, 0.0).sum(axis=0)
        shares = np.maximum(1.0 - of_errors, LEAST_SHARE)
    mean, covariance = np.zeros(rows.n_features), np.diag(shares)
    blank, total = np.zeros(1), rows.total_weight
    for _ in range(MOST_STEPS):
        factor = precision_factors(covariance[None])
        swept = sweep(rows, Potentials(blank, blank, mean[None], factor), Soft())
        step = swept.first[0] / total
        found = swept.second[0] / total - step[:, None] * step
        moved = max(np.abs(step).max(), np.abs(found - covariance).max())
        mean, covariance = mean + step, 0.5 * (found + found.T)
        if moved <= AT_REST:
            break
    return mean, covariance
