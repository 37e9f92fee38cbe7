"""Starts of rows of which some components are known."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.random import SeedSequence
from scipy.optimize import linear_sum_assignment

from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.inference.starts.base import Initializer, label_statistics_of
from mixtura.inference.starts.guides import ModelGuide
from mixtura.inference.starts.split import cluster
from mixtura.messages.assignments import Soft
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array, IntegerArray


@final
@dataclass(frozen=True, eq=False)
class LabelledStart(Initializer):
    """Components with labels begin at their own rows, the others where another start finds them.

    That start groups all rows, as if no label were known. Of its components those that share most
    rows with the labels are replaced by the means and covariances of labelled rows; their weights
    stay, and D + 1 rows of their own widths are added to each.

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
        found = self.start.statistics(model, rows.unlabelled, engine, number, seed)
        if not isinstance(rows, ArrayRows) or self.start.numbers_components:
            return found
        some, component = _labelled_rows(rows, engine)
        shape = (model.structure, model.n_components)
        centre = engine.overall(rows, matrix=False).mean()[0]
        known = label_statistics_of(some, engine, *shape, component, centre)
        found = _matched(model, engine, some, component, found)
        return _replaced(known, found, np.unique(component))


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
