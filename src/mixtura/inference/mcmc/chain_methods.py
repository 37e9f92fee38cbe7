"""What samplers have in common: chains that run together, are kept, and become a fit."""

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, final

import numpy as np

from mixtura.data import ArrayRows, PartedRows, Rows
from mixtura.data.memory import tile_rows
from mixtura.data.parted_rows import joined
from mixtura.errors import Doubt, InterruptedWarning, InvalidArgumentError, Setting
from mixtura.fit import Fit, Inference, Problem, ScaledProblem, Start, option
from mixtura.inference.mcmc.chain_runs import ChainPlan, Runner, State
from mixtura.inference.mcmc.fit_of_draws import Chains, fit_of
from mixtura.inference.mcmc.rounds import Keeper, Reached, run_rounds
from mixtura.inference.mcmc.sufficiency import Sufficiency
from mixtura.inference.progress import teller
from mixtura.messages.lazy import LazyModule
from mixtura.messages.validation import Called, FilePath, Flag, Real, Whole
from mixtura.model import MixtureModel
from mixtura.typing import Array, IntegerArray

if TYPE_CHECKING:
    from mixtura.inference.mcmc import checkpoints
else:  # few fits keep their chains in a file
    checkpoints = LazyModule("mixtura.inference.mcmc.checkpoints")

MOST_COPIES = 10_000_000
"""Rows after each row of weight w has been repeated w times."""


MOST_NUMBERS = 1 << 26
"""Numbers of all draws beyond which no more are made of chains that may stop by themselves."""

FIRST_LOOK = 1000
"""Draws of each chain after which it is first judged whether there are enough."""


@final
@dataclass(frozen=True, eq=False)
class ChainSetup(Generic[State]):
    """What chains began with.

    Parameters
    ----------
    problem : Problem
        The problem, in the data's units.
    scaled : ScaledProblem
        The same in the units of the sweeps.
    starts : list of Start
        Where chains begin.
    runner : Runner
        What they have in common.
    """

    problem: Problem
    scaled: ScaledProblem
    starts: list[Start]
    runner: Runner[State]

    def start(self, number: int) -> Start:
        """Return where a chain begins; starts are used again where they are fewer than chains."""
        return self.starts[number % len(self.starts)]


SWEEPS = Called("the sweeps of each chain so far, and all of them", or_flag=True)
"""What may be told how far the sweeps are; True is a bar."""


