"""Runs of EM in one call equal the steps that the classes of priors take one by one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from laws.running import FREE, RESTRICTED
from mixtura.data import ArrayRows
from mixtura.engines import ENGINES
from mixtura.engines.base import Engine
from mixtura.families import FAMILIES
from mixtura.inference.starts.base import label_statistics_of
from mixtura.inference.starts.guides import ElicitingGuide, Guide, ModelGuide, PriorGuide
from mixtura.inference.starts.short_runs import ShortRunLimits, short_run
from mixtura.messages.assignments import Soft
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    FlatComponents,
    NormalInverseGamma,
    NormalInverseWishart,
)
from mixtura.priors.elicitation import OverallMoments, WithinGroups

N_COMPONENTS = 3
SIZES = (1, 2, 4)


def rows_of(n_features: int, *, weighted: bool, single: bool = False) -> ArrayRows:
    """Return rows of three groups of different widths, far from zero."""
    rng = np.random.default_rng(n_features)
    labels = rng.integers(N_COMPONENTS, size=157)
    widths = np.array([0.5, 1.0, 2.0])
    values = (
        30.0
        + 4.0 * labels[:, None]
        + widths[labels, None]
        * rng.normal(size=(labels.size, n_features))
        @ (np.eye(n_features) + 0.3 * rng.normal(size=(n_features, n_features)))
    )
    weights = rng.uniform(0.0, 2.0, labels.size) if weighted else None
    return ArrayRows(values.astype(np.float32) if single else values, weights)


def first_guess(rows: ArrayRows, structure: tuple[int, ...], engine: Engine) -> Any:
    """Return the statistics of groups that are wrong at first."""
    labels = np.arange(rows.n_rows) % N_COMPONENTS
    labels[rows.values[:, 0] > np.median(rows.values[:, 0])] = 0
    centre = engine.overall(rows, matrix=False).mean()[0]
    return label_statistics_of(rows, engine, structure, N_COMPONENTS, labels, centre)


def guide_of(kind: str, family_name: str, rows: ArrayRows, engine: Engine) -> Guide:
    """Return what leads a run: a flat prior, a conjugate one, or the default prior."""
    family, n_features = FAMILIES[family_name], rows.n_features
    structure = family.structure(N_COMPONENTS, n_features)
    is_matrix = len(structure) == 3
    moments = OverallMoments(engine.overall(rows, matrix=is_matrix))
    within = WithinGroups(moments, structure, float(N_COMPONENTS), is_held=kind == "held")
    eliciting = ElicitingGuide(family, structure, within)
    if kind in ("elicited", "held"):
        return eliciting
    if kind == "flat":
        return PriorGuide(eliciting, FlatComponents(1e-12 * moments.variances), structure)
    if is_matrix:
        matrix = np.diag(0.5 + np.arange(n_features)) + 0.1
        prior: Any = NormalInverseWishart(moments.mean, 0.3, n_features + 3.0, matrix)
    elif structure[1] < n_features:
        prior = NormalInverseGamma(moments.mean, 0.3, 2.5, 1.5)
    else:
        scales = 0.5 + np.arange(n_features)
        prior = NormalInverseGamma(moments.mean, 0.1 + scales, 2.0 + scales, scales)
    return PriorGuide(eliciting, prior, structure)


def swept(engine: Engine) -> Engine:
    """Return the engine without runs of its own."""

    class Stepwise(type(engine)):
        def ascent(self, *arguments: Any) -> None:
            return None

    return Stepwise()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_features", SIZES)
@pytest.mark.parametrize("family_name", FREE)
@pytest.mark.parametrize("kind", ["flat", "conjugate", "elicited", "held"])
def test_runs_equal_single_steps(
    kind: str, family_name: str, n_features: int, weighted: bool
) -> None:
    engine = ENGINES["native"](1)
    rows = rows_of(n_features, weighted=weighted)
    found = []
    for one in (engine, swept(engine)):
        guide = guide_of(kind, family_name, rows, one)
        begin = first_guess(rows, guide.structure, one) * 2.5
        limits = ShortRunLimits(12, factor=2.5)
        statistics, parameters = short_run(one, rows, guide, begin, limits)
        found.append((statistics, parameters, guide.scale))
    (ours, at, scale), (theirs, there, steps) = found
    assert ours.log_normalizer == pytest.approx(theirs.log_normalizer, rel=1e-12)
    for name in ("count", "first", "second", "pivot"):
        one, other = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * np.abs(other).max())
    for name in ("weights", "means", "covariances"):
        np.testing.assert_allclose(getattr(at, name), getattr(there, name), rtol=1e-10)
    if kind in ("elicited", "held"):
        np.testing.assert_allclose(scale, steps, rtol=1e-10)


@pytest.mark.parametrize("family_name", RESTRICTED)
@pytest.mark.parametrize("kind", ["flat", "conjugate"])
def test_runs_of_families_that_share_parts_equal_single_steps(kind: str, family_name: str) -> None:
    engine, family = ENGINES["native"](1), FAMILIES[family_name]
    rows = rows_of(4, weighted=True)
    structure = family.structure(N_COMPONENTS, 4)
    prior: Any = FlatComponents(np.full(4, 1e-9))
    if kind == "conjugate":
        of_shape = (NormalInverseGamma, NormalInverseWishart)[len(structure) - 2]
        prior = of_shape(30.0, 0.3, None if len(structure) == 3 else 2.5, 1.5)
    guide = ModelGuide(MixtureModel(N_COMPONENTS, 4, Dirichlet(1.0), prior, family))
    found = []
    for one in (engine, swept(engine)):
        begin = first_guess(rows, structure, one) * 2.5
        found.append(short_run(one, rows, guide, begin, ShortRunLimits(12, factor=2.5)))
    (ours, at), (theirs, there) = found
    assert ours.log_normalizer == pytest.approx(theirs.log_normalizer, rel=1e-12)
    for name in ("weights", "means", "covariances"):
        one, other = getattr(at, name), getattr(there, name)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * np.abs(other).max())


@pytest.mark.parametrize("family_name", FREE)
def test_one_step_is_the_oracles_to_the_last_digits(family_name: str) -> None:
    engine = ENGINES["native"](1)
    rows = rows_of(3, weighted=True)
    for kind in ("flat", "conjugate", "elicited", "held"):
        ends = []
        for one in (engine, swept(engine)):
            guide = guide_of(kind, family_name, rows, one)
            begin = first_guess(rows, guide.structure, one)
            ends.append(short_run(one, rows, guide, begin, ShortRunLimits(1))[1])
        for name in ("weights", "means", "covariances"):
            ours, theirs = getattr(ends[0], name), getattr(ends[1], name)
            np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-13 * np.abs(theirs).max())


@pytest.mark.parametrize("family_name", ["full", "diag", "spherical"])
def test_steps_that_need_more_than_numbers_are_left_to_the_classes(family_name: str) -> None:
    engine = ENGINES["native"](1)
    rows = rows_of(2, weighted=False)
    values = rows.values.copy()
    values[:40] = values[0]  # a component will collapse on these rows
    rows = ArrayRows(values, None)
    family = FAMILIES[family_name]
    structure = family.structure(2, 2)
    moments = OverallMoments(engine.overall(rows, matrix=family_name == "full"))
    within = WithinGroups(moments, structure, 2.0)
    eliciting = ElicitingGuide(family, structure, within)
    guide = PriorGuide(eliciting, FlatComponents(1e-12 * moments.variances), structure)
    labels = (np.arange(rows.n_rows) >= 40).astype(np.intp)
    centre = engine.overall(rows, matrix=False).mean()[0]
    begin = label_statistics_of(rows, engine, structure, 2, labels, centre)
    statistics, parameters = short_run(engine, rows, guide, begin, ShortRunLimits(3))
    assert np.isfinite(statistics.log_normalizer)
    assert (np.asarray(parameters.covariances) > -1.0).all()
    empty = replace(begin, count=np.array([0.0, begin.total]), first=0.0 * begin.first)
    assert np.isfinite(short_run(engine, rows, guide, empty, ShortRunLimits(2))[0].log_normalizer)


def test_a_run_ends_where_a_step_gains_nothing_more() -> None:
    engine = ENGINES["native"](1)
    rows = rows_of(2, weighted=False)
    guide = guide_of("conjugate", "full", rows, engine)
    begin = first_guess(rows, guide.structure, engine)
    statistics, parameters = short_run(
        engine, rows, guide, begin, ShortRunLimits(5000, settled=1e-9)
    )
    more = engine.sweep(rows, guide.family.potentials(guide.parameters(statistics)), Soft())
    assert abs(more.log_normalizer - statistics.log_normalizer) <= 1e-9
    assert parameters.weights.sum() == pytest.approx(1.0, abs=1e-12)


def test_the_scale_of_the_default_prior_comes_to_rest() -> None:
    engine = ENGINES["native"](1)
    rows = rows_of(3, weighted=False)
    guide = guide_of("elicited", "full", rows, engine)
    begin = first_guess(rows, guide.structure, engine)
    short_run(engine, rows, guide, begin, ShortRunLimits(50))
    statistics, _ = short_run(engine, rows, guide, begin, ShortRunLimits(3000, rest=1e-10))
    assert isinstance(guide, ElicitingGuide)
    assert guide.scale is not None
    next_one = guide.within.updated(guide.scale, statistics)
    np.testing.assert_allclose(next_one, guide.scale, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("single", [False, True])
def test_bits_do_not_depend_on_the_instruction_set(single: bool) -> None:
    native = pytest.importorskip("mixtura.engines.native.library")
    if native.use_instruction_set(-1) == native.BASELINE:
        pytest.skip("needs multiply-adds")
    engine, ends = ENGINES["native"](1), []
    rows = rows_of(3, weighted=True, single=single)
    try:
        for number in (native.AVX512, native.AVX2):
            native.use_instruction_set(number)
            guide = guide_of("elicited", "full", rows, engine)
            begin = first_guess(rows, guide.structure, engine)
            ends.append(short_run(engine, rows, guide, begin, ShortRunLimits(10)))
    finally:
        native.use_instruction_set(-1)
    assert ends[0][0].log_normalizer == ends[1][0].log_normalizer
    np.testing.assert_array_equal(ends[0][1].covariances, ends[1][1].covariances)
