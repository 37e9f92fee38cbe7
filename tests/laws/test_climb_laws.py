"""Laws of the climb: never dearer than EM, and over where nothing is left to gain."""

from dataclasses import replace

import numpy as np
import pytest

from laws.independent import gradient
from laws.running import blobs
from mixtura import MAP, ML, GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.datasets import load_iris
from mixtura.engines import ReferenceEngine
from mixtura.errors import ConvergenceWarning, DegenerateComponentWarning, MixturaWarning
from mixtura.families import FAMILIES
from mixtura.inference.natural_coordinates import NaturalCoordinates
from mixtura.inference.quasi_newton import MOST_EM_STEPS, WATCHED, ClimbProgress
from mixtura.inference.states import evaluate
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.priors import (
    FlatComponents,
    FlatWeights,
    NormalInverseGamma,
    NormalInverseWishart,
)

ENGINE = ReferenceEngine()
SEED = 20_261_127


def groups(n_rows: int, n_features: int, n_groups: int, apart: float) -> np.ndarray:
    """Return rows of groups of random shapes and sizes."""
    rng = np.random.default_rng(SEED)
    shares = rng.dirichlet(np.full(n_groups, 5.0))
    centres = apart * rng.standard_normal((n_groups, n_features))
    of = rng.choice(n_groups, n_rows, p=shares)
    rows = np.empty((n_rows, n_features))
    for k in range(n_groups):
        shape = rng.standard_normal((n_features, n_features)) / np.sqrt(n_features)
        member = of == k
        noise = rng.standard_normal((int(member.sum()), n_features))
        rows[member] = centres[k] + noise @ (shape + 0.3 * np.eye(n_features)).T
    return rows


def spread_prior(rows: np.ndarray, n_components: int, family: str, tightness: float):
    """Return the prior of Fraley and Raftery, its scale times a factor."""
    n_features = rows.shape[1]
    covariance = np.cov(rows.T, bias=True) * tightness / n_components ** (2.0 / n_features)
    mean = rows.mean(axis=0)
    if family == "full":
        return NormalInverseWishart(mean, 0.01, n_features + 2.0, covariance)
    return NormalInverseGamma(mean, 0.01, 0.5 * (n_features + 2.0), 0.5 * np.diag(covariance))


@pytest.mark.filterwarnings("ignore:.*fewer rows than a covariance matrix")
@pytest.mark.parametrize(
    ("sizes", "n_components", "family", "tightness"),
    [
        ((750, 6, 15), 50, "full", 1.0),
        ((750, 6, 15), 50, "full", 0.1),
        ((750, 6, 15), 50, "diag", 1.0),
        ((1500, 8, 30), 40, "full", 1.0),
        ((3000, 4, 30), 100, "diag", 1.0),
    ],
)
def test_many_components_take_no_more_sweeps_than_em(sizes, n_components, family, tightness):
    rows = groups(*sizes, apart=3.0)
    start = rows[np.random.default_rng(SEED).choice(len(rows), n_components, replace=False)]
    fits = [
        GaussianMixtureModel(
            n_components,
            covariance_type=family,
            component_prior=spread_prior(rows, n_components, family, tightness),
            inference=MAP(optimizer=optimizer),
            init=start,
        ).fit(rows)
        for optimizer in ("em", "quasi-newton")
    ]
    em, quasi_newton = fits
    assert quasi_newton.converged_
    assert quasi_newton.n_iter_ <= em.n_iter_
    assert quasi_newton.objective_ >= em.objective_ - 1e-8 * abs(em.objective_)


def compositions(n_parts: int) -> np.ndarray:
    """Return shares that add to one."""
    return np.random.default_rng(SEED).dirichlet(np.arange(2.0, 2.0 + n_parts), 150)


def one_hot() -> np.ndarray:
    """Return a table of which four columns say the same as one column of labels."""
    rng = np.random.default_rng(SEED)
    labels = rng.integers(0, 4, 150)
    return np.hstack(
        [np.eye(4)[labels], rng.standard_normal((150, 2)) + 3.0 * (labels == 0)[:, None]]
    )


def repeated_column() -> np.ndarray:
    """Return two groups in a table whose last column is its first."""
    rows = blobs(np.random.default_rng(SEED), 200, 2, 2)
    return np.hstack([rows, rows[:, :1]])


def tied_rows() -> np.ndarray:
    """Return rows of which fifteen are the same."""
    rows = np.random.default_rng(SEED).standard_normal((100, 2))
    rows[:15] = rows[0]
    return rows


DEGENERATE = {
    "shares of three": (compositions(3), 2, "full"),
    "shares of five": (compositions(5), 3, "full"),
    "shares, tied": (compositions(3), 3, "tied"),
    "one-hot": (one_hot(), 3, "full"),
    "a repeated column": (repeated_column(), 2, "full"),
    "tied rows": (tied_rows(), 4, "full"),
    "tied rows, diag": (tied_rows(), 6, "diag"),
    "more components than rows can carry": (
        np.random.default_rng(SEED).standard_normal((60, 3)),
        12,
        "full",
    ),
    "counts": (np.random.default_rng(SEED).poisson(3.0, (500, 2)).astype(float), 6, "full"),
}


@pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_runs_of_maximum_likelihood_end_and_say_why(name):
    rows, n_components, family = DEGENERATE[name]
    gmm = GaussianMixtureModel(
        n_components, covariance_type=family, inference="ml", init="split"
    ).fit(rows)
    assert gmm.converged_
    assert gmm.n_iter_ < 500
    doubts = gmm.fit_.doubts
    assert any(doubt.category is DegenerateComponentWarning for doubt in doubts)
    assert not any("max_iter" in doubt.message for doubt in doubts)


@pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")
def test_a_degenerate_run_that_meets_the_limit_is_not_told_to_go_on():
    gmm = GaussianMixtureModel(2, inference="ml", init="split", max_iter=2).fit(compositions(3))
    told = [doubt for doubt in gmm.fit_.doubts if doubt.category is ConvergenceWarning]
    assert len(told) == 1
    assert "drop a column" in told[0].message
    assert "max_iter" not in told[0].message


def test_plain_em_ends_too_where_columns_depend_on_each_other():
    with pytest.warns(MixturaWarning):
        gmm = GaussianMixtureModel(2, inference=ML(optimizer="em")).fit(compositions(3))
    assert gmm.converged_
    assert gmm.n_iter_ < 500


@pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")
def test_a_component_without_rows_changes_nothing():
    iris = load_iris().data
    shares = np.zeros((len(iris), 4))
    shares[np.arange(len(iris)), np.repeat(np.arange(3), 50)] = 1.0
    three = GaussianMixtureModel(3, inference="ml", init=shares[:, :3]).fit(iris)
    four = GaussianMixtureModel(4, inference="ml", init=shares).fit(iris)
    assert four.converged_
    assert four.n_iter_ <= three.n_iter_ + 2
    assert four.objective_ == pytest.approx(three.objective_, rel=1e-12)


def at_floor() -> tuple[MixtureModel, MixtureParameters]:
    """Return a model with a wide floor, and parameters of which one lies at it in one direction."""
    floor = np.array([0.5, 1.0, 2.0])
    model = MixtureModel(2, 3, FlatWeights(), FlatComponents(floor), FAMILIES["full"])
    axes = np.linalg.qr(np.random.default_rng(SEED).standard_normal((3, 3)))[0]
    unit = np.sqrt(floor)
    flat = (axes * [1.0, 3.0, 7.0]) @ axes.T * unit[:, None] * unit
    covariances = np.stack([flat, 5.0 * np.eye(3)])
    means = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    return model, MixtureParameters(np.array([0.4, 0.6]), means, covariances)


def test_a_search_holds_what_is_at_the_floor_and_moves_the_rest():
    model, parameters = at_floor()
    coordinates = NaturalCoordinates(model, parameters, np.array([20.0, 30.0]))
    rng = np.random.default_rng(SEED)
    point = rng.standard_normal(coordinates.size)
    moved = coordinates.parameters(point)
    prior = model.component_prior
    assert isinstance(prior, FlatComponents)
    before = prior.in_floor_units(parameters.covariances)
    after = prior.in_floor_units(moved.covariances)
    np.testing.assert_allclose(before[0, 0], 1.0, rtol=1e-12)
    assert np.abs(after[0] - 1.0).min() < 1e-12
    assert np.abs(after[0] / before[0] - 1.0).max() > 0.05
    assert np.abs(after[1] / before[1] - 1.0).min() > 1e-3


def test_gradient_at_the_floor_is_that_of_what_can_move():
    model, parameters = at_floor()
    rows = ArrayRows(blobs(np.random.default_rng(SEED), 60, 3, 2))
    coordinates = NaturalCoordinates(model, parameters, np.array([20.0, 30.0]))
    point = 0.1 * np.random.default_rng(SEED + 1).standard_normal(coordinates.size)

    def objective(where: np.ndarray) -> float:
        return evaluate(model, rows, ENGINE, coordinates.parameters(where)).objective

    there = coordinates.parameters(point)
    statistics = ENGINE.sweep(rows, model.potentials(there), Soft())
    exact = coordinates.gradient(point, there, statistics)
    numerical = gradient(objective, point, np.full(point.size, 1e-2)) / 1e-2
    np.testing.assert_allclose(exact, numerical, atol=1e-8 * np.abs(exact).max())
    held = coordinates.units == 0.0
    assert held.sum() == 3  # the first column of a triangle of three
    assert not exact[held].any()


def test_a_component_that_runs_away_does_not_hold_back_the_others():
    model, parameters = at_floor()
    coordinates = NaturalCoordinates(model, parameters, np.array([20.0, 30.0]))
    move = np.full(coordinates.size, 0.1)
    move[2:5] = 100.0  # means of the first component
    held = coordinates.held(move, 1.0)
    distance = np.abs(held * coordinates.units)
    assert distance.max() == pytest.approx(1.0)
    np.testing.assert_array_equal(held[5:8], move[5:8])
    np.testing.assert_allclose(held[2:5] / held[0], move[2:5] / move[0])


@pytest.mark.parametrize(
    ("ratios", "em_leads"),
    [
        ([0.3, 0.3, 0.3, 0.3], True),  # fast
        ([0.98, 0.98, 0.98, 0.98], False),  # slow, and steady
        ([1.1, 1.1, 1.1, 1.1], False),  # on its way out of a plateau
        ([0.9, 1.4, 0.6, 0.95], True),  # unsteady
    ],
)
def test_em_leads_where_it_is_fast_or_tells_nothing(ratios, em_leads):
    iris = load_iris().data
    gmm = GaussianMixtureModel(2).fit(iris)
    state = evaluate(gmm.fit_.model, ArrayRows(iris), ENGINE, gmm.fit_.parameters)
    gains = tuple(1e-3 * np.cumprod([1.0, *ratios]))
    assert len(gains) == WATCHED
    search = ClimbProgress(state, 10, gains)
    assert search.em_leads == em_leads
    assert ClimbProgress(state, 10, gains[1:]).em_leads
    if ratios[0] != ratios[1]:
        assert not replace(search, em_steps=MOST_EM_STEPS).em_leads
