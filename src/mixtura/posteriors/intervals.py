"""Where the parameters lie, as far as a posterior knows."""

from dataclasses import dataclass
from typing import final

from mixtura.typing import Array

PROBABILITIES = (0.05, 0.95)


@final
@dataclass(frozen=True, eq=False)
class Intervals:
    """Points below which each parameter lies with two given probabilities.

    Parameters
    ----------
    probabilities : (float, float)
        The probabilities of the lower and of the upper points.
    weights : array of shape (2, K)
        Of the mixture weights.
    means, deviations : arrays of shape (2, K, D)
        Of means and standard deviations, in the data's units.
    """

    probabilities: tuple[float, float]
    weights: Array
    means: Array
    deviations: Array
