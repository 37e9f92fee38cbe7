"""Laws of priors that learn their scale: bounds, evidence, chains, and where densities are bounded.

That densities, gradients, modes, draws and rescaling are right is tested with all other priors;
here is what the unknown scale adds.
"""

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, logsumexp

from laws.independent import as_matrices, direct_statistics, log_prior
from mixtura import VB, GaussianMixtureModel, Gibbs, load
from mixtura.errors import InvalidArgumentError
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Gamma,
    HalfNormal,
    Independent,
    InverseGamma,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
    Wishart,
)
from mixtura.priors.hierarchies import HierarchicalPosterior
from mixtura.reports.words import prior_words

# ------------------------------------------------------------------ the bound of two factors


def scale_factor(prior: Any, learned: Any, power: Any, pull: Any, rng: Any) -> tuple[Any, float]:
    """Return a scale drawn from its best factor, and ``log q(scale) - log p(scale)`` there."""
    scale = learned.draw(power, pull, rng)
    of_spread = prior.scale if not isinstance(prior, Independent) else prior.spread.scale
    if isinstance(of_spread, Wishart):
        D = len(scale)
        freedom = of_spread.degrees_of_freedom + 2.0 * float(power)
        matrix = np.linalg.inv(np.linalg.inv(of_spread.matrix(D)) + 2.0 * pull)
        q = stats.wishart.logpdf(scale, freedom, 0.5 * (matrix + matrix.T))
        return scale, float(q - log_prior(of_spread, scale))
    shape, rate = of_spread.shape + power, of_spread.rate + pull
    q = stats.gamma(shape, scale=1.0 / rate)
    log_q = q.logpdf(scale) - q.logsf(of_spread.minimum)
    return scale, float((log_q - log_prior(of_spread, scale)).sum())


def test_divergence_of_both_factors_is_the_expected_log_ratio(
    component_case: Any, rng: np.random.Generator
) -> None:
    # E[log q(mu, spread) q(s) - log p(mu, spread | s) p(s)] over draws of both factors.
    case, prior = component_case, component_case.prior
    if not getattr(prior, "learns_scale", False):
        return
    K, D = case.n_components, case.n_features
    rows = rng.standard_normal((30, D)) + 1.0
    shares = rng.dirichlet(np.ones(K), len(rows))
    statistics = direct_statistics(rows, shares, np.zeros((K, D)), case.structure)
    posterior = prior.posterior(statistics)
    assert isinstance(posterior, HierarchicalPosterior)
    learned, power = prior.learned_scale(case.structure)
    pull = prior.expected_pull(learned, posterior.factor)
    # The scale's factor has the expectation that the other factor was found with.
    np.testing.assert_allclose(learned.expected(power, pull), posterior.scale, rtol=1e-10)
    given_mean = prior.given_scale(posterior.scale)
    ratios = []
    for _ in range(200):
        scale, of_scale = scale_factor(prior, learned, power, pull, rng)
        means, covariances = posterior.sample(rng)
        # Of the divergence between the factor and its prior at one scale the law is tested
        # elsewhere; here stands what another scale changes.
        change = given_mean.log_density(means, covariances) - prior.given_scale(scale).log_density(
            means, covariances
        )
        ratios.append(of_scale + change)
    expected = posterior.divergence(prior) - posterior.factor.divergence(given_mean)
    error = np.std(ratios) / np.sqrt(len(ratios))
    assert abs(np.mean(ratios) - expected) < 5.0 * error


# ------------------------------------------------- few rows: every allocation, every scale

ROWS = np.array([-2.1, -1.9, -1.6, 0.4, 2.0, 2.3])
LOG_SCALES = np.linspace(-30.0, 8.0, 4001)


