"""Limited-memory BFGS on the log joint, one sweep for each evaluation."""

import math
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import final

import numpy as np

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference.expectation_maximization import CoordinateAscent, Optimizer
from mixtura.inference.natural_coordinates import NaturalCoordinates
from mixtura.inference.states import Mode, State, evaluate
from mixtura.inference.stopping import (
    ascent_is_over,
    faintest,
    has_come_to_rest,
    left_to_model,
    rounding,
)
from mixtura.model import MixtureModel
from mixtura.typing import Array

MEMORY = 20
LONGEST_STEP = 1.0
"""No mean moves by more than this many standard deviations, no scale by more than this factor's
exponential, in one step: the search stays in the basin that EM chose."""

ENOUGH = 1e-4
"""Share of the predicted gain that a step must reach (Armijo)."""

MOST_EM_STEPS = 300
CALM = 1e-3
"""EM leads the way until one step gains less than this share of the objective."""

WATCHED, WATCHED_OF_MANY = 5, 3
"""EM steps whose gains tell how fast EM is; of many rows fewer."""

STEADY = 0.2
"""Largest difference of the logarithms of successive ratios of gains by which EM has a rate."""

WORTHWHILE, WORTHWHILE_OF_MANY = 50, 15
"""EM goes on by itself where it needs fewer steps than this to the end; of many rows, whose sweeps
cost more than what is K-sized, fewer."""

MANY = 100.0
"""Rows for each free parameter that are many."""

RESOLVED = 1e-20
"""Gain for each unit of weight at which nothing moves any more: parameters are at their limits
to ten digits."""

JUDGED = 10
"""Quasi-Newton steps that together must gain at least what EM would have gained."""

PATIENCE = 20
"""Steps in a row that gain no more than rounding, after which nothing is left to gain: along a
ridge, where the parameters are free, they would go on for ever."""


@final
@dataclass(frozen=True, eq=False)
class ClimbProgress:
    """Where a search stands.

    Parameters
    ----------
    state : State
        Current estimate and its statistics.
    em_steps : int
        EM steps so far.
    gains : tuple of float
        What the last EM steps in a row gained, at most ``WATCHED`` of them; none after a
        quasi-Newton step.
    path : ClimbPath, optional
        Memory of the quasi-Newton steps; None after an EM step.
    idle : int
        Steps in a row that gained no more than rounding.
    """

    state: State
    em_steps: int = 0
    gains: tuple[float, ...] = ()
    path: "ClimbPath | None" = None
    idle: int = 0

    def followed_by(self, state: State, em_steps: int, path: "ClimbPath | None") -> "ClimbProgress":
        """Return the search after one more step."""
        gain = state.objective - self.state.objective
        idle = self.idle + 1 if gain <= rounding(state) else 0
        gains = (*self.gains, gain)[-WATCHED:] if path is None else ()
        return ClimbProgress(state, em_steps, gains, path, idle)

    @property
    def em_leads(self) -> bool:
        """Whether the next step is better left to EM.

        Until it is calm, while the gains are too unsteady to tell anything, and where they
        shrink so fast that it will soon be there.
        """
        size = max(1.0, abs(self.state.objective))
        statistics = self.state.statistics
        sizes = statistics.count.size + statistics.first.size + statistics.second.size
        is_many = statistics.total > MANY * sizes
        if len(self.gains) < (WATCHED_OF_MANY if is_many else WATCHED):
            return self.em_steps < MOST_EM_STEPS
        if min(self.gains) <= rounding(self.state):
            return False
        logs = [math.log(gain) for gain in self.gains]
        ratios = [after - before for before, after in pairwise(logs)]
        is_steady = is_many or max(ratios) - min(ratios) <= STEADY
        if self.gains[-1] > CALM * size or not is_steady:
            return self.em_steps < MOST_EM_STEPS
        rate = (logs[-1] - logs[0]) / len(ratios)
        to_go = math.log(RESOLVED * self.state.statistics.total) - logs[-1]
        return rate < 0.0 and to_go / rate < (WORTHWHILE_OF_MANY if is_many else WORTHWHILE)


