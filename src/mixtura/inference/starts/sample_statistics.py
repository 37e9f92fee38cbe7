"""Clusters found in a sample, and the sweeps that bring them to all rows."""

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.inference.starts.base import label_statistics
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import IntegerArray

SAMPLE = 1 << 13
SAMPLE_OF_COMPONENT = 256
SAMPLE_SHARE = 100
"""Clusters are found in so many rows, so many for each component, or one row in so many,
whichever is most; in all rows where there are no more."""

SHARE_NUMBERS = 1 << 23
"""Numbers that the last of these may have, 64 MB: a start is sought on one machine."""

EM_STEPS = 10
"""On a sample, before all rows are swept."""


def sample_of(model: MixtureModel, rows: Rows, engine: Engine) -> ArrayRows:
    """Return the rows in which clusters are sought: all but of many."""
    return engine.ordered_subsample(rows, _most(model, rows))


def _most(model: MixtureModel, rows: Rows) -> int:
    by_component = SAMPLE_OF_COMPONENT * model.n_components
    share = min(rows.n_rows // SAMPLE_SHARE, SHARE_NUMBERS // rows.n_features)
    return max(SAMPLE, by_component, share)


def swept_statistics(
    model: MixtureModel, rows: Rows, sample: ArrayRows, engine: Engine, labels: IntegerArray
) -> SufficientStatistics:
    """Return the statistics of all rows, given the components of a sample's rows.

    Where the sample is not all there is: after EM on the sample, by one sweep.
    """
    found = label_statistics(model, sample, engine, labels)
    if rows.n_rows <= _most(model, rows):
        return found
    scale = rows.total_weight / sample.total_weight
    for _ in range(EM_STEPS):
        found = engine.sweep(sample, _potentials(model, found * scale), Soft())
    return engine.sweep(rows, _potentials(model, found * scale), Soft())


def _potentials(model: MixtureModel, statistics: SufficientStatistics) -> Potentials:
    """Return the potentials at the components' mode, of weights in proportion to the counts."""
    weights = np.maximum(statistics.count, 0.0)
    parts = model.component_mode(statistics)
    return model.potentials(MixtureParameters(weights / weights.sum(), *parts))
