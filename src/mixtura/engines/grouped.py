"""Rows in groups that share a component: scores of a group are those of its rows together."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import logsumexp

from mixtura.data import ArrayRows
from mixtura.engines.beside_background import beside, uniform_log_density
from mixtura.engines.label_parts import LabelledPart
from mixtura.engines.observed.integration import Sweeper
from mixtura.messages.assignments import Assignment, Given, Hard, Sampled, shares
from mixtura.messages.background import BACKGROUND
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


@final
@dataclass(frozen=True, eq=False)
class Units:
    """What draws a component: a group of rows, or a row on its own.

    Parameters
    ----------
    of_rows : integer array of shape (N,)
        Unit of each row.
    mass : array of shape (U,)
        How often each unit counts: groups once, a row on its own as often as its weight says.
    powers : array of shape (N,)
        How often a row counts within its unit.
    """

    of_rows: IntegerArray
    mass: Array
    powers: Array

    @cached_property
    def order(self) -> IntegerArray:
        """The rows by their units, shape (N,)."""
        return np.argsort(self.of_rows, kind="stable")

    def summed(self, values: Array) -> Array:
        """Return values (N, ...) of rows, each as often as it counts, summed by unit (U, ...)."""
        starts = np.flatnonzero(np.diff(self.of_rows[self.order], prepend=-1))
        weighted = values * self.powers.reshape(-1, *(1,) * (values.ndim - 1))
        # A row that does not count adds nothing, however unlikely it is.
        weighted = np.where(self.powers.reshape(-1, *(1,) * (values.ndim - 1)) > 0, weighted, 0.0)
        return np.add.reduceat(weighted[self.order], starts, axis=0)


def units_of(rows: ArrayRows) -> Units:
    """Return the groups of rows, and the rows that are on their own."""

    def find() -> Units:
        labels = rows.labels
        assert labels is not None
        assert labels.groups is not None
        weights = np.ones(rows.n_rows) if rows.weights is None else rows.weights
        alone = labels.groups < 0
        numbers = np.where(alone, 0, labels.groups)
        _, numbers = np.unique(numbers[~alone], return_inverse=True)
        of_rows = np.empty(rows.n_rows, dtype=np.intp)
        of_rows[~alone] = np.ravel(numbers)
        n_groups = int(of_rows[~alone].max(initial=-1)) + 1
        of_rows[alone] = n_groups + np.arange(alone.sum())
        has_weight = np.bincount(of_rows[~alone], weights[~alone], minlength=n_groups) > 0.0
        mass = np.concatenate([has_weight[:n_groups].astype(np.float64), weights[alone]])
        return Units(of_rows, mass, np.where(alone, 1.0, weights))

    return rows.once("units", find)


def unit_scores(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> Array:
    """Return the scores of units, shape (U, K), or (U, K + 1) with those of the background last."""
    plain, labels, own = rows.unlabelled, rows.labels, potentials.background
    assert labels is not None
    n_components = len(potentials.mean)
    blank = replace(beside(potentials), log_weight=np.zeros(n_components))
    single = [blank.components(np.array([k])) for k in range(n_components)]
    columns = [engine.log_density(plain, one) for one in single]
    log_weight = potentials.log_weight
    if own is not None:
        columns.append(uniform_log_density(plain, own.box))
        log_weight = np.append(log_weight, own.log_weight)
    units = units_of(rows)
    found = units.summed(np.stack(columns, axis=1)) + log_weight
    excluded = np.zeros((rows.n_rows, found.shape[1]), dtype=bool)
    for code in np.unique(labels.codes[labels.is_known]).tolist():
        allowed = [n_components] if code == BACKGROUND else labels.classes.components(code)
        inside = labels.codes == code
        excluded[inside] = True
        excluded[np.ix_(inside, allowed)] = False
    lost = np.zeros(found.shape, dtype=bool)
    np.logical_or.at(lost, units.of_rows, excluded)
    return np.where(lost, -np.inf, found)


def swept_groups(
    engine: Sweeper, rows: ArrayRows, potentials: Potentials, assignment: Assignment
) -> SufficientStatistics:
    """Return the statistics of rows in groups: moments by rows, and counts of units beside."""
    plain, units, n_components = rows.unlabelled, units_of(rows), len(potentials.mean)
    scores = unit_scores(engine, rows, potentials)
    mass = shares(scores)
    data_term = float(units.mass @ np.asarray(logsumexp(scores, axis=1)))
    if isinstance(assignment, Sampled):
        chosen = assignment.drawn(mass, np.arange(len(mass)))
        mass = np.eye(mass.shape[1])[chosen]
        found = _drawn(engine, plain, potentials, assignment, chosen[units.of_rows])
    else:
        if isinstance(assignment, Hard):
            mass = np.eye(mass.shape[1])[mass.argmax(axis=1)]
        of_rows = mass[units.of_rows]
        weights = np.ones(plain.n_rows) if plain.weights is None else plain.weights
        left = of_rows[:, :n_components].sum(axis=1)
        given = Given(of_rows[:, :n_components] / np.where(left > 0.0, left, 1.0)[:, None])
        rest = plain.reweighted(weights * left)
        found = engine.sweep(rest, beside(potentials), given)
    members = units.mass @ mass
    background = None
    if potentials.background is not None:
        density = uniform_log_density(plain, potentials.background.box)
        by_unit = units.summed(np.where(np.isfinite(density), density, 0.0))
        in_background = units.mass * mass[:, n_components]
        # Of a row on its own its weight is in the unit's mass, of a group in the sum.
        background = np.array([in_background.sum(), in_background @ by_unit])
    return replace(
        found,
        log_normalizer=data_term,
        members=members[:n_components],
        background=background,
    )


def _drawn(
    engine: Sweeper,
    plain: ArrayRows,
    potentials: Potentials,
    assignment: Sampled,
    chosen: IntegerArray,
) -> SufficientStatistics:
    """Return the statistics of rows (N,) of chosen components, their missing cells drawn."""
    total = SufficientStatistics.zero(potentials.mean, potentials.structure)
    is_shared = potentials.structure[0] < len(potentials.mean)
    for k in range(len(potentials.mean)):
        positions = np.flatnonzero(chosen == k)
        if positions.size:
            own = np.array([k])
            part = LabelledPart(k + 1, positions, plain.taken(positions), own)
            found = engine.sweep(part.rows, part.potentials(potentials), assignment.of_part(k + 1))
            total = total + part.whole(found, potentials.mean, is_shared=is_shared)
    return total


def shares_of_groups(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> Array:
    """Return each row's shares, those of its group: (N, K), or (N, K + 1) with a background."""
    return shares(unit_scores(engine, rows, potentials))[units_of(rows).of_rows]


def densities_of_groups(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> Array:
    """Return log densities (N,) whose weighted sum is that of all groups.

    That of a group in equal parts for each of its rows.
    """
    units = units_of(rows)
    by_unit = np.asarray(logsumexp(unit_scores(engine, rows, potentials), axis=1))
    sizes = units.summed(np.ones(rows.n_rows))
    return (by_unit / np.maximum(sizes, np.finfo(float).tiny))[units.of_rows]


def drawn_groups(
    engine: Sweeper, rows: ArrayRows, potentials: Potentials, n_draws: int, seed: int
) -> IntegerArray:
    """Return components drawn for each row, shape (n_draws, N), one for all rows of a group."""
    found, units = shares(unit_scores(engine, rows, potentials)), units_of(rows)
    positions = np.arange(len(found))
    drawn = [Sampled(seed, sweep).drawn(found, positions) for sweep in range(n_draws)]
    return numbered(np.stack(drawn), len(potentials.mean))[:, units.of_rows]


def numbered(columns: IntegerArray, n_components: int) -> IntegerArray:
    """Return columns of shares as components, the one behind them as the background."""
    return np.where(columns == n_components, BACKGROUND, columns)
