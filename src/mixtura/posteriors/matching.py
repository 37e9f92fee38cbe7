"""Which component of one draw is which of another's."""

from itertools import permutations

import numpy as np
from scipy.optimize import linear_sum_assignment

from mixtura.parameters import MixtureParameters
from mixtura.typing import Array, IntegerArray

FEW_COMPONENTS = 4
"""Of which all numberings are compared at once."""

CHUNK = 1 << 14


def aligned(
    weights: Array, means: Array, covariances: Array, reference: MixtureParameters
) -> IntegerArray:
    """Return the numbering (..., K) of each draw that is nearest to the reference.

    Component k of a renumbered draw is component ``order[k]`` of the draw. Distances between
    components add the squared difference of their means in units of both variances, that of the
    logarithms of their standard deviations, and that of their weights.

    Parameters
    ----------
    weights : array of shape (..., K)
        Weights of each draw.
    means : array of shape (..., K, D)
        Means of each draw.
    covariances : array of shape (..., *structure)
        Covariances of each draw.
    reference : MixtureParameters
        The parameters whose numbering is taken.
    """
    sizes = n_components, n_features = means.shape[-2:]
    leading = means.shape[:-2]
    shape = (-1, n_components, n_features)
    parts = weights.reshape(-1, n_components), means.reshape(shape)
    n_dimensions = reference.covariances.ndim
    variances = _variances(covariances, n_dimensions, (*leading, *sizes)).reshape(shape)
    of_reference = _variances(reference.covariances, n_dimensions, sizes)
    orders = np.empty((len(variances), n_components), dtype=np.intp)
    for start in range(0, len(variances), CHUNK):
        some = slice(start, start + CHUNK)
        here = (parts[0][some], parts[1][some], variances[some])
        distances = _distances(*here, reference, of_reference)
        orders[some] = _best(distances)
    return orders.reshape(*leading, n_components)


def renumbered(draws: Array, orders: IntegerArray, n_dimensions: int) -> Array:
    """Return draws (..., K or 1, *rest) with their components in the given orders (..., K).

    ``n_dimensions`` is the number of axes of one draw; what components share stays as it is.
    """
    axis = draws.ndim - n_dimensions
    if draws.shape[axis] == 1:
        return draws
    index = orders.reshape(orders.shape + (1,) * (n_dimensions - 1))
    return np.take_along_axis(draws, index, axis=axis)


def _variances(covariances: Array, n_dimensions: int, shape: tuple[int, ...]) -> Array:
    diagonal = np.einsum("...dd->...d", covariances) if n_dimensions == 3 else covariances
    return np.broadcast_to(diagonal, shape)


def _distances(
    weights: Array,
    means: Array,
    variances: Array,
    reference: MixtureParameters,
    of_reference: Array,
) -> Array:
    """Return the distance (S, K, K) of each component of the reference from each of a draw."""
    there = of_reference[None, :, None, :]
    here = variances[:, None, :, :]
    offsets = reference.means[None, :, None, :] - means[:, None, :, :]
    apart = offsets * offsets / (there + here)
    wider = 0.5 * np.log(there / here)
    shares = reference.weights[None, :, None] - weights[:, None, :]
    return (apart + wider * wider).sum(axis=-1) + shares * shares


def _best(distances: Array) -> IntegerArray:
    """Return the numbering (S, K) of least total distance."""
    n_draws, n_components, _ = distances.shape
    if n_components <= FEW_COMPONENTS:
        choices = np.array(list(permutations(range(n_components))))
        totals = distances[:, np.arange(n_components), choices].sum(axis=2)
        return choices[totals.argmin(axis=1)]
    nearest = distances.argmin(axis=2)
    clear = (np.sort(nearest, axis=1) == np.arange(n_components)).all(axis=1)
    for draw in np.flatnonzero(~clear):
        nearest[draw] = linear_sum_assignment(distances[draw])[1]
    assert nearest.shape == (n_draws, n_components)
    return nearest
