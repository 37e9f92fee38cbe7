"""Inference methods that sweep, each loaded when it is first named."""

from typing import TYPE_CHECKING

from mixtura.lazy import lazy_attributes

if TYPE_CHECKING:
    from mixtura.inference.collapsed import CollapsedGibbs
    from mixtura.inference.gibbs import Gibbs
    from mixtura.inference.point import MAP, ML
    from mixtura.inference.variational import VB

__all__ = ["MAP", "ML", "VB", "CollapsedGibbs", "Gibbs"]

__getattr__ = lazy_attributes(
    __name__,
    {
        "CollapsedGibbs": "mixtura.inference.collapsed",
        "Gibbs": "mixtura.inference.gibbs",
        "MAP": "mixtura.inference.point",
        "ML": "mixtura.inference.point",
        "VB": "mixtura.inference.variational",
    },
)
