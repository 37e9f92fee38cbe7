"""Variational Bayes leaves components empty that it does better without."""

import warnings

import numpy as np
import pytest

from mixtura import GaussianMixtureModel
from mixtura.inference.move_proposals import Bounds, ranked_pairs, squared_distances

SIZES = ((200, 15, 3), (300, 2, 5), (150, 1, 3))


def two_groups(n_rows: int, n_features: int) -> np.ndarray:
    """Return rows of two normal groups, four standard deviations apart in every feature."""
    rng = np.random.default_rng([n_rows, n_features])
    rows = rng.normal(size=(n_rows, n_features))
    rows[::2] += 4.0
    return rows


@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize(("n_rows", "n_features", "K"), SIZES)
def test_the_bound_is_that_of_a_start_at_the_two_groups(
    n_rows: int, n_features: int, K: int, family: str
) -> None:
    rows = two_groups(n_rows, n_features)
    found = GaussianMixtureModel(K, covariance_type=family, inference="vb").fit(rows)
    # The independent answer: the ascent that begins at the true groups, other components empty.
    labels = np.eye(K)[np.arange(n_rows) % 2]
    prior = found.fit_.model.component_prior
    known = GaussianMixtureModel(
        K, covariance_type=family, inference="vb", component_prior=prior, init=labels
    ).fit(rows)
    assert (known.weights_ > 0.1).sum() == 2
    assert found.objective_ >= known.objective_ - 1e-5
    assert found.converged_
    history = np.array(found.objective_history_)
    assert history[-1] == pytest.approx(found.objective_, rel=1e-12)
    assert (np.diff(history) >= -1e-10 * np.abs(history[1:])).all()


def test_starts_that_users_give_keep_their_components() -> None:
    rows = two_groups(200, 15)
    labels = np.where(np.arange(200) % 2, 2, rows[:, 0] > 4.0).astype(int)
    models = [
        GaussianMixtureModel(3, covariance_type="tied", inference="vb", init=init).fit(rows)
        for init in (labels, "search")
    ]
    assert [(model.weights_ > 0.1).sum() for model in models] == [3, 2]


def test_trials_count_and_end_at_the_limit() -> None:
    rows = two_groups(200, 15)
    few = GaussianMixtureModel(3, covariance_type="tied", inference="vb", max_iter=4)
    with pytest.warns(UserWarning, match="not converged"):
        few.fit(rows)
    assert few.n_iter_ == 4
    whole = GaussianMixtureModel(3, covariance_type="tied", inference="vb").fit(rows)
    limited = GaussianMixtureModel(
        3, covariance_type="tied", inference="vb", max_iter=whole.n_iter_
    ).fit(rows)
    assert limited.objective_ == whole.objective_


def test_pairs_that_lose_too_much_are_left_out() -> None:
    rows = two_groups(300, 2)
    fit = GaussianMixtureModel(2, inference="map").fit(rows).fit_
    count = fit.parameters.weights * 300.0
    (pair,) = ranked_pairs(fit.model, count, fit.parameters, Bounds())
    # Two groups of equal covariances: n/2 log(1 + d^2 / 4) nats of fit, less n log 2 of labels.
    shift = fit.parameters.means[0] - fit.parameters.means[1]
    pooled = fit.parameters.covariances.mean(axis=0)
    distance = float(shift @ np.linalg.solve(pooled, shift))
    loss = 150.0 * np.log1p(0.25 * distance) - 300.0 * np.log(2.0) + pair[2]
    shared = pair[2] / (300.0 * np.log(2.0))

    def chosen(most_lost: float, least_shared: float) -> list[tuple[int, int, float, float]]:
        bounds = Bounds(most_lost, least_shared)
        return ranked_pairs(fit.model, count, fit.parameters, bounds)

    assert chosen(1.2 * loss, 0.9 * shared) == [pair]
    assert chosen(0.8 * loss, 0.9 * shared) == chosen(1.2 * loss, 1.1 * shared) == []
    few = Bounds(1.2 * loss, 1.1 * shared, 151.0)
    assert ranked_pairs(fit.model, count, fit.parameters, few) == [pair]


@pytest.mark.parametrize(
    ("seed", "n_rows", "n_features", "family"),
    [(102, 200, 15, "spherical"), (103, 80, 20, "tied"), (103, 80, 20, "full")],
)
def test_pieces_of_a_group_are_joined_in_wide_tables(
    seed: int, n_rows: int, n_features: int, family: str
) -> None:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n_rows)
    rows = rng.normal(size=(n_rows, n_features)) + 8.0 / np.sqrt(n_features) * group[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer rows than features
        model = GaussianMixtureModel(5, covariance_type=family, inference="vb").fit(rows)
    assert len(set(zip(group.tolist(), model.predict(rows).tolist(), strict=True))) == 2


def test_distances_are_in_widths_along_the_line_of_the_means() -> None:
    # The line is (1, 1) / sqrt(2): along it the variance is (4 + 4 + 2 * 3) / 2 = 7.
    within = np.array([[[4.0, 3.0], [3.0, 4.0]]])
    shift, noise = np.array([[7.0, 7.0]]), np.array([0.5])
    expected = (98.0 / 7.0) - 0.5 * (4.0 + 4.0) / 7.0
    found = squared_distances(shift, within, noise)
    assert found == pytest.approx(expected, rel=1e-14)
    scale = np.array([1e-3, 1e5])
    turned = squared_distances(shift * scale, within * np.outer(scale, scale), noise)
    assert turned == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n_rows", "n_features"), [(60, 50), (60, 10), (180, 50)])
def test_clear_groups_of_few_rows_stay_apart(n_rows: int, n_features: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n_rows, n_features))
    rows[:, 0] += 8.0 * (np.arange(n_rows) % 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer rows than features
        model = GaussianMixtureModel(3, inference="vb").fit(rows)
    assert (model.weights_ > 0.2).all()
