"""Priors of weights and components, each loaded when it is first named, and their registry."""

from typing import TYPE_CHECKING

from mixtura.messages.lazy import lazy_attributes
from mixtura.priors.base import ComponentPrior, Prior, WeightPrior

if TYPE_CHECKING:
    from mixtura.priors.dirichlet import Dirichlet
    from mixtura.priors.finite_mixtures import MixtureOfFiniteMixtures
    from mixtura.priors.flat import FlatComponents, FlatWeights
    from mixtura.priors.independent import Independent
    from mixtura.priors.known_scale import KnownScale
    from mixtura.priors.normal_inverse_gamma import NormalInverseGamma
    from mixtura.priors.normal_inverse_wishart import NormalInverseWishart
    from mixtura.priors.processes import DirichletProcess, PitmanYor
    from mixtura.priors.registry import PRIORS
    from mixtura.priors.scales import (
        Gamma,
        HalfNormal,
        InverseGamma,
        LogNormal,
        Normal,
        PositivePrior,
    )
    from mixtura.priors.wishart import Wishart

__all__ = [
    "PRIORS",
    "ComponentPrior",
    "Dirichlet",
    "DirichletProcess",
    "FlatComponents",
    "FlatWeights",
    "Gamma",
    "HalfNormal",
    "Independent",
    "InverseGamma",
    "KnownScale",
    "LogNormal",
    "MixtureOfFiniteMixtures",
    "Normal",
    "NormalInverseGamma",
    "NormalInverseWishart",
    "PitmanYor",
    "PositivePrior",
    "Prior",
    "WeightPrior",
    "Wishart",
]

_NAMES_OF = {
    "dirichlet": ("Dirichlet",),
    "finite_mixtures": ("MixtureOfFiniteMixtures",),
    "flat": ("FlatComponents", "FlatWeights"),
    "independent": ("Independent",),
    "known_scale": ("KnownScale",),
    "normal_inverse_gamma": ("NormalInverseGamma",),
    "normal_inverse_wishart": ("NormalInverseWishart",),
    "processes": ("DirichletProcess", "PitmanYor"),
    "registry": ("PRIORS",),
    "scales": ("Gamma", "HalfNormal", "InverseGamma", "LogNormal", "Normal", "PositivePrior"),
    "wishart": ("Wishart",),
}

__getattr__ = lazy_attributes(
    __name__,
    {name: f"{__name__}.{module}" for module, names in _NAMES_OF.items() for name in names},
)
