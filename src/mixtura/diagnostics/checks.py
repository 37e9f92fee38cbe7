"""Whether data that the posterior makes look like the data it was made from [Gelman1996]_."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import numpy as np
from scipy import stats

from mixtura.errors import InvalidArgumentError
from mixtura.typing import Array

STATISTICS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "mean": lambda rows: np.nanmean(rows, axis=-2),
        "deviation": lambda rows: np.nanstd(rows, axis=-2),
        "skewness": lambda rows: stats.skew(rows, axis=-2, nan_policy="omit"),
        "kurtosis": lambda rows: stats.kurtosis(rows, axis=-2, nan_policy="omit"),
        "smallest": lambda rows: np.nanmin(rows, axis=-2),
        "median": lambda rows: np.nanmedian(rows, axis=-2),
        "largest": lambda rows: np.nanmax(rows, axis=-2),
    }
)
"""What is looked at by default, of rows (..., N, D), for each feature."""


@final
@dataclass(frozen=True, eq=False)
class PredictiveCheck:
    """A statistic of the data beside those of data drawn from the posterior predictive.

    Parameters
    ----------
    observed : array of shape (D,)
        The statistic of the data, by feature.
    replicated : array of shape (R, D)
        The statistic of each replicate.
    """

    observed: Array
    replicated: Array

    @property
    def p_values(self) -> Array:
        """Share of replicates above the data, half of the equal ones included, shape (D,).

        Near 0 or 1 the model does not make data like these in this respect; the middle is no proof,
        as the data were used to fit.
        """
        above = self.replicated > self.observed
        equal = self.replicated == self.observed
        return (above + 0.5 * equal).mean(axis=0)


def predictive_checks(
    rows: Array,
    replicates: Array,
    statistics: Mapping[str, Callable[[Array], Array]] = STATISTICS,
) -> dict[str, PredictiveCheck]:
    """Return a check for each statistic.

    Parameters
    ----------
    rows : array of shape (N, D)
        The data.
    replicates : array of shape (R, N, D)
        Data of the same size, each drawn under one draw of the parameters.
    statistics : mapping, optional
        Functions of rows (..., N, D) that return (..., D), by name.
    """
    if replicates.ndim != 3 or replicates.shape[1:] != rows.shape:
        raise InvalidArgumentError(
            f"must have shape (R, {rows.shape[0]}, {rows.shape[1]}); got {replicates.shape}",
            argument="replicates",
        )
    return {
        name: PredictiveCheck(statistic(rows), statistic(replicates))
        for name, statistic in statistics.items()
    }
