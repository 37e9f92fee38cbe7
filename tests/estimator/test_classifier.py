"""Classification by mixtures: scikit-learn's contract, and what the mixtures are."""

import pickle

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from mixtura import GaussianMixtureModel, MixtureClassifier, select
from mixtura.datasets import load_iris
from mixtura.errors import DegenerateComponentWarning, InvalidArgumentError
from mixtura.families import FAMILIES

IRIS = load_iris()
X, NAMES = IRIS.data, np.array(["setosa", "versicolor", "virginica"])[IRIS.target]

COMPLETE = {
    "EII": ("tied_spherical", -444.66777829),
    "VII": ("spherical", -417.96502376),
    "EEI": ("tied_diag", -384.08830053),
    "VEI": ("VEI", -355.45883326),
    "EVI": ("EVI", -364.22566918),
    "VVI": ("diag", -326.05008119),
    "EEE": ("tied", -263.20374327),
    "VEE": ("VEE", -245.68159625),
    "EVE": ("EVE", -241.54268593),
    "EEV": ("EEV", -220.80045796),
    "VEV": ("VEV", -194.04751244),
    "EVV": ("EVV", -214.35752845),
    "VVV": ("full", -188.3755549),
}
"""families_complete_data.iris of shared/references/values.json, and the names here."""


@pytest.mark.filterwarnings("ignore")  # scikit-learn's checks fit on odd data on purpose
@pytest.mark.parametrize("shared", [True, False])
def test_scikit_learn_finds_no_fault(shared: bool) -> None:
    results = check_estimator(MixtureClassifier(shared_family=shared), on_fail=None)
    failed = {
        result["check_name"]: str(result["exception"])
        for result in results
        if result["status"] != "passed"
        # Runs only where scipy's array-API mode is switched on for the whole process.
        and "SCIPY_ARRAY_API is not set" not in str(result["exception"])
    }
    assert failed == {}
    assert len(results) > 50


@pytest.mark.parametrize("name", [name for name, (own, _) in COMPLETE.items() if own in FAMILIES])
def test_likelihood_of_rows_and_classes_is_that_of_the_closed_form(name: str) -> None:
    own, expected = COMPLETE[name]
    found = MixtureClassifier(covariance_type=own, inference="ml").fit(X, NAMES)
    assert found.log_likelihood_ == pytest.approx(expected, abs=1e-6)
    assert found.n_parameters_ == found.mixtures_[0].fit_.model.n_parameters
    assert found.bic_ == pytest.approx(
        -2.0 * expected + found.n_parameters_ * np.log(150.0), abs=1e-5
    )


@pytest.mark.skipif("VEV" not in FAMILIES, reason="the family is not registered")
def test_the_published_discriminant_analysis_of_iris() -> None:
    """edda.iris_VEV: published; the cross-validated error to 2 standard errors."""
    classifier = MixtureClassifier(covariance_type="VEV", inference="ml").fit(X, NAMES)
    assert classifier.score_samples(X).sum() == pytest.approx(-187.7097, abs=1e-3)
    assert classifier.n_parameters_ == 38
    assert 1.0 - classifier.score(X, NAMES) == pytest.approx(0.02, abs=1e-12)
    apart = classifier.predict_proba(X) - np.eye(3)[IRIS.target]
    assert 0.5 * (apart**2).sum(axis=1).mean() == pytest.approx(0.0127, abs=1e-4)
    error = 1.0 - cross_val_score(classifier, X, NAMES, cv=10).mean()
    assert abs(error - 0.0267) < 2.0 * np.sqrt(0.0267 * 0.9733 / 150.0)


def test_tied_is_linear_discriminant_analysis_and_diagonal_is_naive_bayes() -> None:
    for own, other in (
        ("tied", LinearDiscriminantAnalysis(solver="lsqr")),
        ("diag", GaussianNB(var_smoothing=0.0)),
    ):
        found = MixtureClassifier(covariance_type=own, inference="ml").fit(X, NAMES)
        expected = other.fit(X, NAMES).predict_proba(X)
        np.testing.assert_allclose(found.predict_proba(X), expected, atol=1e-9)


def test_several_components_of_a_class_are_the_labelled_mixture() -> None:
    found = MixtureClassifier({"versicolor": 2}, "tied", random_state=0).fit(X, NAMES)
    assert found.components_per_class_ == (1, 2, 1)
    gmm = GaussianMixtureModel(
        4, covariance_type="tied", components_per_class={"versicolor": 2}, random_state=0
    )
    gmm.fit(X, labels=NAMES)
    np.testing.assert_array_equal(found.mixtures_[0].means_, gmm.means_)
    shares = gmm.predict_proba(X)
    expected = np.stack([shares[:, 0], shares[:, 1] + shares[:, 2], shares[:, 3]], axis=1)
    np.testing.assert_allclose(found.predict_proba(X), expected, atol=1e-12)
    assert found.mixtures_[0].fit_.component_name(1) == "versicolor 1"


