"""The model as a Pyro program."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro import poutine

from mixtura.errors import InvalidArgumentError
from mixtura.model import MixtureModel
from mixtura.ppl.component_programs import ComponentProgram, component_program
from mixtura.ppl.weights import weight_distribution
from mixtura.priors import FlatComponents, FlatWeights


def build_program(model: MixtureModel) -> Callable[..., Any]:
    """Return the program that :func:`mixtura.ppl.to_pyro` describes."""
    weights_of, components = parts_of(model)

    def program(data: Any = None, n_rows: int | None = None) -> torch.Tensor:
        rows = None if data is None else as_rows(data, model.n_features)
        size = _size(rows, n_rows)
        p = pyro.sample("p", weights_of)
        means, factors = components.sample()
        with pyro.plate("data", size, dim=-1):
            z = pyro.sample("z", dist.Categorical(p), infer={"enumerate": "parallel"})
            return pyro.sample("x", components.emission(means, factors, z), obs=rows)

    return program


def build_weighted_program(model: MixtureModel) -> Callable[..., Any]:
    """Return ``program(rows, weights)``, in which each row counts as often as its weight says.

    The log density of the rows is the sum of weight times log of the mixture density. Pyro's
    enumeration takes one scale for all rows, so the components are summed out here by the
    distribution of the rows itself; there is no site ``z``.
    """
    weights_of, components = parts_of(model)

    def program(rows: torch.Tensor, weights: torch.Tensor) -> None:
        p = pyro.sample("p", weights_of)
        means, factors = components.sample()
        mixture = dist.MixtureSameFamily(dist.Categorical(p), components.rows(means, factors))
        with pyro.plate("data", rows.shape[0], dim=-1), poutine.scale(scale=weights):
            pyro.sample("x", mixture, obs=rows)

    return program


def as_rows(data: Any, n_features: int) -> torch.Tensor:
    """Return data as float64 rows: shape (N,) with one feature, otherwise (N, D)."""
    if isinstance(data, torch.Tensor):
        rows = data.to(torch.float64)
    else:
        rows = torch.as_tensor(np.asarray(data, dtype=np.float64))
    if n_features == 1 and rows.dim() == 2 and rows.shape[1] == 1:
        rows = rows[:, 0]
    expected = (rows.shape[0], n_features)[: 1 if n_features == 1 else 2] if rows.dim() else ()
    if rows.dim() == 0 or tuple(rows.shape) != expected:
        wanted = "(N,) or (N, 1)" if n_features == 1 else f"(N, {n_features})"
        raise InvalidArgumentError(
            f"must have shape {wanted}; got {tuple(rows.shape)}", argument="data"
        )
    return rows


def _size(rows: torch.Tensor | None, n_rows: int | None) -> int:
    if rows is None and n_rows is None:
        raise InvalidArgumentError("give the program data, or n_rows to draw")
    if rows is None:
        return n_rows
    if n_rows is not None and n_rows != rows.shape[0]:
        raise InvalidArgumentError(f"n_rows is {n_rows}, but the data have {rows.shape[0]} rows")
    return rows.shape[0]


def parts_of(model: MixtureModel) -> tuple[Any, ComponentProgram[Any]]:
    """Return the distribution of the weights, and the statements of the components."""
    if isinstance(model.weight_prior, FlatWeights) or isinstance(
        model.component_prior, FlatComponents
    ):
        raise InvalidArgumentError(
            "flat priors (maximum likelihood) are improper and have no Pyro program; "
            "give the model proper priors"
        )
    return weight_distribution(model), component_program(model)
