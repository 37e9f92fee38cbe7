"""Laws of SVI: what a change of the rows must do to the answer."""

import numpy as np
import pytest

from laws.running import blobs, elicited, run
from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.errors import ConvergenceWarning
from mixtura.families import FAMILIES
from mixtura.fit import Fit
from mixtura.inference import MAP
from mixtura.messages.assignments import Soft
from mixtura.model import MixtureModel
from mixtura.ppl import SVI
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Gamma,
    KnownScale,
    Normal,
    NormalInverseWishart,
    PitmanYor,
    WeightPrior,
)

pytest.importorskip("torch")
pytest.importorskip("pyro")

SAME = 1e-8
"""Relative to the objective: what the stopping rule leaves."""


@pytest.fixture
def rows(rng: np.random.Generator) -> np.ndarray:
    return blobs(rng, 60, 3, 2)


def assert_same(one: Fit, other: Fit, shift: float = 0.0) -> None:
    assert one.converged
    assert one.objective == pytest.approx(other.objective + shift, rel=SAME)
    widths = np.sqrt(
        other.model.family.variances(other.parameters.covariances, *other.parameters.means.shape)
    )
    np.testing.assert_allclose(one.parameters.weights, other.parameters.weights, atol=1e-3)
    assert (np.abs(one.parameters.means - other.parameters.means) / widths).max() < 1e-3


@pytest.mark.parametrize("family", ["full", "spherical"])
def test_the_mode_is_found_and_the_objective_exact(family: str, rows: np.ndarray) -> None:
    model = elicited(FAMILIES[family], rows, 2)
    fit = run(model, rows, SVI())
    assert_same(fit, run(model, rows, MAP()))
    statistics = ReferenceEngine().sweep(ArrayRows(rows), model.potentials(fit.parameters), Soft())
    assert fit.objective == pytest.approx(
        statistics.log_normalizer + model.log_prior(fit.parameters), rel=1e-14
    )
    assert fit.log_likelihood == pytest.approx(statistics.log_normalizer, rel=1e-14)
    # What Pyro's own loss says of the same point.
    assert max(fit.history[:-1]) == pytest.approx(fit.objective, rel=1e-9)


@pytest.mark.parametrize("weights", [DirichletProcess(2.0), PitmanYor(Gamma(3.0, 1.0), 0.3)])
def test_the_mode_under_processes_and_known_scales(weights: WeightPrior, rows: np.ndarray) -> None:
    scale = KnownScale(1.5, Normal(0.0, 10.0))
    model = MixtureModel(2, 3, weights, scale, FAMILIES["tied_diag"])
    one, other = (run(model, rows, method, keep_numbering=True) for method in (SVI(), MAP()))
    assert_same(one, other)


def test_the_same_seed_gives_the_same_bits(rows: np.ndarray) -> None:
    model = elicited(FAMILIES["full"], rows, 2)
    one, two = (run(model, rows, SVI(steps=30), seed=5) for _ in range(2))
    assert one.history == two.history
    np.testing.assert_array_equal(one.parameters.covariances, two.parameters.covariances)


@pytest.mark.parametrize(
    "family", ["full", pytest.param("tied_spherical", marks=pytest.mark.calibrate)]
)
def test_integer_weights_equal_duplicated_rows(
    family: str, rows: np.ndarray, rng: np.random.Generator
) -> None:
    weights = rng.integers(0, 4, len(rows))
    model = elicited(FAMILIES[family], rows, 2)
    weighted = run(model, rows, SVI(), weights=weights.astype(float))
    repeated = run(model, np.repeat(rows, weights, axis=0), SVI())
    assert_same(weighted, repeated)
    assert weighted.total_weight == weights.sum()


def test_any_weights_are_those_of_exact_map(rows: np.ndarray, rng: np.random.Generator) -> None:
    weights = 1e-3 * rng.gamma(1.0, size=len(rows))
    model = elicited(FAMILIES["diag"], rows, 2, weights=weights)
    fit = run(model, rows, SVI(), weights=weights)
    assert_same(fit, run(model, rows, MAP(), weights=weights))


@pytest.mark.parametrize("family", [pytest.param("full", marks=pytest.mark.calibrate), "tied_diag"])
def test_columns_of_any_unit_and_offset(family: str, rows: np.ndarray) -> None:
    units, offset = np.array([1e-3, 1e5, 1.0]), np.array([1.0, 1e6, -1e6])
    plain = run(elicited(FAMILIES[family], rows, 2), rows, SVI())
    moved_rows = rows * units + offset
    model = elicited(FAMILIES[family], moved_rows, 2)
    moved = run(model, moved_rows, SVI())
    assert moved.converged
    np.testing.assert_allclose(
        (moved.parameters.means - offset) / units, plain.parameters.means, atol=1e-3
    )
    assert_same(moved, run(model, moved_rows, MAP()))


@pytest.mark.parametrize(("family", "unit"), [("tied", 1e-150), ("spherical", 1e150)])
def test_units_whose_squares_are_out_of_range(family: str, unit: float, rows: np.ndarray) -> None:
    extreme = rows * unit
    model = elicited(FAMILIES[family], extreme, 2)
    fit = run(model, extreme, SVI())
    exact = run(model, extreme, MAP())
    assert fit.converged
    assert fit.objective == pytest.approx(exact.objective, rel=SAME)
    assert fit.history[0] == pytest.approx(exact.history[0], rel=1e-12)


def test_the_order_of_the_rows_does_not_matter(rows: np.ndarray) -> None:
    model = elicited(FAMILIES["diag"], rows, 2)
    assert_same(run(model, rows, SVI()), run(model, rows[::-1], SVI()))


def test_one_component_and_one_row() -> None:
    rows = np.array([[1.0], [2.0], [4.0]])
    model = elicited(FAMILIES["full"], rows, 1)
    assert_same(run(model, rows, SVI()), run(model, rows, MAP()))
    two = elicited(FAMILIES["full"], rows, 2)
    fit = run(two, rows[:1], SVI(steps=5))
    assert np.isfinite(fit.objective)
    assert ConvergenceWarning in {doubt.category for doubt in fit.doubts}


def test_matrices_that_torch_cannot_factorise_do_not_crash(rng: np.random.Generator) -> None:
    column = rng.standard_normal((40, 1))
    rows = np.hstack([column, column, -column])
    prior = NormalInverseWishart(0.0, 0.01, None, 1e-18)
    model = MixtureModel(2, 3, Dirichlet(1.0), prior, FAMILIES["full"])
    fit = run(model, rows, SVI(steps=5))
    assert np.isfinite(fit.objective)
    assert "lower learning_rate" in fit.doubts[0].message
