"""Climbs in one call take the steps that the classes take one by one."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laws.running import FREE, RESTRICTED, blobs, elicited, random_parameters, run
from mixtura import MAP, ML
from mixtura.data import ArrayRows
from mixtura.datasets import load_iris
from mixtura.engines import ENGINES
from mixtura.engines.base import Engine
from mixtura.families import FAMILIES
from mixtura.inference import natural_coordinates, quasi_newton, stopping
from mixtura.inference.climbs import leap, search_at, standing, steps_of
from mixtura.inference.driver import Limits, climb
from mixtura.inference.expectation_maximization import CoordinateAscent, Optimizer
from mixtura.inference.quasi_newton import ClimbProgress, QuasiNewton
from mixtura.inference.states import evaluate
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    FlatComponents,
    FlatWeights,
    Gamma,
    NormalInverseGamma,
    NormalInverseWishart,
)

native = pytest.importorskip("mixtura.engines.native.library")
ENGINE = ENGINES["native"](1)
SEED = 20_261_128
SIZES = ((2, 1), (3, 2), (4, 3), (2, 9))
TOL = 1e-6
EXACT = 1e-13

without_climbs = dict.fromkeys(("climb", "mode"), lambda *arguments, **named: None)
STEPWISE: Any = type("Stepwise", (type(ENGINE),), without_climbs)(1)
"""The engine without climbs and M-steps of its own."""


def model_of(kind: str, family_name: str, n_components: int, n_features: int) -> MixtureModel:
    """Return a model with priors of a kind whose numbers differ from feature to feature."""
    family = FAMILIES[family_name]
    structure = family.structure(n_components, n_features)
    steps = 0.5 + np.arange(n_features)
    if kind == "flat":
        floor = 1e-9 * steps
        return MixtureModel(n_components, n_features, FlatWeights(), FlatComponents(floor), family)
    if len(structure) == 3:
        matrix = np.diag(steps) + 0.1
        prior: Any = NormalInverseWishart(0.2 * steps, 0.3, n_features + 3.5, matrix)
    elif structure[1] < n_features:
        prior = NormalInverseGamma(0.2 * steps, 0.3 + steps, 2.5, 1.5)
    elif family.is_restricted:
        prior = NormalInverseGamma(0.2 * steps, 0.1 + steps, 2.5, steps)
    else:
        prior = NormalInverseGamma(0.2 * steps, 0.1 + steps, 2.0 + steps, steps)
    weights = Dirichlet(np.linspace(0.7, 3.0, n_components))
    return MixtureModel(n_components, n_features, weights, prior, family)


def begun(model: MixtureModel, *, single: bool = False) -> tuple[ArrayRows, ClimbProgress]:
    """Return weighted rows and a search that begins at random parameters."""
    rng = np.random.default_rng(SEED)
    sizes = (model.n_components, model.n_features)
    values = blobs(rng, 411, sizes[1], sizes[0], apart=1.0)
    rows = ArrayRows(
        values.astype(np.float32) if single else values, rng.uniform(0.2, 2.0, len(values))
    )
    parameters = random_parameters(rng, model.family, *sizes, scale=2.0)
    parameters.means[:] = values[rng.choice(len(values), sizes[0], replace=False)]
    return rows, ClimbProgress(evaluate(model, rows, ENGINE, parameters))


def leapt(model: MixtureModel, rows: ArrayRows, search: Any, n_steps: int, tol: float = 0.0) -> Any:
    """Return where so many steps lead, the engine's memory included."""
    optimizer = QuasiNewton() if isinstance(search, ClimbProgress) else CoordinateAscent()
    steps = steps_of(model, optimizer)
    assert steps is not None
    begin = standing(search)
    assert begin is not None
    by_em = not isinstance(search, ClimbProgress)
    found = ENGINE.climb(rows, begin, steps, (n_steps, tol), by_em=by_em)
    assert found is not None
    return found, search_at(model, found.standing, converged=False)


def assert_near(ours: Any, theirs: Any, tolerance: float) -> None:
    """Assert that arrays differ by no more, relative to their largest number."""
    theirs = np.asarray(theirs)
    largest = np.abs(theirs).max(initial=0.0)
    np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=tolerance * largest)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("family_name", FREE)
