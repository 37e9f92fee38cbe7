"""Saddles at which climbs over incomplete rows end: told by their curvature, and left.

Where cells are missing the likelihood may have saddles that no step of ascent leaves, such as a
correlation of zero between columns whose signs the rows do not tell.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference.merges import RunPath
from mixtura.inference.natural_coordinates import NaturalCoordinates
from mixtura.inference.states import State, evaluate
from mixtura.inference.stopping import rounding
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.typing import Array

STEPS = 8
"""Steps of Lanczos's method, each of one sweep."""

PROBE = 1e-2
"""Standard errors of the complete data over which curvature is found."""

UPWARDS = 1e-2
"""Curvature, in nats for each squared standard error of the complete data, from which on a
direction is tried."""

LENGTHS = (2.0, 1.0, 0.3, 0.1)
"""Standard errors by which an end is left, along the direction and against it."""

LEAST_GAIN = 1e-6
"""Nats that leaving must gain."""

MOST_SADDLES = 3

Climb = Callable[[State, int], RunPath]
"""Climbs from a state, so many steps having been taken before."""


def beyond_saddles(
    model: MixtureModel, rows: Rows, engine: Engine, path: RunPath, to: tuple[Any, Climb]
) -> RunPath:
    """Return where steps lead once the saddles at which they ended have been left.

    Parameters
    ----------
    model, rows, engine
        Those of the climb.
    path : RunPath
        Where steps have led.
    to : tuple of callable
        Returns the state of a search; and climbs from a state.
    """
    state_of, climb = to
    for _ in range(MOST_SADDLES):
        state = state_of(path.search)
        away = _away(model, rows, engine, state) if path.converged else None
        if away is None:
            break
        further = climb(away, len(path.objectives))
        objectives = (*path.objectives, *further.objectives)
        path = replace(further, objectives=objectives)
    return path


def _away(model: MixtureModel, rows: Rows, engine: Engine, state: State) -> State | None:
    """Return a state beside one that is a saddle, of a higher objective; None beside none."""
    coordinates = NaturalCoordinates(model, state.parameters, state.statistics.count)
    free = _free(model, coordinates)
    if not free.any():
        return None

    def at(point: Array) -> State | None:
        moved = coordinates.parameters(point)
        weights = state.parameters.weights  # which a background leaves, or are given
        parameters = MixtureParameters(weights, moved.means, moved.covariances)
        if not parameters.is_finite() or not coordinates.allows(parameters.covariances):
            return None
        found = evaluate(model, rows, engine, parameters)
        return found if np.isfinite(found.objective) else None

    def gradient(point: Array, there: State) -> Array:
        found = coordinates.gradient(point, there.parameters, there.statistics)
        return np.where(free, found, 0.0)

    here = gradient(np.zeros(free.size), state)

    def curvature(direction: Array) -> Array | None:
        there = at(PROBE * direction)
        if there is None:
            return None
        found = (gradient(PROBE * direction, there) - here) / PROBE
        return found if np.isfinite(found).all() else None

    direction = upward_direction(curvature, free)
    if direction is None:
        return None
    least = state.objective + LEAST_GAIN + rounding(state)
    for length in LENGTHS:
        for sign in (1.0, -1.0):
            there = at(coordinates.held(sign * length * direction, 1.0))
            if there is not None and there.objective > least:
                return there
    return None


def _free(model: MixtureModel, coordinates: NaturalCoordinates) -> np.ndarray:
    """Return which coordinates may move: of means and covariances, what is not given or held."""
    n_components, n_features = coordinates.reference.means.shape
    means = np.ones((n_components, n_features), dtype=bool)
    spread = coordinates.unit_spread > 0.0
    if model.fixed is not None:
        means[model.fixed.has_mean] = False
        spread = spread & ~model.fixed.has_covariance[:, None]
    if model.component_prior.fixes_covariances:
        spread = np.zeros_like(spread)
    weights = np.zeros(n_components, dtype=bool)
    return np.concatenate([weights, means.ravel(), spread.ravel()])


def upward_direction(curvature: Callable[[Array], Array | None], free: np.ndarray) -> Array | None:
    """Return a direction of length one along which a function bends upwards; None without one.

    By Lanczos's method, from a direction that is always the same.

    Parameters
    ----------
    curvature : callable
        Returns the Hessian times a direction, both of shape (n,); None where it is not known.
    free : boolean array of shape (n,)
        Which coordinates may move.
    """
    begin = np.where(free, np.random.default_rng(0).standard_normal(free.size), 0.0)
    basis = [begin / np.linalg.norm(begin)]
    images: list[Array] = []
    for _ in range(min(STEPS, int(free.sum()))):
        image = curvature(basis[-1])
        if image is None:
            return None
        images.append(image)
        rest = image - sum((image @ one) * one for one in basis)
        rest = rest - sum((rest @ one) * one for one in basis)
        size = float(np.linalg.norm(rest))
        if size <= 1e-8 * max(1.0, float(np.linalg.norm(image))):
            break
        basis.append(rest / size)
    spanned = np.array(basis[: len(images)])
    inside = spanned @ np.array(images).T
    values, vectors = np.linalg.eigh(0.5 * (inside + inside.T))
    if not values[-1] > UPWARDS:
        return None
    found = vectors[:, -1] @ spanned
    return np.asarray(found / np.linalg.norm(found))
