"""The native engine beyond the laws of every engine: bits, kinds of rows, ends of numbers."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.engines.native import NativeEngine, processors
from mixtura.engines.native.library import AVX2, AVX512, BASELINE, use_instruction_set
from mixtura.engines.native.processors import available_threads
from mixtura.messages.assignments import Assignment, Given, Hard, Labelled, Sampled, Soft
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics

ASSIGNMENTS: dict[str, Callable[[np.random.Generator, int, int], Assignment]] = {
    "soft": lambda rng, n, k: Soft(),
    "hard": lambda rng, n, k: Hard(),
    "sampled": lambda rng, n, k: Sampled(7, 3),
    "given": lambda rng, n, k: Given(rng.dirichlet(np.ones(k), size=n)),
    "labelled": lambda rng, n, k: Labelled(rng.integers(k, size=n)),
}
STRUCTURES = {
    "full": lambda k, d: (k, d, d),
    "tied": lambda k, d: (1, d, d),
    "diagonal": lambda k, d: (k, d),
    "spherical": lambda k, d: (k, 1),
    "tied diagonal": lambda k, d: (1, d),
    "tied spherical": lambda k, d: (1, 1),
}
BY_STRUCTURE = pytest.mark.parametrize("structure", STRUCTURES.values(), ids=list(STRUCTURES))
SIZES = pytest.mark.parametrize(
    ("n_features", "n_components"), [(1, 2), (1, 4), (2, 4), (3, 4), (4, 2), (7, 4), (13, 4)]
)


@pytest.fixture(autouse=True)
def widest() -> Iterator[None]:
    yield
    use_instruction_set(-1)


def triangular(n_threads: int = 1) -> NativeEngine:
    return NativeEngine(n_threads, expanded_from=None)


def potentials_of(rng, structure, n_components: int, n_features: int) -> Potentials:
    if len(structure) == 3:
        lower = 0.2 * np.tril(rng.standard_normal(structure), -1)
        factor = np.swapaxes(lower, 1, 2) + np.eye(n_features)
    else:
        factor = rng.uniform(0.5, 2.0, structure)
    return Potentials(
        np.log(rng.dirichlet(np.ones(n_components))),
        rng.standard_normal(n_components),
        rng.standard_normal((n_components, n_features)),
        factor,
    )


def parts(found: SufficientStatistics) -> list[np.ndarray]:
    return [found.count, found.first, found.second, np.array(found.log_normalizer)]


def assert_same_bits(left: SufficientStatistics, right: SufficientStatistics) -> None:
    for ours, theirs in zip(parts(left), parts(right), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def assert_close(left: SufficientStatistics, right: SufficientStatistics, tolerance: float) -> None:
    for ours, theirs in zip(parts(left), parts(right), strict=True):
        size = tolerance * max(right.total, np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=size)


@pytest.mark.parametrize("name", sorted(ASSIGNMENTS))
@pytest.mark.parametrize("weighted", [False, True])
@SIZES
def test_bits_depend_neither_on_threads_nor_on_the_width_of_registers(
    name: str, weighted: bool, n_features: int, n_components: int
) -> None:
    rng = np.random.default_rng(0)
    n_rows = 20_003
    rows = ArrayRows(
        rng.standard_normal((n_rows, n_features)), rng.random(n_rows) if weighted else None
    )
    assignment = ASSIGNMENTS[name](rng, n_rows, n_components)
    for structure in STRUCTURES.values():
        shape = structure(n_components, n_features)
        potentials = potentials_of(rng, shape, n_components, n_features)
        use_instruction_set(AVX512)
        alone = triangular().sweep(rows, potentials, assignment)
        for n_threads in (2, 4):
            assert_same_bits(alone, triangular(n_threads).sweep(rows, potentials, assignment))
        if use_instruction_set(AVX2) == AVX2:
            assert_same_bits(alone, triangular().sweep(rows, potentials, assignment))
        use_instruction_set(BASELINE)
        assert_close(triangular().sweep(rows, potentials, assignment), alone, 1e-13)
        if name not in ("given", "labelled"):
            assert_close(alone, ReferenceEngine().sweep(rows, potentials, assignment), 1e-12)


@BY_STRUCTURE
def test_what_rows_are_told_does_not_depend_on_threads_or_registers(structure) -> None:
    rng = np.random.default_rng(1)
    rows = ArrayRows(rng.standard_normal((20_003, 5)))
    potentials = potentials_of(rng, structure(4, 5), 4, 5)

    def told(n_threads: int) -> list[np.ndarray]:
        engine = triangular(n_threads)
        return [
            engine.responsibilities(rows, potentials),
            engine.log_density(rows, potentials),
            engine.labels(rows, potentials),
            engine.sample_labels(rows, potentials, 2, 5),
        ]

    expected = told(1)
    for found in (told(2), told(4)):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    if use_instruction_set(AVX2) == AVX2:
        for ours, theirs in zip(told(1), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    use_instruction_set(BASELINE)
    for ours, theirs in zip(told(1), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-13)
    reference = ReferenceEngine()
    np.testing.assert_array_equal(expected[3], reference.sample_labels(rows, potentials, 2, 5))


@pytest.mark.parametrize("n_features", [1, 2, 3, 8, 9])
@BY_STRUCTURE
def test_float32_rows_are_read_as_they_are_and_added_in_float64(structure, n_features: int) -> None:
    rng = np.random.default_rng(2)
    single: Any = rng.standard_normal((1001, n_features)).astype(np.float32)
    potentials = potentials_of(rng, structure(2, n_features), 2, n_features)
    wide = ArrayRows(single.astype(np.float64))
    for assignment in (Soft(), Sampled(1)):
        assert_same_bits(
            triangular().sweep(ArrayRows(single), potentials, assignment),
            triangular().sweep(wide, potentials, assignment),
        )


def at_odd_address(values: np.ndarray) -> np.ndarray:
    """Return a copy that begins one byte past the start of a number."""
    room = np.zeros(values.nbytes + 128, dtype=np.uint8)
    start = 64 - room.ctypes.data % 64 + 1
    there = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    there[...] = values
    assert there.ctypes.data % values.itemsize == 1
    return there


@pytest.mark.parametrize("number_type", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_numbers_may_lie_anywhere(number_type, n_features: int) -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((203, n_features)).astype(number_type)
    weights = rng.random(203)
    plain = potentials_of(rng, (2, n_features, n_features), 2, n_features)
    moved = Potentials(
        at_odd_address(plain.log_weight),
        at_odd_address(plain.offset),
        at_odd_address(plain.mean),
        at_odd_address(plain.precision_cholesky),
    )
    expected = triangular().sweep(ArrayRows(rows, weights), plain, Soft())
    there = ArrayRows(at_odd_address(rows), at_odd_address(weights))
    assert_same_bits(triangular().sweep(there, moved, Soft()), expected)
    shares = triangular().responsibilities(there, moved)
    for given in (shares, at_odd_address(shares)):
        found = triangular().sweep(there, plain, Given(given))
        for ours, theirs in zip(parts(found)[:3], parts(expected)[:3], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_read_only_and_strided_rows_are_taken() -> None:
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((500, 3))
    potentials = potentials_of(rng, (2, 3), 2, 3)
    expected = triangular().sweep(ArrayRows(rows), potentials, Soft())
    locked = rows.copy()
    locked.flags.writeable = False
    for other in (locked, np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2]):
        assert_same_bits(triangular().sweep(ArrayRows(other), potentials, Soft()), expected)


@BY_STRUCTURE
@SIZES
def test_rows_of_no_weight_and_components_of_none(
    structure, n_features: int, n_components: int
) -> None:
    rng = np.random.default_rng(5)
    rows, weights = rng.standard_normal((75, n_features)), rng.random(75)
    weights[::3] = 0.0
    potentials = potentials_of(rng, structure(n_components, n_features), n_components, n_features)
    potentials.log_weight[1] = -np.inf
    kept = weights > 0.0
    for assignment in (Soft(), Hard()):
        found = triangular().sweep(ArrayRows(rows, weights), potentials, assignment)
        alone = triangular().sweep(ArrayRows(rows[kept], weights[kept]), potentials, assignment)
        assert_close(found, alone, 1e-13)
        assert found.count[1] == 0.0
        assert not found.first[1].any()
    assert not (triangular().labels(ArrayRows(rows), potentials) == 1).any()


@pytest.mark.parametrize("n_rows", [1, 7, 8, 9, 31, 32, 33])
@BY_STRUCTURE
def test_a_few_rows(structure, n_rows: int) -> None:
    rng = np.random.default_rng(6)
    for n_features, n_components in ((1, 1), (1, 2), (2, 3), (6, 2)):
        rows = ArrayRows(rng.standard_normal((n_rows, n_features)))
        shape = structure(n_components, n_features)
        potentials = potentials_of(rng, shape, n_components, n_features)
        for assignment in (Soft(), Hard(), Sampled(2)):
            expected = ReferenceEngine().sweep(rows, potentials, assignment)
            assert_close(triangular().sweep(rows, potentials, assignment), expected, 1e-12)


@pytest.mark.parametrize("n_features", [1, 2, 3, 6])
@BY_STRUCTURE
def test_missing_values_stay_in_their_row(structure, n_features: int) -> None:
    rng = np.random.default_rng(7)
    rows = rng.standard_normal((2000, n_features))
    potentials = potentials_of(rng, structure(3, n_features), 3, n_features)
    expected = triangular().log_density(ArrayRows(rows), potentials)
    shares = triangular().responsibilities(ArrayRows(rows), potentials)
    rows[1234, -1] = np.nan
    others = np.arange(2000) != 1234
    density = triangular().log_density(ArrayRows(rows), potentials)
    reference = ReferenceEngine().log_density(ArrayRows(rows), potentials)
    assert density[1234] == pytest.approx(reference[1234], rel=1e-12)
    np.testing.assert_array_equal(density[others], expected[others])
    found = triangular().responsibilities(ArrayRows(rows), potentials)
    np.testing.assert_array_equal(found[others], shares[others])


def test_several_python_threads_may_use_the_engine_at_once() -> None:
    rng = np.random.default_rng(8)
    rows = ArrayRows(rng.standard_normal((60_000, 4)))
    potentials = potentials_of(rng, (5, 4, 4), 5, 4)
    expected = triangular().sweep(rows, potentials, Soft())
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda _: triangular(3).sweep(rows, potentials, Soft()), range(40))
    for statistics in found:
        assert_same_bits(statistics, expected)


def test_many_short_passes_in_threads() -> None:
    rng = np.random.default_rng(9)
    rows = ArrayRows(rng.standard_normal((4000, 3)))
    potentials = potentials_of(rng, (5, 3, 3), 5, 3)
    expected = triangular().sweep(rows, potentials, Soft())
    for i in range(2000):
        assert_same_bits(triangular(1 + i % 4).sweep(rows, potentials, Soft()), expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_has_threads_of_its_own() -> None:
    rng = np.random.default_rng(10)
    rows = ArrayRows(rng.standard_normal((50_000, 3)))
    potentials = potentials_of(rng, (3, 3), 3, 3)
    expected = triangular(2).sweep(rows, potentials, Soft())
    child = os.fork()
    if child == 0:
        found = triangular(2).sweep(rows, potentials, Soft())
        os._exit(int(not np.array_equal(found.second, expected.second)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_thread_may_begin_by_telling_rows() -> None:
    rng = np.random.default_rng(12)
    rows = ArrayRows(rng.standard_normal((20_000, 6)))
    potentials = potentials_of(rng, (3, 6, 6), 3, 6)
    expected = triangular().labels(rows, potentials)
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(triangular(2).labels, rows, potentials).result()
    np.testing.assert_array_equal(found, expected)


def test_shapes_that_do_not_fit_are_refused() -> None:
    rng = np.random.default_rng(11)
    rows = ArrayRows(rng.standard_normal((20, 3)))
    potentials = potentials_of(rng, (2, 3), 2, 3)
    with pytest.raises(ValueError, match="an assignment of shape"):
        triangular().sweep(rows, potentials, Given(np.ones((20, 3))))
    with pytest.raises(ValueError, match="an assignment of shape"):
        triangular().sweep(rows, potentials, Labelled(np.zeros(19, dtype=np.int64)))
    with pytest.raises(ValueError, match="weights of shape"):
        triangular().sweep(ArrayRows(rows.values, np.ones(19)), potentials, Soft())
    with pytest.raises(ValueError, match="features are known"):
        triangular().sweep(ArrayRows(rows.values[:, :2]), potentials, Soft())
    with pytest.raises(ValueError, match="a structure"):
        triangular().sweep(rows, potentials_of(rng, (3, 3), 2, 3), Soft())


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("condition", [1.0, 1e8])
@pytest.mark.parametrize("n_features", [2, 5, 10])
def test_accuracy_far_from_the_origin_and_at_high_condition(
    offset: float, condition: float, n_features: int
) -> None:
    """1e-9 relative to the reference engine, up to 1e6 deviations away and condition 1e8."""
    rng = np.random.default_rng(1)
    rows = ArrayRows(offset + rng.standard_normal((2000, n_features)))
    scales = np.geomspace(1.0, np.sqrt(condition), n_features)
    for structure in ((3, n_features), (3, n_features, n_features)):
        made = potentials_of(rng, structure, 3, n_features)
        factor = made.precision_cholesky
        if len(structure) == 3:
            factor = np.triu(factor) * scales[:, None]
        potentials = Potentials(made.log_weight, made.offset, offset + made.mean, factor)
        expected = ReferenceEngine().sweep(rows, potentials, Soft())
        assert_close(NativeEngine().sweep(rows, potentials, Soft()), expected, 1e-9)
        np.testing.assert_allclose(
            NativeEngine().log_density(rows, potentials),
            ReferenceEngine().log_density(rows, potentials),
            rtol=1e-9,
        )


def test_many_mixtures_have_the_bits_of_each_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(12)
    for structure in ((20, 3), (20, 1), (20, 3, 3)):
        rows = ArrayRows(rng.standard_normal((20_000, 3)), rng.gamma(1.0, size=20_000))
        potentials = potentials_of(rng, structure, 20, 3)
        each = [potentials.components(slice(start, start + 5)) for start in range(0, 20, 5)]
        terms = [triangular().sweep(rows, one, Soft()).log_normalizer for one in each]
        shares = np.zeros((20_000, 5))
        for one in each:
            shares += triangular().responsibilities(rows, one)
        for n_threads in (1, 2, 4):
            engine = triangular(n_threads)
            np.testing.assert_array_equal(engine.log_likelihoods(rows, potentials, 5), terms)
            found = engine.summed_responsibilities(rows, potentials, 5)
            np.testing.assert_array_equal(found, shares)


def test_few_short_passes_do_not_wait_for_the_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(processors._Done, "work", 0)
    monkeypatch.setattr(
        processors, "_controller", lambda: asked.append(1) or ThreadpoolController()
    )
    for _ in range(10):
        assert available_threads(1 << 20) == 1
    assert asked == []
    assert available_threads(1 << 23) == available_threads()
    assert asked
    assert available_threads(1) == available_threads()


def test_limits_of_threads_are_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    with threadpool_limits(1):
        assert available_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert available_threads() == 1
