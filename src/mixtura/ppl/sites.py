"""Parameters of a mixture as values of a program's sites, and back."""

from collections.abc import Mapping

import numpy as np
import torch

from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.ppl.component_programs import component_program
from mixtura.ppl.tensors import tensor
from mixtura.typing import Array


def to_sites(model: MixtureModel, parameters: MixtureParameters) -> dict[str, torch.Tensor]:
    """Return the values of the program's continuous sites at given parameters."""
    components = component_program(model)
    mean_shape = parameters.means.shape[: 1 + components.mean_dim]
    sites = {
        "p": tensor(parameters.weights),
        "mu": tensor(parameters.means).reshape(mean_shape),
    }
    name, spread = components.spread_site, parameters.covariances
    if name is not None:
        spread = np.sqrt(spread) if name == "sigma" else spread
        sites[name] = tensor(spread).reshape(components.spread_shape)
    return sites


def from_sites(model: MixtureModel, values: Mapping[str, torch.Tensor]) -> MixtureParameters:
    """Return the parameters that values of the program's continuous sites stand for."""
    return MixtureParameters(*arrays_of(model, values))


def arrays_of(
    model: MixtureModel, values: Mapping[str, torch.Tensor]
) -> tuple[Array, Array, Array]:
    """Return weights (..., K), means (..., K, D) and covariances (..., *structure) of sites.

    Parameters
    ----------
    model : MixtureModel
        The model.
    values : mapping of str to tensor
        Values of the program's continuous sites, with any axes of draws before their own.
    """
    components = component_program(model)
    numbers = {name: values[name].detach().cpu().numpy().astype(np.float64) for name in values}
    drawn = numbers["p"].shape[:-1]
    means = numbers["mu"].reshape(*drawn, model.n_components, model.n_features)
    weights = numbers["p"] / numbers["p"].sum(axis=-1, keepdims=True)
    name, shape = components.spread_site, (*drawn, *model.structure)
    if name is None:
        return weights, means, np.broadcast_to(components.known_covariances, shape)
    spread = numbers[name].reshape(shape)
    return weights, means, spread**2 if name == "sigma" else spread
