"""A model of known parameters, and what of scikit-learn's world goes in and comes out."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn import exceptions
from sklearn.cluster import KMeans
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from laws.running import FREE
from mixtura import GaussianMixtureModel, errors, load
from mixtura.datasets import load_faithful
from mixtura.errors import InvalidArgumentError

WEIGHTS = np.array([0.3, 0.7])
MEANS = np.array([[2.0, 54.0], [4.3, 80.0]])
SPREADS = {
    "full": np.array([[[0.1, 0.5], [0.5, 35.0]], [[0.2, -0.7], [-0.7, 36.0]]]),
    "tied": np.array([[0.1, 0.5], [0.5, 35.0]]),
    "diag": np.array([[0.1, 35.0], [0.2, 36.0]]),
    "spherical": np.array([0.1, 20.0]),
    "tied_diag": np.array([0.1, 35.0]),
    "tied_spherical": np.array(7.0),
}


@pytest.fixture(scope="module")
def rows():
    return load_faithful().data


@pytest.fixture(params=FREE)
def model(request):
    family = request.param
    return GaussianMixtureModel.from_parameters(
        WEIGHTS, MEANS, SPREADS[family], covariance_type=family
    )


def matrices(model):
    spread, identity = SPREADS[model.covariance_type], np.eye(2)
    return {
        "full": lambda: spread,
        "tied": lambda: [spread, spread],
        "diag": lambda: [np.diag(one) for one in spread],
        "spherical": lambda: [one * identity for one in spread],
        "tied_diag": lambda: [np.diag(spread)] * 2,
        "tied_spherical": lambda: [spread * identity] * 2,
    }[model.covariance_type]()


def test_given_parameters_answer_by_their_formulas(model, rows, tmp_path):
    parts = [
        weight * multivariate_normal(mean, matrix).pdf(rows)
        for weight, mean, matrix in zip(WEIGHTS, MEANS, matrices(model), strict=True)
    ]
    model.save(tmp_path / "model.mixtura")
    for one in (model, load(tmp_path / "model.mixtura")):
        np.testing.assert_allclose(one.score_samples(rows), np.log(np.sum(parts, axis=0)))
        shares = one.predict_proba(rows)
        np.testing.assert_allclose(shares, (parts / np.sum(parts, axis=0)).T, atol=1e-12)
        assert one.sample(10)[0].shape == (10, 2)
        assert "2 components of x0, x1." in str(one.summary())
        np.testing.assert_allclose(one.to_sklearn().score_samples(rows), one.score_samples(rows))
    assert str(model.report(rows))
    assert model.plot_density(rows) is not None
    inverses = [np.linalg.inv(matrix) for matrix in matrices(model)]
    shown = GaussianMixtureModel.from_parameters(
        WEIGHTS, MEANS, model.precisions_, covariance_type=model.covariance_type
    )
    for found, expected in zip(matrices_of(shown), inverses, strict=True):
        np.testing.assert_allclose(found, expected)


def matrices_of(model):
    fit = model.fit_
    return fit.model.family.expand(fit.parameters.covariances, 2, 2)


def test_given_names_are_those_that_rows_must_have(rows):
    names = ["duration", "waiting"]
    model = GaussianMixtureModel.from_parameters(
        WEIGHTS, MEANS, SPREADS["full"], feature_names=names
    )
    frame = pd.DataFrame(rows, columns=names)
    assert model.predict(frame).shape == (272,)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[names[::-1]])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"weights": [0.5, 0.6]}, "weights must be non-negative numbers whose sum is 1"),
        ({"weights": [1.5, -0.5]}, "weights must be non-negative"),
        ({"weights": [1.0]}, "weights must be one for each of the 2 rows of means"),
        ({"weights": ["a", "b"]}, "weights must hold numbers"),
        ({"means": [1.0, 2.0]}, "means must be finite numbers in 2 dimension"),
        ({"means": [[1.0, np.nan], [1.0, 2.0]]}, "means must be finite"),
        ({"covariances": np.ones((2, 2))}, "covariances must be finite numbers in 3 dimension"),
        ({"covariances": np.ones((2, 2, 2))}, "covariances must be symmetric and positive"),
        ({"covariances": -SPREADS["full"]}, "covariances must be symmetric and positive"),
        ({"covariance_type": "round"}, "covariance_type must be"),
        ({"feature_names": ["one"]}, "feature_names must be 2 names"),
    ],
)
def test_what_are_no_parameters_of_a_mixture(changed, said):
    given = {"weights": WEIGHTS, "means": MEANS, "covariances": SPREADS["full"]} | changed
    with pytest.raises(InvalidArgumentError, match=said):
        GaussianMixtureModel.from_parameters(**given)


@pytest.mark.filterwarnings("ignore:KMeans")
@pytest.mark.parametrize(
    "earlier",
    [
        GaussianMixture(2, random_state=0),
        GaussianMixture(2, covariance_type="tied", random_state=0),
        BayesianGaussianMixture(n_components=2, covariance_type="diag", random_state=0),
        KMeans(2, n_init=1, random_state=0),
    ],
    ids=lambda earlier: type(earlier).__name__,
)
def test_fitted_estimators_of_scikit_learn_are_starts(rows, earlier):
    earlier.fit(rows)
    means = earlier.cluster_centers_ if isinstance(earlier, KMeans) else earlier.means_
    gmm = GaussianMixtureModel(2, init=earlier).fit(rows)
    order = np.argsort(means[:, 0])
    assert np.argsort(gmm.means_[:, 0]).tolist() == order.tolist()
    best = GaussianMixtureModel(2).fit(rows)
    assert gmm.objective_ == pytest.approx(best.objective_, abs=1e-6)


def test_warnings_of_convergence_are_those_of_both_packages(rows):
    for category in (errors.ConvergenceWarning, exceptions.ConvergenceWarning):
        with pytest.warns(category, match="max_iter"):
            GaussianMixtureModel(2, max_iter=1, init="quantile").fit(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        GaussianMixtureModel(2, max_iter=1, init="quantile").fit(rows)


def test_names_of_any_length_leave_room_for_a_report(tmp_path) -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(80, 2)), 5.0 + rng.normal(size=(60, 2))])
    path = tmp_path / "page.html"
    GaussianMixtureModel(2).fit(rows).write_report(path, rows, component_names=["x" * 300, "b"])
    assert "x" * 23 + "\N{HORIZONTAL ELLIPSIS}" in path.read_text(encoding="utf-8")
