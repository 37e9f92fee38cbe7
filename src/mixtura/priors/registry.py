"""The registry of priors, by which model files find them."""

from mixtura.priors.base import Prior
from mixtura.priors.dirichlet import Dirichlet
from mixtura.priors.finite_mixtures import MixtureOfFiniteMixtures
from mixtura.priors.flat import FlatComponents, FlatWeights
from mixtura.priors.independent import Independent
from mixtura.priors.known_scale import KnownScale
from mixtura.priors.normal_inverse_gamma import NormalInverseGamma
from mixtura.priors.normal_inverse_wishart import NormalInverseWishart
from mixtura.priors.processes import DirichletProcess, PitmanYor
from mixtura.priors.scales import Gamma, HalfNormal, InverseGamma, LogNormal, Normal
from mixtura.priors.wishart import Wishart

PRIORS: dict[str, type[Prior]] = {
    prior.__name__: prior
    for prior in (
        Dirichlet,
        DirichletProcess,
        PitmanYor,
        MixtureOfFiniteMixtures,
        FlatWeights,
        FlatComponents,
        Independent,
        KnownScale,
        NormalInverseGamma,
        NormalInverseWishart,
        Gamma,
        Wishart,
        HalfNormal,
        InverseGamma,
        LogNormal,
        Normal,
    )
}
"""Every registered prior by class name; model files name priors by it."""
