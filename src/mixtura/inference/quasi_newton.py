"""Limited-memory BFGS on the log joint, one sweep for each evaluation."""

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference.coordinates import NaturalCoordinates
from mixtura.inference.expectation_maximization import (
    CoordinateAscent,
    Optimizer,
    parameter_change,
)
from mixtura.inference.states import Mode, State, evaluate
from mixtura.model import MixtureModel
from mixtura.typing import Array

MEMORY = 20
LONGEST_STEP = 1.0
"""No mean moves by more than this many standard deviations, no scale by more than this factor's
exponential, in one step: the search stays in the basin that EM chose."""

ENOUGH = 1e-4
"""Share of the predicted gain that a step must reach (Armijo)."""


FEWEST_EM_STEPS = 3
MOST_EM_STEPS = 20
CALM = 1e-3
"""EM leads the way until one step gains less than this share of the objective."""

NOISE = 16.0 * np.finfo(float).eps
"""Relative rounding of an objective."""

PATIENCE = 20
"""Steps in a row that gain no more than rounding, after which nothing is left to gain: along a
ridge, where the parameters are free, they would go on for ever."""


@final
@dataclass(frozen=True, eq=False)
class Search:
    """Where a search stands.

    Parameters
    ----------
    state : State
        Current estimate and its statistics.
    em_steps : int
        EM steps so far.
    gain : float
        What the last step gained.
    path : Path, optional
        Memory of the quasi-Newton steps; None after an EM step.
    idle : int
        Steps in a row that gained no more than rounding.
    """

    state: State
    em_steps: int = 0
    gain: float = np.inf
    path: "Path | None" = None
    idle: int = 0

    def followed_by(self, state: State, em_steps: int, path: "Path | None") -> "Search":
        """Return the search after one more step."""
        gain = state.objective - self.state.objective
        idle = self.idle + 1 if gain <= NOISE * abs(state.objective) else 0
        return Search(state, em_steps, gain, path, idle)


@final
@dataclass(frozen=True, eq=False)
class Path:
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
    """

    coordinates: NaturalCoordinates
    point: Array
    gradient: Array
    pairs: tuple[tuple[Array, Array], ...] = ()

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

    def advanced(self, point: Array, gradient: Array) -> "Path":
        """Return the path after a step to a point where the gradient is known."""
        step, change = point - self.point, self.gradient - gradient
        pairs = deque(self.pairs, maxlen=MEMORY)
        if step @ change > 1e-10 * (step @ step):
            pairs.append((step, change))
        return Path(self.coordinates, point, gradient, tuple(pairs))


def path_from(model: MixtureModel, state: State) -> Path:
    """Return a path without memory that begins at a state."""
    coordinates = NaturalCoordinates(model, state.parameters, state.statistics.count)
    point = np.zeros(coordinates.size)
    gradient = coordinates.gradient(point, state.parameters, state.statistics)
    return Path(coordinates, point, gradient)


@final
@dataclass(frozen=True)
class QuasiNewton(Optimizer[Search]):
    """A few EM steps, then limited-memory BFGS; an EM step wherever it would not gain."""

    summary = Mode()

    def begin(self, model: MixtureModel, state: State) -> Search:
        return Search(state)

    def state(self, search: Search) -> State:
        return search.state

    def step(self, model: MixtureModel, rows: Rows, engine: Engine, search: Search) -> Search:
        path = search.path
        if path is None:
            if _em_leads(model, search):
                return _em(model, rows, engine, search)
            path = path_from(model, search.state)
        return _ascended(model, rows, engine, search, path)

    def settled(self, old: Search, new: Search, tol: float) -> bool:
        scale = max(1.0, abs(new.state.objective))
        if new.idle >= PATIENCE:
            return True
        if new.path is None:
            return CoordinateAscent().settled(old.state, new.state, tol)
        move = new.path.direction
        expected = 0.5 * float(new.path.gradient @ move)
        return expected <= tol * scale and _distance(new, move) <= tol


def _em_leads(model: MixtureModel, search: Search) -> bool:
    if model.weight_prior.is_unbounded_at(search.state.parameters.weights):
        return True
    if search.em_steps < FEWEST_EM_STEPS:
        return True
    calm = search.gain <= CALM * max(1.0, abs(search.state.objective))
    return not calm and search.em_steps < MOST_EM_STEPS


def _em(model: MixtureModel, rows: Rows, engine: Engine, search: Search) -> Search:
    state = Mode().state(model, rows, engine, search.state.statistics)
    return search.followed_by(state, search.em_steps + 1, None)


def _ascended(
    model: MixtureModel, rows: Rows, engine: Engine, search: Search, path: Path
) -> Search:
    """Return the search after a quasi-Newton step, shortened once if need be, or an EM step."""
    if not np.isfinite(path.gradient).all():
        return _em(model, rows, engine, search)
    move = path.direction
    slope = float(path.gradient @ move)
    farthest = np.abs(move * path.coordinates.units).max()
    if not (slope > 0.0 and np.isfinite(farthest)):
        return _em(model, rows, engine, search)
    length = min(1.0, LONGEST_STEP / max(farthest, np.finfo(float).tiny))
    for _ in range(2):
        point = path.point + length * move
        state = _evaluated(model, rows, engine, path.coordinates, point)
        if state is None:
            length *= 0.1
            continue
        gain = state.objective - search.state.objective
        if gain >= ENOUGH * length * slope - NOISE * abs(state.objective):
            gradient = path.coordinates.gradient(point, state.parameters, state.statistics)
            if not np.isfinite(gradient).all():
                break
            return search.followed_by(state, search.em_steps, path.advanced(point, gradient))
        curvature = 2.0 * (slope * length - gain) / length**2
        length = float(np.clip(slope / curvature, 0.1 * length, 0.5 * length))
    return _em(model, rows, engine, search)


def _evaluated(
    model: MixtureModel, rows: Rows, engine: Engine, coordinates: NaturalCoordinates, point: Array
) -> State | None:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        parameters = coordinates.parameters(point)
    if not parameters.is_finite() or not model.component_prior.allows(parameters.covariances):
        return None
    if model.weight_prior.is_unbounded_at(parameters.weights):
        return None
    state = evaluate(model, rows, engine, parameters)
    return state if np.isfinite(state.objective) else None


def _distance(search: Search, move: Array) -> float:
    """Return how far a move goes in weights, standard deviations and log scales."""
    if search.path is None:
        return np.inf
    coordinates = search.path.coordinates
    there = coordinates.parameters(search.path.point + move)
    return parameter_change(search.state.parameters, there)
