"""Climbs that an engine makes in one run, where the model can be stated as numbers."""

from typing import Any

import numpy as np

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.engines.climb import Climb, Memory, Standing
from mixtura.engines.variation import Factors, Variation
from mixtura.inference.expectation_maximization import CoordinateAscent, Optimizer
from mixtura.inference.natural_coordinates import NaturalCoordinates
from mixtura.inference.quasi_newton import ClimbPath, ClimbProgress, QuasiNewton
from mixtura.inference.states import Expected, Mode, State
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.prior_arrays import ClimbSteps
from mixtura.messages.variational_prior_arrays import VariationalSteps
from mixtura.model import MixtureModel
from mixtura.posteriors import VariationalPosterior


def steps_of(
    model: MixtureModel, optimizer: Optimizer[Any]
) -> ClimbSteps | VariationalSteps | None:
    """Return what an engine must know to climb as the optimizer does; None where it cannot."""
    if isinstance(optimizer, CoordinateAscent) and isinstance(optimizer.summary, Expected):
        return model.variational_steps
    is_known = isinstance(optimizer, QuasiNewton | CoordinateAscent)
    return model.climb_steps if is_known and isinstance(optimizer.summary, Mode) else None


def leap(
    model: MixtureModel,
    rows: Rows,
    engine: Engine,
    steps: ClimbSteps | VariationalSteps,
    search: State | ClimbProgress,
    limits: tuple[int, float],
) -> tuple[State | ClimbProgress, Climb | Variation] | None:
    """Return where so many steps lead, within a tolerance; None where the engine takes none.

    What a search that has converged remembers is left out.
    """
    if isinstance(steps, VariationalSteps):
        return _varied(model, rows, engine, steps, search, limits)
    begin = standing(search)
    if begin is None:
        return None
    run = engine.climb(rows, begin, steps, limits, by_em=isinstance(search, State))
    if run is None:
        return None
    ended = search_at(model, run.standing, run.converged)
    return (ended.state if isinstance(search, State) else ended), run


def _varied(
    model: MixtureModel,
    rows: Rows,
    engine: Engine,
    steps: VariationalSteps,
    state: State | ClimbProgress,
    limits: tuple[int, float],
) -> tuple[State, Variation] | None:
    assert isinstance(state, State)
    assert state.basis is not None
    begin = Factors(state.basis, state.statistics, state.objective, state.lengths)
    run = engine.variation(rows, begin, steps, limits)
    if run is None:
        return None
    end = run.factors
    parameters = VariationalPosterior(model, end.basis).parameters
    return State(parameters, end.found, end.objective, end.basis, end.lengths), run


def standing(search: State | ClimbProgress) -> Standing | None:
    """Return where a search stands; None where its statistics are not about its own means."""
    if isinstance(search, State):
        search = ClimbProgress(search)
    state, path = search.state, search.path
    at = state.parameters
    if state.statistics.pivot is not at.means and (state.statistics.pivot != at.means).any():
        return None
    memory = None
    if path is not None:
        there = path.coordinates.reference
        memory = Memory(
            (there.weights, there.means, there.covariances),
            path.coordinates.count,
            path.point,
            path.gradient,
            np.reshape(path.pairs, (-1, 2, path.point.size)),
            path.credit,
            path.stretch,
        )
    return Standing(
        *(at.weights, at.means, at.covariances, state.statistics, state.objective),
        *(search.em_steps, search.gains, state.lengths, search.idle, memory),
    )


def search_at(model: MixtureModel, end: Standing, converged: bool) -> ClimbProgress:
    """Return the search that stands there."""
    parameters = MixtureParameters(end.weights, end.means, end.covariances)
    state = State(parameters, end.statistics, end.objective, lengths=end.lengths)
    path = None
    if end.memory is not None and not converged:
        memory = end.memory
        coordinates = NaturalCoordinates(model, MixtureParameters(*memory.reference), memory.count)
        pairs = tuple((step, change) for step, change in memory.pairs)
        path = ClimbPath(
            coordinates, memory.point, memory.gradient, pairs, memory.credit, memory.stretch
        )
    return ClimbProgress(state, end.em_steps, end.gains, path, end.idle)
