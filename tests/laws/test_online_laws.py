"""Laws of adding rows batch by batch: nothing is lost, nothing counts twice, and it can be resumed.

Fits of all rows at once, direct sums and arithmetic are what the answers are held against.
"""

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp

import mixtura
from laws.independent import direct_statistics, log_joint, log_likelihood
from laws.running import FREE, blobs
from mixtura import MAP, ML, VB, GaussianMixtureModel
from mixtura.engines.reference import block_scores
from mixtura.errors import DataWarning, DegenerateComponentWarning, InvalidArgumentError
from mixtura.inference.schedules import Schedule
from mixtura.priors import (
    Dirichlet,
    Independent,
    InverseGamma,
    LogNormal,
    Normal,
    NormalInverseWishart,
)

METHODS: dict[str, Any] = {"map": MAP, "ml": ML, "vb": VB}


@pytest.fixture(params=sorted(METHODS), scope="module")
def method(request: pytest.FixtureRequest) -> Any:
    """Return every method that adds rows."""
    return METHODS[request.param]


def groups_apart(n_rows: int = 1200, apart: float = 6.0, seed: int = 0) -> np.ndarray:
    """Return rows (N, 2) of three round groups of unit width, ``apart`` from one another."""
    rng = np.random.default_rng(seed)
    centres = apart * np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]])
    return centres[rng.integers(3, size=n_rows)] + rng.standard_normal((n_rows, 2))


def in_batches(gmm: GaussianMixtureModel, batches: Any) -> GaussianMixtureModel:
    """Return the model after all batches."""
    for batch in batches:
        gmm.partial_fit(batch)
    return gmm


def distance(one: GaussianMixtureModel, other: GaussianMixtureModel) -> float:
    """Return the largest difference of weights, of means in deviations, and of deviations."""
    means = np.abs(one.means_ - other.means_) / other.scales_
    scales = np.abs(one.scales_ / other.scales_ - 1.0)
    return float(max(means.max(), scales.max(), np.abs(one.weights_ - other.weights_).max()))