@dataclass(frozen=True)
class ChainMethod(Inference, Generic[State]):
    """A sampler of several chains, which advance together and can be kept in a file.

    The options are those of :class:`mixtura.inference.Gibbs`.

    Raises
    ------
    InvalidArgumentError
        If an option is not a number, or too small.
    """

    chains: int = option(4, Whole(1, 10_000))
    draws: int | None = option(1000, Whole(1, optional=True))
    warmup: int = option(500, Whole(0))
    thin: int = option(1, Whole(1))
    checkpoint: str | Path | None = option(None, FilePath(optional=True), stored=False)
    checkpoint_seconds: float = option(30.0, Real(), stored=False)
    checkpoint_sweeps: int | None = option(None, Whole(1, optional=True), stored=False)
    keep_checkpoint: bool = option(False, Flag(), stored=False)
    progress: bool | Callable[[int, int], None] | None = option(None, SWEEPS, stored=False)
    max_draws: int = option(8000, Whole(1))
    effective_draws: int = option(400, Whole(1))

    default_max_iter = 0
    stream: ClassVar[int]
    """Key of the method's random streams among those of the problem's seed."""

    decisive: ClassVar[tuple[str, ...]] = ("chains", "draws", "warmup", "thin")
    """Options on which draws depend."""

    limits: ClassVar[tuple[str, ...]] = ("max_draws", "effective_draws")
    """Those on which they depend where ``draws`` is None."""

    @property
    def default_starts(self) -> int | None:
        return self.chains

    @property
    def needs_number_as_seed(self) -> bool:
        return self.checkpoint is not None

    def _most_draws(self, model: MixtureModel) -> int:
        """Return the draws of each chain that are made at most."""
        if self.draws is not None:
            return self.draws
        of_component = 1 + model.n_features + int(np.prod(model.structure[1:]))
        room = MOST_NUMBERS // (self.chains * model.n_components * of_component)
        return min(self.max_draws, max(FIRST_LOOK, room))

    def _with_room(self, problem: Problem) -> Problem:
        """Return the problem with as many components as chains of it need."""
        return problem

    @abstractmethod
    def _runner(self, problem: Problem, scaled: ScaledProblem, plan: ChainPlan) -> Runner[State]:
        """Return what the chains have in common, or refuse the problem."""

    @abstractmethod
    def _found(
        self,
        given: ChainSetup[State],
        states: Sequence[State],
        plan: ChainPlan,
        names: Sequence[str],
    ) -> tuple[Problem, ScaledProblem, Chains]:
        """Return the chains of a plan as draws, and the problem with the model that they are of."""

    def fit(self, problem: Problem) -> Fit:
        """Run the chains and return their draws as a fit.

        Raises
        ------
        InvalidArgumentError
            If the method is not for the model, a row's weight is no whole number, or max_iter or
            tol is given.
        """
        if problem.max_iter is not None or problem.tol is not None:
            spelled = f"{type(self).__name__}(draws=, warmup=)"
            raise InvalidArgumentError(
                *(Setting("inference", self.name), " has neither "),
                *(Setting("max_iter"), " nor ", Setting("tol")),
                remedy=("say ", Setting("draws", also="warmup", spelled=spelled)),
            )
        problem.refuse_improper()
        began = time.perf_counter()
        problem = self._with_room(problem)
        scaled = problem.in_safe_units()
        plan = ChainPlan(self._most_draws(problem.model), self.warmup, self.thin)
        runner = self._runner(problem, scaled, plan)
        given = ChainSetup(problem, scaled, problem.starts(scaled.model, scaled.rows), runner)
        file = self._file(given)
        states = (None if file is None else file.load(self.chains)) or self._begun(given)
        keeper = Keeper(file, self.checkpoint_seconds, self.checkpoint_sweeps)
        reached, whole = self._run(runner, states, problem.n_jobs, keeper)
        plan = whole.until(min(reached.sweeps, whole.sweeps))
        if plan.draws == 0:
            raise KeyboardInterrupt
        names = [given.start(number).name for number in range(self.chains)]
        problem, scaled, found = self._found(given, reached.states, plan, names)
        for number, (name, history) in enumerate(zip(names, found.histories, strict=True), start=1):
            average = history[plan.kept].mean()
            problem.report(f"chain {number} ({name}): mean log joint {average:.6f}")
        if self.draws is None:
            found = replace(found, effective=self.effective_draws)
        fit = fit_of(self, problem, scaled, found, began, self._shortness(reached, plan, whole))
        if file is not None and plan == whole and not self.keep_checkpoint:
            file.remove()
        return fit

    def _run(
        self, runner: Runner[State], states: list[State], n_jobs: int, keeper: Keeper[State]
    ) -> tuple[Reached[State], ChainPlan]:
        """Return where the chains end, and the plan that they were to reach the end of.

        Whether draws suffice is looked at after numbers of draws that depend on the draws alone:
        it does not matter where chains are cut, nor how fast they are.
        """
        plan = runner.plan
        if self.draws is not None:
            return run_rounds(runner, states, n_jobs, keeper, teller(self.progress)), plan
        goal = Sufficiency(self.effective_draws, min(FIRST_LOOK, plan.draws), plan.draws)
        plan = replace(plan, draws=goal.first)
        while True:
            reached = run_rounds(runner, states, n_jobs, keeper, teller(self.progress), plan.sweeps)
            if reached.sweeps < plan.sweeps:
                return reached, plan
            states = reached.states
            wanted = goal.next(runner.monitored(states, plan))
            is_done = wanted == plan.draws
            plan = replace(plan, draws=wanted)
            if is_done or reached.interrupted:
                return reached, plan

    def _file(self, given: ChainSetup[State]) -> "checkpoints.Checkpoint[State] | None":
        if self.checkpoint is None:
            return None
        names = self.decisive if self.draws is not None else (*self.decisive, *self.limits)
        # Earlier files know nothing of the limits, which show in no draw where draws are given.
        given_numbers = {name: getattr(self, name) for name in names}
        options = {n: int(value) for n, value in given_numbers.items() if value is not None}
        digest = checkpoints.digest_of(given.problem, given.starts, options)
        path = Path(self.checkpoint)
        recorded = checkpoints.recorded_results(path)
        return checkpoints.Checkpoint(path, digest, given.runner, recorded)

    def _begun(self, given: ChainSetup[State]) -> list[State]:
        """Return the chains before their first sweep."""
        states = []
        for number in range(self.chains):
            seed = given.problem.stream(self.stream, number)
            states.append(given.runner.begin(given.start(number).statistics, seed))
        return states

    def _shortness(
        self, reached: Reached[State], plan: ChainPlan, whole: ChainPlan
    ) -> tuple[Doubt, ...]:
        """Return the doubt about chains that were stopped before their end."""
        if not reached.interrupted or plan == whole:
            return ()
        message = f"interrupted when each chain had {plan.draws:,} of its {whole.draws:,} draws"
        if self.checkpoint is not None:
            message += f"; the same fit, run again, goes on from {str(self.checkpoint)!r}"
        return (Doubt(InterruptedWarning, message),)


