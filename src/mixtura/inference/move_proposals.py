"""Which components to merge, drop or split, judged from K-sized things alone."""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import final

import numpy as np
from scipy.special import xlogy

from mixtura.inference.states import StateSummary, summed_scores
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics, outer_moments
from mixtura.model import MixtureModel
from mixtura.typing import Array, IntegerArray

OCCUPIED = 0.5
"""Rows above which a component counts as occupied."""

FAILURES = 3
"""Pairs in a row that would lower the bound, after which no other is tried."""

MOST_DROPPED, FEW_ROWS = 5, 2.0
"""Components that are dropped on trial, and the rows for each parameter of a mean that they have
at most; others that are not needed go by merging."""

HALF_NORMAL = float(np.sqrt(2.0 / np.pi))
"""Distance in standard deviations from the mean of a normal distribution to those of its halves."""


@final
@dataclass(frozen=True)
class Bounds:
    """Which pairs of components may be merged.

    Parameters
    ----------
    most_lost : float
        Nats of log likelihood and entropy that a merge loses at most.
    least_shared : float
        Share of the entropy of a pair's labels that it loses at least: how much the two share
        rows.
    fewest : float
        Rows up to which a component is no group of its own, and need not share rows.
    near : float
        Squared distance, in widths along the line between the means, up to which two may be merged
        whatever that loses.
    least_gained : float
        Nats that merging such a pair must promise to gain.
    slack : float
        Nats by which a merge may seem to lower the bound: what it says before an ascent is a guess.
    """

    most_lost: float = np.inf
    least_shared: float = 0.0
    fewest: float = 0.0
    near: float = 0.0
    least_gained: float = 0.0
    slack: float = 0.0


def occupied(statistics: SufficientStatistics) -> IntegerArray:
    """Return the components that more than half a row is in."""
    return np.flatnonzero(statistics.count > OCCUPIED)


def small(statistics: SufficientStatistics) -> IntegerArray:
    """Return the occupied components of few rows, the smallest first, but not the largest."""
    count = statistics.count
    full = occupied(statistics)
    full = full[np.argsort(count[full], kind="stable")][:-1][:MOST_DROPPED]
    return full[count[full] <= FEW_ROWS * (1 + statistics.first.shape[1])]


def fit_of(summary: StateSummary, model: MixtureModel, statistics: SufficientStatistics) -> float:
    """Return the bound without the entropy of the responsibilities, in nats.

    Parameters
    ----------
    summary : StateSummary
        What stands for the posterior.
    model : MixtureModel
        The model.
    statistics : SufficientStatistics
        Moments of the rows, numbered in any way.
    """
    basis = statistics.permuted(model.weight_prior.preferred_order(statistics.count))
    scores = summed_scores(summary.potentials(model, basis), basis)
    return summary.state_of(model, basis, scores).objective


def joined(statistics: SufficientStatistics, kept: int, emptied: int) -> SufficientStatistics:
    """Return the statistics with one component's rows added to another's."""
    # Moments of the second component about the first one's pivot.
    pivot = statistics.pivot.copy()
    pivot[emptied] = pivot[kept]
    moved = statistics.about(pivot)
    count, first = statistics.count.copy(), moved.first.copy()
    count[kept] += count[emptied]
    first[kept] += first[emptied]
    second = moved.second.copy()
    if len(second) == len(count):
        second[kept] += second[emptied]
        second[emptied] = 0.0
    first[emptied], count[emptied] = 0.0, 0.0
    return replace(statistics, count=count, first=first, second=second, pivot=pivot)


def merged(
    summary: StateSummary,
    model: MixtureModel,
    statistics: SufficientStatistics,
    parameters: MixtureParameters,
    most: int,
    bounds: Bounds | None = None,
) -> tuple[SufficientStatistics, int]:
    """Return the statistics after merges that should raise the bound, and how many there are.

    Pairs are tried in the order in which merging two Gaussians of their moments costs least. The
    entropy of the responsibilities, which is lost with a pair, is that of two such Gaussians.

    Parameters
    ----------
    summary : StateSummary
        What stands for the posterior.
    model : MixtureModel
        The model.
    statistics : SufficientStatistics
        Moments of the rows.
    parameters : MixtureParameters
        Means and covariances of the same components.
    most : int
        Largest number of merges.
    bounds : Bounds, optional
        Which pairs are considered; all by default.
    """
    bounds = bounds or Bounds()
    pairs = ranked_pairs(model, statistics.count, parameters, bounds)
    if not pairs:
        return statistics, 0
    height, n_merges, failures = fit_of(summary, model, statistics), 0, 0
    gone: set[int] = set()
    changed: set[int] = set()
    for kept, emptied, entropy, least in pairs:
        if kept in gone or emptied in gone or {kept, emptied} & changed:
            continue
        candidate = joined(statistics, kept, emptied)
        reached = fit_of(summary, model, candidate) - entropy
        if reached <= height + least:
            failures += 1
            if failures >= FAILURES:
                break
            continue
        statistics, height, failures, n_merges = candidate, reached + entropy, 0, n_merges + 1
        gone.add(emptied)
        changed.add(kept)
        if n_merges >= most:
            break
    return statistics, n_merges


