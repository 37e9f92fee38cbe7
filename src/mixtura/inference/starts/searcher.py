"""Short runs of EM from several clusterings, and relocations of the best ends."""

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import final

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.engines import Engine
from mixtura.engines.search import SearchPlan, Starts
from mixtura.inference.starts.base import label_statistics_of
from mixtura.inference.starts.clusterings import clusterings
from mixtura.inference.starts.ends import End, Rival, end_of, share_apart
from mixtura.inference.starts.guides import DEGENERATE, Guide
from mixtura.inference.starts.plans import (
    ALIKE,
    ALMOST,
    FEW,
    FEWEST,
    HOPELESS,
    LASTING_STEPS,
    LEAST_GAIN,
    MOST_ENDS,
    MOST_IMPROVED,
    ONCE_MORE,
    REACH,
    RELOCATION_STEPS,
    ROUNDS,
    SAME,
    SAMPLE,
    SAMPLE_OF_COMPONENT,
    SCALE_ROUNDS,
    SCALE_SETTLED,
    SCALE_STEPS,
    SETTLED,
    STEPS,
    TIE,
    TRIAL_STEPS,
    TRIALS,
    TRIALS_OF_FEW,
    WIDER,
    WIDER_STEPS,
)
from mixtura.inference.starts.relocation import relocations
from mixtura.inference.starts.short_runs import ShortRunLimits, short_run
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


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
    rows : Rows, optional
        All rows, where there are more than those of the sample.
    """

    sample: ArrayRows
    engine: Engine
    scale: float
    rows: Rows | None = None

    @cached_property
    def wider(self) -> "Searcher | None":
        """More rows, by which ends of the sample are compared: it may favour one by chance."""
        if self.rows is None:
            return None
        return _searcher_in(self.rows, WIDER * self.sample.n_rows, self.engine)

    def ends(self, guide: Guide, n_components: int) -> list[End]:
        """Return where the best clusterings lead, the best first, after relocations."""
        is_matrix = len(guide.structure) == 3
        found = list(clusterings(self.sample, n_components, self.engine, correlated=is_matrix))
        n_improved = MOST_IMPROVED if self.is_small(guide, n_components) else 1
        run = self._searched(guide, np.stack(found), n_components, STEPS, n_improved)
        if run:
            return self._compared(run)
        shape, centre = (guide.structure, n_components), self.centre()
        starts = (
            label_statistics_of(self.sample, self.engine, *shape, labels, centre)
            for labels in self._unlike(found)
        )
        ends = [self.climbed(guide.copy(), one * self.scale, STEPS[0]) for one in starts]
        for number, n_steps in enumerate(STEPS[1:]):
            ends = self._different(ends, MOST_ENDS if number else len(ends))
            ends = [self.climbed(end.guide, end.statistics, n_steps) for end in ends]
        different = self._different(ends, MOST_ENDS)
        improved = [self.improved(end) for end in different[:n_improved]]
        best, *others = self.ranked([*improved, *different[n_improved:]])
        return self._compared([self.settled(best), *others])

    def _compared(self, ends: list[End]) -> list[End]:
        """Return ends of a sample in the order in which they are for more rows."""
        if self.wider is None or len(ends) == 1:
            return ends
        led = self.wider.led(ends)
        best, *others = self.wider.ranked(led)
        if best is led[0]:
            return [ends[0], *others]
        return [self.settled(best), *others]

    def led(self, ends: list[End]) -> list[End]:
        """Return where a few steps on these rows lead from other ends."""
        return [self.climbed(end.guide.copy(), end.statistics, WIDER_STEPS) for end in ends]

    def settled(self, end: End) -> End:
        """Return an end once its scale has come to rest, so that the way there does not show."""
        guide = end.guide
        for _ in range(SCALE_ROUNDS):
            before = guide.scale
            if before is None or guide.scale is None:
                break
            end = self.climbed(guide, end.statistics, SCALE_STEPS, SCALE_SETTLED)
            moved = np.abs(guide.scale - before).max()
            if moved <= SCALE_SETTLED * np.abs(guide.scale).max():
                break
        return end

    def best(self, guide: Guide, known: list[SufficientStatistics]) -> End:
        """Return the best of ends that are known, led once more; relocated where rows are few."""
        if self.wider is not None:
            wider = self.wider
            ends = [wider.climbed(guide.copy(), one, ONCE_MORE) for one in known]
            return self._soundest(ends[0], wider.ranked(ends))
        n_components = known[0].count.size
        # Under the default prior relocations have been tried on the way to it.
        n_improved = int(self.is_small(guide, n_components) and guide.may_collapse)
        run = self._searched(guide, known, n_components, (ONCE_MORE,), n_improved)
        if run:
            return run[0]
        ends = [self.climbed(guide, one, ONCE_MORE) for one in known]
        for strict in (False, True):
            # A way through components without any width may lead to a sound end, or may not.
            best = self._soundest(ends[0], self.ranked(ends), strict=strict)
            best = self.improved(best, strict=strict) if n_improved else best
            if not guide.may_vanish or self.lasts(best, strict=True):
                break
        return best

    def _soundest(self, first: End, ranked: list[End], *, strict: bool = True) -> End:
        """Return the first of ranked ends that lasts and is as sound as a known one."""
        sound = (
            end for end in ranked if self.is_sound(end, first) and self.lasts(end, strict=strict)
        )
        return next(sound, first)

    def only(self, guide: Guide, begin: SufficientStatistics) -> End:
        """Return where relocations lead from one start."""
        run = self._searched(guide, [begin], begin.count.size, (sum(STEPS),), 1)
        return run[0] if run else self.improved(self.climbed(guide, begin, sum(STEPS)))

    def _searched(
        self,
        guide: Guide,
        starts: Starts,
        n_components: int,
        steps: tuple[int, ...],
        n_improved: int,
    ) -> list[End]:
        """Return where a search in one run leads; nothing where that is not to be had."""
        leading = guide.leading()
        if leading is None:
            return []
        plan = self.plan(guide, n_components, steps, n_improved)
        shape = n_components, guide.structure
        found = self.engine.search(self.sample, starts, shape, leading, plan)
        return [end_of(guide, end) for end in found]

    def plan(
        self, guide: Guide, n_components: int, steps: tuple[int, ...], n_improved: int
    ) -> SearchPlan:
        """Return how far a search goes that leads starts for so many steps each."""
        is_matrix = len(guide.structure) == 3
        if is_matrix and self.sample.n_features * n_components >= self.total_weight:
            n_improved = 0  # the prior alone decides of shapes
        is_small = self.is_small(guide, n_components)
        return SearchPlan(
            n_kept=MOST_ENDS,
            n_improved=n_improved,
            most_trials=TRIALS_OF_FEW if is_small else TRIALS,
            n_rounds=ROUNDS,
            relocation_steps=RELOCATION_STEPS,
            trial_steps=TRIAL_STEPS,
            lasting_steps=LASTING_STEPS,
            scale_rounds=SCALE_ROUNDS,
            scale_steps=SCALE_STEPS,
            steps=steps,
            factor=self.scale,
            settled=SETTLED * self.total_weight,
            slack=self.slack,
            least_gain=LEAST_GAIN,
            hopeless=-HOPELESS * self.sample.total_weight,
            same=SAME,
            fewest=FEWEST,
            scale_rest=SCALE_SETTLED,
            degenerate=DEGENERATE,
            reach=REACH,
        )

    def centre(self) -> Array:
        """Return the mean of the rows, shape (D,)."""
        return self.engine.overall(self.sample, matrix=False).mean()[0]

    def _different(self, ends: list[End], most: int) -> list[End]:
        """Return at most so many of the best ends that group the rows differently."""
        kept: list[End] = []
        told: list[IntegerArray] = []
        for end in self.ranked(ends):
            labels = self._labels(end)
            if all(share_apart(labels, other, self.sample.weights) > SAME for other in told):
                kept.append(end)
                told.append(labels)
            if len(kept) == most:
                break
        return kept

    def climbed(
        self, guide: Guide, statistics: SufficientStatistics, n_steps: int, rest: float = 0.0
    ) -> End:
        """Return where EM steps lead from statistics; fewer steps where they gain nothing more.

        Where ``rest`` is given they end instead when the scale changes by no more, relatively.
        """
        limits = ShortRunLimits(n_steps, self.scale, SETTLED * self.total_weight, rest)
        statistics, parameters = short_run(self.engine, self.sample, guide, statistics, limits)
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
        near = [end for end in others if best.merit - end.merit <= ALMOST]
        own = self._labels(best) if near else None
        for end in near:
            share = 0.0 if own is None else share_apart(own, self._labels(end), self.sample.weights)
            if share > ALIKE:
                return Rival(float(best.merit - end.merit), share)
        return None

    def _unlike(self, found: list[IntegerArray]) -> list[IntegerArray]:
        """Return clusters without those that are almost alike, which lead to the same end."""
        kept: list[IntegerArray] = []
        for labels in found:
            if all(share_apart(labels, other, self.sample.weights) > SAME for other in kept):
                kept.append(labels)
        return kept

    def _labels(self, end: End) -> IntegerArray:
        return self.engine.labels(self.sample, end.guide.family.potentials(end.parameters))

    def improved(self, end: End, *, strict: bool = False) -> End:
        """Return the end of relocations, each kept if it gains."""
        n_components = end.statistics.count.size
        hopeless = -HOPELESS * self.sample.total_weight
        n_features, is_matrix = self.sample.n_features, len(end.guide.structure) == 3
        if is_matrix and n_features * n_components >= self.total_weight:
            return end  # the prior alone decides of shapes
        most = TRIALS_OF_FEW if self.is_small(end.guide, n_components) else TRIALS
        for _ in range(ROUNDS if n_components > 1 else 0):
            own = end.statistics * (1.0 / self.scale)
            tried = relocations(self.sample, end.guide, self.engine, own, end.parameters)
            for promise, statistics in islice(tried, most):
                if not promise > hopeless:
                    continue
                trial = self._tried(end, statistics * self.scale, strict=strict)
                if trial is not None:
                    end = trial
                    break
            else:
                return end
        return end

    def is_small(self, guide: Guide, n_components: int) -> bool:
        """Whether steps of EM cost so little that many relocations may be tried."""
        n_features = self.sample.n_features
        work = self.sample.total_weight * n_features * n_components
        if len(guide.structure) < 3:
            return work <= FEW
        # More parameters than rows: many ends, of which none is to be believed.
        is_known = guide.family.n_parameters(n_components, n_features) <= self.total_weight
        return is_known and work + n_components * n_features**3 <= FEW

    def _tried(self, end: End, statistics: SufficientStatistics, *, strict: bool) -> End | None:
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
        trial = self.climbed(trial.guide, trial.statistics, RELOCATION_STEPS - TRIAL_STEPS)
        is_better = trial.merit > wanted and self.is_sound(trial, end)
        return trial if is_better and self.lasts(trial, strict=strict) else None

    def is_sound(self, end: End, other: End) -> bool:
        """Whether an end has no more components of too few rows than another.

        Of the joint density of many features a component without rows has more than one with
        rows, at the mode of its own prior: it must not be looked for.
        """
        n_groups, n_features = end.parameters.means.shape
        if not end.guide.counts_density:
            return True
        fewest = min(n_features + 0.5, FEWEST * end.statistics.total / n_groups)
        few, before = (int((one.statistics.count < fewest).sum()) for one in (end, other))
        return few <= before

    def lasts(self, end: End, *, strict: bool) -> bool:
        """Whether no component collapses in the steps after an end, or loses its rows' width."""
        if not end.guide.may_collapse:
            return True
        later = self.climbed(end.guide, end.statistics, LASTING_STEPS)
        is_narrow = strict and end.guide.has_vanished(later.statistics)
        return bool(np.isfinite(later.merit)) and not is_narrow


def searcher_of(rows: Rows, n_components: int, engine: Engine) -> Searcher:
    """Return what seeks starts in a sample of the rows."""
    return _searcher_in(rows, max(SAMPLE, SAMPLE_OF_COMPONENT * n_components), engine)


def _searcher_in(rows: Rows, most: int, engine: Engine) -> Searcher:
    sample = engine.ordered_subsample(rows, most)
    weight = sample.total_weight
    scale = rows.total_weight / weight if weight > 0.0 else 1.0
    return Searcher(sample, engine, scale, rows if rows.n_rows > most else None)
