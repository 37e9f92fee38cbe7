"""Laws of variational Bayes: the bound, the posterior behind it, and its predictive density.

The evidence is computed here by the chain rule of Student's t predictives, from scipy, and by
enumerating every assignment of few rows.
"""

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import dblquad, quad
from scipy.special import gammaln, logsumexp
from sklearn.mixture import BayesianGaussianMixture

from laws.running import blobs, elicited, run
from mixtura.data import ArrayRows
from mixtura.datasets import load_iris
from mixtura.engines import Engine, ReferenceEngine
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.inference import VB
from mixtura.model import MixtureModel
from mixtura.posteriors import VariationalPosterior
from mixtura.priors import (
    Dirichlet,
    Independent,
    InverseGamma,
    LogNormal,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
)
from mixtura.priors.mean_field import ScaleFactor

# ------------------------------------------------------------------------- the evidence by chains


def chain_of_matrices(rows: np.ndarray, prior: NormalInverseWishart) -> tuple[float, list[Any]]:
    """Return the log evidence of rows of one component, and its posterior, row by row."""
    D = rows.shape[1]
    m, kappa = np.asarray(prior.mean) * np.ones(D), float(prior.shrinkage)
    nu, scale = float(prior._freedom(D)), np.asarray(prior._matrix(D))
    total = 0.0
    for x in rows:
        freedom = nu - D + 1
        spread = scale * (kappa + 1) / (kappa * freedom)
        total += float(stats.multivariate_t.logpdf(x, m, spread, freedom))
        scale = scale + kappa / (kappa + 1) * np.outer(x - m, x - m)
        m, kappa, nu = (kappa * m + x) / (kappa + 1), kappa + 1, nu + 1
    return total, [m, kappa, nu, scale]


def chain_of_variances(
    rows: np.ndarray, prior: NormalInverseGamma, *, shared: bool
) -> tuple[float, list[Any]]:
    """The same with one variance for each feature, or one for all of them."""
    D = rows.shape[1]
    m, kappa = np.asarray(prior.mean) * np.ones(D), np.asarray(prior.shrinkage) * np.ones(D)
    width = 1 if shared else D
    a, b = np.asarray(prior.shape) * np.ones(width), np.asarray(prior.scale) * np.ones(width)
    total = 0.0
    for x in rows:
        variance = b / a * (kappa + 1) / kappa
        if shared:
            spread = np.diag(variance)
            total += float(stats.multivariate_t.logpdf(x, m, spread, 2 * a[0]))
        else:
            total += float(stats.t.logpdf(x, 2 * a, m, np.sqrt(variance)).sum())
        squares = 0.5 * kappa / (kappa + 1) * (x - m) ** 2
        a = a + 0.5 * D / width
        b = b + (squares.sum() if shared else squares)
        m, kappa = (kappa * m + x) / (kappa + 1), kappa + 1
    return total, [m, kappa, a, b]


def chain(rows: np.ndarray, model: MixtureModel) -> tuple[float, list[Any]]:
    prior = model.component_prior
    if isinstance(prior, NormalInverseWishart):
        return chain_of_matrices(rows, prior)
    assert isinstance(prior, NormalInverseGamma)
    return chain_of_variances(rows, prior, shared=model.structure[1] < model.n_features)


@pytest.mark.parametrize("D", [2, 3])
def test_one_component_is_exact(family: CovarianceFamily, D: int) -> None:
    rows = blobs(np.random.default_rng(31), 40, D, 1)
    model = elicited(family, rows, 1, VB())
    fit = run(model, rows, VB())
    evidence, expected = chain(rows, model)
    assert fit.objective == pytest.approx(evidence, rel=1e-10)
    posterior = fit.posterior
    assert isinstance(posterior, VariationalPosterior)
    factor = posterior.components
    names = (
        ("mean", "shrinkage", "degrees_of_freedom", "scale")
        if isinstance(factor, NormalInverseWishart)
        else ("mean", "shrinkage", "shape", "scale")
    )
    for name, value in zip(names, expected, strict=True):
        found = np.asarray(getattr(factor, name))[0]
        np.testing.assert_allclose(found, value * np.ones_like(found), rtol=1e-10)


