"""Laws of what a fit knows: densities, responsibilities, labels and draws."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import logsumexp

from laws.independent import log_likelihood, log_scores
from laws.running import blobs, elicited, random_parameters, run
from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.families import CovarianceFamily
from mixtura.inference import MAP, ML
from mixtura.posteriors import PointPosterior, Posterior

METHODS = [MAP(), ML()]


def fitted(family: CovarianceFamily, n_features: int, method: MAP | ML) -> Posterior:
    rows = blobs(np.random.default_rng(21), 60, n_features, 2)
    return run(elicited(family, rows, 2, method), rows, method).posterior


@pytest.mark.parametrize("method", METHODS, ids=["map", "ml"])
def test_predictive_of_one_feature_integrates_to_one(
    family: CovarianceFamily, engine: Engine, method: MAP | ML
) -> None:
    posterior = fitted(family, 1, method)
    centres = sorted(posterior.parameters.means[:, 0].tolist())

    def density(x: float) -> float:
        return float(np.exp(posterior.log_predictive(ArrayRows(np.array([[x]])), engine))[0])

    integral, _ = quad(density, centres[0] - 40.0, centres[-1] + 40.0, points=centres, limit=200)
    assert integral == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("method", METHODS, ids=["map", "ml"])
def test_predictive_of_two_features_integrates_to_one(
    family: CovarianceFamily, engine: Engine, method: MAP | ML
) -> None:
    # The trapezoidal rule converges faster than any power on functions this smooth.
    posterior = fitted(family, 2, method)
    parameters = posterior.parameters
    spread = 12.0 * np.sqrt(family.variances(parameters.covariances, 2, 2).max(axis=0))
    axes = [
        np.linspace(
            parameters.means[:, d].min() - spread[d], parameters.means[:, d].max() + spread[d], 501
        )
        for d in range(2)
    ]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)
    density = np.exp(posterior.log_predictive(ArrayRows(grid), engine))
    cell = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    assert density.sum() * cell == pytest.approx(1.0, abs=1e-9)


def test_predictive_and_responsibilities_are_bayes_theorem(
    family: CovarianceFamily, engine: Engine
) -> None:
    posterior = fitted(family, 2, MAP())
    rows = np.random.default_rng(22).uniform(-5.0, 10.0, (200, 2))
    data = ArrayRows(rows)
    scores = log_scores(rows, posterior.parameters)
    log_predictive = posterior.log_predictive(data, engine)
    np.testing.assert_allclose(log_predictive, logsumexp(scores, axis=1), rtol=1e-10)
    assert log_predictive.sum() == pytest.approx(
        log_likelihood(rows, posterior.parameters), rel=1e-12
    )
    shares = posterior.responsibilities(data, engine)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-14)
    assert ((shares >= 0) & (shares <= 1)).all()
    np.testing.assert_allclose(
        shares, np.exp(scores - log_predictive[:, None]), rtol=1e-9, atol=1e-300
    )
    np.testing.assert_array_equal(posterior.labels(data, engine), scores.argmax(axis=1))


def test_numbers_of_components_say_nothing(family: CovarianceFamily, engine: Engine) -> None:
    rng = np.random.default_rng(23)
    parameters = random_parameters(rng, family, 4, 2)
    order = np.array([3, 1, 0, 2])
    one = PointPosterior(parameters, family)
    other = PointPosterior(parameters.permuted(order), family)
    data = ArrayRows(3.0 * rng.standard_normal((100, 2)))
    np.testing.assert_allclose(
        other.log_predictive(data, engine), one.log_predictive(data, engine), rtol=1e-13
    )
    np.testing.assert_allclose(
        other.responsibilities(data, engine),
        one.responsibilities(data, engine)[:, order],
        rtol=1e-12,
        atol=1e-300,
    )
    np.testing.assert_array_equal(order[other.labels(data, engine)], one.labels(data, engine))


def test_sampled_assignments_follow_the_responsibilities(
    family: CovarianceFamily, engine: Engine
) -> None:
    rng = np.random.default_rng(24)
    posterior = PointPosterior(random_parameters(rng, family, 3, 2), family)
    data = ArrayRows(rng.standard_normal((30, 2)))
    draws = posterior.sample_assignments(data, engine, 1500, seed=3)
    assert draws.shape == (1500, 30)
    shares = posterior.responsibilities(data, engine)
    for k in range(3):
        error = np.sqrt(shares[:, k] * (1.0 - shares[:, k]) / 1500) + 1e-3
        assert (np.abs((draws == k).mean(axis=0) - shares[:, k]) < 5.0 * error).all()


def test_drawn_rows_follow_the_predictive(family: CovarianceFamily, engine: Engine) -> None:
    posterior = PointPosterior(random_parameters(np.random.default_rng(25), family, 3, 1), family)
    rows, labels = posterior.sample(5000, np.random.default_rng(26))
    assert rows.shape == (5000, 1)
    assert labels.shape == (5000,)
    parameters = posterior.parameters
    deviations = np.sqrt(family.variances(parameters.covariances, 3, 1))[:, 0]
    distribution = stats.norm(parameters.means[:, 0], deviations)
    uniform = distribution.cdf(rows) @ parameters.weights
    assert stats.kstest(uniform, "uniform").pvalue > 1e-6  # about 5 sigma
    again, _ = posterior.sample(5000, np.random.default_rng(26))
    np.testing.assert_array_equal(again, rows)
