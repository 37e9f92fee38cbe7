"""Where the parameters lie, as far as a posterior knows."""

from dataclasses import dataclass, replace
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
    covariances : array, optional
        Of covariances, both ends in the shape of ``covariances_``; of a bootstrap alone.
    """

    probabilities: tuple[float, float]
    weights: Array
    means: Array
    deviations: Array
    covariances: Array | None = None

    def of_first(self, number: int | None) -> "Intervals":
        """Return the intervals of the first so many components; of all for None."""
        some = slice(number)
        own = (self.weights[:, some], self.means[:, some], self.deviations[:, some])
        return replace(self, weights=own[0], means=own[1], deviations=own[2])