def log_clusters(prior: NormalInverseGamma, members: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return the log density of a cluster's rows at each scale, parameters integrated out."""
    n = members.size
    if n == 0:
        return np.zeros_like(scales)
    kappa = prior.shrinkage + n
    centre = (members.sum() + prior.shrinkage * prior.mean) / kappa
    scatter = 0.5 * (members**2).sum() + 0.5 * prior.shrinkage * prior.mean**2
    scatter -= 0.5 * kappa * centre**2
    more = prior.shape + 0.5 * n
    constant = gammaln(more) - gammaln(prior.shape) - 0.5 * n * np.log(2.0 * np.pi)
    constant += 0.5 * np.log(prior.shrinkage / kappa)
    return constant + prior.shape * np.log(scales) - more * np.log(scales + scatter)


def enumerated(prior: NormalInverseGamma) -> tuple[float, np.ndarray, float]:
    """Return log evidence, co-clustering and expected log scale for two components.

    Weights are uniform on the simplex, so that an allocation has 1 / (N + 1) / C(N, n_1).
    """
    least = prior.scale.minimum
    scales = least + np.exp(LOG_SCALES)
    gamma = stats.gamma(prior.scale.shape, scale=1.0 / prior.scale.rate)
    of_scale = gamma.logpdf(scales) - gamma.logsf(least) + LOG_SCALES
    of_scale += np.log(LOG_SCALES[1] - LOG_SCALES[0])
    logs, together, log_scale = [], [], []
    N = ROWS.size
    for z in product((0, 1), repeat=N):
        labels = np.array(z)
        n = labels.sum()
        chance = gammaln(n + 1) + gammaln(N - n + 1) - gammaln(N + 2)
        parts = sum(log_clusters(prior, ROWS[labels == k], scales) for k in (0, 1))
        joint = chance + parts + of_scale
        logs.append(logsumexp(joint))
        log_scale.append(np.exp(joint - logs[-1]) @ np.log(scales))
        together.append(labels[:, None] == labels)
    total = logsumexp(logs)
    shares = np.exp(np.array(logs) - total)
    co_clustering = np.tensordot(shares, np.array(together, dtype=float), axes=1)
    return float(total), co_clustering, float(shares @ np.array(log_scale))


PRIORS_OF_ONE_FEATURE = [
    NormalInverseGamma(0.2, 0.3, 2.0, Gamma(0.7, 0.8)),
    NormalInverseGamma(0.2, 0.3, 1.5, Gamma(0.5, 1.2, 0.2)),
]


def as_wishart(prior: NormalInverseGamma) -> NormalInverseWishart:
    """Return the same prior of one feature, said of matrices."""
    gamma = prior.scale
    scale = Wishart(2.0 * gamma.shape, 1.0 / gamma.rate)
    return NormalInverseWishart(prior.mean, prior.shrinkage, 2.0 * prior.shape, scale)


@pytest.mark.parametrize("prior", PRIORS_OF_ONE_FEATURE, ids=repr)
@pytest.mark.filterwarnings("ignore::mixtura.errors.ConvergenceWarning")
def test_bound_is_below_the_exact_evidence(prior: NormalInverseGamma) -> None:
    exact = enumerated(prior)[0]
    best = -np.inf
    for z in ((0, 0, 0, 0, 1, 1), (0, 0, 0, 1, 1, 1), (0, 0, 1, 1, 1, 1)):
        gmm = GaussianMixtureModel(
            2,
            covariance_type="diag",
            weight_prior=Dirichlet(1.0),
            component_prior=prior,
            init=np.eye(2)[list(z)],
            inference=VB(),
        ).fit(ROWS[:, None])
        history = gmm.objective_history_
        assert (np.diff(history) >= -1e-9 * np.abs(history[:-1])).all()
        assert gmm.objective_ < exact
        best = max(best, gmm.objective_)
    assert best > exact - 2.0  # log 2 for the numberings, and what six rows leave open


def test_a_wishart_of_one_feature_is_a_gamma(rng: np.random.Generator) -> None:
    prior = PRIORS_OF_ONE_FEATURE[0]
    same = as_wishart(prior)
    shares = rng.dirichlet(np.ones(2), 6)
    means, variances = rng.standard_normal((2, 1)), rng.gamma(1.0, size=(2, 1))
    matrices = variances[:, :, None]
    assert same.log_density(means, matrices) == pytest.approx(prior.log_density(means, variances))
    flat = direct_statistics(ROWS[:, None], shares, np.zeros((2, 1)), (2, 1))
    deep = direct_statistics(ROWS[:, None], shares, np.zeros((2, 1)), (2, 1, 1))
    one, other = prior.posterior(flat), same.posterior(deep)
    np.testing.assert_allclose(other.mode()[1][:, 0], one.mode()[1], rtol=1e-11)
    assert other.divergence(same) == pytest.approx(one.divergence(prior), rel=1e-11)


@pytest.mark.parametrize("prior", [*PRIORS_OF_ONE_FEATURE, as_wishart(PRIORS_OF_ONE_FEATURE[0])])
def test_draws_agree_with_every_allocation(prior: Any) -> None:
    is_wishart = isinstance(prior, NormalInverseWishart)
    exact = enumerated(PRIORS_OF_ONE_FEATURE[0] if is_wishart else prior)[1]
    gmm = GaussianMixtureModel(
        2,
        covariance_type="full" if is_wishart else "diag",
        weight_prior=Dirichlet(1.0),
        component_prior=prior,
        inference=Gibbs(chains=2, draws=1000, warmup=200),
        random_state=1,
    ).fit(ROWS[:, None])
    ours = gmm.co_clustering(ROWS[:, None])
    # Monte Carlo errors of shares from draws whose autocorrelation is below ten sweeps.
    error = np.sqrt(np.maximum(exact * (1.0 - exact), 0.0) / 300.0)
    assert (np.abs(ours - exact) <= 5.0 * error + 1e-12).all()


# ------------------------------------------------------- where components and scale may shrink

SHRINKING = np.array([1e-4, 1e-6, 1e-8])


def power_of(function: Any) -> float:
    """Return the power of epsilon that the exponential of a function goes like."""
    values = [function(epsilon) for epsilon in SHRINKING]
    return float(np.diff(values)[-1] / np.log(1e-2))


def log_joint_at(
    prior: Any, family: str, means: np.ndarray, covariances: np.ndarray, rows: np.ndarray
) -> float:
    """Return the log density of rows and parameters; the first component has most weight."""
    K, D = means.shape
    weights = np.append(1.0 - 0.1 * (K - 1), np.full(K - 1, 0.1))
    matrices = as_matrices(covariances, K, D)
    scores = [
        np.log(weights[k]) + stats.multivariate_normal(means[k], matrices[k]).logpdf(rows)
        for k in range(K)
    ]
    return float(logsumexp(scores, axis=0).sum() + prior.log_density(means, covariances))


UNTIED = np.random.default_rng(5).standard_normal((12, 3))


def narrow(direction: np.ndarray, epsilon: float) -> np.ndarray:
    """Return a covariance of variance epsilon in one direction and one in all others."""
    unit = direction / np.linalg.norm(direction)
    return np.eye(len(unit)) - (1.0 - epsilon) * np.outer(unit, unit)


# Three components, two of which shrink. (shape or degrees of freedom, whether it is bounded)
@pytest.mark.parametrize(("shape", "is_bounded"), [(0.2, False), (0.95, False), (1.1, True)])
def test_condition_of_variances_is_that_of_the_density(shape: float, is_bounded: bool) -> None:
    # a = 2, G = 3: bounded for c + a > (G - 1) (1 + 1/2), whichever prior the means have.
    rows = UNTIED[:, :1]
    conjugate = NormalInverseGamma(0.3, 0.7, 2.0, Gamma(shape, 0.5))
    independent = Independent(Normal(0.0, 2.0), variance=InverseGamma(2.0, Gamma(shape, 0.5)))
    at_rows = np.array([[0.0], rows[0], rows[1]])
    at_prior = np.array([[0.0], [0.3], [0.3]])
    for prior, means in ((conjugate, at_prior), (independent, at_rows)):
        power = power_of(
            lambda e, prior=prior, means=means: log_joint_at(
                prior, "diag", means, np.array([[1.0], [e], [e]]), rows
            )
        )
        assert power == pytest.approx(shape + 2.0 - 3.0, abs=5e-3)
        assert (prior.unbounded((3, 1), 1) is None) == is_bounded
        assert (power > 0.0) == is_bounded


@pytest.mark.parametrize(("shape", "is_bounded"), [(1.9, False), (2.1, True)])
def test_condition_of_deviations_is_that_of_the_density(shape: float, is_bounded: bool) -> None:
    # In powers of a standard deviation: c + a > (G - 1) (1 + 1).
    rows = UNTIED[:, :1]
    prior = Independent(Normal(0.0, 2.0), InverseGamma(2.0, Gamma(shape, 0.5)))
    means = np.array([[0.0], rows[0], rows[1]])
    power = power_of(
        lambda e: log_joint_at(prior, "diag", means, np.array([[1.0], [e**2], [e**2]]), rows)
    )
    assert power == pytest.approx(shape + 2.0 - 4.0, abs=5e-3)
    assert (prior.unbounded((3, 1), 1) is None) == is_bounded == (power > 0.0)


@pytest.mark.parametrize(("own", "is_bounded"), [(6.5, False), (7.5, True)])
def test_condition_of_matrices_is_that_of_the_density(own: float, is_bounded: bool) -> None:
    # D = 3, nu = 5, G = 3: with a Wishart d + nu > (G - 1) (D + 2) + D - 1 along the direction
    # that is orthogonal to a row of each component; with a Gamma 2 c + nu > (G - 1) (D + 2).
    D = 3
    normal = np.cross(UNTIED[0], UNTIED[1])
    axis = np.eye(D)[0]
    wishart = NormalInverseWishart(0.0, 0.7, 5.0, Wishart(own, 0.2))
    gamma = NormalInverseWishart(0.0, 0.7, 5.0, Gamma(0.5 * (own - 2.0), 0.2))
    for prior, direction, off in ((wishart, normal, np.ones(D)), (gamma, axis, 1.0 - axis)):
        means = np.array([np.zeros(D), 0.5 * UNTIED[0] * off, 0.5 * UNTIED[1] * off])
        power = power_of(
            lambda e, prior=prior, means=means, direction=direction: log_joint_at(
                prior,
                "full",
                means,
                np.array([np.eye(D), narrow(direction, e), narrow(direction, e)]),
                UNTIED,
            )
        )
        assert power == pytest.approx(0.5 * (own - 7.0), abs=5e-3)
        assert (prior.unbounded((3, 3, 3), 3) is None) == is_bounded == (power > 0.0)


def log_evidence_down_to(prior: Any, rows: np.ndarray, least: float) -> float:
    """Return the log evidence of one component of one feature, from scales above ``least``.

    Given a scale the rows of a normal mean of known variance have a closed form.
    """
    gamma = prior.variance.scale
    scales = np.exp(np.arange(np.log(least), 8.0, 0.05))
    v = np.exp(np.arange(np.log(least) - 12.0, 40.0, 0.05))
    n, mean = rows.size, rows.mean()
    scatter = ((rows - mean) ** 2).sum()
    wide = np.sqrt(np.square(prior.mean.scale) + v / n)
    given = -0.5 * (n * np.log(2.0 * np.pi * v) + scatter / v) + 0.5 * np.log(2.0 * np.pi * v / n)
    given += stats.norm.logpdf(mean, prior.mean.location, wide)
    of_spread = stats.invgamma.logpdf(v, prior.variance.shape, scale=scales[:, None])
    by_scale = logsumexp(of_spread + given + np.log(v), axis=1)
    of_scale = stats.gamma.logpdf(scales, gamma.shape, scale=1.0 / gamma.rate) + np.log(scales)
    return float(logsumexp(by_scale + of_scale))


@pytest.mark.parametrize(("n_tied", "is_finite"), [(3, True), (4, True), (6, False), (7, False)])
def test_evidence_of_tied_rows_is_finite_where_the_condition_says(
    n_tied: int, is_finite: bool
) -> None:
    # One component (J = G = 1) on tied rows alone: 2 c > m - 1 with c = 2.
    prior = Independent(Normal(0.0, 2.0), variance=InverseGamma(1.5, Gamma(2.0, 1.0)))
    rows = np.full(n_tied, 0.7)
    values = [log_evidence_down_to(prior, rows, least) for least in (1e-6, 1e-9, 1e-12)]
    grows = np.diff(values)
    assert (grows[-1] < 1e-2 and grows[-1] < 0.5 * grows[0]) == is_finite
    bounds = prior.tie_bounds((1, 1), 1)
    assert bounds.bears(np.array([float(n_tied)]), float(n_tied), of_mode=False) == is_finite


def fitted(prior: Any, rows: np.ndarray, inference: Any, **options: Any) -> GaussianMixtureModel:
    # What a search for starts takes under such priors is many times what the fit does.
    options = {"covariance_type": "diag", "random_state": 1, "init": "split", **options}
    return GaussianMixtureModel(2, component_prior=prior, inference=inference, **options).fit(rows)


SHORT = Gibbs(chains=1, draws=5, warmup=5)


@pytest.mark.filterwarnings("ignore::mixtura.errors.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::mixtura.errors.LabelsWarning")
@pytest.mark.filterwarnings("ignore::mixtura.errors.DegenerateComponentWarning")
@pytest.mark.parametrize("inference", ["map", "vb", SHORT], ids=["map", "vb", "gibbs"])
def test_ties_are_refused_by_name_and_a_minimum_is_the_remedy(inference: Any) -> None:
    rows = np.concatenate([UNTIED[:, :2], np.full((30, 2), 0.5)])
    spread = InverseGamma(3.0, Gamma(1.0, 1.0))
    with pytest.raises(InvalidArgumentError, match=r"tied rows.*minimum above zero"):
        fitted(Independent(Normal(0.0, 2.0), variance=spread), rows, inference)
    with pytest.raises(InvalidArgumentError, match=r"tied rows.*minimum above zero"):
        fitted(NormalInverseGamma(0.5, 0.1, 3.0, Gamma(2.0, 1.0)), rows, inference)
    floored = InverseGamma(3.0, Gamma(1.0, 1.0, 1e-4))
    gmm = fitted(Independent(Normal(0.0, 2.0), variance=floored), rows, inference)
    assert (gmm.covariances_ > 1e-7).all()
    # Without ties either method takes the prior as it is.
    fitted(Independent(Normal(0.0, 2.0), variance=spread), UNTIED[:, :2], inference)


@pytest.mark.filterwarnings("ignore::mixtura.errors.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::mixtura.errors.DataWarning")
@pytest.mark.filterwarnings("ignore::mixtura.errors.LabelsWarning")
@pytest.mark.filterwarnings("ignore::mixtura.errors.DegenerateComponentWarning")
@pytest.mark.parametrize("inference", ["map", "vb", SHORT], ids=["map", "vb", "gibbs"])
def test_dependent_columns_are_refused_by_name(inference: Any) -> None:
    rows = np.column_stack([UNTIED[:, :2], UNTIED[:, :2].sum(axis=1)])
    full = {"covariance_type": "full"}
    wishart = NormalInverseWishart(0.0, 0.1, 6.0, Wishart(11.5, 0.1))
    with pytest.raises(InvalidArgumentError, match=r"depend on each other.*scale=Gamma"):
        fitted(wishart, rows, inference, **full)
    gamma = NormalInverseWishart(0.0, 0.1, 6.0, Gamma(1.0, 1.0, 1e-3))
    assert np.isfinite(fitted(gamma, rows, inference, **full).objective_)
    assert np.isfinite(fitted(wishart, UNTIED, inference, **full).objective_)


def test_half_normal_spreads_have_no_mode_and_bear_no_ties() -> None:
    rows = UNTIED[:, :1]
    for name in ("scale", "variance"):
        prior = Independent(Normal(0.0, 2.0), **{name: HalfNormal(1.0)})
        with pytest.raises(InvalidArgumentError, match="shrink onto one row"):
            fitted(prior, rows, "map")
        fitted(prior, rows, VB())
        most = 2 if name == "variance" else 1
        with pytest.raises(InvalidArgumentError, match=r"tied rows.*InverseGamma"):
            fitted(prior, np.concatenate([rows, *[rows[:1]] * most]), "vb")


def test_a_concentration_takes_no_minimum() -> None:
    with pytest.raises(InvalidArgumentError, match="without a minimum"):
        DirichletProcess(Gamma(1.0, 1.0, 0.5))


def test_a_learned_scale_has_no_density_of_single_numbers() -> None:
    with pytest.raises(InvalidArgumentError, match="is for Independent"):
        InverseGamma(2.0, Gamma(1.0, 1.0)).log_density(np.ones(2))


def test_collapsed_chains_name_what_they_cannot_take() -> None:
    with pytest.raises(InvalidArgumentError, match="use inference='gibbs'"):
        fitted(NormalInverseGamma(0.0, 0.1, 3.0, Gamma(2.0, 1.0)), UNTIED, "collapsed")


LEARNED = [
    ("diag", NormalInverseGamma(0.0, 0.1, 2.0, Gamma(1.0, 1.0, 1e-3)), "learned from all"),
    (
        "full",
        NormalInverseWishart(0.0, 0.1, 6.0, Wishart(12.0, 0.1)),
        "Wishart distribution with 12",
    ),
    ("full", NormalInverseWishart(0.0, 0.1, 6.0, Gamma(1.0, 1.0, 1e-3)), "diagonal scale"),
    (
        "spherical",
        Independent(Normal(0.0, 2.0), variance=InverseGamma(2.0, Gamma(1.0, 1.0, 1e-3))),
        "above 0.001",
    ),
]


@pytest.mark.filterwarnings("ignore::mixtura.errors.ConvergenceWarning")
@pytest.mark.parametrize(("family", "prior", "words"), LEARNED)
def test_files_keep_distributions_of_scales_and_reports_tell_them(
    family: str, prior: Any, words: str, tmp_path: Any
) -> None:
    for inference in ("map", "vb"):
        gmm = fitted(prior, UNTIED, inference, covariance_type=family, max_iter=20, tol=1e-3)
        gmm.save(tmp_path / inference)
        again = load(tmp_path / inference)
        assert repr(again.component_prior) == repr(prior)
        np.testing.assert_array_equal(again.score_samples(UNTIED), gmm.score_samples(UNTIED))
        assert words in prior_words(prior)


@pytest.mark.filterwarnings("ignore::mixtura.errors.ConvergenceWarning")
@pytest.mark.parametrize(("family", "prior", "words"), LEARNED)
def test_searched_starts_are_no_worse(family: str, prior: Any, words: str) -> None:
    searched, split = (
        fitted(prior, UNTIED, "map", covariance_type=family, init=init, max_iter=20, tol=1e-3)
        for init in ("search", "split")
    )
    assert searched.objective_ >= split.objective_ - 1e-2


@pytest.mark.parametrize(
    ("family", "prior", "words"),
    [
        LEARNED[1],
        *(pytest.param(*m, marks=pytest.mark.calibrate) for m in (LEARNED[0], *LEARNED[2:])),
    ],
)
def test_gradient_steps_in_pyro_end_in_the_same_mode(family: str, prior: Any, words: str) -> None:
    pytest.importorskip("pyro")
    exact = fitted(prior, UNTIED, "map", covariance_type=family)
    pyro = fitted(prior, UNTIED, "svi", covariance_type=family)
    assert pyro.objective_ == pytest.approx(exact.objective_, abs=1e-4)
