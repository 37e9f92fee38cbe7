"""Laws of rows as they were observed: missing cells and measurement errors are integrated out."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from laws.running import random_parameters
from mixtura import GaussianMixtureModel, Gibbs
from mixtura.data import ArrayRows, Observation
from mixtura.data.observed import _patterns
from mixtura.engines import Engine, ReferenceEngine
from mixtura.errors import InvalidArgumentError, MixturaWarning
from mixtura.families import CovarianceFamily
from mixtura.inference import ML, saddles
from mixtura.inference.saddles import upward_direction
from mixtura.messages.assignments import Assignment, Given, Hard, Labelled, Sampled, Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.posteriors import VariationalPosterior
from mixtura.priors import (
    ComponentPrior,
    Dirichlet,
    FlatComponents,
    NormalInverseGamma,
    NormalInverseWishart,
)

N, D, K = 60, 3, 3


def gapped(rng: np.random.Generator, n_rows: int = N, n_features: int = D) -> np.ndarray:
    """Return rows with holes: every pattern but few, some rows complete, one without any cell."""
    rows = 2.0 * rng.standard_normal((n_rows, n_features))
    rows[rng.random(rows.shape) < 0.3] = np.nan
    rows[0], rows[1] = np.nan, 1.0
    return rows


def matrices(family: CovarianceFamily, parameters: MixtureParameters) -> np.ndarray:
    """Return the covariances of all components as matrices (K, D, D)."""
    n_components, n_features = parameters.means.shape
    given = np.asarray(parameters.covariances)
    if given.ndim == 3:
        return np.broadcast_to(given, (n_components, n_features, n_features))
    variances = np.broadcast_to(given, (n_components, n_features))
    return variances[:, :, None] * np.eye(n_features)


ERRORS: dict[str, Callable[[np.random.Generator], np.ndarray | None]] = {
    "exact": lambda rng: None,
    "by column": lambda rng: rng.gamma(1.0, size=(1, D)),
    "by cell": lambda rng: rng.gamma(1.0, size=(N, D)) * (rng.random((N, D)) < 0.8),
    "matrices": lambda rng: np.einsum("nij,nkj->nik", *(2 * [rng.standard_normal((N, D, D + 1))])),
}
"""Variances or covariances of errors: the shapes that are taken, some of them zero."""


def conditioned(
    row: np.ndarray, mean: np.ndarray, covariance: np.ndarray, error: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return log density, expectation and covariance of one row, as textbooks have them."""
    has = ~np.isnan(row)
    if not has.any():
        return 0.0, mean, covariance
    total = covariance[np.ix_(has, has)] + error[np.ix_(has, has)]
    gain = covariance[:, has] @ np.linalg.inv(total)
    density = stats.multivariate_normal(mean[has], total).logpdf(row[has])
    left = covariance - gain @ covariance[has]
    return float(density), mean + gain @ (row[has] - mean[has]), left


