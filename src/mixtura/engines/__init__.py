"""Engines and their registry."""

from collections.abc import Callable

from mixtura.engines.base import Engine
from mixtura.engines.reference import ReferenceEngine


def _compiled(n_threads: int | None = None) -> Engine:
    # Numba takes a third of a second to import: not before a sweep is wanted.
    from mixtura.engines.compiled import CompiledEngine

    return CompiledEngine(n_threads)


def _native(n_threads: int | None = None) -> Engine:
    # The library is loaded when a sweep is wanted, not before.
    from mixtura.engines.native import NativeEngine

    return NativeEngine(n_threads)


ENGINES: dict[str, Callable[..., Engine]] = {
    "compiled": _compiled,
    "native": _native,
    "reference": ReferenceEngine,
}
"""Every registered engine by name; a new one is one file and one entry here."""

__all__ = ["ENGINES", "Engine", "ReferenceEngine"]
