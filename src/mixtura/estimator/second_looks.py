"""Candidates that are fitted again, from where others of as many components ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.data.scaling import safe_factor
from mixtura.errors import (
    DataWarning,
    DegenerateComponentWarning,
    EmptyComponentWarning,
    MixturaError,
)
from mixtura.estimator import GaussianMixtureModel, arguments
from mixtura.families import is_special_case
from mixtura.fit import Fit
from mixtura.inference.in_threads import answers
from mixtura.inference.starts.ends import share_apart
from mixtura.inference.starts.guides import ModelGuide
from mixtura.inference.starts.handed_on import Begun, HandedOn, SeveralEnds
from mixtura.inference.starts.plans import SAME, SETTLED
from mixtura.inference.starts.relocation import merge_losses
from mixtura.inference.starts.short_runs import ShortRunLimits, short_run
from mixtura.messages.statistics import SufficientStatistics

SHORT = 16
"""Iterations after which a climb from another end is judged."""

MARGIN = 3.0
"""Multiples of what the last gains of a short climb promise, as a geometric series."""

MOST_ENDS = 4
"""Ends of other families from which one candidate is tried, the most likely first."""

MOST_MERGES, MOST_SPLITS = 2, 8
"""Merges of one component more, and splits of one fewer, from which it is tried."""

GAIN = 0.01
"""Nats that a second look must gain."""

BEHIND = 1.0
"""Nats by which a short climb may lie behind and still be followed to its end."""

FAR_BEHIND = 4.0
"""Nats by which it may lie behind until its last two iterations."""

ROUNDS = 6
"""How often ends that were improved are handed on."""

UNSOUND = (DegenerateComponentWarning, EmptyComponentWarning, DataWarning)
"""What is doubtful about components, and must not be new."""

NO_SEED = np.random.SeedSequence(0)
"""Nothing is drawn."""

FAILURES = (MixturaError, ValueError, ArithmeticError)


@final
@dataclass(frozen=True, eq=False)
class Fitted:
    """A candidate that was fitted.

    Parameters
    ----------
    position : int
        Its place in the table.
    gmm : GaussianMixtureModel
        The estimator.
    rows : ArrayRows
        The rows that it was fitted to.
    """

    position: int
    gmm: GaussianMixtureModel
    rows: ArrayRows

    @property
    def fit(self) -> Fit:
        """Where it ended."""
        return self.gmm.fit_

    @property
    def collapsed(self) -> bool:
        """Whether a component has collapsed."""
        return _has(self.fit, DegenerateComponentWarning)


def may_look_twice(gmm: GaussianMixtureModel) -> bool:
    """Whether an estimator's fit may begin where another one ended.

    Fits of a point may, whose start was left to the search, and whose components nobody has named.
    """
    method = arguments.inference_method(gmm.inference)
    is_free = gmm.background is None and not gmm.fixed
    is_own = isinstance(gmm.init, str) and gmm.init == "search" and gmm.n_init is None
    return method.is_point and is_free and is_own and gmm.max_iter is None


def improved(found: Sequence[Fitted], workers: int) -> dict[int, GaussianMixtureModel]:
    """Return the candidates that end higher from where others ended, by their positions.

    A family that is a special case of another, letter by letter, is never more likely, nor is a
    smaller number of components: where it seems so, a search has ended in a local optimum. Others
    may show the way as well.

    Parameters
    ----------
    found : sequence of Fitted
        Every candidate that was fitted and may be fitted again.
    workers : int
        Number of threads; answers do not depend on it.
    """
    now = {one.position: one for one in found}
    better: dict[int, GaussianMixtureModel] = {}
    fresh = set(now)
    for _ in range(ROUNDS):
        jobs = [(one, _starts(one, now.values(), fresh)) for one in now.values()]
        jobs = [(one, starts) for one, starts in jobs if starts]
        ended = list(answers(_looked_again, jobs, workers))
        fresh = set()
        for (one, _), gmm in zip(jobs, ended, strict=True):
            if gmm is not None:
                fresh.add(one.position)
                better[one.position] = gmm
                now[one.position] = Fitted(one.position, gmm, one.rows)
        if not fresh:
            break
    return better


def _starts(one: Fitted, found: Iterable[Fitted], fresh: set[int]) -> list[HandedOn]:
    """Return from where a candidate may be fitted again, of ends that are fresh."""
    size, family = one.gmm.n_components, one.fit.model.family
    if size == 1:
        return []
    found = list(found)
    largest = max(each.gmm.n_components for each in found)
    others = [each for each in found if each.position in fresh and not each.collapsed]
    starts = [HandedOn(fit) for fit in _of_families(one, others)]
    for other in others:
        if other.fit.model.family is not family:
            continue
        if other.gmm.n_components == size + 1:
            model, total = other.fit.model, other.fit.total_weight
            own = other.fit.parameters
            losses = merge_losses(model.structure, total * own.weights, own)
            pairs = [(a, b) for _, a, b in losses[:MOST_MERGES]]
            starts += [HandedOn(other.fit, merged=pair) for pair in pairs]
        elif other.gmm.n_components == size - 1 and (
            size == largest or _is_behind(one.fit, other.fit)
        ):
            starts += [HandedOn(other.fit, split=k) for k in range(min(size - 1, MOST_SPLITS))]
    return starts


def _of_families(one: Fitted, others: list[Fitted]) -> list[Fit]:
    """Return ends of other families that group rows otherwise, the most likely first.

    The first is one of a special case that is more likely, where there is such.
    """
    size, family = one.gmm.n_components, one.fit.model.family
    near = [each for each in others if each.gmm.n_components == size and each is not one]
    near.sort(key=lambda each: (-each.fit.log_likelihood, each.position))
    special = [
        each
        for each in near
        if is_special_case(each.fit.model.family, family) and _is_behind(one.fit, each.fit)
    ]
    kept = special[:1]
    for each in near:
        if len(kept) == MOST_ENDS:
            break
        labels, weights = each.gmm.labels_, one.rows.weights
        if all(share_apart(labels, other.gmm.labels_, weights) > SAME for other in (one, *kept)):
            kept.append(each)
    return [each.fit for each in kept]


def _is_behind(fit: Fit, other: Fit) -> bool:
    return fit.log_likelihood < other.log_likelihood - GAIN


def _looked_again(job: tuple[Fitted, list[HandedOn]]) -> GaussianMixtureModel | None:
    """Return the better fit that others lead to; None where none does."""
    one, starts = job
    model, rows = one.fit.model, one.rows
    if safe_factor(rows.magnitude(), common=model.family.has_common_unit) is None:
        begin = _promising(one, starts)
        if begin is None:
            return None
        found = _led(one, [begin], None)
    else:
        best = _led(one, starts, SHORT)
        if best is None:
            return None
        lead = best.fit_.objective - one.fit.objective
        if not one.collapsed and lead < (GAIN if best.converged_ else -BEHIND):
            return None
        found = _led(one, [HandedOn(best.fit_)], None)
    if found is None or not _is_better(found.fit_, one.fit):
        return None
    return found.set_params(init=one.gmm.init, n_init=None, max_iter=None)


def _promising(one: Fitted, starts: list[HandedOn]) -> Begun | None:
    """Return where the best of short climbs from other ends leads; None where none promises more.

    Weights follow the counts, as in all searches for starts.
    """
    guide = ModelGuide(one.fit.model)
    own = one.fit.log_likelihood + guide.merit(one.fit.parameters)
    most, best = -np.inf, None
    for start in starts:
        try:
            found = _climbed(one, start, guide, -np.inf if one.collapsed else own)
        except FAILURES:
            continue
        if found is not None and found[1] > most:
            best, most = found
    return None if best is None else Begun(best)


def _climbed(
    one: Fitted, start: HandedOn, guide: ModelGuide, own: float
) -> tuple[SufficientStatistics, float] | None:
    """Return where a short climb leads, and how good that is; None where it promises no more."""
    engine, rows, model = one.gmm._engine(), one.rows, one.fit.model
    key = "handed on", start.key, model.structure
    statistics = rows.once(key, lambda: start.statistics(model, rows, engine, 0, NO_SEED))
    merits: list[float] = []
    for n_steps, behind in ((SHORT - 2, FAR_BEHIND), (1, FAR_BEHIND), (1, BEHIND)):
        limits = ShortRunLimits(n_steps, settled=SETTLED * rows.total_weight)
        statistics, parameters = short_run(engine, rows, guide, statistics, limits)
        merits.append(statistics.log_normalizer + guide.merit(parameters))
        if not (np.isfinite(merits[-1]) and merits[-1] >= own - behind):
            return None
    first, second = np.diff(merits)
    rate = second / first if first > 0.0 else 0.0
    rest = MARGIN * second * rate / (1.0 - rate) if 0.0 < rate < 1.0 else 0.0
    is_promising = rate >= 1.0 or merits[-1] + rest > own + GAIN
    return (statistics, merits[-1]) if is_promising else None


def _led(
    one: Fitted, starts: Sequence[HandedOn | Begun], max_iter: int | None
) -> GaussianMixtureModel | None:
    """Return a candidate's best fit from other ends; None where there is none."""
    own = GaussianMixtureModel(**one.gmm.get_params(deep=False))
    own.init, own.n_init, own.max_iter = SeveralEnds(tuple(starts)), len(starts), max_iter
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(one.gmm, name):
            setattr(own, name, getattr(one.gmm, name))
    try:
        own._fit_rows(one.rows)
    except FAILURES:
        return None
    return own


def _is_better(fit: Fit, other: Fit) -> bool:
    """Whether a fit is higher than another, and as sound; or sound where the other is not."""
    new = [kind for kind in UNSOUND if _has(fit, kind) and not _has(other, kind)]
    if new:
        return False
    was, now = (_has(one, DegenerateComponentWarning) for one in (other, fit))
    if was != now:
        return was
    return fit.objective > other.objective + GAIN


def _has(fit: Fit, kind: type[Warning]) -> bool:
    return any(issubclass(doubt.category, kind) for doubt in fit.doubts)
