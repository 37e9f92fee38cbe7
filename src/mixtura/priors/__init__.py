"""Priors of weights and components, each loaded when it is first named, and their registry."""

from typing import TYPE_CHECKING

from mixtura.messages.lazy import Registry, lazy_attributes
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

PRIORS: Registry[type[Prior]] = Registry(
    __name__,
    {
        "Dirichlet": "dirichlet.Dirichlet",
        "DirichletProcess": "processes.DirichletProcess",
        "PitmanYor": "processes.PitmanYor",
        "MixtureOfFiniteMixtures": "finite_mixtures.MixtureOfFiniteMixtures",
        "FlatWeights": "flat.FlatWeights",
        "FlatComponents": "flat.FlatComponents",
        "Independent": "independent.Independent",
        "KnownScale": "known_scale.KnownScale",
        "NormalInverseGamma": "normal_inverse_gamma.NormalInverseGamma",
        "NormalInverseWishart": "normal_inverse_wishart.NormalInverseWishart",
        "Gamma": "scales.Gamma",
        "Wishart": "wishart.Wishart",
        "HalfNormal": "scales.HalfNormal",
        "InverseGamma": "scales.InverseGamma",
        "LogNormal": "scales.LogNormal",
        "Normal": "scales.Normal",
    },
)
"""Every registered prior by class name, by which model files name it."""

__getattr__ = lazy_attributes(__name__, PRIORS.modules | {"PositivePrior": "mixtura.priors.scales"})
