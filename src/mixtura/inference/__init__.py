"""Inference methods that sweep."""

from mixtura.inference.collapsed import CollapsedGibbs
from mixtura.inference.gibbs import Gibbs
from mixtura.inference.point import MAP, ML
from mixtura.inference.variational import VB

__all__ = ["MAP", "ML", "VB", "CollapsedGibbs", "Gibbs"]
