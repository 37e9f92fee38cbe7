"""Rows, wherever they lie, in blocks."""

from mixtura.data.base import Block, Rows
from mixtura.data.known_labels import Classes, KnownLabels
from mixtura.data.memory import ArrayRows
from mixtura.data.observed import Observation, Patterns, Unobserved

__all__ = [
    "ArrayRows",
    "Block",
    "Classes",
    "KnownLabels",
    "Observation",
    "Patterns",
    "Rows",
    "Unobserved",
]
