"""From the draws of chains to a fit: numbers alike, agreement judged, the data's units."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, final

import numpy as np

from mixtura.data.base import NONE_HELD
from mixtura.diagnostics.component_warnings import component_doubts, limit_doubt, rest_doubt
from mixtura.diagnostics.convergence_diagnostics import (
    AGREED,
    FEWEST_DRAWS,
    draws_wanted,
    ess_bulk,
    r_hat,
    reduction_words,
)
from mixtura.errors import ConvergenceWarning, Doubt, LabelsWarning, Message, Setting
from mixtura.fit import Fit, Inference, Problem, Run, ScaledProblem, canonical_order
from mixtura.messages.assignments import Soft
from mixtura.messages.lazy import LazyModule
from mixtura.messages.parameters import MixtureParameters
from mixtura.posteriors import DrawsPosterior
from mixtura.posteriors.alignment import align_parameters, nearest_numbering
from mixtura.typing import Array, IntegerArray

if TYPE_CHECKING:
    from mixtura.diagnostics import posterior_summaries
else:  # which few fits ask
    posterior_summaries = LazyModule("mixtura.diagnostics.posterior_summaries")

TOO_OFTEN = 0.05
"""Probability of as many components as are allowed, or of rows in the rest of a process, from
which on a fit says so."""

N_COUNTED = 100
"""Draws under which a fit looks whether the rest of a process has rows."""

EFFECTIVE = 100
"""Effective draws of each chain below which R-hat itself is unsteady [Vehtari2021]_."""

MOST_ALIGNED = 1 << 25
"""Numbers C S K^2 of the costs of numbering draws; beyond, components are put in order of weight
where the prior would tell them apart."""

UNSURE = 0.05
"""Average probability of a second numbering from which on numbers are called doubtful."""


@final
@dataclass(frozen=True, eq=False)
class Chains:
    """What several chains drew, in the units that were swept.

    Parameters
    ----------
    posterior : DrawsPosterior
        The draws that are kept, numbered as they were drawn.
    histories : sequence of arrays
        Log joint density along each chain, in nats.
    names : sequence of str
        Name of the start of each chain.
    first : MixtureParameters, optional
        Parameters whose numbers the components keep.
    of_partitions : bool, default=False
        Whether the joint density is that of rows and partition, and the parameters were drawn
        given partitions, whose clusters no prior numbers.
    effective : int, optional
        Effective draws that were to be reached; None where the number of draws was given.
    held : integer array
        Components that keep their numbers, since rows are known to be theirs.
    """

    posterior: DrawsPosterior
    histories: Sequence[Array]
    names: Sequence[str]
    first: MixtureParameters | None = None
    of_partitions: bool = False
    effective: int | None = None
    held: IntegerArray = field(default_factory=lambda: NONE_HELD)


def fit_of(
    method: Inference,
    problem: Problem,
    scaled: ScaledProblem,
    chains: Chains,
    began: float,
    doubts: tuple[Doubt, ...] = (),
) -> Fit:
    """Return the fit of chains in the data's units."""
    drawn, doubt = _numbered(chains, problem.rows.total_weight)
    shortage = _shortage(drawn, chains)
    posterior = _in_data_units(problem, drawn, scaled.factor, of_rows=chains.of_partitions)
    shift = float(posterior.log_joint.flat[0] - drawn.log_joint.flat[0])
    runs = tuple(
        Run(name, tuple((history + shift).tolist()), not shortage)
        for name, history in zip(chains.names, chains.histories, strict=True)
    )
    total = problem.rows.total_weight
    prior = problem.model.weight_prior
    # Partitions of a process have as many groups as they need.
    has_limit = prior.has_random_number or (prior.finds_components and not chains.of_partitions)
    of_components = component_doubts(
        problem.model,
        posterior.parameters,
        posterior.parameters.weights * total,
        row_weight=total / problem.rows.n_rows,
        may_be_empty=True,
        resolution=problem.resolution,
    )
    return Fit(
        model=problem.model,
        posterior=posterior,
        method=method.name,
        objective=float(posterior.log_joint.mean()),
        objective_name=method.objective_name,
        log_likelihood=_log_likelihood(problem, scaled, posterior.parameters),
        runs=runs,
        best=int(np.argmax(posterior.log_joint.mean(axis=1))),
        n_rows=problem.rows.n_rows,
        total_weight=total,
        seconds=time.perf_counter() - began,
        feature_names=problem.feature_names,
        assumptions=problem.assumptions,
        doubts=(
            *problem.doubts,
            *doubts,
            *shortage,
            *(_at_limit(scaled, drawn, problem) if has_limit else ()),
            *_confusion(doubt),
            *of_components,
        ),
    )


