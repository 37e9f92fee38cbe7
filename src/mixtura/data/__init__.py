"""Rows, wherever they lie, in blocks."""

from mixtura.data.base import Block, Rows
from mixtura.data.known_labels import Classes, KnownLabels
from mixtura.data.memory import ArrayRows, Tile
from mixtura.data.observed import Observation, Patterns, Unobserved
from mixtura.data.parted_rows import PartedRows

__all__ = [
    "ArrayRows",
    "Block",
    "Classes",
    "KnownLabels",
    "Observation",
    "PartedRows",
    "Patterns",
    "Rows",
    "Tile",
    "Unobserved",
]