@pytest.mark.parametrize("kind", ["flat", "conjugate"])
def test_every_step_is_that_of_the_classes(
    kind: str, family_name: str, sizes: tuple[int, int]
) -> None:
    model = model_of(kind, family_name, *sizes)
    rows, search = begun(model)
    n_paths = 0
    for number in range(40):
        if number == 3:  # as if EM had been slow so far
            search = ClimbProgress(search.state, quasi_newton.MOST_EM_STEPS, (), None)
        theirs = QuasiNewton().step(model, rows, ENGINE, search)
        found, ours = leapt(model, rows, search, 1)
        assert len(found.objectives) == 1
        assert found.objectives[0] == pytest.approx(theirs.state.objective, rel=EXACT)
        assert (ours.path is None) == (theirs.path is None)
        assert (ours.em_steps, ours.idle) == (theirs.em_steps, theirs.idle)
        assert len(ours.gains) == len(theirs.gains)
        assert_near(ours.state.lengths, theirs.state.lengths, 1e-9)
        for name in ("weights", "means", "covariances"):
            pair = (getattr(one.state.parameters, name) for one in (ours, theirs))
            assert_near(*pair, 1e-11)
        if ours.path is not None and theirs.path is not None:
            n_paths += 1
            assert len(ours.path.pairs) == len(theirs.path.pairs)
            assert ours.path.stretch == theirs.path.stretch
            np.testing.assert_allclose(ours.path.point, theirs.path.point, atol=1e-10)
            for (step, _), (other, _) in zip(ours.path.pairs, theirs.path.pairs, strict=True):
                np.testing.assert_allclose(step, other, atol=1e-10)
        if number > 3 and theirs.state.objective - search.state.objective < 1e-4:
            break  # what is left is not far above rounding
        search = theirs
    assert n_paths >= 1


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("family_name", FREE)
@pytest.mark.parametrize("kind", ["flat", "conjugate"])
def test_formulas_are_those_of_the_classes(
    kind: str, family_name: str, sizes: tuple[int, int]
) -> None:
    """Parameters, log prior and gradient at one and the same point."""
    model = model_of(kind, family_name, *sizes)
    rows, search = begun(model)
    search = ClimbProgress(search.state, quasi_newton.MOST_EM_STEPS)
    found, ours = leapt(model, rows, search, 6)
    assert len(found.objectives) == 6
    assert ours.path is not None
    frame, state = ours.path.coordinates, ours.state
    there = frame.parameters(ours.path.point)
    for name in ("weights", "means", "covariances"):
        assert_near(getattr(state.parameters, name), getattr(there, name), EXACT)
    whole = state.statistics.log_normalizer + model.log_prior(state.parameters)
    assert state.objective == pytest.approx(whole, rel=EXACT)
    exact = frame.gradient(ours.path.point, state.parameters, state.statistics)
    scale = np.sqrt(state.statistics.total)
    np.testing.assert_allclose(ours.path.gradient, exact, rtol=0.0, atol=EXACT * scale)


@pytest.mark.parametrize("optimizer", [QuasiNewton(), CoordinateAscent()])
@pytest.mark.parametrize("family_name", FREE)
@pytest.mark.parametrize("kind", ["flat", "conjugate"])
def test_ends_and_numbers_of_steps_are_alike(
    kind: str, family_name: str, optimizer: Optimizer[Any]
) -> None:
    for sizes in ((1, 2), (2, 1), (3, 2), (3, 4)):
        model = model_of(kind, family_name, *sizes)
        rows, search = begun(model)
        limits = Limits(3000, TOL, optimizer)
        begin = optimizer.begin(model, search.state)
        ours = climb(model, rows, ENGINE, begin, limits)
        theirs = climb(model, rows, STEPWISE, begin, limits)
        assert ours.converged == theirs.converged
        assert ours.objectives[-1] == pytest.approx(theirs.objectives[-1], abs=1e-8)
        assert len(ours.objectives) == len(theirs.objectives)
        gains = np.diff(ours.objectives)
        assert (gains >= -1e-12 * np.abs(ours.objectives[-1])).all()


