"""What a bootstrap promises, whatever is observed of the rows and whatever the family."""

import time

import numpy as np
import pytest

from mixtura import MAP, GaussianMixtureModel, bootstrap_lrt
from mixtura.data import ArrayRows
from mixtura.data.known_labels import known_labels, with_groups
from mixtura.data.resampling import drawn_again, weighted_at_random
from mixtura.datasets import load_faithful, load_iris
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.inference.in_threads import answers
from mixtura.inference.replicates import matched
from mixtura.messages.parameters import MixtureParameters
from mixtura.priors import Dirichlet

WAYS = ("nonparametric", "weighted", "parametric")
FAITHFUL = load_faithful().data


def fitted(**options) -> GaussianMixtureModel:
    return GaussianMixtureModel(2, random_state=0, **options).fit(FAITHFUL)


@pytest.mark.parametrize("method", WAYS)
def test_any_number_of_threads_gives_the_same_bits(method: str) -> None:
    gmm = fitted(inference="ml")
    one, two = (gmm.bootstrap(n_replicates=12, method=method, n_jobs=n) for n in (1, 3))
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    fewer = gmm.bootstrap(n_replicates=5, method=method)
    np.testing.assert_array_equal(fewer.means, one.means[:5])
    other = gmm.bootstrap(n_replicates=5, method=method, random_state=1)
    assert (other.means != fewer.means).any()


@pytest.mark.parametrize("name", sorted(FAMILIES))
@pytest.mark.parametrize("method", WAYS)
def test_errors_of_one_component_are_those_of_a_sample(name: str, method: str) -> None:
    """Of one component the standard error of the mean is s / sqrt(N), and 1 / sqrt(2 B) off."""
    x = np.random.default_rng(3).normal(size=(200, 2)) * 3.0
    gmm = GaussianMixtureModel(1, covariance_type=name, inference="ml").fit(x)
    found = gmm.bootstrap(n_replicates=120, method=method, random_state=0)
    expected = x.std(axis=0) if method != "parametric" else gmm.scales_[0]
    errors = found.standard_errors
    np.testing.assert_allclose(errors.means[0], expected / np.sqrt(200.0), rtol=0.25)
    assert np.shape(errors.covariances) == np.shape(gmm.covariances_)
    assert np.abs(found.bias.means).max() < 0.1
    np.testing.assert_array_equal(errors.weights, 0.0)


@pytest.mark.parametrize("kind", ["percentile", "normal"])
def test_intervals_hold_what_they_are_said_to(kind: str) -> None:
    gmm = fitted()
    found = gmm.bootstrap(n_replicates=200)
    ends = found.intervals(0.8, kind)
    assert ends.probabilities == pytest.approx((0.1, 0.9))
    inside = (found.means > ends.means[0]) & (found.means < ends.means[1])
    np.testing.assert_allclose(inside.mean(axis=0), 0.8, atol=0.08)
    assert ends.covariances is not None
    assert ends.covariances.shape == (2, 2, 2, 2)
    assert (ends.covariances[0] < ends.covariances[1]).all()
    wider = found.intervals(0.99, kind)
    assert (wider.deviations[0] < ends.deviations[0]).all()
    assert (wider.weights[1] <= 1.0).all()


def test_components_that_change_places_are_put_back() -> None:
    rng = np.random.default_rng(0)
    own = MixtureParameters(
        np.array([0.5, 0.3, 0.2]), np.array([[0.0], [3.0], [9.0]]), np.ones((3, 1, 1))
    )
    order = np.array([2, 0, 1])
    moved = MixtureParameters(
        own.weights, own.means + 0.1 * rng.normal(size=(3, 1)), own.covariances
    )
    back = matched(moved.permuted(order), own, [np.arange(3)])
    np.testing.assert_array_equal(back.means, moved.means)
    kept = matched(moved.permuted(np.array([0, 2, 1])), own, [np.array([1, 2])])
    np.testing.assert_array_equal(kept.means, moved.means)
    held = matched(moved.permuted(order), own, [])
    np.testing.assert_array_equal(held.means, moved.means[order])


def test_a_row_of_weight_two_is_two_rows_to_every_draw() -> None:
    """Expected counts are the weights; their variance is that of a multinomial of all rows."""
    weights = np.array([1.0, 2.0, 0.0, 5.0])
    rows = ArrayRows(np.arange(4.0)[:, None], weights)
    for way, variance in (
        (drawn_again, weights * (1.0 - weights / 8.0)),
        (weighted_at_random, weights * (8.0 - weights) * 64.0 / (64.0 * 9.0)),
    ):
        rng = np.random.default_rng(1)
        drawn = np.array([way(rows, rng).weights for _ in range(4000)])
        np.testing.assert_allclose(drawn.sum(axis=1), 8.0)
        np.testing.assert_allclose(drawn.mean(axis=0), weights, atol=0.1)
        np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.1, atol=1e-12)


