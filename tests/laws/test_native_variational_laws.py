"""Variational Bayes in one call takes the steps that the classes take one by one."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laws.running import blobs, elicited, random_parameters, run
from mixtura import VB
from mixtura.data import ArrayRows
from mixtura.datasets import load_iris
from mixtura.engines import ENGINES
from mixtura.engines.variation import Factors, Variation
from mixtura.families import FAMILIES
from mixtura.inference import expectation_maximization
from mixtura.inference.climbs import leap, steps_of
from mixtura.inference.driver import Limits, climb
from mixtura.inference.expectation_maximization import CoordinateAscent
from mixtura.inference.states import Expected, State
from mixtura.inference.stopping import rounding
from mixtura.messages.assignments import Soft
from mixtura.messages.statistics import SufficientStatistics
from mixtura.messages.variational_prior_arrays import VariationalSteps
from mixtura.model import MixtureModel
from mixtura.posteriors import VariationalPosterior
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Gamma,
    HalfNormal,
    Independent,
    InverseGamma,
    KnownScale,
    LogNormal,
    Normal,
    NormalInverseGamma,
    NormalInverseWishart,
    mean_field,
)
from mixtura.priors.factors import log_scale_density

native = pytest.importorskip("mixtura.engines.native.library")
variation = pytest.importorskip("mixtura.engines.native.variation_call")
ENGINE = ENGINES["native"](1)
SEED = 20_261_128
SIZES = ((2, 1), (3, 2), (4, 3), (2, 9))
TOL = 1e-10
EXACT = 1e-13
OPTIMIZER = CoordinateAscent(Expected())

without_runs = {"variation": lambda *arguments, **named: None}
STEPWISE: Any = type("Stepwise", (type(ENGINE),), without_runs)(1)
"""The engine without runs of its own."""

SPREADS: dict[str, Any] = {
    "InverseGamma": lambda unit: InverseGamma(1.5 + unit, 0.5 + unit),
    "LogNormal": lambda unit: LogNormal(0.2 * unit, 0.5 + 0.1 * unit),
    "HalfNormal": lambda unit: HalfNormal(1.0 + unit),
}
KINDS = (
    "conjugate",
    "known",
    *(f"{name} {on}" for name in SPREADS for on in ("scale", "variance")),
)
CASES = [
    (kind, family_name)
    for kind in KINDS
    for family_name, family in FAMILIES.items()
    if not family.is_restricted
    if kind == "conjugate" or len(family.structure(2, 2)) == 2
]
every_case = pytest.mark.parametrize(("kind", "family_name"), CASES)


def model_of(kind: str, family_name: str, n_components: int, n_features: int) -> MixtureModel:
    """Return a model with priors of a kind whose numbers differ from feature to feature."""
    family = FAMILIES[family_name]
    structure = family.structure(n_components, n_features)
    steps = 0.5 + np.arange(n_features)
    unit: Any = steps if structure[1] == n_features else 1.0
    means = Normal(0.2 * steps, 4.0 + steps)
    if kind == "known":
        prior: Any = KnownScale(unit, means)
    elif kind != "conjugate":
        name, on = kind.split()
        prior = Independent(means, **{on: SPREADS[name](unit)})
    elif len(structure) == 3:
        matrix = np.diag(steps) + 0.1
        prior = NormalInverseWishart(0.2 * steps, 0.3, n_features + 0.5, matrix)
    else:
        prior = NormalInverseGamma(0.2 * steps, 0.1 + steps, 0.4 * unit, unit)
    weights = Dirichlet(np.linspace(0.7, 3.0, n_components))
    return MixtureModel(n_components, n_features, weights, prior, family)


def begun(model: MixtureModel, *, single: bool = False, n_rows: int = 411) -> Any:
    """Return weighted rows and the state that a sweep under random parameters gives."""
    rng = np.random.default_rng(SEED)
    sizes = (model.n_components, model.n_features)
    values = blobs(rng, n_rows, sizes[1], sizes[0], apart=1.0)
    values = values.astype(np.float32) if single else values
    rows = ArrayRows(values, rng.uniform(0.2, 2.0, len(values)))
    parameters = random_parameters(rng, model.family, *sizes, scale=2.0)
    parameters.means[:] = values[rng.choice(len(values), sizes[0], replace=False)]
    statistics = ENGINE.sweep(rows, model.potentials(parameters), Soft())
    return rows, Expected().state(model, rows, ENGINE, statistics)


def steps_for(model: MixtureModel) -> VariationalSteps:
    steps = model.variational_steps
    assert steps is not None
    return steps


def factors(state: State) -> Factors:
    assert state.basis is not None
    return Factors(state.basis, state.statistics, state.objective)


def varied(
    model: MixtureModel, rows: ArrayRows, begin: Factors, n_steps: int, tol: float = 0.0
) -> Variation:
    found = ENGINE.variation(rows, begin, steps_for(model), (n_steps, tol))
    assert found is not None
    return found


def assert_near(ours: Any, theirs: Any, tolerance: float) -> None:
    """Assert that arrays differ by no more, relative to their largest number."""
    largest = np.abs(np.asarray(theirs)).max(initial=0.0)
    np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=tolerance * largest)


def assert_same(one: SufficientStatistics, other: SufficientStatistics) -> None:
    """Assert that statistics are the same to the last bit."""
    for name in ("count", "first", "second", "pivot", "log_normalizer"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def changed(statistics: SufficientStatistics, name: str) -> SufficientStatistics:
    """Return statistics of other numbers of rows, or with a component that has none."""
    if name == "few":
        return statistics * 1e-3
    if name == "many":
        return statistics * 1e3
    if name == "an empty component":
        count, first = statistics.count.copy(), statistics.first.copy()
        second = statistics.second.copy()
        count[0], first[0] = 0.0, 0.0
        if len(second) > 1:
            second[0] = 0.0
        return replace(statistics, count=count, first=first, second=second)
    return statistics


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("rows_are", ["plain", "few", "many", "an empty component"])
@every_case
def test_formulas_are_those_of_the_classes(
    kind: str,
    family_name: str,
    rows_are: str,
    sizes: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Divergence, potentials and expected parameters of the same statistics."""
    # Where rows are few, many small changes would be left when the classes' alternation ends.
    monkeypatch.setattr(mean_field, "SETTLED", 1e-15)
    model = model_of(kind, family_name, *sizes)
    statistics = changed(begun(model)[1].statistics, rows_are)
    found = variation.native_factors(statistics, steps_for(model))
    if found is None:  # half-normal scales of hardly any rows, which may be zero
        assert kind.startswith("HalfNormal")
        assert rows_are in ("few", "an empty component")
        return
    divergence, (weights, means, covariances), ours = found
    posterior = VariationalPosterior(model, statistics)
    theirs = posterior.expected_potentials
    # The parts of a divergence cancel: so large are they.
    size = statistics.total + np.abs(statistics.second).sum()
    assert divergence == pytest.approx(posterior.divergence(), rel=EXACT, abs=EXACT * size)
    for name in ("log_weight", "offset", "mean", "precision_cholesky"):
        assert_near(getattr(ours, name), getattr(theirs, name), EXACT)
    known = posterior.parameters
    assert_near(weights, known.weights, EXACT)
    assert_near(means, known.means, EXACT)
    if isinstance(model.component_prior, Independent):
        assert_near(covariances, np.reciprocal(np.square(theirs.precision_cholesky)), 2.0 * EXACT)
    else:
        assert_near(covariances, known.covariances, EXACT)


