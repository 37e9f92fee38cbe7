"""Inference methods that sweep, each loaded when it is first named."""

from typing import TYPE_CHECKING

from mixtura.messages.lazy import lazy_attributes

if TYPE_CHECKING:
    from mixtura.inference.mcmc.collapsed import CollapsedGibbs
    from mixtura.inference.mcmc.gibbs import Gibbs
    from mixtura.inference.point_estimates import MAP, ML
    from mixtura.inference.variational_bayes import VB

__all__ = ["MAP", "ML", "VB", "CollapsedGibbs", "Gibbs"]

__getattr__ = lazy_attributes(
    __name__,
    {
        "CollapsedGibbs": "mixtura.inference.mcmc.collapsed",
        "Gibbs": "mixtura.inference.mcmc.gibbs",
        "MAP": "mixtura.inference.point_estimates",
        "ML": "mixtura.inference.point_estimates",
        "VB": "mixtura.inference.variational_bayes",
    },
)