def assignments_evidence(rows: np.ndarray, model: MixtureModel, alpha: float) -> float:
    """Return the log evidence of few rows by summing over every assignment."""
    K, N = model.n_components, len(rows)
    terms = []
    for labels in product(range(K), repeat=N):
        counts = np.bincount(labels, minlength=K)
        of_labels = gammaln(K * alpha) - gammaln(K * alpha + N)
        of_labels += (gammaln(alpha + counts) - gammaln(alpha)).sum()
        members = [rows[np.asarray(labels) == k] for k in range(K)]
        terms.append(of_labels + sum(chain(part, model)[0] for part in members))
    return float(logsumexp(terms))


@pytest.mark.parametrize("name", ["full", "diag", "spherical"])
@pytest.mark.parametrize("alpha", [0.3, 1.0, 5.0])
def test_bound_is_below_the_evidence(name: str, alpha: float) -> None:
    rows = blobs(np.random.default_rng(32), 7, 2, 2)
    given = elicited(FAMILIES[name], rows, 2)
    model = MixtureModel(2, 2, Dirichlet(alpha), given.component_prior, FAMILIES[name])
    evidence = assignments_evidence(rows, model, alpha)
    fit = run(model, rows, VB())
    # The best bound cannot miss by more than the posterior's distance, which is some nats here.
    assert evidence - 10.0 < fit.objective < evidence


# ------------------------------------------------------------------- factors of independent priors


SPREADS = [
    (InverseGamma(1.0, 1.0), False),
    (InverseGamma(2.5, 0.7), True),
    (LogNormal(0.2, 0.8), False),
    (LogNormal(-0.5, 1.5), True),
]


@pytest.mark.parametrize(("spread", "on_variance"), SPREADS)
@pytest.mark.parametrize(("n", "scatter"), [(0.0, 0.0), (3.5, 2.0), (60.0, 25.0), (1e4, 3e3)])
def test_scale_factor_against_adaptive_quadrature(
    spread: Any, on_variance: bool, n: float, scatter: float
) -> None:
    factor = ScaleFactor(spread, on_variance, np.array([[n]]), np.array([[scatter]]))
    distribution = (
        stats.invgamma(spread.shape, scale=spread.scale)
        if isinstance(spread, InverseGamma)
        else stats.lognorm(spread.scale, scale=np.exp(spread.location))
    )
    power = 2.0 if on_variance else 1.0
    top = float(factor.top[0, 0])

    def log_kernel(t: float) -> float:
        of_prior = distribution.logpdf(np.exp(power * t)) + power * t + np.log(power)
        return float(of_prior - n * t - 0.5 * scatter * np.exp(-2.0 * t))

    peak, width = log_kernel(top), 1.0 / np.sqrt(2.0 * n + 1.0)
    points = top + width * np.array([-60.0, -12.0, -5.0, -2.0, 0.0, 2.0, 5.0, 12.0, 60.0])
    points = np.clip(points, -60.0, 60.0)

    def average(value: Any) -> float:
        pieces = pairwise(points)
        return sum(
            quad(lambda t: np.exp(log_kernel(t) - peak) * value(t), a, b, epsabs=0, epsrel=1e-12)[0]
            for a, b in pieces
        )

    total = average(lambda t: 1.0)
    assert factor.log_normalizer[0, 0] == pytest.approx(peak + np.log(total), rel=1e-10, abs=1e-10)
    precision = average(lambda t: np.exp(-2.0 * t)) / total
    assert factor.precision[0, 0] == pytest.approx(precision, rel=1e-10)
    expected = average(lambda t: t) / total
    assert factor.log_deviation[0, 0] == pytest.approx(expected, rel=1e-10, abs=1e-10)
    if n:
        below = quad(lambda t: np.exp(log_kernel(t) - peak), top - 60.0 * width, top, limit=200)[0]
        cut = factor.marginals(1.0, np.array([below / total])).quantiles[0, 0, 0]
        assert cut == pytest.approx(np.exp(top), rel=1e-5)


