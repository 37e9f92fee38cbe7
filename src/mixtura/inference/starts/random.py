"""Random rows as means."""

from typing import final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference.starts.base import Initializer, near_statistics
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array

MOST_DRAWN = 1 << 20
"""Rows after which no further different ones are sought."""


@final
class RandomRows(Initializer):
    """K different rows, drawn with their weights, as means of equally wide components."""

    name = "random"
    default_starts = 10

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        means = random_rows(rows, model.n_components, np.random.default_rng(seed))
        return near_statistics(model, rows, engine, means)


def random_rows(rows: Rows, n_wanted: int, rng: np.random.Generator) -> Array:
    """Return rows (n_wanted, D) drawn with their weights, of different values while there are any.

    Two components that begin at equal rows would stay equal for ever.
    """
    n_drawn = n_wanted
    while True:
        values = take_rows(rows, rng.random(n_drawn) * rows.total_weight)
        _, first = np.unique(values, axis=0, return_index=True)
        if first.size >= n_wanted or n_drawn > min(16 * rows.n_rows, MOST_DRAWN):
            return np.resize(values[np.sort(first)[:n_wanted]], (n_wanted, rows.n_features))
        n_drawn *= 4


def take_rows(rows: Rows, positions: Array) -> Array:
    """Return the rows at positions along the cumulated weight, shape (len(positions), D)."""
    taken = np.zeros((positions.size, rows.n_features))
    passed = 0.0
    for block in rows.blocks():
        reached = passed + np.cumsum(block.row_weights)
        inside = (positions >= passed) & (positions < reached[-1])
        taken[inside] = block.values[np.searchsorted(reached, positions[inside], side="right")]
        passed = float(reached[-1])
    # Rounding of the total may leave a position beyond the last row.
    if (positions >= passed).any():
        taken[positions >= passed] = taken[positions < passed][:1]
    return taken
