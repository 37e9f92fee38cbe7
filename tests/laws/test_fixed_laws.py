"""Laws of fixed parameters: they stay, and all others are the best beside them.

Closed forms, Murray's published example and changes of the free parameters are what the answers
are held against.
"""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from laws.independent import log_joint, log_likelihood, reduce_matrices
from laws.running import FREE, blobs
from mixtura import GaussianMixtureModel
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.priors import Independent, InverseGamma, Normal

METHODS = ["map", "ml"]


def rows_of(seed: int = 0, n_rows: int = 200) -> np.ndarray:
    """Return rows of two columns about three centres."""
    return blobs(np.random.default_rng(seed), n_rows, 2, 3, apart=2.0)


def fitted(method: str, rows: Any, n_components: int = 3, **given: Any) -> Any:
    """Return a fit."""
    labels = given.pop("labels", None)
    gmm = GaussianMixtureModel(n_components, inference=method, **({"tol": 1e-12} | given))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gmm.fit(rows, labels=labels)


def covariance_like(family: str, n_components: int = 3) -> Any:
    """Return a covariance as ``fixed`` takes it for a family of two columns."""
    shape = FAMILIES[family].structure(n_components, 2)
    one = {3: [[2.0, 0.5], [0.5, 1.0]], 2: [2.0, 1.0]}[len(shape)]
    value = one if len(shape) == 3 or shape[1] > 1 else 1.5
    return value if shape[0] == 1 else {1: value}


@pytest.mark.parametrize("family", FREE)
def test_about_a_fixed_mean_the_covariance_is_that_of_deviations(family: str) -> None:
    rows = rows_of()
    gmm = fitted("ml", rows, 1, covariance_type=family, fixed={"means": {0: [0.5, -1.0]}})
    apart = rows - [0.5, -1.0]
    structure = FAMILIES[family].structure(1, 2)
    wanted = reduce_matrices((apart.T @ apart)[None], structure) / len(rows)
    wanted = wanted / (2.0 if structure[1:] == (1,) else 1.0)
    assert gmm.fit_.parameters.means.tolist() == [[0.5, -1.0]]
    assert gmm.fit_.parameters.covariances == pytest.approx(wanted, rel=1e-10)


def test_murrays_twelve_points() -> None:
    # Murray (1977): with the mean at zero two maxima, rho = 1/2 and -1/2, variances 8/3.
    gap = np.nan
    rows = np.array(
        [[1, 1], [1, -1], [-1, 1], [-1, -1]]
        + [[2, gap]] * 2 + [[-2, gap]] * 2 + [[gap, 2]] * 2 + [[gap, -2]] * 2
    )  # fmt: skip
    for sign in (1.0, -1.0):
        begin = GaussianMixtureModel.from_parameters(
            [1.0], [[0.0, 0.0]], [[[2.0, 0.3 * sign], [0.3 * sign, 2.0]]]
        )
        gmm = fitted("ml", rows, 1, init=begin, fixed={"means": {0: [0.0, 0.0]}}, max_iter=100_000)
        covariance = gmm.covariances_[0]
        assert np.diag(covariance) == pytest.approx([8.0 / 3.0] * 2, rel=1e-5)
        assert covariance[0, 1] / covariance[0, 0] == pytest.approx(0.5 * sign, abs=1e-4)
        assert gmm.fit_.log_likelihood == pytest.approx(-29.9742864105, abs=1e-8)


