"""The native engine: C++ that is compiled when the package is built."""

from mixtura.engines.native.engine import NativeEngine

__all__ = ["NativeEngine"]
