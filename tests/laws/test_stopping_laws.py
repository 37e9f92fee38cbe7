"""Laws of the end of a run: what is left to gain is at most about ``tol``, and nobody stops early.

What is left is the objective of the same run driven on to the last digit, less that where it
stopped.
"""

import math
import warnings
from typing import Any

import numpy as np
import pytest

from laws.running import FREE, blobs, elicited, random_parameters, run
from mixtura import MAP, ML, VB, GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.engines import ENGINES
from mixtura.errors import ConvergenceWarning
from mixtura.families import FAMILIES
from mixtura.fit import Fit, Inference
from mixtura.inference.natural_coordinates import NaturalCoordinates
from mixtura.inference.states import evaluate
from mixtura.inference.stopping import (
    CAUTION,
    COMPARED,
    DEFAULT_TOL,
    left_to_ascent,
    left_to_model,
    squared_length,
)
from mixtura.messages.parameters import MixtureParameters
from mixtura.priors import Dirichlet, DirichletProcess

SEED = 20_261_127
ENGINE = ENGINES["native"](1) if "native" in ENGINES else ENGINES["reference"]()
METHODS: dict[str, Inference] = {
    "map": MAP(),
    "ml": ML(),
    "map by EM": MAP(optimizer="em"),
    "ml by EM": ML(optimizer="em"),
    "vb": VB(),
    "map by minibatches": MAP(batch_size=200),
}
FEW = 5.0
"""How many times ``tol`` may be left: docs/model.md says what was measured."""


def left(model: Any, rows: np.ndarray, method: Inference, tol: float, **options: Any) -> float:
    """Return what a run that stops has left to gain, in nats; nothing is merged where it ends."""
    options = {"keep_numbering": True, **options}
    ends = [
        run(model, rows, method, engine=ENGINE, tol=limit, max_iter=100_000, **options)
        for limit in (tol, 0.0)
    ]
    assert all(end.runs[0].converged for end in ends)
    assert len(ends[0].runs[0].objectives) <= len(ends[1].runs[0].objectives)
    assert_same_way(*ends)
    return ends[1].objective - ends[0].objective


def assert_same_way(stopped: Fit, driven: Fit) -> None:
    """Assert that a run stopped on the way of one that was driven to the end."""
    way = stopped.runs[0].objectives
    np.testing.assert_allclose(way, driven.runs[0].objectives[: len(way)], rtol=1e-12)


# ------------------------------------------------------------------------------- the prediction


def divergence(one: MixtureParameters, other: MixtureParameters, count: np.ndarray) -> float:
    """Return the Kullback-Leibler divergence of complete data, rows with their components."""
    K, D = one.means.shape

    def matrices(covariances: np.ndarray) -> np.ndarray:
        if covariances.ndim == 2:
            variances = np.broadcast_to(covariances, (len(covariances), D))
            covariances = variances[:, :, None] * np.eye(D)
        return np.broadcast_to(covariances, (K, D, D))

    total = 0.0
    pairs = zip(matrices(one.covariances), matrices(other.covariances), strict=True)
    for k, (first, second) in enumerate(pairs):
        move = one.means[k] - other.means[k]
        inverse = np.linalg.inv(second)
        logs = np.linalg.slogdet(second)[1] - np.linalg.slogdet(first)[1]
        total += 0.5 * count[k] * (np.trace(inverse @ first) - D + move @ inverse @ move + logs)
    return total + count.sum() * float(one.weights @ np.log(one.weights / other.weights))


@pytest.mark.parametrize("family_name", FREE)
def test_squared_lengths_are_twice_the_divergence_of_complete_data(family_name: str) -> None:
    """To second order; with as many rows of a component as its weight says."""
    rng = np.random.default_rng(SEED)
    family = FAMILIES[family_name]
    ratios = []
    new, far = (random_parameters(rng, family, 3, 4) for _ in range(2))
    count = 500.0 * new.weights
    for share in (1e-3, 1e-4):
        parts = (
            getattr(new, name) + share * (getattr(far, name) - getattr(new, name))
            for name in ("weights", "means", "covariances")
        )
        old = MixtureParameters(*parts)
        ratios.append(squared_length(old, new, count) / (2.0 * divergence(new, old, count)))
    assert abs(ratios[1] - 1.0) < 1e-3
    assert abs(ratios[1] - 1.0) < 0.2 * abs(ratios[0] - 1.0) + 1e-5


