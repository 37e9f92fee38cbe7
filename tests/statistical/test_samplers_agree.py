"""Gibbs sampling against NUTS, which have no code of their steps in common.

Components are ordered by the mean of one feature in every draw, so that both samplers tell of the
same quantities whatever numbers their components have. On iris the priors are informative enough
for the three species to be one mode, from which no chain strays: those in which chains from random
starts sometimes stay lie 10 to 70 nats lower. All chains begin at the deterministic start.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from laws.running import run
from mixtura.datasets import load_iris
from mixtura.diagnostics.convergence_diagnostics import mean_error
from mixtura.families import FAMILIES
from mixtura.fit import Inference
from mixtura.inference import Gibbs
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior
from mixtura.ppl import NUTS
from mixtura.priors import (
    ComponentPrior,
    Dirichlet,
    Independent,
    InverseGamma,
    LogNormal,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
)
from statistical.chains import NATIVE

LIMIT = 4.0
"""Standard errors of both samplers together by which averages may differ."""

FLOWERS = load_iris()
PETALS = FLOWERS.column("petal_length").reshape(-1, 1)
FOUR = np.column_stack(
    [
        FLOWERS.column(f"{part}_{size}")
        for part in ("sepal", "petal")
        for size in ("length", "width")
    ]
)
WITHIN = np.array([0.2, 0.1, 0.15, 0.04])
"""About the variances within a species."""


def species(family: str, prior: ComponentPrior) -> MixtureModel:
    return MixtureModel(3, 4, Dirichlet(5.0), prior, FAMILIES[family])


@dataclass(frozen=True)
class Case:
    """A model with rows, and the feature by whose means components are ordered."""

    model: MixtureModel
    rows: np.ndarray
    by: int
    nuts: NUTS = NUTS(chains=2, draws=250, warmup=120, max_tree_depth=7)  # noqa: RUF009 - frozen


_MATRICES = NormalInverseWishart(FOUR.mean(axis=0), 0.05, 20.0, 15.0 * np.diag(WITHIN))
_ARTICLE = Independent(Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0))
_TUTORIAL = Independent(Normal(0.0, 10.0), scale=LogNormal(0.0, 2.0))

CASES: dict[str, Case] = {
    "article": Case(MixtureModel(2, 1, Dirichlet(1.0), _ARTICLE, FAMILIES["diag"]), PETALS, 0),
    "tutorial": Case(
        MixtureModel(2, 1, Dirichlet(0.5), _TUTORIAL, FAMILIES["tied_diag"]),
        np.array([[0.0], [1.0], [10.0], [11.0], [12.0]]),
        0,
        NUTS(chains=2, draws=800, warmup=120, max_tree_depth=7),
    ),
    # Covariances off the diagonal need more draws before their standard errors can be trusted.
    "full": Case(
        species("full", _MATRICES),
        FOUR,
        2,
        NUTS(chains=2, draws=1500, warmup=300, max_tree_depth=8),
    ),
    "tied": Case(species("tied", _MATRICES), FOUR, 2),
    "diag": Case(
        species("diag", NormalInverseGamma(FOUR.mean(axis=0), 0.05, 5.0, 5.0 * WITHIN)), FOUR, 2
    ),
    "spherical": Case(
        species("spherical", NormalInverseGamma(FOUR.mean(axis=0), 0.05, 5.0, 0.6)), FOUR, 2
    ),
}


def summaries(case: Case, method: Inference) -> dict[str, np.ndarray]:
    """Return weights, means, covariances and log joint of every draw, (C, S, ...)."""
    fit: Any = run(case.model, case.rows, method, engine=NATIVE, seed=1)
    drawn = fit.posterior
    assert isinstance(drawn, DrawsPosterior)
    orders = np.argsort(drawn.means[..., case.by], axis=-1)
    found = drawn.relabelled(orders)
    covariances = found.covariances
    if len(case.model.structure) == 3:
        covariances = covariances[(..., *np.triu_indices(covariances.shape[-1]))]
    return {
        "weights": found.weights,
        "means": found.means,
        "covariances": covariances,
        "log joint": found.log_joint,
    }


def gaps(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the largest difference of averages of each kind, in standard errors."""
    found = {}
    for name, values in one.items():
        apart = values.mean(axis=(0, 1)) - other[name].mean(axis=(0, 1))
        error = np.hypot(mean_error(values), mean_error(other[name]))
        found[name] = float(np.abs(apart / error).max())
    return found


def gibbs(draws: int = 5000) -> Gibbs:
    return Gibbs(chains=4, draws=draws, warmup=200)


@pytest.mark.calibrate
@pytest.mark.filterwarnings("ignore:.*trajectories diverged:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_gibbs_and_nuts_agree(name: str) -> None:
    pytest.importorskip("pyro")
    case = CASES[name]
    found = gaps(summaries(case, gibbs(20_000)), summaries(case, case.nuts))
    print(name, {kind: round(value, 2) for kind, value in found.items()})
    assert max(found.values()) < LIMIT, found


def test_two_seeds_agree_and_another_prior_does_not() -> None:
    """What a comparison of as many draws as NUTS makes can tell."""
    case = CASES["diag"]
    reference = summaries(case, gibbs(1000))
    few = Gibbs(chains=2, draws=250, warmup=120)
    assert max(gaps(reference, summaries(case, few)).values()) < LIMIT
    prior = NormalInverseGamma(FOUR.mean(axis=0), 0.05, 6.0, 8.0 * WITHIN)
    wrong = replace(case, model=species("diag", prior))
    assert max(gaps(reference, summaries(wrong, few)).values()) > 2.0 * LIMIT
