"""scikit-learn's own checks, and the parts of its contract that they leave out."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from mixtura import CollapsedGibbs, GaussianMixtureModel, Gibbs
from mixtura.datasets import load_iris
from mixtura.priors import Dirichlet, Independent, InverseGamma, Normal


@pytest.fixture(scope="module")
def iris():
    return load_iris().data


@pytest.fixture(scope="module")
def frame():
    return load_iris().frame().drop(columns="target")


@pytest.mark.filterwarnings("ignore")  # scikit-learn's checks fit on odd data on purpose
@pytest.mark.parametrize("family", ["full", "diag", "spherical"])
@pytest.mark.parametrize(
    "inference",
    ["map", "ml", "vb", Gibbs(2, 40, 20), CollapsedGibbs(2, 40, 20)],
    ids=lambda method: method if isinstance(method, str) else method.name,
)
def test_scikit_learn_finds_no_fault(inference, family):
    gmm = GaussianMixtureModel(2, covariance_type=family, inference=inference)
    results = check_estimator(gmm, on_fail=None)
    failed = {
        result["check_name"]: str(result["exception"])
        for result in results
        if result["status"] != "passed"
        # Runs only where scipy's array-API mode is switched on for the whole process.
        and "SCIPY_ARRAY_API is not set" not in str(result["exception"])
    }
    assert failed == {}
    assert len(results) > 50


def test_parameters_survive_clone_unfitted(iris):
    prior = Independent(Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0))
    gmm = GaussianMixtureModel(2, component_prior=prior, covariance_type="diag").fit(iris)
    twin = clone(gmm)
    assert not hasattr(twin, "fit_")
    np.testing.assert_array_equal(twin.fit(iris).means_, gmm.means_)
    assert "Dirichlet" in repr(GaussianMixtureModel(weight_prior=Dirichlet(2.0)))
    assert "GaussianMixtureModel" in gmm._repr_html_()


def test_pickle_keeps_the_answers_and_leaves_the_rows_behind(iris):
    gmm = GaussianMixtureModel(3).fit(iris)
    twin = pickle.loads(pickle.dumps(gmm))
    np.testing.assert_array_equal(twin.predict_proba(iris), gmm.predict_proba(iris))
    with pytest.raises(ValueError, match="pass X"):
        twin.plot_density()
    assert twin.plot_density(iris) is not None


def test_pipeline_and_grid_search(iris):
    pipeline = make_pipeline(StandardScaler(), GaussianMixtureModel(3, random_state=0))
    assert set(pipeline.fit(iris).predict(iris)) == {0, 1, 2}
    search = GridSearchCV(
        GaussianMixtureModel(), {"n_components": [1, 2, 3], "covariance_type": ["full", "diag"]}
    )
    search.fit(iris[np.random.default_rng(0).permutation(150)])
    assert search.best_params_["n_components"] in (2, 3)


@pytest.mark.filterwarnings("ignore:.*fewer rows than a covariance matrix")  # of K = 3
@pytest.mark.parametrize("inference", ["map", "vb"])
def test_grid_search_by_held_out_score_finds_two_round_clusters(rng, inference):
    rows = rng.standard_normal((150, 2)) + 10.0 * rng.integers(2, size=(150, 1))
    search = GridSearchCV(
        GaussianMixtureModel(inference=inference, tol=1e-6),
        {"n_components": [1, 2, 3], "covariance_type": ["full", "spherical"]},
        cv=3,
    ).fit(rows)
    assert search.best_params_ == {"n_components": 2, "covariance_type": "spherical"}
    assert search.best_estimator_.means_.shape == (2, 2)
    # Two clusters of N(., I), ten apart: -log 2 - log(2 pi) - 1 nats a row, the entropy.
    truth = -np.log(2.0) - np.log(2.0 * np.pi) - 1.0
    assert search.best_score_ == pytest.approx(truth, abs=5.0 / np.sqrt(150))


def test_transform_can_return_a_frame(frame):
    shares = GaussianMixtureModel(2).set_output(transform="pandas").fit_transform(frame)
    assert list(shares.columns) == ["component0", "component1"]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)


def test_sample_weights_are_routed(iris):
    weights = np.ones(150)
    weights[100:] = 0.0
    with config_context(enable_metadata_routing=True):
        gmm = GaussianMixtureModel(2).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), gmm)
        routed = pipeline.fit(iris, sample_weight=weights)[-1]
    standardised = StandardScaler().fit_transform(iris)
    direct = GaussianMixtureModel(2).fit(standardised, sample_weight=weights)
    np.testing.assert_array_equal(routed.means_, direct.means_)
    assert not np.allclose(direct.means_, GaussianMixtureModel(2).fit(standardised).means_)


@pytest.mark.parametrize(
    "convert",
    [
        lambda frame: frame,
        pl.from_pandas,
        lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    ],
    ids=["pandas", "polars", "arrow"],
)
def test_every_kind_of_frame_gives_the_same_fit(frame, iris, convert):
    gmm = GaussianMixtureModel(3).fit(convert(frame))
    np.testing.assert_array_equal(gmm.means_, GaussianMixtureModel(3).fit(iris).means_)
    assert list(gmm.feature_names_in_) == list(frame.columns)
    np.testing.assert_array_equal(gmm.predict(convert(frame)), gmm.labels_)
    with pytest.raises(ValueError, match="feature names should match"):
        gmm.predict(convert(frame[frame.columns[::-1]]))


@pytest.mark.parametrize(
    "series",
    [
        lambda values: pd.Series(values, name="petal_length"),
        lambda values: pl.Series("petal_length", values),
    ],
    ids=["pandas", "polars"],
)
def test_one_column_of_a_frame_may_be_passed_as_it_is(frame, series):
    gmm = GaussianMixtureModel(2).fit(series(frame["petal_length"].to_numpy()))
    assert gmm.means_.shape == (2, 1)
    assert list(gmm.feature_names_in_) == ["petal_length"]
    np.testing.assert_array_equal(gmm.predict(frame[["petal_length"]]), gmm.labels_)


def test_a_raw_one_dimensional_array_gets_the_usual_error(iris):
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
        GaussianMixtureModel(2).fit(iris[:, 0])


def test_answers_before_a_fit_are_refused(iris):
    gmm = GaussianMixtureModel(2)
    for ask in (gmm.predict, gmm.predict_proba, gmm.score_samples, gmm.bic):
        with pytest.raises(NotFittedError):
            ask(iris)
    for show in (gmm.summary, gmm.sample, gmm.plot_objective, gmm.plot_density):
        with pytest.raises(NotFittedError):
            show()


def test_int_rows_and_float32_rows_are_taken():
    whole = np.array([[1, 2], [3, 4], [5, 1], [9, 9]])
    as_float = GaussianMixtureModel(1).fit(whole.astype(np.float32))
    np.testing.assert_array_equal(GaussianMixtureModel(1).fit(whole).means_, as_float.means_)
