"""Data sets, models with elicited priors, and fits without the estimator."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines import Engine, ReferenceEngine
from mixtura.engines.native import NativeEngine
from mixtura.estimator.problem import in_units_of, overall_moments
from mixtura.families import FAMILIES, CovarianceFamily, RestrictedFamily
from mixtura.fit import Fit, Inference, Problem, Start
from mixtura.inference import MAP, ML, VB
from mixtura.inference.mcmc.gibbs_chains import ChainPlan, ChainState, Sampler
from mixtura.inference.point_estimates import OPTIMIZERS
from mixtura.inference.starts import INITIALIZERS, Elicitation, Initializer
from mixtura.inference.starts.given import GivenResponsibilities
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.draws import Draws
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.priors import Dirichlet, FlatWeights
from mixtura.priors.elicitation import likelihood_floor

FREE = sorted(name for name, family in FAMILIES.items() if not family.is_restricted)
"""Families of which the structure shape says all; to rows the others are one of these."""

RESTRICTED = sorted(name for name, family in FAMILIES.items() if family.is_restricted)


def families_and_methods(methods: Iterable[str]) -> list[tuple[str, str]]:
    """Return every method with every free family, and each restricted one with "map" or "ml"."""
    chosen = sorted(methods)
    points = [name for name in chosen if name in ("map", "ml")]
    covered = [(name, points[i % len(points)]) for i, name in enumerate(RESTRICTED)]
    return [(family, method) for family in FREE for method in chosen] + covered


METHODS: dict[str, Inference] = {
    f"{method.name} {optimizer}": method(optimizer=optimizer)
    for method in (MAP, ML)
    for optimizer in OPTIMIZERS
} | {
    "vb": VB(),
    "vb minibatches": VB(batch_size=17),
    "map minibatches": MAP(batch_size=17),
    "ml minibatches": ML(batch_size=17),
}
"""Every method that sweeps, the point ones with every registered optimizer, and in minibatches."""


def chain_from(
    model: MixtureModel,
    rows: np.ndarray,
    engine: Engine,
    first: MixtureParameters,
    plan: ChainPlan,
    seed: np.random.SeedSequence,
) -> Draws:
    """Return a Gibbs chain whose first draw is given."""
    sampler = Sampler(model, ArrayRows(rows), engine, plan)
    return whole_chain(sampler, sampler.begin_at(first, seed))


def whole_chain(sampler: Sampler, state: ChainState) -> Draws:
    """Return a Gibbs chain from its beginning to the end of its plan."""
    return sampler.finished(sampler.advance(state, sampler.plan.sweeps), sampler.plan)


def blobs(
    rng: np.random.Generator, n_rows: int, n_features: int, n_groups: int, apart: float = 3.0
) -> np.ndarray:
    """Return rows (N, D) around random centres, of unequal widths, correlated."""
    centres = apart * rng.standard_normal((n_groups, n_features))
    centres[:, 0] = 1.5 * apart * np.arange(n_groups)
    mixing = np.eye(n_features) + 0.4 * rng.standard_normal((n_groups, n_features, n_features))
    labels = rng.integers(n_groups, size=n_rows)
    noise = rng.standard_normal((n_rows, n_features))
    return centres[labels] + np.einsum("nd,nde->ne", noise, mixing[labels])


def random_parameters(
    rng: np.random.Generator,
    family: CovarianceFamily,
    n_components: int,
    n_features: int,
    scale: float = 1.0,
    offset: float = 0.0,
) -> MixtureParameters:
    """Return parameters of a family, with well-conditioned covariances."""
    structure = family.structure(n_components, n_features)
    if len(structure) == 3:
        root = rng.standard_normal((structure[0], n_features, 2 * n_features + 1))
        covariances = root @ root.transpose(0, 2, 1) / (2 * n_features + 1)
    else:
        covariances = rng.gamma(4.0, 0.25, structure)
    if isinstance(family, RestrictedFamily):
        covariances = family.best(CovarianceTerms(np.ones(n_components), covariances))
    weights = rng.dirichlet(np.full(n_components, 3.0))
    means = offset + 2.0 * scale * rng.standard_normal((n_components, n_features))
    return MixtureParameters(weights, means, covariances * scale**2)


def elicited(
    family: CovarianceFamily,
    rows: np.ndarray,
    n_components: int,
    method: Inference | None = None,
    weights: np.ndarray | None = None,
    engine: Engine | None = None,
) -> MixtureModel:
    """Return the model with the default priors of a method: what users get without priors."""
    method = MAP() if method is None else method
    n_features = rows.shape[1]
    data = ArrayRows(rows, weights)
    moments = overall_moments(data, engine or ReferenceEngine(), family.structure(1, n_features))
    if method.uses_flat_priors:
        priors = FlatWeights(), likelihood_floor(moments)
    else:
        found = Elicitation(in_units_of(data, moments), engine or NativeEngine(), moments)
        groups = found.groups(family, n_components)
        priors = Dirichlet(1.0), groups.prior(of_averages=method.averages_parameters)
    return MixtureModel(n_components, n_features, *priors, family)


def run(
    model: MixtureModel,
    rows: np.ndarray,
    method: Inference | None = None,
    start: str | Initializer | np.ndarray = "split",
    *,
    weights: np.ndarray | None = None,
    seed: int = 0,
    n_starts: int = 1,
    keep_numbering: bool = False,
    engine: Engine | None = None,
    max_iter: int | None = None,
    tol: float | None = 0.0,
    n_jobs: int = 1,
) -> Fit:
    """Return a fit, where steps climb to the last digit; ``tol=None`` is the method's own default.

    ``start`` is a registered name, an initializer or responsibilities (N, K).
    """
    method = MAP() if method is None else method
    tol = None if tol == 0.0 and not isinstance(method, MAP | ML | VB) else tol
    engine = ReferenceEngine() if engine is None else engine
    source = np.random.SeedSequence(seed)
    initializer: Any = start
    if isinstance(start, str):
        initializer = INITIALIZERS[start]
    elif isinstance(start, np.ndarray):
        initializer = GivenResponsibilities(start)

    def starts(used_model: MixtureModel, used_rows: Any) -> list[Start]:
        return [
            Start(
                initializer.name,
                initializer.statistics(used_model, used_rows, engine, number, child),
            )
            for number, child in enumerate(source.spawn(n_starts))
        ]

    problem = Problem(
        model=model,
        rows=ArrayRows(np.ascontiguousarray(rows, dtype=np.float64), weights),
        engine=engine,
        starts=starts,
        keep_numbering=keep_numbering,
        max_iter=max_iter,
        tol=tol,
        seed=source,
        feature_names=tuple(f"x{d}" for d in range(rows.shape[1])),
        n_jobs=n_jobs,
    )
    return method.fit(problem)
