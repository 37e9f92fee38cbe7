"""Never an exception for valid data: awkward rows, with every family, method and start.

All warnings are errors here, so that a silent overflow or division by zero is caught as well.
"""

import numpy as np
import pytest

from laws.independent import as_matrices
from laws.running import METHODS, elicited, run
from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.errors import (
    ConvergenceWarning,
    DegenerateComponentWarning,
    EmptyComponentWarning,
)
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.fit import Fit, Inference
from mixtura.inference import MAP, ML
from mixtura.inference.starts import INITIALIZERS
from mixtura.model import MixtureModel
from mixtura.priors import Dirichlet, Independent, InverseGamma, LogNormal, Normal

rng = np.random.default_rng(15)
PLAIN = rng.standard_normal((40, 2)) + np.repeat([[0.0, 0.0], [5.0, 3.0]], 20, axis=0)

# name: (rows, K, weights)
AWKWARD: dict[str, tuple[np.ndarray, int, np.ndarray | None]] = {
    "fewer rows than features": (rng.standard_normal((3, 6)), 2, None),
    "fewer rows than components": (rng.standard_normal((3, 2)), 5, None),
    "one row": (np.array([[1.5, -2.0]]), 1, None),
    "one row, two components": (np.array([[1.5, -2.0]]), 2, None),
    "one zero": (np.zeros((1, 1)), 2, None),
    "two rows": (np.array([[0.0], [1.0]]), 2, None),
    "all rows equal": (np.full((12, 2), 3.7), 2, None),
    "all rows zero": (np.zeros((12, 2)), 2, None),
    "two different values": (np.repeat([[0.0], [1.0]], 10, axis=0), 3, None),
    "ties": (rng.integers(0, 4, (60, 1)) * 0.1, 4, None),
    "a constant column": (np.c_[PLAIN[:, 0], np.full(40, 5.6)], 2, None),
    "a column of zeros": (np.c_[PLAIN[:, 0], np.zeros(40)], 2, None),
    "a column twice": (PLAIN[:, [0, 0, 1]], 2, None),
    "columns that add up": (np.c_[PLAIN, PLAIN.sum(axis=1)], 2, None),
    "a column of ones and zeros": (np.c_[PLAIN[:, 0], rng.integers(0, 2, 40)], 3, None),
    "integer grid": (np.array([[i, j] for i in range(6) for j in range(6)], dtype=float), 4, None),
    "all in 1e-150": (PLAIN * 1e-150, 2, None),
    "all in 1e150": (PLAIN * 1e150, 2, None),
    "columns of very different units": (PLAIN * [1e-150, 1e150], 2, None),
    "columns of different units": (PLAIN * [1e-8, 1e9], 2, None),
    "constant and tiny": (np.c_[PLAIN[:, 0], np.full(40, 7.0)] * 1e-150, 2, None),
    "far from the origin": (PLAIN + 1e8, 2, None),
    "at the end of the digits": (1e8 + np.round(PLAIN) * 2.0**-25, 2, None),
    "rows of weight zero": (PLAIN, 2, np.repeat([0.0, 1.0], 20)),
    "one row of weight": (PLAIN, 2, np.eye(40)[7]),
    "tiny weights": (PLAIN, 2, np.full(40, 1e-12)),
    "huge weights": (PLAIN, 2, np.full(40, 1e12)),
    "more features than rows": (rng.standard_normal((10, 50)), 2, None),
    "an outlier": (np.r_[PLAIN, [[1e6, -1e6]]], 2, None),
    "an outlier beyond all digits": (np.r_[PLAIN, [[1e20, 0.0]]], 2, None),
    "an outlier at 1e140": (np.r_[PLAIN, [[1e140, -1e140]]], 2, None),
    "Cauchy": (np.random.default_rng(1).standard_cauchy((60, 2)), 3, None),
    "one at a time": (np.arange(8.0)[:, None] ** 4, 8, None),
}


def check(fit: Fit, rows: np.ndarray, weights: np.ndarray | None) -> None:
    """Check that everything in a fit is finite and valid."""
    parameters = fit.parameters
    K, D = parameters.means.shape
    assert parameters.is_finite()
    assert np.isfinite([fit.objective, fit.log_likelihood]).all()
    assert np.isfinite(fit.history).all()
    np.testing.assert_allclose(parameters.weights.sum(), 1.0, rtol=1e-12)
    assert (parameters.weights >= 0).all()
    matrices = as_matrices(parameters.covariances, K, D)
    variances = np.einsum("kdd->kd", matrices)
    assert (variances > 0).all()
    unit = np.sqrt(variances)
    correlations = matrices / unit[:, :, None] / unit[:, None, :]
    assert np.linalg.eigvalsh(correlations).min() > -1e-12
    lowest, highest = rows.min(axis=0), rows.max(axis=0)
    slack = 1e-9 * np.maximum(np.abs(lowest), np.abs(highest)) + 1e-9 * unit
    assert (parameters.means >= lowest - slack).all()
    assert (parameters.means <= highest + slack).all()
    if not fit.converged:
        assert ConvergenceWarning in {doubt.category for doubt in fit.doubts}
    data, engine = ArrayRows(rows, weights), ReferenceEngine()
    shares = fit.posterior.responsibilities(data, engine)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)
    assert np.isfinite(fit.posterior.log_predictive(data, engine)).all()
    assert fit.posterior.labels(data, engine).shape == (len(rows),)


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("optimizer", sorted(METHODS))
def test_awkward_rows_with_every_family(
    family: CovarianceFamily, name: str, optimizer: str
) -> None:
    rows, K, weights = AWKWARD[name]
    method = METHODS[optimizer]
    model = elicited(family, rows, K, method, weights)
    fit = run(model, rows, method, weights=weights, max_iter=200)
    check(fit, rows, weights)
    # A covariance holds its smallest eigenvalue to eps times its condition number; so each row's
    # share of the objective is known no better.
    matrices = as_matrices(fit.parameters.covariances, K, rows.shape[1])
    unit = np.sqrt(np.einsum("kdd->kd", matrices))
    values = np.linalg.eigvalsh(matrices / unit[:, :, None] / unit[:, None, :])
    condition = (values[:, -1] / np.maximum(values[:, 0], 1e-13)).max()
    noise = np.finfo(float).eps * condition * fit.total_weight * rows.shape[1]
    gains = np.diff(fit.history)
    assert (gains >= -1e-9 * max(1.0, abs(fit.objective)) - noise).all()


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("start", sorted(INITIALIZERS))
@pytest.mark.parametrize("covariance_type", ["full", "spherical"])
@pytest.mark.parametrize("likelihood_alone", [False, True])
def test_awkward_rows_with_every_start(
    start: str, name: str, covariance_type: str, likelihood_alone: bool
) -> None:
    rows, K, weights = AWKWARD[name]
    method = ML() if likelihood_alone else MAP()
    model = elicited(FAMILIES[covariance_type], rows, K, method, weights)
    fit = run(model, rows, method, start, n_starts=3, max_iter=20, weights=weights)
    check(fit, rows, weights)


