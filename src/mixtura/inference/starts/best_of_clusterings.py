"""The deterministic default start, and the default prior that is found on the way to it."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.random import SeedSequence

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.fit import canonical_order
from mixtura.inference.starts.base import Initializer, label_statistics
from mixtura.inference.starts.ends import End, Rival
from mixtura.inference.starts.guides import ElicitingGuide, ModelGuide
from mixtura.inference.starts.searcher import Searcher, searcher_of
from mixtura.inference.starts.split import Split, cluster
from mixtura.messages.assignments import Soft
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.priors import ComponentPrior
from mixtura.priors.elicitation import OverallMoments, WithinGroups
from mixtura.typing import Array


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
    rival: Rival | None = None

    def prior(self, *, of_averages: bool) -> ComponentPrior:
        """Return the default prior of posterior means, or of modes, in the rows' own units."""
        moments = self.within.moments
        prior = self.within.prior(self.scale, worth=self.within.worth(of_averages=of_averages))
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
        """Return how wide groups of the rows are, as many as are expected to share them.

        Of a restricted family they are those of the family without restrictions; their ends are
        followed by those of families that share more, which may lead to better ones.
        """
        if not family.is_restricted:
            return self._found(family, n_sharing)[0]
        is_matrix = len(family.structure(1, 1)) == 3
        free = FAMILIES["full" if is_matrix else "diag"]

        def find() -> Elicited:
            found = self._found(free, n_sharing)[0]
            ends = found.ends
            for name in ("tied", "spherical") if is_matrix else ("tied_diag", "spherical"):
                ends += self._led_to(free, *self._found(FAMILIES[name], n_sharing)[1:])
            return replace(found, ends=ends)

        return self.rows.once(("groups of parts", *self._key(free, n_sharing)), find)

    def _led_to(
        self, free: CovarianceFamily, searcher: Searcher, ends: list[End]
    ) -> tuple[SufficientStatistics, ...]:
        """Return the statistics that the ends of another family have for a free one."""
        found = []
        for end in ends:
            sizes = end.parameters.means.shape
            matrices = end.guide.family.expand(end.parameters.covariances, *sizes)
            parameters = replace(end.parameters, covariances=free.compact(matrices))
            swept = self.engine.sweep(searcher.sample, free.potentials(parameters), Soft())
            found.append(swept * searcher.scale)
        return tuple(found)

    def _found(
        self, family: CovarianceFamily, n_sharing: float
    ) -> tuple[Elicited, Searcher, list[End]]:
        """Return the groups of a family without restrictions, sought once in the same rows."""

        def find() -> tuple[Elicited, Searcher, list[End]]:
            n_groups = max(1, round(n_sharing))
            structure = family.structure(n_groups, self.rows.n_features)
            searcher = searcher_of(self.rows, n_groups, self.engine)
            held = searcher.sample.n_rows <= n_groups
            within = WithinGroups(self.moments, structure, n_sharing, self.resolution, is_held=held)
            ends = searcher.ends(ElicitingGuide(family, structure, within), n_groups)
            scale = ends[0].guide.scale
            assert scale is not None
            statistics = tuple(end.statistics for end in ends)
            return Elicited(within, scale, statistics, searcher.rival(ends)), searcher, ends

        return self.rows.once(("groups", *self._key(family, n_sharing)), find)

    def _key(self, family: CovarianceFamily, n_sharing: float) -> tuple[Hashable, ...]:
        """Return all that the groups of a family depend on beside the rows."""
        spacing = None if self.resolution is None else self.resolution.tobytes()
        return family, n_sharing, self.moments, self.engine, spacing


@final
@dataclass(frozen=True, eq=False)
class Search(Initializer):
    """Clusters from several systems of coordinates, short runs of EM, and relocations.

    The rows are clustered by splits, by Ward's hierarchy and by k-means in standardised columns,
    in columns as they are and, for correlated components, in uncorrelated ones. EM climbs a few
    steps from each; the best end is improved by merging two components and splitting a third as
    long as that gains [UedaNakano2000]_. A function of the weighted distribution of the rows
    alone: no randomness. Further starts begin at one clustering each, split along directions that
    are drawn, and are improved likewise.

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
        if model.weight_prior.finds_components:
            return Split().statistics(model, rows, engine, number, seed)
        searcher, guide = searcher_of(rows, model.n_components, engine), ModelGuide(model)
        known = [one for one in self.ends if one.structure == model.structure]
        if number > 0:
            best = self._drawn(searcher, guide, model, seed)
        elif known:
            best = searcher.best(guide, known)
        else:
            best = searcher.ends(guide, model.n_components)[0]
        found = best.statistics.permuted(canonical_order(best.parameters))
        if searcher.rows is None:
            return found
        return engine.sweep(rows, model.family.potentials(guide.parameters(found)), Soft())

    def _drawn(
        self, searcher: Searcher, guide: ModelGuide, model: MixtureModel, seed: SeedSequence
    ) -> End:
        """Return the end of one clustering along directions that are drawn."""
        sample, engine = searcher.sample, searcher.engine
        labels = cluster(sample, model.n_components, engine, np.random.default_rng(seed))
        begin = label_statistics(model, sample, engine, labels) * searcher.scale
        return searcher.only(guide, begin)


def after(start: Initializer, found: Elicited | None) -> Initializer:
    """Return a start that knows what has been found on the way to the default prior."""
    if found is None or not isinstance(start, Search):
        return start
    return replace(start, ends=found.ends)
