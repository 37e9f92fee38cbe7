"""Maximum likelihood against published values, values computed elsewhere, and scikit-learn.

Constants are from ``shared/references/values.json`` of the project (the key is named); "computed"
there means by scikit-learn at tight tolerance. Its BIC is 2 log L - df log N, larger is better;
ours is scikit-learn's, of the other sign.
"""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris as sklearn_load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from laws.independent import as_matrices
from laws.running import blobs, elicited, random_parameters, run
from mixtura.data import ArrayRows
from mixtura.datasets import load_faithful, load_iris
from mixtura.diagnostics.information_criteria import aic, assignment_entropy, bic, icl
from mixtura.engines import Engine, ReferenceEngine
from mixtura.families import FAMILIES
from mixtura.fit import Fit
from mixtura.inference import ML
from mixtura.inference.starts import INITIALIZERS
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.posteriors import PointPosterior

PETALS = load_iris().column("petal_length")
FAITHFUL = load_faithful().data
HALF = 0.51
"""Of the last digit given: what rounding leaves open."""


def fit_ml(rows: np.ndarray, family: str, K: int, start: str, n_starts: int | None = None) -> Fit:
    n_starts = INITIALIZERS[start].default_starts if n_starts is None else n_starts
    model = elicited(FAMILIES[family], rows, K, ML())
    return run(model, rows, ML(), start, n_starts=n_starts)


def bic_of(fit: Fit) -> float:
    return -bic(fit.log_likelihood, fit.model.n_parameters, fit.n_rows)


def test_iris_is_scikit_learns() -> None:
    np.testing.assert_array_equal(load_iris().data, sklearn_load_iris().data)


# iris_petal_length_ml: family, K, log likelihood, BIC (five and four decimals). The parameters
# there are scikit-learn's at its tolerance, up to 1.2e-5 beside the optimum (K3_equal: weights
# 0.40793, 0.2571); these are of EM in 80-bit long double, from there until nothing changed by
# 1e-17.
IRIS: dict[str, tuple[Any, ...]] = {
    "K1": ("full", 1, -297.58705, -605.1954, None, None, None),
    "K2_unequal": (
        "full",
        2,
        -200.57876,
        -426.2107,
        [0.33311093696549, 0.66688906303451],
        [1.4617497868813, 4.90497646489906],
        [0.1716565841502, 0.82321767321699],
    ),
    "K2_equal": (
        "tied",
        2,
        -248.23636,
        -516.5153,
        [0.342404042728, 0.657595957272],
        [1.50757078337454, 4.92977737047283],
        [0.67712675089237],
    ),
    "K3_equal": (
        "tied",
        3,
        -230.52113,
        -491.1061,
        [0.3349733942475, 0.40791862498716, 0.25710798076534],
        [1.46956947353743, 4.40673266985595, 5.71022723457572],
        [0.43556151455873],
    ),
}
PUBLISHED_PARAMETERS = {
    "K2_unequal": ([0.33311, 0.66689], [1.46175, 4.90498], [0.17166, 0.82322]),
    "K2_equal": ([0.3424, 0.6576], [1.50757, 4.92978], [0.67713]),
    "K3_equal": ([0.33497, 0.40793, 0.2571], [1.46957, 4.40674, 5.71025], [0.43556]),
}
"""As in values.json, five decimals."""


@pytest.mark.parametrize("key", IRIS)
@pytest.mark.parametrize("start", sorted(INITIALIZERS))
def test_iris_petal_lengths(key: str, start: str) -> None:
    family, K, log_likelihood, bic, weights, means, deviations = IRIS[key]
    for name in (family, {"full": "spherical", "tied": "tied_diag"}[family]):
        fit = fit_ml(PETALS, name, K, start)
        assert fit.log_likelihood == pytest.approx(log_likelihood, abs=HALF * 1e-5)
        assert bic_of(fit) == pytest.approx(bic, abs=HALF * 1e-4)
        if weights is None:
            continue
        deviations_found = np.sqrt(fit.parameters.covariances.ravel())
        parts = (fit.parameters.weights, fit.parameters.means[:, 0], deviations_found)
        for found, exact in zip(parts, (weights, means, deviations), strict=True):
            np.testing.assert_allclose(found, exact, rtol=0, atol=1e-8)
        for found, given in zip(parts, PUBLISHED_PARAMETERS[key], strict=True):
            np.testing.assert_allclose(found, given, rtol=0, atol=2.5e-5)


def test_three_unequal_components_of_iris_collapse_on_ties() -> None:
    # iris_petal_length_ml.K3_unequal: the likelihood is unbounded; the fit says so.
    fit = fit_ml(PETALS, "full", 3, "random", 30)
    assert fit.parameters.is_finite()
    assert np.isfinite(fit.objective)
    assert any("collapsed" in doubt.message for doubt in fit.doubts)


