"""Random rows as means."""

from typing import final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.initialization.base import Initializer, gather, nearest_responsibilities
from mixtura.model import MixtureModel
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


@final
class RandomRows(Initializer):
    """K different rows, drawn with their weights, as means of equally wide components."""

    name = "random"
    default_starts = 10

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        means = random_rows(rows, model.n_components, np.random.default_rng(seed))
        return gather(model, rows, engine, nearest_responsibilities(means, rows, engine))


def random_rows(rows: Rows, n_wanted: int, rng: np.random.Generator) -> Array:
    """Return rows (n_wanted, D) drawn with their weights, of different values while there are any.

    Two components that begin at equal rows would stay equal for ever.
    """
    weights = np.concatenate([block.row_weights for block in rows.blocks()])
    possible = np.flatnonzero(weights > 0)
    share = weights[possible] / weights[possible].sum()
    n_drawn = n_wanted
    while True:
        n_drawn = min(n_drawn, possible.size)
        drawn = rng.choice(possible, size=n_drawn, replace=False, p=share)
        values = take_rows(rows, drawn)
        _, first = np.unique(values, axis=0, return_index=True)
        if first.size >= n_wanted or n_drawn == possible.size:
            return np.resize(values[np.sort(first)[:n_wanted]], (n_wanted, rows.n_features))
        n_drawn *= 4


def take_rows(rows: Rows, numbers: IntegerArray) -> Array:
    """Return the rows of the given numbers, shape (len(numbers), D)."""
    taken = np.empty((numbers.size, rows.n_features))
    for block in rows.blocks():
        inside = (numbers >= block.start) & (numbers < block.start + len(block.values))
        taken[inside] = block.values[numbers[inside] - block.start]
    return taken
