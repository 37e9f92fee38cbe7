"""Starts that the user gives: means, labels, responsibilities or an earlier fit."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.errors import InvalidArgumentError
from mixtura.fit import Fit
from mixtura.initialization.base import (
    Initializer,
    gather,
    nearest_responsibilities,
    one_hot,
)
from mixtura.model import MixtureModel
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array


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
        means = self.means * rows.factor
        return gather(model, rows, engine, nearest_responsibilities(means, rows, engine))


@final
@dataclass(frozen=True, eq=False)
class GivenResponsibilities(Initializer):
    """Responsibilities of shape (N, K)."""

    responsibilities: Array
    name: str = "given responsibilities"  # type: ignore[misc]
    numbers_components = True

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        return gather(model, rows, engine, self.responsibilities)


def given_start(value: Any, n_components: int, rows: Rows, engine: Engine) -> Initializer:
    """Return the initializer for means (K, D), labels (N,), responsibilities (N, K) or a Fit.

    Raises
    ------
    InvalidArgumentError
        If the value has none of these forms.
    """
    if isinstance(value, Fit):
        return _from_fit(value, n_components, rows, engine)
    wanted = (
        f"'quantile', 'kmeans', 'random', means of shape ({n_components}, {rows.n_features}), "
        f"labels 0 to {n_components - 1} of shape ({rows.n_rows},), responsibilities of shape "
        f"({rows.n_rows}, {n_components}), or a fitted model"
    )
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
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
        return GivenResponsibilities(one_hot(labels, n_components), "given labels")
    if array.shape == (rows.n_rows, n_components):
        if (array < 0).any() or not np.allclose(array.sum(axis=1), 1.0, atol=1e-6):
            raise InvalidArgumentError(
                "responsibilities given as init must be non-negative and sum to one in each row"
            )
        return GivenResponsibilities(array)
    raise InvalidArgumentError(f"init must be {wanted}; got an array of shape {array.shape}")


def _from_fit(fit: Fit, n_components: int, rows: Rows, engine: Engine) -> Initializer:
    sizes = (fit.model.n_components, fit.model.n_features)
    if sizes != (n_components, rows.n_features):
        raise InvalidArgumentError(
            f"init is a fit of {sizes[0]} components and {sizes[1]} features; needed are "
            f"{n_components} and {rows.n_features}"
        )
    return GivenResponsibilities(fit.posterior.responsibilities(rows, engine), "earlier fit")
