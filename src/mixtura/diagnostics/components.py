"""Doubts about single components, from sufficient statistics and parameters alone."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.errors import (
    DegenerateComponentWarning,
    EmptyComponentWarning,
    MixturaWarning,
)
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.priors import FlatComponents
from mixtura.typing import Array, IntegerArray


@final
@dataclass(frozen=True)
class Doubt:
    """Something about an answer that its reader should know.

    Parameters
    ----------
    category : type
        The warning by which it is announced.
    message : str
        One plain line.
    """

    category: type[MixturaWarning]
    message: str


def component_doubts(
    model: MixtureModel, parameters: MixtureParameters, count: Array, row_weight: float
) -> tuple[Doubt, ...]:
    """Return doubts about empty and collapsed components.

    Parameters
    ----------
    model : MixtureModel
        The model that was fitted.
    parameters : MixtureParameters
        The estimate.
    count : array of shape (K,)
        Total responsibility of each component.
    row_weight : float
        Average weight of a row.
    """
    doubts = []
    empty = np.flatnonzero(count < 0.5 * row_weight)
    if empty.size:
        doubts.append(
            Doubt(
                EmptyComponentWarning,
                f"{_components(empty)} with less than half a row of the data: fewer components, "
                "another start or a larger weight concentration may describe the data better",
            )
        )
    collapsed = _collapsed(model, parameters)
    if collapsed.size:
        which = "the shared covariance" if model.structure[0] == 1 else _components(collapsed)
        doubts.append(
            Doubt(
                DegenerateComponentWarning,
                f"{which} collapsed onto tied rows or a constant direction, where the likelihood "
                "has no upper bound: use inference='map', whose prior prevents it",
            )
        )
    return tuple(doubts)


def _collapsed(model: MixtureModel, parameters: MixtureParameters) -> IntegerArray:
    prior = model.component_prior
    if not isinstance(prior, FlatComponents):
        return np.empty(0, dtype=np.intp)
    floor = np.broadcast_to(prior.minimum_variance, (model.n_features,))
    covariances = parameters.covariances
    if covariances.ndim == 3:
        unit = np.sqrt(floor)
        smallest = np.linalg.eigvalsh(covariances / unit[:, None] / unit)[:, 0]
    else:
        limit = floor.max() if covariances.shape[1] < model.n_features else floor
        smallest = (covariances / limit).min(axis=1)
    return np.flatnonzero(smallest < 10.0)


def _components(numbers: IntegerArray) -> str:
    names = ", ".join(str(int(k)) for k in numbers)
    return f"component {names}" if numbers.size == 1 else f"components {names}"
