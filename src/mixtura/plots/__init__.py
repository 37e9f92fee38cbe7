"""Pictures of data and fits: functions that take and return matplotlib axes.

matplotlib is imported by the first picture, not by this package.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mixtura.messages.lazy import Registry
from mixtura.plots.declared import declared

if TYPE_CHECKING:
    from mixtura.plots.clusters import clusters
    from mixtura.plots.co_clustering import co_clustering
    from mixtura.plots.criterion_curve import selection
    from mixtura.plots.density import density
    from mixtura.plots.merging import merging
    from mixtura.plots.missing_cells import missing
    from mixtura.plots.objective import objective
    from mixtura.plots.posterior import posterior
    from mixtura.plots.predictive_check import predictive_check
    from mixtura.plots.profile import profile
    from mixtura.plots.projected import projection
    from mixtura.plots.rank import rank
    from mixtura.plots.swarm import swarm
    from mixtura.plots.trace import trace
    from mixtura.plots.uncertainty import uncertainty

__all__ = [
    "PLOTS",
    "clusters",
    "co_clustering",
    "density",
    "merging",
    "missing",
    "objective",
    "posterior",
    "predictive_check",
    "profile",
    "projection",
    "rank",
    "selection",
    "swarm",
    "trace",
    "uncertainty",
]

PLOTS: Registry[Callable[..., Any]] = Registry(
    __name__,
    {
        "swarm": "swarm.swarm",
        "objective": "objective.objective",
        "density": "density.density",
        "clusters": "clusters.clusters",
        "uncertainty": "uncertainty.uncertainty",
        "missing": "missing_cells.missing",
        "selection": "criterion_curve.selection",
        "trace": "trace.trace",
        "rank": "rank.rank",
        "posterior": "posterior.posterior",
        "co_clustering": "co_clustering.co_clustering",
        "predictive_check": "predictive_check.predictive_check",
        "profile": "profile.profile",
        "merging": "merging.merging",
        "projection": "projected.projection",
    },
    declared,
)
"""Every registered plot by name; a new one is one file and one entry here."""

# At once: a module that is loaded later would take the name of its function.
globals().update(PLOTS)
