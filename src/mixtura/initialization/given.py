"""Starts that the user gives: means, labels, responsibilities or an earlier fit."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.random import SeedSequence

from mixtura.assignments import Given, Soft
from mixtura.conversion import as_float64
from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.errors import InvalidArgumentError, NotNumbersError
from mixtura.fit import Fit
from mixtura.initialization.base import (
    Initializer,
    label_statistics,
    near_statistics,
    share_statistics,
)
from mixtura.model import MixtureModel
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


@final
@dataclass(frozen=True, eq=False)
class GivenMeans(Initializer):
    """Equally wide components around given means (K, D), in the data's units."""

    means: Array
    name = "given means"
    numbers_components = True

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        return near_statistics(model, rows, engine, self.means * rows.factor)


@final
@dataclass(frozen=True, eq=False)
class GivenResponsibilities(Initializer):
    """Responsibilities of shape (N, K)."""

    responsibilities: Array
    name = "given responsibilities"
    numbers_components = True

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        return share_statistics(model, rows, engine, Given(self.responsibilities))


@final
@dataclass(frozen=True, eq=False)
class GivenLabels(Initializer):
    """Components of shape (N,)."""

    labels: IntegerArray
    name = "given labels"
    numbers_components = True

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        return label_statistics(model, rows, engine, self.labels)


@final
@dataclass(frozen=True, eq=False)
class GivenFit(Initializer):
    """The responsibilities under an earlier fit of the same rows or others."""

    fit: Fit
    name = "earlier fit"
    numbers_components = True

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        family, parameters = self.fit.model.family, self.fit.parameters.rescaled(rows.factor)
        potentials = family.potentials(parameters)
        if potentials.structure == model.structure:
            return engine.sweep(rows, potentials, Soft())
        shares = engine.responsibilities(rows, potentials)
        return share_statistics(model, rows, engine, Given(shares))


def given_start(value: Any, n_components: int, rows: Rows) -> Initializer:
    """Return the initializer for means (K, D), labels (N,), responsibilities (N, K) or a Fit.

    Raises
    ------
    InvalidArgumentError
        If the value has none of these forms.
    """
    if isinstance(value, Fit):
        return _from_fit(value, n_components, rows)
    wanted = (
        "'search', 'split', 'quantile', 'kmeans', 'random', means of shape "
        f"({n_components}, {rows.n_features}), labels 0 to {n_components - 1} of shape "
        f"({rows.n_rows},), responsibilities of shape ({rows.n_rows}, {n_components}), "
        "or a fitted model"
    )
    try:
        array = as_float64(value)
    except NotNumbersError:
        raise InvalidArgumentError(f"init must be {wanted}; got no numbers") from None
    if not np.isfinite(array).all():
        raise InvalidArgumentError(f"init must be {wanted}; got something that is not finite")
    if array.shape == (n_components, rows.n_features):
        return GivenMeans(array)
    if array.shape == (rows.n_rows,):
        labels = array.astype(np.intp)
        if (labels != array).any() or labels.min() < 0 or labels.max() >= n_components:
            raise InvalidArgumentError(
                f"labels given as init must be whole numbers from 0 to {n_components - 1}"
            )
        return GivenLabels(labels)
    if array.shape == (rows.n_rows, n_components):
        if (array < 0).any() or not np.allclose(array.sum(axis=1), 1.0, atol=1e-6):
            raise InvalidArgumentError(
                "responsibilities given as init must be non-negative and sum to one in each row"
            )
        return GivenResponsibilities(array)
    raise InvalidArgumentError(f"init must be {wanted}; got an array of shape {array.shape}")


def _from_fit(fit: Fit, n_components: int, rows: Rows) -> Initializer:
    sizes = (fit.model.n_components, fit.model.n_features)
    if sizes != (n_components, rows.n_features):
        raise InvalidArgumentError(
            f"init is a fit of {sizes[0]} components and {sizes[1]} features; needed are "
            f"{n_components} and {rows.n_features}"
        )
    return GivenFit(fit)
