"""Point estimates: the posterior mode and the maximum of the likelihood."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from mixtura.fit import AddsRows, Fit, Inference, Problem, option
from mixtura.inference.driver import limits_of, optimise_kept
from mixtura.inference.expectation_maximization import CoordinateAscent, Optimizer
from mixtura.inference.quasi_newton import QuasiNewton
from mixtura.inference.schedules import BATCH_SIZE, DECAY, N_ROWS, Schedule
from mixtura.inference.states import Mode
from mixtura.messages.validation import FilePath, Flag, OneOf

OPTIMIZERS: dict[str, Optimizer[Any]] = {"quasi-newton": QuasiNewton(), "em": CoordinateAscent()}
"""Every registered optimizer by name."""


@final
@dataclass(frozen=True)
class MAP(AddsRows):
    """Exact maximum a posteriori.

    The mode of the joint density of weights, means and covariances (or standard deviations, where
    the prior is stated on them) given the rows, assignments summed out, in the parameters as the
    user reads them: no change of variables enters.

    Parameters
    ----------
    optimizer : str, default="quasi-newton"
        "quasi-newton" (a few EM steps, then limited-memory BFGS at one sweep a step, with EM
        steps wherever it would not gain) or "em" (plain EM). Both end in the same optimum.
    batch_size : int, optional
        Rows of a minibatch of incremental EM, which then takes the optimizer's place; None for
        sweeps over all rows.
    decay : float, default=1.0
        For ``partial_fit`` alone: above 0.5 and at most 1. At 1 every row counts once; below
        it earlier rows fade, as their responsibilities grow old.
    n_rows : int, optional
        For ``partial_fit`` alone: how many rows there are in all (with weights: their sum).
        The rows seen then stand for that many, and may come any number of times. By default
        each row that comes is a new one.
    checkpoint : str or Path, optional
        A file that keeps what each sweep over all rows found, a few numbers for each component.
        The same fit, run again after it was cut off, goes on from there, to the same bits; when it
        has ended, the file is deleted. Rows of less than 16 MB are fitted anew.
    keep_checkpoint : bool, default=False
        Whether the file stays.
    """

    optimizer: str = option("quasi-newton", OneOf(OPTIMIZERS))
    batch_size: int | None = option(None, BATCH_SIZE)
    decay: float = option(1.0, DECAY)
    n_rows: int | None = option(None, N_ROWS)
    checkpoint: str | Path | None = option(None, FilePath(optional=True), stored=False, shown=False)
    keep_checkpoint: bool = option(False, Flag(), stored=False, shown=False)
    name = "map"
    is_point = True
    takes_fixed = True
    takes_restricted = True
    default_max_iter = 10_000

    def fit(self, problem: Problem) -> Fit:
        problem.refuse_unbounded()
        limits = limits_of(self, problem, _optimizer(self, problem))
        return optimise_kept(problem, self, limits)

    def update(self, problem: Problem, earlier: Fit | None) -> Fit:
        problem.refuse_unbounded()
        return _updated(self, problem, earlier, Schedule(self.decay, self.n_rows))


@final
@dataclass(frozen=True)
class ML(AddsRows):
    """Maximum likelihood: flat priors, and a floor of 1e-12 of each column's variance.

    Parameters
    ----------
    optimizer : str, default="quasi-newton"
        As for :class:`MAP`.
    batch_size : int, optional
        As for :class:`MAP`.
    decay : float, default=1.0
        As for :class:`MAP`.
    n_rows : int, optional
        As for :class:`MAP`.
    checkpoint, keep_checkpoint : path, bool
        As for :class:`MAP`.
    """

    optimizer: str = option("quasi-newton", OneOf(OPTIMIZERS))
    batch_size: int | None = option(None, BATCH_SIZE)
    decay: float = option(1.0, DECAY)
    n_rows: int | None = option(None, N_ROWS)
    checkpoint: str | Path | None = option(None, FilePath(optional=True), stored=False, shown=False)
    keep_checkpoint: bool = option(False, Flag(), stored=False, shown=False)
    name = "ml"
    objective_name = "log likelihood"
    uses_flat_priors = True
    is_point = True
    takes_fixed = True
    takes_restricted = True
    default_max_iter = 10_000

    def fit(self, problem: Problem) -> Fit:
        limits = limits_of(self, problem, _optimizer(self, problem))
        return optimise_kept(problem, self, limits)

    def update(self, problem: Problem, earlier: Fit | None) -> Fit:
        return _updated(self, problem, earlier, Schedule(self.decay, self.n_rows))


def _optimizer(method: MAP | ML, problem: Problem) -> Optimizer[Any]:
    if method.batch_size is None:
        # Quasi-Newton steps know nothing of a background's weight, nor of what is fixed, nor of
        # what restricted covariances share.
        model = problem.model
        is_free = model.background is None and model.fixed is None
        is_free = is_free and not model.family.is_restricted
        return OPTIMIZERS[method.optimizer if is_free else "em"]
    from mixtura.inference.minibatch import Incremental

    return Incremental(Mode(), method.batch_size)


def _updated(method: Inference, problem: Problem, earlier: Fit | None, schedule: Schedule) -> Fit:
    from mixtura.inference.batches import Online

    return Online(method, Mode(), schedule).update(problem, earlier)
