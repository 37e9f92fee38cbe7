"""Laws of every registered engine: equal to direct sums by scipy, and to the reference engine."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from laws.independent import direct_statistics, log_scores
from laws.running import random_parameters
from mixtura.data import ArrayRows, Block, Rows
from mixtura.engines import ENGINES, Engine
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.messages.assignments import Assignment, Given, Hard, Labelled, Sampled, Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics

CLOSE = 1e-10
"""Relative: what the design promises of every engine."""

SIZES = [(150, 1, 2), (97, 2, 3), (60, 5, 1), (41, 3, 4)]
"""(N, D, K)."""

BLOCKS = [1, 7, 64, 1000]
"""Rows in a block."""


class ChoppedRows(Rows):
    """Rows in memory that come in blocks of any length, as those of a file do."""

    def __init__(self, values: np.ndarray, weights: np.ndarray | None, length: int) -> None:
        self.values, self.weights, self.length = values, weights, length

    @property
    def n_rows(self) -> int:
        return self.values.shape[0]

    @property
    def n_features(self) -> int:
        return self.values.shape[1]

    @property
    def total_weight(self) -> float:
        return float(self.n_rows if self.weights is None else self.weights.sum())

    @property
    def factor(self) -> np.ndarray:
        return np.ones(self.n_features)

    def blocks(self) -> Iterator[Block]:
        for start in range(0, self.n_rows, self.length):
            part = slice(start, start + self.length)
            weights = None if self.weights is None else self.weights[part]
            yield Block(start, np.ascontiguousarray(self.values[part]), weights)

    def batches(self, size: int) -> Iterator[Rows]:
        for start in range(0, self.n_rows, size):
            part = slice(start, start + size)
            weights = None if self.weights is None else self.weights[part]
            yield ChoppedRows(self.values[part], weights, self.length)

    def magnitude(self) -> np.ndarray:
        return np.abs(self.values).max(axis=0)

    def rescaled(self, factor: np.ndarray) -> "ChoppedRows":
        return ChoppedRows(self.values * factor, self.weights, self.length)


@pytest.fixture(params=SIZES, ids=lambda s: "N{}D{}K{}".format(*s))
def scene(
    request: pytest.FixtureRequest, family: CovarianceFamily
) -> tuple[MixtureParameters, Potentials, np.ndarray, np.ndarray]:
    """Return parameters, potentials, rows and weights."""
    N, D, K = request.param
    rng = np.random.default_rng(N)
    parameters = random_parameters(rng, family, K, D)
    rows = 2.5 * rng.standard_normal((N, D))
    weights = rng.gamma(1.0, size=N)
    weights[::10] = 0.0
    return parameters, family.potentials(parameters), rows, weights


Scene = tuple[MixtureParameters, Potentials, np.ndarray, np.ndarray]


def assert_same(
    ours: SufficientStatistics, other: SufficientStatistics, rtol: float = CLOSE
) -> None:
    np.testing.assert_array_equal(ours.pivot, other.pivot)
    size = 1.0 + np.abs(other.second).max()
    np.testing.assert_allclose(ours.count, other.count, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(ours.first, other.first, rtol=rtol, atol=rtol * size)
    np.testing.assert_allclose(ours.second, other.second, rtol=rtol, atol=rtol * size)
    assert ours.log_normalizer == pytest.approx(other.log_normalizer, rel=rtol, abs=rtol)


def expected_sweep(scene: Scene, kind: str) -> SufficientStatistics:
    """Return soft or hard statistics by scipy and sums in long double."""
    parameters, potentials, rows, weights = scene
    scores = log_scores(rows, parameters)
    normalizer = logsumexp(scores, axis=1)
    if kind == "soft":
        shares, term = np.exp(scores - normalizer[:, None]), normalizer
    else:
        shares, term = np.eye(scores.shape[1])[scores.argmax(axis=1)], scores.max(axis=1)
    sums = direct_statistics(rows, shares, potentials.mean, potentials.structure, weights)
    return SufficientStatistics(
        sums.count, sums.first, sums.second, sums.pivot, float(weights @ term)
    )


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_sweeps_equal_direct_sums(engine: Engine, scene: Scene, kind: str, block: int) -> None:
    _, potentials, rows, weights = scene
    assignment: Assignment = Soft() if kind == "soft" else Hard()
    swept = engine.sweep(ChoppedRows(rows, weights, block), potentials, assignment)
    assert_same(swept, expected_sweep(scene, kind))


@pytest.mark.parametrize("block", [7, 1000])
@pytest.mark.parametrize("times", [1, 3])
def test_many_mixtures_are_one_after_the_other(
    engine: Engine, family: CovarianceFamily, block: int, times: int
) -> None:
    """Of a row far out too, which is all but impossible under some of the mixtures."""
    rng = np.random.default_rng(times)
    each = [random_parameters(rng, family, 3, 2) for _ in range(times)]
    values = np.vstack([2.5 * rng.standard_normal((97, 2)), [[300.0, -200.0]]])
    weights = rng.gamma(1.0, size=98)
    rows = ChoppedRows(values, weights, block)
    alone = [family.potentials(parameters) for parameters in each]
    together = Potentials(
        *(
            np.concatenate([getattr(one, name) for one in alone])
            for name in ("log_weight", "offset", "mean")
        ),
        np.concatenate(
            [
                np.repeat(one.precision_cholesky, 3 // len(one.precision_cholesky), axis=0)
                for one in alone
            ]
        ),
    )
    terms = [weights @ logsumexp(log_scores(values, parameters), axis=1) for parameters in each]
    found = engine.log_likelihoods(rows, together, 3)
    np.testing.assert_allclose(found, terms, rtol=CLOSE)
    shares = np.zeros((98, 3))
    for parameters in each:
        scores = log_scores(values, parameters)
        shares += np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
    summed = engine.summed_responsibilities(rows, together, 3)
    np.testing.assert_allclose(summed, shares, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("block", BLOCKS)
def test_known_responsibilities_are_summed_as_given(
    engine: Engine, scene: Scene, block: int
) -> None:
    _, potentials, rows, weights = scene
    K = potentials.mean.shape[0]
    shares = np.random.default_rng(0).dirichlet(np.ones(K), len(rows))
    swept = engine.sweep(ChoppedRows(rows, weights, block), potentials, Given(shares))
    sums = direct_statistics(rows, shares, potentials.mean, potentials.structure, weights)
    assert_same(
        swept,
        SufficientStatistics(sums.count, sums.first, sums.second, sums.pivot, swept.log_normalizer),
    )


@pytest.mark.parametrize("block", [7, 1000])
@pytest.mark.parametrize(
    "assign",
    [
        lambda K: Soft(),
        lambda K: Hard(),
        lambda K: Sampled(3, 5),
        lambda K: Given(shares(K)),
        lambda K: Labelled(shares(K).argmax(axis=1)),
    ],
    ids=["soft", "hard", "sampled", "given", "labelled"],
)
def test_every_engine_equals_the_reference(
    engine: Engine,
    reference_engine: Engine,
    scene: Scene,
    assign: Callable[[int], Assignment],
    block: int,
) -> None:
    _, potentials, rows, weights = scene
    data, assignment = ChoppedRows(rows, weights, block), assign(potentials.mean.shape[0])
    ours = engine.sweep(data, potentials, assignment)
    assert_same(ours, reference_engine.sweep(data, potentials, assignment))
    again = engine.sweep(data, potentials, assignment)
    for name in ("count", "first", "second"):  # bit for bit on every call
        np.testing.assert_array_equal(getattr(again, name), getattr(ours, name))
    assert again.log_normalizer == ours.log_normalizer


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_do_not_show_in_sampled_assignments(
    engine: Engine, scene: Scene, block: int
) -> None:
    _, potentials, rows, weights = scene
    whole, chopped = ArrayRows(rows, weights), ChoppedRows(rows, weights, block)
    assignment = Sampled(8, 2)
    assert_same(
        engine.sweep(chopped, potentials, assignment), engine.sweep(whole, potentials, assignment)
    )
    np.testing.assert_array_equal(
        engine.sample_labels(chopped, potentials, 3, 5),
        engine.sample_labels(whole, potentials, 3, 5),
    )


def test_rows_without_weights_weigh_one_each(engine: Engine, scene: Scene) -> None:
    _, potentials, rows, _ = scene
    plain = engine.sweep(ArrayRows(rows), potentials, Soft())
    ones = engine.sweep(ArrayRows(rows, np.ones(len(rows))), potentials, Soft())
    assert_same(plain, ones, rtol=1e-13)


def shares(n_components: int) -> np.ndarray:
    return np.random.default_rng(1).dirichlet(np.ones(n_components), 150)


@pytest.mark.parametrize("block", BLOCKS)
def test_what_is_said_of_each_row(engine: Engine, scene: Scene, block: int) -> None:
    parameters, potentials, rows, weights = scene
    data = ChoppedRows(rows, weights, block)
    scores = log_scores(rows, parameters)
    normalizer = logsumexp(scores, axis=1)
    np.testing.assert_allclose(engine.log_density(data, potentials), normalizer, rtol=CLOSE)
    shares = engine.responsibilities(data, potentials)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-13)
    np.testing.assert_allclose(shares, np.exp(scores - normalizer[:, None]), rtol=1e-9, atol=1e-15)
    labels = engine.labels(data, potentials)
    assert labels.dtype == np.intp
    np.testing.assert_array_equal(labels, scores.argmax(axis=1))
    direction = np.linspace(-1.0, 2.0, rows.shape[1])
    centre = rows.mean(axis=0)
    np.testing.assert_allclose(
        engine.project(data, centre, direction), (rows - centre) @ direction, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("matrix", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_overall_moments(engine: Engine, matrix: bool, offset: float) -> None:
    rng = np.random.default_rng(4)
    noise = np.round(rng.standard_normal((200, 3)) * 1024) / 1024  # exact at the offset
    rows, weights = noise + offset, rng.gamma(1.0, size=200)
    overall = engine.overall(ArrayRows(rows, weights), matrix=matrix)
    structure = (1, 3, 3) if matrix else (1, 3)
    mean = np.average(noise, axis=0, weights=weights)[None]
    np.testing.assert_allclose(overall.mean() - offset, mean, atol=3e-8 if offset else 1e-14)
    expected = direct_statistics(noise, np.ones((200, 1)), mean, structure, weights)
    np.testing.assert_allclose(overall.scatter(overall.mean()), expected.second, rtol=1e-12)
    assert overall.total == pytest.approx(weights.sum(), rel=1e-13)


def test_overall_moments_do_not_hang_on_the_first_row(engine: Engine) -> None:
    # The first pass is about the first row, here far from all that counts: digits cancel.
    rng = np.random.default_rng(5)
    noise = np.round(rng.standard_normal((200, 2)) * 1024) / 1024
    rows, weights = noise + 1e8, np.ones(200)
    rows[0], weights[0] = 0.0, 0.0
    overall = engine.overall(ArrayRows(rows, weights), matrix=True)
    expected = np.cov(noise[1:].T, bias=True) * 199
    np.testing.assert_allclose(overall.scatter(overall.mean())[0], expected, rtol=1e-11)


def test_equal_rows_are_projected_to_equal_bits(engine: Engine) -> None:
    # Slices of equal weight would part them otherwise.
    rng = np.random.default_rng(6)
    row, direction, centre = rng.standard_normal((3, 7))
    projected = engine.project(ArrayRows(np.tile(row, (1001, 1))), centre, direction)
    assert np.unique(projected).size == 1


# -------------------------------------------------------------------------------- sampled labels


def test_sampled_labels_have_the_responsibilities_frequencies(engine: Engine) -> None:
    rng = np.random.default_rng(7)
    parameters = random_parameters(rng, FAMILIES["full"], 3, 2)
    potentials = FAMILIES["full"].potentials(parameters)
    rows = ArrayRows(np.repeat(rng.standard_normal((8, 2)), 3, axis=0))
    n_draws = 2000
    labels = engine.sample_labels(rows, potentials, n_draws, seed=11)
    assert labels.shape == (n_draws, 24)
    expected = n_draws * engine.responsibilities(rows, potentials)
    counts = np.array([(labels == k).sum(axis=0) for k in range(3)]).T
    statistic = ((counts - expected) ** 2 / expected).sum()
    # Chi-square with 2 degrees of freedom for each of 24 rows; 1e-6 is about 5 sigma.
    assert stats.chi2.sf(statistic, 48) > 1e-6
    assert stats.chi2.cdf(statistic, 48) > 1e-6
    # Draws of different rows and different numbers are independent.
    pairs = np.corrcoef(labels.T.astype(float))
    assert np.abs(pairs[np.triu_indices(24, 1)]).max() < 6.0 / np.sqrt(n_draws)
    np.testing.assert_array_equal(engine.sample_labels(rows, potentials, 3, 11), labels[:3])
    assert (engine.sample_labels(rows, potentials, 3, 12) != labels[:3]).any()


def test_sampled_sweeps_follow_their_keys(engine: Engine) -> None:
    rng = np.random.default_rng(8)
    parameters = random_parameters(rng, FAMILIES["diag"], 3, 2)
    potentials = FAMILIES["diag"].potentials(parameters)
    rows = ArrayRows(rng.standard_normal((100, 2)))
    counts = [engine.sweep(rows, potentials, Sampled(5, sweep)).count for sweep in range(400)]
    assert all((count == np.round(count)).all() and count.sum() == 100 for count in counts)
    assert len({tuple(count) for count in counts}) > 10
    shares = engine.responsibilities(rows, potentials)
    error = np.sqrt((shares * (1 - shares)).sum(axis=0) / 400)
    assert (np.abs(np.mean(counts, axis=0) - shares.sum(axis=0)) < 5 * error).all()
    labels = engine.sample_labels(rows, potentials, 1, seed=5)[0]
    np.testing.assert_array_equal(np.bincount(labels, minlength=3), counts[0])


# --------------------------------------------------------------------------------------- extremes


def test_far_rows_do_not_overflow(engine: Engine, family: CovarianceFamily) -> None:
    # 1e300 standard deviations away, with squares of the rows themselves still in range.
    K, D = 3, 2
    plain = random_parameters(np.random.default_rng(9), family, K, D)
    parameters = plain.rescaled(np.full(D, 1e-150))
    potentials = family.potentials(parameters)
    rows = np.array([[1e150, 1e150], [0.0, 0.0], [-1e150, 0.0], [1e-150, 3e-151]])
    data = ArrayRows(rows)
    for assignment in (Soft(), Hard(), Sampled(0)):
        swept = engine.sweep(data, potentials, assignment)
        for part in (swept.count, swept.first, swept.second, swept.log_normalizer):
            assert np.isfinite(part).all()
        assert swept.total == pytest.approx(4.0)
    shares = engine.responsibilities(data, potentials)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    density = engine.log_density(data, potentials)
    assert np.isfinite(density).all()
    assert (density[[0, 2]] < -1e299).all()
    assert np.isfinite(engine.sample_labels(data, potentials, 2, 0)).all()


@pytest.mark.parametrize("far", [1e160, 1e300, 1.7e308])
def test_rows_at_the_end_of_float64_still_have_densities(
    engine: Engine, family: CovarianceFamily, far: float
) -> None:
    # Prediction takes any finite row; its distance over a small deviation is past float64.
    K, D = 2, 3
    plain = random_parameters(np.random.default_rng(10), family, K, D)
    potentials = family.potentials(plain.rescaled(np.full(D, 1e-20)))
    data = ArrayRows(np.array([[far, -far, far], [far, 0.0, 0.0], [0.0, 0.0, -far]]))
    shares = engine.responsibilities(data, potentials)
    assert np.isfinite(shares).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert np.isfinite(engine.log_density(data, potentials)).all()
    assert set(engine.labels(data, potentials)) <= {0, 1}


def test_missing_values_are_integrated_out(engine: Engine, family: CovarianceFamily) -> None:
    potentials = family.potentials(random_parameters(np.random.default_rng(11), family, 2, 3))
    data = ArrayRows(np.array([[0.0, np.nan, 1.0], [1.0, 1.0, 1.0]]))
    density = engine.log_density(data, potentials)
    # Far beyond all components on both sides, in steps much smaller than their widths.
    cell, step = np.linspace(-60.0, 60.0, 24_001, retstep=True)
    full = np.column_stack([np.zeros(cell.size), cell, np.ones(cell.size)])
    inside = engine.log_density(ArrayRows(full), potentials)
    assert density[0] == pytest.approx(logsumexp(inside) + np.log(step), abs=1e-10)
    assert density[1] == pytest.approx(engine.log_density(ArrayRows(data.values[1:]), potentials))


def test_components_of_weight_zero_get_no_rows(engine: Engine, family: CovarianceFamily) -> None:
    parameters = random_parameters(np.random.default_rng(12), family, 3, 2)
    weights = np.array([0.4, 0.0, 0.6])
    potentials = family.potentials(
        MixtureParameters(weights, parameters.means, parameters.covariances)
    )
    rows = ArrayRows(np.random.default_rng(13).standard_normal((50, 2)))
    for assignment in (Soft(), Hard(), Sampled(1)):
        swept = engine.sweep(rows, potentials, assignment)
        assert swept.count[1] == 0.0
        assert not swept.first[1].any()
        assert np.isfinite(swept.log_normalizer)
    assert not (engine.labels(rows, potentials) == 1).any()


def test_rows_of_weight_zero_change_nothing(engine: Engine, scene: Scene) -> None:
    _, potentials, rows, weights = scene
    swept = engine.sweep(ArrayRows(rows, weights), potentials, Soft())
    kept = weights > 0
    alone = engine.sweep(
        ArrayRows(np.ascontiguousarray(rows[kept]), weights[kept]), potentials, Soft()
    )
    assert_same(swept, alone, rtol=1e-12)


def test_moments_keep_their_digits_far_from_the_origin(
    engine: Engine, family: CovarianceFamily
) -> None:
    rng = np.random.default_rng(14)
    parameters = random_parameters(rng, family, 2, 3)
    rows = np.round(rng.standard_normal((80, 3)) * 1024) / 1024
    means = np.round(parameters.means * 1024) / 1024
    near = family.potentials(MixtureParameters(parameters.weights, means, parameters.covariances))
    far = family.potentials(
        MixtureParameters(parameters.weights, means + 1e8, parameters.covariances)
    )
    here = engine.sweep(ArrayRows(rows), near, Soft())
    there = engine.sweep(ArrayRows(rows + 1e8), far, Soft())
    for name in ("count", "first", "second"):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=1e-12)
    assert there.log_normalizer == pytest.approx(here.log_normalizer, rel=1e-13)


def test_engines_are_registered_by_name() -> None:
    assert "reference" in ENGINES
    assert all(isinstance(make(), Engine) for make in ENGINES.values())