@pytest.mark.parametrize("rate", [0.01, 0.5, 0.9, 0.999, 0.99999])
def test_geometric_ascent_is_predicted_exactly(rate: float) -> None:
    """A quadratic objective in one direction, its curvature 1 - rate of the complete data's."""
    error = 3.0 * rate ** np.arange(COMPARED + 1)
    left_over = 0.5 * (1.0 - rate) * error**2
    gain = left_over[-2] - left_over[-1]
    lengths = tuple(np.diff(error) ** 2)
    for lowest in (0.0, 1e9):  # whether the gain can be told from rounding, or not
        found = left_to_ascent(gain, lengths, lowest)
        assert found == pytest.approx(left_over[-1], rel=1e-4)


def test_nothing_is_predicted_where_steps_do_not_shrink() -> None:
    assert left_to_ascent(1e-12, (1e-12,) * COMPARED, 0.0) == math.inf
    assert left_to_ascent(1e-12, (1e-12, 1e-13, 1.1e-13, 1e-14), 0.0) == math.inf
    assert left_to_ascent(1e-12, (1e-13, 1e-14, 1e-15), 0.0) == math.inf
    assert left_to_ascent(1e-12, (1e-12, 1e-13, 1e-14, math.nan), 0.0) == math.inf
    assert not left_to_model(1e-9, math.nan, 0.0) <= 1.0
    assert left_to_model(3e-9, 1e-9, 1e-9) == pytest.approx(2e-9 + CAUTION * 1e-9)


def test_a_run_that_leaves_a_saddle_does_not_stop_at_it() -> None:
    """Two components that begin a hair apart: gains far below tol, each larger than the last."""
    rng = np.random.default_rng(SEED)
    rows = rng.standard_normal((600, 2))
    rows[:300, 0] -= 3.0
    rows[300:, 0] += 3.0
    shares = np.full((600, 2), 0.5)
    shares[:, 0] += 1e-6 * np.sign(rows[:, 0])
    shares[:, 1] = 1.0 - shares[:, 0]
    for method in (ML(), ML(optimizer="em"), MAP(), VB()):
        model = elicited(FAMILIES["spherical"], rows, 2, method)
        fit = run(model, rows, method, shares, engine=ENGINE, tol=DEFAULT_TOL)
        history = np.array(fit.runs[0].objectives)
        assert history[2] - history[1] < DEFAULT_TOL
        assert fit.objective > history[1] + 100.0


# ------------------------------------------------------------------------------- random tables


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("family_name", FREE)
def test_at_most_a_few_tol_are_left(family_name: str, name: str) -> None:
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(4):
        n_features, n_groups = int(rng.integers(1, 5)), int(rng.integers(2, 5))
        rows = blobs(rng, int(rng.integers(60, 800)), n_features, n_groups, rng.uniform(0.5, 2.5))
        model = elicited(FAMILIES[family_name], rows, n_groups, METHODS[name])
        found.append(left(model, rows, METHODS[name], DEFAULT_TOL))
    assert max(found) < FEW * DEFAULT_TOL
    assert min(found) > -1e-9


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("name", list(METHODS))
def test_any_tol_is_kept(name: str, tol: float) -> None:
    # Nearer groups have plateaus, on which a component slowly dies out: .01 nats may end there.
    rows = blobs(np.random.default_rng(SEED), 400, 2, 3, 2.0)
    model = elicited(FAMILIES["full"], rows, 3, METHODS[name])
    assert left(model, rows, METHODS[name], tol) < FEW * tol


# ----------------------------------------------------------------------------------- slow cases


