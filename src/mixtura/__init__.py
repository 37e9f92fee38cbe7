"""Bayesian Gaussian mixture modelling: name the model once, fit it by any inference method.

The public names are imported when they are first used, so that importing the package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixtura import datasets, errors, inference, plots, ppl, priors
    from mixtura.data.table_scans import scan
    from mixtura.estimator import GaussianMixtureModel, load
    from mixtura.estimator.classifier import MixtureClassifier
    from mixtura.estimator.imputer import MixtureImputer
    from mixtura.estimator.likelihood_ratio import LikelihoodRatioTests, bootstrap_lrt
    from mixtura.estimator.selection import Selection, select
    from mixtura.inference import MAP, ML, VB, CollapsedGibbs, Gibbs
    from mixtura.messages.background import BACKGROUND
    from mixtura.ppl import NUTS, SVI

__version__ = "0.1.0"

__all__ = [
    "BACKGROUND",
    "MAP",
    "ML",
    "NUTS",
    "SVI",
    "VB",
    "CollapsedGibbs",
    "GaussianMixtureModel",
    "Gibbs",
    "LikelihoodRatioTests",
    "MixtureClassifier",
    "MixtureImputer",
    "Selection",
    "__version__",
    "bootstrap_lrt",
    "datasets",
    "errors",
    "inference",
    "load",
    "plots",
    "ppl",
    "priors",
    "scan",
    "select",
]

_MODULE_OF = {
    "BACKGROUND": "mixtura.messages.background",
    "CollapsedGibbs": "mixtura.inference",
    "GaussianMixtureModel": "mixtura.estimator",
    "Gibbs": "mixtura.inference",
    "LikelihoodRatioTests": "mixtura.estimator.likelihood_ratio",
    "MAP": "mixtura.inference",
    "ML": "mixtura.inference",
    "MixtureClassifier": "mixtura.estimator.classifier",
    "MixtureImputer": "mixtura.estimator.imputer",
    "NUTS": "mixtura.ppl",
    "SVI": "mixtura.ppl",
    "Selection": "mixtura.estimator.selection",
    "VB": "mixtura.inference",
    "bootstrap_lrt": "mixtura.estimator.likelihood_ratio",
    "load": "mixtura.estimator",
    "scan": "mixtura.data.table_scans",
    "select": "mixtura.estimator.selection",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _MODULE_OF:
        value = getattr(import_module(_MODULE_OF[name]), name)
    elif name in __all__:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