def test_summaries_tell_classes_and_what_was_compared() -> None:
    found = MixtureClassifier(covariance_type=["full", "diag"], inference="ml").fit(X, NAMES)
    text = found.summary().to_text(80)
    assert "3 classes, one mixture over all classes (ml)." in text
    assert f"BIC {found.bic_:.3f}" in text
    assert "1+1+1" in text.split("Compared")[1]
    assert "virginica" in found.summary()._repr_html_()
    y = np.where(NAMES == "setosa", "<b>\x1b[31m", NAMES)
    odd = MixtureClassifier([1, 2], "tied", shared_family=False, criterion="cv", n_folds=2)
    odd.fit(X, y)
    assert "\x1b" not in str(odd.summary())
    assert "<b>" not in odd.summary()._repr_html_()
    assert "error" in str(odd.summary())


def test_a_mixture_for_each_class_is_chosen_as_select_does_and_joined_by_bayes() -> None:
    found = MixtureClassifier([1, 2], ["tied", "diag"], shared_family=False, random_state=0)
    found.fit(X, NAMES)
    log_densities = []
    for number, name in enumerate(found.classes_):
        own = X[name == NAMES]
        best = select(own, [1, 2], ["tied", "diag"], random_state=0).best
        assert found.components_per_class_[number] == best.n_components
        assert found.covariance_types_[number] == best.covariance_type
        gmm = found.mixtures_[number]
        assert gmm.bic(own) == pytest.approx(best.bic, abs=1e-8)
        log_densities.append(gmm.score_samples(X))
    joint = np.exp(np.array(log_densities).T) / 3.0
    expected = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.predict_proba(X), expected, atol=1e-10)
    np.testing.assert_allclose(found.score_samples(X), np.log(joint.sum(axis=1)), atol=1e-9)
    assert len(found.to_dict()["bic"]) == 12


@pytest.mark.parametrize("shared", [True, False])
def test_classes_are_chosen_by_cross_validation_in_any_number_of_threads(shared: bool) -> None:
    options = {"shared_family": shared, "criterion": "cv", "n_folds": 3, "random_state": 0}
    one, two = (
        MixtureClassifier([1, 2], ["full", "tied*"], n_jobs=n, **options).fit(X, NAMES)
        for n in (None, 3)
    )
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    families = dict.fromkeys(row.covariance_type for row in one.candidates_)
    assert set(families) == {"full", *(name for name in FAMILIES if name.startswith("tied"))}
    best = min(one.candidates_, key=lambda row: (row.error, row.brier))
    assert one.components_per_class_ == best.components
    assert one.covariance_types_[0] == best.covariance_type
    assert 0.0 < best.error < 0.1
    assert all(0.0 < row.brier < 0.2 for row in one.candidates_)


@pytest.mark.parametrize("kind", [str, int, float, bool, object])
def test_classes_may_be_anything(kind) -> None:
    names = {
        str: np.array(["Ä", "-1", "None"]),
        int: np.array([-1, 5, 10]),
        float: np.array([0.0, 1.0, 2.0]),
        bool: np.array([False, True, True]),
        object: np.array(["a", "b", "c"], dtype=object),
    }[kind]
    y = names[IRIS.target]
    found = MixtureClassifier().fit(X, y)
    np.testing.assert_array_equal(found.classes_, np.unique(y))
    assert found.predict(X).dtype == y.dtype
    assert found.score(X, y) > 0.95
    assert MixtureClassifier().fit(X, y.tolist()).score(X, y.tolist()) > 0.95


@pytest.mark.parametrize("shared", [True, False])
def test_missing_cells_are_integrated_out(shared: bool) -> None:
    x = X.copy()
    x[::5, 2] = np.nan
    x[3] = np.nan
    found = MixtureClassifier(shared_family=shared, inference="ml").fit(x, NAMES)
    np.testing.assert_allclose(found.predict_proba(x[[3]])[0], found.class_prior_, atol=1e-12)
    whole, seen = found.to_mixture(), [0, 1, 3]
    joint = np.array(
        [
            w * multivariate_normal(m[seen], v[np.ix_(seen, seen)]).pdf(x[::5][:, seen])
            for w, m, v in zip(whole.weights_, whole.means_, whole.covariances_, strict=True)
        ]
    ).T
    expected = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.predict_proba(x[::5]), expected, atol=1e-9)
    assert found.score(x, NAMES) > 0.95


@pytest.mark.parametrize("shared", [True, False])
def test_given_probabilities_of_classes_reweight_densities(shared: bool) -> None:
    y, prior = NAMES[:120], np.array([0.2, 0.1, 0.7])
    plain = MixtureClassifier(shared_family=shared).fit(X[:120], y)
    given = MixtureClassifier(shared_family=shared, class_prior=prior).fit(X[:120], y)
    odds = plain.predict_proba(X) * prior / plain.class_prior_
    expected = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(given.predict_proba(X), expected, atol=1e-9)
    by_name = dict(zip(given.classes_, prior, strict=True))
    twin = MixtureClassifier(shared_family=shared, class_prior=by_name).fit(X[:120], y)
    np.testing.assert_allclose(twin.predict_proba(X), given.predict_proba(X), atol=1e-12)
    np.testing.assert_allclose(
        given.to_mixture().score_samples(X), given.score_samples(X), atol=1e-9
    )