@pytest.mark.parametrize("sizes", SIZES)
@every_case
def test_every_step_is_that_of_the_classes(
    kind: str, family_name: str, sizes: tuple[int, int]
) -> None:
    model = model_of(kind, family_name, *sizes)
    rows, state = begun(model)
    for _ in range(5):
        found = varied(model, rows, factors(state), 1)
        state = OPTIMIZER.step(model, rows, ENGINE, state)
        assert found.objectives == (pytest.approx(state.objective, rel=EXACT),)
        assert_same(found.factors.basis, state.basis)  # type: ignore[arg-type]
        for name in ("count", "first", "second", "pivot"):
            theirs = getattr(state.statistics, name)
            assert_near(getattr(found.factors.found, name), theirs, 1e-11)


@every_case
def test_ends_and_numbers_of_steps_are_alike(kind: str, family_name: str) -> None:
    for sizes in ((1, 2), (2, 1), (3, 2)):
        model = model_of(kind, family_name, *sizes)
        rows, state = begun(model, n_rows=97)
        limits = Limits(60, 1e-8, OPTIMIZER)
        ours = climb(model, rows, ENGINE, state, limits)
        theirs = climb(model, rows, STEPWISE, state, limits)
        assert ours.converged == theirs.converged
        assert ours.objectives[-1] == pytest.approx(theirs.objectives[-1], abs=1e-8)
        # Independent scales are compared by precisions in the one, by variances in the other.
        assert abs(len(ours.objectives) - len(theirs.objectives)) <= 3
        assert (np.diff(ours.objectives) >= -rounding(ours.search)).all()
        ends = [search.parameters for search in (ours.search, theirs.search)]
        np.testing.assert_allclose(ends[0].means, ends[1].means, atol=1e-6)
        np.testing.assert_allclose(ends[0].covariances, ends[1].covariances, rtol=1e-5)