def assert_same_bits(one: GaussianMixtureModel, other: GaussianMixtureModel) -> None:
    """Fail unless two fits are the same in every number."""
    for name in ("weights_", "means_", "covariances_", "objective_history_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    first, second = one.fit_.online, other.fit_.online
    assert first is not None
    assert second is not None
    for name in ("count", "first", "second", "pivot", "log_normalizer"):
        np.testing.assert_array_equal(
            getattr(first.statistics, name), getattr(second.statistics, name)
        )
    assert (first.n_rows, first.weight) == (second.n_rows, second.weight)
    assert one.fit_.log_likelihood == other.fit_.log_likelihood


# ------------------------------------------------------------------------------------ one batch


@pytest.mark.parametrize("family", FREE)
def test_the_first_batch_is_an_ordinary_fit(method: Any, family: str) -> None:
    rows = blobs(np.random.default_rng(3), 90, 2, 3)
    whole = GaussianMixtureModel(3, covariance_type=family, inference=method()).fit(rows)
    first = GaussianMixtureModel(3, covariance_type=family, inference=method()).partial_fit(rows)
    assert_same_bits(first, whole)
    assert first.objective_ == whole.objective_
    np.testing.assert_array_equal(first.labels_, whole.labels_)
    assert first.fit_.assumptions[:-1] == whole.fit_.assumptions
    assert "first" in first.fit_.assumptions[-1]


def test_the_first_batch_stands_for_as_many_rows_as_are_told(method: Any) -> None:
    rows = groups_apart(120)
    # The same rows three times over, with priors that do not look at the rows' number.
    prior = None if method is ML else NormalInverseWishart(0.0, 0.01, 4.0, 4.0)
    options = {"component_prior": prior, "tol": 0.0}
    told = GaussianMixtureModel(3, inference=method(n_rows=360), **options).partial_fit(rows)
    whole = GaussianMixtureModel(3, inference=method(), **options).fit(np.tile(rows, (3, 1)))
    assert distance(told, whole) < 1e-8
    assert told.objective_ == pytest.approx(whole.objective_, rel=1e-9)
    # Under "vb" the rows' shares are not those of the plug-in mixture: a little below.
    likelihood = whole.fit_.log_likelihood
    assert -0.01 * (method is VB) <= told.fit_.log_likelihood - likelihood + 1e-6 <= 2e-6
    assert (told.fit_.n_rows, told.fit_.total_weight) == (360, 360.0)


# --------------------------------------------------------------------------- what is remembered


@pytest.mark.parametrize("family", FREE)
def test_nothing_is_lost_and_nothing_counts_twice(method: Any, family: str) -> None:
    rows = blobs(np.random.default_rng(4), 150, 2, 2)
    gmm = GaussianMixtureModel(2, covariance_type=family, inference=method())
    in_batches(gmm, np.array_split(rows, 5))
    statistics = gmm.fit_.online.statistics
    # Whatever the responsibilities: summed over components they are 1.
    assert (gmm.fit_.n_rows, gmm.fit_.total_weight) == (150, 150.0)
    assert statistics.total == pytest.approx(150.0, rel=1e-13)
    moved = statistics.about(np.zeros((2, 2)))
    np.testing.assert_allclose(moved.first.sum(axis=0), rows.sum(axis=0), rtol=1e-11)
    if len(statistics.structure) == 3:
        np.testing.assert_allclose(moved.second.sum(axis=0), rows.T @ rows, rtol=1e-11)
    else:
        assert moved.second.sum() == pytest.approx((rows**2).sum(), rel=1e-11)


def test_the_batch_agrees_with_the_posterior_that_it_is_part_of(method: Any) -> None:
    rows = blobs(np.random.default_rng(5), 200, 2, 2, apart=1.5)
    before = GaussianMixtureModel(2, inference=method(), tol=0.0).fit(rows[:120])
    earlier = before.fit_.online.statistics
    gmm = before.partial_fit(rows[120:])
    model, statistics = gmm.fit_.model, gmm.fit_.online.statistics
    if hasattr(gmm.posterior_, "expected_potentials"):
        potentials = gmm.posterior_.expected_potentials
    else:
        potentials = gmm.posterior_.potentials
    scores = block_scores(rows[120:], potentials)
    shares = np.exp(scores - logsumexp(scores, axis=1, keepdims=True))
    batch = direct_statistics(rows[120:], shares, earlier.pivot, model.structure)
    expected, found = earlier + batch, statistics.about(earlier.pivot)
    np.testing.assert_allclose(found.count, expected.count, rtol=1e-7)
    np.testing.assert_allclose(found.first, expected.first, atol=1e-6)
    np.testing.assert_allclose(found.second, expected.second, rtol=1e-6, atol=1e-6)


def test_the_objective_never_decreases_and_is_a_bound(method: Any) -> None:
    rows = blobs(np.random.default_rng(6), 300, 2, 3, apart=1.5)
    gmm = GaussianMixtureModel(3, inference=method())
    for end in range(100, 301, 50):
        start = 0 if end == 100 else end - 50
        gmm.partial_fit(rows[start:end])
        gains = np.diff(gmm.objective_history_)
        assert (gains >= -1e-10 * abs(gmm.objective_)).all()
        assert gmm.converged_
        parameters = gmm.fit_.parameters
        exact = log_likelihood(rows[:end], parameters, None)
        slack = 1e-10 * abs(exact)
        assert gmm.fit_.log_likelihood <= exact + slack
        if method is MAP:
            priors = gmm.fit_.model.weight_prior, gmm.fit_.model.component_prior
            exact = log_joint(*priors, rows[:end], parameters, None)
        if method is VB:
            scores = block_scores(rows[:end], gmm.posterior_.expected_potentials)
            exact = logsumexp(scores, axis=1).sum() - gmm.posterior_.divergence()
        assert gmm.objective_ <= exact + slack
        # Not an empty promise: within five nats for groups that overlap (2.0 were measured).
        assert gmm.objective_ >= exact - 5.0


# ----------------------------------------------------------------------------- changes of the rows


@pytest.mark.parametrize("decay", [0.6, 1.0])
def test_integer_weights_are_rows_that_come_so_often(method: Any, decay: float) -> None:
    rows = groups_apart(240)
    weights = np.random.default_rng(1).integers(1, 4, size=len(rows))
    weighted = GaussianMixtureModel(3, inference=method(decay=decay))
    repeated = GaussianMixtureModel(3, inference=method(decay=decay))
    for start in range(0, 240, 60):
        batch, counts = rows[start : start + 60], weights[start : start + 60]
        weighted.partial_fit(batch, sample_weight=counts.astype(float))
        repeated.partial_fit(np.repeat(batch, counts, axis=0))
    assert distance(weighted, repeated) < 1e-8
    assert weighted.fit_.total_weight == repeated.fit_.total_weight == weights.sum()
    assert (weighted.fit_.n_rows, repeated.fit_.n_rows) == (240, weights.sum())
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=1e-9)


