"""Variational Bayes: expected x soft x full sweeps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from mixtura.fit import AddsRows, Fit, Problem, option
from mixtura.inference.driver import limits_of, optimise_kept
from mixtura.inference.expectation_maximization import CoordinateAscent, Optimizer
from mixtura.inference.schedules import BATCH_SIZE, DECAY, N_ROWS, Schedule
from mixtura.inference.states import Expected
from mixtura.messages.validation import FilePath, Flag


@final
@dataclass(frozen=True)
class VB(AddsRows):
    """Variational Bayes by coordinate ascent.

    The posterior is approximated by a factor for the weights, one for means and covariances, and
    the rows' responsibilities; the factors have the priors' own forms. The objective is the
    evidence lower bound with every constant: it never decreases, is never above the log evidence,
    and can be compared between numbers of components, families and priors.

    Parameters
    ----------
    batch_size : int, optional
        Rows of a minibatch; the posterior is brought up to date after each of them. None for
        sweeps over all rows.
    decay : float, default=1.0
        For ``partial_fit`` alone: above 0.5 and at most 1. At 1 every row counts once; below
        it earlier rows fade, as their responsibilities grow old.
    n_rows : int, optional
        For ``partial_fit`` alone: how many rows there are in all (with weights: their sum).
        The rows seen then stand for that many, and may come any number of times: stochastic
        variational inference [Hoffman2013]_. By default each row that comes is a new one.
    checkpoint, keep_checkpoint : path, bool
        As for :class:`MAP`.
    """

    batch_size: int | None = option(None, BATCH_SIZE)
    decay: float = option(1.0, DECAY)
    n_rows: int | None = option(None, N_ROWS)
    checkpoint: str | Path | None = option(None, FilePath(optional=True), stored=False, shown=False)
    keep_checkpoint: bool = option(False, Flag(), stored=False, shown=False)

    name = "vb"
    averages_parameters = True
    objective_name = "evidence lower bound"
    bounds_evidence = True
    default_max_iter = 10_000

    def fit(self, problem: Problem) -> Fit:
        problem.refuse_improper()
        summary = Expected()
        optimizer: Optimizer[Any] = CoordinateAscent(summary, merges=problem.may_move)
        if problem.model.weight_prior.finds_components and problem.may_move:
            from mixtura.inference.moves import Moves

            optimizer = Moves(summary)
        if self.batch_size is not None:
            from mixtura.inference.minibatch import Incremental

            optimizer = Incremental(summary, self.batch_size)
        limits = limits_of(self, problem, optimizer)
        return optimise_kept(problem, self, limits)

    def update(self, problem: Problem, earlier: Fit | None) -> Fit:
        from mixtura.inference.batches import Online

        online = Online(self, Expected(), Schedule(self.decay, self.n_rows))
        return online.update(problem, earlier)
