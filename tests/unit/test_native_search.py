"""Searches for starts in one run, against the same searches by sweeps."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from laws.running import FREE, RESTRICTED
from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.engines.native import NativeEngine
from mixtura.engines.native.library import AVX2, AVX512, use_instruction_set
from mixtura.families import FAMILIES
from mixtura.fit import canonical_order
from mixtura.inference.starts import searcher as searcher_module
from mixtura.inference.starts.base import label_statistics_of
from mixtura.inference.starts.clusterings import HIERARCHY, SPLIT, clusterings
from mixtura.inference.starts.ends import End
from mixtura.inference.starts.guides import ElicitingGuide, ModelGuide
from mixtura.inference.starts.searcher import Searcher, searcher_of
from mixtura.model import MixtureModel
from mixtura.priors import (
    Dirichlet,
    FlatComponents,
    NormalInverseGamma,
    NormalInverseWishart,
)
from mixtura.priors.elicitation import OverallMoments, WithinGroups

ENGINE = NativeEngine(1)


def rows_of(seed: int, n_rows: int, n_features: int, *, weighted: bool = False) -> ArrayRows:
    """Return rows of four overlapping groups of different widths."""
    rng = np.random.default_rng([seed, n_rows, n_features])
    centres, widths = 2.0 * rng.normal(size=(4, n_features)), rng.uniform(0.4, 1.6, (4, 1))
    own = rng.integers(4, size=n_rows)
    values = centres[own] + widths[own] * rng.normal(size=(n_rows, n_features))
    return ArrayRows(values, rng.integers(0, 4, n_rows).astype(float) if weighted else None)


def guide_of(kind: str, family: str, rows: ArrayRows, n_components: int) -> Any:
    known, n_features = FAMILIES[family], rows.n_features
    structure = known.structure(n_components, n_features)
    if kind == "elicited":
        moments = OverallMoments(ENGINE.overall(rows, matrix=len(structure) == 3))
        return ElicitingGuide(known, structure, WithinGroups(moments, structure, n_components))
    priors = {
        "flat": FlatComponents(np.full(n_features, 1e-9)),
        "matrices": NormalInverseWishart(0.0, 0.05, n_features + 2.0, 2.0 * np.eye(n_features)),
        "variances": NormalInverseGamma(0.0, 0.05, 1.5, 1.0),
    }
    conjugate = "matrices" if len(structure) == 3 else "variances"
    prior = priors["flat" if kind == "flat" else conjugate]
    return ModelGuide(MixtureModel(n_components, n_features, Dirichlet(1.0), prior, known))


def swept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let engines search by sweeps and by single runs of EM."""
    monkeypatch.setattr(NativeEngine, "search", Engine.search)


def near(found: End, expected: End) -> None:
    for name in ("weights", "means", "covariances"):
        one, other = (getattr(end.parameters, name) for end in (found, expected))
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
    one, other = found.statistics, expected.statistics
    assert one.log_normalizer == pytest.approx(other.log_normalizer, rel=1e-10)
    np.testing.assert_allclose(one.count, other.count, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["elicited", "conjugate", "flat"])