def test_the_order_of_rows_within_a_batch_does_not_matter(method: Any) -> None:
    batches = np.array_split(groups_apart(300, apart=4.0), 3)
    shuffled = [np.random.default_rng(2).permutation(batch) for batch in batches]
    one = in_batches(GaussianMixtureModel(3, inference=method()), batches)
    other = in_batches(GaussianMixtureModel(3, inference=method()), shuffled)
    assert distance(one, other) < 1e-8


def test_units_and_origin_do_not_matter(method: Any) -> None:
    batches = np.array_split(groups_apart(300, apart=4.0), 3)
    scale, shift = np.array([1e-9, 3e4]), np.array([5e-8, -1e6])
    one = in_batches(GaussianMixtureModel(3, inference=method()), batches)
    other = in_batches(
        GaussianMixtureModel(3, inference=method()), [batch * scale + shift for batch in batches]
    )
    assert (np.abs(other.means_ - (one.means_ * scale + shift)) / other.scales_).max() < 1e-6
    np.testing.assert_allclose(other.scales_, one.scales_ * scale, rtol=1e-6)


# ------------------------------------------------------------------------ against all rows at once


@pytest.mark.parametrize("size", [40, 100, 300])
def test_rows_once_in_batches_come_near_the_fit_of_all(method: Any, size: int) -> None:
    rows = groups_apart()
    whole = GaussianMixtureModel(3, inference=method()).fit(rows)
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    online = in_batches(GaussianMixtureModel(3, inference=method()), batches)
    # docs/model.md states this tolerance, in standard deviations of the components.
    assert distance(online, whole) < 0.02


@pytest.mark.parametrize("decay", [0.6, 0.75, 0.9, 1.0])
def test_several_rounds_end_near_the_fit_of_all(method: Any, decay: float) -> None:
    rows, rng = groups_apart(apart=4.0), np.random.default_rng(1)
    whole = GaussianMixtureModel(3, inference=method()).fit(rows)
    gmm = GaussianMixtureModel(3, inference=method(decay=decay, n_rows=len(rows)))
    for _ in range(5):
        in_batches(gmm, np.array_split(rng.permutation(rows), 8))
    # docs/model.md states this tolerance, in standard deviations of the components.
    assert distance(gmm, whole) < 0.05
    assert (gmm.fit_.n_rows, gmm.fit_.online.n_rows) == (1200, 6000)
    # The spread of the variational posterior is that of 1200 rows, not of five rounds of them.
    if method is VB:
        ratio = gmm.posterior_.mean_marginals().deviation / (
            whole.posterior_.mean_marginals().deviation
        )
        assert np.abs(ratio - 1.0).max() < 0.05