@pytest.mark.parametrize("family_name", RESTRICTED)
@pytest.mark.parametrize("kind", ["flat", "conjugate"])
def test_climbs_of_families_that_share_parts_are_alike(kind: str, family_name: str) -> None:
    optimizer = CoordinateAscent()
    for sizes in ((1, 2), (3, 2), (3, 4)):
        model = model_of(kind, family_name, *sizes)
        rows, search = begun(model)
        begin = search.state
        step = climb(model, rows, ENGINE, begin, Limits(3, 0.0, optimizer))
        expected = climb(model, rows, STEPWISE, begin, Limits(3, 0.0, optimizer))
        np.testing.assert_allclose(step.objectives, expected.objectives, rtol=1e-12)
        limits = Limits(3000, TOL, optimizer)
        ours = climb(model, rows, ENGINE, begin, limits)
        theirs = climb(model, rows, STEPWISE, begin, limits)
        assert ours.converged
        assert theirs.converged
        assert ours.objectives[-1] == pytest.approx(theirs.objectives[-1], abs=1e-8)
        assert abs(len(ours.objectives) - len(theirs.objectives)) <= 1
        assert (np.diff(ours.objectives) >= 0.0).all()
        assert (np.diff(theirs.objectives) >= 0.0).all()


@pytest.mark.parametrize("optimizer", [QuasiNewton(), CoordinateAscent()])
def test_climbs_may_be_cut_anywhere(optimizer: Optimizer[Any]) -> None:
    model = model_of("conjugate", "full", 4, 3)
    rows, first = begun(model)
    search = optimizer.begin(model, first.state)
    steps = steps_of(model, optimizer)
    assert steps is not None
    whole = leap(model, rows, ENGINE, steps, search, (60, 0.0))
    assert whole is not None
    found: list[float] = []
    for n_steps in (1, 2, 7, 30, 20):
        part = leap(model, rows, ENGINE, steps, search, (n_steps, 0.0))
        assert part is not None
        search, climbed = part
        found.extend(climbed.objectives)
    np.testing.assert_allclose(found, whole[1].objectives, rtol=1e-12)


@pytest.mark.parametrize("method", [MAP, ML])
@pytest.mark.parametrize("optimizer", ["quasi-newton", "em"])
def test_fits_are_alike(method: Any, optimizer: str) -> None:
    rows = load_iris().data
    model = elicited(FAMILIES["full"], rows, 3, method())
    ours, theirs = (
        run(model, rows, method(optimizer=optimizer), engine=engine)
        for engine in (ENGINE, STEPWISE)
    )
    assert ours.objective == pytest.approx(theirs.objective, abs=1e-8)
    np.testing.assert_allclose(ours.parameters.means, theirs.parameters.means, rtol=1e-6)


def degenerate(name: str) -> tuple[np.ndarray, int]:
    """Return rows of which some are the same, or lie in a plane; and how many components."""
    rng = np.random.default_rng(SEED)
    rows = rng.standard_normal((100, 2))
    if name == "tied rows":
        rows[:15] = rows[0]
        return rows, 4
    rows[:, 1] = 1.0 - rows[:, 0]
    return rows, 2


@pytest.mark.parametrize("name", ["tied rows", "a plane"])
def test_what_needs_more_than_numbers_is_left_to_the_classes(name: str) -> None:
    rows, n_components = degenerate(name)
    model = elicited(FAMILIES["full"], rows, n_components, ML())
    ours, theirs = (run(model, rows, ML(), engine=engine) for engine in (ENGINE, STEPWISE))
    assert ours.runs[0].converged
    assert ours.objective == pytest.approx(theirs.objective, rel=1e-6)


@pytest.mark.parametrize("family_name", RESTRICTED)
def test_collapsed_components_of_families_that_share_parts_never_fall(family_name: str) -> None:
    rows, n_components = degenerate("tied rows")
    model = elicited(FAMILIES[family_name], rows, n_components, ML())
    for engine in (ENGINE, STEPWISE):
        fit = run(model, rows, ML(), engine=engine)
        assert (np.diff(fit.runs[0].objectives) >= 0.0).all()


def test_a_component_without_rows_is_left_to_the_classes() -> None:
    iris = load_iris().data
    model = MixtureModel(3, 4, FlatWeights(), FlatComponents(1e-9), FAMILIES["full"])
    rows = ArrayRows(iris)
    parameters = random_parameters(np.random.default_rng(SEED), model.family, 3, 4)
    parameters.means[2] = 1e6
    search = ClimbProgress(evaluate(model, rows, ENGINE, parameters))
    assert search.state.statistics.count[2] == 0.0
    found, after = leapt(model, rows, search, 5)
    assert found.is_stuck
    assert found.objectives == ()
    np.testing.assert_array_equal(after.state.parameters.means, parameters.means)


