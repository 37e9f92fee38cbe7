"""Laws of every registered start, and of the starts that users give."""

import numpy as np
import pytest

from laws.independent import direct_statistics
from laws.running import blobs, elicited, run
from mixtura.data import ArrayRows, memory
from mixtura.engines import Engine
from mixtura.engines.content_keys import content_sample, row_hashes
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.inference.starts import INITIALIZERS, Initializer, given_start
from mixtura.inference.starts.quantile import weighted_slices
from mixtura.inference.starts.random import take_rows
from mixtura.inference.starts.split import best_cut, merged_means
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel


def statistics_of(
    initializer: Initializer,
    family: CovarianceFamily,
    rows: np.ndarray,
    engine: Engine,
    *,
    K: int = 3,
    number: int = 0,
    seed: int = 0,
    weights: np.ndarray | None = None,
) -> SufficientStatistics:
    model = elicited(family, rows, K, weights=weights)
    child = np.random.SeedSequence(seed).spawn(number + 1)[number]
    data = ArrayRows(np.ascontiguousarray(rows), weights)
    return initializer.statistics(model, data, engine, number, child)


def same(one: SufficientStatistics, other: SufficientStatistics, rtol: float = 1e-10) -> None:
    moved = other.about(one.pivot)
    size = 1.0 + np.abs(one.second).max()
    for name in ("count", "first", "second"):
        np.testing.assert_allclose(
            getattr(moved, name), getattr(one, name), rtol=rtol, atol=rtol * size
        )


def test_registry_names_are_the_starts_own() -> None:
    assert all(name == start.name for name, start in INITIALIZERS.items())
    assert all(start.default_starts >= 1 for start in INITIALIZERS.values())


@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_starts_partition_the_rows(
    initializer: Initializer, family: CovarianceFamily, reference_engine: Engine, number: int
) -> None:
    rows = blobs(np.random.default_rng(31), 70, 2, 3)
    weights = np.random.default_rng(32).gamma(1.0, size=70)
    found = statistics_of(
        initializer, family, rows, reference_engine, number=number, weights=weights
    )
    assert found.structure == family.structure(3, 2)
    assert found.total == pytest.approx(weights.sum(), rel=1e-12)
    assert (found.count > 0).all()
    # Summed over the components they are the moments of all rows about one pivot.
    centre = np.zeros((1, 2))
    together = found.merged([0, 0, 0]).about(centre)
    whole = direct_statistics(rows, np.ones((70, 1)), centre, family.structure(1, 2), weights)
    same(whole, together)


