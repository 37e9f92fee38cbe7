"""What the class and its files say of a sampled posterior."""

import numpy as np
import pytest

import mixtura
from laws.running import FREE
from mixtura import CollapsedGibbs, GaussianMixtureModel, Gibbs, select
from mixtura.datasets import load_iris
from mixtura.errors import InvalidArgumentError, ModelFileError

# So few draws do not always agree.
pytestmark = pytest.mark.filterwarnings("ignore:the chains do not agree")

SHORT = Gibbs(chains=2, draws=60, warmup=30)


@pytest.fixture(scope="module")
def iris():
    return load_iris().data


def sampled(rows, random_state=0, **arguments):
    method = {"inference": SHORT, "random_state": random_state, **arguments}
    return GaussianMixtureModel(3, **method).fit(rows)


@pytest.fixture(scope="module", params=FREE)
def fitted(request, iris):
    return sampled(iris, covariance_type=request.param)


def test_attributes_are_averages_of_the_draws(fitted, iris):
    posterior = fitted.posterior_
    np.testing.assert_allclose(fitted.means_, posterior.means.mean(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(fitted.weights_, posterior.weights.mean(axis=(0, 1)), rtol=1e-12)
    assert fitted.objective_ == pytest.approx(posterior.log_joint.mean(), rel=1e-12)
    assert len(fitted.fit_.runs) == 2
    assert fitted.objective_history_.shape == (90,)
    shares = fitted.predict_proba(iris)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(fitted.labels_, shares.argmax(axis=1))
    assert fitted.sample(5, random_state=1)[0].shape == (5, 4)


def test_file_brings_back_every_draw(fitted, iris, tmp_path):
    fitted.save(tmp_path / "model")
    twin = mixtura.load(tmp_path / "model")
    for name in ("weights", "means", "covariances", "log_joint", "log_likelihood"):
        np.testing.assert_array_equal(
            getattr(twin.posterior_, name), getattr(fitted.posterior_, name)
        )
    np.testing.assert_array_equal(twin.score_samples(iris[:9]), fitted.score_samples(iris[:9]))
    assert twin.inference == fitted.inference
    assert twin.fit_.runs == fitted.fit_.runs


@pytest.mark.parametrize("name", ["weights", "means", "covariances", "log_joint"])
@pytest.mark.parametrize("change", [np.nan, -1e3, "shape"])
def test_files_whose_draws_are_none_of_a_mixture_are_refused(name, change, iris, tmp_path):
    gmm = sampled(iris, covariance_type="diag")
    drawn = getattr(gmm.posterior_, name)
    broken = drawn[:, :, ..., :-1] if change == "shape" and drawn.ndim > 2 else drawn.copy()
    if change == "shape" and drawn.ndim == 2:
        broken = drawn[0]
    elif change != "shape":
        broken.flat[3] = change
    if name == "log_joint" and change == -1e3:
        return  # a density like any other
    object.__setattr__(gmm.fit_.posterior, "parameters", gmm.fit_.parameters)
    object.__setattr__(gmm.fit_.posterior.draws, name, np.ascontiguousarray(broken))
    gmm.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match="draw"):
        mixtura.load(tmp_path / "model")


def test_summary_report_and_plots_take_a_sampled_fit(iris):
    gmm = sampled(iris[:, :2])
    assert "mean log joint density" in str(gmm.summary()).lower()
    assert gmm.report() is not None
    for plot in (gmm.plot_objective, gmm.plot_density, gmm.plot_clusters, gmm.plot_uncertainty):
        assert plot() is not None


def test_every_thread_count_and_a_second_fit_give_the_same_draws(iris):
    fits = [sampled(iris, n_jobs=jobs) for jobs in (None, 2)]
    np.testing.assert_array_equal(*(gmm.posterior_.means for gmm in fits))
    again = fits[0].fit(iris)
    np.testing.assert_array_equal(again.posterior_.means, fits[1].posterior_.means)


def test_children_of_one_seed_have_streams_of_their_own(iris):
    children = np.random.SeedSequence(3).spawn(2)
    fits = [sampled(iris, random_state=child) for child in children]
    # The first start is the same for every seed, so that the draws alone can tell them apart.
    one, other = (fit.posterior_.log_joint[0] for fit in fits)
    assert not np.isclose(one, other).any()


@pytest.mark.parametrize("seed", [None, np.random.default_rng(0), np.random.RandomState(0)])
@pytest.mark.parametrize("method", [Gibbs, CollapsedGibbs])
def test_chains_in_a_file_need_a_number_as_seed(method, seed, iris, tmp_path):
    inference = method(chains=1, draws=10, warmup=0, checkpoint=tmp_path / "chains")
    accepted = "random_state must be a whole number with checkpoint=..."
    with pytest.raises(InvalidArgumentError, match=accepted):
        GaussianMixtureModel(2, inference=inference, random_state=seed).fit(iris)
    with pytest.raises(InvalidArgumentError, match=accepted):
        select(iris, [2], inference=inference, random_state=seed)
    assert not (tmp_path / "chains").exists()
    fitted = GaussianMixtureModel(2, inference=inference, random_state=np.int64(0)).fit(iris)
    assert fitted.posterior_.weights.shape[1] == 10
