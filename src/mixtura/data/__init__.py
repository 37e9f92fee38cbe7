"""Rows, wherever they lie, in blocks."""

from mixtura.data.base import Block, Rows
from mixtura.data.memory import ArrayRows

__all__ = ["ArrayRows", "Block", "Rows"]
