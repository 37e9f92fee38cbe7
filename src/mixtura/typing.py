"""Shape names and the few types that every layer shares.

Throughout the package N is the number of rows, D of features and K of components.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
IntegerArray: TypeAlias = npt.NDArray[np.intp]
BooleanArray: TypeAlias = npt.NDArray[np.bool_]
Seed: TypeAlias = int | np.random.SeedSequence | np.random.Generator | None
PerFeature: TypeAlias = float | Sequence[float] | npt.NDArray[np.float64]
"""One number, or one number for each of the D features."""

StructureShape: TypeAlias = tuple[int, ...]
"""Shape of a covariance structure's array, which carries what is shared.

``(K, D, D)`` full, ``(1, D, D)`` tied, ``(K, D)`` diagonal, ``(K, 1)`` spherical, ``(1, D)`` tied
diagonal, ``(1, 1)`` tied spherical. Precision factors that go out to the rows and second moments
that come back have the same shape, so neither priors nor engines need to know a family's name.
"""
