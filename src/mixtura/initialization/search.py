"""The deterministic default: several clusterings, short runs of each, and relocations."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.random import SeedSequence
from scipy.optimize import linear_sum_assignment

from mixtura.assignments import Soft
from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.families import CovarianceFamily
from mixtura.fit import canonical_order
from mixtura.initialization.base import Initializer, label_statistics_of
from mixtura.initialization.clusterings import clusterings
from mixtura.initialization.guides import ElicitingGuide, Guide, ModelGuide
from mixtura.initialization.relocation import relocations
from mixtura.initialization.split import Split
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.priors import ComponentPrior
from mixtura.priors.elicitation import OverallMoments, WithinGroups
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray

SAMPLE = 1 << 12
SAMPLE_OF_COMPONENT = 128
"""Starts are sought in so many rows, or so many for each component, whichever is more."""

FIRST_STEPS, SECOND_STEPS, TRIAL_STEPS = 10, 25, 6
"""EM steps of every clustering, further ones of the best and of relocations, and those after which
a relocation is judged for the first time."""

LASTING_STEPS = 60
"""Further steps of maximum likelihood in which no component of a relocation may collapse."""

MOST_ENDS, MOST_IMPROVED = 3, 2
"""Ends that are kept, and those of them, of few rows, from which relocations are tried."""

TRIALS, TRIALS_OF_FEW, ROUNDS = 8, 24, 20
"""Relocations that are tried before the search ends, of few rows too, and that are made at most."""

FEW = 1 << 17
"""Size N K D of a problem of few rows, for matrices with K D^3 added."""

SCALE_STEPS, SCALE_SETTLED = 100, 1e-10
"""Most steps after which the scale of the default prior must have come to rest, and the relative
change that is rest."""

LEAST_GAIN = 0.01
"""Nats that a relocation must gain."""

HOPELESS = 0.5
"""Nats for each row that a relocation may promise to lose and still be tried."""

SAME = 0.01
"""Share of the rows that two ends which go to the same place may group otherwise."""

ALMOST, ALIKE = 2.0, 0.05
"""Nats within which an end is almost as good as the best, and share of the rows that may be grouped
otherwise by what is the same answer."""

SETTLED, TIE = 1e-9, 1e-7
"""Nats for each row: a step that changes the log likelihood by no more is the last one, and ends
that are closer are one, so that rounding does not choose."""


@final
@dataclass(frozen=True, eq=False)
class End:
    """Where a short run led.

    Parameters
    ----------
    statistics : SufficientStatistics
        Moments of the sample's rows, in total weight those of all rows.
    parameters : MixtureParameters
        Where the last step went to.
    merit : float
        Its log likelihood and what the guide adds, in nats.
    guide : Guide
        The guide there.
    """

    statistics: SufficientStatistics
    parameters: MixtureParameters
    merit: float
    guide: Guide


@final
@dataclass(frozen=True)
class Rival:
    """An end that is almost as good as the best, and another answer.

    Parameters
    ----------
    behind : float
        By how much its log likelihood is lower, in nats.
    share : float
        Share of the rows that it groups otherwise.
    """

    behind: float
    share: float

    @property
    def told(self) -> str:
        """One plain line."""
        return (
            f"Start: another grouping, which differs in {100.0 * self.share:.0f} % of the rows, "
            f"was only {max(self.behind, 0.0):.1f} nats less likely when the search ended."
        )


@final
@dataclass(frozen=True, eq=False)
class Searcher:
    """Short runs of EM on a sample that stands for all rows.

    Parameters
    ----------
    sample : ArrayRows
        The rows.
    engine : Engine
        What sweeps them.
    scale : float
        Total weight of all rows over the sample's.
    """

    sample: ArrayRows
    engine: Engine
    scale: float

    def ends(self, guide: Guide, n_components: int) -> list[End]:
        """Return where the best clusterings lead, the best first, after relocations."""
        is_matrix = len(guide.structure) == 3
        found = clusterings(self.sample, n_components, self.engine, correlated=is_matrix)
        ends = []
        for labels in found:
            start = label_statistics_of(
                self.sample, self.engine, guide.structure, n_components, labels
            )
            ends.append(self.climbed(guide.copy(), start * self.scale, FIRST_STEPS))
        ends = [
            self.climbed(end.guide, end.statistics, SECOND_STEPS)
            for end in self._different(ends, MOST_ENDS)
        ]
        is_small = self.is_small(n_components, is_matrix=is_matrix)
        n_improved = MOST_IMPROVED if is_small else 1
        different = self._different(ends, MOST_ENDS)
        improved = [self.improved(end) for end in different[:n_improved]]
        return self.ranked([*improved, *different[n_improved:]])

    def _different(self, ends: list[End], most: int) -> list[End]:
        """Return at most so many of the best ends that group the rows differently."""
        kept: list[End] = []
        told: list[IntegerArray] = []
        for end in self.ranked(ends):
            labels = self._labels(end)
            if all(self._share_apart(labels, other) > SAME for other in told):
                kept.append(end)
                told.append(labels)
            if len(kept) == most:
                break
        return kept

    def climbed(self, guide: Guide, statistics: SufficientStatistics, n_steps: int) -> End:
        """Return where EM steps lead from statistics; fewer steps where they gain nothing more."""
        parameters, before = None, -np.inf
        for _ in range(n_steps):
            parameters = guide.parameters(statistics)
            potentials = guide.family.potentials(parameters)
            statistics = self.engine.sweep(self.sample, potentials, Soft()) * self.scale
            height = statistics.log_normalizer
            if abs(height - before) <= SETTLED * self.total_weight:
                break
            before = height
        assert parameters is not None
        merit = statistics.log_normalizer + guide.merit(parameters)
        return End(statistics, parameters, merit if np.isfinite(merit) else -np.inf, guide)

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all rows."""
        return self.sample.total_weight * self.scale

    @property
    def slack(self) -> float:
        """Nats by which ends that are one may differ."""
        return TIE * self.total_weight

    def ranked(self, ends: list[End]) -> list[End]:
        """Return ends by falling merit; the earlier of equals first."""
        left, order = list(ends), []
        while left:
            least = max(end.merit for end in left) - self.slack
            chosen = next(n for n, end in enumerate(left) if end.merit >= least)
            order.append(left.pop(chosen))
        return order

    def rival(self, ends: list[End]) -> Rival | None:
        """Return the first end that is almost as good as the best and groups rows otherwise."""
        best, *others = ends
        own = self._labels(best)
        for end in others:
            behind = best.merit - end.merit
            share = self._share_apart(own, self._labels(end)) if behind <= ALMOST else 0.0
            if share > ALIKE:
                return Rival(float(behind), share)
        return None

    def _labels(self, end: End) -> IntegerArray:
        return self.engine.labels(self.sample, end.guide.family.potentials(end.parameters))

    def _share_apart(self, labels: IntegerArray, others: IntegerArray) -> float:
        """Return the share of the rows' weight that two partitions group otherwise."""
        counts = np.zeros((int(labels.max()) + 1, int(others.max()) + 1))
        weights = self.sample.weights
        np.add.at(counts, (labels, others), 1.0 if weights is None else weights)
        alike = counts[linear_sum_assignment(-counts)].sum()
        return float(1.0 - alike / max(counts.sum(), np.finfo(float).tiny))

    def improved(self, end: End) -> End:
        """Return the end of relocations, each kept if it gains."""
        n_components = end.statistics.count.size
        hopeless = -HOPELESS * self.sample.total_weight
        n_features, is_matrix = self.sample.n_features, len(end.guide.structure) == 3
        if is_matrix and n_features * n_components >= self.total_weight:
            return end  # the prior alone decides of shapes
        most = TRIALS_OF_FEW if self.is_small(n_components, is_matrix=is_matrix) else TRIALS
        for _ in range(ROUNDS if n_components > 1 else 0):
            own = end.statistics * (1.0 / self.scale)
            tried = relocations(self.sample, end.guide, self.engine, own, end.parameters)
            for promise, statistics in tried[:most]:
                trial = self._tried(end, statistics * self.scale) if promise > hopeless else None
                if trial is not None:
                    end = trial
                    break
            else:
                return end
        return end

    def is_small(self, n_components: int, *, is_matrix: bool) -> bool:
        """Whether steps of EM cost so little that many relocations may be tried."""
        n_features = self.sample.n_features
        work = self.sample.total_weight * n_features * n_components
        return work + (n_components * n_features**3 if is_matrix else 0) <= FEW

    def _tried(self, end: End, statistics: SufficientStatistics) -> End | None:
        """Return where a relocation leads, or None where that is no better.

        It is given up where the limit of its first gains, as a geometric series, is no better.
        """
        wanted = end.merit + max(LEAST_GAIN, self.slack)
        trial = self.climbed(end.guide.copy(), statistics, TRIAL_STEPS - 2)
        merits = [trial.merit]
        for _ in range(2):
            trial = self.climbed(trial.guide, trial.statistics, 1)
            merits.append(trial.merit)
        if not np.isfinite(merits).all():
            return None
        first, second = np.diff(merits)
        rate = second / first if first > 0.0 else 0.0
        if rate < 1.0 and trial.merit + max(second, 0.0) * rate / (1.0 - rate) <= wanted:
            return None
        trial = self.climbed(trial.guide, trial.statistics, SECOND_STEPS - TRIAL_STEPS)
        is_better = trial.merit > wanted and self.is_sound(trial, end)
        return trial if is_better and self.lasts(trial) else None

    def is_sound(self, end: End, other: End) -> bool:
        """Whether an end has no more components of too few rows than another.

        Of the joint density of many features a component without rows has more than one with
        rows, at the mode of its own prior: it must not be looked for.
        """
        n_groups, n_features = end.parameters.means.shape
        if not end.guide.counts_density:
            return True
        fewest = min(n_features + 0.5, end.statistics.total / (4.0 * n_groups))
        few, before = (int((one.statistics.count < fewest).sum()) for one in (end, other))
        return few <= before

    def lasts(self, end: End) -> bool:
        """Whether no component collapses in the steps after an end."""
        if not end.guide.may_collapse:
            return True
        return bool(np.isfinite(self.climbed(end.guide, end.statistics, LASTING_STEPS).merit))