def test_the_same_seed_gives_the_same_bits(
    initializer: Initializer, family: CovarianceFamily, reference_engine: Engine
) -> None:
    rows = blobs(np.random.default_rng(33), 70, 2, 3)
    one, other = (
        statistics_of(initializer, family, rows, reference_engine, number=4, seed=9)
        for _ in range(2)
    )
    for name in ("count", "first", "second", "pivot"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("name", ["random", "kmeans"])
def test_random_starts_differ(name: str, reference_engine: Engine) -> None:
    # One heap of rows: k-means has many ends here.
    rows = np.random.default_rng(34).standard_normal((70, 2))
    ends = set()
    for seed in range(10):
        found = statistics_of(
            INITIALIZERS[name], FAMILIES["full"], rows, reference_engine, K=6, seed=seed
        )
        ends.add(tuple(np.sort(found.count)))
    assert len(ends) > 5


def test_rows_are_drawn_as_often_as_they_weigh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly spaced places along the cumulated weight are rows that are repeated."""
    rng = np.random.default_rng(36)
    values, times = rng.standard_normal((50, 2)), rng.integers(0, 4, 50)
    places = np.arange(times.sum()) + 0.5
    rows = ArrayRows(values, times.astype(float))
    np.testing.assert_array_equal(take_rows(rows, places), np.repeat(values, times, axis=0))
    # Of a block that begins in the middle of all rows too.
    monkeypatch.setattr(memory, "BLOCK_ENTRIES", 14)
    assert sum(1 for _ in rows.blocks()) == 8
    np.testing.assert_array_equal(take_rows(rows, places), np.repeat(values, times, axis=0))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("D", [1, 2, 3])
@pytest.mark.parametrize("name", ["split", "quantile"])
def test_deterministic_starts_are_functions_of_the_distribution(
    reference_engine: Engine, D: int, number: int, name: str
) -> None:
    # Two features are the hard case: the principal components of any 2 x 2 correlation matrix
    # are (1, 1) and (1, -1), whose largest entry is a tie that rounding must not break.
    if number >= D:
        return
    family, quantile = FAMILIES["full"], INITIALIZERS[name]
    for seed in range(12):
        rng = np.random.default_rng(seed)
        rows = rng.standard_normal((41, D)) @ rng.standard_normal((D, D))
        plain = statistics_of(quantile, family, rows, reference_engine, K=2, number=number)
        order = rng.permutation(41)
        shuffled = statistics_of(
            quantile, family, rows[order], reference_engine, K=2, number=number
        )
        same(plain, shuffled)
        times = rng.integers(1, 4, 41)
        weighted = statistics_of(
            quantile,
            family,
            rows,
            reference_engine,
            K=2,
            number=number,
            weights=times.astype(float),
        )
        repeated = statistics_of(
            quantile, family, np.repeat(rows, times, axis=0), reference_engine, K=2, number=number
        )
        same(weighted, repeated)
        scaled = statistics_of(
            quantile, family, rows * 1e3 + 5.0, reference_engine, K=2, number=number
        )
        np.testing.assert_allclose(scaled.count, plain.count, rtol=1e-12)
        np.testing.assert_allclose(scaled.mean(), plain.mean() * 1e3 + 5.0, rtol=1e-9)


def test_slices_have_equal_weight_and_keep_ties_together() -> None:
    values = np.array([3.0, 1.0, 2.0, 4.0, 2.0, 6.0])
    np.testing.assert_array_equal(weighted_slices(values, np.ones(6), 2), [1, 0, 0, 1, 0, 1])
    np.testing.assert_array_equal(weighted_slices(values, np.ones(6), 1), np.zeros(6))
    np.testing.assert_array_equal(weighted_slices(np.ones(5), np.ones(5), 4), np.full(5, 2))
    # The row of weight ten is as ten rows; those of weight zero follow their neighbours.
    weights = np.array([1.0, 10.0, 0.0, 1.0, 0.0, 0.0])
    assert weighted_slices(values, weights, 2).tolist() == [1, 0, 1, 1, 1, 1]
    assert weighted_slices(values, np.zeros(6), 3).max() <= 2


# ------------------------------------------------------------------------------ starts by users


def test_given_starts_take_every_documented_form(
    family: CovarianceFamily, reference_engine: Engine
) -> None:
    rows = blobs(np.random.default_rng(35), 60, 2, 3)
    data = ArrayRows(rows)
    labels = np.random.default_rng(36).integers(3, size=60)
    shares = np.eye(3)[labels]
    model = elicited(family, rows, 3)
    expected = direct_statistics(rows, shares, np.zeros((3, 2)), family.structure(3, 2))
    fit = run(model, rows)
    means = np.array([[0.0, 0.0], [5.0, 0.0], [9.0, 0.0]])
    for value, numbered in (
        (labels, True),
        (labels.tolist(), True),
        (shares, True),
        (fit, True),
        (means, True),
    ):
        start = given_start(value, 3, data)
        assert start.numbers_components == numbered
        found = start.statistics(model, data, reference_engine, 0, np.random.SeedSequence(0))
        assert found.total == pytest.approx(60.0)
        if value is fit:
            again = fit.posterior.responsibilities(data, reference_engine)
            same(direct_statistics(rows, again, np.zeros((3, 2)), found.structure), found)
        elif value is not means:
            same(expected, found)


def test_given_means_are_near_their_rows(reference_engine: Engine) -> None:
    rows = np.array([[0.0], [1.0], [10.0], [11.0], [30.0], [31.0]])
    model: MixtureModel = elicited(FAMILIES["full"], rows, 3)
    data = ArrayRows(rows)
    start = given_start([[30.0], [0.0], [10.0]], 3, data)
    found = start.statistics(model, data, reference_engine, 0, np.random.SeedSequence(0))
    np.testing.assert_array_equal(found.mean()[:, 0].argsort(), [1, 2, 0])


@pytest.mark.parametrize(
    "value",
    [
        "best",
        np.zeros((3, 3)),
        np.full(60, 3),
        np.full(60, -1),
        np.full(60, 0.5),
        np.full((60, 3), 0.5),
        np.full((60, 3), np.nan),
        np.tile([2.0, -1.0, 0.0], (60, 1)),
    ],
    ids=["word", "shape", "high", "low", "fraction", "sum", "missing", "negative"],
)
def test_given_starts_refuse_anything_else(value: object, reference_engine: Engine) -> None:
    rows = blobs(np.random.default_rng(35), 60, 2, 3)
    with pytest.raises(InvalidArgumentError):
        given_start(value, 3, ArrayRows(rows))


def test_given_fits_must_be_of_the_same_sizes(reference_engine: Engine) -> None:
    rows = blobs(np.random.default_rng(35), 60, 2, 3)
    fit = run(elicited(FAMILIES["full"], rows, 2), rows)
    with pytest.raises(InvalidArgumentError, match="2 components"):
        given_start(fit, 3, ArrayRows(rows))


# ------------------------------------------------------------------------------------ many rows


def hashes_of(rows: np.ndarray) -> set[int]:
    return set(row_hashes(rows).tolist())


def test_samples_are_functions_of_the_rows_contents() -> None:
    rng = np.random.default_rng(41)
    rows = rng.standard_normal((5000, 3))
    sample = content_sample(ArrayRows(rows), 1000)
    # Binomial with 5000 tries of 1 in 5: five deviations either way.
    assert abs(sample.n_rows - 1000) < 5 * np.sqrt(5000 * 0.2 * 0.8)
    order = rng.permutation(5000)
    shuffled = content_sample(ArrayRows(rows[order]), 1000)
    assert hashes_of(shuffled.values) == hashes_of(sample.values)
    weights = rng.integers(0, 3, 5000).astype(float)
    weighted = content_sample(ArrayRows(rows, weights), 1000)
    assert weighted.weights is not None
    assert (weighted.weights > 0).all()
    assert hashes_of(weighted.values) == hashes_of(sample.values) & hashes_of(rows[weights > 0])


def test_a_sample_of_all_rows_is_all_rows() -> None:
    rows = np.random.default_rng(42).standard_normal((70, 2))
    sample = content_sample(ArrayRows(rows), 70)
    np.testing.assert_array_equal(sample.values, rows)
    assert sample.weights is None


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_features", [1, 3])
def test_every_engine_takes_the_same_sample(
    engine: Engine, n_features: int, dtype: type[np.floating]
) -> None:
    rng = np.random.default_rng(46)
    rows = rng.standard_normal((5000, n_features)).astype(dtype)
    rows[::7] = 0.0
    rows[::14] = -0.0
    weights = rng.integers(0, 3, 5000).astype(float)
    expected = content_sample(ArrayRows(rows, weights), 500)
    sample = engine.subsample(ArrayRows(rows, weights), 500)
    np.testing.assert_array_equal(sample.values, expected.values)
    np.testing.assert_array_equal(sample.weights, expected.weights)


def test_samples_of_discrete_rows_are_the_distinct_rows() -> None:
    rng = np.random.default_rng(43)
    rows = rng.integers(-2, 3, (4000, 2)) * 1.0
    rows[rows == 0] *= rng.choice([-1.0, 1.0], (rows == 0).sum())  # zeros of both signs are equal
    weights = rng.gamma(1.0, size=4000)
    sample = content_sample(ArrayRows(rows, weights), 1000)
    found, where = np.unique(rows + 0.0, axis=0, return_inverse=True)
    order = np.lexsort((sample.values + 0.0).T[::-1])
    assert sample.weights is not None
    np.testing.assert_array_equal(sample.values[order] + 0.0, found)
    mass = np.bincount(where.ravel(), weights=weights)
    np.testing.assert_allclose(sample.weights[order], mass, rtol=1e-12)


@pytest.mark.parametrize("name", ["split", "kmeans"])
def test_starts_of_many_rows_count_every_row(
    family: CovarianceFamily, engine: Engine, name: str
) -> None:
    rng = np.random.default_rng(44)
    rows = blobs(rng, 20_000, 2, 3, apart=6.0)
    weights = rng.gamma(1.0, size=20_000)
    found = statistics_of(INITIALIZERS[name], family, rows, engine, weights=weights)
    assert found.total == pytest.approx(weights.sum(), rel=1e-10)
    centre = np.zeros((1, 2))
    together = found.merged([0, 0, 0]).about(centre)
    whole = direct_statistics(rows, np.ones((20_000, 1)), centre, family.structure(1, 2), weights)
    same(whole, together)


def test_the_same_share_of_repeated_rows_is_the_same_sample() -> None:
    rng = np.random.default_rng(45)
    rows = rng.standard_normal((4000, 2))
    times = rng.integers(1, 3, 4000)
    once = np.repeat(rows, times, axis=0)
    sample = content_sample(ArrayRows(rows, times.astype(float)), 1000)
    repeated = content_sample(ArrayRows(once), round(len(once) / 4))
    assert len(hashes_of(sample.values) ^ hashes_of(repeated.values)) <= 1
    assert repeated.n_rows == pytest.approx(sample.total_weight, abs=2)


def test_best_cuts_are_those_of_all_cuts() -> None:
    rng = np.random.default_rng(46)
    for _ in range(30):
        values = np.round(rng.standard_normal(25), 1)
        weights = rng.gamma(1.0, size=25)
        gain, cut = best_cut(values, weights)

        def spread(inside: np.ndarray, x: np.ndarray = values, w: np.ndarray = weights) -> float:
            mean = np.average(x[inside], weights=w[inside])
            return float(w[inside] @ np.square(x[inside] - mean))

        gains = {
            value: spread(np.ones(25, dtype=bool))
            - spread(values <= value)
            - spread(values > value)
            for value in np.unique(values)[:-1]
        }
        assert gain == pytest.approx(max(gains.values()), rel=1e-9)
        assert gains[cut] == pytest.approx(gain, rel=1e-9)
    assert best_cut(np.ones(4), np.ones(4))[0] == 0.0


@pytest.mark.parametrize("N", [1, 255, 256, 700])
def test_magnitudes_are_the_largest_sizes_wherever_they_stand(N: int) -> None:
    rng = np.random.default_rng(47)
    for place in (0, N // 2, N - 1):
        rows = rng.uniform(-1.0, 1.0, (N, 3))
        rows[place] = [5.0, -6.0, 7.0]
        np.testing.assert_array_equal(ArrayRows(rows).magnitude(), [5.0, 6.0, 7.0])


def test_merging_joins_what_costs_least_by_wards_criterion() -> None:
    # Costs a b / (a + b) d^2: the pair 0, 1 costs 0.5, the farther pair 5, 8 of weights 0.1 0.45.
    means = np.array([[0.0], [1.0], [5.0], [8.0]])
    found = merged_means(means, np.array([1.0, 1.0, 0.1, 0.1]), 3)
    np.testing.assert_allclose(np.sort(found[:, 0]), [0.0, 1.0, 5.0 + 3.0 / 2.0])
    again = merged_means(found, np.array([1.0, 3.0, 0.2]), 1)
    np.testing.assert_allclose(again, [[(3.0 + 0.2 * 6.5) / 4.2]])