def test_earlier_rows_fade_where_they_are_told_to(method: Any) -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(0.0, 1.0, (400, 1)), rng.normal(3.0, 1.0, (400, 1))
    batches = [*np.array_split(before, 8), *np.array_split(after, 8)]
    kept = in_batches(GaussianMixtureModel(1, inference=method()), batches)
    faded = in_batches(GaussianMixtureModel(1, inference=method(decay=0.6)), batches)
    # With one component the statistics are the rows' own, and the shares of the sixteen batches
    # follow from the recursion by hand.
    share = np.zeros(16)
    for number in range(16):
        new = (1.0 / (number + 1)) ** 0.6
        share[:number] *= 1.0 - new
        share[number] = new
    by_hand = share @ [batch.mean() for batch in batches]
    assert faded.fit_.online.statistics.mean()[0, 0] == pytest.approx(by_hand, rel=1e-10)
    assert kept.fit_.online.statistics.mean()[0, 0] == pytest.approx(
        np.concatenate([before, after]).mean(), rel=1e-10
    )
    assert faded.fit_.total_weight == 800.0
    assert faded.fit_.online.statistics.total == pytest.approx(800.0, rel=1e-12)


def test_one_component_in_batches_is_exact() -> None:
    # No responsibilities that could grow old: the answer is that of all rows, to rounding.
    prior = Independent(mean=Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0))
    rows = np.random.default_rng(0).normal(2.0, 3.0, (90, 1))
    for inference in ("map", "vb"):
        given: dict[str, Any] = {"component_prior": prior, "inference": inference}
        whole = GaussianMixtureModel(1, **given).fit(rows)
        online = in_batches(GaussianMixtureModel(1, **given), np.array_split(rows, 9))
        assert distance(online, whole) < 1e-8
        assert online.objective_ == pytest.approx(whole.objective_, rel=1e-9)


# ------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("family", FREE)
def test_a_saved_fit_goes_on_as_if_it_had_not_been_saved(
    method: Any, family: str, tmp_path: Any
) -> None:
    rows = blobs(np.random.default_rng(7), 200, 2, 3)
    batches = np.array_split(rows, 4)
    gmm = GaussianMixtureModel(3, covariance_type=family, inference=method(decay=0.75))
    in_batches(gmm, batches[:2]).save(tmp_path / "model")
    twin = mixtura.load(tmp_path / "model")
    assert twin.inference == gmm.inference
    assert_same_bits(twin, gmm)
    assert_same_bits(in_batches(twin, batches[2:]), in_batches(gmm, batches[2:]))


def test_a_saved_fit_goes_on_under_every_kind_of_prior(tmp_path: Any) -> None:
    batches = np.array_split(blobs(np.random.default_rng(8), 90, 1, 2), 3)
    prior = Independent(mean=Normal(0.1, 1 / 3), scale=LogNormal(0.7, 1.1))
    weights = Dirichlet([1.1, 2.3])
    for inference in ("map", "vb"):
        gmm = GaussianMixtureModel(
            2, component_prior=prior, weight_prior=weights, inference=inference
        ).partial_fit(batches[0])
        gmm.save(tmp_path / inference)
        twin = mixtura.load(tmp_path / inference)
        assert_same_bits(in_batches(twin, batches[1:]), in_batches(gmm, batches[1:]))


def test_fit_starts_anew(method: Any) -> None:
    one, other = groups_apart(200, seed=1), groups_apart(200, seed=2) + 5.0
    gmm = in_batches(GaussianMixtureModel(3, inference=method()), [one, one]).fit(other)
    assert_same_bits(gmm, GaussianMixtureModel(3, inference=method()).fit(other))


def test_components_keep_their_numbers(method: Any) -> None:
    rng = np.random.default_rng(0)
    # The small group comes from ever further left, a little at a time, and passes the large one.
    centres = np.repeat([[0.0, 0.0], [1.0, 2.0]], [200, 50], axis=0)
    rows = centres + 0.1 * rng.standard_normal((250, 2))
    gmm = GaussianMixtureModel(2, inference=method(decay=0.51)).partial_fit(rows)
    assert gmm.means_[0, 0] < gmm.means_[1, 0]
    for step in np.arange(0.0, 2.1, 0.15):
        rows[200:, 0] = 1.0 - step + 0.1 * rng.standard_normal(50)
        gmm.partial_fit(rows)
    assert gmm.means_[0, 0] > gmm.means_[1, 0]
    assert gmm.weights_[0] > 0.7
    np.testing.assert_array_equal(gmm.labels_, np.repeat([0, 1], [200, 50]))


# ---------------------------------------------------------------------------- options and extremes