@final
@dataclass(frozen=True, eq=False)
class ClimbPath:
    """Coordinates of a quasi-Newton search and the curvature seen in them.

    Parameters
    ----------
    coordinates : NaturalCoordinates
        Coordinates around the state at which the path began.
    point : array
        The estimate in these coordinates.
    gradient : array
        Gradient of the log joint there.
    pairs : tuple of (step, change of gradient)
        The most recent curvature pairs.
    credit : tuple of float
        What the last steps, at most ``JUDGED`` of them, gained above what EM would have gained.
    stretch : float
        Factor of the next step: doubled wherever the objective bends upwards, where the memory
        has nothing to say.
    """

    coordinates: NaturalCoordinates
    point: Array
    gradient: Array
    pairs: tuple[tuple[Array, Array], ...] = ()
    credit: tuple[float, ...] = ()
    stretch: float = 1.0

    @cached_property
    def direction(self) -> Array:
        """The ascent direction of the two-loop recursion [Nocedal1980]_."""
        vector = self.gradient.copy()
        weights = []
        for step, change in reversed(self.pairs):
            weight = (step @ vector) / (step @ change)
            weights.append(weight)
            vector -= weight * change
        if self.pairs:
            step, change = self.pairs[-1]
            vector *= (step @ change) / (change @ change)
        for (step, change), weight in zip(self.pairs, reversed(weights), strict=True):
            vector += step * (weight - (change @ vector) / (step @ change))
        return vector

    def advanced(self, point: Array, gradient: Array, gain: float) -> "ClimbPath":
        """Return the path after a step to a point where the gradient is known."""
        step, change = point - self.point, self.gradient - gradient
        pairs, stretch = deque(self.pairs, maxlen=MEMORY), 2.0 * self.stretch
        if step @ change > 1e-10 * (step @ step):
            pairs.append((step, change))
            stretch = 1.0
        # In these coordinates the gradient is nearly EM's step: it gains about half its square.
        spared = gain - 0.5 * float(self.gradient @ self.gradient)
        credit = (*self.credit, spared)[-JUDGED:]
        return ClimbPath(self.coordinates, point, gradient, tuple(pairs), credit, stretch)

    def is_in_debt(self, rounding: float) -> bool:
        """Whether the last steps together gained less than EM would have gained."""
        return len(self.credit) == JUDGED and sum(self.credit) < -JUDGED * rounding


def path_from(model: MixtureModel, state: State) -> ClimbPath:
    """Return a path without memory that begins at a state."""
    coordinates = NaturalCoordinates(model, state.parameters, state.statistics.count)
    point = np.zeros(coordinates.size)
    gradient = coordinates.gradient(point, state.parameters, state.statistics)
    return ClimbPath(coordinates, point, gradient)


@final
@dataclass(frozen=True)
class QuasiNewton(Optimizer[ClimbProgress]):
    """A few EM steps, then limited-memory BFGS; an EM step wherever it would not gain."""

    summary = Mode()

    def begin(self, model: MixtureModel, state: State) -> ClimbProgress:
        return ClimbProgress(state)

    def state(self, search: ClimbProgress) -> State:
        return search.state

    def step(
        self, model: MixtureModel, rows: Rows, engine: Engine, search: ClimbProgress
    ) -> ClimbProgress:
        path = search.path
        if path is None:
            at_edge = model.weight_prior.is_unbounded_at(search.state.parameters.weights)
            if at_edge or search.em_leads:
                return _em(model, rows, engine, search)
            path = path_from(model, search.state)
        return _ascended(model, rows, engine, search, path)

    def settled(self, old: ClimbProgress, new: ClimbProgress, tol: float) -> bool:
        if new.idle >= PATIENCE:
            return True
        if new.path is None:
            return ascent_is_over(old.state, new.state, tol)
        move, lowest = new.path.direction, rounding(new.state)
        gain = new.state.objective - old.state.objective
        expected = 0.5 * float(new.path.gradient @ move)
        if new.path.stretch == 1.0 and left_to_model(gain, expected, lowest) <= tol:
            return True
        if not expected <= faintest(new.state, lowest):
            return False
        there = new.path.coordinates.parameters(new.path.point + move)
        return has_come_to_rest(new.state.parameters, there)


def _em(model: MixtureModel, rows: Rows, engine: Engine, search: ClimbProgress) -> ClimbProgress:
    state = CoordinateAscent().step(model, rows, engine, search.state)
    return search.followed_by(state, search.em_steps + 1, None)


def _ascended(
    model: MixtureModel, rows: Rows, engine: Engine, search: ClimbProgress, path: ClimbPath
) -> ClimbProgress:
    """Return the search after a quasi-Newton step, shortened once if need be, or an EM step."""
    if not np.isfinite(path.gradient).all() or path.is_in_debt(rounding(search.state)):
        return _em(model, rows, engine, search)
    move = path.stretch * path.direction
    if not np.isfinite(move).all():
        return _em(model, rows, engine, search)
    move = path.coordinates.held(move, LONGEST_STEP)
    slope = float(path.gradient @ move)
    if not slope > 0.0:
        return _em(model, rows, engine, search)
    length = 1.0
    for _ in range(2):
        point = path.point + length * move
        state = _evaluated(model, rows, engine, path.coordinates, point)
        if state is None:
            length *= 0.1
            continue
        gain = state.objective - search.state.objective
        if gain >= ENOUGH * length * slope - rounding(state):
            gradient = path.coordinates.gradient(point, state.parameters, state.statistics)
            if not np.isfinite(gradient).all():
                break
            ahead = path.advanced(point, gradient, gain)
            return search.followed_by(state, search.em_steps, ahead)
        curvature = 2.0 * (slope * length - gain) / length**2
        length = float(np.clip(slope / curvature, 0.1 * length, 0.5 * length))
    return _em(model, rows, engine, search)


def _evaluated(
    model: MixtureModel, rows: Rows, engine: Engine, coordinates: NaturalCoordinates, point: Array
) -> State | None:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        parameters = coordinates.parameters(point)
    if not parameters.is_finite() or not coordinates.allows(parameters.covariances):
        return None
    if model.weight_prior.is_unbounded_at(parameters.weights):
        return None
    state = evaluate(model, rows, engine, parameters)
    return state if np.isfinite(state.objective) else None