def searcher_of(rows: Rows, n_components: int, engine: Engine) -> Searcher:
    """Return what seeks starts in a sample of the rows."""
    most = max(SAMPLE, SAMPLE_OF_COMPONENT * n_components)
    sample = engine.subsample(rows, most)
    weight = sample.total_weight
    return Searcher(sample, engine, rows.total_weight / weight if weight > 0.0 else 1.0)


@final
@dataclass(frozen=True, eq=False)
class Elicited:
    """What a search without a given component prior finds.

    Parameters
    ----------
    within : WithinGroups
        What takes a prior's scale from groups.
    scale : array of shape (D, D), (D,) or (1,)
        How wide groups are, in the units of the moments.
    ends : tuple of SufficientStatistics
        The best ends of the search.
    rival : Rival, optional
        Another end that is almost as good as the best.
    """

    within: WithinGroups
    scale: Array
    ends: tuple[SufficientStatistics, ...]
    rival: "Rival | None" = None

    def prior(self) -> ComponentPrior:
        """Return the default prior, in the rows' own units."""
        moments, prior = self.within.moments, self.within.prior(self.scale)
        return prior if moments.factor is None else prior.rescaled(1.0 / moments.factor)


@final
@dataclass(frozen=True, eq=False)
class Elicitation:
    """What default priors are taken from.

    Parameters
    ----------
    rows : Rows
        The rows, in the units of the moments.
    engine : Engine
        What sweeps them.
    moments : OverallMoments
        Of all rows.
    resolution : array of shape (D,), optional
        Spacing of each column's values in these units, zero where they are continuous.
    """

    rows: Rows
    engine: Engine
    moments: OverallMoments
    resolution: Array | None = None

    def groups(self, family: CovarianceFamily, n_sharing: float) -> Elicited:
        """Return how wide groups of the rows are, as many as are expected to share them."""
        n_groups = max(1, round(n_sharing))
        structure = family.structure(n_groups, self.rows.n_features)
        within = WithinGroups(self.moments, structure, n_sharing, self.resolution)
        searcher = searcher_of(self.rows, n_groups, self.engine)
        ends = searcher.ends(ElicitingGuide(family, structure, within), n_groups)
        best, scale = self._settled(searcher, ends[0])
        statistics = (best.statistics, *(end.statistics for end in ends[1:]))
        return Elicited(within, scale, statistics, searcher.rival(ends))

    def _settled(self, searcher: Searcher, end: End) -> tuple[End, Array]:
        """Return the end once its scale has come to rest, so that the way there does not show."""
        guide = end.guide
        assert isinstance(guide, ElicitingGuide)
        assert guide.scale is not None
        for _ in range(SCALE_STEPS):
            before = guide.scale
            end = searcher.climbed(guide, end.statistics, 1)
            moved = np.abs(guide.scale - before).max()
            if moved <= SCALE_SETTLED * np.abs(guide.scale).max():
                break
        return end, guide.scale