def test_models_beyond_numbers_are_climbed_by_the_classes() -> None:
    known = NormalInverseGamma()
    learned = NormalInverseGamma(scale=Gamma(2.0, 1.0))
    for weights, components in ((Dirichlet(2.0), learned), (DirichletProcess(1.0), known)):
        model = MixtureModel(2, 3, weights, components, FAMILIES["diag"])
        assert steps_of(model, QuasiNewton()) is None
    model = MixtureModel(2, 3, Dirichlet(2.0), known, FAMILIES["diag"])
    assert steps_of(model, QuasiNewton()) is not None


def test_many_rows_and_other_engines_climb_by_sweeps() -> None:
    model = model_of("conjugate", "full", 4, 3)
    rows, search = begun(model)
    steps, begin = steps_of(model, QuasiNewton()), standing(search)
    assert steps is not None
    assert begin is not None
    many = ArrayRows(np.zeros((1 << 18, 3)))
    reference: Engine = ENGINES["reference"]()
    assert ENGINE.climb(many, begin, steps, (1, TOL), by_em=False) is None
    assert reference.climb(rows, begin, steps, (1, TOL), by_em=False) is None


def test_shapes_that_do_not_fit_are_refused() -> None:
    model = model_of("conjugate", "full", 4, 3)
    rows, search = begun(model)
    steps, begin = steps_of(model, QuasiNewton()), standing(search)
    other = steps_of(model_of("conjugate", "diag", 4, 3), QuasiNewton())
    assert steps is not None
    assert begin is not None
    assert other is not None
    for wrong in (
        replace(begin, weights=begin.weights[:2]),
        replace(begin, covariances=begin.covariances[:2]),
        replace(begin, statistics=replace(begin.statistics, count=begin.weights[:3])),
    ):
        with pytest.raises(ValueError, match=r"shape|structure"):
            ENGINE.climb(rows, wrong, steps, (1, TOL), by_em=False)
    with pytest.raises(ValueError, match="structure"):
        ENGINE.climb(rows, begin, other, (1, TOL), by_em=False)


def test_more_rows_are_climbed_as_long_as_sweeps_are_exact() -> None:
    model = model_of("conjugate", "full", 2, 1)
    rng = np.random.default_rng(SEED)
    rows = ArrayRows(rng.standard_normal((1 << 18, 1)))
    search = ClimbProgress(
        evaluate(model, rows, ENGINE, random_parameters(rng, model.family, 2, 1))
    )
    theirs = QuasiNewton().step(model, rows, ENGINE, search)
    found, _ = leapt(model, rows, search, 1)
    assert found.objectives == (pytest.approx(theirs.state.objective, rel=EXACT),)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("family_name", ["full", "spherical"])
def test_bits_do_not_depend_on_the_instruction_set(family_name: str, single: bool) -> None:
    if native.use_instruction_set(-1) == native.BASELINE:
        pytest.skip("needs multiply-adds")
    model, ends = model_of("conjugate", family_name, 3, 3), []
    rows, search = begun(model, single=single)
    try:
        for number in (native.AVX512, native.AVX2):
            native.use_instruction_set(number)
            ends.append(leapt(model, rows, search, 60, TOL)[0])
    finally:
        native.use_instruction_set(-1)
    assert ends[0].objectives == ends[1].objectives
    np.testing.assert_array_equal(ends[0].standing.covariances, ends[1].standing.covariances)


def test_constants_are_those_of_the_classes() -> None:
    folder = Path(__file__).resolve().parents[2] / "native"
    text = "".join(
        (folder / name).read_text() for name in ("climb.cpp", "coordinates.hpp", "stopping.hpp")
    )
    places = (quasi_newton, natural_coordinates, stopping)
    checked = 0
    for line in re.findall(r"constexpr (?:double|int64_t) ([^;]+);", text):
        for name, value in re.findall(r"(\w+) = ([^,]+)", line):
            for place in places:
                if name in vars(place):
                    number = eval(value, {"EPSILON": np.finfo(float).eps})
                    assert number == vars(place)[name], name
                    checked += 1
    assert checked >= 17
