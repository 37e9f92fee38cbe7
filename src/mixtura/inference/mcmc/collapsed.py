"""Collapsed Gibbs sampling: partitions of the rows, without limit to the number of clusters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.data.memory import tile_rows
from mixtura.errors import InvalidArgumentError, Setting
from mixtura.fit import Problem, ScaledProblem, option
from mixtura.inference.mcmc.chain_methods import (
    ChainMethod,
    ChainSetup,
    each_on_its_own,
    in_one_order,
    order_of,
)
from mixtura.inference.mcmc.chain_runs import ChainPlan
from mixtura.inference.mcmc.fit_of_draws import Chains
from mixtura.inference.mcmc.partition_chains import (
    PartitionSampler,
    PartitionState,
    parameters_given,
)
from mixtura.inference.mcmc.stretches import PartitionStretch, joined
from mixtura.messages.draws import Draws
from mixtura.messages.validation import Whole
from mixtura.posteriors import DrawsPosterior
from mixtura.posteriors.kept_partitions import MOST_LABELS, KeptPartitions, fingerprints, narrowed

OF_PARAMETERS = 0x7061_7261
"""Key of the random streams of parameters, beside those of the chains."""


@final
@dataclass(frozen=True)
class CollapsedGibbs(ChainMethod[PartitionState]):
    """The posterior itself, by Gibbs sampling of partitions with the parameters integrated out.

    Each sweep takes every row out of its cluster and puts it into another or a new one, and tries
    to split and merge clusters. Under ``DirichletProcess`` and ``PitmanYor`` there is no limit to
    the number of clusters: the fit has ``n_components`` components, or more where a draw needs
    them. For ``NormalInverseWishart``, ``NormalInverseGamma`` and ``KnownScale`` priors, and
    components that share no covariance.

    Weights, means and covariances are drawn given the partition of each kept sweep. The objective
    is the average log joint density of rows and partition over the draws; the history is that of
    one chain, warm-up included. A row of weight w stands for w rows.

    The partitions are kept with the draws (``posterior_.partitions``), and what is said of groups
    of the fitted rows is theirs: of every draw while rows x draws x chains is at most 67 million,
    of every second, fourth, ... beyond that.

    Parameters
    ----------
    chains : int, default=4
        Number of chains.
    draws : int or None, default=None
        Draws that are kept of each chain. None for as many as suffice: chains run on until R-hat is
        at most 1.01 and there are ``effective_draws``, looked at from 1000 draws on.
    warmup : int, default=500
        Sweeps of each chain before the first draw that is kept.
    thin : int, default=1
        Sweeps from one kept draw to the next.
    checkpoint : str or Path, optional
        A file in which the chains are kept while they run. A fit of the same rows, model, options
        and random_state (a number) that finds it goes on where it stops, bit for bit.
    checkpoint_seconds : float, default=30
        Seconds from one writing of the file to the next.
    checkpoint_sweeps : int, optional
        Most sweeps of a chain from one writing to the next; no limit where None.
    keep_checkpoint : bool, default=False
        Whether the file stays, with all draws, when the fit is done. Otherwise it is deleted.
    progress : bool or callable, optional
        True draws a bar on standard error; a function is called with the number of sweeps that
        each chain has done, and that of all, as it grows.
    max_draws : int, default=8000
        Most draws of each chain where ``draws`` is None; fewer, but 1000, where the numbers of all
        draws would take more than half a gigabyte. If they do not suffice the fit says about how
        many would.
    effective_draws : int, default=400
        Effective draws that suffice, of all chains together: of the log joint density and, where
        they are random, of the number of components and of groups.
    moves : int, default=3
        Splits and merges that are tried in each sweep; twelve times as many where cells are
        missing.

    Raises
    ------
    InvalidArgumentError
        If an option is not a number, or too small.
    """

    draws: int | None = option(None, Whole(1, optional=True))
    moves: int = option(3, Whole(0))

    name = "collapsed"
    averages_parameters = True
    objective_name = "mean log joint density of rows and partition"
    stream = 0x636F_6C6C
    decisive: ClassVar[tuple[str, ...]] = (*ChainMethod.decisive, "moves")

    def _runner(self, problem: Problem, scaled: ScaledProblem, plan: ChainPlan) -> PartitionSampler:
        model = scaled.model
        partitions = model.weight_prior.partitions(model.n_components)
        if partitions is None:
            raise InvalidArgumentError(
                *(Setting("inference", "collapsed"), " needs a ", Setting("weight_prior")),
                " that does not tell components apart, a "
                "Dirichlet of one concentration, a DirichletProcess, a PitmanYor or "
                "MixtureOfFiniteMixtures",
                remedy=("use ", Setting("inference", "gibbs")),
            )
        clusters = model.cluster_steps
        if clusters is None:
            raise InvalidArgumentError(
                Setting("inference", "collapsed"),
                " needs a NormalInverseWishart, NormalInverseGamma or "
                "KnownScale component_prior whose scale is known rather than learned, and "
                "covariances that are not tied",
                remedy=("use ", Setting("inference", "gibbs")),
            )
        rows = in_one_order(each_on_its_own(scaled.rows, self.name))
        _refuse_shared_classes(rows)
        given = (problem.engine, plan, partitions, clusters, self.moves)
        most = MOST_LABELS // self.chains
        return PartitionSampler(model, rows, *given, most_labels=most)

    def _found(
        self,
        given: ChainSetup[PartitionState],
        states: Sequence[PartitionState],
        plan: ChainPlan,
        names: Sequence[str],
    ) -> tuple[Problem, ScaledProblem, Chains]:
        problem, scaled, sampler = given.problem, given.scaled, given.runner
        assert isinstance(sampler, PartitionSampler)
        past = [joined(state.past) for state in states]
        n_clusters = int(max(one.occupied[: plan.draws].max() for one in past))
        size = sampler.partitions.n_slots(problem.model.n_components, n_clusters)
        model = replace(scaled.model, n_components=size)
        numbers = np.broadcast_to(sampler.slots(size), (len(past), plan.draws, size))
        has_background = model.background is not None
        seeds = [problem.stream(OF_PARAMETERS, n) for n in range(len(past))]
        histories = [one.log_joint[: plan.sweeps] for one in past]
        found = [
            parameters_given(sampler, model, one, history[plan.kept], seed)
            for one, history, seed in zip(past, histories, seeds, strict=True)
        ]
        posterior = DrawsPosterior(
            model,
            Draws.beside(found),
            numbers=numbers,
            partitions=None if has_background else _kept(problem.rows, past, plan.draws),
        )
        exchangeable = model.weight_prior.is_exchangeable
        is_given = problem.keep_numbering and exchangeable
        first = scaled.model.typical(given.starts[0].statistics) if is_given else None
        held = scaled.rows.held
        chains = Chains(posterior, histories, names, first, of_partitions=True, held=held)
        return (
            replace(problem, model=replace(problem.model, n_components=size)),
            replace(scaled, model=model),
            chains,
        )


def _refuse_shared_classes(rows: Rows) -> None:
    """Raise InvalidArgumentError where a class of rows has several components."""
    labels = rows.labels if isinstance(rows, ArrayRows) else None
    if labels is not None and any(size > 1 for size in labels.classes.sizes):
        raise InvalidArgumentError(
            *(Setting("inference", "collapsed"), " takes one component for each label: "),
            *(Setting("components_per_class"), " must be 1"),
            remedy=("use ", Setting("inference", ("map", "ml", "vb", "gibbs"))),
        )


def _kept(rows: Rows, past: Sequence[PartitionStretch], n_draws: int) -> KeptPartitions:
    """Return the partitions of the first draws of all chains, of rows in the data's units."""
    blocks = [(block.values, block.row_weights) for block in rows.blocks()]
    values, weights = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    copies, marks = weights.astype(np.intp), fingerprints(values)
    # Copies of a row are alike: the first stands for it.
    first = (np.cumsum(copies) - copies)[copies > 0]
    if first.size and copies.sum() <= tile_rows(rows.n_features):  # chains have them in order
        place = np.empty(copies.sum(), dtype=np.intp)
        place[order_of(np.repeat(values, copies, axis=0))] = np.arange(place.size)
        first = place[first]
    some = past[0].steps < n_draws
    labels = np.stack([one.labels[some][:, first] for one in past])
    occupied = np.stack([one.occupied[:n_draws] for one in past])
    return KeptPartitions(
        marks[copies > 0], past[0].steps[some], narrowed(labels), narrowed(occupied)
    )