@pytest.mark.parametrize(("kind", "family_name"), [("conjugate", "full"), (KINDS[2], "diag")])
def test_runs_may_be_cut_anywhere(kind: str, family_name: str) -> None:
    model = model_of(kind, family_name, 4, 3)
    rows, state = begun(model)
    whole = varied(model, rows, factors(state), 60)
    end, found = factors(state), []
    for n_steps in (1, 2, 7, 30, 20):
        part = varied(model, rows, end, n_steps)
        end = part.factors
        found.extend(part.objectives)
    assert tuple(found) == whole.objectives
    assert_same(end.basis, whole.factors.basis)
    assert_same(end.found, whole.factors.found)


def test_states_go_there_and_back() -> None:
    model = model_of("conjugate", "full", 3, 2)
    rows, state = begun(model)
    steps = steps_of(model, OPTIMIZER)
    assert steps is not None
    part = leap(model, rows, ENGINE, steps, state, (7, 0.0))
    assert part is not None
    end, ran = part
    assert isinstance(end, State)
    assert isinstance(ran, Variation)
    assert_same(factors(end).basis, ran.factors.basis)
    np.testing.assert_array_equal(end.parameters.means, end.statistics.pivot)
    again = Expected().state(model, rows, ENGINE, factors(end).basis)
    assert end.objective == pytest.approx(again.objective, rel=EXACT)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    ("kind", "family_name"), [("conjugate", "full"), ("conjugate", "spherical"), (KINDS[2], "diag")]
)
def test_bits_do_not_depend_on_threads_or_instruction_sets(
    kind: str, family_name: str, single: bool
) -> None:
    model = model_of(kind, family_name, 3, 3)
    rows, state = begun(model, single=single, n_rows=20_000)
    begin, steps = factors(state), steps_for(model)
    expected = varied(model, rows, begin, 9)
    for n_threads in (2, 4):
        found = ENGINES["native"](n_threads).variation(rows, begin, steps, (9, 0.0))
        assert found is not None
        assert found.objectives == expected.objectives
        assert_same(found.factors.found, expected.factors.found)
    try:
        for number in (native.AVX512, native.AVX2, native.BASELINE):
            if native.use_instruction_set(number) == native.BASELINE:
                near = pytest.approx(expected.objectives, rel=EXACT)
                assert varied(model, rows, begin, 9).objectives == near
            else:
                found = varied(model, rows, begin, 9)
                assert found.objectives == expected.objectives
                assert_same(found.factors.found, expected.factors.found)
    finally:
        native.use_instruction_set(-1)


