"""From the draws of chains to a fit: numbers alike, agreement judged, the data's units."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mixtura.assignments import Soft
from mixtura.diagnostics.components import Doubt, component_doubts, limit_doubt
from mixtura.diagnostics.sampling import FEWEST_DRAWS, r_hat
from mixtura.errors import ConvergenceWarning, LabelsWarning
from mixtura.fit import Fit, Inference, Problem, Run, Swept, canonical_order
from mixtura.judgements import occupied
from mixtura.parameters import MixtureParameters
from mixtura.posteriors import DrawsPosterior, PointPosterior
from mixtura.posteriors.alignment import align_parameters, nearest_numbering
from mixtura.typing import Array

AGREED = 1.01
"""R-hat up to which chains count as agreed [Vehtari2021]_."""

TOO_OFTEN = 0.05
"""Probability of as many components as are allowed from which on a fit says so."""

N_COUNTED = 100
"""Draws under which a fit counts the components with rows."""

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
    """

    posterior: DrawsPosterior
    histories: Sequence[Array]
    names: Sequence[str]
    first: MixtureParameters | None = None
    of_partitions: bool = False


def fit_of(
    method: Inference,
    problem: Problem,
    swept: Swept,
    chains: Chains,
    began: float,
    doubts: tuple[Doubt, ...] = (),
) -> Fit:
    """Return the fit of chains in the data's units."""
    drawn, doubt = _numbered(chains, problem.rows.total_weight)
    judged, reduction = _largest_reduction(drawn)
    posterior = _in_data_units(problem, drawn, swept.factor, of_rows=chains.of_partitions)
    shift = float(posterior.log_joint.flat[0] - drawn.log_joint.flat[0])
    runs = tuple(
        Run(name, tuple((history + shift).tolist()), bool(reduction <= AGREED))
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
        resolvable=problem.resolvable,
    )
    return Fit(
        model=problem.model,
        posterior=posterior,
        method=method.name,
        objective=float(posterior.log_joint.mean()),
        objective_name=method.objective_name,
        log_likelihood=_log_likelihood(problem, swept, posterior.parameters),
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
            *_disagreement(judged, reduction, _remedy(drawn, of_partitions=chains.of_partitions)),
            *(_at_limit(swept, drawn, problem) if has_limit else ()),
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
    if not exchangeable and posterior.weights.size * posterior.weights.shape[2] > MOST_ALIGNED:
        return posterior.renumbered(np.argsort(-posterior.weights, axis=2, kind="stable")), 0.0
    parts = (posterior.weights, posterior.means, posterior.covariances)
    least = 0.5 / n_rows if prior.finds_components else 0.0
    alignment = align_parameters(*parts, posterior.log_joint, n_rows, least)
    posterior = posterior.renumbered(alignment.permutations)
    found = posterior.parameters
    if exchangeable and chains.first is not None:
        order = nearest_numbering(found, chains.first)
    elif prior.finds_components:
        order = np.argsort(-found.weights, kind="stable")
    else:
        order = canonical_order(found)
    orders = np.broadcast_to(order, posterior.weights.shape)
    # Components without rows are alike: that they cannot be told apart is no doubt.
    return posterior.renumbered(orders), alignment.doubt if exchangeable else 0.0


def _in_data_units(
    problem: Problem, drawn: DrawsPosterior, factor: Array | None, *, of_rows: bool
) -> DrawsPosterior:
    """Return draws of the parameters of ``x * factor`` as draws of those of ``x``.

    The joint density is one of the rows alone (``of_rows``), or of rows and parameters.
    """
    if factor is None:
        return drawn
    scale, structure = 1.0 / factor, problem.model.structure
    means, covariances = drawn.means * scale, drawn.covariances
    if len(structure) == 3:
        covariances = covariances * scale[:, None] * scale
    else:
        covariances = covariances * scale[: structure[1]] * scale[: structure[1]]
    more = problem.rows.total_weight * np.log(factor).sum()
    log_likelihood, joint = drawn.log_likelihood + more, drawn.log_joint[0, 0] + more
    if not of_rows:
        # The densities differ by a constant: it is found at one draw.
        one = MixtureParameters(drawn.weights[0, 0], means[0, 0], covariances[0, 0])
        joint = log_likelihood[0, 0] + problem.model.log_prior(one)
    return replace(
        drawn,
        model=problem.model,
        means=means,
        covariances=covariances,
        log_joint=drawn.log_joint + (joint - drawn.log_joint[0, 0]),
        log_likelihood=log_likelihood,
    )


def _log_likelihood(problem: Problem, swept: Swept, parameters: MixtureParameters) -> float:
    """Return the log likelihood of the rows at the parameters, found in safe units."""
    scaled, shift = parameters, 0.0
    if swept.factor is not None:
        scaled = parameters.rescaled(swept.factor)
        shift = swept.rows.total_weight * float(np.log(swept.factor).sum())
    potentials = PointPosterior(scaled, swept.model.family).potentials
    return problem.engine.sweep(swept.rows, potentials, Soft()).log_normalizer + shift


def _largest_reduction(posterior: DrawsPosterior) -> tuple[str, float]:
    """Return the larger R-hat of the log joint and of the number of components, where random."""
    found = {"the log joint": _reduction(posterior.log_joint)}
    if posterior.model.weight_prior.has_random_number:
        numbers = posterior.used_components.astype(np.float64)
        found["the number of components"] = _reduction(numbers)
    return max(found.items(), key=lambda one: np.nan_to_num(one[1], nan=-np.inf))


def _reduction(draws: Array) -> float:
    """Return R-hat of draws (C, S); NaN of too few of them, one where nothing varies."""
    if draws.shape[1] < FEWEST_DRAWS:
        return np.nan
    return 1.0 if np.ptp(draws) == 0 else float(r_hat(draws))


def reduction_words(value: float) -> str:
    """Return R-hat with three decimals, and more where they show that it is above the limit."""
    digits = 3
    while value > AGREED and digits < 15 and float(f"{value:.{digits}f}") <= AGREED:
        digits += 1
    return f"{value:.{digits}f}"


def _disagreement(judged: str, reduction: float, remedy: str) -> tuple[Doubt, ...]:
    if reduction <= AGREED:
        return ()
    found = "too few draws to tell whether the chains agree"
    if not np.isnan(reduction):
        told = reduction_words(reduction)
        found = f"the chains do not agree: R-hat of {judged} is {told}, above {AGREED}"
    return (Doubt(ConvergenceWarning, f"{found}; raise draws and warmup{remedy}"),)


def _remedy(posterior: DrawsPosterior, *, of_partitions: bool) -> str:
    """Return what helps chains that stay at one number of components, where anything does."""
    model = posterior.model
    prior = model.weight_prior
    if of_partitions or not prior.has_random_number:
        return ""
    reduction = _reduction(posterior.used_components.astype(np.float64))
    if not reduction > AGREED or model.cluster_steps is None:
        return ""
    if prior.partitions(model.n_components) is None:
        return ""
    return ", or take inference='collapsed', which changes the number of components more readily"


def _at_limit(swept: Swept, drawn: DrawsPosterior, problem: Problem) -> tuple[Doubt, ...]:
    """Return the doubt that more components than are allowed may be wanted."""
    model = drawn.model
    if model.weight_prior.has_random_number:
        number, what = drawn.used_components, "the number of components"
    else:
        counted = occupied(drawn, swept.rows, problem.engine, N_COUNTED)
        if counted is None:
            return ()
        number, what = counted, "the number of components with rows"
    share = float((number == model.n_components).mean())
    return () if share <= TOO_OFTEN else (limit_doubt(model.n_components, what, share),)


def _confusion(doubt: float) -> tuple[Doubt, ...]:
    if doubt < UNSURE:
        return ()
    message = (
        "the components of the draws cannot all be told apart (another numbering has a "
        f"probability of {100 * doubt:.0f} % on average): what is said component by component is "
        "doubtful; densities and groupings of rows are not affected"
    )
    return (Doubt(LabelsWarning, message),)
