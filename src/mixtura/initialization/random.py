"""Random rows as means."""

from typing import final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.initialization.base import Initializer, gather, nearest_responsibilities
from mixtura.model import MixtureModel
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array


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
    """Return rows (n_wanted, D) drawn with their weights, different ones as far as there are."""
    weights = np.concatenate([block.weights for block in rows.blocks()])
    possible = np.flatnonzero(weights > 0)
    share = weights[possible] / weights[possible].sum()
    distinct = min(n_wanted, possible.size)
    chosen = rng.choice(possible, size=distinct, replace=False, p=share)
    chosen = np.resize(chosen, n_wanted)
    picked = np.empty((n_wanted, rows.n_features))
    for block in rows.blocks():
        inside = (chosen >= block.start) & (chosen < block.start + len(block.values))
        picked[inside] = block.values[chosen[inside] - block.start]
    return picked