def test_weights_that_count_no_rows_stay_factors_whatever_their_unit() -> None:
    weights = np.array([0.1, 0.2, 0.0, 0.3, 0.4])
    for way in (drawn_again, weighted_at_random):
        rng = np.random.default_rng(2)
        rows = ArrayRows(np.arange(5.0)[:, None], weights)
        drawn = np.array([way(rows, rng).weights for _ in range(2000)])
        np.testing.assert_allclose(drawn.sum(axis=1), 1.0)
        assert (drawn[:, 2] == 0.0).all()
        assert (drawn > 0.0).sum(axis=1).mean() > 2.0  # several rows, though their sum is one
        other = way(ArrayRows(rows.values, 3.3 * weights), np.random.default_rng(3)).weights
        same = way(rows, np.random.default_rng(3)).weights
        np.testing.assert_allclose(np.asarray(other), 3.3 * np.asarray(same))


def test_rows_of_a_label_are_drawn_among_themselves_and_groups_whole() -> None:
    labels = known_labels(["a"] * 3 + ["b"] * 5 + [None] * 4, 12, 2)
    groups = [0, 0, -1, 1, 1, 1, -1, -1, 2, 2, -1, -1]
    x = np.arange(12.0)[:, None]
    for way in (drawn_again, weighted_at_random):
        weights = way(ArrayRows(x, labels=labels), np.random.default_rng(0)).weights
        assert weights is not None
        np.testing.assert_allclose([weights[:3].sum(), weights[3:8].sum()], [3.0, 5.0])
    rows = ArrayRows(x, labels=with_groups(labels, groups, 12))
    drawn = drawn_again(rows, np.random.default_rng(0))
    assert drawn.labels is not None
    assert drawn.labels.groups is not None
    found = drawn.labels.groups
    for number in set(found[found >= 0].tolist()):
        assert sorted(drawn.values[found == number, 0]) in ([0, 1], [3, 4, 5], [8, 9])
    with pytest.raises(InvalidArgumentError, match="nonparametric"):
        weighted_at_random(rows, np.random.default_rng(0))


@pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")
@pytest.mark.parametrize("method", ["nonparametric", "parametric"])
def test_what_is_known_of_rows_stays_known(method: str) -> None:
    iris = load_iris()
    x = iris.data[:, 2:].copy()
    x[::7, 0] = np.nan
    names = np.repeat(["setosa", "versicolor", "virginica"], 50)
    labels = np.where(np.arange(150) % 3 == 0, names, None)
    groups = np.where(np.arange(150) % 10 < 2, np.arange(150) // 10, -1)
    gmm = GaussianMixtureModel(4, background="uniform", weight_prior=Dirichlet(2.0))
    gmm.fit(x, labels=labels, groups=groups, measurement_error=np.array([0.1, 0.1]))
    found = gmm.bootstrap(n_replicates=6, method=method, random_state=0)
    assert found.n_replicates + found.n_failed == 6
    assert found.names[0] == "setosa"
    np.testing.assert_allclose(found.means[:, 0], np.broadcast_to(gmm.means_[0], (6, 2)), atol=0.3)


def test_priors_and_fixed_parameters_stay() -> None:
    gmm = GaussianMixtureModel(2, fixed={"means": {0: [2.0, 54.0]}}).fit(FAITHFUL)
    found = gmm.bootstrap(n_replicates=5)
    np.testing.assert_array_equal(found.means[:, 0], [[2.0, 54.0]] * 5)
    assert (found.standard_errors.means[0] == 0.0).all()


def test_progress_is_told_and_summary_and_report_show_intervals(capsys, tmp_path) -> None:
    gmm, told = fitted(), []
    found = gmm.bootstrap(n_replicates=20, progress=lambda *now: told.append(now))
    assert told == [(n, 20) for n in range(1, 21)]
    gmm.bootstrap(n_replicates=4, progress=True)
    assert "4 of 4 replicates" in capsys.readouterr().err
    text = str(gmm.summary(bootstrap=found, clusters=gmm.merge_components()))
    assert "percentiles of 20 bootstrap replicates" in text
    assert "2 clusters of 2 components" in text
    assert "[" in text.split("expected")[1]
    gmm.write_report(tmp_path / "report.txt", bootstrap=found)
    assert "20 bootstrap replicates" in (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert "20 bootstrap replicates (nonparametric" in str(found)
    assert found.rows[0]["weight error"] == found.standard_errors.weights[0]
    axes = gmm.plot_posterior(bootstrap=found)
    np.testing.assert_allclose(axes[0].lines[0].get_xdata(), found.intervals(0.9).weights[:, 0])
    np.testing.assert_allclose(axes[0].lines[1].get_xdata(), gmm.weights_[0])
    assert "20 bootstrap replicates" in axes[0].get_title(loc="left")
    with pytest.raises(InvalidArgumentError, match=r"bootstrap\(\) of this fit"):
        fitted(covariance_type="diag").summary(bootstrap=found)


@pytest.mark.parametrize("inference", ["vb", "gibbs"])
def test_methods_with_intervals_of_their_own_are_refused_by_name(inference: str) -> None:
    gmm = GaussianMixtureModel(1, inference=inference, random_state=0).fit(FAITHFUL[:20])
    with pytest.raises(InvalidArgumentError, match=f"inference='{inference}'.*'map' or"):
        gmm.bootstrap()


def test_a_method_that_was_changed_after_the_fit_is_named() -> None:
    gmm = fitted(inference=MAP()).set_params(inference="vb")
    with pytest.raises(InvalidArgumentError, match="'map' when the rows were fitted, and is 'vb'"):
        gmm.bootstrap()
    gmm = GaussianMixtureModel(1, inference="vb").fit(FAITHFUL[:20]).set_params(inference="map")
    with pytest.raises(InvalidArgumentError, match="inference='vb' has intervals of its own"):
        gmm.bootstrap()


@pytest.mark.parametrize(
    "arguments", [{"method": "jackknife"}, {"n_replicates": 1}, {"progress": "yes"}, {"n_jobs": 0}]
)
def test_wrong_arguments_are_named(arguments: dict) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(arguments))):
        fitted(inference=MAP()).bootstrap(**{"n_replicates": 3} | arguments)


