"""Powers of two that bring extreme data into the range where squares are safe."""

import numpy as np

from mixtura.typing import Array

SAFE_MAGNITUDE = 1e100
"""Squares, and sums of a trillion of them, stay far from the limits of float64."""


def safe_factor(magnitude: Array, *, common: bool) -> Array | None:
    """Return a power of two for each feature, or None where the data are safe as they are.

    Parameters
    ----------
    magnitude : array of shape (D,)
        Largest absolute value of each feature.
    common : bool
        Whether all features must share one factor (spherical covariances).
    """
    occupied = magnitude > 0
    if not occupied.any():
        return None
    extreme = (magnitude > SAFE_MAGNITUDE) | (occupied & (magnitude < 1.0 / SAFE_MAGNITUDE))
    if not extreme.any() or (common and 1 / SAFE_MAGNITUDE < magnitude.max() < SAFE_MAGNITUDE):
        return None
    reference = np.full_like(magnitude, magnitude.max()) if common else magnitude
    exponent = np.where(
        reference > 0, -np.round(np.log2(np.where(reference > 0, reference, 1.0))), 0
    )
    return np.exp2(exponent)
