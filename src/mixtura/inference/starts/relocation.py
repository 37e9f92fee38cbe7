"""Components moved to where they are needed: two are merged and a third one is split."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import final

import numpy as np
from scipy.special import xlogy

from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.inference.starts.guides import Guide, PriorGuide
from mixtura.inference.starts.plans import REACH
from mixtura.inference.starts.short_runs import ShortRunLimits, short_run
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics, outer_moments
from mixtura.priors import ComponentPrior
from mixtura.typing import Array, BooleanArray, StructureShape


@final
@dataclass(frozen=True, eq=False)
class Halves:
    """Two components in place of one.

    Parameters
    ----------
    gain : float
        By how much they describe its rows better, in nats; infinite where that has no limit.
    statistics : SufficientStatistics
        Of both.
    lasts : bool
        Whether neither has collapsed.
    """

    gain: float
    statistics: SufficientStatistics
    lasts: bool


def relocations(
    sample: ArrayRows,
    guide: Guide,
    engine: Engine,
    statistics: SufficientStatistics,
    parameters: MixtureParameters,
) -> Iterator[tuple[float, SufficientStatistics]]:
    """Yield what relocations promise to gain, in nats, and lead to; the best first.

    Each component is cut in two, across its longest direction, into a core and a halo, and into
    what lies about its farthest row and the rest; the halves climb a few steps on its own rows. A
    merge of two others makes room for them; what it loses is judged from moments and from how the
    two share rows. The pairs that lose least are also merged and cut anew. What promises to lose
    too much is left out: the less normal components are, the more it may be.

    Parameters
    ----------
    sample : ArrayRows
        The rows.
    guide : Guide
        Has the component prior.
    engine : Engine
        What sweeps the rows.
    statistics : SufficientStatistics
        Moments of the rows by component.
    parameters : MixtureParameters
        Where the components are.
    """
    cutter = Cutter(guide, guide.copy().next_prior(statistics), engine)
    shares = engine.responsibilities(sample, guide.family.potentials(parameters))
    labels = shares.argmax(axis=1)
    losses = merge_losses(guide.structure, statistics.count, parameters)
    losses = with_overlaps(losses, shares, sample.weights)
    promised, reach = [], 0.0
    for k in range(statistics.count.size):
        others = [pair for pair in losses if k not in pair[1:]][: REACH.pairs]
        for number, half in enumerate(cutter.halves(_part(sample, labels == k))):
            reach = max(reach, half.gain)
            for loss, one, other in others if half.lasts else []:
                promised.append((half.gain - loss, (k, number), (k, one, other), half))
    most = REACH.nats + REACH.of_cuts * reach
    for loss, one, other in losses[: REACH.recut]:
        if loss > most:
            continue
        own = _part(sample, (labels == one) | (labels == other))
        for number, half in enumerate(cutter.halves(own)):
            if half.lasts:
                promised.append((half.gain - loss, (one, other, number), (one, one, other), half))
    promised.sort(key=lambda found: -found[0])
    tried_cuts, tried_pairs = set(), set()
    for gain, cut, (k, one, other), half in promised:
        if gain < -most:
            break
        # Every cut once, and once more every pair that is merged.
        if cut not in tried_cuts or (one, other) not in tried_pairs:
            tried_cuts.add(cut)
            tried_pairs.add((one, other))
            yield gain, _relocated(statistics, one, other, k, half.statistics)


def _part(sample: ArrayRows, members: BooleanArray) -> ArrayRows:
    if sample.weights is not None:
        members = members & (sample.weights > 0.0)
    weights = None if sample.weights is None else sample.weights[members]
    return ArrayRows(np.ascontiguousarray(sample.values[members]), weights)


@final
@dataclass(frozen=True, eq=False)
class Cutter:
    """Cuts rows of one component in two.

    Parameters
    ----------
    guide : Guide
        Says what has collapsed.
    prior : ComponentPrior
        Prior of the halves.
    engine : Engine
        What sweeps the rows.
    """

    guide: Guide
    prior: ComponentPrior
    engine: Engine

    def halves(self, own: ArrayRows) -> list[Halves]:
        """Return the ways to cut some rows in two, after a few steps of EM."""
        if not own.total_weight >= REACH.fewest_rows:
            return []
        family, structure, n_features = self.guide.family, self.guide.structure, own.n_features
        whole = self.engine.overall(own, matrix=len(structure) == 3)
        if len(structure) == 2 and structure[1] < n_features:
            whole = replace(whole, second=whole.second.sum(axis=1, keepdims=True))
        single = PriorGuide(self.guide, self.prior, whole.structure)
        moments, alone = short_run(self.engine, own, single, whole, ShortRunLimits(1))
        height = moments.log_normalizer
        shape = family.structure(2, n_features)
        guide = PriorGuide(self.guide, self.prior, shape)
        cuts = [
            _across(whole, alone, shape),
            _aside(whole, alone, shape, self._farthest(own, alone)),
        ]
        if structure[0] > 1:  # components that share a covariance have no core and halo
            cuts.append(_around(whole, alone, shape))
        found = []
        for first in cuts:
            statistics, parameters = short_run(
                self.engine, own, guide, first, ShortRunLimits(REACH.local_steps)
            )
            gain = statistics.log_normalizer - height
            lasts = bool(np.isfinite(gain)) and not self._has_collapsed(parameters)
            found.append(Halves(gain if np.isfinite(gain) else np.inf, statistics, lasts))
        return found

    def _has_collapsed(self, parameters: MixtureParameters) -> bool:
        return self.guide.may_collapse and not np.isfinite(self.guide.merit(parameters))

    def _farthest(self, own: ArrayRows, alone: MixtureParameters) -> Array:
        """Return the row (D,) that one component describes worst."""
        densities = self.engine.log_density(own, self.guide.family.potentials(alone))
        if own.weights is not None:
            densities = np.where(own.weights > 0.0, densities, np.inf)
        lowest = densities.min()
        ties = own.values[densities <= lowest + REACH.tie * (1.0 + abs(lowest))]
        first = ties[0] if len(ties) == 1 else np.unique(ties, axis=0)[0]
        return first.astype(np.float64)


def longest_step(covariance: Array, n_features: int) -> Array:
    """Return how far each half of a component lies from its mean, along its longest axis.

    Parameters
    ----------
    covariance : array of shape (D, D), (D,) or (1,)
        The component's covariance matrix, or its variances.
    n_features : int
        Number of features D.

    Returns
    -------
    array of shape (D,)
    """
    if covariance.ndim == 2:
        values, vectors = np.linalg.eigh(covariance)
        return REACH.half_normal * (np.sqrt(max(float(values[-1]), 0.0)) * vectors[:, -1])
    spread, step = np.broadcast_to(covariance, (n_features,)), np.zeros(n_features)
    longest = int(np.argmax(spread))
    step[longest] = np.sqrt(spread[longest])
    return REACH.half_normal * step


def _across(
    whole: SufficientStatistics, alone: MixtureParameters, structure: StructureShape
) -> SufficientStatistics:
    """Return two halves on either side of the longest direction."""
    step = longest_step(alone.covariances[0], alone.means.shape[1])
    removed = np.sqrt(whole.total) * step[None]
    second = whole.second - outer_moments(removed, removed, whole.structure)
    return _pair(whole.total, alone.means + np.stack([step, -step]), second, (0.5, 0.5), structure)


def _aside(
    whole: SufficientStatistics,
    alone: MixtureParameters,
    structure: StructureShape,
    farthest: Array,
) -> SufficientStatistics:
    """Return the whole and a narrow component about its farthest row."""
    means = np.stack([alone.means[0], farthest])
    found = _pair(
        whole.total, means, whole.second, (1.0 - REACH.aside, REACH.aside * REACH.core), structure
    )
    return replace(found, count=whole.total * np.array([1.0 - REACH.aside, REACH.aside]))


def _around(
    whole: SufficientStatistics, alone: MixtureParameters, structure: StructureShape
) -> SufficientStatistics:
    """Return a core and a halo about one centre."""
    means = np.repeat(alone.means, 2, axis=0)
    return _pair(whole.total, means, whole.second, (0.5 * REACH.core, 0.5 * REACH.halo), structure)


def _pair(
    total: float,
    means: Array,
    second: Array,
    shares: tuple[float, float],
    structure: StructureShape,
) -> SufficientStatistics:
    count = np.full(2, 0.5 * total)
    if structure[0] == 2:
        second = np.concatenate([shares[0] * second, shares[1] * second])
    return SufficientStatistics(count, np.zeros_like(means), second, means)


def merge_losses(
    structure: StructureShape, count: Array, parameters: MixtureParameters
) -> list[tuple[float, int, int]]:
    """Return what merging two components loses, in nats, and which; the least loss first.

    The Gaussian of the moments of both takes the place of two, as if it were known which rows are
    whose.
    """
    pairs = np.array(list(combinations(np.flatnonzero(count > REACH.occupied), 2)), dtype=np.intp)
    if not len(pairs):
        return []
    one, other = pairs.T
    total = count[one] + count[other]
    share = count[one] / total
    shift = parameters.means[one] - parameters.means[other]
    covariances = np.broadcast_to(
        parameters.covariances, (count.size, *parameters.covariances.shape[1:])
    )
    apart = share * (1.0 - share)
    if len(structure) == 3:
        own = np.linalg.slogdet(covariances)[1]
        between = apart[:, None, None] * shift[:, :, None] * shift[:, None, :]
        part = share[:, None, None]
        pooled = part * covariances[one] + (1.0 - part) * covariances[other] + between
        together = np.linalg.slogdet(pooled)[1]
    else:
        n_cells = shift.shape[1] // structure[1]
        own = n_cells * np.log(covariances).sum(axis=1)
        between = apart[:, None] * np.square(shift)
        if n_cells > 1:
            between = between.mean(axis=1, keepdims=True)
        part = share[:, None]
        pooled = part * covariances[one] + (1.0 - part) * covariances[other] + between
        together = n_cells * np.log(pooled).sum(axis=1)
    wider = 0.5 * (total * together - count[one] * own[one] - count[other] * own[other])
    entropy = -total * (xlogy(share, share) + xlogy(1.0 - share, 1.0 - share))
    loss = wider - entropy
    order = np.argsort(loss, kind="stable")
    return [(float(loss[n]), int(one[n]), int(other[n])) for n in order]


def with_overlaps(
    losses: list[tuple[float, int, int]], shares: Array, weights: Array | None
) -> list[tuple[float, int, int]]:
    """Return losses of merges with the entropy of how each pair shares its rows, in order again.

    The log likelihood of two components is that of known labels plus this entropy. Of the pairs
    that would lose most even so it is left out.
    """
    own, found = xlogy(shares, shares), []
    for loss, one, other in losses[: REACH.overlaps * REACH.pairs]:
        both = shares[:, one] + shares[:, other]
        entropies = xlogy(both, both) - own[:, one] - own[:, other]
        overlap = entropies.sum() if weights is None else entropies @ weights
        found.append((loss + float(overlap), one, other))
    return sorted(found, key=lambda pair: pair[0])


def _relocated(
    statistics: SufficientStatistics, one: int, other: int, k: int, halves: SufficientStatistics
) -> SufficientStatistics:
    """Return statistics with two components merged and the halves of a third in its place."""
    pivot = statistics.pivot.copy()
    pivot[other] = pivot[one]
    moved = statistics.about(pivot)
    count, first, second = moved.count.copy(), moved.first.copy(), moved.second.copy()
    count[one] += count[other]
    first[one] += first[other]
    halves = halves.about(halves.mean())
    places = [k, other]
    if len(second) == len(count):
        second[one] += second[other]
        second[places] = halves.second
    count[places], first[places], pivot[places] = halves.count, halves.first, halves.pivot
    return SufficientStatistics(count, first, second, pivot)