@final
@dataclass(frozen=True, eq=False)
class Search(Initializer):
    """Clusters from several systems of coordinates, short runs of EM, and relocations.

    The rows are clustered by splits, by Ward's hierarchy and by k-means in standardised columns,
    in columns as they are and, for correlated components, in uncorrelated ones. EM climbs a few
    steps from each; the best end is improved by merging two components and splitting a third as
    long as that gains [UedaNakano2000]_. A function of the weighted distribution of the rows
    alone: no randomness. Further starts are those of :class:`mixtura.initialization.split.Split`.

    Of many rows a sample is searched, chosen by the rows' contents.

    Parameters
    ----------
    ends : tuple of SufficientStatistics
        Ends that have been found already, on the way to the default prior.
    """

    ends: tuple[SufficientStatistics, ...] = ()
    name = "search"

    def statistics(
        self, model: MixtureModel, rows: Rows, engine: Engine, number: int, seed: SeedSequence
    ) -> SufficientStatistics:
        if number > 0 or model.weight_prior.finds_components:
            return Split().statistics(model, rows, engine, number, seed)
        searcher, guide = searcher_of(rows, model.n_components, engine), ModelGuide(model)
        known = [one for one in self.ends if one.structure == model.structure]
        if known:
            ends = [searcher.climbed(guide, one, FIRST_STEPS) for one in known]
            first, ends = ends[0], searcher.ranked(ends)
            sound = (end for end in ends if searcher.is_sound(end, first) and searcher.lasts(end))
            best = next(sound, first)
            is_matrix = len(model.structure) == 3
            is_small = searcher.is_small(model.n_components, is_matrix=is_matrix)
            ends = [searcher.improved(best) if is_small else best]
        else:
            ends = searcher.ends(guide, model.n_components)
        best = ends[0]
        best_statistics = best.statistics.permuted(canonical_order(best.parameters))
        if searcher.sample.n_rows == rows.n_rows:
            return best_statistics
        potentials = model.family.potentials(guide.parameters(best_statistics))
        return engine.sweep(rows, potentials, Soft())


def after(start: Initializer, found: Elicited | None) -> Initializer:
    """Return a start that knows what has been found on the way to the default prior."""
    if found is None or not isinstance(start, Search):
        return start
    return replace(start, ends=found.ends)
