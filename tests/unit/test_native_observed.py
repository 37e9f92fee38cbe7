"""Native passes over rows of which some cells are missing or have errors, beside NumPy's."""

from collections.abc import Iterator

import numpy as np
import pytest

from laws.running import FREE, random_parameters
from mixtura.data import ArrayRows, Patterns
from mixtura.engines import ReferenceEngine
from mixtura.engines.native import NativeEngine
from mixtura.engines.native.library import AVX2, AVX512, BASELINE, use_instruction_set
from mixtura.engines.native.observed_calls import ObservedPasses
from mixtura.families import FAMILIES
from mixtura.messages.assignments import Assignment, Given, Hard, Labelled, Soft
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics

KINDS = ("missing", "own errors", "one error for all", "covariances")


@pytest.fixture(autouse=True)
def _widest_set() -> Iterator[None]:
    yield
    use_instruction_set(-1)


def some_rows(kind: str, rng: np.random.Generator, n_rows: int, n_features: int) -> ArrayRows:
    """Return weighted rows: few and many to a pattern, one of them without any cell."""
    values = 2.0 * rng.standard_normal((n_rows, n_features))
    if n_features > 1:
        values[rng.random(values.shape) < 0.25] = np.nan
        values[: n_rows // 3, 0] = np.nan
    errors = None
    if kind == "own errors":
        errors = rng.gamma(1.0, size=values.shape) * (rng.random(values.shape) < 0.8)
    elif kind == "one error for all":
        errors = rng.gamma(1.0, size=(1, n_features))
    elif kind == "covariances":
        roots = rng.standard_normal((n_rows, n_features, n_features))
        errors = roots @ np.swapaxes(roots, 1, 2)
    return ArrayRows(values, rng.gamma(1.0, size=n_rows), None, errors)


def numbers(statistics: SufficientStatistics) -> list[np.ndarray]:
    """Return all numbers of statistics, those of each kind together."""
    return [
        statistics.count,
        statistics.first,
        statistics.second,
        np.array([statistics.log_normalizer]),
    ]


def agree(found: SufficientStatistics, expected: SufficientStatistics, digits: float) -> None:
    for one, other in zip(numbers(found), numbers(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=digits, atol=digits * np.abs(other).max())


@pytest.mark.parametrize("covariance_type", FREE)
@pytest.mark.parametrize("kind", KINDS)
def test_statistics_are_those_of_the_reference_engine(kind: str, covariance_type: str) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    for n_rows, n_features, n_components in ((400, 1, 2), (90, 2, 3), (700, 3, 1), (300, 7, 4)):
        rows = some_rows(kind, rng, n_rows, n_features)
        family = FAMILIES["full" if n_features == 1 else covariance_type]
        potentials = family.potentials(random_parameters(rng, family, n_components, n_features))
        shares = rng.dirichlet(np.ones(n_components), n_rows)
        assignments: tuple[Assignment, ...] = (
            Soft(),
            Hard(),
            Given(shares),
            Labelled(rng.integers(0, n_components, n_rows)),
        )
        for assignment in assignments:
            found = NativeEngine(1).sweep(rows, potentials, assignment)
            expected = ReferenceEngine().sweep(rows, potentials, assignment)
            agree(found, expected, 1e-11)
        for ask in ("responsibilities", "log_density"):
            found_rows = getattr(NativeEngine(1), ask)(rows, potentials)
            expected_rows = getattr(ReferenceEngine(), ask)(rows, potentials)
            np.testing.assert_allclose(found_rows, expected_rows, rtol=1e-10, atol=1e-12)


def problem(n_rows: int) -> tuple[Patterns, Potentials]:
    """Return rows with errors in two patterns of three, and components."""
    rng = np.random.default_rng(5)
    rows = some_rows("missing", rng, n_rows, 6)
    family = FAMILIES["full"]
    return rows.observation.patterns[0], family.potentials(random_parameters(rng, family, 3, 6))


def test_bits_depend_neither_on_threads_nor_on_the_width_of_registers() -> None:
    patterns, potentials = problem(40_000)

    def swept(n_threads: int) -> list[np.ndarray]:
        found = ObservedPasses(potentials, lambda work: n_threads).sweep(patterns, Soft())
        assert found is not None
        return numbers(found)

    expected = swept(1)
    for n_threads in (2, 3):
        for one, other in zip(swept(n_threads), expected, strict=True):
            assert np.array_equal(one, other)
    for number in (AVX512, AVX2, BASELINE):
        if use_instruction_set(number) != number:
            continue
        for one, other in zip(swept(2), expected, strict=True):
            if number == BASELINE:
                np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-9)
            else:
                assert np.array_equal(one, other)


def test_errors_that_depend_on_one_another_are_left_to_the_reference_engine() -> None:
    rng = np.random.default_rng(6)
    rows = some_rows("covariances", rng, 50, 3)
    family = FAMILIES["diag"]
    potentials = family.potentials(random_parameters(rng, family, 2, 3))
    passes = ObservedPasses(potentials, lambda work: 1)
    (patterns,) = (one for one in rows.observation.patterns if one.errors is not None)
    assert passes.sweep(patterns, Soft()) is None
    assert passes.log_density(patterns) is None


def test_covariances_without_a_factor_are_left_to_the_reference_engine() -> None:
    patterns, potentials = problem(300)
    factor = potentials.precision_cholesky.copy()
    factor[0, 0, 0] = np.nan
    broken = Potentials(potentials.log_weight, potentials.offset, potentials.mean, factor)
    assert ObservedPasses(broken, lambda work: 1).sweep(patterns, Soft()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"values": np.zeros((9, 3))},
        {"observed": np.ones((1, 6), dtype=bool)},
        {"starts": np.array([0, 5])},
        {"weights": np.ones(3)},
        {"errors": np.ones((2, 6))},
    ],
)
def test_groups_that_do_not_fit_are_refused(change: dict[str, np.ndarray]) -> None:
    patterns, potentials = problem(60)
    parts = {
        name: getattr(patterns, name)
        for name in ("positions", "values", "weights", "observed", "starts", "errors")
    }
    with pytest.raises(ValueError, match=r"rows|weights"):
        ObservedPasses(potentials, lambda work: 1).sweep(Patterns(**(parts | change)), Soft())
