"""Models between them covering every step that a Gibbs sampler takes."""

from mixtura import GaussianMixtureModel
from mixtura.datasets import load_faithful
from mixtura.engines import ReferenceEngine
from mixtura.engines.base import Engine
from mixtura.families import FAMILIES
from mixtura.model import MixtureModel
from mixtura.priors import (
    ComponentPrior,
    Dirichlet,
    DirichletProcess,
    Gamma,
    Independent,
    InverseGamma,
    KnownScale,
    LogNormal,
    MixtureOfFiniteMixtures,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
    PitmanYor,
    WeightPrior,
    Wishart,
)
from statistical.chains import NATIVE

SWEEPS = ReferenceEngine()
"""An engine without whole chains: sweep by sweep, in Python."""

CENTRE = 0.5
"""About which all means are."""

Kernel = tuple[Engine, MixtureModel]


def _kernel(
    engine: Engine, weights: WeightPrior, components: ComponentPrior, family: str, K: int, D: int
) -> Kernel:
    return engine, MixtureModel(K, D, weights, components, FAMILIES[family])


_VARIANCES = NormalInverseGamma(CENTRE, 0.4, 3.0, 1.5)
_MATRICES = NormalInverseWishart(CENTRE, 0.4, 6.0, 2.0)
_ON_SCALES = Independent(Normal(CENTRE, 1.5), scale=InverseGamma(4.0, 3.0))
_ON_VARIANCES = Independent(Normal(CENTRE, 1.5), variance=InverseGamma(3.0, 1.5))
_LOG_NORMAL = Independent(Normal(CENTRE, 1.5), scale=LogNormal(-0.2, 0.4))
_KNOWN = KnownScale(0.7, Normal(CENTRE, 1.5))

WHOLE_KERNELS: dict[str, Kernel] = {
    "whole-variances": _kernel(NATIVE, Dirichlet([1.0, 2.0]), _VARIANCES, "diag", 2, 2),
    "whole-scales": _kernel(NATIVE, Dirichlet([0.8, 1.5]), _ON_SCALES, "diag", 2, 1),
    "whole-on-variances": _kernel(NATIVE, Dirichlet(1.5), _ON_VARIANCES, "diag", 3, 1),
    "whole-numbers": _kernel(NATIVE, MixtureOfFiniteMixtures(0.7, 1.5), _VARIANCES, "diag", 4, 1),
    "whole-full": _kernel(NATIVE, Dirichlet([1.0, 2.0]), _MATRICES, "full", 2, 2),
    "whole-tied": _kernel(NATIVE, Dirichlet(1.5), _MATRICES, "tied", 2, 2),
    "whole-tied-numbers": _kernel(
        NATIVE, MixtureOfFiniteMixtures(0.7, 1.5), _MATRICES, "tied", 3, 3
    ),
    "whole-spherical": _kernel(NATIVE, Dirichlet(1.0), _VARIANCES, "spherical", 2, 2),
    "whole-spherical-scales": _kernel(NATIVE, Dirichlet(1.0), _ON_SCALES, "spherical", 2, 2),
    "whole-tied-diag": _kernel(NATIVE, Dirichlet(1.0), _VARIANCES, "tied_diag", 2, 2),
    "whole-tied-diag-scales": _kernel(NATIVE, Dirichlet(1.0), _ON_SCALES, "tied_diag", 2, 2),
    "whole-tied-spherical": _kernel(NATIVE, Dirichlet(1.0), _ON_VARIANCES, "tied_spherical", 3, 2),
}
"""Chains that run whole in native code."""

SWEPT_KERNELS: dict[str, Kernel] = {
    "reference-full": _kernel(SWEEPS, Dirichlet([1.0, 2.0]), _MATRICES, "full", 2, 2),
    "reference-tied": _kernel(SWEEPS, Dirichlet(1.5), _MATRICES, "tied", 2, 2),
    "reference-spherical": _kernel(SWEEPS, Dirichlet(1.0), _VARIANCES, "spherical", 2, 2),
    "reference-tied-diag": _kernel(SWEEPS, Dirichlet(1.0), _ON_SCALES, "tied_diag", 2, 2),
    "reference-tied-spherical": _kernel(SWEEPS, Dirichlet(1.0), _VARIANCES, "tied_spherical", 2, 2),
    "sweeps-log-normal": _kernel(NATIVE, Dirichlet([1.0, 2.0]), _LOG_NORMAL, "diag", 2, 1),
    "sweeps-process": _kernel(NATIVE, DirichletProcess(1.2), _KNOWN, "diag", 4, 1),
    "sweeps-pitman-yor": _kernel(NATIVE, PitmanYor(0.9, 0.3), _VARIANCES, "diag", 3, 1),
    "sweeps-concentration": _kernel(
        NATIVE, DirichletProcess(Gamma(3.0, 2.0)), _KNOWN, "diag", 4, 1
    ),
    "reference-numbers": _kernel(SWEEPS, MixtureOfFiniteMixtures(1.4), _KNOWN, "diag", 6, 1),
    "reference-variances": _kernel(SWEEPS, Dirichlet([1.0, 2.0]), _VARIANCES, "diag", 2, 2),
    "reference-scales": _kernel(SWEEPS, Dirichlet([0.8, 1.5]), _ON_SCALES, "diag", 2, 1),
}
"""Chains that draw parameters in Python, one sweep of an engine at a time."""

LEARNED_KERNELS: dict[str, Kernel] = {
    "sweeps-learned-variances": _kernel(
        NATIVE,
        Dirichlet([1.0, 2.0]),
        NormalInverseGamma(CENTRE, 0.4, 3.0, Gamma(1.5, 1.0)),
        "diag",
        2,
        2,
    ),
    "sweeps-learned-matrices": _kernel(
        NATIVE,
        Dirichlet([1.0, 2.0]),
        NormalInverseWishart(CENTRE, 0.4, 6.0, Wishart(4.0, 0.5)),
        "full",
        2,
        2,
    ),
    "sweeps-learned-numbers": _kernel(
        NATIVE,
        MixtureOfFiniteMixtures(0.7, 1.5),
        Independent(Normal(CENTRE, 1.5), variance=InverseGamma(3.0, Gamma(1.5, 1.0, 0.3))),
        "diag",
        4,
        1,
    ),
}
"""Chains under learned scales."""


def _default_prior(family: str) -> ComponentPrior:
    """Return the default component prior of two groups in Old Faithful, in its own units."""
    gmm = GaussianMixtureModel(2, covariance_type=family).fit(load_faithful().data)
    return gmm.fit_.model.component_prior


def default_kernels() -> dict[str, Kernel]:
    """Return chains under default priors, which are given here as any other prior is.

    They expect groups so far apart that chains from arbitrary places would not find them: these
    begin where the default start does.
    """
    return {
        f"default-{family}": _kernel(NATIVE, Dirichlet(1.0), _default_prior(family), family, 2, 2)
        for family in ("full", "diag")
    }


KERNELS = WHOLE_KERNELS | SWEPT_KERNELS | LEARNED_KERNELS
