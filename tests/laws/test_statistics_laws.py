"""Laws of SufficientStatistics, for the structure shape of every registered family."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.independent import direct_statistics
from laws.running import blobs
from mixtura.families import CovarianceFamily
from mixtura.messages.statistics import SufficientStatistics, outer_moments

EXACT = 1e-12
"""Relative to the largest moment: some thousand roundings."""

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 30))
offsets = st.sampled_from([0.0, 1e8])


class Sample:
    """Weighted rows with responsibilities, and pivots a few deviations from them."""

    def __init__(
        self, seed: int, sizes: tuple[int, int, int], offset: float, family: CovarianceFamily
    ) -> None:
        self.K, self.D, self.N = sizes
        self.rng = np.random.default_rng(seed)
        self.structure = family.structure(self.K, self.D)
        self.offset = offset
        self.rows = offset + self.rng.standard_normal((self.N, self.D))
        self.shares = self.rng.dirichlet(np.ones(self.K), self.N)
        self.weights = self.rng.gamma(1.0, size=self.N)

    def pivot(self) -> np.ndarray:
        return self.offset + self.rng.standard_normal((self.K, self.D))

    def statistics(
        self, where: slice | np.ndarray = slice(None), pivot: np.ndarray | None = None
    ) -> SufficientStatistics:
        pivot = self.pivot() if pivot is None else pivot
        chosen = self.rows[where], self.shares[where], pivot, self.structure, self.weights[where]
        # Any sum over the rows may stand for the data term here.
        data_term = float(self.weights[where] @ (self.rows[where, 0] - self.offset))
        return replace(direct_statistics(*chosen), log_normalizer=data_term)


def assert_same(
    left: SufficientStatistics, right: SufficientStatistics, rtol: float = EXACT
) -> None:
    """Compare about the left pivot, relative to the larger moments (and to the count)."""
    right = right.about(left.pivot)
    # (count of K components) * (a few deviations)^2 bounds what the sums were made of.
    scale = 1.0 + np.abs(left.count).sum() + np.abs(left.second).max()
    np.testing.assert_allclose(right.pivot, left.pivot, rtol=1e-15, atol=1e-15)
    for name in ("count", "first", "second"):
        difference = np.abs(getattr(left, name) - getattr(right, name)).max()
        assert difference <= rtol * scale, (name, difference / scale)
    assert left.log_normalizer == pytest.approx(right.log_normalizer, rel=1e-12, abs=1e-12)


@given(seeds, sizes, offsets)
def test_addition_is_commutative_and_associative(
    family: CovarianceFamily, seed: int, sizes: tuple[int, int, int], offset: float
) -> None:
    sample = Sample(seed, sizes, offset, family)
    a, b, c = (sample.statistics(sample.rng.random(sample.N) < 0.5) for _ in range(3))
    assert_same(a + b, b + a)
    assert_same((a + b) + c, a + (b + c))


@given(seeds, sizes, offsets)
def test_zero_is_neutral_and_subtraction_undoes_addition(
    family: CovarianceFamily, seed: int, sizes: tuple[int, int, int], offset: float
) -> None:
    sample = Sample(seed, sizes, offset, family)
    a, b = sample.statistics(), sample.statistics()
    zero = SufficientStatistics.zero(sample.pivot(), sample.structure)
    assert_same(a + zero, a, rtol=0.0)
    assert_same(a, zero + a)
    assert_same(a + b - b, a)
    assert_same(a - a, SufficientStatistics.zero(a.pivot, sample.structure), rtol=0.0)


@given(seeds, sizes, offsets, st.floats(0.01, 100.0))
def test_scaling_equals_scaled_weights(
    family: CovarianceFamily, seed: int, sizes: tuple[int, int, int], offset: float, factor: float
) -> None:
    sample = Sample(seed, sizes, offset, family)
    pivot = sample.pivot()
    once = sample.statistics(pivot=pivot)
    sample.weights = sample.weights * factor
    again = sample.statistics(pivot=pivot)
    assert_same(again, once * factor)
    assert_same(again, factor * once)


@given(seeds, sizes, offsets, st.integers(1, 6))
def test_any_chunking_gives_the_same(
    family: CovarianceFamily, seed: int, sizes: tuple[int, int, int], offset: float, n_parts: int
) -> None:
    sample = Sample(seed, sizes, offset, family)
    part = sample.rng.integers(n_parts, size=sample.N)  # some parts may be empty
    total = SufficientStatistics.zero(sample.pivot(), sample.structure)
    for number in range(n_parts):
        total = total + sample.statistics(part == number)
    assert_same(sample.statistics(), total)


@given(seeds, sizes, offsets)
def test_about_is_exact_algebra(
    family: CovarianceFamily, seed: int, sizes: tuple[int, int, int], offset: float
) -> None:
    sample = Sample(seed, sizes, offset, family)
    here, there = sample.pivot(), sample.pivot()
    moved = sample.statistics(pivot=here).about(there)
    assert_same(sample.statistics(pivot=there), moved)
    # Not only as `assert_same` sees it, which moves the second argument itself:
    direct = sample.statistics(pivot=there)
    scale = 1.0 + direct.count.sum() + np.abs(direct.second).max()
    np.testing.assert_allclose(moved.pivot, there, rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(moved.first, direct.first, rtol=0, atol=EXACT * scale)
    np.testing.assert_allclose(moved.second, direct.second, rtol=0, atol=EXACT * scale)
    assert_same(sample.statistics(pivot=here), moved.about(here))


def test_about_its_own_pivot_changes_no_bit(
    family: CovarianceFamily, rng: np.random.Generator
) -> None:
    sample = Sample(3, (3, 2, 9), 1e8, family)
    statistics = sample.statistics()
    again = statistics.about(statistics.pivot.copy())
    np.testing.assert_array_equal(again.second, statistics.second)
    np.testing.assert_array_equal(again.first, statistics.first)


@given(seeds, sizes, offsets, st.data())
def test_merging_components_adds_along_k(
    family: CovarianceFamily,
    seed: int,
    sizes: tuple[int, int, int],
    offset: float,
    data: st.DataObject,
) -> None:
    sample = Sample(seed, sizes, offset, family)
    n_groups = data.draw(st.integers(1, sample.K))
    rest = data.draw(st.lists(st.integers(0, n_groups - 1), min_size=sample.K - n_groups))
    groups: Sequence[int] = sample.rng.permutation(
        [*range(n_groups), *rest[: sample.K - n_groups]]
    ).tolist()
    merged = sample.statistics().merged(groups)
    members = np.eye(n_groups)[groups]
    sample.shares = sample.shares @ members
    sample.structure = family.structure(n_groups, sample.D)
    direct = sample.statistics(pivot=merged.pivot)
    assert merged.structure == direct.structure
    assert_same(direct, merged)


@given(seeds, sizes, offsets)
def test_mean_and_scatter_are_the_moments_of_the_rows(
    family: CovarianceFamily, seed: int, sizes: tuple[int, int, int], offset: float
) -> None:
    sample = Sample(seed, sizes, offset, family)
    sample.shares[:, 0] = 0.0  # an empty component keeps its pivot
    statistics = sample.statistics()
    mean = statistics.mean()
    np.testing.assert_array_equal(mean[0], statistics.pivot[0])
    assert statistics.total == pytest.approx(statistics.count.sum(), rel=1e-15)
    mass = sample.weights[:, None] * sample.shares
    for k in range(1, sample.K):
        expected = offset + np.average(sample.rows - offset, axis=0, weights=mass[:, k])
        np.testing.assert_allclose(mean[k], expected, rtol=1e-15, atol=1e-11)
    direct = direct_statistics(sample.rows, sample.shares, mean, sample.structure, sample.weights)
    scatter = statistics.scatter(mean)
    scale = 1.0 + statistics.count.sum() + np.abs(statistics.second).max()
    np.testing.assert_allclose(scatter, direct.second, rtol=0, atol=EXACT * scale)
    if scatter.ndim == 3:
        np.testing.assert_array_equal(scatter, scatter.transpose(0, 2, 1))
        assert (np.einsum("kdd->kd", scatter) >= 0).all()
    else:
        assert (scatter >= 0).all()


def test_outer_moments_is_the_sum_that_the_family_shares(
    family: CovarianceFamily, rng: np.random.Generator
) -> None:
    left, right = rng.standard_normal((2, 3, 4))
    full = np.einsum("kd,ke->kde", left, right)
    np.testing.assert_allclose(
        outer_moments(left, right, family.structure(3, 4)), family.compact(full), rtol=1e-14
    )


def test_moments_about_a_near_pivot_lose_nothing_at_an_offset(
    family: CovarianceFamily, rng: np.random.Generator
) -> None:
    # The offset is a multiple of 2^-10, so that adding and taking it away are exact.
    rows = np.round(blobs(rng, 60, 2, 2) * 1024) / 1024
    shares = rng.dirichlet(np.ones(2), 60)
    structure = family.structure(2, 2)
    pivot = np.round(rng.standard_normal((2, 2)) * 1024) / 1024
    elsewhere = pivot + np.array([[0.5, -1.25], [2.0, 0.75]])
    near = direct_statistics(rows, shares, pivot, structure).about(elsewhere)
    far = direct_statistics(rows + 1e8, shares, pivot + 1e8, structure).about(elsewhere + 1e8)
    np.testing.assert_allclose(far.second, near.second, rtol=1e-13)
    np.testing.assert_allclose(far.first, near.first, rtol=1e-13, atol=1e-12)
