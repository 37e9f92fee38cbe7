"""Draws as ArviZ takes them: the same numbers, in its groups and dimensions."""

import sys
from typing import Any

import numpy as np
import pytest

from laws.running import FREE
from mixtura import GaussianMixtureModel, Gibbs
from mixtura.errors import InvalidArgumentError, MissingExtraError
from mixtura.priors import NormalInverseGamma

pytestmark = [
    pytest.mark.filterwarnings("ignore:the chains do not agree"),
    pytest.mark.filterwarnings("ignore:the components of the draws"),
]

SAME_DRAWS = ["posterior", "sample_stats", "log_prior", "log_likelihood", "posterior_predictive"]
GROUPS = {*SAME_DRAWS, "prior", "prior_predictive", "observed_data"}


def sampled(**arguments: Any) -> GaussianMixtureModel:
    rng = np.random.default_rng(3)
    rows = np.concatenate([rng.normal(0.0, 1.0, (25, 2)), rng.normal(7.0, 1.0, (15, 2))])
    method = Gibbs(chains=4, draws=100, warmup=50)
    return GaussianMixtureModel(2, inference=method, random_state=0, **arguments).fit(rows)


@pytest.fixture(scope="module", params=FREE)
def gmm(request: pytest.FixtureRequest) -> GaussianMixtureModel:
    return sampled(covariance_type=request.param)


def test_tree_has_the_draws_by_name(gmm: GaussianMixtureModel) -> None:
    pytest.importorskip("xarray")
    tree, posterior = gmm.to_arviz(), gmm.posterior_
    assert set(tree.children) == GROUPS
    drawn = tree["posterior"]
    assert dict(drawn.sizes) | {"other_feature": 2} == {
        **{"chain": 4, "draw": 100, "mixture_component": 2, "feature": 2, "other_feature": 2}
    }
    np.testing.assert_array_equal(drawn["weights"], posterior.weights)
    np.testing.assert_array_equal(
        drawn["means"].sel(mixture_component=1, feature="x0"), posterior.means[:, :, 1, 0]
    )
    np.testing.assert_array_equal(drawn["scales"].mean(["chain", "draw"]).shape, (2, 2))
    # Averages in the public shape are what the estimator shows.
    average = drawn["covariances"].mean(["chain", "draw"])
    np.testing.assert_allclose(np.asarray(average), gmm.covariances_, rtol=1e-12)
    np.testing.assert_array_equal(tree["sample_stats"]["lp"], posterior.log_joint)
    assert tree.attrs["inference_method"] == "gibbs"


def test_tree_has_rows_and_what_draws_say_of_them(gmm: GaussianMixtureModel) -> None:
    pytest.importorskip("xarray")
    tree, rows = gmm.to_arviz(), gmm._shown(None).values
    np.testing.assert_array_equal(tree["observed_data"]["x"], rows)
    densities = tree["log_likelihood"]["x"]
    assert densities.dims == ("chain", "draw", "obs")
    np.testing.assert_allclose(
        densities.sum("obs"), tree["sample_stats"]["log_likelihood"], rtol=1e-9
    )
    replicated = tree["posterior_predictive"]["x"]
    assert replicated.dims == ("chain", "draw", "obs", "feature")
    error = rows.std() / np.sqrt(len(rows))
    assert abs(float(replicated.mean()) - rows.mean()) < 2.0 * error


def test_arviz_finds_the_same_numbers_in_the_tree() -> None:
    stats = pytest.importorskip("arviz_stats.base").array_stats
    gmm = sampled(covariance_type="diag")
    tree, told = gmm.to_arviz(), {row["quantity"]: row for row in gmm.convergence().rows}
    weight = tree["posterior"]["weights"].sel(mixture_component=0).to_numpy()
    row = told["component 0: weight"]
    assert stats.rhat(weight) == pytest.approx(row["r_hat"], rel=1e-6)
    assert stats.ess(weight, method="bulk") == pytest.approx(row["ess_bulk"], rel=1e-6)
    densities = tree["log_likelihood"]["x"].to_numpy()
    found = gmm.loo()
    for n in range(0, 40, 7):
        size = relative_size(stats, densities[:, :, n])
        by_row, shape, _ = stats.loo(densities[:, :, n], chain_axis=0, draw_axis=1, r_eff=size)
        assert float(by_row) == pytest.approx(found.by_row[n], rel=1e-3)
        assert float(shape) == pytest.approx(found.diagnostic[n], abs=0.1)


def relative_size(stats: Any, log_densities: np.ndarray) -> float:
    """Return the share of draws that are effective for a row's importance ratios."""
    ratios = np.exp(log_densities.min() - log_densities)
    return float(stats.ess(ratios, method="mean")) / ratios.size


def test_files_bring_back_the_tree(tmp_path: Any) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    tree = sampled().to_arviz()
    tree.to_netcdf(tmp_path / "draws.nc", engine="h5netcdf")
    with xarray.open_datatree(tmp_path / "draws.nc", engine="h5netcdf") as twin:
        xarray.testing.assert_identical(twin.load(), tree)


