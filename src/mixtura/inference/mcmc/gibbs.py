"""Gibbs sampling: draw x sampled x full sweeps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mixtura.data import Rows
from mixtura.fit import Problem, ScaledProblem, Start
from mixtura.inference.mcmc.chain_methods import (
    ChainMethod,
    ChainSetup,
    each_on_its_own,
    in_one_order,
)
from mixtura.inference.mcmc.chain_runs import ChainPlan
from mixtura.inference.mcmc.fit_of_draws import Chains
from mixtura.inference.mcmc.gibbs_chains import ChainState, Sampler
from mixtura.messages.draws import Draws
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior

LEAST_LOSS = 1e-3
"""Groups that the rest of a process may cost, in expectation before the rows are seen."""

MOST_COMPONENTS = 128
"""Components that a process gets for that."""

MOST_NUMBERS = 1 << 25
"""Numbers of the means and covariances of all draws that it may take."""


@final
@dataclass(frozen=True)
class Gibbs(ChainMethod[ChainState]):
    """The posterior itself, by Gibbs sampling.

    Each sweep draws the component of every row given the parameters, and the parameters given
    these. Chains begin at the estimator's starts, one for each chain unless ``n_init`` says
    otherwise. The draws are relabelled so that components of one draw match those of another.
    The objective is the average of the log joint density (assignments summed out) over the draws;
    the history is that of one chain, warm-up included.

    Under ``DirichletProcess`` and ``PitmanYor`` the target is the process cut off at so many
    components that less than 0.001 groups are expected to be lost, ``n_components`` or more, up to
    128; a fit whose last component has rows nevertheless says so.

    A row of weight w stands for w rows, each with a component of its own: weights must be whole
    numbers.

    Parameters
    ----------
    chains : int, default=4
        Number of chains.
    draws : int or None, default=1000
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

    Raises
    ------
    InvalidArgumentError
        If an option is not a number, or too small.
    """

    name = "gibbs"
    averages_parameters = True
    objective_name = "mean log joint density"
    stream = 0x6962_6269

    def _with_room(self, problem: Problem) -> Problem:
        model = problem.model
        of_component = model.n_features + int(np.prod(model.structure[1:]))
        room = MOST_NUMBERS // (self.chains * self._most_draws(model) * of_component)
        most = max(model.n_components, min(MOST_COMPONENTS, room))
        needed = model.weight_prior.n_needed(problem.rows.total_weight, LEAST_LOSS, most)
        if needed <= model.n_components:
            return problem

        def starts(large: MixtureModel, rows: Rows) -> list[Start]:
            few = replace(large, n_components=model.n_components)
            return [
                replace(start, statistics=_padded(start.statistics, needed))
                for start in problem.starts(few, rows)
            ]

        return replace(problem, model=replace(model, n_components=needed), starts=starts)

    def _runner(self, problem: Problem, scaled: ScaledProblem, plan: ChainPlan) -> Sampler:
        rows = in_one_order(each_on_its_own(scaled.rows, self.name))
        return Sampler(scaled.model, rows, problem.engine, plan)

    def _found(
        self,
        given: ChainSetup[ChainState],
        states: Sequence[ChainState],
        plan: ChainPlan,
        names: Sequence[str],
    ) -> tuple[Problem, ScaledProblem, Chains]:
        problem, scaled, runner = given.problem, given.scaled, given.runner
        assert isinstance(runner, Sampler)
        chains = [runner.finished(state, plan) for state in states]
        draws = Draws.beside(chains).kept(slice(None), plan.kept)
        numbers = np.broadcast_to(np.arange(scaled.model.n_components), draws.weights.shape)
        posterior = DrawsPosterior(scaled.model, draws, numbers)
        first = scaled.model.typical(given.starts[0].statistics) if problem.keep_numbering else None
        histories = [chain.log_joint for chain in chains]
        return problem, scaled, Chains(posterior, histories, names, first, held=scaled.rows.held)


def _padded(statistics: SufficientStatistics, n_components: int) -> SufficientStatistics:
    """Return statistics with components without rows behind those that there are."""
    more = n_components - statistics.count.size
    count = np.append(statistics.count, np.zeros(more))
    pivot = np.concatenate([statistics.pivot, np.repeat(statistics.pivot[:1], more, axis=0)])
    first = np.concatenate([statistics.first, np.zeros((more, pivot.shape[1]))])
    second = statistics.second
    if len(second) == statistics.count.size:
        second = np.concatenate([second, np.zeros((more, *second.shape[1:]))])
    return replace(statistics, count=count, first=first, second=second, pivot=pivot)