@pytest.mark.parametrize("family", FREE)
def test_searches_end_where_sweeps_do(
    family: str, kind: str, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n_features, n_components in ((1, 3), (2, 4), (3, 1)):
        rows = rows_of(7, 240, n_features, weighted=weighted)
        ends = []
        for by_sweeps in (False, True):
            with monkeypatch.context() as patch:
                if by_sweeps:
                    swept(patch)
                searcher = searcher_of(rows, n_components, ENGINE)
                guide = guide_of(kind, family, rows, n_components)
                ends.append(searcher.ends(guide, n_components))
        for found, expected in zip(*ends, strict=True):
            near(found, expected)
        scales = [found[0].guide.scale for found in ends]
        if kind == "elicited":
            np.testing.assert_allclose(*scales, rtol=1e-7)


@pytest.mark.parametrize("kind", ["conjugate", "flat"])
def test_known_ends_are_led_on_alike(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(3, 300, 2)
    searcher, guide = searcher_of(rows, 4, ENGINE), guide_of(kind, "full", rows, 4)
    known = [end.statistics for end in searcher.ends(guide, 4)]
    best, only = searcher.best(guide, known), searcher.only(guide, known[-1])
    swept(monkeypatch)
    near(best, searcher.best(guide, known))
    near(only, searcher.only(guide, known[-1]))


@pytest.mark.parametrize("kind", ["conjugate", "flat"])
@pytest.mark.parametrize("family", RESTRICTED)
def test_ends_of_families_that_share_parts_are_alike(
    family: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(3, 200, 2)
    free = "full" if len(FAMILIES[family].structure(1, 2)) == 3 else "diag"
    searcher, guide = searcher_of(rows, 4, ENGINE), guide_of(kind, family, rows, 4)
    known = [end.statistics for end in searcher.ends(guide_of(kind, free, rows, 4), 4)]
    best = searcher.best(guide, known)
    swept(monkeypatch)
    near(numbered(best), numbered(searcher.best(guide, known)))


@pytest.mark.parametrize("family", RESTRICTED)
def test_rows_without_width_are_told_where_shapes_are_of_components_own(family: str) -> None:
    rows = rows_of(3, 60, 2)
    guide = guide_of("flat", family, rows, 2)
    shape, labels = (guide.structure, 2), np.arange(60) % 2
    sound = label_statistics_of(rows, ENGINE, *shape, labels, rows.values.mean(axis=0))
    values = rows.values.copy()
    values[labels == 1, 1] = 0.5
    flat = label_statistics_of(ArrayRows(values), ENGINE, *shape, labels, values.mean(axis=0))
    assert not guide.has_vanished(sound)
    assert guide.has_vanished(flat) == (family in ("EVI", "EVE", "VVE", "EVV"))


def numbered(end: End) -> End:
    """Return an end whose halves of relocations have the same numbers, whatever came first."""
    order = canonical_order(end.parameters)
    return replace(
        end, parameters=end.parameters.permuted(order), statistics=end.statistics.permuted(order)
    )


def test_a_sample_stands_for_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(5, 200, 2)
    searcher, guide = Searcher(rows, ENGINE, 7.0), guide_of("conjugate", "diag", rows, 3)
    found = searcher.ends(guide, 3)
    assert found[0].statistics.total == pytest.approx(7.0 * 200)
    swept(monkeypatch)
    for one, other in zip(found, searcher.ends(guide, 3), strict=True):
        near(one, other)


def bits(engine: NativeEngine, rows: ArrayRows, family: str = "full") -> list[bytes]:
    free = "diag" if family[-1] == "I" else "full"
    searcher, guide = Searcher(rows, engine, 1.0), guide_of("elicited", free, rows, 4)
    ends = searcher.ends(guide, 4)
    if family != free:
        known = [end.statistics for end in ends]
        ends = [searcher.best(guide_of("conjugate", family, rows, 4), known)]
    parts = [(end.parameters.means, end.parameters.covariances, end.merit) for end in ends]
    return [np.concatenate([np.ravel(part) for part in end]).tobytes() for end in parts]


@pytest.mark.parametrize("family", ["full", *RESTRICTED])
def test_bits_do_not_depend_on_threads_or_instructions(family: str) -> None:
    rows = rows_of(11, 4096 if family == "full" else 1024, 3)
    expected = bits(NativeEngine(1), rows, family)
    assert bits(NativeEngine(2), rows, family) == bits(NativeEngine(4), rows, family) == expected
    widest = use_instruction_set(-1)
    try:
        if widest == AVX512 and use_instruction_set(AVX2) == AVX2:
            assert bits(NativeEngine(1), rows, family) == expected
    finally:
        use_instruction_set(-1)


def test_float32_rows_are_searched_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = rows_of(13, 300, 2)
    rows = ArrayRows(wide.values.astype(np.float32))
    searcher, guide = searcher_of(rows, 3, ENGINE), guide_of("elicited", "full", rows, 3)
    found = searcher.ends(guide, 3)
    swept(monkeypatch)
    near(found[0], searcher.ends(guide_of("elicited", "full", rows, 3), 3)[0])


@pytest.mark.parametrize("n_rows", [40, HIERARCHY + 50, SPLIT + 200])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_features", [1, 3])
def test_clusterings_are_alike(
    n_rows: int, weighted: bool, n_features: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = rows_of(17, n_rows, n_features, weighted=weighted)
    ties = ArrayRows(np.round(sample.values), sample.weights)
    for rows in (sample, ties):
        for correlated in (False, True):
            found = list(clusterings(rows, 4, ENGINE, correlated=correlated))
            with monkeypatch.context() as patch:
                patch.setattr(NativeEngine, "clusters", Engine.clusters)
                expected = list(clusterings(rows, 4, ENGINE, correlated=correlated))
            np.testing.assert_array_equal(np.stack(found), np.stack(expected))


def test_starts_that_do_not_fit_are_refused() -> None:
    rows = rows_of(1, 30, 2)
    guide = guide_of("conjugate", "full", rows, 2)
    leading, shape = guide.leading(), (2, guide.structure)
    searcher = searcher_of(rows, 2, ENGINE)
    plan = searcher.plan(guide, 2, (4,), 1)
    for labels in (np.zeros((1, 29), int), np.full((1, 30), 2), np.zeros((0, 30), int)):
        with pytest.raises(ValueError, match=r"clusters|starts"):
            ENGINE.search(rows, labels, shape, leading, plan)
    with pytest.raises(ValueError, match="steps"):
        ENGINE.search(rows, np.zeros((1, 30), int), shape, leading, replace(plan, steps=()))
    broken = ArrayRows(np.full((30, 2), np.nan))
    # Rows with missing cells are searched by sweeps.
    assert ENGINE.search(broken, np.zeros((1, 30), int), shape, leading, plan) == []


@pytest.mark.parametrize("kind", ["elicited", "conjugate"])
def test_ends_of_a_sample_are_compared_on_more_rows(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher_module, "SAMPLE", 60)
    monkeypatch.setattr(searcher_module, "SAMPLE_OF_COMPONENT", 1)
    gains = []
    for seed in range(8):
        rows = rows_of(seed, 480, 2)
        starts = []
        for compared in (True, False):
            searcher = searcher_of(rows, 4, ENGINE)
            assert searcher.sample.n_rows < 100
            alone = searcher if compared else replace(searcher, rows=None)
            end = alone.ends(guide_of(kind, "full", rows, 4), 4)[0]
            known = alone.best(guide_of("conjugate", "full", rows, 4), [end.statistics])
            starts.append(end)
            assert known.statistics.total == pytest.approx(480.0)
        everything = Searcher(rows, ENGINE, 1.0)
        led = [everything.climbed(end.guide.copy(), end.statistics, 8).merit for end in starts]
        gains.append(led[0] - led[1])
    # About 480 rows are all there are, so that what was chosen there is no worse, and often better.
    assert min(gains) > -0.5
    assert max(gains) > 1.0


@pytest.mark.parametrize("n_sampled", [4096, 60])
def test_the_best_of_known_ends_goes_on(n_sampled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searcher_module, "SAMPLE", n_sampled)
    monkeypatch.setattr(searcher_module, "SAMPLE_OF_COMPONENT", 1)
    rows = rows_of(19, 480, 2)
    searcher, guide = searcher_of(rows, 4, ENGINE), guide_of("conjugate", "full", rows, 4)
    best = searcher.ends(guide, 4)[0].statistics
    # All rows in one cluster but for three: far from the best.
    labels = np.zeros(rows.n_rows, dtype=np.intp)
    labels[:3] = 1, 2, 3
    far = label_statistics_of(rows, ENGINE, guide.structure, 4, labels, rows.values.mean(axis=0))
    found = [searcher.best(guide, known) for known in ([best, far], [far, best])]
    assert found[0].merit == pytest.approx(found[1].merit, rel=1e-12)
    assert found[0].merit > searcher.best(guide, [far]).merit + 1.0


def test_the_scale_is_at_rest_where_more_rows_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searcher_module, "SAMPLE", 150)
    monkeypatch.setattr(searcher_module, "SAMPLE_OF_COMPONENT", 1)
    n_chosen = 0
    for seed in range(12):
        rows = rows_of(seed, 1200, 2)
        searcher = searcher_of(rows, 4, ENGINE)
        alone = replace(searcher, rows=None)
        ends = [one.ends(guide_of("elicited", "diag", rows, 4), 4)[0] for one in (searcher, alone)]
        if np.allclose(ends[0].parameters.means, ends[1].parameters.means, rtol=0.01):
            continue
        n_chosen += 1
        guide = ends[0].guide.copy()
        assert guide.scale is not None
        before = guide.scale.copy()
        alone.climbed(guide, ends[0].statistics, 20, 1e-10)
        np.testing.assert_allclose(guide.scale, before, rtol=1e-2)
    assert n_chosen > 0