def _numbered(chains: Chains, n_rows: float) -> tuple[DrawsPosterior, float]:
    """Return the draws numbered alike, and how doubtful the numbers are, from 0 to 1/2.

    The components have their numbers from the given parameters, or else by their means; by
    falling average weight where the prior finds their number, so that empty ones come last. Where
    the prior tells components apart they keep the numbers that they were drawn with, unless
    partitions were drawn.
    """
    posterior, prior = chains.posterior, chains.posterior.model.weight_prior
    exchangeable = prior.is_exchangeable
    if not exchangeable and not chains.of_partitions:
        return posterior, 0.0
    n_components = posterior.weights.shape[2]
    free = np.setdiff1d(np.arange(n_components), chains.held)
    if not exchangeable and posterior.weights.size * posterior.weights.shape[2] > MOST_ALIGNED:
        by_weight = np.argsort(-posterior.weights[:, :, free], axis=2, kind="stable")
        return posterior.relabelled(_held_apart(by_weight, free, n_components)), 0.0
    if free.size < 2 and chains.held.size:
        return posterior, 0.0
    parts = _components(posterior, free)
    least = 0.5 / n_rows if prior.finds_components else 0.0
    alignment = align_parameters(*parts, posterior.log_joint, n_rows, least)
    posterior = posterior.relabelled(_held_apart(alignment.permutations, free, n_components))
    found = _parameters(posterior.parameters, free)
    if exchangeable and chains.first is not None:
        order = nearest_numbering(found, _parameters(chains.first, free))
    elif prior.finds_components:
        order = np.argsort(-found.weights, kind="stable")
    else:
        order = canonical_order(found)
    orders = np.broadcast_to(_held_apart(order, free, n_components), posterior.weights.shape)
    # Components without rows are alike: that they cannot be told apart is no doubt.
    return posterior.relabelled(orders), alignment.doubt if exchangeable else 0.0


def _components(posterior: DrawsPosterior, some: IntegerArray) -> tuple[Array, Array, Array]:
    """Return the draws of some components: weights, means and (co)variances."""
    weights, means, covariances = posterior.weights, posterior.means, posterior.covariances
    if some.size == weights.shape[2]:
        return weights, means, covariances
    if covariances.shape[2] > 1:
        covariances = covariances[:, :, some]
    return weights[:, :, some], means[:, :, some], covariances


def _parameters(parameters: MixtureParameters, some: IntegerArray) -> MixtureParameters:
    """Return the parameters of some components."""
    if some.size == parameters.weights.size:
        return parameters
    covariances = parameters.covariances
    own = covariances if len(covariances) == 1 else covariances[some]
    return MixtureParameters(parameters.weights[some], parameters.means[some], own)


def _held_apart(order: IntegerArray, free: IntegerArray, n_components: int) -> IntegerArray:
    """Return an order (..., F) of the free components as one of all, the others in their places."""
    if free.size == n_components:
        return order
    whole = np.broadcast_to(np.arange(n_components), (*order.shape[:-1], n_components)).copy()
    whole[..., free] = free[order]
    return whole


def _in_data_units(
    problem: Problem, drawn: DrawsPosterior, factor: Array | None, *, of_rows: bool
) -> DrawsPosterior:
    """Return draws of the parameters of ``x * factor`` as draws of those of ``x``.

    The joint density is one of the rows alone (``of_rows``), or of rows and parameters.
    """
    if factor is None:
        return drawn
    draws = drawn.draws.rescaled(1.0 / factor)
    logs, total = np.log(factor), problem.rows.total_weight
    log_likelihood = draws.log_likelihood + float(problem.rows.weight_of_cells() @ logs)
    # Rows beside a partition are complete, drawn cells included.
    joint = draws.log_joint[0, 0] + float(np.full(logs.size, total) @ logs)
    if not of_rows:
        # The densities differ by a constant: it is found at one draw.
        joint = log_likelihood[0, 0] + problem.model.log_prior(draws.at(0, 0))
    log_joint = draws.log_joint + (joint - draws.log_joint[0, 0])
    draws = replace(draws, log_likelihood=log_likelihood, log_joint=log_joint)
    return replace(drawn, model=problem.model, draws=draws)


def _log_likelihood(
    problem: Problem, scaled: ScaledProblem, parameters: MixtureParameters
) -> float:
    """Return the log likelihood of the rows at the parameters, found in safe units."""
    parameters_there, shift = parameters, 0.0
    if scaled.factor is not None:
        parameters_there = parameters.rescaled(scaled.factor)
        shift = float(scaled.rows.weight_of_cells() @ np.log(scaled.factor))
    potentials = scaled.model.potentials(parameters_there)
    return problem.engine.sweep(scaled.rows, potentials, Soft()).log_normalizer + shift


