"""A few steps of EM, which numbers lead where they can."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.inference.starts.guides import Guide
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics


@final
@dataclass(frozen=True)
class ShortRunLimits:
    """How far a short run goes.

    Parameters
    ----------
    n_steps : int
        Largest number of steps.
    factor : float
        How many rows each row stands for.
    settled : float
        Nats: a step that changes the data term by no more is the last one.
    rest : float
        Where above zero it takes the place of ``settled``: a step that changes the default
        prior's scale by no more, relatively, is the last one.
    """

    n_steps: int
    factor: float = 1.0
    settled: float = -1.0
    rest: float = 0.0


def short_run(
    engine: Engine,
    rows: ArrayRows,
    guide: Guide,
    statistics: SufficientStatistics,
    limits: ShortRunLimits,
) -> tuple[SufficientStatistics, MixtureParameters]:
    """Return the last sweep's statistics, and the parameters under which it swept."""
    parameters, left, ended = None, limits.n_steps, False
    guide.begin(statistics, left)
    while left > 0 and not ended:
        steps = guide.steps(statistics, limits.rest)
        allowed = (left, limits.factor, limits.settled)
        run = steps and engine.ascent(rows, statistics, steps, allowed)
        if run:
            guide.arrive(run.scale)
            statistics, left, ended = run.statistics, left - run.n_steps, run.settled
            parameters = MixtureParameters(run.weights, run.means, run.covariances)
            continue
        before, earlier = guide.scale, None if parameters is None else statistics.log_normalizer
        parameters, left = guide.parameters(statistics, parameters), left - 1
        potentials = guide.family.potentials(parameters)
        statistics = engine.sweep(rows, potentials, Soft()) * limits.factor
        if limits.rest > 0.0 and before is not None and guide.scale is not None:
            moved = np.abs(guide.scale - before).max()
            ended = bool(moved <= limits.rest * np.abs(guide.scale).max())
        elif limits.rest == 0.0 and earlier is not None:
            ended = abs(statistics.log_normalizer - earlier) <= limits.settled
    assert parameters is not None
    return statistics, parameters
