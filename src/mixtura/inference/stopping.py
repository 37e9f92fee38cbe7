"""When a climb is over: by what it still has to gain, in nats."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from mixtura.inference.states import State
from mixtura.messages.linalg import precision_factor
from mixtura.messages.parameters import MixtureParameters
from mixtura.typing import Array

DEFAULT_TOL = 1e-6
"""Nats. No parameter is then further from the optimum than .0014 of its standard error."""

CAUTION = 10.0
"""By how much a model of few curvature pairs may fall short of what is left to gain."""

COMPARED = 4
"""Steps of ascent in a row, the slowest ratio of whose lengths is taken for their rate."""

AT_REST = 1e-10
"""Relative change of objective and parameters at which a run ends whatever is left."""

LEAST_GAIN, SLACK = 0.01, 1e-9
"""What a bound must be higher by after a move to count: nats, and relative to its size."""

EPSILON = float(np.finfo(float).eps)

NOISE = 16.0 * EPSILON
"""Relative rounding of an objective."""


def followed(old: State, new: State) -> State:
    """Return the state after a step of ascent, which remembers how long the last steps were."""
    length = squared_length(old.parameters, new.parameters, new.statistics.count)
    return replace(new, lengths=(*old.lengths, length)[-COMPARED:])


@np.errstate(over="ignore", invalid="ignore")  # nothing is over where it is not finite
def squared_length(old: MixtureParameters, new: MixtureParameters, count: Array) -> float:
    """Return how long a step was, in standard errors of the complete data, squared.

    Parameters
    ----------
    old, new : MixtureParameters
        Before and after it.
    count : array of shape (K,)
        Total responsibilities after it.
    """
    count = np.maximum(count, 0.0)
    larger = np.maximum(old.weights, new.weights)
    by_weight = np.square(new.weights - old.weights) / np.where(larger > 0.0, larger, 1.0)
    moved = new.means - old.means
    change = new.covariances - old.covariances
    n_components, n_features = moved.shape
    shares = len(change) < n_components
    of_spread = count.sum(keepdims=True) if shares else count
    if change.ndim == 3:
        factor = precision_factor(new.covariances)
        distance = (moved[:, None, :] @ factor)[:, 0, :]
        relative = np.swapaxes(factor, -1, -2) @ change @ factor
    else:
        distance = moved / np.sqrt(new.covariances)
        relative = change / new.covariances * math.sqrt(n_features / change.shape[1])
    by_spread = np.square(relative).reshape(len(change), -1).sum(axis=1)
    by_mean = np.square(distance).sum(axis=1)
    return float(count.sum() * by_weight.sum() + count @ by_mean + 0.5 * (of_spread @ by_spread))


def left_to_ascent(gain: float, lengths: tuple[float, ...], lowest: float) -> float:
    """Return what further steps of ascent will gain, in nats; infinity where nothing tells.

    Lengths shrink by a factor rho in each step: a geometric series [Bohning1994]_.

    Parameters
    ----------
    gain : float
        What the last step gained.
    lengths : tuple of float
        Squared lengths of the last steps.
    lowest : float
        What rounding leaves open of a gain.
    """
    if len(lengths) < COMPARED or not all(0.0 < one < math.inf for one in lengths):
        return math.inf
    rate = math.sqrt(max(after / before for before, after in pairwise(lengths)))
    if not rate < 1.0:
        return math.inf
    size = 0.5 * lengths[-1]
    if gain > lowest:
        size = max(size, gain / (1.0 + rate))
    return size * rate**2 / (1.0 - rate)


def left_to_model(gain: float, expected: float, lowest: float) -> float:
    """Return what quasi-Newton steps may still gain, in nats.

    Parameters
    ----------
    gain : float
        What the last step gained.
    expected : float
        What the next one would gain if the objective were the model of it.
    lowest : float
        What rounding leaves open of a gain.
    """
    return max(gain - lowest, 0.0) + CAUTION * expected


def is_higher(bound: float, old: float) -> bool:
    """Whether a bound is higher than an old one by more than what a move must gain."""
    return bound > old + LEAST_GAIN + SLACK * abs(old)


def ascent_is_over(old: State, new: State, tol: float) -> bool:
    """Whether steps of ascent have no more than ``tol`` nats to gain, or than rounding shows."""
    gain, lowest = new.objective - old.objective, rounding(new)
    if left_to_ascent(gain, new.lengths, lowest) <= tol:
        return True
    return gain <= faintest(new, lowest) and has_come_to_rest(old.parameters, new.parameters)


def faintest(state: State, lowest: float) -> float:
    """Return the gain below which a run ends whose parameters are at rest, in nats."""
    return max(AT_REST * max(1.0, abs(state.objective)), lowest)


def rounding(state: State) -> float:
    """Return what rounding leaves open of a state's objective, in nats.

    A log determinant is known to the last digit times the largest variance inflation factor.
    """
    of_objective = NOISE * abs(state.objective)
    if not _is_matrix(state.parameters):
        return of_objective
    inflation = variance_inflation(state.parameters)
    of_rows = EPSILON * float((np.maximum(state.statistics.count, 0.0) * inflation).sum())
    return of_objective + of_rows


def _is_matrix(parameters: MixtureParameters) -> bool:
    return parameters.covariances.ndim == 3 and parameters.n_features > 1


def variance_inflation(parameters: MixtureParameters) -> Array:
    """Return the largest variance inflation factor of each component, shape (K,) or (1,).

    A feature's variance over that given all other features: 1 without correlations, without
    bound where features depend on each other.
    """
    if not _is_matrix(parameters):
        return np.ones(1)
    covariances = parameters.covariances
    factor = precision_factor(covariances)
    precisions = (factor * factor).sum(axis=2)
    return np.asarray((np.einsum("kdd->kd", covariances) * precisions).max(axis=1))


def has_come_to_rest(old: MixtureParameters, new: MixtureParameters) -> bool:
    """Whether no component has changed, but for its tenth digit or what rounding leaves open.

    Where a component stands does not count if it has next to no weight.
    """
    changes = component_changes(old, new)
    weights = np.abs(new.weights - old.weights)
    changes = np.where(new.weights > AT_REST, np.maximum(changes, weights), weights)
    return bool((changes <= np.maximum(AT_REST, EPSILON * variance_inflation(new))).all())


def component_changes(old: MixtureParameters, new: MixtureParameters) -> Array:
    """Return each component's largest change of a mean in standard deviations, or of a scale."""
    if new.covariances.ndim == 3:
        unit = np.sqrt(np.einsum("kdd->kd", new.covariances))
        change = np.abs(new.covariances - old.covariances) / unit[:, :, None] / unit[:, None, :]
    else:
        unit = np.sqrt(new.covariances)
        change = np.abs(new.covariances - old.covariances) / new.covariances
    moved = np.maximum(np.abs(new.means - old.means) - mean_resolution(new), 0.0)
    return np.maximum((moved / unit).max(axis=1), change.reshape(len(change), -1).max(axis=1))


def mean_resolution(parameters: MixtureParameters) -> Array:
    """Return what rounding leaves open of each mean: far from the origin more than its error."""
    return 4.0 * np.finfo(float).eps * np.abs(parameters.means)
