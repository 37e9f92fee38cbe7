"""Starts of rows of which some components are known."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.random import SeedSequence
from scipy.optimize import linear_sum_assignment

from mixtura.data import ArrayRows, PartedRows, Rows, Tile
from mixtura.data.parted_rows import joined
from mixtura.engines import Engine
from mixtura.engines.content_keys import canonical, row_hashes
from mixtura.inference.starts.base import Initializer, label_statistics_of
from mixtura.inference.starts.guides import ModelGuide
from mixtura.inference.starts.split import cluster
from mixtura.messages.assignments import Soft
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array, IntegerArray

MOST_LABELLED = 1 << 12
"""Rows of a label that a start takes of each part, where rows lie in parts."""


@final
@dataclass(frozen=True, eq=False)
class LabelledStart(Initializer):
    """Components with labels begin at their own rows, the others where another start finds them.

    That start groups all rows, as if no label were known. Of its components those that share most
    rows with the labels are replaced by the means and covariances of labelled rows; their weights
    stay, and D + 1 rows of their own widths are added to each. Of rows in groups the other start
    sees the groups' means alone, and rows follow their group.

    Parameters
    ----------
    start : Initializer
        The other start.
    """

    start: Initializer
    name = "labelled rows"
    numbers_components = True

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        if isinstance(rows, ArrayRows) and rows.is_grouped and not self.start.numbers_components:
            of_groups = group_means(rows)
            found = self.start.statistics(model, of_groups[0], engine, number, seed)
            found = _of_rows(model, engine, rows.unlabelled, of_groups, found)
        else:
            found = self.start.statistics(model, rows.unlabelled, engine, number, seed)
        if self.start.numbers_components or not rows.held.size:
            return found
        whole = rows
        is_parted = isinstance(rows, PartedRows)
        if is_parted or (isinstance(rows, ArrayRows) and not rows.is_one_tile):
            rows = _some_of_each_label(rows)
        assert isinstance(rows, ArrayRows)
        some, component = _labelled_rows(rows, engine)
        shape = (model.structure, model.n_components)
        centre = engine.overall(whole, matrix=False).mean()[0]
        known = label_statistics_of(some, engine, *shape, component, centre)
        found = _matched(model, engine, some, component, found)
        return _replaced(known, found, np.unique(component))


def group_means(rows: ArrayRows) -> tuple[ArrayRows, IntegerArray]:
    """Return the means of groups, and rows on their own, with weights, and the place of each row.

    Parameters
    ----------
    rows : ArrayRows
        Complete rows in groups.
    """
    labels, weights = rows.labels, rows.weights
    assert labels is not None
    assert labels.groups is not None
    alone = labels.groups < 0
    numbers = np.where(alone, rows.n_rows + np.arange(rows.n_rows), labels.groups)
    _, where = np.unique(numbers, return_inverse=True)
    where = np.ravel(where)
    mass: Array = np.bincount(where, weights).astype(np.float64)
    total = np.zeros((mass.size, rows.n_features))
    given = np.ones(rows.n_rows) if weights is None else weights
    np.add.at(total, where, rows.values * given[:, None])
    means = total / np.maximum(mass, np.finfo(float).tiny)[:, None]
    return ArrayRows(means, mass.astype(np.float64), rows.factor), where


def _of_rows(
    model: MixtureModel,
    engine: Engine,
    rows: Rows,
    of_groups: tuple[ArrayRows, IntegerArray],
    found: SufficientStatistics,
) -> SufficientStatistics:
    """Return the statistics of rows that follow their groups, whose means a start has found."""
    means, where = of_groups
    labels = engine.labels(means, model.family.potentials(ModelGuide(model).parameters(found)))
    if np.unique(labels).size < model.n_components:
        return found
    centre = engine.overall(rows, matrix=False).mean()[0]
    shape = (model.structure, model.n_components)
    known = label_statistics_of(rows, engine, *shape, labels[where], centre)
    return replace(known, background=found.background)


def _some_of_each_label(rows: ArrayRows | PartedRows) -> ArrayRows:
    """Return rows with a label that lie in parts: of each label and part those of least hashes."""
    return joined(list(rows.each(_some_of_tile)))


def _some_of_tile(tile: Tile) -> ArrayRows:
    labels = tile.rows.labels
    known = np.zeros(tile.rows.n_rows, dtype=bool) if labels is None else labels.is_known
    chosen = np.flatnonzero(known)
    if labels is not None:
        hashes, codes = row_hashes(canonical(tile.rows.values[chosen])), labels.codes[chosen]
        order = np.lexsort((hashes, codes))
        first = np.searchsorted(codes[order], codes[order])
        chosen = np.sort(chosen[order[np.arange(order.size) - first < MOST_LABELLED]])
    return tile.rows.taken(chosen)


def _labelled_rows(rows: ArrayRows, engine: Engine) -> tuple[ArrayRows, IntegerArray]:
    """Return the rows with a label, and a component for each."""
    labels, weights = rows.labels, rows.weights
    assert labels is not None
    known = labels.is_known if weights is None else labels.is_known & (weights > 0.0)
    some, codes = rows.unlabelled.taken(known), labels.codes[known]
    component = np.empty(some.n_rows, dtype=np.intp)
    for code in np.unique(codes).tolist():
        own, inside = labels.classes.components(code), codes == code
        clusters: IntegerArray | int = 0
        if own.size > 1:
            clusters = cluster(some.taken(inside), own.size, engine, None)
        component[inside] = own[clusters]
    return some, component


def _matched(
    model: MixtureModel,
    engine: Engine,
    some: ArrayRows,
    component: IntegerArray,
    found: SufficientStatistics,
) -> SufficientStatistics:
    """Return a start's statistics numbered so that labelled rows fall into their components."""
    held = np.unique(component)
    guide = ModelGuide(model)
    potentials = model.family.potentials(guide.parameters(found))
    shared = np.empty((held.size, model.n_components))
    for i, k in enumerate(held.tolist()):
        own = engine.sweep(some.taken(component == k), potentials, Soft()).count
        shared[i] = own / max(own.sum(), np.finfo(float).tiny)
    _, chosen = linear_sum_assignment(-shared)
    order = np.full(model.n_components, -1, dtype=np.intp)
    order[held] = chosen
    order[order < 0] = np.setdiff1d(np.arange(model.n_components), chosen)
    return found.permuted(order)


