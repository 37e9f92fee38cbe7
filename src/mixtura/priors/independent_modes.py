"""The joint mode of independent means and scales, by alternating their conditional modes."""

from typing import final

import numpy as np

from mixtura.messages.statistics import SufficientStatistics, shared_sum
from mixtura.priors.scales import Normal, PositivePrior
from mixtura.typing import Array

MAX_ALTERNATIONS = 1000
RESOLUTION = 4.0 * np.finfo(float).eps
SMALLEST_DEVIATION, LARGEST_DEVIATION = 1e-150, 1e150
"""Their squares are still numbers that float64 holds in full."""
IGNORING_OVERFLOW = np.errstate(over="ignore")
"""Where means are found given variances: of rows of 1e150 under a prior of 1e-100."""
GRID = 64
"""Variances that are tried between the smallest and the largest mode."""


@final
class Alternation:
    """The M-step's objective and its two conditional maximisers.

    Parameters
    ----------
    prior : Normal
        Prior of the means.
    spread : PositivePrior
        Prior of standard deviations or variances.
    is_on_variance : bool
        Which of the two.
    statistics : SufficientStatistics
        Moments of the assigned rows.
    """

    def __init__(
        self,
        prior: Normal,
        spread: PositivePrior,
        is_on_variance: bool,
        statistics: SufficientStatistics,
    ) -> None:
        self.prior, self.spread, self.is_on_variance = prior, spread, is_on_variance
        self.location, self.scale = np.asarray(prior.location), np.asarray(prior.scale)
        self.structure = statistics.structure
        self.count = statistics.count_by_feature
        self.rows_mean = statistics.mean()
        self.rows_scatter = statistics.scatter(self.rows_mean)
        self.entries = shared_sum(self.count, self.structure)
        # A prior may let the spread of tied rows shrink to nothing, below the rounding of the
        # rows themselves and at last below the smallest number: not further than that.
        size = np.abs(self.rows_mean)
        if self.structure[1] < size.shape[1]:
            size = size.max(axis=1, keepdims=True)
        if self.structure[0] < size.shape[0]:
            size = size.max(axis=0, keepdims=True)
        self.smallest = np.maximum(2.0 * RESOLUTION * size, SMALLEST_DEVIATION) ** 2

    def scatter(self, means: Array) -> Array:
        """Return the rows' scatter about means, in the structure shape."""
        squares = self.count * (means - self.rows_mean) ** 2
        return self.rows_scatter + shared_sum(squares, self.structure)

    def variances_given(self, means: Array) -> Array:
        """Return the variances of highest density given means."""
        scatter = self.scatter(means)
        if self.is_on_variance:
            variances = self.spread.variance_mode(self.entries, scatter)
        else:
            deviations = self.spread.deviation_mode(self.entries, scatter)
            variances = np.minimum(deviations, LARGEST_DEVIATION) ** 2
        return np.minimum(np.maximum(variances, self.smallest), LARGEST_DEVIATION**2)

    def means_given(self, variances: Array) -> Array:
        """Return the means of highest density given variances."""
        ratio = variances / self.scale / self.scale
        share = self.count / (self.count + ratio)
        return self.location + share * (self.rows_mean - self.location)

    @IGNORING_OVERFLOW
    def ascend(self, means: Array) -> tuple[Array, Array]:
        """Return means and variances where the alternation from given means ends."""
        variances = self.variances_given(means)
        for _ in range(MAX_ALTERNATIONS):
            means = self.means_given(variances)
            updated = self.variances_given(means)
            moving = np.abs(updated - variances) > RESOLUTION * variances
            variances = updated
            if not np.count_nonzero(moving):
                break
        return self.means_given(variances), variances

    @IGNORING_OVERFLOW
    def between(self, low: tuple[Array, Array], high: tuple[Array, Array]) -> Array:
        """Return the means of the best variances of a grid from the low to the high ones."""
        best = low
        for share in np.linspace(0.0, 1.0, GRID + 2)[1:-1]:
            variances = low[1] * (high[1] / low[1]) ** share
            best = self.better((self.means_given(variances), variances), best)
        return best[0]

    def better(self, new: tuple[Array, Array], old: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return the means and variances of the higher objective, for every free variance."""
        higher = self.objective(*new) > self.objective(*old)
        return np.where(higher, new[0], old[0]), np.where(higher, new[1], old[1])

    def objective(self, means: Array, variances: Array) -> Array:
        """Return the log density up to a constant, one value for each free variance."""
        values = variances if self.is_on_variance else np.sqrt(variances)
        of_rows = -0.5 * (self.entries * np.log(variances) + self.scatter(means) / variances)
        of_means = shared_sum(self.prior.log_density(means), self.structure)
        return of_rows + self.spread.log_density(values) + of_means
