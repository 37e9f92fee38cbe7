"""Gibbs sampling: draw x sampled x full sweeps."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np

from mixtura.chains import Chains, fit_of
from mixtura.data import ArrayRows, Rows
from mixtura.diagnostics.components import Doubt
from mixtura.errors import InterruptedWarning, InvalidArgumentError
from mixtura.fit import UNSTORED, Fit, Inference, Problem, Start
from mixtura.inference.chains import Chain, ChainState, Plan, Sampler
from mixtura.inference.checkpoints import Checkpoint, digest_of
from mixtura.inference.rounds import Keeper, Reached, run_rounds
from mixtura.lawful import whole_number
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior

STREAM = 0x6962_6269
"""Key of this method's random streams among those of the problem's seed."""

MOST_COPIES = 10_000_000
"""Rows after each row of weight w has been repeated w times."""


@final
@dataclass(frozen=True)
class Gibbs(Inference):
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

    chains: int = 4
    draws: int = 1000
    warmup: int = 500
    thin: int = 1
    checkpoint: str | Path | None = field(default=None, metadata=UNSTORED)
    checkpoint_seconds: float = field(default=30.0, metadata=UNSTORED)
    checkpoint_sweeps: int | None = field(default=None, metadata=UNSTORED)
    keep_checkpoint: bool = field(default=False, metadata=UNSTORED)
    progress: Callable[[int, int], None] | None = field(default=None, metadata=UNSTORED)

    name = "gibbs"
    objective_name = "mean log joint density"
    default_max_iter = 0

    def __post_init__(self) -> None:
        smallest = {"chains": 1, "draws": 1, "warmup": 0, "thin": 1}
        if self.checkpoint_sweeps is not None:
            smallest["checkpoint_sweeps"] = 1
        for name, least in smallest.items():
            whole_number(getattr(self, name), f"Gibbs {name}", least)
        seconds = self.checkpoint_seconds
        if not isinstance(seconds, (int, float, np.number)) or not seconds >= 0:
            raise InvalidArgumentError(
                f"Gibbs checkpoint_seconds must be a number of at least 0; got {seconds!r}"
            )
        if self.checkpoint is not None and not isinstance(self.checkpoint, (str, Path)):
            raise InvalidArgumentError(
                f"Gibbs checkpoint must be None or the path of a file; got {self.checkpoint!r}"
            )

    @property
    def default_starts(self) -> int | None:
        return self.chains

    def fit(self, problem: Problem) -> Fit:
        """Run the chains and return their draws as a fit.

        Raises
        ------
        InvalidArgumentError
            If a prior is flat, a row's weight is no whole number, or max_iter or tol is given.
        """
        if problem.max_iter is not None or problem.tol is not None:
            raise InvalidArgumentError(
                "inference='gibbs' has neither max_iter nor tol: say Gibbs(draws=, warmup=)"
            )
        began = time.perf_counter()
        swept = problem.swept()
        model, rows = swept.model, swept.rows
        starts = problem.starts(model, rows)
        plan = Plan(self.draws, self.warmup, self.thin)
        sampler = Sampler(model, each_on_its_own(rows), problem.engine, plan)
        file = self._file(problem, starts)
        states = None if file is None else file.load(sampler, self.chains)
        states = states or self._begun(problem, sampler, starts)
        keeper = Keeper(file, self.checkpoint_seconds, self.checkpoint_sweeps)
        reached = run_rounds(sampler, states, problem.n_jobs, keeper, self.progress)
        plan = plan.until(reached.sweeps)
        if plan.draws == 0:
            raise KeyboardInterrupt
        chains = [sampler.finished(state, plan) for state in reached.states]
        names = [starts[number % len(starts)].name for number in range(self.chains)]
        for number, (name, chain) in enumerate(zip(names, chains, strict=True), start=1):
            average = chain.log_joint[plan.kept].mean()
            problem.report(f"chain {number} ({name}): mean log joint {average:.6f}")
        first = model.typical(starts[0].statistics) if problem.keep_numbering else None
        histories = [chain.log_joint for chain in chains]
        found = Chains(_posterior(model, chains, plan), histories, names, first)
        fit = fit_of(self, problem, swept, found, began, self._shortness(reached, plan))
        if file is not None and plan.draws == self.draws and not self.keep_checkpoint:
            file.remove()
        return fit

    def _file(self, problem: Problem, starts: list[Start]) -> Checkpoint | None:
        if self.checkpoint is None:
            return None
        options = {name: int(getattr(self, name)) for name in ("chains", "draws", "warmup", "thin")}
        return Checkpoint(Path(self.checkpoint), digest_of(problem, starts, options))

    def _begun(self, problem: Problem, sampler: Sampler, starts: list[Start]) -> list[ChainState]:
        """Return the chains before their first sweep."""
        states = []
        for number in range(self.chains):
            seed = problem.stream(STREAM, number)
            states.append(sampler.begin(starts[number % len(starts)].statistics, seed))
        return states

    def _shortness(self, reached: Reached, plan: Plan) -> tuple[Doubt, ...]:
        """Return the doubt about chains that were stopped before their end."""
        if not reached.interrupted or plan.draws == self.draws:
            return ()
        message = f"interrupted when each chain had {plan.draws:,} of its {self.draws:,} draws"
        if self.checkpoint is not None:
            message += f"; the same fit, run again, goes on from {str(self.checkpoint)!r}"
        return (Doubt(InterruptedWarning, message),)


def each_on_its_own(rows: Rows) -> Rows:
    """Return rows without weights: a row of weight w as w rows.

    Raises
    ------
    InvalidArgumentError
        If a weight is no whole number, or all weights together are more than memory holds.
    """
    blocks = [
        (block.values, block.row_weights) for block in rows.blocks() if block.weights is not None
    ]
    if not blocks:
        return rows
    if not all((weights == np.round(weights)).all() for _, weights in blocks):
        raise InvalidArgumentError(
            "inference='gibbs' assigns each copy of a row on its own: sample_weight must be whole "
            "numbers; use inference='vb' or 'map' for others"
        )
    if rows.total_weight > MOST_COPIES:
        raise InvalidArgumentError(
            f"inference='gibbs' takes weights of at most {MOST_COPIES:,} together; got "
            f"{rows.total_weight:,.0f}"
        )
    copies = [np.repeat(values, weights.astype(np.intp), axis=0) for values, weights in blocks]
    return ArrayRows(np.concatenate(copies), None, rows.factor)


def _posterior(model: MixtureModel, chains: list[Chain], plan: Plan) -> DrawsPosterior:
    weights = np.stack([chain.weights for chain in chains])
    return DrawsPosterior(
        model,
        weights,
        np.stack([chain.means for chain in chains]),
        np.stack([chain.covariances for chain in chains]),
        np.stack([chain.log_joint[plan.kept] for chain in chains]),
        np.stack([chain.log_likelihood[plan.kept] for chain in chains]),
        np.broadcast_to(np.arange(weights.shape[2]), weights.shape),
    )
