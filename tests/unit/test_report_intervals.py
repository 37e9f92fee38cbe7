"""What reports show of a posterior that knows how sure it is."""

import json
import warnings
from functools import cache

import numpy as np
import pytest
from scipy import stats

from mixtura import VB, GaussianMixtureModel, Gibbs
from mixtura.datasets import load_faithful
from mixtura.errors import MixturaWarning
from mixtura.fit import Fit
from mixtura.posteriors import Intervals, VariationalPosterior
from mixtura.priors import Dirichlet, KnownScale, Normal, NormalInverseWishart
from mixtura.reports import as_html, as_json, as_text, build_report, summarize
from mixtura.reports.numbers import ranged

ROWS = load_faithful().data
LEVELS = np.array([0.05, 0.95])


@cache
def variational(n_features: int, family: str = "full") -> Fit:
    """Return a variational fit of two components."""
    gmm = GaussianMixtureModel(2, covariance_type=family, inference="vb")
    return gmm.fit(ROWS[:, -n_features:]).fit_


def by_scipy(fit: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the points of weights (K, 2), means and deviations (K, D, 2) of full covariances."""
    posterior = fit.posterior
    assert isinstance(posterior, VariationalPosterior)
    factor, prior = posterior.weights, posterior.components
    assert isinstance(factor, Dirichlet)
    assert isinstance(prior, NormalInverseWishart)
    concentration = np.asarray(factor.concentration)
    others = concentration.sum() - concentration
    weights = stats.beta(concentration[:, None], others[:, None]).ppf(LEVELS)
    # A diagonal entry of an inverse Wishart matrix is inverse gamma; its mean is Student's t.
    mean, scale = np.asarray(prior.mean), np.asarray(prior.scale)
    freedom = np.asarray(prior.degrees_of_freedom) - mean.shape[1] + 1.0
    diagonal = np.einsum("kdd->kd", scale)
    width = np.sqrt(diagonal / (freedom * np.asarray(prior.shrinkage))[:, None])
    student = stats.t(freedom[:, None, None], mean[:, :, None], width[:, :, None])
    variance = stats.invgamma(0.5 * freedom[:, None, None], scale=0.5 * diagonal[:, :, None])
    return weights, student.ppf(LEVELS), np.sqrt(variance.ppf(LEVELS))


@pytest.mark.parametrize("n_features", [1, 2])
def test_intervals_are_those_of_the_marginals(n_features: int) -> None:
    fit = variational(n_features)
    weights, means, deviations = by_scipy(fit)
    section = json.loads(as_json(build_report(fit, pictures=False)))["sections"][0]
    parts = section["components"]
    assert section["interval_probabilities"] == LEVELS.tolist()
    for name, expected in (
        ("weight_interval", weights),
        ("mean_interval", means),
        ("sd_interval", deviations),
    ):
        np.testing.assert_allclose([part[name] for part in parts], expected, rtol=1e-9)
    records = summarize(fit).rows
    names = fit.feature_names
    for k, record in enumerate(records):
        assert record["weight 95 %"] == parts[k]["weight_interval"][1]
        assert record[f"{names[-1]} mean 5 %"] == parts[k]["mean_interval"][-1][0]
        assert record[f"{names[0]} sd 95 %"] == parts[k]["sd_interval"][0][1]


@pytest.mark.parametrize("n_features", [1, 2])
def test_tables_show_them_beside_the_estimates(n_features: int) -> None:
    fit = variational(n_features)
    weights, means, deviations = by_scipy(fit)
    report = build_report(fit, pictures=False)
    for text in (as_text(report), as_html(report), str(summarize(fit))):
        for k in range(2):
            low, high = weights[k]
            assert f"{fit.parameters.weights[k]:.3f} [{low:.3f}, {high:.3f}]" in text
        # Minutes of waiting, in the column on the right, are known to tenths.
        for ends in (means[0, -1], deviations[0, -1]):
            assert f"[{ends[0]:.1f}, {ends[1]:.1f}]" in text
        assert "a probability of 5 % and 95 %" in " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_tables_with_intervals_keep_within_the_width(width: int) -> None:
    for n_features in (1, 2):
        text = summarize(variational(n_features)).to_text(width)
        assert max(map(len, text.splitlines())) <= width
        assert text.count(" [") >= 2 + 4 * n_features


def test_shared_covariances_have_intervals_for_every_component() -> None:
    fit = variational(2, "tied_spherical")
    told = fit.posterior.intervals((0.25, 0.75))
    assert isinstance(told, Intervals)
    assert told.deviations.shape == told.means.shape == (2, 2, 2)
    np.testing.assert_array_equal(told.deviations[:, 0], told.deviations[:, 1])
    assert (told.means[0] < fit.parameters.means).all()
    assert (told.means[1] > fit.parameters.means).all()


def test_a_point_has_none() -> None:
    fit = GaussianMixtureModel(2).fit(ROWS).fit_
    assert fit.posterior.intervals() is None
    section = json.loads(as_json(build_report(fit, pictures=False)))["sections"][0]
    assert section["interval_probabilities"] is None
    assert section["components"][0]["mean_interval"] is None
    assert "[" not in str(summarize(fit))


def test_places_follow_the_distance() -> None:
    assert ranged(4.904843, 4.7702, 5.0412) == "4.90 [4.77, 5.04]"
    assert ranged(4.904843, 4.9041, 4.9056) == "4.9048 [4.9041, 4.9056]"
    assert ranged(4.904843, 4.7702, 5.0412, 0.09) == "4.905 [4.770, 5.041]"
    assert ranged(123456.7, 120000.2, 126900.4) == "123457 [120000, 126900]"
    assert ranged(1.0, 1.0, 1.0) == "1 [1, 1]"


@pytest.mark.parametrize("inference", ["vb", Gibbs(chains=2, draws=20, warmup=5)])
def test_known_scales_have_no_interval(inference) -> None:
    prior = KnownScale(np.array([0.5, 6.0]), Normal(np.array([3.5, 70.0]), np.array([2.0, 20.0])))
    gmm = GaussianMixtureModel(
        2, covariance_type="diag", component_prior=prior, inference=inference, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixturaWarning)  # so few draws need not agree
        fit = gmm.fit(ROWS).fit_
    table = summarize(fit).components.tables()[0]
    for k in range(2):
        assert table.rows[k][3] == "0.5 (known)"
        assert table.rows[k][5] == "6 (known)"
        assert "[" in table.rows[k][2]
        assert "[" in table.rows[k][4]


@pytest.mark.parametrize(
    ("inference", "said"),
    [(VB(), "after 1 iteration)"), (Gibbs(chains=1, draws=8, warmup=4), "after 11 sweeps)")],
)
def test_steps_are_counted_by_their_name(inference, said) -> None:
    """Twelve draws, the first of which is the start, are eleven sweeps apart."""
    limit = 1 if isinstance(inference, VB) else None
    gmm = GaussianMixtureModel(2, inference=inference, max_iter=limit, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixturaWarning)
        fit = gmm.fit(ROWS).fit_
    assert said in str(summarize(fit))
    report = as_text(build_report(fit, ROWS, pictures=False))
    assert ("sweeps" in report) == ("sweeps" in said)
