"""Stochastic variational inference by Pyro: the article's method."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from mixtura.errors import InvalidArgumentError, Setting
from mixtura.fit import Fit, Inference, Problem, option
from mixtura.messages.validation import Called, Flag, Real, Whole
from mixtura.ppl.extra import require_pyro
from mixtura.ppl.task import Begin, DescentEnd, Task

DEFAULT_TOL = 1e-9
ADAM_EPSILON = 1e-8
SMALLEST_GRADIENT = 1e-10
"""Adam's epsilon for each unit of weight in the rows, where the coordinates have no units."""

STREAM = 0x535649
"""Key of this method's random streams among those of the problem's seed."""


@final
@dataclass(frozen=True)
class SVI(Inference):
    """Maximum a posteriori by Pyro: AutoDelta, enumerated assignments, Adam.

    Pyro's ``TraceEnum_ELBO`` sums the assignments out of the program of
    :func:`mixtura.ppl.to_pyro`, and Adam moves the point that ``AutoDelta`` puts weights, means
    and covariances at. The objective is the log joint density in the constrained space, the same
    as that of exact MAP, which is faster by a factor of a hundred: SVI is here for comparison
    with the article, and as a second opinion that shares no code with EM.

    By default the means move in widths of their components, the learning rate falls whenever 20
    steps brought no progress, and the run ends when the fourth such window did. Fits in threads
    take turns, since Pyro's state belongs to the process; it is left as it was.

    Parameters
    ----------
    steps : int, optional
        Largest number of steps; by default the estimator's ``max_iter``, or 3000.
    learning_rate : float, default=0.05
        Adam's step size at the beginning, in component widths. From 0.03 to 0.1 the run stays in
        the optimum that belongs to its start; much larger steps may jump to another one.
    print_every : int, optional
        Print the loss each time after so many steps; by default never.
    printer : callable, default=print
        Called with each line that ``print_every`` asks for.
    from_prior : bool, default=False
        Start from draws from the prior rather than from the estimator's ``init``. Each draw is
        improved by one exact M-step, except with ``plain``.
    restarts : int, default=1
        How many draws from the prior are tried; the best end is kept.
    plain : bool, default=False
        Take AutoDelta and Adam as they come: means in the data's units, one learning rate, all
        of the steps, and with ``from_prior`` AutoDelta's usual start (medians of prior draws).

    Raises
    ------
    InvalidArgumentError
        If an option is not a positive number.
    """

    name = "svi"
    takes_labels = False
    default_max_iter = 3000

    steps: int | None = option(None, Whole(1, optional=True))
    learning_rate: float = option(0.05, Real(0.0, above=True))
    print_every: int | None = option(None, Whole(1, optional=True))
    printer: Callable[[str], None] = option(print, Called("one line", optional=False), shown=False)
    from_prior: bool = option(False, Flag())
    restarts: int = option(1, Whole(1, 100_000))
    plain: bool = option(False, Flag())

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.restarts > 1 and not self.from_prior:
            raise InvalidArgumentError(
                "SVI restarts counts draws from the prior",
                remedy=(
                    *("set ", Setting("from_prior", spelled="from_prior=True")),
                    *(", or the estimator's ", Setting("n_init"), " for its own starts"),
                ),
            )

    @classmethod
    def article(cls) -> Self:
        """Return the article's recipe, which is there to be learnt from rather than used.

        AutoDelta from its usual start, Adam at a constant 0.001 for 3000 steps, the loss printed
        every 100. From most seeds it has not reached the optimum when it stops: on the article's
        own data nine seeds ended at losses from 210.4 to 445.8 where the optimum has 210.2063.
        """
        return cls(steps=3000, learning_rate=1e-3, print_every=100, from_prior=True, plain=True)

    @classmethod
    def check_installed(cls) -> None:
        require_pyro()

    def fit(self, problem: Problem) -> Fit:
        """Run Pyro from every start and return the best end as a fit.

        Raises
        ------
        MissingExtraError
            If torch or pyro is not installed.
        InvalidArgumentError
            If a prior is flat, or the density has no mode.
        """
        self.check_installed()
        problem.refuse_unbounded()
        task = Task(problem)
        ends = []
        for begin in self._begins(task):
            ends.append(self._run(task, begin))
            problem.report(f"start {len(ends)} ({begin.name}): {ends[-1].outcome}")
        return task.fit(self.name, self.objective_name, ends)

    def _begins(self, task: Task) -> Iterator[Begin]:
        """Yield the starts, without parameters where AutoDelta is to choose them."""
        problem, model = task.problem, task.model
        source = problem.stream(STREAM)
        if not self.from_prior:
            starts = problem.starts(model, task.rows)
            for start, seed in zip(starts, source.spawn(len(starts)), strict=True):
                yield Begin(start.name, model.mode(start.statistics), seed)
            return
        for seed in source.spawn(self.restarts):
            parameters = None
            if not self.plain:
                drawn = model.sample_prior(random_state=seed).parameters
                parameters = model.mode(task.sweep(drawn))
            yield Begin("prior", parameters, seed)

    def _run(self, task: Task, begin: Begin) -> DescentEnd:
        from mixtura.ppl.descent import Control
        from mixtura.ppl.optimisation import ascend

        problem = task.problem
        limit = self.default_max_iter if problem.max_iter is None else problem.max_iter
        weight = task.rows.total_weight
        control = Control(
            max_steps=limit if self.steps is None else self.steps,
            learning_rate=self.learning_rate,
            tol=DEFAULT_TOL if problem.tol is None else problem.tol,
            smallest_gradient=ADAM_EPSILON if self.plain else SMALLEST_GRADIENT * weight,
            adaptive=not self.plain,
        )

        def tell(step: int, loss: float) -> None:
            if self.print_every is not None and step % self.print_every == 0:
                self.printer(f"step {step}: loss {loss - task.offset:.4f}")

        seed = int(begin.seed.generate_state(1, np.uint64)[0] >> 1)
        descent, parameters = ascend(task.model, task.rows, begin.parameters, seed, control, tell)
        return task.end(begin.name, descent, parameters, control.tol)
