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

from laws.independent import direct_statistics, log_prior
from mixtura import VB, GaussianMixtureModel, Gibbs
from mixtura.priors import (
    Dirichlet,
    Gamma,
    Independent,
    NormalInverseGamma,
    NormalInverseWishart,
    Wishart,
)
from mixtura.priors.hierarchies import HierarchicalPosterior

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
        inference=Gibbs(chains=2, draws=2000, warmup=200),
        random_state=1,
    ).fit(ROWS[:, None])
    ours = gmm.co_clustering(ROWS[:, None])
    # Monte Carlo errors of shares from draws whose autocorrelation is below ten sweeps.
    error = np.sqrt(np.maximum(exact * (1.0 - exact), 0.0) / 600.0)
    assert (np.abs(ours - exact) <= 5.0 * error + 1e-12).all()
