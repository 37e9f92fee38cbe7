"""The sampled posterior by Pyro's no-U-turn sampler."""

import time
from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.errors import ConvergenceWarning, Doubt, InvalidArgumentError, Message, Setting
from mixtura.fit import Fit, Inference, Problem, ScaledProblem, Start, option
from mixtura.inference.mcmc.fit_of_draws import Chains, fit_of
from mixtura.messages.assignments import Soft
from mixtura.messages.draws import Draws
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.validation import Real, Whole
from mixtura.posteriors import DrawsPosterior
from mixtura.ppl.extra import require_pyro
from mixtura.typing import Array

STREAM = 0x4E555453
"""Key of this method's random streams among those of the problem's seed."""

CLIMB = 50
"""EM steps from a start to near its mode, where a chain begins."""

TELL_EVERY = 100


@final
@dataclass(frozen=True)
class NUTS(Inference):
    """Draws from the posterior by the no-U-turn sampler of Pyro [HoffmanGelman2014]_.

    The trajectories run on the program of :func:`mixtura.ppl.to_pyro` with the assignments
    summed out. Each chain begins at one of the estimator's starts, taken near its mode by EM and
    then to a draw given its rows. Of the two samplers this is by far the slower one; it shares no
    code with ``Gibbs`` and is there as a second opinion. Chains take turns, since Pyro's state
    belongs to the process.

    Parameters
    ----------
    chains : int, default=4
        Number of chains.
    draws : int, default=500
        Draws that are kept of each chain.
    warmup : int, default=500
        Draws of each chain before those, in which step size and masses are adapted.
    target_accept : float, default=0.8
        Acceptance probability at which the step size aims: higher for fewer divergences.
    max_tree_depth : int, default=10
        Trajectories have fewer than two to this power steps.

    Raises
    ------
    InvalidArgumentError
        If an option is out of its range.
    """

    chains: int = option(4, Whole(1, 10_000))
    draws: int = option(500, Whole(1))
    warmup: int = option(500, Whole(1))
    target_accept: float = option(0.8, Real(0.0, 1.0, above=True, below=True))
    max_tree_depth: int = option(10, Whole(1, 30))

    name = "nuts"
    averages_parameters = True
    takes_labels = False
    objective_name = "mean log joint density"
    default_max_iter = 0

    @property
    def default_starts(self) -> int | None:
        return self.chains

    @classmethod
    def check_installed(cls) -> None:
        require_pyro()

    def fit(self, problem: Problem) -> Fit:
        """Run the chains and return their draws as a fit.

        Raises
        ------
        MissingExtraError
            If torch or pyro is not installed.
        InvalidArgumentError
            If a prior is flat or has no Pyro program, or max_iter or tol is given.
        """
        self.check_installed()
        if problem.max_iter is not None or problem.tol is not None:
            raise InvalidArgumentError(
                *(Setting("inference", "nuts"), " has neither "),
                *(Setting("max_iter"), " nor ", Setting("tol")),
                remedy=("say ", Setting("draws", also="warmup", spelled="NUTS(draws=, warmup=)")),
            )
        problem.refuse_improper()
        began = time.perf_counter()
        scaled = problem.in_safe_units()
        starts = problem.starts(scaled.model, scaled.rows)
        drawn, divergent = [], 0
        for number in range(self.chains):
            start = starts[number % len(starts)]
            parts, n_divergent = self._chain(problem, scaled, start, number)
            drawn.append(_with_densities(problem, scaled, parts))
            divergent += n_divergent
            problem.report(f"chain {number + 1} ({start.name}): {self.draws} draws")
        first = scaled.model.mode(starts[0].statistics) if problem.keep_numbering else None
        draws = Draws.beside(drawn)
        numbers = np.broadcast_to(np.arange(scaled.model.n_components), draws.weights.shape)
        posterior = DrawsPosterior(scaled.model, draws, numbers)
        names = [starts[number % len(starts)].name for number in range(self.chains)]
        chains = Chains(posterior, list(posterior.log_joint), names, first)
        return fit_of(self, problem, scaled, chains, began, _divergences(divergent, posterior))

    def _chain(
        self, problem: Problem, scaled: ScaledProblem, start: Start, number: int
    ) -> tuple[tuple[Array, Array, Array], int]:
        from mixtura.ppl.nuts_chains import Trajectories, draw_chain

        of_start, of_draws = problem.stream(STREAM, number).spawn(2)
        begin = _begin(problem, scaled, start, np.random.default_rng(of_start))
        seed = int(of_draws.generate_state(1, np.uint64)[0] >> 1)
        plan = Trajectories(self.draws, self.warmup, self.target_accept, self.max_tree_depth)

        def tell(made: int) -> None:
            if made % TELL_EVERY == 0:
                total = self.warmup + self.draws
                problem.report(f"chain {number + 1}: {made} of {total} draws, warm-up included")

        return draw_chain(scaled.model, scaled.rows, begin, seed, plan, tell)


def _begin(
    problem: Problem, scaled: ScaledProblem, start: Start, rng: np.random.Generator
) -> MixtureParameters:
    """Return a draw given the rows' shares near the mode that a start leads to."""
    model, statistics = scaled.model, start.statistics
    for _ in range(CLIMB):
        parameters = model.mode(statistics)
        statistics = problem.engine.sweep(scaled.rows, model.potentials(parameters), Soft())
    parameters = model.mode(statistics)
    weights = model.weight_prior.posterior(statistics.count).draw(rng, model.n_components)
    drawn = model.component_prior.draw_given(
        statistics, parameters.means, parameters.covariances, rng
    )
    return MixtureParameters(weights, *drawn)


def _with_densities(
    problem: Problem, scaled: ScaledProblem, parts: tuple[Array, Array, Array]
) -> Draws:
    """Return the draws of a chain with their exact densities."""
    model, n_draws = scaled.model, len(parts[0])
    log_likelihood, log_joint = np.empty(n_draws), np.empty(n_draws)
    for number, drawn in enumerate(zip(*parts, strict=True)):
        parameters = MixtureParameters(*drawn)
        found = problem.engine.sweep(scaled.rows, model.potentials(parameters), Soft())
        log_likelihood[number] = found.log_normalizer
        log_joint[number] = found.log_normalizer + model.log_prior(parameters)
    return Draws(*parts, log_likelihood, log_joint)


def _divergences(divergent: int, posterior: DrawsPosterior) -> tuple[Doubt, ...]:
    if divergent == 0:
        return ()
    message = Message(
        f"{divergent} of {posterior.n_draws} trajectories diverged, so that part of the posterior "
        "may be missing",
        remedy=("raise ", Setting("target_accept"), ", or use ", Setting("inference", "gibbs")),
    )
    return (Doubt(ConvergenceWarning, message),)
