"""Coordinates in which every mixture looks alike to an optimiser.

Pyro's AutoDelta moves means in the data's units and standard deviations by their logarithm: a
step that suits petals in centimetres is far too small for salaries, and far too large for wave
lengths. Here the start is the origin, a mean moves in widths of its component, and a covariance
by its factor relative to the start. One learning rate then does for any units and offset.
"""

from collections.abc import Callable
from typing import TypeAlias, final

import numpy as np
import torch
from torch.distributions import constraints, transform_to

from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.ppl.sites import to_sites
from mixtura.ppl.tensors import tensor
from mixtura.priors.dirichlet import SMALLEST_WEIGHT

Decoder: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


@final
class Relative(constraints.Constraint):
    """Values of one site as a function of coordinates whose origin is the start.

    To Pyro this is the constraint of a parameter, and to torch the transform that belongs to it.

    Parameters
    ----------
    decode : callable
        Returns the value at given coordinates.
    origin : tensor
        Coordinates of the start: zeros.
    """

    def __init__(self, decode: Decoder, origin: torch.Tensor) -> None:
        self.decode = decode
        self.origin = origin
        super().__init__()

    def __call__(self, coordinates: torch.Tensor) -> torch.Tensor:
        """Return the value at given coordinates."""
        return self.decode(coordinates)

    def inv(self, value: torch.Tensor) -> torch.Tensor:
        """Return the coordinates of the start, the only value that is ever encoded."""
        return self.origin.clone()


@transform_to.register(Relative)
def _relative_transform(constraint: Relative) -> Relative:
    return constraint


def relative_coordinates(model: MixtureModel, parameters: MixtureParameters) -> dict[str, Relative]:
    """Return the coordinates of every continuous site relative to a start."""
    start = to_sites(model, parameters)
    decoders = {
        "p": _by_logit(start["p"]),
        "mu": _by_width(model, parameters, start["mu"]),
    }
    for name in start.keys() - decoders.keys():  # none where covariances are known
        if name == "Sigma":
            factor = torch.linalg.cholesky(start[name])
            decoders[name], decoders["mu"] = _by_factor(factor, start["mu"])
        else:
            power = 2.0 if name == "variance" else 1.0
            decoders[name] = _by_logarithm(start[name], power)
    return {
        name: Relative(decode, torch.zeros_like(start[name])) for name, decode in decoders.items()
    }


def _by_logit(weights: torch.Tensor) -> Decoder:
    # The floor is that of exact MAP: below it a density without bound would be climbed for ever.
    logits = weights.clamp(min=SMALLEST_WEIGHT).log()
    return lambda t: torch.softmax(logits + t, -1).clamp(min=SMALLEST_WEIGHT)


def _by_logarithm(spread: torch.Tensor, power: float) -> Decoder:
    return lambda t: spread * torch.exp(power * t)


def _by_width(model: MixtureModel, parameters: MixtureParameters, means: torch.Tensor) -> Decoder:
    variances = model.family.variances(parameters.covariances, *parameters.means.shape)
    widths = tensor(np.sqrt(variances)).reshape(means.shape)
    return lambda t: means + widths * t


def _by_factor(factor: torch.Tensor, means: torch.Tensor) -> tuple[Decoder, Decoder]:
    """Return the decoders of matrices L M M^T L^T and of means m + L t, where L is the start's."""

    def decode_spread(t: torch.Tensor) -> torch.Tensor:
        inner = t.tril(-1) + torch.diag_embed(t.diagonal(dim1=-2, dim2=-1).exp())
        root = factor @ inner
        return root @ root.mT

    def decode_means(t: torch.Tensor) -> torch.Tensor:
        vectors = t.reshape(t.shape[0], -1, 1)
        return means + (factor @ vectors).reshape(t.shape)

    return decode_spread, decode_means
