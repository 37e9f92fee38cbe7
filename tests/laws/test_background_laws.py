"""Laws of a background: one more part of the mixture, uniform on a box.

Direct sums, quadrature, enumeration over which rows are of the background, and conjugate evidences
are what the answers are held against.
"""

import warnings
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import betaln, gammaln, logsumexp

import mixtura
from laws.enumeration import normal_inverse_wishart
from laws.running import FREE, blobs, families_and_methods, random_parameters
from mixtura import BACKGROUND, GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.engines import ENGINES
from mixtura.errors import DataError, InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.messages.assignments import Given, Sampled, Soft
from mixtura.messages.background import Background
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import potentials_of
from mixtura.plots.curves import MarginalCurves
from mixtura.priors import Dirichlet, NormalInverseWishart
from mixtura.reports import as_html

N, D, K = 80, 2, 3

METHODS: dict[str, Any] = {
    "map": "map",
    "ml": "ml",
    "vb": "vb",
    "gibbs": mixtura.Gibbs(chains=1, draws=20, warmup=20),
}


def with_far_rows(seed: int = 0, n_rows: int = 400, n_far: int = 80) -> tuple[Any, Any]:
    """Return rows of three round groups and uniform ones, and the groups, -2 for the latter."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=n_rows)
    centres = np.array([[0.0, 0.0], [3.0, 5.0], [6.0, 0.0]])
    rows = centres[truth] + rng.standard_normal((n_rows, 2))
    far = rng.uniform([-5.0, -5.0], [11.0, 10.0], (n_far, 2))
    return np.vstack([rows, far]), np.append(truth, np.full(n_far, BACKGROUND))


def fitted(method: str, rows: Any, n_components: int = 3, **given: Any) -> Any:
    """Return a fit beside a background, whatever short chains say of themselves."""
    names = ("covariance_type", "n_jobs", "background", "component_prior", "weight_prior")
    options = {name: given.pop(name) for name in names if name in given}
    options = {"background": "uniform"} | options
    gmm = GaussianMixtureModel(
        n_components, inference=METHODS.get(method, method), random_state=0, **options
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gmm.fit(rows, **given)


def some_rows(kind: str, seed: int = 0) -> ArrayRows:
    """Return rows as they may be: plain, weighted, with missing cells or errors, or with all."""
    rng = np.random.default_rng(seed)
    values = blobs(rng, N, D, 3, apart=1.0)
    weights = rng.integers(0, 4, N).astype(float) if kind in ("weights", "all") else None
    errors = rng.gamma(2.0, 0.1, (N, D)) if kind in ("errors", "all") else None
    if kind in ("missing", "all"):
        values[rng.random((N, D)) < 0.2] = np.nan
    return ArrayRows(values, weights, None, errors)


def box_logs(rows: ArrayRows, box: Background) -> np.ndarray:
    """Return the log density of observed cells under a box, by scipy."""
    found = np.zeros(rows.n_rows)
    for n, row in enumerate(rows.values):
        for d, value in enumerate(row):
            if np.isnan(value):
                continue
            if rows.errors is None:
                inside = box.lower[d] <= value <= box.upper[d]
                density = inside / box.sides[d]
            else:
                # Of a uniform value plus its error, by the distribution function of the error.
                error = stats.norm(value, np.sqrt(rows.errors[n, d]))
                density = (error.cdf(box.upper[d]) - error.cdf(box.lower[d])) / box.sides[d]
            found[n] += np.log(density) if density > 0.0 else -np.inf
    return found


@pytest.mark.parametrize("kind", ["plain", "weights", "missing", "errors", "all"])
@pytest.mark.parametrize("engine", sorted(ENGINES))
@pytest.mark.parametrize("family", FREE)
def test_sweeps_share_rows_with_the_background(family: str, engine: str, kind: str) -> None:
    rows, run = some_rows(kind), ENGINES[engine]()
    chosen = FAMILIES[family]
    parameters = random_parameters(np.random.default_rng(1), chosen, K, D)
    parameters = replace(parameters, weights=0.7 * parameters.weights)
    low, high = np.nanmin(rows.values, axis=0), np.nanmax(rows.values, axis=0)
    box = Background(low, high - 0.1 * (high - low))
    potentials = potentials_of(chosen, parameters, box)
    alone = replace(potentials, background=None)
    scores = np.stack(
        [run.log_density(rows, alone.components(np.array([k]))) for k in range(K)]
        + [np.log(0.3) + box_logs(rows, box)],
        axis=1,
    )
    normalizer = logsumexp(scores, axis=1)
    shares = np.exp(scores - normalizer[:, None])
    weights = np.ones(N) if rows.weights is None else rows.weights
    found = run.sweep(rows, potentials, Soft())
    # Responsibilities that sum to one for weights that do not.
    left = np.maximum(1.0 - shares[:, K], 1e-300)
    given = Given(shares[:, :K] / left[:, None])
    wanted = run.sweep(ArrayRows(rows.values, weights * left, None, rows.errors), alone, given)
    assert found.count == pytest.approx(wanted.count, rel=1e-9, abs=1e-9)
    assert found.first == pytest.approx(wanted.first, abs=1e-8)
    assert found.second == pytest.approx(wanted.second, rel=1e-9, abs=1e-8)
    assert found.log_normalizer == pytest.approx(weights @ normalizer, rel=1e-11)
    in_box = shares[:, K] > 0.0
    logs = box_logs(rows, box)[in_box]
    of_box = (weights * shares[:, K])[in_box]
    assert found.background == pytest.approx([of_box.sum(), of_box @ logs], rel=1e-9)
    assert run.responsibilities(rows, potentials) == pytest.approx(shares, abs=1e-10)
    assert run.log_density(rows, potentials) == pytest.approx(normalizer, rel=1e-10, abs=1e-10)
    best = shares.argmax(axis=1)
    assert np.array_equal(run.labels(rows, potentials), np.where(best == K, BACKGROUND, best))
    drawn = run.sample_labels(rows, potentials, 400, 3)
    frequency = (drawn == BACKGROUND).mean(axis=0)
    assert np.abs(frequency - shares[:, K]).max() < 5.0 * 0.5 / np.sqrt(400.0)
    sampled = run.sweep(rows, potentials, Sampled(3))
    assert sampled.count.sum() + sampled.of_background == pytest.approx(weights.sum())
    counts = [run.sweep(rows, potentials, Sampled(3, s)).of_background for s in range(50)]
    spread = np.sqrt((weights**2 * shares[:, K] * (1.0 - shares[:, K])).sum() / 50.0)
    assert abs(np.mean(counts) - found.of_background) < 5.0 * spread


def test_the_density_integrates_to_one_and_knows_errors() -> None:
    rows = np.append(np.random.default_rng(0).standard_normal(60), [-9.0, 8.0, 5.0])[:, None]
    for method in METHODS:
        gmm = fitted(method, rows, 1)
        density = lambda x, gmm=gmm: float(np.exp(gmm.score_samples([[x]]))[0])  # noqa: E731
        ends = {"points": [-9.0, -3.0, 0.0, 3.0, 8.0], "limit": 200}
        assert quad(density, -40.0, 40.0, **ends)[0] == pytest.approx(1.0, abs=1e-5)
    gmm = fitted("map", rows, 1)
    error = 0.7
    for measured in (-9.5, 0.0, 7.9):
        wanted = quad(
            lambda x, y=measured: density_of(gmm, x) * stats.norm.pdf(y, x, error),
            *(-20.0, 20.0), points=[-9.0, 0.0, 8.0], limit=200,
        )[0]  # fmt: skip
        found = gmm.score_samples([[measured]], measurement_error=[error])[0]
        assert found == pytest.approx(np.log(wanted), abs=1e-6)


def density_of(gmm: Any, x: float) -> float:
    """Return the density of a fit of one column at a point."""
    return float(np.exp(gmm.score_samples([[x]]))[0])


@pytest.mark.parametrize("method", sorted(METHODS))
def test_without_a_background_nothing_changes(method: str) -> None:
    rows = blobs(np.random.default_rng(0), 60, 2, 3)
    one = fitted(method, rows, background=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = GaussianMixtureModel(3, inference=METHODS[method], random_state=0).fit(rows)
    for name in ("weights_", "means_", "covariances_", "objective_history_"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert one.background_weight_ == 0.0
    assert one.predict_proba(rows).shape == (60, 3)


@pytest.mark.parametrize(("family", "method"), families_and_methods(METHODS))
def test_far_rows_are_told_from_groups(family: str, method: str) -> None:
    rows, truth = with_far_rows(1)
    gmm = fitted(method, rows, covariance_type=family)
    weight = 80.0 / 480.0
    assert abs(gmm.background_weight_ - weight) < 4.0 * np.sqrt(weight * (1.0 - weight) / 480.0)
    assert gmm.weights_.sum() + gmm.background_weight_ == pytest.approx(1.0)
    shares = gmm.predict_proba(rows)
    assert shares.shape == (480, 4)
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert (gmm.labels_ == truth).mean() > 0.9
    drawn, labels = gmm.sample(4000, random_state=0)
    share = (labels == BACKGROUND).mean()
    assert abs(share - gmm.background_weight_) < 5.0 * np.sqrt(0.15 / 4000.0)
    low, high = rows.min(axis=0), rows.max(axis=0)
    far = drawn[labels == BACKGROUND]
    assert ((far >= low) & (far <= high)).all()


@pytest.mark.calibrate
@pytest.mark.parametrize("method", sorted(METHODS))
def test_far_rows_hide_no_groups_in_twenty_sets(method: str) -> None:
    from sklearn.metrics import adjusted_rand_score

    weight = 80.0 / 480.0
    error = np.sqrt(weight * (1.0 - weight) / 480.0)
    METHODS["long"] = mixtura.Gibbs(chains=2, draws=200, warmup=100)
    method = "long" if method == "gibbs" else method
    for seed in range(20):
        rows, truth = with_far_rows(seed)
        inside = truth >= 0
        gmm = fitted(method, rows)
        alone = fitted(method, rows[inside], background=None)
        assert abs(gmm.background_weight_ - weight) < 4.0 * error
        of_both = adjusted_rand_score(truth[inside], gmm.labels_[inside])
        assert of_both >= 0.95 * adjusted_rand_score(truth[inside], alone.labels_)


def prior_of(rows: np.ndarray) -> NormalInverseWishart:
    """Return a conjugate prior of two columns."""
    return NormalInverseWishart(rows.mean(axis=0), 0.3, 5.0, 2.0 * np.eye(2))


def cluster_of(rows: np.ndarray) -> Any:
    """Return what clusters are worth under it."""
    prior = prior_of(rows)
    parts = (np.asarray(prior.mean), prior.shrinkage, prior.degrees_of_freedom)
    return normal_inverse_wishart(*parts, np.asarray(prior.scale))


def test_all_labels_known_the_bound_is_the_evidence() -> None:
    rng = np.random.default_rng(0)
    rows, labels = blobs(rng, 40, 2, 3, apart=1.0), rng.choice([BACKGROUND, 0, 1, 2], 40)
    gmm = fitted(
        *("vb", rows), labels=labels, weight_prior=Dirichlet(0.7), component_prior=prior_of(rows)
    )
    counts = np.array([(labels == k).sum() for k in range(3)])
    n_far, n_near = (labels == BACKGROUND).sum(), counts.sum()
    total = betaln(1.0 + n_far, 1.0 + n_near) - betaln(1.0, 1.0)
    total += gammaln(2.1) - gammaln(2.1 + n_near) + (gammaln(0.7 + counts) - gammaln(0.7)).sum()
    total -= n_far * np.log(np.ptp(rows, axis=0)).sum()
    total += sum(cluster_of(rows).log_marginal(rows[labels == k]) for k in range(3))
    assert gmm.objective_ == pytest.approx(total, rel=1e-10)
    assert np.array_equal(gmm.labels_, labels)
    mode = fitted("ml", rows, labels=labels)
    assert mode.background_weight_ == pytest.approx(n_far / 40.0, rel=1e-12)


def test_draws_are_the_posterior_and_the_bound_is_below_the_evidence() -> None:
    rng = np.random.default_rng(2)
    rows = np.vstack([rng.standard_normal((5, 2)), [[4.0, 4.0], [-3.0, 2.0], [2.0, -4.0]]])
    cluster, log_volume = cluster_of(rows), float(np.log(np.ptp(rows, axis=0)).sum())
    logs, far = [], []
    for chosen in product([False, True], repeat=len(rows)):
        is_far = np.array(chosen)
        near = rows[~is_far]
        worth = betaln(1.0 + is_far.sum(), 1.0 + len(near)) - is_far.sum() * log_volume
        logs.append(worth + (cluster.log_marginal(near) if len(near) else 0.0))
        far.append(is_far)
    evidence = logsumexp(logs)
    probability = np.exp(np.array(logs) - evidence)
    wanted = probability @ np.array(far, dtype=float)
    weight = float(probability @ [(1.0 + f.sum()) / (2.0 + len(rows)) for f in far])
    given = {"component_prior": prior_of(rows)}
    bound = fitted("vb", rows, 1, **given)
    assert bound.objective_ <= evidence + 1e-9
    METHODS["long"] = mixtura.Gibbs(chains=2, draws=1500, warmup=100)
    drawn = fitted("long", rows, 1, **given)
    draws = 1.0 - drawn.posterior_.weights.sum(axis=-1)
    error = draws.std() / np.sqrt(0.1 * draws.size)
    assert abs(draws.mean() - weight) < 4.0 * error
    assert drawn.predict_proba(rows)[:, 1] == pytest.approx(wanted, abs=0.06)


@pytest.mark.parametrize("method", ["map", "ml", "vb"])
def test_the_objective_never_falls(method: str) -> None:
    rows, _ = with_far_rows(3)
    rows[::7, 0] = np.nan
    history = fitted(method, rows).objective_history_
    assert (np.diff(history) > -1e-9 * np.abs(history[-1])).all()


@pytest.mark.parametrize("method", ["map", "ml"])
def test_the_log_likelihood_is_that_of_scipy(method: str) -> None:
    rows, _ = with_far_rows(4)
    gmm = fitted(method, rows)
    box = np.prod(np.ptp(rows, axis=0))
    density = gmm.background_weight_ / box + sum(
        weight * stats.multivariate_normal.pdf(rows, mean, covariance)
        for weight, mean, covariance in zip(gmm.weights_, gmm.means_, gmm.covariances_, strict=True)
    )
    assert gmm.fit_.log_likelihood == pytest.approx(np.log(density).sum(), rel=1e-12)
    # At the maximum the weight of the background is the average of its shares.
    share = gmm.background_weight_ / box / density
    assert gmm.background_weight_ == pytest.approx(share.mean(), abs=1e-4)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_threads_do_not_show(method: str) -> None:
    rows, truth = with_far_rows(5)
    rng = np.random.default_rng(0)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    given = {
        "labels": np.where(rng.random(480) < 0.1, truth, -1),
        "sample_weight": rng.integers(1, 3, 480),
        "measurement_error": rng.gamma(2.0, 0.1, rows.shape),
    }
    one, two = (fitted(method, rows, n_jobs=n, **given) for n in (1, 2))
    for name in ("weights_", "means_", "covariances_", "objective_history_"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("method", ["map", "ml", "vb"])
def test_order_weights_units_and_batches(method: str) -> None:
    rows, _ = with_far_rows(6)
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 3, 480)
    first = fitted(method, rows, sample_weight=counts)
    where = rng.permutation(np.repeat(np.arange(480), counts))
    second = fitted(method, rows[where])
    assert second.means_ == pytest.approx(first.means_, abs=1e-3)
    assert second.background_weight_ == pytest.approx(first.background_weight_, abs=1e-4)
    assert second.objective_ == pytest.approx(first.objective_, abs=1e-4)
    scaled = fitted(method, rows * 2.0**400)
    plain = fitted(method, rows)
    assert scaled.background_weight_ == pytest.approx(plain.background_weight_, rel=1e-6)
    assert scaled.means_ * 2.0**-400 == pytest.approx(plain.means_, rel=1e-5, abs=1e-6)
    batches = GaussianMixtureModel(3, background="uniform", inference=method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batches.partial_fit(rows[::2]).partial_fit(rows[1::2])
    assert batches.background_weight_ == pytest.approx(plain.background_weight_, abs=0.03)
    assert batches.means_ == pytest.approx(plain.means_, abs=0.2)


def test_statistics_of_a_background_add() -> None:
    one = SufficientStatistics.zero(np.zeros((2, 1)), (2, 1))
    other = replace(one, background=np.array([2.0, -3.0]))
    assert (one + other).background.tolist() == [2.0, -3.0]
    assert (other + other * 0.5).background.tolist() == [3.0, -4.5]
    assert (one + one).background is None


def test_a_volume_that_is_given_counts_one_parameter_less(tmp_path: Any) -> None:
    rows, _ = with_far_rows(7)
    boxed, given = fitted("map", rows), fitted("map", rows, background=300.0)
    alone = fitted("map", rows, background=None)
    numbers = [gmm.fit_.model.n_parameters for gmm in (alone, given, boxed)]
    assert np.diff(numbers).tolist() == [1, 1]
    # Far from the groups, inside the box, nothing else has a density.
    corner = [[-4.0, 9.0]]
    wanted = np.log(given.background_weight_ / 300.0)
    assert given.score_samples(corner)[0] == pytest.approx(wanted, abs=1e-6)
    assert "as given" in str(given.summary())
    assert "background has weight" in str(boxed.summary())
    for gmm in (boxed, given):
        gmm.save(tmp_path / "one.mixtura", overwrite=True)
        again = mixtura.load(tmp_path / "one.mixtura")
        assert np.array_equal(again.predict_proba(rows), gmm.predict_proba(rows))
        assert again.background == gmm.background


@pytest.mark.parametrize("value", ["box", 0.0, -1.0, np.nan, True, [1.0]])
def test_what_is_no_background_is_one_clear_error(value: Any) -> None:
    rows, _ = with_far_rows(0)
    with pytest.raises(InvalidArgumentError, match="background must be None, 'uniform' or"):
        GaussianMixtureModel(3, background=value).fit(rows)


def test_a_constant_column_has_no_box() -> None:
    rows = np.column_stack([np.arange(20.0), np.ones(20)])
    with pytest.raises(InvalidArgumentError, match="'x1' has one alone"):
        GaussianMixtureModel(2, background="uniform").fit(rows)


@pytest.mark.parametrize("method", ["svi", "nuts"])
def test_methods_without_background_say_so(method: str) -> None:
    rows, _ = with_far_rows(0)
    with pytest.raises(InvalidArgumentError, match=f"'{method}' takes no background"):
        GaussianMixtureModel(2, background="uniform", inference=method).fit(rows)


def test_curves_have_the_background() -> None:
    rows, _ = with_far_rows(9)
    gmm = fitted("map", rows)
    curves = MarginalCurves.predictive(gmm.fit_, 0)
    low, high = rows[:, 0].min(), rows[:, 0].max()
    # Beyond the reach of the groups there is the background alone.
    points = np.array([low - 1.0, low + 0.01, high - 0.01, high + 1.0])
    groups = replace(curves, uniform=None).total(points)
    height = gmm.background_weight_ / (high - low)
    assert curves.total(points) - groups == pytest.approx([0.0, height, height, 0.0], rel=1e-12)
    grid = np.linspace(low - 9.0, high + 9.0, 200_001)
    assert curves.total(grid).sum() * (grid[1] - grid[0]) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("method", ["map", "ml", "vb"])
def test_all_at_once_in_batches_and_threads(method: str) -> None:
    rows, truth = with_far_rows(10)
    rng = np.random.default_rng(0)
    order = rng.permutation(480)
    rows, truth = rows[order], truth[order]
    rows[rng.random(rows.shape) < 0.1] = np.nan
    groups = np.arange(480) // 2
    known = (rng.random(480) < 0.2) & (np.arange(480) % 2 == 0)
    labels = np.where(known & (truth >= 0), truth, -1)
    labels[:240] = np.where(known, truth, -1)[:240]  # later ones may lie outside the box
    # Two rows share a component only if they are of one group of the truth.
    groups = np.where(truth[groups * 2] == truth[groups * 2 + 1], groups, -1)
    weights, fits = rng.integers(1, 3, 480), []
    for n_jobs in (1, 2):
        gmm = GaussianMixtureModel(
            3, background="uniform", inference=method, n_jobs=n_jobs, max_iter=200
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for some in (slice(0, 240), slice(240, 480)):
                gmm.partial_fit(
                    *(rows[some], None, weights[some], [0.1, 0.1], labels[some], groups[some])
                )
        fits.append(gmm)
    for name in ("weights_", "means_", "covariances_", "objective_history_"):
        assert np.array_equal(getattr(fits[0], name), getattr(fits[1], name))
    whole = fitted(
        *(method, rows), sample_weight=weights, labels=labels, groups=groups,
        measurement_error=[0.1, 0.1],
    )  # fmt: skip
    assert whole.means_ == pytest.approx(fits[0].means_, abs=0.25)
    inside = truth >= 0
    assert (whole.labels_[inside] == truth[inside]).mean() > 0.9
    told = labels != -1
    assert (whole.labels_[told] == labels[told]).all()


def test_a_labelled_row_outside_the_box_is_refused() -> None:
    rows, _ = with_far_rows(11)
    gmm = GaussianMixtureModel(3, background="uniform").partial_fit(rows)
    with pytest.raises(DataError, match="outside the background's box"):
        gmm.partial_fit([[0.0, 0.0], [99.0, 0.0]], labels=[-1, BACKGROUND])


@pytest.mark.parametrize("method", ["map", "gibbs"])
def test_reports_and_pictures_have_the_background(method: str, tmp_path: Any) -> None:
    rows, _ = with_far_rows(8)
    gmm = fitted(method, rows)
    text = gmm.write_report(tmp_path / "one.txt").read_text()
    assert "background" in text
    ax = gmm.plot_clusters(ax=None)
    assert ax is not None
    gmm.plot_uncertainty()
    gmm.plot_density()
    assert gmm.get_feature_names_out()[-1] == "background"
    with pytest.raises(InvalidArgumentError, match="no background"):
        gmm.to_sklearn()


@pytest.mark.parametrize("method", ["ml", "map"])
def test_rows_without_weight_know_nothing(method: str) -> None:
    """A label, or a group, of a row that has no weight is of no effect."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 2)) + (np.arange(40) % 2)[:, None] * 4.0
    weights, labels = np.ones(40), np.full(40, -1)
    weights[5], labels[5] = 0.0, -2
    plain = GaussianMixtureModel(2, inference=method, background=1e6)
    expected = plain.fit(np.delete(rows, 5, axis=0)).objective_
    for groups in (None, np.arange(40)):
        found = plain.fit(rows, sample_weight=weights, labels=labels, groups=groups)
        assert found.objective_ == pytest.approx(expected, rel=1e-6)


