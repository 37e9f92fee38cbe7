"""Parameters of a mixture as values of a program's sites, and back."""

import numpy as np
import torch

from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.ppl.components import component_program, tensor


def to_sites(model: MixtureModel, parameters: MixtureParameters) -> dict[str, torch.Tensor]:
    """Return the values of the program's continuous sites at given parameters."""
    components = component_program(model)
    n_components, n_features = parameters.means.shape
    covariances = parameters.covariances
    spread = np.sqrt(covariances) if components.spread_site == "sigma" else covariances
    n_shared = () if components.is_tied else (n_components,)
    event = (n_features,) * components.spread_dim
    mean_shape = (n_components, n_features)[: 1 + components.mean_dim]
    return {
        "p": tensor(parameters.weights),
        "mu": tensor(parameters.means).reshape(mean_shape),
        components.spread_site: tensor(spread).reshape(n_shared + event),
    }


def from_sites(model: MixtureModel, values: dict[str, torch.Tensor]) -> MixtureParameters:
    """Return the parameters that values of the program's continuous sites stand for."""
    site = component_program(model).spread_site
    numbers = {name: values[name].detach().cpu().numpy().astype(np.float64) for name in values}
    spread = numbers[site].reshape(model.structure)
    weights = numbers["p"] / numbers["p"].sum()
    means = numbers["mu"].reshape(model.n_components, model.n_features)
    return MixtureParameters(weights, means, spread**2 if site == "sigma" else spread)
