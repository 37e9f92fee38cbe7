"""Draws whose components have been relabelled alike: the cure of label switching.

The likelihood does not know the components' numbers, so that a sampler may exchange them from one
draw to the next. Each function here returns, for every draw, the numbering under which the draw
lies closest to what all draws have in common [Stephens2000]_.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import xlogy

from mixtura.errors import InvalidArgumentError
from mixtura.messages.draws import in_order
from mixtura.messages.linalg import precision_factor
from mixtura.messages.parameters import MixtureParameters
from mixtura.typing import Array, BooleanArray, IntegerArray

MOST_ROUNDS = 100
"""Rounds of assignment and averaging; a handful settles it, ties might go on for ever."""

MOST_SETTLED = 1000
"""Draws among which the average is sought; of more, these are evenly spaced, and the others are
numbered as agrees best with it."""

Costs = Callable[[IntegerArray | None], Array]
"""Costs (S, K, K) of giving component j the number k, after relabelling as the argument says."""


@final
@dataclass(frozen=True, eq=False)
class Alignment:
    """How the components of each draw are relabelled.

    Parameters
    ----------
    permutations : integer array of shape (C, S, K)
        ``permutations[c, s, k]`` is the component of draw s of chain c that gets the number k.
    margin : array of shape (C, S)
        By how many nats the second-best numbering fits the draw worse; infinite with one component.
    n_rounds : int
        Rounds until no numbering changed.
    """

    permutations: IntegerArray
    margin: Array
    n_rounds: int

    @property
    def doubt(self) -> float:
        """How unsure the numbering is: 0 where it is clear, 1/2 where numbers mean nothing.

        The average over draws of ``1 / (1 + exp(margin))``, the probability of the second numbering
        if it and the chosen one are equally probable beforehand and there is no third.
        """
        return float(np.mean(0.5 * (1.0 - np.tanh(0.5 * self.margin))))

    def apply(self, draws: Array) -> Array:
        """Return draws (C, S, K, ...) with their components relabelled.

        What the components share, with a length of 1 in place of K, is returned as it is.
        """
        return in_order(draws, self.permutations)


def align_parameters(
    weights: Array,
    means: Array,
    covariances: Array,
    log_joint: Array,
    n_rows: float,
    least: float = 0.0,
) -> Alignment:
    """Return the numbering in which draws of the parameters agree best.

    A draw is the joint density of a row and its component; the average is the weights and normal
    densities that are closest to all relabelled draws, by Kullback-Leibler divergence: those of
    the same moments. Nothing of the size of the data is needed. Components are numbered by the
    averages of their means, feature by feature.

    Parameters
    ----------
    weights : array of shape (C, S, K)
        Weights of S draws in each of C chains.
    means : array of shape (C, S, K, D)
        Means, in the data's units.
    covariances : array of shape (C, S, ...)
        Covariances, each in the structure shape.
    log_joint : array of shape (C, S)
        Log joint density of each draw.
    n_rows : float
        Number (or total weight) of the rows, which turns a divergence of densities into nats.
    least : float, default=0.0
        Weight from which on a component counts: a numbering that changes the numbers of lighter
        ones alone is not another one to the margin.
    """
    chains, draws, n_components, n_features = means.shape
    check_shape(weights, "weights", (chains, draws, n_components))
    check_shape(log_joint, "log_joint", (chains, draws))
    pivot = int(np.argmax(log_joint))
    flat_weights = weights.reshape(-1, n_components)
    flat_means = means.reshape(-1, n_components, n_features)
    spreads = covariances.reshape(-1, *covariances.shape[2:])
    if spreads.ndim == 3:
        spreads = np.broadcast_to(spreads, (*spreads.shape[:2], n_features))
    # The first average is the best draw, numbered by its means so that nothing hangs on chance.
    first = np.lexsort(flat_means[pivot].T[::-1])[None]

    def at(which: slice | IntegerArray) -> tuple[Array, Array, Array]:
        return flat_weights[which], flat_means[which], spreads[which]

    def against(given: tuple[Array, Array, Array], average: tuple[Array, Array, Array]) -> Array:
        return n_rows * _cross_entropies(*given, *average)

    some = at(_spread_out(len(flat_weights)))

    def costs(permutations: IntegerArray | None) -> Array:
        if permutations is None:
            return against(some, _average_components(*at(slice(pivot, pivot + 1)), first))
        return against(some, _average_components(*some, permutations))

    settled, n_rounds = _settled(costs, some[0] >= least)
    table = against(at(slice(None)), _average_components(*some, settled))
    permutations = settled if len(settled) == len(table) else best_permutations(table)
    counts = np.take_along_axis(flat_weights >= least, permutations, axis=1)
    margin = _margins(table, permutations, counts)
    shape = log_joint.shape
    found = Alignment(permutations.reshape(*shape, -1), margin.reshape(shape), n_rounds)
    centres = found.apply(means).mean(axis=(0, 1))
    order = np.lexsort(centres.T[::-1])
    return replace(found, permutations=found.permutations[..., order])


def nearest_numbering(found: MixtureParameters, reference: MixtureParameters) -> IntegerArray:
    """Return which component (K,) of one mixture is closest to each component of another.

    By Kullback-Leibler divergence in sum, as in :func:`align_parameters`.
    """
    sizes = found.means.shape
    spreads = [part.covariances for part in (found, reference)]
    if spreads[0].ndim == 2:
        spreads = [np.broadcast_to(part, sizes) for part in spreads]
    around = np.broadcast_to(spreads[1], (sizes[0], *spreads[1].shape[1:]))
    parts = (part[None] for part in (found.weights, found.means, spreads[0]))
    costs = _cross_entropies(*parts, reference.weights, reference.means, around)
    return best_permutations(costs)[0]


def check_shape(values: Array, name: str, shape: tuple[int, ...]) -> None:
    """Raise InvalidArgumentError unless an array has the shape that the others imply."""
    if values.shape != shape:
        raise InvalidArgumentError(f"must have shape {shape}; got {values.shape}", argument=name)


def _settled(costs: Costs, counts: BooleanArray) -> tuple[IntegerArray, int]:
    """Return the numbering at which assignment and averaging come to rest, and after how long.

    They are at rest when no component moves that ``counts`` (S, K): light ones are alike.
    """
    permutations = best_permutations(costs(None))
    n_rounds, moves = 1, True
    while moves and n_rounds < MOST_ROUNDS:
        better = best_permutations(costs(permutations))
        n_rounds += 1
        heavy = (np.take_along_axis(counts, one, axis=1) for one in (better, permutations))
        moves = bool(((better != permutations) & np.logical_or(*heavy)).any())
        if moves:
            permutations = better
    return permutations, n_rounds


def _spread_out(n_draws: int) -> IntegerArray:
    """Return evenly spaced draws, at most as many as the average is sought among."""
    number = min(n_draws, MOST_SETTLED)
    return (np.arange(number) * n_draws + n_draws // 2) // number


def best_permutations(costs: Array) -> IntegerArray:
    """Return for each table of costs (S, K, K) the component that gets each number, (S, K)."""
    n_components = costs.shape[-1]
    chosen = np.argmin(costs, axis=1)
    # Where each number has a cheapest component of its own, these are the best assignment.
    contested = (np.sort(chosen, axis=1) != np.arange(n_components)).any(axis=1)
    for s in np.flatnonzero(contested):
        chosen[s] = linear_sum_assignment(costs[s].T)[1]
    return chosen


def _margins(costs: Array, permutations: IntegerArray, counts: BooleanArray) -> Array:
    """Return what the second-best numbering costs more than the chosen, best one, shape (S,).

    Any other numbering passes numbers on along cycles, so that the second-best one is the
    shortest cycle of the graph whose edges are the costs of passing on one number. Only cycles
    through a number that ``counts`` (S, K) are another numbering.
    """
    n_components = costs.shape[-1]
    placed = np.take_along_axis(costs, permutations[:, :, None], axis=1)
    path = placed - np.einsum("skk->sk", placed)[:, :, None]
    path[:, np.arange(n_components), np.arange(n_components)] = np.inf
    for k in range(n_components):
        path = np.minimum(path, path[:, :, k, None] + path[:, None, k, :])
    shortest = np.where(counts, np.einsum("skk->sk", path), np.inf)
    return np.maximum(shortest.min(axis=1), 0.0)


def _average_components(
    weights: Array, means: Array, spreads: Array, permutations: IntegerArray
) -> tuple[Array, Array, Array]:
    """Return weights (K,), means (K, D) and spreads (K, D, D) or (K, D) of the same moments."""
    at = np.arange(len(weights))
    products = "sd,se->de" if spreads.ndim == 4 else "sd,sd->d"
    average, centres, around = [], [], []
    for chosen in permutations.T:
        weight = weights[at, chosen]
        total = weight.sum()
        share = weight / total if total > 0 else np.full(len(weight), 1.0 / len(weight))
        mean = means[at, chosen]
        centre = np.einsum("s,sd->d", share, mean)
        within = spreads[at, chosen if spreads.shape[1] > 1 else 0]
        apart = mean - centre
        inner = np.einsum("s,s...->...", share, within)
        outer = np.einsum(products, apart * share[:, None], apart)
        average.append(total / len(weight))
        centres.append(centre)
        around.append(inner + outer)
    return np.array(average), np.array(centres), np.array(around)


def _cross_entropies(
    weights: Array, means: Array, spreads: Array, average: Array, centres: Array, around: Array
) -> Array:
    """Return ``-p_j E_j[log q_k N(x; centre_k, around_k)]`` for each draw, shape (S, K, K)."""
    n_features = means.shape[-1]
    if spreads.ndim == 4:
        factor = precision_factor(around)
        precision = factor @ np.swapaxes(factor, 1, 2)
        log_root = np.log(np.einsum("kdd->kd", factor)).sum(axis=1)
        flat = spreads.reshape(-1, n_features * n_features)
        inner = (flat @ precision.reshape(len(precision), -1).T).reshape(*spreads.shape[:2], -1)
        scaled = np.stack(
            [(((means - c) @ f) ** 2).sum(axis=-1) for c, f in zip(centres, factor, strict=True)],
            axis=-1,
        )
    else:
        log_root = -0.5 * np.log(around).sum(axis=1)
        flat = spreads.reshape(-1, n_features)
        inner = (flat @ (1.0 / around).T).reshape(*spreads.shape[:2], -1)
        scaled = np.stack(
            [((means - c) ** 2 / v).sum(axis=-1) for c, v in zip(centres, around, strict=True)],
            axis=-1,
        )
    constant = 0.5 * n_features * np.log(2.0 * np.pi) - log_root
    of_rows = weights[:, :, None] * (constant + 0.5 * (inner + scaled))
    return of_rows - xlogy(weights[:, :, None], np.maximum(average, np.finfo(float).tiny))