def test_most_rows_may_belong_to_the_background() -> None:
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal(size=(6, 2)), rng.uniform(-30.0, 30.0, (60, 2))])
    gmm = GaussianMixtureModel(2, background="uniform").fit(rows)
    assert gmm.background_weight_ > 0.5
    assert "uniform background" in as_html(gmm.report())
    gmm.plot_density()


@pytest.mark.parametrize("method", ["map", "ml", "vb"])
@pytest.mark.parametrize("seed", [2, 16, 59])
def test_units_do_not_matter(seed: int, method: str) -> None:
    """Columns times 1e-100 and 1e100: the same answer, but for the logs of these."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.normal(m, 1.0, (25, 2)) for m in (0.0, 2.0, 5.0)])
    rows = np.concatenate([rows, rng.uniform(-8.0, 12.0, (9, 2))])
    rows[rng.random(rows.shape) < 0.05] = np.nan
    one = GaussianMixtureModel(3, background="uniform", inference=method).fit(rows)
    scale = np.array([2.0**-332, 2.0**332])
    other = GaussianMixtureModel(3, background="uniform", inference=method).fit(rows * scale)
    shift = (~np.isnan(rows)).sum(axis=0) @ np.log(scale)
    assert other.fit_.log_likelihood + shift == pytest.approx(one.fit_.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(other.means_ / scale, one.means_, atol=1e-6)


def test_the_objective_does_not_fall_at_the_floor() -> None:
    """Tied rows: a component at the floor of maximum likelihood, where rounding is largest."""
    rng = np.random.default_rng(10)
    rows = np.concatenate([rng.normal(0.0, 1.0, (40, 2)), np.repeat(rng.normal(size=(2, 2)), 3, 0)])
    groups = np.where(np.arange(46) < 20, np.arange(46) // 2, -1)
    gmm = GaussianMixtureModel(3, background="uniform", inference="ml")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gmm.fit(rows, groups=groups)
    assert (np.diff(gmm.objective_history_) >= 0.0).all()


def test_the_prior_of_the_weight_is_as_rows_that_were_seen(tmp_path: Any) -> None:
    """The mode of Beta(a + n_b, c + n) under "map", its mean under "vb"."""
    rows, _ = with_far_rows(3)
    prior = (3.0, 40.0)
    for method in ("map", "vb"):
        gmm = GaussianMixtureModel(
            3, background="uniform", background_prior=prior, inference=method, tol=1e-10
        ).fit(rows)
        shares = gmm.predict_proba(rows)[:, -1].sum()
        if method == "map":
            expected = (shares + 2.0) / (len(rows) + 41.0)
            assert gmm.background_weight_ == pytest.approx(expected, abs=1e-6)
        else:  # predictions average over the parameters, responsibilities do not
            statistics = gmm.posterior_.statistics
            expected = (statistics.of_background + 3.0) / (len(rows) + 43.0)
            assert gmm.background_weight_ == pytest.approx(expected, abs=1e-12)
        gmm.save(tmp_path / f"{method}.mixtura")
        again = mixtura.load(tmp_path / f"{method}.mixtura")
        assert again.background_prior == prior
        assert again.fit_.model.background.concentration == prior
        again.set_params(background_prior=None)
        with pytest.raises(InvalidArgumentError, match="background_prior was"):
            again.partial_fit(rows[:50])
    few = GaussianMixtureModel(3, background="uniform", background_prior=(1.0, 1e6)).fit(rows)
    assert few.background_weight_ < 1e-3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"background_prior": (1.0, 1.0)}, "say background='uniform'"),
        ({"background": "uniform", "background_prior": (0.0, 1.0)}, "two numbers above 0"),
        ({"background": "uniform", "background_prior": 2.0}, "two numbers above 0"),
        ({"background": "uniform", "background_prior": (0.5, 1.0)}, "there is no mode"),
        (
            {"background": "uniform", "background_prior": (2.0, 9.0), "inference": "ml"},
            "must be left out with inference='ml'",
        ),
    ],
)
def test_priors_of_the_weight_that_cannot_be_meant_are_refused(given: Any, said: str) -> None:
    rows, _ = with_far_rows(3)
    with pytest.raises(InvalidArgumentError, match=said):
        GaussianMixtureModel(2, **given).fit(rows)
