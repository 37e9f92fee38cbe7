"""Gibbs sampling: draw x sampled x full sweeps."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.assignments import Soft
from mixtura.data import ArrayRows, Rows
from mixtura.diagnostics.components import Doubt, component_doubts
from mixtura.diagnostics.sampling import FEWEST_DRAWS, r_hat
from mixtura.errors import ConvergenceWarning, InvalidArgumentError
from mixtura.fit import Fit, Inference, Problem, Run, canonical_order
from mixtura.inference.chains import Chain, Plan, run_chain
from mixtura.inference.driver import safe_units
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.posteriors import DrawsPosterior, PointPosterior
from mixtura.posteriors.matching import aligned
from mixtura.typing import Array

STREAM = 0x6962_6269
"""Key of this method's random streams among those of the problem's seed."""

AGREED = 1.01
"""R-hat of the log joint up to which chains count as agreed."""

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

    Raises
    ------
    InvalidArgumentError
        If an option is not a whole number, or too small.
    """

    chains: int = 4
    draws: int = 1000
    warmup: int = 500
    thin: int = 1

    name = "gibbs"
    objective_name = "mean log joint density"
    default_max_iter = 0

    def __post_init__(self) -> None:
        for name, smallest in (("chains", 1), ("draws", 1), ("warmup", 0), ("thin", 1)):
            value = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not whole or value < smallest:
                raise InvalidArgumentError(
                    f"Gibbs {name} must be a whole number of at least {smallest}; got {value!r}"
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
        model, rows, factor = safe_units(problem)
        starts = problem.starts(model, rows)
        copies, plan = each_on_its_own(rows), Plan(self.draws, self.warmup, self.thin)

        def run(number: int) -> Chain:
            key = (*problem.seed.spawn_key, STREAM, number)
            seed = np.random.SeedSequence(problem.seed.entropy, spawn_key=key)
            start = starts[number % len(starts)]
            chain = run_chain(model, copies, problem.engine, start.statistics, plan, seed)
            average = chain.log_joint[plan.kept].mean()
            problem.report(f"chain {number + 1} ({start.name}): mean log joint {average:.6f}")
            return chain

        chains = _in_threads(run, self.chains, problem.n_jobs)
        first = model.mode(starts[0].statistics) if problem.keep_numbering else None
        posterior = _numbered(_posterior(model, chains, plan), first)
        names = [starts[number % len(starts)].name for number in range(self.chains)]
        return _fit(self, problem, posterior, chains, names, factor, began)


def _in_threads(run: Callable[[int], Chain], chains: int, n_jobs: int) -> list[Chain]:
    if n_jobs == 1 or chains == 1:
        return [run(number) for number in range(chains)]
    with ThreadPoolExecutor(min(n_jobs, chains)) as threads:
        return list(threads.map(run, range(chains)))


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
    return DrawsPosterior(
        model,
        np.stack([chain.weights for chain in chains]),
        np.stack([chain.means for chain in chains]),
        np.stack([chain.covariances for chain in chains]),
        np.stack([chain.log_joint[plan.kept] for chain in chains]),
        np.stack([chain.log_likelihood[plan.kept] for chain in chains]),
    )


def _numbered(posterior: DrawsPosterior, first: MixtureParameters | None) -> DrawsPosterior:
    """Return the draws numbered alike: by their means, or as the parameters of a given start.

    Where the prior tells components apart they have their numbers from it.
    """
    if not posterior.model.weight_prior.is_exchangeable:
        return posterior
    parts = (posterior.weights, posterior.means, posterior.covariances)
    posterior = posterior.renumbered(aligned(*parts, posterior.best))
    found = posterior.parameters
    if first is None:
        order = canonical_order(found)
    else:
        order = aligned(found.weights, found.means, found.covariances, first)
    return posterior.renumbered(np.broadcast_to(order, posterior.weights.shape))


def _fit(
    method: Gibbs,
    problem: Problem,
    posterior: DrawsPosterior,
    chains: list[Chain],
    names: list[str],
    factor: Array | None,
    began: float,
) -> Fit:
    """Return the fit in the data's units."""
    reduction = _reduction(posterior.log_joint)
    agreed = bool(reduction <= AGREED)
    safe_joint = posterior.log_joint
    posterior = in_units(problem, posterior, factor)
    shift = float(posterior.log_joint.flat[0] - safe_joint.flat[0])
    best = int(np.argmax(posterior.log_joint.mean(axis=1)))
    runs = tuple(
        Run(name, tuple((chain.log_joint + shift).tolist()), agreed)
        for name, chain in zip(names, chains, strict=True)
    )
    parameters = posterior.parameters
    total = problem.rows.total_weight
    of_components = component_doubts(
        problem.model,
        parameters,
        parameters.weights * total,
        row_weight=total / problem.rows.n_rows,
        may_be_empty=True,
    )
    return Fit(
        model=problem.model,
        posterior=posterior,
        method=method.name,
        objective=float(posterior.log_joint.mean()),
        objective_name=method.objective_name,
        log_likelihood=_log_likelihood(problem, parameters),
        runs=runs,
        best=best,
        n_rows=problem.rows.n_rows,
        total_weight=total,
        seconds=time.perf_counter() - began,
        feature_names=problem.feature_names,
        assumptions=problem.assumptions,
        doubts=(*problem.doubts, *_doubts(reduction), *of_components),
    )


def in_units(problem: Problem, posterior: DrawsPosterior, factor: Array | None) -> DrawsPosterior:
    """Return draws of the parameters of ``x * factor`` as draws of those of ``x``."""
    if factor is None:
        return posterior
    scale = 1.0 / factor
    means, covariances = posterior.means * scale, posterior.covariances
    if len(problem.model.structure) == 3:
        covariances = covariances * scale[:, None] * scale
    else:
        width = problem.model.structure[1]
        covariances = covariances * scale[:width] * scale[:width]
    log_likelihood = posterior.log_likelihood + problem.rows.total_weight * np.log(factor).sum()
    one = MixtureParameters(posterior.weights[0, 0], means[0, 0], covariances[0, 0])
    # The densities differ by a constant: it is found at one draw.
    joint = log_likelihood[0, 0] + problem.model.log_prior(one)
    return DrawsPosterior(
        problem.model,
        posterior.weights,
        means,
        covariances,
        posterior.log_joint + (joint - posterior.log_joint[0, 0]),
        log_likelihood,
    )


def _log_likelihood(problem: Problem, parameters: MixtureParameters) -> float:
    """Return the log likelihood of the rows at the parameters, found in safe units."""
    model, rows, factor = safe_units(problem)
    scaled = parameters if factor is None else parameters.rescaled(factor)
    shift = 0.0 if factor is None else rows.total_weight * float(np.log(factor).sum())
    potentials = PointPosterior(scaled, model.family).potentials
    return problem.engine.sweep(rows, potentials, Soft()).log_normalizer + shift


def _reduction(log_joint: Array) -> float:
    """Return R-hat of the log joint; NaN of too few draws, one where nothing varies."""
    if log_joint.shape[1] < FEWEST_DRAWS:
        return np.nan
    return 1.0 if np.ptp(log_joint) == 0 else float(r_hat(log_joint))


def _doubts(reduction: float) -> tuple[Doubt, ...]:
    if reduction <= AGREED:
        return ()
    found = "too few draws to tell whether the chains agree"
    if np.isfinite(reduction):
        found = f"the chains do not agree: R-hat of the log joint is {reduction:.3f}, not {AGREED}"
    return (Doubt(ConvergenceWarning, f"{found}; raise draws and warmup of Gibbs"),)