@pytest.mark.parametrize("decay", [0.5, 0.0, 1.01, -1.0, float("nan"), True, "1", None])
def test_decay_must_be_a_number_above_one_half(method: Any, decay: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"decay must be a number above 0\.5"):
        method(decay=decay)


@pytest.mark.parametrize("n_rows", [0, -3, 1.5, True, "10", float("nan")])
def test_the_number_of_all_rows_must_be_one(method: Any, n_rows: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="n_rows must be None or a whole number"):
        method(n_rows=n_rows)


def test_a_schedule_keeps_the_total() -> None:
    for decay in (0.6, 1.0):
        for n_rows in (None, 500):
            schedule = Schedule(decay, n_rows)
            seen, held = 30.0, schedule.total(30.0)
            for batch in (1.0, 50.0, 7.0):
                kept, added = schedule.factors(seen, held, batch)
                seen += batch
                held = kept * held + added * batch
                assert held == pytest.approx(schedule.total(seen), rel=1e-14)
    assert Schedule().factors(30.0, 30.0, 7.0) == (1.0, 1.0)


def test_more_rows_than_there_are_in_all_are_refused(method: Any) -> None:
    gmm = GaussianMixtureModel(2, inference=method(n_rows=50))
    with pytest.raises(InvalidArgumentError, match=r"n_rows.*50.*a batch of weight 60"):
        gmm.partial_fit(groups_apart(60))


@pytest.mark.parametrize("scale", [1e-150, 1e-120, 1e120, 1e150])
def test_extreme_units_are_no_hindrance(method: Any, scale: float) -> None:
    batches = np.array_split(groups_apart(150), 3)
    one = in_batches(GaussianMixtureModel(3, inference=method()), batches)
    other = in_batches(
        GaussianMixtureModel(3, inference=method()), [batch * scale for batch in batches]
    )
    np.testing.assert_allclose(other.means_ / scale, one.means_, rtol=1e-6, atol=1e-6)
    shift = 2 * 150 * np.log(scale)
    assert other.fit_.log_likelihood == pytest.approx(one.fit_.log_likelihood - shift, rel=1e-8)


@pytest.mark.parametrize("scale", [1e-10, 1e10, 1e50])
def test_a_batch_in_other_units_is_doubtful(method: Any, scale: float) -> None:
    rows = groups_apart(100)
    gmm = GaussianMixtureModel(2, inference=method()).fit(rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gmm.partial_fit(rows * scale)
    asked = [one for one in caught if "other units" in str(one.message)]
    # Near zero, where the earlier rows lie too, nothing is strange.
    assert len(asked) == (scale > 1.0)
    assert all(one.category is DataWarning for one in asked)
    assert {one.category for one in caught} <= {DataWarning, DegenerateComponentWarning}
    assert np.isfinite(gmm.means_).all()
    assert np.isfinite(gmm.covariances_).all()
    assert np.isfinite(gmm.objective_)
    assert np.isfinite(gmm.score(rows))
    assert gmm.fit_.n_rows == 200


@pytest.mark.parametrize("scale", [1e120, 1e149, 1e200])
def test_what_float64_cannot_hold_is_said_and_changes_nothing(method: Any, scale: float) -> None:
    rows = groups_apart(100)
    gmm = GaussianMixtureModel(2, inference=method()).fit(rows)
    earlier = gmm.fit_
    with pytest.raises(ValueError, match=r"column 'x0' has values of size .* float64 cannot hold"):
        gmm.partial_fit(rows * scale)
    assert gmm.fit_ is earlier


def test_priors_that_tell_components_apart(method: Any) -> None:
    if method is ML:
        return
    rows = groups_apart(300)
    # Groups of one size: which of them has which concentration, only the start can say.
    options = {
        "weight_prior": Dirichlet([5.0, 1.0, 2.0]),
        "init": [[0.0, 0.0], [6.0, 0.0], [12.0, 6.0]],
    }
    whole = GaussianMixtureModel(3, inference=method(), **options).fit(rows)
    online = GaussianMixtureModel(3, inference=method(), **options)
    assert distance(in_batches(online, np.array_split(rows, 3)), whole) < 0.05