def test_all_groups_have_the_draws_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xarray")
    gmm = sampled()
    assert {gmm.to_arviz()[name].sizes["draw"] for name in SAME_DRAWS} == {100}
    assert {gmm.to_arviz(n_draws=10**9)[name].sizes["draw"] for name in SAME_DRAWS} == {100}
    tree = gmm.to_arviz(n_draws=3)
    assert {tree[name].sizes["draw"] for name in SAME_DRAWS} == {3}
    np.testing.assert_array_equal(tree["posterior"]["weights"], gmm.posterior_.thinned(12).weights)
    monkeypatch.setattr("mixtura.io.arviz.MOST_NUMBERS", 12 * 80)
    assert {gmm.to_arviz()[name].sizes["draw"] for name in SAME_DRAWS} == {3}
    assert {gmm.to_arviz(n_draws=100)[name].sizes["draw"] for name in SAME_DRAWS} == {100}
    with pytest.raises(InvalidArgumentError, match="n_draws must be None or a whole number"):
        gmm.to_arviz(n_draws=0)


def test_priors_and_likelihoods_make_the_log_joint_density() -> None:
    pytest.importorskip("xarray")
    tree = sampled().to_arviz()
    of_priors = tree["log_prior"]["weights"] + tree["log_prior"]["components"]
    joint = of_priors + tree["log_likelihood"]["x"].sum("obs")
    np.testing.assert_allclose(joint, tree["sample_stats"]["lp"], rtol=1e-9)


def test_prior_draws_are_those_of_the_prior() -> None:
    pytest.importorskip("xarray")
    prior = NormalInverseGamma([1.0, -2.0], 4.0, 12.0, 11.0)
    tree = sampled(covariance_type="diag", component_prior=prior).to_arviz()
    assert tree["prior"].sizes == {"chain": 1, "draw": 400, "mixture_component": 2, "feature": 2}
    assert tree["prior_predictive"]["x"].dims == ("chain", "draw", "obs", "feature")
    # Means N(m, s^2 / 4) given s^2 ~ inverse gamma(6, 5.5) or alike: 800 draws of spread below 1.
    found = tree["prior"]["means"].mean(["chain", "draw", "mixture_component"])
    np.testing.assert_allclose(found, [1.0, -2.0], atol=5.0 * 1.0 / np.sqrt(800))
    np.testing.assert_allclose(tree["prior"]["weights"].sum("mixture_component"), 1.0)


@pytest.mark.parametrize("n_features", [1, 2])
@pytest.mark.parametrize("n_components", [1, 2])
def test_no_dimension_has_length_one(n_features: int, n_components: int) -> None:
    pytest.importorskip("xarray")
    rows = np.random.default_rng(0).normal(size=(30, n_features))
    method = Gibbs(chains=2, draws=20, warmup=10)
    gmm = GaussianMixtureModel(n_components, inference=method, random_state=0).fit(rows)
    tree = gmm.to_arviz()
    for name in GROUPS:
        sizes = {at: size for at, size in tree[name].sizes.items() if at not in ("chain", "draw")}
        assert 1 not in sizes.values(), name
    expected = gmm.posterior_.means.squeeze()
    np.testing.assert_array_equal(tree["posterior"]["means"].to_numpy(), expected)


@pytest.mark.filterwarnings("ignore")  # ArviZ's own
@pytest.mark.parametrize("n_features", [1, 2])
def test_arviz_answers_from_the_tree(n_features: int) -> None:
    """Its functions run on the default tree, and say what our own say."""
    az = pytest.importorskip("arviz_stats")
    if not hasattr(az, "summary"):
        pytest.skip("arviz-stats without its part for xarray")
    rng = np.random.default_rng(3)
    rows = np.concatenate([rng.normal(0.0, 1.0, 40), rng.normal(7.0, 1.0, 30)])
    rows = rows[:, None] + rng.normal(size=(70, n_features))
    gmm = GaussianMixtureModel(2, inference="gibbs", random_state=0).fit(rows)
    tree, told = gmm.to_arviz(), {row["quantity"]: row for row in gmm.convergence().rows}
    assert len(az.summary(tree)) > 2
    row = told["component 0: weight"]
    for function, known in ((az.rhat, "r_hat"), (az.ess, "ess_bulk")):
        found = float(function(tree)["weights"].sel(mixture_component=0))
        assert found == pytest.approx(row[known], rel=1e-6)
    for function in (az.mcse, az.hdi):
        assert np.isfinite(function(tree)["means"]).all()
    assert az.loo(tree).elpd == pytest.approx(gmm.loo().total, abs=0.1)
    assert "elpd" in az.compare({"one": tree, "other": tree}).columns
    for group in ("prior", "likelihood"):
        assert np.isfinite(az.psense(tree, group=group)["weights"]).all()
    assert "weights[1]" in az.psense_summary(tree).index
    if n_features == 1:  # of several features ArviZ has none
        assert az.loo_pit(tree)["x"].shape == (70,)


def test_other_fits_and_a_missing_extra_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    gmm = sampled()
    rows = gmm._shown(None).values
    with pytest.raises(InvalidArgumentError, match="to_arviz needs draws"):
        GaussianMixtureModel(2).fit(rows).to_arviz()
    with pytest.raises(InvalidArgumentError, match="about the rows that were fitted"):
        gmm.to_arviz(rows[:20])
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mixtura\[arviz\]"'):
        gmm.to_arviz()
