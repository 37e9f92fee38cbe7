"""Steps of EM in one run."""

from dataclasses import dataclass
from typing import final

from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array


@final
@dataclass(frozen=True, eq=False)
class Ascent:
    """Where steps of EM led.

    Parameters
    ----------
    statistics : SufficientStatistics
        What the last sweep found.
    weights, means, covariances : array of shape (K,), (K, D) and the structure's
        Under which it swept.
    scale : array, optional
        The scale of the default prior, where it was found on the way.
    settled : bool
        Whether the last step gained nothing any more.
    n_steps : int
        How many steps were taken; fewer than were asked for where one needs more than numbers:
        a component without rows, a floor that is met, a singular matrix.
    """

    statistics: SufficientStatistics
    weights: Array
    means: Array
    covariances: Array
    scale: Array | None
    settled: bool
    n_steps: int