def test_pairs_of_factors_of_which_there_are_several_are_those_of_the_classes() -> None:
    """Rows far from a narrow prior of the mean: a wide scale draws the mean to the prior."""
    model = MixtureModel(
        1,
        1,
        Dirichlet(1.0),
        Independent(Normal(0.0, 0.3), LogNormal(0.0, 3.0)),
        FAMILIES["diag"],
    )
    ends = set()
    for n_rows in (2.0, 4.0, 8.0, 16.0, 64.0):
        statistics = SufficientStatistics(
            np.array([n_rows]),
            np.array([[0.0]]),
            np.array([[1e-3 * n_rows]]),
            np.array([[6.0]]),
        )
        found = variation.native_factors(statistics, steps_for(model))
        assert found is not None
        posterior = VariationalPosterior(model, statistics)
        assert found[0] == pytest.approx(posterior.divergence(), rel=1e-12)
        potentials = posterior.expected_potentials
        assert_near(found[2].mean, potentials.mean, 1e-12)
        assert_near(found[2].precision_cholesky, potentials.precision_cholesky, 1e-12)
        ends.add(bool(potentials.mean[0, 0] > 3.0))
    assert ends == {False, True}  # both ends are the better one for some number of rows


@pytest.mark.parametrize("on_variance", [False, True])
def test_rows_near_the_means_prior_have_one_pair_of_factors(on_variance: bool) -> None:
    """Both alternations end alike where the sum over far cells is below 27 times the scatter."""
    rng = np.random.default_rng(SEED)
    n_single = n_several = 0
    for _ in range(80):
        count = rng.gamma(0.5, 20.0, 2)
        offset, deviation = rng.uniform(0.0, 9.0, 2), rng.uniform(0.1, 3.0)
        scatter = np.array([[count.sum() * rng.choice([1e-4, 1e-2, 1.0])]])
        prior = Normal(0.0, deviation)
        statistics = SufficientStatistics(count, np.zeros((2, 1)), scatter, offset[:, None])
        spread = LogNormal(rng.uniform(-2.0, 2.0), rng.choice([0.5, 3.0]))
        alternation = mean_field._Alternation(prior, spread, on_variance, statistics)
        ends = alternation.ascend(np.stack([offset[:, None], np.zeros((2, 1))]))[0]
        far = (count * offset**2)[offset > deviation].sum()
        if far <= 27.0 * scatter.sum():
            n_single += 1
            np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9)
        elif np.abs(ends[0] - ends[1]).max() > 1e-3:
            n_several += 1
    assert n_single > 15
    assert n_several > 0


@pytest.mark.parametrize("kind", KINDS[2:])
def test_densities_of_log_scales_are_those_of_the_spreads(kind: str) -> None:
    prior = model_of(kind, "diag", 2, 3).component_prior
    assert isinstance(prior, Independent)
    density = log_scale_density(prior)
    assert density is not None
    t = np.linspace(-2.0, 2.0, 9)[:, None]
    off = t - density.centre
    ours = density.constant - density.linear * t - 0.5 * density.curvature * off * off
    ours = ours - density.inverse * np.exp(-t) - density.inverse_square * np.exp(-2.0 * t)
    ours = ours - density.square * np.exp(2.0 * t) - density.fourth * np.exp(4.0 * t)
    power = 2.0 if prior.is_on_variance else 1.0
    theirs = prior.spread.log_density(np.exp(power * t)) + power * t + np.log(power)
    np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("prior", [None, Independent(Normal(0.0, 10.0), InverseGamma(1.0, 1.0))])
def test_fits_are_alike(prior: Independent | None) -> None:
    rows = load_iris().data
    model = elicited(FAMILIES["full" if prior is None else "diag"], rows, 3, VB())
    model = model if prior is None else replace(model, component_prior=prior)
    ours, theirs = (run(model, rows, VB(), engine=engine) for engine in (ENGINE, STEPWISE))
    assert ours.objective == pytest.approx(theirs.objective, abs=1e-8)
    np.testing.assert_allclose(ours.parameters.means, theirs.parameters.means, rtol=1e-6)


