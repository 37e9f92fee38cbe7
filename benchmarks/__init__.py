"""Measurements of mixtura against other packages; run by ``python -m benchmarks``."""
