"""Starts beside a background: components are sought where rows lie close together."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.random import SeedSequence
from scipy.spatial import KDTree
from scipy.special import gammaln

from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.inference.starts.base import Initializer
from mixtura.inference.starts.guides import ModelGuide
from mixtura.messages.assignments import Soft
from mixtura.messages.background import Background
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array, BooleanArray, StructureShape

NEIGHBOURS = 10
"""Of a row, by the distance of the last of which the density about it is judged."""

LOOKED_AT = 1 << 13
"""Rows among which neighbours are sought; of more, about so many, chosen by contents."""

FEWEST = 0.1
"""Share of the rows that must be left, and else all are."""

FIRST_SHARE = 0.05
"""Weight of the background at the start where no row seems to be of it."""


def is_close(rows: ArrayRows, background: Background) -> BooleanArray:
    """Return which complete rows (N,) lie closer together than all would if spread over the box.

    Equal rows count once, so that a weight of two does as two rows.
    """
    distinct, which = np.unique(rows.values, axis=0, return_inverse=True)
    n_rows, n_features = distinct.shape
    number = min(NEIGHBOURS, n_rows - 1)
    everywhere = np.ones(rows.n_rows, dtype=bool)
    if number < 1:
        return everywhere
    unit = (distinct - background.lower) / (background.upper - background.lower)
    weights = np.ones(rows.n_rows) if rows.weights is None else rows.weights
    distance = np.asarray(KDTree(unit).query(unit, k=number + 1)[0])[:, -1]
    ball = 0.5 * n_features * np.log(np.pi) - gammaln(0.5 * n_features + 1.0)
    with np.errstate(divide="ignore"):
        density = np.log(number) - ball - n_features * np.log(distance)
    close = (density > np.log(n_rows))[np.ravel(which)]
    return close if weights[close].sum() >= FEWEST * weights.sum() else everywhere


def close_rows(rows: Rows, engine: Engine, background: Background) -> tuple[ArrayRows, float]:
    """Return the rows that lie close together, of a sample of many, and the share of all others.

    Parameters
    ----------
    rows : Rows
        Complete rows without labels.
    engine : Engine
        What chooses the sample.
    background : Background
        The box, in the rows' units.
    """

    def find() -> tuple[ArrayRows, float]:
        sample = engine.subsample(rows, LOOKED_AT)
        if sample.weights is not None and not (sample.weights > 0.0).all():
            sample = sample.taken(sample.weights > 0.0)
        close = is_close(sample, background)
        some = sample.taken(close)
        return some, 1.0 - some.total_weight / sample.total_weight

    return rows.once(("close rows", engine), find)


def units_of_box(background: Background, structure: StructureShape) -> Array:
    """Return what columns (D,) are multiplied by, so that no search depends on their units.

    The sides of the box are then one; their product where components have one variance for all.
    """
    logs = np.log(background.sides)
    is_common = len(structure) == 2 and structure[1] == 1
    return np.exp(-np.full_like(logs, logs.mean()) if is_common else -logs)


@final
@dataclass(frozen=True, eq=False)
class StartApart(Initializer):
    """Another start, of the rows that lie close together alone, and a sweep of all rows from it.

    The other start sees them in units of the box.

    Parameters
    ----------
    start : Initializer
        The other start.
    """

    start: Initializer
    name = "rows close together"
    numbers_components = True

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        background = model.background
        assert background is not None
        alone = replace(model, background=None)
        if self.start.numbers_components:
            found = self.start.statistics(alone, rows, engine, number, seed)
            share = FIRST_SHARE
        else:
            some, share = close_rows(rows, engine, background)
            units = units_of_box(background, model.structure)
            seen = rows.once(("in units of the box", engine), lambda: some.rescaled(units))
            found = self.start.statistics(alone.rescaled(units), seen, engine, number, seed)
            found = found.rescaled(1.0 / units)
            prior = model.weight_prior
            found = found.permuted(prior.matching_order(found.count))
        share = max(share, FIRST_SHARE)
        first = ModelGuide(alone).parameters(found)
        parameters = replace(first, weights=first.weights * (1.0 - share))
        return engine.sweep(rows, model.potentials(parameters), Soft())
