"""The compiled engine beyond the laws of every engine: accuracy, bits, kinds of rows."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from numba import njit
from threadpoolctl import threadpool_limits

from mixtura.assignments import Given, Hard, Labelled, Sampled, Soft
from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.engines.compiled import CompiledEngine, elementary, expansion
from mixtura.engines.compiled.blocks import take_block
from mixtura.engines.compiled.expansion import expansion_of, is_faster
from mixtura.engines.compiled.lanes import load, store
from mixtura.engines.compiled.workspace import ALIGNED_FROM, available_threads, working_memory
from mixtura.potentials import Potentials

ASSIGNMENTS = {
    "soft": lambda rng, n, k: Soft(),
    "hard": lambda rng, n, k: Hard(),
    "sampled": lambda rng, n, k: Sampled(7, 3),
    "given": lambda rng, n, k: Given(rng.dirichlet(np.ones(k), size=n)),
    "labelled": lambda rng, n, k: Labelled(rng.integers(k, size=n)),
}


def potentials_of(rng, structure, n_components, n_features, offset=0.0, condition=1.0):
    """Potentials of a structure; matrices with factors of the given condition number."""
    if len(structure) == 3:
        scales = np.geomspace(1.0, np.sqrt(condition), n_features)
        lower = 0.2 * np.tril(rng.standard_normal(structure), -1)
        factor = np.triu(np.swapaxes(lower, 1, 2) + np.eye(n_features)) * scales[:, None]
    else:
        factor = rng.uniform(0.5, 2.0, structure)
    return Potentials(
        np.log(rng.dirichlet(np.ones(n_components))),
        rng.standard_normal(n_components),
        offset + rng.standard_normal((n_components, n_features)),
        factor,
    )


def assert_close(found, expected, tolerance):
    scale = expected.total
    np.testing.assert_allclose(found.count, expected.count, atol=tolerance * scale)
    for part in ("first", "second"):
        there = getattr(expected, part)
        size = max(np.abs(there).max(), np.finfo(float).tiny)
        np.testing.assert_allclose(getattr(found, part), there, atol=tolerance * max(size, scale))
    assert found.log_normalizer == pytest.approx(expected.log_normalizer, rel=tolerance)


@pytest.mark.parametrize(
    ("name", "exact", "arguments"),
    [
        ("exp", mpmath.exp, np.concatenate([-np.geomspace(1e-9, 707.9, 2000), np.linspace(0, 9)])),
        (
            "log",
            mpmath.log,
            np.concatenate([np.geomspace(1e-300, 1e300, 2000), 1 + 1e-4 * np.arange(48)]),
        ),
        (
            "log1p",
            mpmath.log1p,
            np.concatenate([[0.0], np.geomspace(1e-300, 1e305, 2000), np.linspace(0, 3, 500)]),
        ),
    ],
)
def test_elementary_functions_are_within_two_units_in_the_last_place(name, exact, arguments):
    function = getattr(elementary, name)

    @njit
    def apply(values, results):
        for start in range(0, values.size, 8):
            store(results, start, function(load(values, start)))

    values = np.resize(arguments, 8 * -(-arguments.size // 8)).astype(float)
    results = np.empty_like(values)
    apply(values, results)
    mpmath.mp.prec = 150
    for value, result in zip(values, results, strict=True):
        true = exact(mpmath.mpf(float(value)))
        unit = mpmath.mpf(float(np.spacing(abs(float(true)))))
        error = abs(mpmath.mpf(float(result)) - true) / unit
        assert error < 2.0, (value, result)


def test_exponentials_below_the_normal_numbers_are_zero():
    @njit
    def apply(values, results):
        store(results, 0, elementary.exp(load(values, 0)))

    results = np.empty(8)
    apply(np.array([-709.0, -745.0, -1e5, -1e300, -np.inf, -707.9, 0.0, -1.0]), results)
    assert (results[:5] == 0.0).all()
    assert (results[5:] > 0.0).all()


@pytest.mark.parametrize("name", sorted(ASSIGNMENTS))
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n_features", "n_components"), [(1, 2), (1, 4), (2, 4), (3, 4), (4, 4), (7, 4), (13, 4)]
)
def test_bits_do_not_depend_on_the_number_of_threads(name, weighted, n_features, n_components):
    rng = np.random.default_rng(0)
    n_rows = 40_003
    rows = ArrayRows(
        rng.standard_normal((n_rows, n_features)), rng.random(n_rows) if weighted else None
    )
    assignment = ASSIGNMENTS[name](rng, n_rows, n_components)
    for structure in ((n_components, n_features), (n_components, n_features, n_features)):
        potentials = potentials_of(rng, structure, n_components, n_features)
        for first in (None, 0):
            alone = CompiledEngine(1, first).sweep(rows, potentials, assignment)
            together = CompiledEngine(2, first).sweep(rows, potentials, assignment)
            for part in ("count", "first", "second"):
                np.testing.assert_array_equal(getattr(alone, part), getattr(together, part))
            assert alone.log_normalizer == together.log_normalizer
            if name not in ("given", "labelled"):
                assert_close(alone, ReferenceEngine().sweep(rows, potentials, assignment), 1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("condition", [1.0, 1e8])
@pytest.mark.parametrize("n_features", [2, 5, 10])
def test_accuracy_far_from_the_origin_and_at_high_condition(offset, condition, n_features):
    """1e-9 relative to the reference engine, up to 1e6 deviations away and condition 1e8."""
    rng = np.random.default_rng(1)
    rows = ArrayRows(offset + rng.standard_normal((2000, n_features)))
    for structure in ((3, n_features), (3, n_features, n_features)):
        potentials = potentials_of(rng, structure, 3, n_features, offset, condition)
        expected = ReferenceEngine().sweep(rows, potentials, Soft())
        assert_close(CompiledEngine().sweep(rows, potentials, Soft()), expected, 1e-9)
        np.testing.assert_allclose(
            CompiledEngine().log_density(rows, potentials),
            ReferenceEngine().log_density(rows, potentials),
            rtol=1e-9,
        )


def test_float32_rows_are_read_as_they_are_and_added_in_float64():
    rng = np.random.default_rng(2)
    single = rng.standard_normal((5001, 3)).astype(np.float32)
    potentials = potentials_of(rng, (4, 3, 3), 4, 3)
    found = CompiledEngine().sweep(ArrayRows(single), potentials, Soft())
    wide = ArrayRows(single.astype(np.float64))
    expected = CompiledEngine().sweep(wide, potentials, Soft())
    np.testing.assert_array_equal(found.second, expected.second)
    assert found.log_normalizer == expected.log_normalizer


def test_read_only_and_strided_rows_are_taken():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((500, 3))
    potentials = potentials_of(rng, (2, 3), 2, 3)
    expected = CompiledEngine().labels(ArrayRows(rows), potentials)
    locked = rows.copy()
    locked.flags.writeable = False
    for other in (locked, np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2]):
        np.testing.assert_array_equal(
            CompiledEngine().labels(ArrayRows(other), potentials), expected
        )


def test_several_python_threads_may_use_the_engine_at_once():
    rng = np.random.default_rng(4)
    rows = ArrayRows(rng.standard_normal((60_000, 4)))
    potentials = potentials_of(rng, (5, 4, 4), 5, 4)
    expected = CompiledEngine().sweep(rows, potentials, Soft())
    with ThreadPoolExecutor(4) as threads:
        found = list(
            threads.map(lambda _: CompiledEngine().sweep(rows, potentials, Soft()), range(8))
        )
    for statistics in found:
        np.testing.assert_array_equal(statistics.second, expected.second)


def test_limits_of_threads_are_respected(monkeypatch):
    with threadpool_limits(1):
        assert available_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert available_threads() == 1


def test_components_of_no_weight_get_nothing():
    rng = np.random.default_rng(5)
    potentials = Potentials(
        np.array([0.0, -np.inf, -np.inf]), np.zeros(3), np.zeros((3, 2)), np.ones((3, 2))
    )
    rows = ArrayRows(rng.standard_normal((100, 2)))
    assert (CompiledEngine().sweep(rows, potentials, Soft()).count == [100.0, 0.0, 0.0]).all()


STRUCTURES = {
    "full": lambda k, d: (k, d, d),
    "tied": lambda k, d: (1, d, d),
    "diagonal": lambda k, d: (k, d),
    "spherical": lambda k, d: (k, 1),
    "tied diagonal": lambda k, d: (1, d),
    "tied spherical": lambda k, d: (1, 1),
}


def constant_of(potentials):
    return potentials.log_weight + potentials.offset


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=list(STRUCTURES))
@pytest.mark.parametrize("n_features", [1, 2, 5, 9])
def test_the_expanded_form_keeps_its_digits_up_to_the_guard(structure, n_features):
    """1e-9 relative to the reference, with means as far apart as the guard lets them be."""
    rng = np.random.default_rng(6)
    n_components = 6
    near = potentials_of(rng, structure(n_components, n_features), n_components, n_features)
    centre = near.mean.mean(axis=0)
    distances = np.geomspace(1.0, 1e6, 200)
    spread = [replace(near, mean=centre + s * (near.mean - centre)) for s in distances]
    expanded = [p for p in spread if expansion_of(p, constant_of(p)) is not None]
    assert 0 < len(expanded) < len(spread)
    potentials = expanded[-1]
    rows = np.repeat(potentials.mean, 300, axis=0) + rng.standard_normal((1800, n_features))
    data = ArrayRows(rows + 0.5 * (rows[::-1] - rows) * (np.arange(1800) % 3 == 0)[:, None])
    for assignment in (Soft(), Hard()):
        found = CompiledEngine(expanded_from=0).sweep(data, potentials, assignment)
        assert_close(found, ReferenceEngine().sweep(data, potentials, assignment), 1e-9)
    np.testing.assert_allclose(
        CompiledEngine(expanded_from=0).log_density(data, potentials),
        ReferenceEngine().log_density(data, potentials),
        rtol=1e-9,
        atol=1e-10,  # where the density happens to be near one
    )
    np.testing.assert_allclose(
        CompiledEngine(expanded_from=0).responsibilities(data, potentials),
        ReferenceEngine().responsibilities(data, potentials),
        atol=1e-9,
    )


def test_high_condition_numbers_are_not_expanded():
    rng = np.random.default_rng(7)
    potentials = potentials_of(rng, (3, 5, 5), 3, 5, condition=1e8)
    lower = np.tril(np.ones((5, 5)))
    correlated = replace(potentials, precision_cholesky=potentials.precision_cholesky @ lower)
    assert expansion_of(correlated, constant_of(correlated)) is None


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=list(STRUCTURES))
def test_a_row_too_far_for_the_expanded_form_falls_back(structure):
    rng = np.random.default_rng(8)
    potentials = potentials_of(rng, structure(3, 4), 3, 4)
    assert expansion_of(potentials, constant_of(potentials)) is not None
    rows = rng.standard_normal((3000, 4))
    rows[1234] = [1e150, 0.0, -1e151, 3.0]
    data = ArrayRows(rows)
    for assignment in (Soft(), Hard(), Sampled(1)):
        found = CompiledEngine(expanded_from=0).sweep(data, potentials, assignment)
        exact = CompiledEngine(expanded_from=None).sweep(data, potentials, assignment)
        for part in ("count", "first", "second"):
            np.testing.assert_array_equal(getattr(found, part), getattr(exact, part))
        assert found.log_normalizer == exact.log_normalizer
    np.testing.assert_array_equal(
        CompiledEngine(expanded_from=0).log_density(data, potentials),
        CompiledEngine(expanded_from=None).log_density(data, potentials),
    )


@pytest.mark.parametrize("n_features", range(1, 20))
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_blocks_hold_the_rows_features_first(n_features, kind):
    rng, take = np.random.default_rng(9), njit(take_block.py_func)
    for n in (1, 7, 8, 31, 40):
        rows = rng.standard_normal((n + 3, n_features)).astype(kind)
        stride = 48
        block = np.full(n_features * stride, np.nan)
        padded = (n + 31) // 32 * 32
        padded = min(padded, stride)
        take(rows.reshape(-1), n_features, 3, n, padded, stride, block)
        found = block.reshape(n_features, stride)[:, :padded]
        expected = rows[3:][np.minimum(np.arange(padded), n - 1)].T
        np.testing.assert_array_equal(found, expected.astype(np.float64))


@pytest.mark.parametrize("size", [1, 100, ALIGNED_FROM - 1, ALIGNED_FROM, 20_001])
def test_large_working_memory_begins_at_a_line_of_cache(size):
    for room in [working_memory(size + i) for i in range(5)]:
        assert room.flags.c_contiguous
        if room.size >= ALIGNED_FROM:
            assert room.ctypes.data % 64 == 0
    assert working_memory(size).size == size


@pytest.mark.parametrize(
    ("structure", "n_features", "expands"),
    [
        ((10, 2, 2), 2, False),
        ((10, 3, 3), 3, True),
        ((17, 2, 2), 2, True),
        ((10, 10), 10, False),
        ((17, 10), 10, True),
        ((10, 1), 10, True),
    ],
)
def test_few_components_stay_in_triangular_form_where_registers_are_few(
    monkeypatch, structure, n_features, expands
):
    """The rule of ADR 14."""
    blank = np.zeros(structure[0])
    means = np.zeros((structure[0], n_features))
    potentials = Potentials(blank, blank, means, np.ones(structure))
    monkeypatch.setattr(expansion, "IS_WIDE", False)
    assert is_faster(potentials) == expands
    monkeypatch.setattr(expansion, "IS_WIDE", True)
    assert is_faster(potentials)