def pair(n_rows: int, n_features: int = 1, apart: float = 1.0) -> np.ndarray:
    """Return rows of two standard normal groups, a third of them in the first."""
    rng = np.random.default_rng(SEED)
    rows = rng.standard_normal((n_rows, n_features))
    rows[: n_rows // 3] += apart / math.sqrt(n_features)
    return rows


@pytest.mark.parametrize("family_name", ["full", "tied"])
@pytest.mark.parametrize("name", ["map", "ml", "map by EM", "ml by EM", "vb"])
def test_two_groups_one_deviation_apart(family_name: str, name: str) -> None:
    """EM's rate is .999 and more here: its last gain says next to nothing of what is left."""
    rows = pair(10_000 if name != "vb" else 1_000)
    model = elicited(FAMILIES[family_name], rows, 2, METHODS[name])
    assert left(model, rows, METHODS[name], DEFAULT_TOL) < FEW * DEFAULT_TOL


def test_many_features_and_few_rows() -> None:
    rows = pair(600, 20, 4.0)
    for name in ("map", "map by EM", "vb"):
        model = elicited(FAMILIES["full"], rows, 3, METHODS[name])
        assert left(model, rows, METHODS[name], DEFAULT_TOL) < FEW * DEFAULT_TOL


@pytest.mark.parametrize("name", ["map", "ml", "map by EM", "ml by EM", "vb"])
def test_components_that_are_not_needed_empty_slowly(name: str) -> None:
    rows = pair(500, 2, 0.0)
    model = elicited(FAMILIES["spherical"], rows, 4, METHODS[name])
    assert left(model, rows, METHODS[name], DEFAULT_TOL) < FEW * DEFAULT_TOL


def test_stick_breaking() -> None:
    rows = blobs(np.random.default_rng(SEED), 300, 2, 3, 1.5)
    for weights in (DirichletProcess(1.0), DirichletProcess(5.0)):
        ends = [
            GaussianMixtureModel(8, weight_prior=weights, inference="vb", tol=tol).fit(rows)
            for tol in (DEFAULT_TOL, 0.0)
        ]
        assert ends[1].objective_ - ends[0].objective_ < FEW * DEFAULT_TOL


# ------------------------------------------------------------------------------- the parameters


@pytest.mark.parametrize("name", ["map", "ml", "map by EM", "ml by EM"])
def test_parameters_are_near_in_their_standard_errors(name: str) -> None:
    """Standard errors from derivatives of the gradient by differences, at the optimum."""
    rows = pair(4_000, 1, 1.5)
    model = elicited(FAMILIES["full"], rows, 2, METHODS[name])
    stopped, driven = (
        run(model, rows, METHODS[name], engine=ENGINE, tol=tol, keep_numbering=True).parameters
        for tol in (DEFAULT_TOL, 0.0)
    )
    top = evaluate(model, ArrayRows(rows), ENGINE, driven)
    frame = NaturalCoordinates(model, driven, top.statistics.count)

    def slope(point: np.ndarray) -> np.ndarray:
        there = frame.parameters(point)
        state = evaluate(model, ArrayRows(rows), ENGINE, there)
        return frame.gradient(point, there, state.statistics)

    steps = 1e-3 * np.eye(frame.size)
    information = -np.array([slope(step) - slope(-step) for step in steps]) / 2e-3
    # Of two logits one is free: the errors are those of the differences that are told.
    errors = np.sqrt(np.diag(np.linalg.pinv(information, rcond=1e-7, hermitian=True)))
    logits = np.log(stopped.weights / driven.weights)
    moved = (stopped.means - driven.means)[:, 0] / np.sqrt(driven.covariances[:, 0, 0])
    widths = 0.5 * np.log(stopped.covariances / driven.covariances)[:, 0, 0]
    where = np.concatenate([logits - logits.mean(), moved, widths]) / frame.units
    assert (np.abs(where) <= math.sqrt(2.0 * FEW * DEFAULT_TOL) * errors).all()


# ---------------------------------------------------------------------------------- the warning


def test_what_is_not_over_is_said() -> None:
    rows = pair(2_000)
    gmm = GaussianMixtureModel(2, inference=ML(optimizer="em"), max_iter=50)
    with pytest.warns(ConvergenceWarning, match="raise max_iter, or tol"):
        gmm.fit(rows)
    assert not gmm.converged_
    # A limit that is as loose as what is left after so many steps is met without a word.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gmm.set_params(tol=10.0).fit(rows).converged_


def test_no_weight_prior_is_needed_to_name_tol() -> None:
    rows = blobs(np.random.default_rng(SEED), 200, 2, 2)
    ends = [
        GaussianMixtureModel(2, weight_prior=Dirichlet(2.0), tol=tol).fit(rows)
        for tol in (None, DEFAULT_TOL)
    ]
    np.testing.assert_array_equal(ends[0].means_, ends[1].means_)
