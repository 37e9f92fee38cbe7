"""Laws of the search: its gradient is that of the objective, its optimum is EM's."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from laws.independent import gradient
from laws.running import blobs, random_parameters
from mixtura import MAP, ML, GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.datasets import load_iris
from mixtura.engines import ReferenceEngine
from mixtura.errors import InvalidArgumentError
from mixtura.inference.natural_coordinates import NaturalCoordinates
from mixtura.inference.quasi_newton import PATIENCE, ClimbProgress, QuasiNewton
from mixtura.inference.states import evaluate
from mixtura.messages.assignments import Soft
from mixtura.model import MixtureModel
from mixtura.priors import Dirichlet, FlatComponents, FlatWeights, Independent, LogNormal, Normal

ENGINE = ReferenceEngine()
SEED = 20_240_229


def as_model(case: Any) -> MixtureModel:
    flat = isinstance(case.prior, FlatComponents)
    weights = FlatWeights() if flat else Dirichlet(np.linspace(1.5, 3.0, case.n_components))
    return MixtureModel(case.n_components, case.n_features, weights, case.prior, case.family)


def test_gradient_by_fishers_identity_is_the_gradient_of_the_log_joint(component_case):
    """One sweep's statistics give what a numerical derivative of many sweeps gives."""
    rng = np.random.default_rng(SEED)
    model = as_model(component_case)
    sizes = (model.n_components, model.n_features)
    rows = ArrayRows(blobs(rng, 40, sizes[1], sizes[0]), rng.uniform(0.2, 2.0, 40))
    reference = random_parameters(rng, model.family, *sizes)
    coordinates = NaturalCoordinates(model, reference, rng.uniform(5.0, 20.0, sizes[0]))
    point = 0.3 * rng.standard_normal(coordinates.size)

    def objective(where: np.ndarray) -> float:
        return evaluate(model, rows, ENGINE, coordinates.parameters(where)).objective

    parameters = coordinates.parameters(point)
    statistics = ENGINE.sweep(rows, model.potentials(parameters), Soft())
    exact = coordinates.gradient(point, parameters, statistics)
    numerical = gradient(objective, point, np.full(point.size, 1e-2)) / 1e-2
    if model.component_prior.fixes_covariances:  # what is known is not moved
        free = sizes[0] * (1 + sizes[1])
        assert not exact[free:].any()
        exact, numerical = exact[:free], numerical[:free]
    np.testing.assert_allclose(exact, numerical, atol=1e-9 * np.abs(exact).max())


def test_gradient_does_not_depend_on_the_statistics_pivot(component_case):
    rng = np.random.default_rng(SEED)
    model = as_model(component_case)
    sizes = (model.n_components, model.n_features)
    rows = ArrayRows(blobs(rng, 40, sizes[1], sizes[0]))
    parameters = random_parameters(rng, model.family, *sizes)
    potentials = model.potentials(parameters)
    statistics = ENGINE.sweep(rows, potentials, Soft())
    coordinates = NaturalCoordinates(model, parameters, statistics.count)
    elsewhere = statistics.about(statistics.pivot + rng.standard_normal(sizes))
    point = np.zeros(coordinates.size)
    np.testing.assert_allclose(
        coordinates.gradient(point, parameters, elsewhere),
        coordinates.gradient(point, parameters, statistics),
        atol=1e-10,
    )


@pytest.mark.parametrize("method", [MAP, ML])
def test_quasi_newton_ends_where_em_ends(family, method):
    iris = load_iris().data
    fits = [
        GaussianMixtureModel(
            3,
            covariance_type=family.name,
            inference=method(optimizer=optimizer),
            init="split",
            tol=0.0,
        ).fit(iris)
        for optimizer in ("em", "quasi-newton")
    ]
    em, quasi_newton = fits
    assert quasi_newton.objective_ == pytest.approx(em.objective_, rel=1e-12)
    np.testing.assert_allclose(quasi_newton.means_, em.means_, rtol=1e-8)
    np.testing.assert_allclose(quasi_newton.scales_, em.scales_, rtol=1e-8)
    np.testing.assert_allclose(quasi_newton.weights_, em.weights_, atol=1e-8)
    assert quasi_newton.converged_
    assert quasi_newton.n_iter_ <= em.n_iter_


@pytest.mark.parametrize(
    "prior",
    [
        Independent(Normal(0.0, 10.0), scale=LogNormal(0.0, 1.0)),
        Independent(Normal(0.0, 0.5), variance=LogNormal(0.0, 0.2)),
    ],
)
def test_quasi_newton_ends_where_em_ends_under_independent_priors(prior):
    model = GaussianMixtureModel(2, covariance_type="diag", component_prior=prior, tol=0.0)
    iris = load_iris().data
    quasi_newton = model.fit(iris).means_
    em = model.set_params(inference=MAP(optimizer="em")).fit(iris).means_
    np.testing.assert_allclose(quasi_newton, em, rtol=1e-7)


def test_overlapping_components_need_few_sweeps_and_end_at_a_stationary_point():
    """Two components 1.5 standard deviations apart: EM's steps shrink by less than 1 % a sweep."""
    rng = np.random.default_rng(SEED)
    rows = rng.standard_normal((4000, 1)) + 1.5 * (rng.random((4000, 1)) < 0.5)
    gmm = GaussianMixtureModel(2, inference="ml", tol=0.0).fit(rows)
    assert gmm.converged_
    assert gmm.n_iter_ < 100
    model, parameters = gmm.fit_.model, gmm.fit_.parameters
    state = evaluate(model, ArrayRows(rows), ENGINE, parameters)
    coordinates = NaturalCoordinates(model, parameters, state.statistics.count)
    slope = coordinates.gradient(np.zeros(coordinates.size), parameters, state.statistics)
    # In units of one standard error of each parameter.
    assert np.abs(slope).max() < 1e-7


def test_objective_never_decreases_on_the_way(family):
    rng = np.random.default_rng(SEED)
    rows = blobs(rng, 300, 3, 4, apart=1.0)
    gmm = GaussianMixtureModel(4, covariance_type=family.name).fit(rows)
    history = gmm.objective_history_
    assert (np.diff(history) >= -1e-13 * np.abs(history[1:])).all()


def test_steps_that_gain_only_rounding_are_counted_and_end_the_search():
    """A search that stands at one state gains nothing; patience, not distance, must end it."""
    iris = load_iris().data
    gmm = GaussianMixtureModel(2).fit(iris)
    model = gmm.fit_.model
    state = evaluate(model, ArrayRows(iris), ENGINE, gmm.fit_.parameters)
    elsewhere = replace(gmm.fit_.parameters, means=gmm.means_ + 0.5)
    far = replace(state, parameters=elsewhere)
    search = ClimbProgress(state)
    for number in range(1, PATIENCE + 1):
        previous, search = search, search.followed_by(far if number % 2 else state, 0, None)
        assert search.idle == number
        assert QuasiNewton().settled(previous, search, 1e-10) == (number == PATIENCE)
    gained = replace(state, objective=state.objective + 1.0)
    assert search.followed_by(gained, 0, None).idle == 0


def test_unknown_optimizers_are_refused():
    with pytest.raises(InvalidArgumentError, match="optimizer must be 'quasi-newton', 'em'"):
        GaussianMixtureModel(inference=replace(MAP(), optimizer="adam")).fit([[1.0], [2.0]])