@pytest.mark.parametrize(("spread", "on_variance"), SPREADS)
def test_independent_bound_is_close_below_the_evidence(spread: Any, on_variance: bool) -> None:
    rows = np.random.default_rng(33).standard_normal((12, 1)) * 1.3 + 2.0
    prior = Independent(Normal(0.0, 3.0), **{"variance" if on_variance else "scale": spread})
    model = MixtureModel(1, 1, Dirichlet(1.0), prior, FAMILIES["diag"])
    fit = run(model, rows, VB())
    distribution = (
        stats.invgamma(spread.shape, scale=spread.scale)
        if isinstance(spread, InverseGamma)
        else stats.lognorm(spread.scale, scale=np.exp(spread.location))
    )
    power = 2.0 if on_variance else 1.0

    def joint(mu: float, t: float) -> float:
        sigma = np.exp(t)
        value = stats.norm.logpdf(rows[:, 0], mu, sigma).sum() + stats.norm.logpdf(mu, 0.0, 3.0)
        value += distribution.logpdf(sigma**power) + power * t + np.log(power)
        return float(np.exp(value + 25.0))

    evidence = np.log(dblquad(joint, -1.0, 1.8, -0.5, 4.5, epsrel=1e-7)[0]) - 25.0
    # What is lost is the correlation of mean and scale, about 1 / (4 N) of a nat.
    assert evidence - 0.2 < fit.objective < evidence


# ------------------------------------------------------------------------------------- comparisons