def _monitored(posterior: DrawsPosterior) -> dict[str, Array]:
    """Return the draws (C, S) of what does not depend on the components' numbers, by name."""
    found = {"the log joint": posterior.log_joint}
    if posterior.model.weight_prior.has_random_number:
        found["the number of components"] = posterior.used_components.astype(np.float64)
    if posterior.partitions is not None:
        found["the number of groups"] = posterior.partitions.occupied.astype(np.float64)
    return found


def _reduction(draws: Array) -> float:
    """Return R-hat of draws (C, S); NaN of too few of them, one where nothing varies."""
    if draws.shape[1] < FEWEST_DRAWS:
        return np.nan
    return 1.0 if np.ptp(draws) == 0 else float(r_hat(draws))


def _shortage(posterior: DrawsPosterior, chains: Chains) -> tuple[Doubt, ...]:
    """Return the doubt that there are too few draws, with about how many would do."""
    monitored = _monitored(posterior)
    reductions = {name: _reduction(draws) for name, draws in monitored.items()}
    name, reduction = max(reductions.items(), key=lambda one: np.nan_to_num(one[1], nan=-np.inf))
    advice = Message("raise ", Setting("draws"), " and ", Setting("warmup"))
    if np.isnan(reduction):
        said = Message("too few draws to tell whether the chains agree; ", remedy=advice)
        return (Doubt(ConvergenceWarning, said),)
    n_chains = posterior.n_chains
    wanted = chains.effective or EFFECTIVE * n_chains
    needed = _in_words([draws_wanted(draws, wanted) for draws in monitored.values()])
    if reduction > AGREED:
        told = reduction_words(reduction)
        found = f"the chains do not agree: R-hat of {name} is {told}, above {AGREED}; "
        more = _remedy(posterior, of_partitions=chains.of_partitions)
        return (Doubt(ConvergenceWarning, Message(found, remedy=(advice, needed, *more))),)
    if chains.effective is None:
        return ()
    sizes = {name: _size(draws) for name, draws in monitored.items()}
    name, size = min(sizes.items(), key=lambda one: one[1])
    if size >= wanted:
        return ()
    found = (
        f"{size:,.0f} effective draws of {name} are fewer than the {wanted:,} that were wanted; "
    )
    return (Doubt(ConvergenceWarning, Message(found, remedy=(advice, needed))),)


def _size(draws: Array) -> float:
    """Return the effective draws of a quantity; as many as one may want where nothing varies."""
    return np.inf if np.ptp(draws) == 0 else float(ess_bulk(draws))


def _in_words(needed: list[float]) -> str:
    """Return how many draws of each chain would do, with two digits; nothing where unknown."""
    known = [number for number in needed if np.isfinite(number)]
    if not known:
        return ""
    largest = max(known)
    unit = 10.0 ** max(0, int(np.floor(np.log10(max(largest, 1.0)))) - 1)
    return f" (about {np.ceil(largest / unit) * unit:,.0f} draws of each chain would do)"


def _remedy(posterior: DrawsPosterior, *, of_partitions: bool) -> tuple[str | Setting, ...]:
    """Return what helps chains that stay at one number of components, where anything does."""
    model = posterior.model
    prior = model.weight_prior
    if of_partitions or not prior.has_random_number:
        return ()
    reduction = _reduction(posterior.used_components.astype(np.float64))
    if not reduction > AGREED or model.cluster_steps is None:
        return ()
    if prior.partitions(model.n_components) is None:
        return ()
    collapsed = Setting("inference", "collapsed")
    return (", or take ", collapsed, ", which changes the number of components more readily")


def _at_limit(scaled: ScaledProblem, drawn: DrawsPosterior, problem: Problem) -> tuple[Doubt, ...]:
    """Return the doubt that more components than are allowed may be wanted."""
    model = drawn.model
    if model.weight_prior.has_random_number:
        share = float((drawn.used_components == model.n_components).mean())
        doubt = limit_doubt(model.n_components, "the number of components", share)
    elif model.n_components == 1:
        return ()
    else:
        rest = posterior_summaries.rest_has_rows(drawn, scaled.rows, problem.engine, N_COUNTED)
        share = float(rest.mean())
        doubt = rest_doubt(model.n_components, share)
    return () if share <= TOO_OFTEN else (doubt,)


def _confusion(doubt: float) -> tuple[Doubt, ...]:
    if doubt < UNSURE:
        return ()
    message = (
        "the components of the draws cannot all be told apart (another numbering has a "
        f"probability of {100 * doubt:.0f} % on average): what is said component by component is "
        "doubtful; densities and groupings of rows are not affected"
    )
    return (Doubt(LabelsWarning, message),)
