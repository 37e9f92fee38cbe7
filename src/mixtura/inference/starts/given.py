"""Starts that the user gives: means, labels, responsibilities or an earlier fit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.data.frames import default_names, numbers_of
from mixtura.engines import Engine
from mixtura.errors import DataError, InvalidArgumentError
from mixtura.fit import Fit
from mixtura.inference.starts.base import (
    Initializer,
    label_statistics,
    near_statistics,
    share_statistics,
)
from mixtura.messages.assignments import Given, Soft
from mixtura.messages.conversion import as_float64
from mixtura.messages.lazy import LazyModule
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array, IntegerArray

if TYPE_CHECKING:
    from mixtura.data import sources
else:  # what puts names into messages
    sources = LazyModule("mixtura.data.sources")


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
    needs_complete_rows = False

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        family, parameters = self.fit.model.family, self.fit.parameters.rescaled(rows.factor)
        potentials = family.potentials(parameters)
        if potentials.structure == model.structure:
            return engine.sweep(rows, potentials, Soft())
        shares = engine.responsibilities(rows, potentials)
        return share_statistics(model, engine.completed(rows), engine, Given(shares))


def given_start(
    value: Any, n_components: int, rows: Rows, names: tuple[str, ...] | None = None
) -> Initializer:
    """Return the initializer for means (K, D), labels (N,), responsibilities (N, K) or a Fit.

    Parameters
    ----------
    value : array, list, frame, series, Fit or Initializer
        What the user gave. A frame of means is taken by the names of its columns; an initializer
        is taken as it is.
    n_components : int
        Number of components K.
    rows : Rows
        The N rows of D features that it is for.
    names : tuple of str of length D, optional
        Names of the features; None where they have none.

    Raises
    ------
    InvalidArgumentError
        If the value has none of these forms, or is about other features.
    """
    if isinstance(value, Initializer):
        return value
    if isinstance(value, Fit):
        return _from_fit(value, n_components, rows, names)
    wanted = (
        "'search', 'split', 'quantile', 'kmeans', 'random', means of shape "
        f"({n_components}, {rows.n_features}), labels 0 to {n_components - 1} of shape "
        f"({rows.n_rows},), responsibilities of shape ({rows.n_rows}, {n_components}), "
        "or a fitted model"
    )
    try:
        given, columns = numbers_of(value, "init")
        array = rows.of_given(as_float64(given))
    except DataError:
        raise InvalidArgumentError(f"must be {wanted}; got no numbers", argument="init") from None
    if not np.isfinite(array).all():
        raise InvalidArgumentError(
            f"must be {wanted}; got something that is not finite", argument="init"
        )
    if array.shape == (n_components, rows.n_features):
        return GivenMeans(array[:, _order(columns, names)])
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
    raise InvalidArgumentError(
        f"must be {wanted}; got an array of shape {array.shape}", argument="init"
    )


def _order(columns: tuple[str, ...] | None, names: tuple[str, ...] | None) -> slice | list[int]:
    """Return which columns of a frame of means are the features, in their order."""
    has_names = columns is not None and all(isinstance(name, str) for name in columns)
    if columns is None or not has_names or names in (None, default_names(len(columns))):
        return slice(None)
    if sorted(columns) != sorted(names):
        raise InvalidArgumentError(
            f"must have the columns of the rows, {sources.listed(names)}; "
            f"got {sources.listed(columns)}",
            argument="init",
        )
    return [columns.index(name) for name in names]


def _from_fit(
    fit: Fit, n_components: int, rows: Rows, names: tuple[str, ...] | None
) -> Initializer:
    sizes = (fit.model.n_components, fit.model.n_features)
    if sizes != (n_components, rows.n_features):
        raise InvalidArgumentError(
            f"init is a fit of {sizes[0]} components and {sizes[1]} features; needed are "
            f"{n_components} and {rows.n_features}"
        )
    known = fit.feature_names
    if names is not None and known != names and sorted(known) == sorted(names):
        raise InvalidArgumentError(
            f"init is a fit of the columns {sources.listed(known)}, in this order, and the rows "
            f"have {sources.listed(names)}: select the columns in one order"
        )
    return GivenFit(fit)
