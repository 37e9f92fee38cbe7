"""Sweeps in machine code, made by numba from Python when they are first needed."""

from mixtura.engines.compiled.engine import CompiledEngine

__all__ = ["CompiledEngine"]