@pytest.mark.parametrize("start", sorted(INITIALIZERS))
def test_faithful_waiting(start: str) -> None:
    # faithful_waiting_ml, eight decimals. Its parameters are up to 6e-6 beside the optimum, where
    # the log likelihood is the same to ten digits; the second triples are of EM in 80-bit long
    # double, from there until nothing changed by 1e-17.
    waiting = FAITHFUL[:, 1:]
    for family, log_likelihood, given, exact in (
        (
            "full",
            -1034.00174983,
            ([0.36088624, 0.63911376], [54.61486172, 80.09107294], [5.87122419, 5.86773089]),
            (
                [0.36088607379017, 0.63911392620983],
                [54.61485614062294, 80.09106940273364],
                [5.87121941222448, 5.86773442370771],
            ),
        ),
        (
            "tied",
            -1034.00176036,
            ([0.36084945, 0.63915055], [54.61362665, 80.09030385], [5.86909134]),
            (
                [0.36084944268574, 0.63915055731426],
                [54.61362633687798, 80.09030362411258],
                [5.86909139776656],
            ),
        ),
    ):
        fit = fit_ml(waiting, family, 2, start)
        assert fit.log_likelihood == pytest.approx(log_likelihood, abs=HALF * 1e-8)
        deviations = np.sqrt(fit.parameters.covariances.ravel())
        parts = (fit.parameters.weights, fit.parameters.means[:, 0], deviations)
        for found, there, here in zip(parts, given, exact, strict=True):
            np.testing.assert_allclose(found, there, rtol=0, atol=1e-5)
            np.testing.assert_allclose(found, here, rtol=0, atol=1e-7)


# faithful_2d.computed, under mclust's names: log likelihood (digits given) and BIC.
FAITHFUL_2D = {
    "EEE,3": ("tied", 3, -1126.3159, 1e-4, -2314.2957),
    "VVV,2": ("full", 2, -1130.264, 1e-3, -2322.1917),
    "EEE,2": ("tied", 2, -1140.1868, 1e-4, -2325.2199),
}


@pytest.mark.parametrize("key", FAITHFUL_2D)
@pytest.mark.parametrize(("start", "n_starts"), [("quantile", 4), ("kmeans", 4), ("random", 10)])
def test_faithful_in_two_dimensions(key: str, start: str, n_starts: int) -> None:
    family, K, log_likelihood, digit, bic = FAITHFUL_2D[key]
    fit = fit_ml(FAITHFUL, family, K, start, n_starts)
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=HALF * digit)
    assert bic_of(fit) == pytest.approx(bic, abs=HALF * 1e-4)


def test_mclusts_published_model_of_faithful() -> None:
    # faithful_2d.published_mclust, EEE,3: df 11, log likelihood -1126.326, BIC -2314.316, ICL
    # -2357.824, printed by mclust, which stops at a tolerance of 1e-5; the optimum is higher.
    fit = fit_ml(FAITHFUL, "tied", 3, "kmeans")
    assert fit.model.n_parameters == 11
    assert -1126.326 < fit.log_likelihood < -1126.326 + 0.02
    assert bic_of(fit) == pytest.approx(-2314.316, abs=0.03)
    shares = fit.posterior.responsibilities(ArrayRows(FAITHFUL), ReferenceEngine())
    # mclust's ICL has the log of the largest responsibility in place of the entropy: a lower
    # penalty, BIC + 2 sum log max (Scrucca et al. 2016). Ours is Biernacki's, with the entropy.
    # At mclust's point it is 0.57 higher than at the optimum.
    hard = bic_of(fit) + 2.0 * np.log(shares.max(axis=1)).sum()
    assert hard == pytest.approx(-2357.824, abs=0.6)
    ours = icl(fit.log_likelihood, 11, 272, assignment_entropy(shares))
    assert -ours < hard
    assert -ours == pytest.approx(
        bic_of(fit) + 2.0 * np.sum(shares * np.log(np.maximum(shares, 1e-300))), rel=1e-12
    )


# --------------------------------------------------------------------------------- scikit-learn

SHARED_FAMILIES = ["full", "tied", "diag", "spherical"]


def as_scikit_learn(parameters: MixtureParameters, family: str) -> Any:
    """Return scikit-learn's estimator with the parameters set by hand."""
    K, D = parameters.means.shape
    theirs = GaussianMixture(K, covariance_type=family)
    theirs.weights_, theirs.means_ = parameters.weights, parameters.means
    theirs.covariances_ = FAMILIES[family].public(parameters.covariances)
    matrices = as_matrices(parameters.covariances, K, D)
    if family == "full":
        factors = np.array([np.linalg.cholesky(np.linalg.inv(m)) for m in matrices])
    elif family == "tied":
        factors = np.linalg.cholesky(np.linalg.inv(matrices[0]))
    else:
        factors = 1.0 / np.sqrt(theirs.covariances_)
    theirs.precisions_cholesky_ = factors
    return theirs


