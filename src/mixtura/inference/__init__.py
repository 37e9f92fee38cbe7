"""Inference methods that sweep."""

from mixtura.inference.gibbs import Gibbs
from mixtura.inference.point import MAP, ML
from mixtura.inference.variational import VB

__all__ = ["MAP", "ML", "VB", "Gibbs"]
