"""Equal slices along the direction in which the rows vary most."""

from typing import final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference.starts.base import Initializer, label_statistics
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array, IntegerArray


@final
class Quantile(Initializer):
    """Slices of equal weight along the first principal component of the standardised columns.

    A function of the weighted distribution of the rows alone: no randomness, equal rows in the
    same slice, and a row of weight two does as two rows. Further starts slice along the next
    principal components, and beyond the D of them along random directions.
    """

    name = "quantile"

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        overall = engine.overall(rows, matrix=True)
        direction = slicing_direction(overall, number, seed)
        projected = engine.project(rows, overall.mean()[0], direction)
        weights = np.concatenate([block.row_weights for block in rows.blocks()])
        labels = weighted_slices(projected, weights, model.n_components)
        return label_statistics(model, rows, engine, labels)


def slicing_direction(overall: SufficientStatistics, number: int, seed: SeedSequence) -> Array:
    """Return the direction (D,) of start ``number``, applied to rows in the data's units."""
    moments = overall.second[0] / max(overall.total, np.finfo(float).tiny)
    deviations = np.sqrt(np.diag(moments))
    inverse = np.where(deviations > 0, 1.0 / np.where(deviations > 0, deviations, 1.0), 0.0)
    _, vectors = np.linalg.eigh(moments * inverse[:, None] * inverse)
    if number < len(inverse):
        direction = vectors[:, -1 - number]
        # The first of the largest entries is positive. Of two features both are equally large
        # but for rounding, which must not choose: hence the tolerance.
        size = np.abs(direction)
        direction = direction * np.sign(direction[np.argmax(size > (1.0 - 1e-6) * size.max())])
    else:
        direction = np.random.default_rng(seed).standard_normal(len(inverse))
    return direction * inverse


def weighted_slices(values: Array, weights: Array, n_slices: int) -> IntegerArray:
    """Return for each value the slice 0..K-1 that the middle of its weight falls into."""
    unique, where = np.unique(values, return_inverse=True)
    mass = np.bincount(where, weights=weights, minlength=unique.size)
    middle = np.cumsum(mass) - 0.5 * mass
    total = mass.sum()
    slices = np.floor(n_slices * middle / (total if total > 0 else 1.0)).astype(np.intp)
    return np.clip(slices, 0, n_slices - 1)[where]