def test_a_row_of_weight_two_is_two_rows() -> None:
    weights = np.random.default_rng(0).integers(0, 3, 150)
    for shared in (True, False):
        one = MixtureClassifier(shared_family=shared, inference="ml")
        two = clone(one).fit(np.repeat(X, weights, axis=0), np.repeat(NAMES, weights))
        one.fit(X, NAMES, sample_weight=weights)
        np.testing.assert_allclose(one.predict_proba(X), two.predict_proba(X), atol=1e-9)
        assert one.bic_ == pytest.approx(two.bic_)


def test_pipelines_searches_frames_and_pickles() -> None:
    frame = IRIS.frame().drop(columns="target")
    found = MixtureClassifier().fit(frame, NAMES)
    assert found.feature_names_in_[0] == "sepal_length"
    assert found.mixtures_[0].fit_.feature_names[0] == "sepal_length"
    twin = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(twin.predict(frame), found.predict(frame))
    assert make_pipeline(StandardScaler(), MixtureClassifier()).fit(X, NAMES).score(X, NAMES) > 0.9
    search = GridSearchCV(MixtureClassifier(), {"covariance_type": ["full", "diag"]}, cv=3)
    assert search.fit(X, NAMES).best_params_["covariance_type"] == "full"


def test_a_fit_by_draws_and_rows_with_errors() -> None:
    vb = MixtureClassifier(inference="vb").fit(X, NAMES)
    assert vb.score(X, NAMES) > 0.95
    exact = MixtureClassifier(inference="ml").fit(X, NAMES)
    vague = exact.predict_proba(X, np.full((150, 4), 1e6))
    np.testing.assert_allclose(vague, np.full((150, 3), 1.0 / 3.0), atol=1e-3)


def test_rows_are_drawn_by_class_along_the_directions_that_tell_classes_apart() -> None:
    found = MixtureClassifier({"setosa": 2}, "tied", shared_family=False).fit(X, NAMES)
    axes = found.plot_projection(X, NAMES)
    entries = [text.get_text() for text in axes[0, 1].get_legend().get_texts()]
    assert entries == ["setosa 1", "setosa 2", "versicolor", "virginica"]
    assert axes[1, 0].get_xlabel().startswith("direction 1")
    assert found.plot_projection(X).shape == (2, 2)
    with pytest.raises(InvalidArgumentError, match="none of the classes"):
        found.plot_projection(X, np.where(NAMES == "setosa", "other", NAMES))


@pytest.mark.parametrize(
    "arguments",
    [
        {"components_per_class": 0},
        {"components_per_class": []},
        {"components_per_class": {"other": 2}},
        {"covariance_type": "round"},
        {"covariance_type": []},
        {"criterion": "aic"},
        {"n_folds": 1},
        {"shared_family": 1},
        {"class_prior": [1.0, 2.0]},
        {"class_prior": {"setosa": 1.0}},
        {"class_prior": "flat"},
    ],
)
def test_wrong_arguments_are_named(arguments: dict) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(arguments))):
        MixtureClassifier(**arguments).fit(X, NAMES)


def test_names_that_are_no_parameters_are_explained() -> None:
    with pytest.raises(TypeError, match="covariance_type"):
        MixtureClassifier(modelNames="VVV")  # type: ignore[call-arg]


def test_options_of_priors_are_set_by_name() -> None:
    classifier = MixtureClassifier().set_params(weight_prior__concentration=5.0, n_folds=3)
    assert (classifier.weight_prior.concentration, classifier.n_folds) == (5.0, 3)
    found = clone(classifier).fit(X[:100], NAMES[:100])
    np.testing.assert_allclose(found.class_prior_, 0.5)
    with pytest.raises(ValueError, match="folds"):
        classifier.set_params(folds=3)


def test_warnings_name_the_class() -> None:
    with pytest.warns(DegenerateComponentWarning, match="class 'setosa': component 0"):
        MixtureClassifier({"setosa": 2}, shared_family=False, random_state=0).fit(X, NAMES)


def test_rows_without_a_class_are_told_what_to_do() -> None:
    for missing in (None, np.nan):
        y = NAMES.astype(object)
        y[3] = missing
        with pytest.raises(ValueError, match=r"y has no class in some rows.*labels="):
            MixtureClassifier().fit(X, y)


def test_classes_without_weight_are_named() -> None:
    with pytest.raises(ValueError, match="'setosa' has no row of a weight above zero"):
        MixtureClassifier().fit(X, NAMES, sample_weight=(NAMES != "setosa").astype(float))
