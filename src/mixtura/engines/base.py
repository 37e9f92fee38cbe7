"""Engines: the only code that touches rows."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from mixtura.data import ArrayRows, PartedRows, Rows
from mixtura.engines.allocation import Allocator
from mixtura.engines.ascent import Ascent
from mixtura.engines.beside_background import array_rows, beside, uniform_log_density
from mixtura.engines.climb import Climb, Standing
from mixtura.engines.content_keys import content_sample, in_order
from mixtura.engines.far_rows import may_be_far
from mixtura.engines.label_parts import drawn_values_by_label, told_by_label
from mixtura.engines.observed.integration import Sweeper
from mixtura.engines.observed.overall import (
    completed_in_tiles,
    completed_rows,
    most_looked_at,
    overall_statistics,
)
from mixtura.engines.observed.telling import completed_given, drawn_values, told_values
from mixtura.engines.search import Leading, SearchEnd, SearchPlan, Starts
from mixtura.engines.sorting import SortedColumns, sorted_columns
from mixtura.engines.variation import Factors, Variation
from mixtura.messages.assignments import Assignment, Soft
from mixtura.messages.background import BackgroundPotential
from mixtura.messages.potentials import Potentials
from mixtura.messages.prior_arrays import (
    ChainDraws,
    ChainSteps,
    ClimbSteps,
    ClusterSteps,
    MatrixSteps,
    ModeSteps,
    ScaleSteps,
)
from mixtura.messages.statistics import SufficientStatistics
from mixtura.messages.variational_prior_arrays import VariationalSteps
from mixtura.typing import Array, IntegerArray, StructureShape

LOOKED_AT = 1 << 13
"""Rows whose columns are sorted; of more, about so many."""

MOST_HELD = 1 << 12
"""Shares of all rows in the components of a mixture beyond which one mixture of several at a time
is faster."""

UNDERFLOWN = 1e-280
"""Share of a mixture in a row beside others from which on the shares within it have all digits."""


class Engine(Sweeper):
    """Where a sweep over the rows runs.

    An engine knows neither priors nor algorithms. Block results are added in a fixed order, so
    that the bits of an answer do not depend on the number of workers.
    """

    @abstractmethod
    def sweep(
        self, rows: Rows, potentials: Potentials, assignment: Assignment
    ) -> SufficientStatistics:
        """Return the weighted moments of the rows under their responsibilities.

        The moments are taken about the potentials' means, in the potentials' structure. What was
        not observed of a row is integrated out; under sampled components it is drawn.
        """

    @abstractmethod
    def responsibilities(self, rows: Rows, potentials: Potentials) -> Array:
        """Return each component's share of each row, shape (N, K)."""

    @abstractmethod
    def log_density(self, rows: Rows, potentials: Potentials) -> Array:
        """Return the log of the summed exponentiated scores of each row, shape (N,), in nats."""

    @abstractmethod
    def labels(self, rows: Rows, potentials: Potentials) -> IntegerArray:
        """Return the component of the highest score of each row, shape (N,)."""

    @abstractmethod
    def sample_labels(
        self, rows: Rows, potentials: Potentials, n_draws: int, seed: int
    ) -> IntegerArray:
        """Return components drawn for each row, shape (n_draws, N)."""

    def background_density(self, rows: Rows, potential: BackgroundPotential) -> Array:
        """Return the log of weight times density of rows under a background, (N,), in nats."""
        return potential.log_weight + uniform_log_density(array_rows(rows), potential.box)

    def expected_rows(self, rows: ArrayRows, potentials: Potentials) -> Array:
        """Return the expected true values of rows given what was observed of them, (N, D).

        As if they belonged to a component, where there is a background.
        """
        potentials = beside(potentials)
        if rows.is_complete:
            return rows.values
        if rows.is_labelled:
            return told_by_label(told_values, rows, potentials)
        return told_values(rows, potentials)

    def drawn_rows(self, rows: ArrayRows, potentials: Potentials, seed: int) -> Array:
        """Return true values of rows drawn given what was observed of them, shape (N, D)."""
        potentials = beside(potentials)
        if rows.is_complete:
            return rows.values
        if rows.is_labelled:
            return drawn_values_by_label(drawn_values, rows, potentials, seed)
        return drawn_values(rows, potentials, seed)

    def completed_given(
        self, rows: ArrayRows, potentials: Potentials, labels: IntegerArray, normals: Array
    ) -> Array:
        """Return true values of rows (N, D) given what was observed, and components (N,).

        Drawn by standard normal numbers (N, D).
        """
        return completed_given(rows, potentials, labels, normals)

    def log_likelihoods(self, rows: Rows, potentials: Potentials, n_components: int) -> Array:
        """Return the log likelihood of weighted rows under each of T mixtures, (T,), in nats.

        Parameters
        ----------
        rows : Rows
            The rows.
        potentials : Potentials
            Gaussian components, those of one mixture after the other.
        n_components : int
            Number of components K of a mixture.
        """
        terms = [
            self.sweep(rows, one, Soft()).log_normalizer for one in _apart(potentials, n_components)
        ]
        return np.array(terms)

    def summed_responsibilities(
        self, rows: Rows, potentials: Potentials, n_components: int
    ) -> Array:
        """Return each component's share of each row, summed over T mixtures, shape (N, K).

        The parameters are those of :meth:`log_likelihoods`.
        """
        n_mixtures = len(potentials.mean) // n_components
        is_large = rows.n_rows * n_components > MOST_HELD
        is_large |= rows.is_labelled  # labels say nothing about components of several mixtures
        if n_mixtures == 1 or is_large or may_be_far(rows, potentials, n_components):
            total = np.zeros((rows.n_rows, n_components))
            for one in _apart(potentials, n_components):
                total += self.responsibilities(rows, one)
            return total
        # As those of one large mixture they are found at once.
        shares = self.responsibilities(rows, potentials)
        shares = shares.reshape(rows.n_rows, n_mixtures, n_components)
        of_mixtures = shares.sum(axis=2, keepdims=True)
        for t in np.flatnonzero((of_mixtures < UNDERFLOWN).any(axis=(0, 2))):
            # A mixture under which some row is that much less likely is looked at alone.
            alone = potentials.components(slice(t * n_components, (t + 1) * n_components))
            shares[:, t] = self.responsibilities(rows, alone)
            of_mixtures[:, t] = 1.0
        return (shares / of_mixtures).sum(axis=1)

    def mode(
        self, statistics: SufficientStatistics, steps: ModeSteps, near: Array | None
    ) -> tuple[Array, Array] | None:
        """Return means and covariances of highest density, or None to find them by the classes.

        Parameters
        ----------
        statistics : SufficientStatistics
            Moments of the rows.
        steps : ModeSteps
            How parameters follow from them.
        near : array of the structure shape, optional
            Covariances at which searches for volumes and axes begin.
        """
        return None

    def ascent(
        self,
        rows: ArrayRows,
        begin: SufficientStatistics,
        steps: tuple[ModeSteps, ScaleSteps | None],
        limits: tuple[int, float, float],
    ) -> Ascent | None:
        """Return where steps of EM lead, or None to run them by sweeps.

        Parameters
        ----------
        rows : ArrayRows
            The rows.
        begin : SufficientStatistics
            From which the first step takes its parameters.
        steps : ModeSteps, and ScaleSteps or None
            How parameters follow from statistics; where there are ScaleSteps, the prior too.
        limits : int, float, float
            Largest number of steps; how many rows each row stands for; and by how many nats a step
            must change the data term to be followed by another.
        """
        return None

    def climb(
        self,
        rows: Rows,
        begin: Standing,
        steps: ClimbSteps,
        limits: tuple[int, float],
        *,
        by_em: bool,
    ) -> Climb | None:
        """Return where steps to the mode lead, or None to take them by sweeps.

        As many as there is time for before the process must look for interrupts; what they do does
        not depend on where they are cut into runs.

        Parameters
        ----------
        rows : Rows
            The rows.
        begin : Standing
            From where.
        steps : ClimbSteps
            The model as numbers.
        limits : int, float
            Largest number of steps, and by how much neither the objective nor the parameters may
            have further to go at the end, relative to size and widths.
        by_em : bool
            Whether all steps are EM's; otherwise quasi-Newton steps follow.
        """
        return None

    def search(
        self,
        rows: ArrayRows,
        starts: Starts,
        shape: tuple[int, StructureShape],
        leading: Leading,
        plan: SearchPlan,
    ) -> list[SearchEnd]:
        """Return where starts lead, the best first; nothing to search by runs of EM.

        Parameters
        ----------
        rows : ArrayRows
            The rows.
        starts : array of shape (S, N), or list of SufficientStatistics
            Clusters, which all are led and relocated; or moments, the best of which is.
        shape : int, tuple of int
            Number of components K, and the structure shape.
        leading : Leading
            How parameters and prior follow from statistics.
        plan : SearchPlan
            How far the search goes.
        """
        return []

    def variation(
        self, rows: Rows, begin: Factors, steps: VariationalSteps, limits: tuple[int, float]
    ) -> Variation | None:
        """Return where steps of variational Bayes lead, or None to take them by sweeps.

        As many, and cut into runs, as those of ``climb``; ``limits`` are as there.
        """
        return None

    def ward_merges(self, values: Array, mass: Array) -> Array | None:
        """Return cost and both members of every merge of rows (N, D) by Ward's method, (N - 1, 3).

        Along chains of nearest neighbours; None to find them elsewhere.
        """
        return None

    def split_means(self, values: Array, weights: Array, most: int) -> tuple[Array, Array] | None:
        """Return means (K, D) and masses (K,) of at most so many clusters of rows (N, D).

        Each of them split across its longest direction; None to find them elsewhere.
        """
        return None

    def clusters(
        self,
        rows: ArrayRows,
        split: ArrayRows,
        few: tuple[Array, Array, IntegerArray | None],
        limits: tuple[int, int, int, float],
    ) -> IntegerArray | None:
        """Return clusterings (S, N) of rows in one run, numbered by appearance; None without one.

        Those of splits moved by k-means, those of Ward's hierarchy, and these moved.

        Parameters
        ----------
        rows, split : ArrayRows
            The rows, and those of them whose clusters are split.
        few : array of shape (M, D), (M,), and (N,) or None
            Distinct rows in which a hierarchy is sought, how much they weigh, and which of them
            each row is if they are all there are.
        limits : int, int, int, float
            Number of clusters K, how many times as many pieces are merged, steps of k-means, and
            how far means must move to be moved again.
        """
        return None

    def chain(
        self,
        rows: Rows,
        steps: ChainSteps,
        current: tuple[Array, Array, Array],
        span: tuple[int, int, int, int],
        row_seed: int,
        rng: np.random.Generator,
    ) -> ChainDraws | None:
        """Return sweeps of a Gibbs chain over rows without weights, or None to run it by sweeps.

        What is drawn must not depend on where a chain is cut into spans.

        Parameters
        ----------
        rows : Rows
            The rows.
        steps : ChainSteps
            How parameters are drawn.
        current : tuple of arrays of shape (K,), (K, D), (K or 1, D or 1) or (K or 1, D, D)
            Weights, means and variances or covariances at the first of the sweeps; lengths of 1
            say what is shared.
        span : tuple of int
            Number of the first sweep within its chain, and of the one after the last; sweeps
            before the first draw that is kept, sweeps from one to the next.
        row_seed : int
            Key of the chain's random numbers of rows.
        rng : Generator
            Source of the random numbers of parameters; where it ends, the next span begins.
        """
        return None

    def allocator(self, rows: Rows, clusters: ClusterSteps | MatrixSteps) -> Allocator:
        """Return what puts rows without weights into clusters, parameters integrated out."""
        from mixtura.engines.reference_allocation import ReferenceAllocator

        return ReferenceAllocator(rows.complete_values("collapsed"), clusters)

    def project(self, rows: Rows, centre: Array, direction: Array) -> Array:
        """Return ``(x - centre) . direction`` for each row, shape (N,)."""
        # A sum along each row, not a matrix product: equal rows must give equal bits.
        parts = [((b.values - centre) * direction).sum(axis=1) for b in rows.blocks()]
        return np.concatenate(parts)

    def subsample(self, rows: Rows, most: int) -> ArrayRows:
        """Return about ``most`` rows, chosen by their contents; all where there are no more."""
        return rows.once(("sample", most, self), lambda: self._subsample(rows, most))

    def ordered_subsample(self, rows: Rows, most: int) -> ArrayRows:
        """Return the distinct rows of ``subsample`` in an order of their own, weights summed."""
        return rows.once(("ordered", most, self), lambda: in_order(self.subsample(rows, most)))

    def _subsample(self, rows: Rows, most: int) -> ArrayRows:
        return content_sample(rows, most)

    def sorted_columns(self, rows: Rows) -> SortedColumns:
        """Return the sorted columns of all rows, or of a sample of many, chosen by contents."""
        rows = rows.unlabelled

        def find() -> SortedColumns:
            if isinstance(rows, PartedRows):
                n_rows = rows.n_weighted
            else:
                weights = [block.weights for block in rows.blocks()]
                n_rows = rows.n_rows - sum(int((w == 0).sum()) for w in weights if w is not None)
            sample = self.subsample(rows, LOOKED_AT)
            return sorted_columns(sample, n_rows, rows.total_weight)

        return rows.once(("sorted columns", self), find)

    def overall(self, rows: Rows, *, matrix: bool) -> SufficientStatistics:
        """Return the statistics of all rows as one component, about their own mean."""
        rows = rows.unlabelled
        return rows.once(("overall", matrix, self), lambda: self._overall(rows, matrix=matrix))

    def completed(self, rows: Rows) -> Rows:
        """Return the rows with missing cells as one component, fitted to all rows, expects them.

        For starts, which look at complete rows.
        """
        some = _incomplete_anywhere(rows)
        if some is None:
            return rows

        def find() -> Rows:
            fill = partial(completed_rows, overall=self.overall(some, matrix=True))
            if isinstance(some, PartedRows):
                return some.mapped(fill)
            return completed_in_tiles(some, fill).with_labels(some.labels)

        return rows.once(("completed", self), find)

    def _overall(self, rows: Rows, *, matrix: bool) -> SufficientStatistics:
        some = _incomplete_anywhere(rows)
        if some is not None:
            if matrix:
                return overall_statistics(
                    some, self.subsample(some, most_looked_at(some)), self.sweep
                )
            found = self.overall(rows, matrix=True)
            return replace(found, second=np.einsum("kdd->kd", found.second))
        shape = (1, rows.n_features)
        structure = (1, *shape[1:], rows.n_features) if matrix else shape
        blank, factor = np.zeros(1), np.zeros(structure)
        first = _first_row(rows)
        rough = self.sweep(rows, Potentials(blank, blank, first, factor), Soft())
        # The second pass is about the mean, where no digits cancel.
        return self.sweep(rows, Potentials(blank, blank, rough.mean(), factor), Soft())


def incomplete(rows: Rows) -> ArrayRows | None:
    """Return rows of which some cells are missing or have errors; None where all are exact."""
    return rows if isinstance(rows, ArrayRows) and not rows.is_complete else None


def _incomplete_anywhere(rows: Rows) -> ArrayRows | PartedRows | None:
    """Return rows of which some cells are missing or have errors, wherever they lie."""
    if not isinstance(rows, ArrayRows | PartedRows) or rows.is_complete:
        return None
    return rows


def _first_row(rows: Rows) -> Array:
    """Return the first row, shape (1, D)."""
    return next(iter(rows.blocks())).values[:1].astype(np.float64)


def _apart(potentials: Potentials, n_components: int) -> Iterator[Potentials]:
    """Yield the potentials of mixtures of K components that lie one after the other."""
    for start in range(0, len(potentials.mean), n_components):
        yield potentials.components(slice(start, start + n_components))