@pytest.mark.parametrize("sweeps", [1, 2, 7])
def test_sweeps_are_those_of_scikit_learn(sweeps: int) -> None:
    rng = np.random.default_rng(34)
    rows = blobs(rng, 120, 3, 3)
    shares = rng.dirichlet(np.full(3, 0.5), len(rows))
    mean, scale = rows.mean(axis=0), np.cov(rows.T) + 0.1
    theirs = BayesianGaussianMixture(
        n_components=3,
        covariance_type="full",
        reg_covar=0.0,
        weight_concentration_prior_type="dirichlet_distribution",
        weight_concentration_prior=0.7,
        mean_prior=mean,
        mean_precision_prior=0.4,
        degrees_of_freedom_prior=5.5,
        covariance_prior=scale,
    )
    theirs._check_parameters(rows)
    theirs._initialize(rows, shares)
    for _ in range(sweeps):
        theirs._m_step(rows, theirs._e_step(rows)[1])
    model = MixtureModel(
        3, 3, Dirichlet(0.7), NormalInverseWishart(mean, 0.4, 5.5, scale), FAMILIES["full"]
    )
    fit = run(model, rows, VB(), shares, max_iter=sweeps, tol=0.0, keep_numbering=True)
    ours = fit.posterior
    assert isinstance(ours, VariationalPosterior)
    assert isinstance(ours.weights, Dirichlet)
    factor = ours.components
    assert isinstance(factor, NormalInverseWishart)
    for found, expected in (
        (ours.weights.concentration, theirs.weight_concentration_),
        (factor.shrinkage, theirs.mean_precision_),
        (factor.degrees_of_freedom, theirs.degrees_of_freedom_),
        (factor.mean, theirs.means_),
        (factor.scale, theirs.covariances_ * theirs.degrees_of_freedom_[:, None, None]),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("prior", [None, Independent(Normal(0.0, 10.0), InverseGamma(1.0, 1.0))])
@pytest.mark.parametrize("n_rows", [10, 20, 50, 150])
def test_predictive_of_iris_integrates_to_one(
    prior: Independent | None, n_rows: int, engine: Engine
) -> None:
    column = load_iris().column("petal_length")
    rows = column[:: len(column) // n_rows][:n_rows].reshape(-1, 1)
    family = FAMILIES["full" if prior is None else "diag"]
    model = elicited(family, rows, 2)
    if prior is not None:
        model = MixtureModel(2, 1, Dirichlet(1.0), prior, family)
    posterior = run(model, rows, VB()).posterior

    def density(x: float) -> float:
        return float(np.exp(posterior.log_predictive(ArrayRows(np.array([[x]])), engine)[0]))

    edges = [-np.inf, -5.0, 0.0, *posterior.parameters.means[:, 0], 9.0, 15.0, np.inf]
    total = sum(quad(density, a, b, limit=200, epsabs=1e-10)[0] for a, b in pairwise(edges))
    assert total == pytest.approx(1.0, abs=1e-6)


def test_bound_chooses_two_of_two_clusters() -> None:
    rng = np.random.default_rng(35)
    rows = rng.standard_normal((200, 2)) + np.repeat([[0.0, 0.0], [8.0, 3.0]], 100, axis=0)
    bounds = [run(elicited(FAMILIES["full"], rows, K), rows, VB()).objective for K in range(1, 7)]
    assert int(np.argmax(bounds)) == 1


@pytest.mark.parametrize("concentration", [1e-3, 1e-1, 1.0, 30.0, 1e3])
def test_weights_respond_to_the_concentration(concentration: float) -> None:
    # With the rows' shares held, the expected weights are (n_k + a) / (N + K a).
    rows = blobs(np.random.default_rng(36), 60, 2, 3)
    shares = np.eye(3)[np.arange(60) % 4 % 3]
    model = MixtureModel(
        3,
        2,
        Dirichlet(concentration),
        NormalInverseWishart(0.0, 0.1, 4.0, np.eye(2)),
        FAMILIES["full"],
    )
    statistics = ReferenceEngine().sweep(ArrayRows(rows), elicited_potentials(model), given(shares))
    weights = VariationalPosterior(model, statistics).parameters.weights
    expected = (np.array([30.0, 15.0, 15.0]) + concentration) / (60 + 3 * concentration)
    np.testing.assert_allclose(weights, expected, rtol=1e-12)


def elicited_potentials(model: MixtureModel) -> Any:
    from mixtura.messages.parameters import MixtureParameters

    blank = MixtureParameters(np.full(3, 1 / 3), np.zeros((3, 2)), np.stack([np.eye(2)] * 3))
    return model.potentials(blank)


def given(shares: np.ndarray) -> Any:
    from mixtura.messages.assignments import Given

    return Given(shares)


# ----------------------------------------------------------------------------- what the fit knows


def test_drawn_rows_follow_the_predictive(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(37), 15, 1, 2)
    posterior = run(elicited(family, rows, 2), rows, VB()).posterior
    drawn, labels = posterior.sample(3000, np.random.default_rng(38))
    assert labels.shape == (3000,)

    def density(x: float) -> float:
        data = ArrayRows(np.array([[x]]))
        return float(np.exp(posterior.log_predictive(data, ReferenceEngine())[0]))

    cuts = np.quantile(drawn[:, 0], [0.03, 0.2, 0.5, 0.8, 0.97])
    for cut in cuts:
        below = quad(density, -np.inf, cut - 30.0)[0] + quad(density, cut - 30.0, cut, limit=200)[0]
        assert abs((drawn[:, 0] <= cut).mean() - below) < 5 * np.sqrt(0.25 / 3000)


def test_plug_in_is_the_mixture_at_the_posterior_means(family: CovarianceFamily) -> None:
    rows = blobs(np.random.default_rng(39), 25, 2, 2)
    fit = run(elicited(family, rows, 2), rows, VB())
    posterior = fit.posterior
    assert isinstance(posterior, VariationalPosterior)
    data, engine = ArrayRows(rows), ReferenceEngine()
    plugged = posterior.plug_in().log_predictive(data, engine)
    assert plugged.sum() == pytest.approx(fit.log_likelihood, rel=1e-12)
    drawn = posterior.sample_parameters(400, np.random.default_rng(40))
    # Averaged over draws the densities are the predictive one; weights and components are
    # independent in it.
    densities = np.exp(
        [engine.log_density(data, fit.model.potentials(parameters)) for parameters in drawn]
    )
    predictive = np.exp(posterior.log_predictive(data, engine))
    error = densities.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(densities.mean(axis=0) - predictive) < 5.0 * error).all()
