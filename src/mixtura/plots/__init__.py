"""Pictures of data and fits: functions that take and return matplotlib axes.

matplotlib is imported by the first picture, not by this package.
"""

from collections.abc import Callable
from typing import Any

from mixtura.plots.clusters import clusters
from mixtura.plots.co_clustering import co_clustering
from mixtura.plots.criterion_curve import selection
from mixtura.plots.density import density
from mixtura.plots.objective import objective
from mixtura.plots.posterior import posterior
from mixtura.plots.predictive_check import predictive_check
from mixtura.plots.rank import rank
from mixtura.plots.swarm import swarm
from mixtura.plots.trace import trace
from mixtura.plots.uncertainty import uncertainty

PLOTS: dict[str, Callable[..., Any]] = {
    plot.__name__: plot
    for plot in (
        swarm,
        objective,
        density,
        clusters,
        uncertainty,
        selection,
        trace,
        rank,
        posterior,
        co_clustering,
        predictive_check,
    )
}
"""Every registered plot by name; a new one is one file and one entry here."""

__all__ = [
    "PLOTS",
    "clusters",
    "co_clustering",
    "density",
    "objective",
    "posterior",
    "predictive_check",
    "rank",
    "selection",
    "swarm",
    "trace",
    "uncertainty",
]
