"""Engines and their registry."""

from collections.abc import Callable

from mixtura.engines.base import Engine
from mixtura.engines.reference import ReferenceEngine

ENGINES: dict[str, Callable[[], Engine]] = {"reference": ReferenceEngine}
"""Every registered engine by name; a new one is one file and one entry here."""

__all__ = ["ENGINES", "Engine", "ReferenceEngine"]