def test_what_needs_more_than_numbers_is_left_to_the_classes() -> None:
    """A density of the scale that reaches as far as float64."""
    spread = LogNormal(0.0, 100.0)
    model = MixtureModel(
        2, 1, Dirichlet(1.0), Independent(Normal(0.0, 10.0), spread), FAMILIES["diag"]
    )
    statistics = begun(model_of("conjugate", "diag", 2, 1))[1].statistics
    empty = changed(statistics, "an empty component")
    assert variation.native_factors(empty, steps_for(model)) is None
    rows, state = begun(model)
    ours, theirs = (
        climb(model, rows, engine, state, Limits(30, 1e-8, OPTIMIZER))
        for engine in (ENGINE, STEPWISE)
    )
    assert ours.objectives[-1] == pytest.approx(theirs.objectives[-1], abs=1e-8)


def test_models_beyond_numbers_are_left_to_the_classes() -> None:
    known = NormalInverseGamma()
    learned = NormalInverseGamma(scale=Gamma(2.0, 1.0))
    wide = Independent(Normal(0.0, 1e200), InverseGamma(1.0, 1.0))
    hierarchical = Independent(Normal(), InverseGamma(2.0, Gamma(2.0, 1.0)))
    for weights, components in (
        (Dirichlet(2.0), learned),
        (Dirichlet(2.0), wide),
        (Dirichlet(2.0), hierarchical),
        (DirichletProcess(1.0), known),
    ):
        model = MixtureModel(2, 3, weights, components, FAMILIES["diag"])
        assert steps_of(model, OPTIMIZER) is None
    model = MixtureModel(2, 3, Dirichlet(2.0), known, FAMILIES["diag"])
    assert isinstance(steps_of(model, OPTIMIZER), VariationalSteps)


def test_many_rows_and_other_engines_go_by_sweeps() -> None:
    model = model_of("conjugate", "full", 4, 3)
    rows, state = begun(model)
    begin, steps = factors(state), steps_for(model)
    many = ArrayRows(np.zeros((1 << 18, 3)))
    assert ENGINE.variation(many, begin, steps, (1, TOL)) is None
    assert ENGINES["reference"]().variation(rows, begin, steps, (1, TOL)) is None


def test_shapes_that_do_not_fit_are_refused() -> None:
    model = model_of("conjugate", "full", 4, 3)
    rows, state = begun(model)
    begin, steps = factors(state), steps_for(model)
    for wrong in (
        replace(begin, basis=replace(begin.basis, count=begin.basis.count[:3])),
        replace(begin, found=replace(begin.found, pivot=begin.found.pivot[:3])),
        replace(begin, found=replace(begin.found, second=begin.found.second[:2])),
    ):
        with pytest.raises(ValueError, match=r"shape|structure|numbers"):
            ENGINE.variation(rows, wrong, steps, (1, TOL))
    for other in (
        steps_for(model_of("conjugate", "diag", 4, 3)),
        steps_for(model_of(KINDS[2], "diag", 4, 3)),
        replace(steps, concentration=steps.concentration[:3]),
    ):
        with pytest.raises(ValueError, match="structure"):
            ENGINE.variation(rows, begin, other, (1, TOL))


def test_constants_are_those_of_the_classes() -> None:
    folder = Path(__file__).resolve().parents[2] / "native"
    names = ("variation.cpp", "factors.hpp", "scale_factors.hpp")
    text = "".join((folder / name).read_text() for name in names)
    checked = 0
    for line in re.findall(r"constexpr (?:double|int64_t) ([^;]+);", text):
        for name, value in re.findall(r"(\w+) = ([^,]+)", line):
            for place in (mean_field, expectation_maximization):
                if name in vars(place):
                    number = eval(value, {"EPSILON": np.finfo(float).eps})
                    assert number == vars(place)[name], name
                    checked += 1
    assert checked >= 7