OWN_PRIORS = {
    "article": Independent(Normal(0.0, 10.0), InverseGamma(1.0, 1.0)),
    "variance": Independent(Normal(0.0, 10.0), variance=InverseGamma(2.0, 1.0)),
    "log-normal": Independent(Normal(0.0, 10.0), LogNormal(0.0, 2.0)),
    "wide log-normal": Independent(Normal(1.0, 0.1), variance=LogNormal(0.0, 10.0)),
    "tiny": Independent(Normal(0.0, 1e-100), InverseGamma(1.0, 1e-100)),
    "huge": Independent(Normal(0.0, 1e100), InverseGamma(1.0, 1e100)),
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("prior", sorted(OWN_PRIORS))
@pytest.mark.parametrize("covariance_type", ["diag", "tied_spherical"])
def test_awkward_rows_with_own_priors(name: str, prior: str, covariance_type: str) -> None:
    rows, K, weights = AWKWARD[name]
    family = FAMILIES[covariance_type]
    model = MixtureModel(K, rows.shape[1], Dirichlet(0.5), OWN_PRIORS[prior], family)
    fit = run(model, rows, weights=weights, max_iter=100)
    assert fit.parameters.is_finite()
    assert np.isfinite(fit.history).all()
    assert (fit.parameters.covariances > 0).all()


# ------------------------------------------------------------------------------------- the doubts


def categories(fit: Fit) -> set[type]:
    return {doubt.category for doubt in fit.doubts}


def test_collapsed_likelihood_is_doubted(family: CovarianceFamily) -> None:
    rows = np.repeat([[0.0, 1.0], [1.0, 0.0]], 10, axis=0)
    fit = run(elicited(family, rows, 2, ML()), rows, ML())
    assert DegenerateComponentWarning in categories(fit)
    assert DegenerateComponentWarning not in categories(run(elicited(family, rows, 2), rows))


def test_plain_fits_are_not_doubted(family: CovarianceFamily) -> None:
    for method in METHODS.values():
        assert not run(elicited(family, PLAIN, 2, method), PLAIN, method).doubts


def test_empty_components_are_doubted(family: CovarianceFamily) -> None:
    rows = np.array([[0.0, 0.0], [9.0, 9.0], [9.0, 0.0]])
    fit = run(elicited(family, rows, 8), rows)
    assert EmptyComponentWarning in categories(fit)


@pytest.mark.parametrize("method", [MAP(), ML()], ids=["map", "ml"])
def test_doubts_use_the_numbers_that_the_fit_shows(method: Inference) -> None:
    # The start numbers the empty component 0; in the fit, numbered by means, it is another.
    shares = np.zeros((40, 3))
    shares[:20, 2] = shares[20:, 1] = 1.0
    model = elicited(FAMILIES["diag"], PLAIN, 3, method)
    for keep_numbering in (False, True):
        fit = run(model, PLAIN, method, shares, keep_numbering=keep_numbering)
        said = [d.message for d in fit.doubts if d.category is EmptyComponentWarning]
        empty = np.flatnonzero(fit.parameters.weights * len(PLAIN) < 0.5)
        assert empty.size == 1
        assert len(said) == 1
        assert said[0].startswith(f"component {empty[0]} with less than half a row")


def test_collapsed_components_are_named_by_the_numbers_that_the_fit_shows() -> None:
    rows = np.r_[PLAIN[:20, :1], np.full((10, 1), -50.0), PLAIN[20:, :1] + 50.0]
    shares = np.zeros((50, 3))
    shares[:20, 0] = shares[20:30, 1] = shares[30:, 2] = 1.0
    fit = run(elicited(FAMILIES["full"], rows, 3, ML()), rows, ML(), shares)
    assert fit.parameters.means[0, 0] == -50.0
    said = [d.message for d in fit.doubts if d.category is DegenerateComponentWarning]
    assert said
    assert said[0].startswith("component 0 collapsed")


@pytest.mark.parametrize("unit", [1e-150, 1e-60, 1e60, 1e150])
def test_doubts_do_not_depend_on_units(family: CovarianceFamily, unit: float) -> None:
    rows = np.repeat([[0.0, 1.0], [1.0, 0.0], [0.5, 3.0]], 10, axis=0)
    plain, mapped = (
        run(elicited(family, some, 3, ML()), some, ML()) for some in (rows, rows * unit)
    )
    assert categories(plain) == categories(mapped)
