"""What surrounds the runs of SVI: units, exact objectives, and the fit that is returned."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from mixtura.diagnostics.component_warnings import component_doubts
from mixtura.errors import ConvergenceWarning, Doubt, Message, Setting, StartsDisagreeWarning
from mixtura.fit import Fit, Problem, Run, canonical_order
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.posteriors import PointPosterior

if TYPE_CHECKING:
    from mixtura.ppl.descent import Descent

SAME_OPTIMUM = 1e-6
"""Objectives closer than this, relative to the best, count as the same optimum."""

RISE = 100.0
"""A run has settled if an exact M-step adds less than this many times the tolerance."""


@final
@dataclass(frozen=True, eq=False)
class Begin:
    """Where a run begins.

    Parameters
    ----------
    name : str
        What the history calls it.
    parameters : MixtureParameters, optional
        First values; None leaves them to AutoDelta.
    seed : SeedSequence
        Source of the run's random numbers.
    """

    name: str
    parameters: MixtureParameters | None
    seed: np.random.SeedSequence


@final
@dataclass(frozen=True, eq=False)
class DescentEnd:
    """Where a run ended.

    Parameters
    ----------
    run : Run
        Its history, in the data's units.
    parameters : MixtureParameters
        Its estimate, in the task's units.
    statistics : SufficientStatistics
        What a sweep found there.
    is_broken : bool
        Whether it ended because the loss was no finite number.
    """

    run: Run
    parameters: MixtureParameters
    statistics: SufficientStatistics
    is_broken: bool

    @property
    def outcome(self) -> str:
        """One line on the run."""
        settled = "settled" if self.run.converged else "not settled"
        return f"{settled} after {self.run.n_iter} steps at {self.run.objective:.6f}"


@final
class Task:
    """A problem in units whose squares neither overflow nor underflow.

    Parameters
    ----------
    problem : Problem
        The problem in the data's units.

    Attributes
    ----------
    model, rows : MixtureModel, Rows
        Of the problem, rescaled where its units are extreme.
    offset : float
        What is added to an objective in these units to have it in the data's.
    """

    def __init__(self, problem: Problem) -> None:
        self.began = time.perf_counter()
        self.problem = problem
        scaled = problem.in_safe_units()
        self.model, self.rows, self.factor = scaled.model, scaled.rows, scaled.factor
        self.shift, self.offset = 0.0, 0.0
        if self.factor is not None:
            self.shift = float(problem.rows.weight_of_cells() @ np.log(self.factor))
            # The change of units adds the same to every log prior density.
            some = self.model.sample_prior(random_state=0).parameters
            there = problem.model.log_prior(self.in_data_units(some))
            self.offset = self.shift + there - self.model.log_prior(some)

    def in_data_units(self, parameters: MixtureParameters) -> MixtureParameters:
        """Return parameters in the data's units."""
        return parameters if self.factor is None else parameters.rescaled(1.0 / self.factor)

    def sweep(self, parameters: MixtureParameters) -> SufficientStatistics:
        """Return the statistics of the rows under given parameters."""
        return self.problem.engine.sweep(self.rows, self.model.potentials(parameters), Soft())

    def objective(self, parameters: MixtureParameters, statistics: SufficientStatistics) -> float:
        """Return the exact log joint density in the task's units."""
        return statistics.log_normalizer + self.model.log_prior(parameters)

    def end(
        self, name: str, descent: "Descent", parameters: MixtureParameters, tol: float
    ) -> DescentEnd:
        """Return the end of a run, its last objective evaluated exactly."""
        statistics = self.sweep(parameters)
        objective = self.objective(parameters, statistics)
        history = [self.offset - loss for loss in descent.losses[:-1]]
        is_settled = descent.is_settled
        if is_settled:
            # Steps may have become too small to tell; an exact M-step is not misled by them.
            better = self.model.mode(statistics)
            rise = self.objective(better, self.sweep(better)) - objective
            is_settled = rise <= RISE * tol * max(1.0, abs(objective))
        run = Run(name, (*history, self.offset + objective), is_settled)
        return DescentEnd(run, parameters, statistics, descent.is_broken)

    def fit(self, method: str, objective_name: str, ends: list[DescentEnd]) -> Fit:
        """Return the best end as a fit."""
        best = max(range(len(ends)), key=lambda i: self._rank(ends[i]))
        kept = ends[best]
        parameters = self.in_data_units(kept.parameters)
        if not self.problem.keep_numbering:
            parameters = parameters.permuted(canonical_order(parameters))
        log_likelihood = kept.statistics.log_normalizer + self.shift
        return Fit(
            model=self.problem.model,
            posterior=PointPosterior(parameters, self.problem.model.family),
            method=method,
            objective=kept.run.objective,
            objective_name=objective_name,
            log_likelihood=log_likelihood,
            runs=tuple(end.run for end in ends),
            best=best,
            n_rows=self.problem.rows.n_rows,
            total_weight=self.problem.rows.total_weight,
            seconds=time.perf_counter() - self.began,
            feature_names=self.problem.feature_names,
            assumptions=self.problem.assumptions,
            doubts=self.problem.doubts + self._doubts(ends, kept),
        )

    def _rank(self, end: DescentEnd) -> tuple[bool, float]:
        # Where the prior's density is unbounded, an emptied component would win on it alone.
        inside = not self.model.weight_prior.is_unbounded_at(end.parameters.weights)
        return inside, end.run.objective

    def _doubts(self, ends: list[DescentEnd], kept: DescentEnd) -> tuple[Doubt, ...]:
        doubts, exact = [], Setting("inference", "map")
        if kept.is_broken:
            message = Message(
                f"an objective that is no finite number ended the run after {kept.run.n_iter} "
                "steps, and the best step was kept",
                remedy=("lower ", Setting("learning_rate"), ", or use ", exact),
            )
            doubts.append(Doubt(ConvergenceWarning, message))
        elif not kept.run.converged:
            message = Message(
                f"not settled after {kept.run.n_iter} steps",
                remedy=("raise ", Setting("steps"), ", or use ", exact),
            )
            doubts.append(Doubt(ConvergenceWarning, message))
        same = SAME_OPTIMUM * max(1.0, abs(kept.run.objective))
        reached = sum(end.run.objective >= kept.run.objective - same for end in ends)
        if len(ends) > 1 and reached == 1:
            more = Setting("n_init", spelled="n_init or restarts")
            message = Message(
                f"only one of {len(ends)} starts reached the best optimum, which was kept",
                remedy=("raise ", more, " to make sure that there is none better"),
            )
            doubts.append(Doubt(StartsDisagreeWarning, message))
        row_weight = self.problem.rows.total_weight / self.problem.rows.n_rows
        of_components = component_doubts(
            self.model,
            kept.parameters,
            kept.statistics.count,
            row_weight,
            resolution=self.problem.resolution and self.problem.resolution.rescaled(self.factor),
        )
        return (*doubts, *of_components)
