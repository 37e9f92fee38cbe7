"""Inference methods that sweep."""

from mixtura.inference.point import MAP, ML

__all__ = ["MAP", "ML"]
