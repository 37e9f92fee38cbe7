"""Fits made by hand for the tests of plots and reports, and a check that they are valid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.errors import Doubt, StartsDisagreeWarning
from mixtura.families import FAMILIES
from mixtura.fit import Fit, Run
from mixtura.messages.draws import Draws
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior, PointPosterior
from mixtura.priors import (
    Dirichlet,
    Independent,
    InverseGamma,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
)

HOSTILE_NAMES = (
    "$x_1$",
    "a_b^c",
    "<script>alert(1)</script>",
    "line\nbreak",
    "",
    "n" * 200,
    "\N{GRINNING FACE} \N{ZERO WIDTH JOINER}日本語",
    "_leading",
    "[red]loud[/red]",
    "\x1b[31mred\x1b[0m\x07",
    "\udc80lone",
    "\u202eright to left",
)
"""Names that have broken pictures, pages or terminals elsewhere."""


@dataclass(frozen=True, eq=False)
class Example:
    """A fit with rows drawn from it."""

    fit: Fit
    x: np.ndarray
    labels: np.ndarray
    responsibilities: np.ndarray


def example(
    n_components: int = 3,
    n_features: int = 2,
    n_rows: int = 60,
    *,
    family: str = "full",
    names: Sequence[str] | None = None,
    prior: Any = None,
    doubts: tuple[Doubt, ...] = (),
    scale: float = 1.0,
) -> Example:
    """Return a fit whose parameters are given, not sought, and rows that it describes."""
    rng = np.random.default_rng(17)
    chosen = FAMILIES[family]
    structure = chosen.structure(n_components, n_features)
    matrix = len(structure) == 3
    if prior is None:
        prior = NormalInverseWishart() if matrix else NormalInverseGamma()
    model = MixtureModel(n_components, n_features, Dirichlet(1.0), prior, chosen)
    root = 0.3 * rng.standard_normal((n_components, n_features, n_features))
    full = root @ root.transpose(0, 2, 1) + 0.5 * np.eye(n_features)
    covariances = full if matrix else 0.2 + rng.random((n_components, n_features))
    parameters = MixtureParameters(
        np.arange(1.0, n_components + 1.0) / np.arange(1.0, n_components + 1.0).sum(),
        scale * np.sort(6.0 * rng.standard_normal((n_components, n_features)), axis=0),
        (scale**2 * covariances)[tuple(slice(size) for size in structure)],
    )
    posterior = PointPosterior(parameters, model.family)
    x = posterior.sample(n_rows, rng)[0]
    rows, engine = ArrayRows(x), ReferenceEngine()
    likelihood = float(posterior.log_predictive(rows, engine).sum())
    objective = likelihood + model.log_prior(parameters)
    fit = Fit(
        model=model,
        posterior=posterior,
        method="map",
        objective=objective,
        objective_name="log joint density",
        log_likelihood=likelihood,
        runs=(
            Run("quantile", (objective - 50.0, objective - 3.0, objective - 2.0), False),
            Run("kmeans", (objective - 90.0, objective - 1.0, objective), True),
        ),
        best=1,
        n_rows=n_rows,
        total_weight=float(n_rows),
        seconds=0.25,
        feature_names=tuple(names or (f"feature {d}" for d in range(n_features))),
        assumptions=("the rows were taken to be independent",),
        doubts=doubts,
    )
    shares = posterior.responsibilities(rows, engine)
    return Example(fit, x, shares.argmax(axis=1), shares)


def sampled_example(
    n_components: int = 3,
    n_features: int = 2,
    n_rows: int = 60,
    *,
    n_chains: int = 2,
    n_draws: int = 40,
    **options: Any,
) -> Example:
    """Return the example with draws about its parameters in place of them."""
    made = example(n_components, n_features, n_rows, **options)
    fit, rng, size = made.fit, np.random.default_rng(29), (n_chains, n_draws)
    parameters = fit.parameters
    width = np.sqrt(np.abs(parameters.covariances).max())
    means = parameters.means + 0.05 * width * rng.standard_normal((*size, *parameters.means.shape))
    factor = 1.0 + 0.02 * rng.standard_normal((*size, *(1,) * parameters.covariances.ndim))
    posterior = DrawsPosterior(
        fit.model,
        Draws(
            weights=rng.dirichlet(5.0 * n_rows * parameters.weights, size),
            means=means,
            covariances=parameters.covariances * factor,
            log_joint=fit.objective + rng.standard_normal(size),
            log_likelihood=fit.log_likelihood + rng.standard_normal(size),
        ),
        np.broadcast_to(np.arange(n_components), (*size, n_components)),
    )
    runs = tuple(
        Run(f"chain {chain}", tuple(line), True) for chain, line in enumerate(posterior.log_joint)
    )
    sampled = replace(
        fit,
        posterior=posterior,
        method="gibbs",
        objective=float(posterior.log_joint.mean()),
        objective_name="mean log joint density",
        runs=runs,
        best=0,
    )
    return replace(made, fit=sampled)


def irises() -> Example:
    """Return the article's model at its optimum, with equal petals of each species as rows."""
    model = MixtureModel(
        2,
        1,
        Dirichlet(1.0),
        Independent(Normal(0.0, 10.0), InverseGamma(1.0, 1.0)),
        FAMILIES["diag"],
    )
    parameters = MixtureParameters(
        np.array([0.3331541855, 0.6668458145]),
        np.array([[1.4617939636], [4.904843596]]),
        np.array([[0.1782735055**2], [0.8196919766**2]]),
    )
    posterior = PointPosterior(parameters, model.family)
    x = posterior.sample(150, np.random.default_rng(0))[0]
    shares = posterior.responsibilities(ArrayRows(x), ReferenceEngine())
    fit = Fit(
        model=model,
        posterior=posterior,
        method="map",
        objective=-210.2063224046,
        objective_name="log joint density",
        log_likelihood=-200.6495006,
        runs=(Run("quantile", (-300.0, -210.2063224046), True),),
        best=0,
        n_rows=150,
        total_weight=150.0,
        seconds=0.01,
        feature_names=("petal_length",),
        doubts=(Doubt(StartsDisagreeWarning, "only one of 9 starts reached the best optimum"),),
    )
    return Example(fit, x, shares.argmax(axis=1), shares)


SIZES = [
    pytest.param(n_components, n_features, n_rows, id=f"K{n_components}D{n_features}N{n_rows}")
    for n_components, n_features, n_rows in (
        (1, 1, 1),
        (1, 2, 1),
        (2, 1, 40),
        (3, 2, 40),
        (2, 4, 40),
        (3, 12, 40),
        (20, 1, 900),
        (20, 2, 2500),
    )
]
"""Numbers of components, features and rows that everything is tried with."""


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_examples_are_lawful(family: str) -> None:
    made = example(family=family)
    assert made.fit.parameters.is_finite()
    np.testing.assert_allclose(made.responsibilities.sum(axis=1), 1.0)
