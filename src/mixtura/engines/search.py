"""Searches for starts in one run: what they are told, and where they end."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.messages.prior_arrays import ModeSteps, ScaleSteps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


@final
@dataclass(frozen=True, eq=False)
class Reach:
    """How components are cut in two, and which relocations are tried.

    Parameters
    ----------
    half_normal, core, halo, aside : float
        Distance of halves from the mean in standard deviations; variances of halves with one
        centre, relative to the whole; and the share of rows a component about the farthest row
        begins with.
    tie : float
        Relative: densities closer than this are equal.
    nats, of_cuts : float
        How much a relocation may promise to lose, and how many times what the best cut gains.
    fewest_rows, occupied : float
        Weight of rows that may be split, and above which a component may be merged.
    local_steps, pairs, recut, overlaps : int
        EM steps of halves; merges that halves are tried with; those cut anew; and times as many
        pairs whose overlap is measured.
    """

    half_normal: float
    core: float
    halo: float
    aside: float
    tie: float
    nats: float
    of_cuts: float
    fewest_rows: float
    occupied: float
    local_steps: int
    pairs: int
    recut: int
    overlaps: int

    @property
    def whole_numbers(self) -> tuple[int, ...]:
        """All whole numbers, in the order of the library."""
        return self.local_steps, self.pairs, self.recut, self.overlaps

    @property
    def numbers(self) -> tuple[float, ...]:
        """All others, in the order of the library."""
        cuts = self.half_normal, self.core, self.halo, self.aside, self.tie
        return (*cuts, self.nats, self.of_cuts, self.fewest_rows, self.occupied)


@final
@dataclass(frozen=True, eq=False)
class SearchPlan:
    """How far a search goes.

    Parameters
    ----------
    n_kept, n_improved, most_trials, n_rounds : int
        Ends that are kept, those that relocations are tried from, how many are tried before a
        search ends, and how many are made at most.
    relocation_steps, trial_steps, lasting_steps : int
        EM steps of a relocation, those after which it is judged first, and further ones in which
        no component may collapse.
    scale_rounds, scale_steps : int
        Rounds of so many steps in which the scale of the default prior comes to rest in the end.
    steps : tuple of int
        EM steps of every start; after each of these numbers ends that group rows alike become one.
    factor : float
        How many rows each row stands for.
    settled, slack, least_gain, hopeless : float
        Nats: a step that gains no more is the last; ends that are closer are one; what a
        relocation must gain; and what it must promise to gain.
    same, fewest, scale_rest, degenerate : float
        Share of the rows that ends which are one may group otherwise; share of a component's part
        of the rows below which they are too few; relative change of the scale that is rest; and
        multiples of the floor below which a component has collapsed.
    reach : Reach
        How relocations are found.
    """

    n_kept: int
    n_improved: int
    most_trials: int
    n_rounds: int
    relocation_steps: int
    trial_steps: int
    lasting_steps: int
    scale_rounds: int
    scale_steps: int
    steps: tuple[int, ...]
    factor: float
    settled: float
    slack: float
    least_gain: float
    hopeless: float
    same: float
    fewest: float
    scale_rest: float
    degenerate: float
    reach: Reach

    @property
    def whole_numbers(self) -> tuple[int, ...]:
        """All whole numbers, in the order of the library."""
        counts = self.n_kept, self.n_improved, self.most_trials, self.n_rounds
        runs = self.relocation_steps, self.trial_steps, self.lasting_steps, self.scale_rounds
        return (
            *(*counts, *runs, self.scale_steps),
            *(len(self.steps), *self.steps),
            *self.reach.whole_numbers,
        )

    @property
    def numbers(self) -> tuple[float, ...]:
        """All others, in the order of the library."""
        nats = self.factor, self.settled, self.slack, self.least_gain, self.hopeless
        return (*nats, self.same, self.fewest, self.scale_rest, self.degenerate)


@final
@dataclass(frozen=True, eq=False)
class Extent:
    """How the extent of all rows, in widths of the groups, is found anew for matrices.

    Parameters
    ----------
    refreshed, since : float, int
        Steps after which, and those that have been taken.
    shrinkage : float
        How many rows means are worth where groups are as wide as all rows.
    covariance : array of shape (D, D)
        Of all rows; empty where there are no matrices.
    """

    refreshed: float
    since: int
    shrinkage: float
    covariance: Array


@final
@dataclass(frozen=True, eq=False)
class Leading:
    """What leads a search.

    Parameters
    ----------
    modes : ModeSteps
        How parameters follow from statistics.
    scales : ScaleSteps, optional
        How the default prior follows from them.
    extent : Extent
        What the default prior of matrices must know besides.
    """

    modes: ModeSteps
    scales: ScaleSteps | None
    extent: Extent


@final
@dataclass(frozen=True, eq=False)
class SearchEnd:
    """Where one of the starts led.

    Parameters
    ----------
    statistics : SufficientStatistics
        What the last sweep found.
    weights, means, covariances : array of shape (K,), (K, D) and the structure's
        Under which it swept.
    merit : float
        Log likelihood and log prior density of the components, up to a constant, in nats.
    scale : array, optional
        The scale of the default prior.
    shrinkage, since : float, int
        How many rows means are worth under it, and for how many steps this is known.
    """

    statistics: SufficientStatistics
    weights: Array
    means: Array
    covariances: Array
    merit: float
    scale: Array | None
    shrinkage: float
    since: int


Starts = IntegerArray | list[SufficientStatistics]
"""Clusters (S, N), or statistics of the rows."""

NO_EXTENT = Extent(0.0, 0, 0.0, np.empty((0, 0)))
