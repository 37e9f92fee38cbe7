"""Engines and their registry."""

from functools import cache
from pathlib import Path

from mixtura.engines.base import Engine
from mixtura.engines.reference import ReferenceEngine
from mixtura.messages.lazy import Registry

ENGINES: Registry[type[Engine]] = Registry(
    __name__, {"native": "native.NativeEngine", "reference": "reference.ReferenceEngine"}
)
"""Every registered engine by name; a new one is one file and one entry here."""


@cache
def has_native_library() -> bool:
    """Whether the package was installed with its native library, for which a compiler is needed."""
    package = Path(__file__).parent / "native"
    return any(package.glob("libmixtura.*"))


def best_engine(n_threads: int | None = None) -> Engine:
    """Return the fastest engine that there is.

    Parameters
    ----------
    n_threads : int, optional
        Largest number of threads of a sweep; by default what the process may use.
    """
    if not has_native_library():
        return ReferenceEngine()
    from mixtura.engines.native import NativeEngine  # which loads the library, not before

    return NativeEngine(n_threads)


__all__ = ["ENGINES", "Engine", "ReferenceEngine", "best_engine", "has_native_library"]