def test_what_cannot_be_counted_or_fitted_is_said() -> None:
    gmm = GaussianMixtureModel(2, inference="ml").fit(FAITHFUL, sample_weight=np.full(272, 0.5))
    with pytest.raises(InvalidArgumentError, match="whole numbers"):
        gmm.bootstrap(method="parametric")
    own = GaussianMixtureModel.from_parameters([1.0], [[0.0]], [[[1.0]]])
    with pytest.raises(ValueError, match="pass X"):
        own.bootstrap()


def test_tests_of_the_number_do_not_depend_on_threads_and_tell_their_progress() -> None:
    told: list[tuple[int, int]] = []
    options = {"n_replicates": 8, "level": 0.12, "random_state": 0}
    one = bootstrap_lrt(FAITHFUL, "tied", progress=lambda *now: told.append(now), **options)
    two = bootstrap_lrt(FAITHFUL, "tied", n_jobs=3, **options)
    assert len(one.tests) == len(two.tests)
    for left, right in zip(one.tests, two.tests, strict=True):
        np.testing.assert_array_equal(left.replicates, right.replicates)
        assert (left.replicates >= 0.0).all()
        share = (1 + (left.replicates >= left.statistic).sum()) / 9
        assert left.p_value == pytest.approx(share)
    assert told == [(n, 8) for n in range(1, 9)] * len(one.tests)
    assert one.to_dict()["n_components"] == list(range(1, len(one.tests) + 1))
    assert "Number of components" in str(one)
    gmm = GaussianMixtureModel(2, covariance_type="tied", inference="ml").fit(FAITHFUL)
    single = GaussianMixtureModel(1, covariance_type="tied", inference="ml").fit(FAITHFUL)
    gain = 2.0 * (gmm.fit_.log_likelihood - single.fit_.log_likelihood)
    assert one.tests[0].statistic == pytest.approx(gain, abs=1e-6)


def test_one_group_is_not_cut_and_the_last_number_may_be_too_small() -> None:
    x = np.random.default_rng(5).normal(size=(100, 1))
    x[::9] = np.nan
    assert bootstrap_lrt(x, n_replicates=19, random_state=0).n_components == 1
    cut = bootstrap_lrt(FAITHFUL, max_components=1, n_replicates=19, random_state=0)
    assert cut.n_components == 2
    assert not cut.is_ended
    assert "raise max_components" in str(cut)


@pytest.mark.parametrize(
    "arguments", [{"level": 1.0}, {"max_components": 0}, {"inference": "map"}, {"labels": [0]}]
)
def test_wrong_arguments_of_tests_are_named(arguments: dict) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(arguments))):
        bootstrap_lrt(FAITHFUL, **arguments)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_stops_the_progress_stops_the_replicates(n_jobs: int) -> None:
    begun: list[int] = []

    def stop(done: int, total: int) -> None:
        begun.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted().bootstrap(n_replicates=500, n_jobs=n_jobs, progress=stop)
    assert begun == [1]
    started = time.perf_counter()
    found = answers(lambda job: time.sleep(0.005), range(2000), n_jobs)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert time.perf_counter() - started < 2.0  # all of them would take 5 seconds or more