@pytest.mark.parametrize("family", SHARED_FAMILIES)
@pytest.mark.parametrize("D", [1, 2, 5])
def test_densities_and_responsibilities_equal_scikit_learns(
    family: str, D: int, engine: Engine
) -> None:
    rng = np.random.default_rng(D)
    parameters = random_parameters(rng, FAMILIES[family], 3, D)
    rows = 3.0 * rng.standard_normal((200, D))
    theirs = as_scikit_learn(parameters, family)
    ours, data = PointPosterior(parameters, FAMILIES[family]), ArrayRows(rows)
    np.testing.assert_allclose(
        ours.log_predictive(data, engine), theirs.score_samples(rows), rtol=1e-10
    )
    np.testing.assert_allclose(
        ours.responsibilities(data, engine), theirs.predict_proba(rows), rtol=1e-9, atol=1e-14
    )
    np.testing.assert_array_equal(ours.labels(data, engine), theirs.predict(rows))
    model = elicited(FAMILIES[family], rows, 3, ML())
    assert model.n_parameters == theirs._n_parameters()
    log_likelihood = float(ours.log_predictive(data, engine).sum())
    assert bic(log_likelihood, model.n_parameters, 200) == pytest.approx(
        theirs.bic(rows), rel=1e-12
    )
    assert aic(log_likelihood, model.n_parameters) == pytest.approx(theirs.aic(rows), rel=1e-12)


@pytest.mark.parametrize("family", SHARED_FAMILIES)
@pytest.mark.parametrize("D", [1, 3])
def test_one_iteration_equals_scikit_learns(family: str, D: int, engine: Engine) -> None:
    rows = blobs(np.random.default_rng(41), 120, D, 3)
    begin = random_parameters(np.random.default_rng(42), FAMILIES[family], 3, D, scale=2.0)
    precisions = np.linalg.inv(as_matrices(begin.covariances, 3, D))
    if family == "tied":
        precisions = precisions[0]
    elif family == "diag":
        precisions = 1.0 / begin.covariances
    elif family == "spherical":
        precisions = 1.0 / begin.covariances[:, 0]
    theirs = GaussianMixture(
        3,
        covariance_type=family,
        max_iter=1,
        tol=0.0,
        reg_covar=0.0,
        weights_init=begin.weights,
        means_init=begin.means,
        precisions_init=precisions,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # one iteration is what is wanted
        theirs.fit(rows)
    model = elicited(FAMILIES[family], rows, 3, ML())
    # With one feature "full" may be another family of the same numbers; shapes are the model's.
    shaped = MixtureParameters(
        begin.weights, begin.means, begin.covariances.reshape(model.structure)
    )
    statistics = engine.sweep(ArrayRows(rows), model.potentials(shaped), Soft())
    ours = model.mode(statistics)
    assert statistics.log_normalizer / 120 == pytest.approx(theirs.lower_bound_, rel=1e-10)
    np.testing.assert_allclose(ours.weights, theirs.weights_, rtol=1e-10)
    np.testing.assert_allclose(ours.means, theirs.means_, rtol=1e-10, atol=1e-12)
    covariances = model.family.public(ours.covariances)
    np.testing.assert_allclose(covariances, theirs.covariances_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", SHARED_FAMILIES)
def test_both_end_in_the_same_optimum_of_iris(family: str) -> None:
    rows = sklearn_load_iris().data
    fit = run(elicited(FAMILIES[family], rows, 3, ML()), rows, ML(), "kmeans", n_starts=4)
    found = fit.parameters
    matrices = as_matrices(found.covariances, 3, 4)
    precisions: Any = np.linalg.inv(matrices)
    precisions = {
        "full": precisions,
        "tied": precisions[0],
        "diag": np.einsum("kdd->kd", precisions),
        "spherical": precisions[:, 0, 0],
    }[family]
    theirs = GaussianMixture(
        3,
        covariance_type=family,
        max_iter=5000,
        tol=1e-13,
        reg_covar=0.0,
        weights_init=found.weights,
        means_init=found.means,
        precisions_init=precisions,
    ).fit(rows)
    # Their EM, begun where ours ended, finds nothing better and stays.
    assert theirs.score(rows) * 150 == pytest.approx(fit.log_likelihood, rel=1e-10)
    np.testing.assert_allclose(theirs.means_, found.means, rtol=1e-6)
    np.testing.assert_allclose(theirs.weights_, found.weights, rtol=1e-6)