def expected_statistics(
    rows: ArrayRows,
    family: CovarianceFamily,
    parameters: MixtureParameters,
    assign: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> SufficientStatistics:
    """Return statistics row by row and component by component."""
    covariances = matrices(family, parameters)
    errors = np.zeros((1, D, D)) if rows.errors is None else rows.errors
    errors = errors[:, :, None] * np.eye(D) if errors.ndim == 2 else errors
    errors = np.broadcast_to(errors, (rows.n_rows, D, D))
    table = [
        [
            conditioned(rows.values[n], parameters.means[k], covariances[k], errors[n])
            for k in range(len(covariances))
        ]
        for n in range(rows.n_rows)
    ]
    scores = np.array([[one[0] for one in line] for line in table]) + np.log(parameters.weights)
    weights = np.ones(rows.n_rows) if rows.weights is None else rows.weights
    shares, terms = assign(scores, logsumexp(scores, axis=1))
    mass = shares * weights[:, None]
    means = np.array([[one[1] for one in line] for line in table]) - parameters.means
    left = np.array([[one[2] for one in line] for line in table])
    first = np.einsum("nk,nkd->kd", mass, means)
    second = np.einsum("nk,nkde->kde", mass, means[..., None] * means[..., None, :] + left)
    structure = family.structure(*parameters.means.shape)
    if len(structure) == 2:
        second = np.einsum("kdd->kd", second)
        second = second.sum(axis=1, keepdims=True) if structure[1] == 1 else second
    second = second.sum(axis=0, keepdims=True) if structure[0] == 1 else second
    return SufficientStatistics(
        mass.sum(axis=0), first, second, parameters.means, float(weights @ terms)
    )


def assert_same(ours: SufficientStatistics, other: SufficientStatistics, close: float) -> None:
    size = 1.0 + np.abs(other.second).max()
    np.testing.assert_allclose(ours.count, other.count, rtol=close, atol=close)
    np.testing.assert_allclose(ours.first, other.first, rtol=close, atol=close * size)
    np.testing.assert_allclose(ours.second, other.second, rtol=close, atol=close * size)
    assert ours.log_normalizer == pytest.approx(other.log_normalizer, rel=close, abs=close)


GIVEN = np.random.default_rng(5).dirichlet(np.ones(K), size=N)

ASSIGNMENTS: dict[str, tuple[Assignment, Callable]] = {
    "soft": (Soft(), lambda s, total: (np.exp(s - total[:, None]), total)),
    "hard": (Hard(), lambda s, total: (np.eye(K)[s.argmax(axis=1)], s.max(axis=1))),
    "given": (Given(GIVEN), lambda s, total: (GIVEN, np.zeros(N))),
    "labelled": (
        Labelled(np.arange(N) % K),
        lambda s, total: (np.eye(K)[np.arange(N) % K], np.zeros(N)),
    ),
}


@pytest.mark.parametrize("kind", ASSIGNMENTS)
@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("weighted", [False, True])
def test_sweeps_are_those_of_each_row_by_itself(
    engine: Engine, family: CovarianceFamily, errors: str, kind: str, weighted: bool
) -> None:
    rng = np.random.default_rng(len(errors))
    parameters = random_parameters(rng, family, K, D)
    weights = rng.gamma(1.0, size=N) if weighted else None
    rows = ArrayRows(gapped(rng), weights, None, ERRORS[errors](rng))
    assignment, assign = ASSIGNMENTS[kind]
    found = engine.sweep(rows, family.potentials(parameters), assignment)
    assert_same(found, expected_statistics(rows, family, parameters, assign), 1e-10)


def as_incomplete(values: np.ndarray, weights: np.ndarray | None = None) -> ArrayRows:
    """Return complete rows that are taken for incomplete ones."""
    rows = ArrayRows(values, weights)
    everywhere = np.ones(values.shape, dtype=bool)
    patterns = _patterns(values, weights, everywhere, np.arange(len(values)), None)
    found = Observation(np.empty(0, dtype=np.intp), (patterns,))
    assert rows.once("missing", lambda: True)
    assert rows.once("observation", lambda: found) is found
    return rows


def test_complete_rows_on_the_way_of_incomplete_ones(
    engine: Engine, family: CovarianceFamily
) -> None:
    rng = np.random.default_rng(3)
    parameters = random_parameters(rng, family, K, D)
    potentials = family.potentials(parameters)
    values, weights = 2.0 * rng.standard_normal((200, D)), rng.gamma(1.0, size=200)
    assignments: list[Assignment] = [Soft(), Hard(), Sampled(4, 2), Labelled(np.arange(200) % K)]
    for assignment in assignments:
        one = engine.sweep(ArrayRows(values, weights), potentials, assignment)
        assert_same(
            engine.sweep(as_incomplete(values, weights), potentials, assignment), one, 1e-12
        )
    one = engine.log_density(ArrayRows(values), potentials)
    np.testing.assert_allclose(engine.log_density(as_incomplete(values), potentials), one, 1e-12)


def hidden(values: np.ndarray, column: int, engine: Engine, potentials: Potentials) -> np.ndarray:
    """Return log densities of rows (n, D), one cell of each integrated out by quadrature.

    By trapezoids after a double exponential map, which is exact for tails of any power.
    """
    step = 1.0 / 24.0
    at = np.arange(-4.6, 4.6, step)
    scale = 3.0
    cell = scale * np.sinh(0.5 * np.pi * np.sinh(at))
    slope = scale * np.cosh(0.5 * np.pi * np.sinh(at)) * 0.5 * np.pi * np.cosh(at)
    found = []
    for row in values:
        full = np.repeat(row[None], at.size, axis=0)
        full[:, column] = cell
        found.append(logsumexp(engine.log_density(ArrayRows(full), potentials), b=slope * step))
    return np.array(found)


def test_a_hidden_cell_is_integrated_out(engine: Engine, family: CovarianceFamily) -> None:
    """Under parameters, as MAP, ML and draws of samplers have them."""
    rng = np.random.default_rng(7)
    potentials = family.potentials(random_parameters(rng, family, K, D))
    values = 2.0 * rng.standard_normal((5, D))
    for column in range(D):
        expected = hidden(values, column, engine, potentials)
        holes = values.copy()
        holes[:, column] = np.nan
        found = engine.log_density(ArrayRows(holes), potentials)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def variational(case: Any, rng: np.random.Generator) -> VariationalPosterior | None:
    """Return a variational posterior under a prior; None where there is none."""
    sizes = (case.n_components, case.n_features)
    if not case.is_proper:
        return None
    model = MixtureModel(*sizes, Dirichlet(), case.prior, case.family)
    count = rng.uniform(3.0, 9.0, size=sizes[0])
    pivot = rng.standard_normal(sizes)
    second = case.family.structure(*sizes)
    spread = rng.uniform(2.0, 9.0, size=second[:2])
    scatter = spread if len(second) == 2 else spread[:, :, None] * np.eye(sizes[1])
    statistics = SufficientStatistics(count, np.zeros(sizes), scatter, pivot)
    try:
        posterior = VariationalPosterior(model, statistics)
        posterior.predictive_potentials  # noqa: B018  # some priors have none
    except (AttributeError, NotImplementedError):
        return None
    return posterior


def test_a_hidden_cell_is_integrated_out_of_variational_answers(
    engine: Engine, component_case: Any
) -> None:
    """Both of the expected scores and of the predictive density, with its tails."""
    rng = np.random.default_rng(8)
    posterior = variational(component_case, rng)
    if posterior is None:
        pytest.skip("the prior has no variational posterior")
    n_features = component_case.n_features
    values = 1.5 * rng.standard_normal((3, n_features))
    for potentials in (posterior.expected_potentials, posterior.predictive_potentials):
        for column in range(n_features):
            expected = hidden(values, column, engine, potentials)
            holes = values.copy()
            holes[:, column] = np.nan
            found = engine.log_density(ArrayRows(holes), potentials)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("errors", ERRORS)
def test_drawn_cells_have_the_moments_that_are_expected(
    engine: Engine, family: CovarianceFamily, errors: str
) -> None:
    rng = np.random.default_rng(11)
    parameters = random_parameters(rng, family, 2, D)
    potentials = family.potentials(parameters)
    rows = ArrayRows(gapped(rng), None, None, ERRORS[errors](rng))
    drawn = [engine.sweep(rows, potentials, Sampled(9, sweep)) for sweep in range(100)]
    expected = engine.sweep(rows, potentials, Soft())
    for name in ("count", "first", "second"):
        table = np.stack([getattr(one, name) for one in drawn])
        error = table.std(axis=0, ddof=1) / np.sqrt(len(table))
        apart = np.abs(table.mean(axis=0) - getattr(expected, name))
        assert (apart <= 5.0 * error + 1e-9).all(), name
    assert all(one.log_normalizer == pytest.approx(expected.log_normalizer) for one in drawn)


@pytest.mark.parametrize("errors", ERRORS)
def test_draws_belong_to_rows_whatever_is_swept_with_them(
    engine: Engine, reference_engine: Engine, family: CovarianceFamily, errors: str
) -> None:
    rng = np.random.default_rng(12)
    potentials = family.potentials(random_parameters(rng, family, K, D))
    rows = ArrayRows(gapped(rng), None, None, ERRORS[errors](rng))
    one = engine.sweep(rows, potentials, Sampled(3, 7))
    assert_same(one, reference_engine.sweep(rows, potentials, Sampled(3, 7)), 1e-10)
    first = engine.sweep(rows.taken(slice(0, 40)), potentials, Sampled(3, 7))
    last = rows.taken(np.arange(N))
    last.weights = np.where(np.arange(N) < 40, 0.0, 1.0)
    again = ArrayRows(last.values, last.weights, None, last.errors)
    both = first + engine.sweep(again, potentials, Sampled(3, 7))
    assert_same(both, one, 1e-10)


def test_a_weight_of_two_is_two_rows(engine: Engine, family: CovarianceFamily) -> None:
    rng = np.random.default_rng(13)
    potentials = family.potentials(random_parameters(rng, family, K, D))
    values, counts = gapped(rng), rng.integers(0, 4, size=N)
    errors = ERRORS["by cell"](rng)
    weighted = ArrayRows(values, counts.astype(float), None, errors)
    repeated = ArrayRows(values, None, None, errors).copies(counts)
    one, other = (engine.sweep(rows, potentials, Soft()) for rows in (weighted, repeated))
    assert_same(one, other, 1e-12)
    one, other = (engine.overall(rows, matrix=True) for rows in (weighted, repeated))
    np.testing.assert_allclose(one.mean(), other.mean(), rtol=1e-8)
    np.testing.assert_allclose(one.second, other.second, rtol=1e-8)


def test_overall_moments_are_those_of_one_component(engine: Engine) -> None:
    """Where the likelihood of one normal distribution has no slope any more."""
    rng = np.random.default_rng(14)
    values = gapped(rng) * [1.0, 30.0, 0.01] + [5.0, -100.0, 0.0]
    found = engine.overall(ArrayRows(values), matrix=True)
    mean, covariance = found.mean()[0], found.second[0] / found.total

    def fall(shift: np.ndarray, factor: np.ndarray) -> float:
        root = np.linalg.cholesky(covariance)
        moved = root @ factor @ factor.T @ root.T
        total = 0.0
        for row in values:
            total += conditioned(row, mean + root @ shift, moved, np.zeros((D, D)))[0]
        return total

    best = fall(np.zeros(D), np.eye(D))
    for _ in range(20):
        shift, factor = 1e-3 * rng.standard_normal(D), 1e-3 * rng.standard_normal((D, D))
        assert fall(shift, np.eye(D) + factor) < best


METHODS = ("map", "ml", "vb")


@pytest.fixture(scope="module")
def groups() -> np.ndarray:
    """Return three groups of rows with holes."""
    rng = np.random.default_rng(15)
    rows = rng.standard_normal((180, D)) + 5.0 * np.repeat(np.eye(3), 60, axis=0)
    rows[rng.random(rows.shape) < 0.15] = np.nan
    return rows[~np.isnan(rows).all(axis=1)]


@pytest.mark.parametrize("method", [*METHODS, "gibbs"])
def test_rows_without_any_cell_change_nothing(
    family: CovarianceFamily, groups: np.ndarray, method: str
) -> None:
    inference = Gibbs(chains=1, draws=10, warmup=5) if method == "gibbs" else method
    blank = np.insert(groups, [0, 50, len(groups)], np.nan, axis=0)
    one, other = (
        GaussianMixtureModel(3, covariance_type=family.name, inference=inference, random_state=3)
        for _ in range(2)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixturaWarning)  # of so few draws
        one.fit(groups)
        other.fit(blank)
    np.testing.assert_array_equal(one.means_, other.means_)
    np.testing.assert_array_equal(one.covariances_, other.covariances_)
    assert one.objective_ == other.objective_
    assert other.fit_.unobserved.n_blank == 3
    shares = other.predict_proba(np.full((1, D), np.nan))
    np.testing.assert_allclose(shares[0], other.weights_, rtol=1e-6)
    assert other.score_samples(np.full((1, D), np.nan))[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_errors_of_zero_are_none(family: CovarianceFamily, groups: np.ndarray, method: str) -> None:
    given = {"covariance_type": family.name, "inference": method}
    one = GaussianMixtureModel(3, **given).fit(groups)
    other = GaussianMixtureModel(3, **given).fit(groups, measurement_error=np.zeros(D))
    np.testing.assert_array_equal(one.means_, other.means_)
    assert one.objective_ == other.objective_


@pytest.mark.parametrize("method", METHODS)
def test_an_error_without_limit_is_a_missing_cell(family: CovarianceFamily, method: str) -> None:
    rng = np.random.default_rng(16)
    rows = rng.standard_normal((120, D)) + 6.0 * np.repeat(np.eye(3), 40, axis=0)
    errors, holes = np.zeros(rows.shape), rows.copy()
    errors[7, 1], holes[7, 1] = 1e8, np.nan
    start = np.repeat(np.arange(3), 40)
    given = {"covariance_type": family.name, "inference": method, "init": start, "tol": 0}
    with_prior = {} if method == "ml" else {"component_prior": prior_of(family)}
    one = GaussianMixtureModel(3, **given, **with_prior).fit(holes)
    other = GaussianMixtureModel(3, **given, **with_prior).fit(rows, measurement_error=errors)
    np.testing.assert_allclose(one.means_, other.means_, atol=1e-6)
    np.testing.assert_allclose(one.covariances_, other.covariances_, atol=1e-6)
    one_shares = one.predict_proba(holes)
    if method != "vb":
        np.testing.assert_allclose(one_shares, other.predict_proba(rows, errors), atol=1e-6)


def prior_of(family: CovarianceFamily) -> ComponentPrior:
    """Return a prior for a family that does not depend on the rows."""
    is_matrix = len(family.structure(K, D)) == 3
    return NormalInverseWishart(0.0, 0.1) if is_matrix else NormalInverseGamma(0.0, 0.1)


def test_constant_errors_and_one_component_have_a_closed_form() -> None:
    rng = np.random.default_rng(17)
    rows = rng.standard_normal((500, D)) @ np.array([[2.0, 0, 0], [1.0, 1.5, 0], [0.3, -0.4, 1.2]])
    error = np.array([0.5, 0.2, 0.9])
    gmm = GaussianMixtureModel(1, inference=ML(), tol=0).fit(rows, measurement_error=error)
    sample = np.cov(rows.T, bias=True)
    root = np.diag(error)
    values, vectors = np.linalg.eigh(np.linalg.solve(root, np.linalg.solve(root, sample).T))
    expected = root @ (vectors * np.maximum(values - 1.0, 0.0)) @ vectors.T @ root
    np.testing.assert_allclose(gmm.means_[0], rows.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(gmm.covariances_[0], expected, atol=1e-6)
    density = stats.multivariate_normal(rows.mean(axis=0), sample).logpdf(rows).sum()
    assert gmm.objective_ == pytest.approx(density, abs=1e-6)


@pytest.mark.parametrize("method", ["map", "vb"])
@pytest.mark.parametrize("with_errors", [False, True])
def test_no_objective_falls(component_case: Any, method: str, with_errors: bool) -> None:
    """Every family and prior, under both methods, with holes and with errors."""
    sizes = (component_case.n_components, component_case.n_features)
    if not component_case.is_proper:
        pytest.skip("an improper prior")
    rng = np.random.default_rng(18)
    rows = rng.standard_normal((60, sizes[1])) + 3.0 * (np.arange(60) % sizes[0])[:, None]
    rows[rng.random(rows.shape) < 0.2] = np.nan
    errors = 0.3 * rng.random(rows.shape) if with_errors else None
    gmm = GaussianMixtureModel(
        sizes[0],
        covariance_type=component_case.family.name,
        component_prior=component_case.prior,
        inference=method,
        init=np.arange(60) % sizes[0],
        max_iter=60,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixturaWarning)
        try:
            gmm.fit(rows, measurement_error=errors)
        except InvalidArgumentError:
            pytest.skip("the method is not for this prior")
    history = gmm.objective_history_
    assert (np.diff(history) >= -1e-9 * np.abs(history[1:])).all()


@pytest.mark.parametrize("kind", ["by column", "matrices"])
def test_errors_are_added_to_tails(component_case: Any, kind: str) -> None:
    """The predictive density of a measured row is that of true ones, moved by their errors."""
    rng = np.random.default_rng(21)
    posterior = variational(component_case, rng)
    if posterior is None:
        pytest.skip("the prior has no variational posterior")
    n_features, engine = component_case.n_features, ReferenceEngine()
    potentials = posterior.predictive_potentials
    value, deviations = rng.standard_normal(n_features), rng.uniform(0.3, 1.5, size=n_features)
    at = np.linspace(-6.5, 6.5, 2001) if n_features == 1 else np.linspace(-5.5, 5.5, 27)
    weights = np.exp(-0.5 * at * at) * (at[1] - at[0])
    grid = np.stack(np.meshgrid(*n_features * [at], indexing="ij"), axis=-1).reshape(-1, n_features)
    mass = np.prod(np.stack(np.meshgrid(*n_features * [weights], indexing="ij"), -1), axis=-1)
    root = np.diag(deviations)
    if kind == "matrices":
        root = root @ (np.eye(n_features) + 0.4 * np.tri(n_features, k=-1))
    true = value - grid @ root.T
    density = logsumexp(engine.log_density(ArrayRows(true), potentials), b=mass.ravel())
    expected = density - 0.5 * n_features * np.log(2.0 * np.pi)
    errors = (deviations**2)[None] if kind == "by column" else (root @ root.T)[None]
    rows = ArrayRows(value[None], None, None, errors)
    # Where features have widths of their own and errors are correlated these are drawn.
    close = 0.15 if kind == "matrices" else 1e-6 if n_features == 1 else 1e-4
    assert engine.log_density(rows, potentials)[0] == pytest.approx(expected, abs=close)
    found = engine.expected_rows(rows, potentials)[0]
    shares = engine.responsibilities(rows, potentials)[0]
    assert shares.sum() == pytest.approx(1.0)
    of_grid = engine.log_density(ArrayRows(true), potentials)
    chances = np.exp(of_grid - density) * mass.ravel()
    np.testing.assert_allclose(found, chances @ true, atol=close)


@pytest.mark.parametrize("errors", ERRORS)
def test_the_program_has_the_density_of_what_was_observed(component_case: Any, errors: str) -> None:
    """Of Pyro, which NUTS and SVI run."""
    pytest.importorskip("pyro")
    from pyro import poutine

    from mixtura.ppl.observed_program import build_observed_program, observed_arguments
    from mixtura.ppl.relative_coordinates import to_sites

    case, rng = component_case, np.random.default_rng(22)
    if not case.is_proper or case.n_features == 1 or isinstance(case.prior, FlatComponents):
        pytest.skip("no program, or no row that lacks some of its cells")
    model = MixtureModel(case.n_components, D, Dirichlet(), case.prior, case.family)
    weights, row_weights = rng.dirichlet(np.ones(case.n_components)), rng.gamma(1.0, size=N)
    means, covariances = case.prior.draw(rng, model.structure, case.n_components, D)
    parameters = MixtureParameters(weights, means, covariances)
    rows = ArrayRows(gapped(rng), row_weights, None, ERRORS[errors](rng))
    program = poutine.condition(build_observed_program(model), to_sites(model, parameters))
    trace = poutine.trace(program).get_trace(*observed_arguments(rows))
    trace.compute_log_prob()
    expected = row_weights @ ReferenceEngine().log_density(rows, model.potentials(parameters))
    assert float(trace.nodes["x"]["log_prob_sum"]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", ["ml", "gibbs"])
def test_units_shift_the_likelihood_by_observed_cells(method: str) -> None:
    """The log likelihood is that of the rows' densities in whatever units these are."""
    rng = np.random.default_rng(23)
    rows = gapped(rng, 40, 2) * 1e-120
    options = {"ml": ML(), "gibbs": Gibbs(chains=2, draws=50, warmup=50)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixturaWarning)
        gmm = GaussianMixtureModel(2, inference=options[method], random_state=0).fit(rows)
    if method == "ml":
        assert gmm.fit_.log_likelihood == pytest.approx(gmm.score_samples(rows).sum(), rel=1e-9)
    else:
        assert gmm.fit_.log_likelihood == pytest.approx(gmm.score_samples(rows).sum(), rel=1e-3)


@pytest.mark.parametrize("unit", [1e78, 1e-80])
def test_errors_that_depend_on_one_another_are_integrated_out_in_any_unit(unit: float) -> None:
    """Variances of 1e156, of which no two may be multiplied."""
    rng = np.random.default_rng(24)
    rows = rng.normal(size=(40, 2)) + (np.arange(40) % 2)[:, None] * 4.0
    errors = np.tile([[0.2, 0.1], [0.1, 0.3]], (40, 1, 1))
    plain = GaussianMixtureModel(2, inference="ml").fit(rows, measurement_error=errors)
    scaled = GaussianMixtureModel(2, inference="ml")
    scaled.fit(rows * unit, measurement_error=errors * unit * unit)
    np.testing.assert_allclose(scaled.covariances_ / unit / unit, plain.covariances_, rtol=1e-6)


# ------------------------------------------------------------------------------------- saddles


def test_directions_upwards_are_those_of_positive_curvature() -> None:
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    free = np.ones(6, dtype=bool)
    hessian = axes @ np.diag([-1.0, -0.8, -0.5, -0.3, -0.2, 0.4]) @ axes.T
    found = upward_direction(lambda v: hessian @ v, free)
    assert found is not None
    assert abs(found @ axes[:, 5]) == pytest.approx(1.0, abs=1e-8)
    down = axes @ np.diag([-1.0, -0.8, -0.5, -0.3, -0.2, 0.0]) @ axes.T
    assert upward_direction(lambda v: down @ v, free) is None
    assert upward_direction(lambda v: None, free) is None


def test_ends_of_complete_rows_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).standard_normal((80, 3))
    asked = []

    def away(*given: Any) -> None:
        asked.append(given)

    monkeypatch.setattr(saddles, "_away", away)
    GaussianMixtureModel(2).fit(rows)
    assert not asked
    rows[::5, 1] = np.nan
    GaussianMixtureModel(2).fit(rows)
    assert len(asked) == 1
    GaussianMixtureModel(2, inference="vb").fit(rows)
    assert len(asked) == 1