def _replaced(
    known: SufficientStatistics, found: SufficientStatistics, held: IntegerArray
) -> SufficientStatistics:
    """Return statistics whose labelled components are those of their rows, of the found weights."""
    at = found.about(found.mean())
    extra = float(1 + at.first.shape[1])
    is_held = np.zeros(at.count.size, dtype=bool)
    is_held[held] = True
    pivot = np.where(is_held[:, None], known.mean(), at.pivot)
    known = known.about(pivot)
    tiny = np.finfo(float).tiny
    if len(at.second) < at.count.size:  # what is shared: known rows, and as many of the rest
        total, of_known = at.total, known.total
        rest = extra * at.count.size
        second = (known.second + at.second * (rest / max(total, tiny))) / (of_known + rest)
        return replace(at, first=np.zeros_like(pivot), second=second * total, pivot=pivot)
    width = at.second / _by_component(np.maximum(at.count, tiny), at.second)
    own = (known.second + extra * width) / _by_component(known.count + extra, at.second)
    own = own * _by_component(at.count, at.second)
    second = np.where(_by_component(is_held, at.second), own, at.second)
    return replace(at, first=np.zeros_like(pivot), second=second, pivot=pivot)


def _by_component(values: Array, second: Array) -> Array:
    """Return values (K,) with as many axes as second moments (K, ...)."""
    return values.reshape(-1, *(1,) * (second.ndim - 1))