@pytest.mark.parametrize("kinds", ["means", "covariances", "weights", "all"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FREE)
def test_what_is_free_is_the_best_beside_what_is_fixed(
    family: str, method: str, kinds: str
) -> None:
    rows = rows_of(1)
    given: dict[str, Any] = {
        "means": {0: [0.5, 0.2]},
        "covariances": covariance_like(family),
        "weights": {2: 0.3},
    }
    given = given if kinds == "all" else {kinds: given[kinds]}
    gmm = fitted(method, rows, covariance_type=family, fixed=given, max_iter=5000)
    model, found = gmm.fit_.model, gmm.fit_.parameters
    assert model.fixed is not None
    has = (model.fixed.has_weight, model.fixed.has_mean, model.fixed.has_covariance)
    if "means" in given:
        assert found.means[0].tolist() == [0.5, 0.2]
    if "weights" in given:
        assert found.weights[2] == 0.3
    assert found.weights.sum() == pytest.approx(1.0, rel=1e-14)
    if "covariances" in given:
        own = found.covariances[0 if len(found.covariances) == 1 else 1]
        value = given["covariances"]
        wanted = np.ravel(value.get(1) if isinstance(value, dict) else value)
        assert np.ravel(own) == pytest.approx(wanted, rel=1e-14)
    joint = log_joint if method == "map" else None

    def objective(parameters: Any) -> float:
        if joint is None:
            return log_likelihood(rows, parameters)
        priors = (model.weight_prior, model.component_prior)
        return log_likelihood(rows, parameters) + sum(
            (
                float(priors[0].log_density(parameters.weights)),
                float(priors[1].log_density(parameters.means, parameters.covariances)),
            )
        )

    best, step = objective(found), 1e-3
    assert gmm.objective_ == pytest.approx(best, rel=1e-10)
    for sign in (-step, step):
        for k in range(3):
            if not has[1][k]:
                for d in range(2):
                    means = found.means.copy()
                    means[k, d] += sign
                    assert objective(replace(found, means=means)) < best
            if len(has[2]) > k and not has[2][k]:
                covariances = found.covariances.copy()
                covariances[k] *= 1.0 + sign
                assert objective(replace(found, covariances=covariances)) < best
        free = np.flatnonzero(~has[0])
        weights = found.weights.copy()
        weights[free[0]] += sign * 0.1
        weights[free[1]] -= sign * 0.1
        assert objective(replace(found, weights=weights)) < best
    assert (np.diff(gmm.objective_history_) > -1e-8).all()


def test_fixed_numbers_are_no_free_parameters() -> None:
    rows = rows_of(2)
    number = fitted("ml", rows).fit_.model.n_parameters
    for given, less in (
        ({"means": {0: [0.0, 0.0]}}, 2),
        ({"covariances": {0: np.eye(2)}}, 3),
        ({"weights": {0: 0.2}}, 1),
        ({"weights": {0: 0.2, 1: 0.3, 2: 0.5}}, 2),
    ):
        assert fitted("ml", rows, fixed=given).fit_.model.n_parameters == number - less


def test_units_names_and_labels() -> None:
    rows = rows_of(3)
    names = np.array([None] * 200, dtype=object)
    names[:20] = "star"
    given = {"means": {"star": [0.5, 0.2]}}
    gmm = fitted("map", rows, labels=names, fixed=given)
    assert gmm.means_[0].tolist() == [0.5, 0.2]
    large = fitted("ml", rows * 2.0**300, fixed={"means": {0: np.array([0.5, 0.2]) * 2.0**300}})
    plain = fitted("ml", rows, fixed={"means": {0: [0.5, 0.2]}})
    assert large.means_ * 2.0**-300 == pytest.approx(plain.means_, rel=1e-6)


@pytest.mark.parametrize("method", ["vb", "gibbs", "collapsed", "svi", "nuts"])
def test_methods_without_fixed_parameters_say_so(method: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"'{method}' takes no fixed parameters"):
        GaussianMixtureModel(2, inference=method, fixed={"means": {0: [0.0, 0.0]}}).fit(rows_of())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mean": {0: [0.0, 0.0]}}, "alone; got 'mean'"),
        ({"means": {3: [0.0, 0.0]}}, "components are 0 to 2"),
        ({"means": {0: [0.0]}}, "shape"),
        ({"means": [0.0, 0.0]}, "mapping from components"),
        ({"weights": {0: 0.7, 1: 0.7}}, "add to at most 1"),
        ({"covariances": {0: [[1.0, 2.0], [2.0, 1.0]]}}, "positive definite"),
        ({"covariances": {0: [[1.0, 2.0], [0.0, 1.0]]}}, "symmetric"),
    ],
)
def test_what_cannot_be_fixed_is_one_clear_error(given: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        GaussianMixtureModel(3, fixed=given).fit(rows_of())


def test_priors_whose_means_depend_on_covariances_are_refused() -> None:
    prior = Independent(Normal(), scale=InverseGamma())
    gmm = GaussianMixtureModel(
        2, covariance_type="diag", component_prior=prior, fixed={"means": {0: [0.0, 0.0]}}
    )
    with pytest.raises(InvalidArgumentError, match="Independent"):
        gmm.fit(rows_of())


@pytest.mark.parametrize("size", [1e100, 1e200])
def test_fixed_means_of_any_size_are_taken_or_refused(size: float) -> None:
    rows = np.random.default_rng(0).standard_normal((20, 2))
    gmm = GaussianMixtureModel(2, fixed={"means": {0: [size, 0.0]}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            gmm.fit(rows)
        except InvalidArgumentError as error:
            assert "fixed mean of 0" in str(error)  # noqa: PT017
        else:
            assert gmm.means_[0, 0] == size
