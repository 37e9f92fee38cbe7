"""Gibbs sampling: draw x sampled x full sweeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.chains import Chains
from mixtura.fit import Problem, Swept
from mixtura.inference.chains import ChainState, Sampler
from mixtura.inference.runs import Plan
from mixtura.inference.sampling import ChainMethod, Given, each_on_its_own
from mixtura.posteriors import DrawsPosterior


@final
@dataclass(frozen=True)
class Gibbs(ChainMethod[ChainState]):
    """The posterior itself, by Gibbs sampling.

    Each sweep draws the component of every row given the parameters, and the parameters given
    these. Chains begin at the estimator's starts, one for each chain unless ``n_init`` says
    otherwise. The draws are renumbered so that components of one draw match those of another.
    The objective is the average of the log joint density (assignments summed out) over the draws;
    the history is that of one chain, warm-up included.

    A row of weight w stands for w rows, each with a component of its own: weights must be whole
    numbers.

    Parameters
    ----------
    chains : int, default=4
        Number of chains.
    draws : int, default=1000
        Draws that are kept of each chain.
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
    progress : callable, optional
        Called with the number of sweeps that each chain has done, and that of all, as it grows.

    Raises
    ------
    InvalidArgumentError
        If an option is not a number, or too small.
    """

    name = "gibbs"
    objective_name = "mean log joint density"
    stream = 0x6962_6269

    def _runner(self, problem: Problem, swept: Swept, plan: Plan) -> Sampler:
        return Sampler(swept.model, each_on_its_own(swept.rows, self.name), problem.engine, plan)

    def _found(
        self,
        given: Given[ChainState],
        states: Sequence[ChainState],
        plan: Plan,
        names: Sequence[str],
    ) -> tuple[Problem, Swept, Chains]:
        problem, swept, runner = given.problem, given.swept, given.runner
        assert isinstance(runner, Sampler)
        chains = [runner.finished(state, plan) for state in states]
        weights = np.stack([chain.weights for chain in chains])
        posterior = DrawsPosterior(
            swept.model,
            weights,
            np.stack([chain.means for chain in chains]),
            np.stack([chain.covariances for chain in chains]),
            np.stack([chain.log_joint[plan.kept] for chain in chains]),
            np.stack([chain.log_likelihood[plan.kept] for chain in chains]),
            np.broadcast_to(np.arange(weights.shape[2]), weights.shape),
        )
        first = swept.model.typical(given.starts[0].statistics) if problem.keep_numbering else None
        histories = [chain.log_joint for chain in chains]
        return problem, swept, Chains(posterior, histories, names, first)