def ranked_pairs(
    model: MixtureModel, count: Array, parameters: MixtureParameters, bounds: Bounds
) -> list[tuple[int, int, float, float]]:
    """Return pairs of occupied components, the cheapest merge first.

    With each the entropy that it loses, and the gain that it must promise, in nats.
    """
    sizes = (model.n_components, model.n_features)
    matrices = model.family.expand(parameters.covariances, *sizes)
    pairs = np.array(list(combinations(np.flatnonzero(count > OCCUPIED), 2)), dtype=np.intp)
    if not len(pairs):
        return []
    i, j = pairs.T
    total = count[i] + count[j]
    share = (count[i] / total)[:, None, None]
    shift = parameters.means[i] - parameters.means[j]
    outer = shift[:, :, None] * shift[:, None, :]
    pooled = share * matrices[i] + (1.0 - share) * matrices[j] + share * (1.0 - share) * outer
    logs = np.linalg.slogdet(matrices)[1]
    within = count[i] * logs[i] + count[j] * logs[j]
    cost = 0.5 * (total * np.linalg.slogdet(pooled)[1] - within)
    middle = 0.5 * (matrices[i] + matrices[j])
    distances = np.einsum("pd,pd->p", shift, np.linalg.solve(middle, shift[:, :, None])[:, :, 0])
    apart = 0.125 * distances + 0.5 * (np.linalg.slogdet(middle)[1] - 0.5 * (logs[i] + logs[j]))
    # The error of telling two classes apart is at most sqrt(shares) exp(-Bhattacharyya distance).
    p = count[i] / total
    error = 0.5 * (1.0 - np.sqrt(np.maximum(1.0 - 4.0 * p * (1.0 - p) * np.exp(-2.0 * apart), 0)))
    lost = -total * (xlogy(error, error) + xlogy(1.0 - error, 1.0 - error))
    split = -total * (xlogy(p, p) + xlogy(1.0 - p, 1.0 - p))
    # Single rows go to groups rather than to each other.
    of_few = np.maximum(count[i], count[j]) <= bounds.fewest
    order, lost = np.lexsort((cost - split, of_few)), np.minimum(lost, split)
    is_group = np.minimum(count[i], count[j]) > bounds.fewest
    is_near = ~is_group | (lost >= bounds.least_shared * split)
    is_near &= cost - split + lost <= bounds.most_lost
    within = share * matrices[i] + (1.0 - share) * matrices[j]
    distances = squared_distances(shift, within, 1.0 / count[i] + 1.0 / count[j])
    least = np.where(is_near, -bounds.slack, bounds.least_gained)
    order = order[(is_near | (distances <= bounds.near))[order]]
    return [(int(i[n]), int(j[n]), float(lost[n]), float(least[n])) for n in order]


def squared_distances(shift: Array, within: Array, noise: Array) -> Array:
    """Return squared distances of means in widths along the line between them, less their noise.

    Columns are measured by their own widths.

    Parameters
    ----------
    shift : array of shape (P, D)
        From one mean to the other.
    within : array of shape (P, D, D)
        Covariances of the rows about them.
    noise : array of shape (P,)
        Variance of a shift for each unit of variance of the rows.
    """
    widths = np.sqrt(np.diagonal(within, axis1=1, axis2=2))
    move = shift / widths
    square = np.square(move).sum(axis=1)
    along = move / widths
    spread = np.einsum("pd,pde,pe->p", along, within, along)
    per_width = np.divide(square, spread, out=np.zeros_like(square), where=spread > 0.0)
    return np.asarray((square - shift.shape[1] * noise) * per_width)


def dropped(statistics: SufficientStatistics, component: int) -> SufficientStatistics:
    """Return the statistics without a component's rows, which find another home in a sweep."""
    count, first, second = (
        part.copy() for part in (statistics.count, statistics.first, statistics.second)
    )
    if len(second) == len(count):
        second[component] = 0.0
    else:  # what is shared keeps its width
        second *= 1.0 - count[component] / count.sum()
    count[component], first[component] = 0.0, 0.0
    return replace(statistics, count=count, first=first, second=second)


def split(
    model: MixtureModel, statistics: SufficientStatistics, parameters: MixtureParameters
) -> SufficientStatistics:
    """Return the statistics with components cut in halves across their longest directions.

    As many of them, the largest first, as there are empty components to take a half.
    """
    sizes = (model.n_components, model.n_features)
    matrices = model.family.expand(parameters.covariances, *sizes)
    empty = np.flatnonzero(statistics.count <= OCCUPIED)
    full = occupied(statistics)
    full = full[np.argsort(-statistics.count[full], kind="stable")][: len(empty)]
    values, vectors = np.linalg.eigh(matrices[full])
    step = HALF_NORMAL * np.sqrt(np.maximum(values[:, -1:], 0.0)) * vectors[:, :, -1]
    centre, half = statistics.mean(), 0.5 * statistics.count
    about = statistics.about(centre)
    count, pivot = statistics.count.copy(), centre.copy()
    second = about.second.copy()
    for new, old, move in zip(empty, full, step, strict=False):
        count[new] = count[old] = half[old]
        pivot[new], pivot[old] = centre[old] + move, centre[old] - move
        removed = np.zeros_like(centre)
        removed[old] = move * np.sqrt(statistics.count[old])
        moments = outer_moments(removed, removed, statistics.structure)
        second = second - moments
        if len(second) == len(count):
            second[new] = second[old] = 0.5 * second[old]
    return SufficientStatistics(count, np.zeros_like(centre), second, pivot)
