"""Rows as another sample of them would be: drawn again, or weighted at random."""

from dataclasses import replace

import numpy as np

from mixtura.data.memory import ArrayRows
from mixtura.errors import InvalidArgumentError
from mixtura.typing import Array, IntegerArray


def drawn_again(rows: ArrayRows, rng: np.random.Generator) -> ArrayRows:
    """Return rows drawn with replacement, as weights that say how often each was drawn.

    Where weights are whole numbers a row is drawn with the probability of its weight, and as many
    are drawn as the weights count; otherwise rows are drawn alike, and keep their weights. Rows of
    a known label are drawn among those of the same label, so that each keeps its number.
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
    counts, sizes = _counts(rows)
    found = np.zeros(rows.n_rows)
    for stratum in _strata(rows):
        own = counts[stratum]
        number = round(float(own.sum()))
        if number:
            drawn = rng.multinomial(number, own / own.sum())
            found[stratum] = _of_sum(drawn * sizes[stratum], own * sizes[stratum])
    return rows.reweighted(found)


def weighted_at_random(rows: ArrayRows, rng: np.random.Generator) -> ArrayRows:
    """Return rows with random weights of the same sum: Dirichlet of the weights that they have.

    Of rows without weights that is the Bayesian bootstrap [Rubin1981]_; a row of weight 2 has the
    random weight of two rows. Weights that are no whole numbers are multiplied by random weights of
    single rows. The weights of a known label keep their sum.

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
    counts, sizes = _counts(rows)
    found = np.zeros(rows.n_rows)
    for stratum in _strata(rows):
        drawn = rng.standard_gamma(counts[stratum])
        found[stratum] = _of_sum(drawn * sizes[stratum], counts[stratum] * sizes[stratum])
    return rows.reweighted(found)


def _counts(rows: ArrayRows) -> tuple[Array, Array]:
    """Return how many rows each row counts as, and the weight of one of them, both (N,)."""
    if rows.weights is None:
        return np.ones(rows.n_rows), np.ones(rows.n_rows)
    weights = rows.weights
    if (weights == np.rint(weights)).all():
        return weights, np.ones(rows.n_rows)
    return (weights > 0.0).astype(np.float64), weights


def _of_sum(drawn: Array, before: Array) -> Array:
    """Return random weights of the sum that the weights had before."""
    total = drawn.sum()
    return drawn * (before.sum() / total) if total > 0.0 else drawn


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
