"""The native engine's further forms: the expanded one, tails, and rows chosen by their hashes."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.engines.content_keys import rows_below
from mixtura.engines.native import NativeEngine
from mixtura.engines.native.expansion import Expansion, expansion_of, is_faster
from mixtura.engines.native.hashing import native_rows_below
from mixtura.engines.native.library import AVX2, AVX512, BASELINE, use_instruction_set
from mixtura.messages.assignments import Assignment, Given, Hard, Labelled, Sampled, Soft
from mixtura.messages.potentials import Potentials, ScaleMixtureTail, StudentTail, Tail
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

EXPANDED, TRIANGULAR = NativeEngine(2, expanded_from=0), NativeEngine(2, expanded_from=None)


@pytest.fixture(autouse=True)
def widest() -> Iterator[None]:
    yield
    use_instruction_set(-1)


def potentials_of(rng, structure, n_components: int, n_features: int) -> Potentials:
    if len(structure) == 3:
        upper = np.triu(rng.standard_normal(structure), 1)
        factor = 0.3 / np.sqrt(n_features) * upper + np.eye(n_features)
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


def direct_sums(
    values: np.ndarray, potentials: Potentials, shares: np.ndarray
) -> SufficientStatistics:
    """Return the moments about the means as sums over rows, written down as they are."""
    away = values[:, None, :] - potentials.mean
    first = np.einsum("nk,nkd->kd", shares, away)
    if len(potentials.structure) == 3:
        second = np.einsum("nk,nkd,nke->kde", shares, away, away)
    else:
        second = np.einsum("nk,nkd->kd", shares, away**2)
        if potentials.structure[1] == 1:
            second = second.sum(axis=1, keepdims=True)
    if potentials.structure[0] == 1:
        second = second.sum(axis=0, keepdims=True)
    term = ReferenceEngine().log_density(ArrayRows(values), potentials).sum()
    return SufficientStatistics(shares.sum(axis=0), first, second, potentials.mean, float(term))


# ---------------------------------------------------------------------------- the expanded form


@BY_STRUCTURE
@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5, 8, 17, 30])
def test_expanded_sweeps_equal_direct_sums(structure, n_features: int) -> None:
    """With every number of components and features that tiles leave over, and many chunks."""
    rng = np.random.default_rng(n_features)
    for n_components in [*range(1, 9), 13]:
        potentials = potentials_of(
            rng, structure(n_components, n_features), n_components, n_features
        )
        assert isinstance(expansion_of(potentials), Expansion)
        values = rng.standard_normal((301, n_features))
        shares = ReferenceEngine().responsibilities(ArrayRows(values), potentials)
        found = EXPANDED.sweep(ArrayRows(values), potentials, Soft())
        assert_close(found, direct_sums(values, potentials, shares), 1e-11)


@pytest.mark.parametrize("name", sorted(ASSIGNMENTS))
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n_features", "n_components"), [(1, 3), (2, 7), (5, 2), (9, 6), (18, 11)])
def test_bits_depend_neither_on_threads_nor_on_the_width_of_registers(
    name: str, weighted: bool, n_features: int, n_components: int
) -> None:
    rng = np.random.default_rng(0)
    n_rows = 10_003
    weights = rng.random(n_rows) if weighted else None
    rows = ArrayRows(rng.standard_normal((n_rows, n_features)), weights)
    assignment = ASSIGNMENTS[name](rng, n_rows, n_components)
    for structure in STRUCTURES.values():
        shape = structure(n_components, n_features)
        potentials = potentials_of(rng, shape, n_components, n_features)
        use_instruction_set(AVX512)
        alone = NativeEngine(1, 0).sweep(rows, potentials, assignment)
        for n_threads in (2, 4):
            together = NativeEngine(n_threads, 0).sweep(rows, potentials, assignment)
            assert_same_bits(alone, together)
        if use_instruction_set(AVX2) == AVX2:
            assert_same_bits(alone, NativeEngine(1, 0).sweep(rows, potentials, assignment))
        use_instruction_set(BASELINE)
        assert_close(NativeEngine(1, 0).sweep(rows, potentials, assignment), alone, 1e-12)
        if name not in ("given", "labelled"):
            assert_close(alone, ReferenceEngine().sweep(rows, potentials, assignment), 1e-11)


@BY_STRUCTURE
@pytest.mark.parametrize("form", ["expanded", "t of distances", "t of features", "widths"])
def test_what_rows_are_told_depends_neither_on_threads_nor_on_registers(
    structure, form: str
) -> None:
    rng = np.random.default_rng(1)
    potentials = potentials_of(rng, structure(4, 5), 4, 5)
    if form != "expanded":
        potentials = replace(potentials, tail=TAILS[form](rng, 4, 5))
    rows = ArrayRows(rng.standard_normal((8_003, 5)))

    def told(n_threads: int) -> list[np.ndarray]:
        engine = NativeEngine(n_threads, 0)
        return [
            engine.responsibilities(rows, potentials),
            engine.log_density(rows, potentials),
            engine.labels(rows, potentials),
            engine.sample_labels(rows, potentials, 2, 5),
        ]

    use_instruction_set(AVX512)
    alone = told(1)
    others = [told(3)]
    if use_instruction_set(AVX2) == AVX2:
        others.append(told(1))
    for other in others:
        for ours, theirs in zip(alone, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    reference = ReferenceEngine()
    np.testing.assert_allclose(
        alone[0], reference.responsibilities(rows, potentials), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(alone[1], reference.log_density(rows, potentials), rtol=1e-10)
    np.testing.assert_array_equal(alone[2], reference.labels(rows, potentials))
    np.testing.assert_array_equal(alone[3], reference.sample_labels(rows, potentials, 2, 5))


@BY_STRUCTURE
def test_float32_rows_are_read_as_they_are_in_expanded_form(structure) -> None:
    rng = np.random.default_rng(2)
    potentials = potentials_of(rng, structure(4, 7), 4, 7)
    single = rng.standard_normal((1001, 7)).astype(np.float32)
    found = EXPANDED.sweep(ArrayRows(single), potentials, Soft())
    double = EXPANDED.sweep(ArrayRows(single.astype(np.float64)), potentials, Soft())
    assert_same_bits(found, double)


@BY_STRUCTURE
@pytest.mark.parametrize("n_features", [1, 2, 5, 9])
def test_the_expanded_form_keeps_its_digits_up_to_the_guard(structure, n_features: int) -> None:
    """1e-9 relative to the reference, with means as far apart as the guard lets them be."""
    rng = np.random.default_rng(6)
    n_components = 6
    near = potentials_of(rng, structure(n_components, n_features), n_components, n_features)
    centre = near.mean.mean(axis=0)
    distances = np.geomspace(1.0, 1e6, 200)
    spread = [replace(near, mean=centre + s * (near.mean - centre)) for s in distances]
    expanded = [potentials for potentials in spread if expansion_of(potentials) is not None]
    assert 0 < len(expanded) < len(spread)
    potentials = expanded[-1]
    rows = np.repeat(potentials.mean, 300, axis=0) + rng.standard_normal((1800, n_features))
    data = ArrayRows(rows + 0.5 * (rows[::-1] - rows) * (np.arange(1800) % 3 == 0)[:, None])
    reference = ReferenceEngine()
    for assignment in (Soft(), Hard()):
        found = EXPANDED.sweep(data, potentials, assignment)
        assert_close(found, reference.sweep(data, potentials, assignment), 1e-9)
    np.testing.assert_allclose(
        EXPANDED.log_density(data, potentials),
        reference.log_density(data, potentials),
        rtol=1e-9,
        atol=1e-10,  # where the density happens to be near one
    )
    np.testing.assert_allclose(
        EXPANDED.responsibilities(data, potentials),
        reference.responsibilities(data, potentials),
        atol=1e-9,
    )


def test_high_condition_numbers_are_not_expanded() -> None:
    rng = np.random.default_rng(7)
    potentials = potentials_of(rng, (3, 5, 5), 3, 5)
    scales = np.geomspace(1.0, 1e4, 5)[:, None]
    uneven = potentials.precision_cholesky * scales
    correlated = replace(potentials, precision_cholesky=uneven @ np.tril(np.ones((5, 5))))
    assert expansion_of(correlated) is None


@BY_STRUCTURE
def test_where_a_row_is_too_far_for_the_expanded_form_its_piece_is_triangular(
    structure,
) -> None:
    rng = np.random.default_rng(8)
    potentials = potentials_of(rng, structure(3, 4), 3, 4)
    assert expansion_of(potentials) is not None
    values = rng.standard_normal((30_000, 4))
    values[12_345] = [1e150, 0.0, -1e151, 3.0]
    rows = ArrayRows(values)
    shares = rng.dirichlet(np.ones(3), size=len(values))
    for assignment in (Soft(), Hard(), Sampled(1), Given(shares)):
        found = EXPANDED.sweep(rows, potentials, assignment)
        assert_same_bits(found, TRIANGULAR.sweep(rows, potentials, assignment))
    for name in ("responsibilities", "log_density", "labels"):
        np.testing.assert_array_equal(
            getattr(EXPANDED, name)(rows, potentials), getattr(TRIANGULAR, name)(rows, potentials)
        )


@pytest.mark.parametrize(
    ("structure", "n_features", "times", "expands"),
    [
        ((10, 2, 2), 2, 100, False),
        ((17, 2, 2), 2, 100, True),
        ((10, 3, 3), 3, 4, True),
        ((10, 3, 3), 3, 3, False),
        ((1, 3, 3), 3, 1, True),
        ((10, 5), 5, 100, False),
        ((10, 1), 10, 8, True),
        ((10, 10), 10, 8, True),
        ((10, 10), 10, 7, False),
    ],
)
def test_small_problems_stay_in_triangular_form(
    structure, n_features: int, times: float, expands: bool
) -> None:
    """The rule of ADR 14."""
    n_components = max(structure[0], 10)
    blank, means = np.zeros(n_components), np.zeros((n_components, n_features))
    assert is_faster(Potentials(blank, blank, means, np.ones(structure)), times) == expands


def test_components_of_no_weight_get_nothing_in_expanded_form() -> None:
    rng = np.random.default_rng(5)
    potentials = potentials_of(rng, (3, 4), 3, 4)
    potentials.log_weight[1:] = -np.inf
    swept = EXPANDED.sweep(ArrayRows(rng.standard_normal((500, 4))), potentials, Soft())
    assert (swept.count == [500.0, 0.0, 0.0]).all()


# --------------------------------------------------------------------------------------- tails

TAILS: dict[str, Callable[[np.random.Generator, int, int], Tail]] = {
    "t of distances": lambda rng, k, d: StudentTail(rng.uniform(1.0, 50.0, k)),
    "t of features": lambda rng, k, d: StudentTail(
        np.where(np.arange(k)[:, None] % 2 == 0, 4.0, rng.uniform(1.0, 50.0, (k, d)))
    ),
    "widths": lambda rng, k, d: ScaleMixtureTail(
        np.log(rng.dirichlet(np.ones(7), (k, d))), rng.gamma(2.0, size=(k, d, 7))
    ),
}


def test_tails_that_the_library_does_not_know_are_left_to_the_reference() -> None:
    rng = np.random.default_rng(3)
    rows = ArrayRows(rng.standard_normal((50, 3)))
    for name in ("t of features", "widths"):
        full = potentials_of(rng, (2, 3, 3), 2, 3)
        potentials = replace(full, tail=TAILS[name](rng, 2, 3))
        np.testing.assert_array_equal(
            EXPANDED.log_density(rows, potentials),
            ReferenceEngine().log_density(rows, potentials),
        )


# -------------------------------------------------------------------------------------- hashes


@pytest.mark.parametrize("instruction_set", [BASELINE, AVX2, AVX512])
@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5, 8, 9, 33])
@pytest.mark.parametrize("number_type", [np.float64, np.float32, np.int64])
def test_rows_are_chosen_as_by_numpy(instruction_set: int, n_features: int, number_type) -> None:
    rng = np.random.default_rng(n_features)
    values = (10.0 * rng.standard_normal((1000, n_features))).astype(number_type)
    values[::7] = 0
    values[1::7] *= number_type(0)  # zeros of both signs
    use_instruction_set(instruction_set)
    for limit in (0, 1, 2**60, 2**63, 2**64 - 1):
        found = native_rows_below(values, limit)
        assert found.dtype == np.intp
        np.testing.assert_array_equal(found, rows_below(values, limit))
        np.testing.assert_array_equal(
            native_rows_below(values[::-1][::2], limit), rows_below(values[::-1][::2], limit)
        )
