"""Where short runs of EM lead while starts are sought."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.optimize import linear_sum_assignment

from mixtura.engines.search import SearchEnd
from mixtura.inference.starts.guides import Guide
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


@final
@dataclass(frozen=True, eq=False)
class End:
    """Where a short run led.

    Parameters
    ----------
    statistics : SufficientStatistics
        Moments of the sample's rows, in total weight those of all rows.
    parameters : MixtureParameters
        Where the last step went to.
    merit : float
        Its log likelihood and what the guide adds, in nats.
    guide : Guide
        The guide there.
    """

    statistics: SufficientStatistics
    parameters: MixtureParameters
    merit: float
    guide: Guide


@final
@dataclass(frozen=True)
class Rival:
    """An end that is almost as good as the best, and another answer.

    Parameters
    ----------
    behind : float
        By how much its log likelihood is lower, in nats.
    share : float
        Share of the rows that it groups otherwise.
    """

    behind: float
    share: float

    @property
    def told(self) -> str:
        """One plain line."""
        return (
            f"Start: another grouping, which differs in {100.0 * self.share:.0f} % of the rows, "
            f"was only {max(self.behind, 0.0):.1f} nats less likely when the search ended."
        )


def end_of(guide: Guide, end: SearchEnd) -> End:
    """Return an end that a search in one run has found, led by a guide."""
    reached = guide.reached(end)
    parameters = MixtureParameters(end.weights, end.means, end.covariances)
    return End(end.statistics, parameters, end.merit, reached)


def share_apart(labels: IntegerArray, others: IntegerArray, weights: Array | None) -> float:
    """Return the share of the rows' weight that two partitions group otherwise.

    Parameters
    ----------
    labels, others : integer arrays of shape (N,)
        The groups of the rows, however they are numbered.
    weights : array of shape (N,), optional
        Of the rows.
    """
    counts = np.zeros((int(labels.max()) + 1, int(others.max()) + 1))
    np.add.at(counts, (labels, others), 1.0 if weights is None else weights)
    alike = counts[linear_sum_assignment(-counts)].sum()
    return float(1.0 - alike / max(counts.sum(), np.finfo(float).tiny))
