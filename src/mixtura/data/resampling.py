"""Rows as another sample of them would be: drawn again, or weighted at random."""

from dataclasses import replace

import numpy as np

from mixtura.data.memory import ArrayRows
from mixtura.errors import InvalidArgumentError
from mixtura.typing import IntegerArray


def drawn_again(rows: ArrayRows, rng: np.random.Generator) -> ArrayRows:
    """Return rows drawn with replacement, as weights that say how often each was drawn.

    A row is drawn with the probability of its weight, and as many are drawn as weights count.
    Rows of a known label are drawn among those of the same label, so that each keeps its number.
    Groups are drawn whole, as rows that are copied.

    Parameters
    ----------
    rows : ArrayRows
        The rows.
    rng : Generator
        Source of the draw.
    """
    labels = rows.labels
    if labels is not None and labels.groups is not None:
        return _groups_drawn(rows, labels.groups, rng)
    weights = np.ones(rows.n_rows) if rows.weights is None else rows.weights
    found = np.zeros(rows.n_rows)
    for stratum in _strata(rows):
        own = weights[stratum]
        total = float(own.sum())
        if total > 0.0:
            number = max(round(total), 1)
            found[stratum] = rng.multinomial(number, own / total) * (total / number)
    return rows.reweighted(found)


def weighted_at_random(rows: ArrayRows, rng: np.random.Generator) -> ArrayRows:
    """Return rows with random weights of the same sum: Dirichlet of the weights that they have.

    Of rows without weights that is the Bayesian bootstrap [Rubin1981]_; a row of weight 2 has the
    weight of two rows. The weights of a known label keep their sum.

    Raises
    ------
    InvalidArgumentError
        If there are groups of rows, which count once whatever the weights of their rows.
    """
    labels = rows.labels
    if labels is not None and labels.groups is not None:
        raise InvalidArgumentError(
            "the weighted bootstrap takes no groups, which count once whatever their weight",
            remedy="take method='nonparametric', which draws groups whole",
        )
    weights = np.ones(rows.n_rows) if rows.weights is None else rows.weights
    found = np.zeros(rows.n_rows)
    for stratum in _strata(rows):
        drawn = rng.standard_gamma(weights[stratum])
        total = drawn.sum()
        if total > 0.0:
            found[stratum] = drawn * (weights[stratum].sum() / total)
    return rows.reweighted(found)


def _strata(rows: ArrayRows) -> list[IntegerArray]:
    """Return the rows of each label, and those of none."""
    if rows.labels is None:
        return [np.arange(rows.n_rows)]
    codes = rows.labels.codes
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]


def _groups_drawn(rows: ArrayRows, groups: IntegerArray, rng: np.random.Generator) -> ArrayRows:
    """Return rows of units drawn with replacement among those of the same label."""
    assert rows.labels is not None
    alone = groups < 0
    unit = np.where(alone, groups.max() + 1 + np.arange(rows.n_rows), groups)
    positions: list[IntegerArray] = []
    numbers: list[IntegerArray] = []
    for stratum in _strata(rows):
        for one in rng.choice(names := np.unique(unit[stratum]), size=names.size):
            members = stratum[unit[stratum] == one]
            positions.append(members)
            number = -1 if alone[members[0]] else len(positions)
            numbers.append(np.full(members.size, number))
    drawn = rows.taken(np.concatenate(positions))
    assert drawn.labels is not None
    return drawn.with_labels(replace(drawn.labels, groups=np.concatenate(numbers)))