def in_one_order(rows: Rows) -> Rows:
    """Return rows in an order that their values alone say, up to a tile of them; more as they are.

    Random numbers are keyed by the position of a row. So draws do not depend on the order of the
    rows, nor on whether a row comes several times or once with a weight.
    """
    if rows.n_rows > tile_rows(rows.n_features):
        return rows
    if isinstance(rows, PartedRows):
        rows = joined([tile.rows for tile in rows.tiles()])
    return rows.taken(order_of(rows.values)) if isinstance(rows, ArrayRows) else rows


def order_of(values: Array) -> IntegerArray:
    """Return the positions of rows (N, D) in an order in which neighbours are not alike.

    They are sorted, the first column before others, and then mixed as their number alone says. So
    units do not matter.
    """
    mixed = np.random.default_rng(len(values)).permutation(len(values))
    return np.lexsort(values.T[::-1])[mixed]


def each_on_its_own(rows: Rows, method: str) -> Rows:
    """Return rows without weights: a row of weight w as w rows.

    Raises
    ------
    InvalidArgumentError
        If a weight is no whole number, or all weights together are more than memory holds.
    """
    if isinstance(rows, PartedRows):
        if not rows.has_weights:
            return rows
        raise rows.too_many(f"inference={method!r} with weights")
    blocks = [
        (block.values, block.row_weights) for block in rows.blocks() if block.weights is not None
    ]
    if not blocks:
        return rows
    if not all((weights == np.round(weights)).all() for _, weights in blocks):
        raise InvalidArgumentError(
            Setting("inference", method),
            " assigns each copy of a row on its own: sample_weight must be whole numbers; ",
            remedy=(
                *("use ", Setting("inference", "vb")),
                *(" or ", Setting("inference", "map"), " for others"),
            ),
        )
    if rows.total_weight > MOST_COPIES:
        raise InvalidArgumentError(
            Setting("inference", method),
            f" takes weights of at most {MOST_COPIES:,} together; got {rows.total_weight:,.0f}",
        )
    if isinstance(rows, ArrayRows) and rows.weights is not None:
        return rows.copies(rows.weights.astype(np.intp))
    copies = [np.repeat(values, weights.astype(np.intp), axis=0) for values, weights in blocks]
    return ArrayRows(np.concatenate(copies), None, rows.factor)
