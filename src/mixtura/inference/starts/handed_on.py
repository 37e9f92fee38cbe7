"""Starts from fits of other families or of one component more or less."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.fit import Fit
from mixtura.inference.starts.base import Initializer, share_statistics
from mixtura.inference.starts.relocation import longest_step
from mixtura.messages.assignments import Given, Soft
from mixtura.messages.statistics import SufficientStatistics, outer_moments
from mixtura.model import MixtureModel

TINY = float(np.finfo(np.float64).tiny)


@final
@dataclass(frozen=True, eq=False)
class HandedOn(Initializer):
    """The responsibilities under another fit of the same rows, whose numbers mean nothing.

    Parameters
    ----------
    fit : Fit
        A fit of as many components; or of one more, of the same family, of which two are merged; or
        of one fewer, of which one is split.
    merged : tuple of two int, optional
        The components to merge.
    split : int, optional
        The component to split, across its longest axis.
    """

    fit: Fit
    merged: tuple[int, int] | None = None
    split: int | None = None
    name = "another fit"
    needs_complete_rows = False

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What tells it from other starts."""
        return (self.fit.posterior, self.merged, self.split)

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        family, parameters = self.fit.model.family, self.fit.parameters.rescaled(rows.factor)
        potentials = family.potentials(parameters)
        if self.merged is not None:
            groups = np.arange(self.fit.model.n_components)
            one, other = sorted(self.merged)
            groups[other] = one
            groups[other + 1 :] -= 1
            return engine.sweep(rows, potentials, Soft()).merged(groups.tolist())
        if self.split is not None:
            return halved(engine.sweep(rows, potentials, Soft()), self.split)
        if potentials.structure == model.structure:
            return engine.sweep(rows, potentials, Soft())
        shares = engine.responsibilities(rows, potentials)
        return share_statistics(model, engine.completed(rows), engine, Given(shares))


@final
@dataclass(frozen=True, eq=False)
class Begun(Initializer):
    """Where a short climb has led.

    Parameters
    ----------
    begin : SufficientStatistics
        Those of its last sweep, in the units of the rows.
    """

    begin: SufficientStatistics
    name = "another fit"
    needs_complete_rows = False

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        return self.begin


@final
@dataclass(frozen=True, eq=False)
class SeveralEnds(Initializer):
    """Several of such starts, one after the other.

    Parameters
    ----------
    ends : tuple of HandedOn or Begun
        The starts.
    """

    ends: tuple[HandedOn | Begun, ...]
    name = "other fits"
    needs_complete_rows = False

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        return self.ends[number].statistics(model, rows, engine, number, seed)


def halved(statistics: SufficientStatistics, k: int) -> SufficientStatistics:
    """Return statistics of K components with one in two halves on either side of its longest axis.

    The second half is the last component.
    """
    pivot = statistics.mean()
    about, n_features = statistics.about(pivot), pivot.shape[1]
    shared = about.structure[0] == 1
    weight = about.total if shared else about.count[k]
    own = about.second[0 if shared else k] / max(weight, TINY)
    per_variance = 1 if own.ndim == 2 else n_features // own.size
    step = longest_step(own / per_variance, n_features)
    half = 0.5 * about.count[k]
    count = np.append(about.count, half)
    count[k] = half
    means = np.concatenate([pivot, pivot[k : k + 1] - step])
    means[k] += step
    removed = (np.sqrt(2.0 * half) * step)[None]
    lost = outer_moments(removed, removed, (1, *about.structure[1:]))
    second = about.second - lost if shared else about.second
    if not shared:
        second = np.concatenate([second, 0.5 * (second[k : k + 1] - lost)])
        second[k] = second[-1]
    return replace(about, count=count, first=np.zeros_like(means), second=second, pivot=means)
