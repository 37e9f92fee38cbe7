"""Priors taken from the data: as wide as groups, wherever these lie, and what makes them safe."""

from itertools import permutations

import numpy as np
import pytest

from laws.independent import direct_statistics
from laws.running import FREE
from mixtura import GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.engines.native import NativeEngine
from mixtura.estimator import arguments
from mixtura.estimator.problem import in_units_of, overall_moments
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.inference import VB
from mixtura.inference.starts import Elicitation, Elicited
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    FlatComponents,
    NormalInverseGamma,
    NormalInverseWishart,
    PitmanYor,
)
from mixtura.priors.elicitation import (
    FLOOR,
    OverallMoments,
    WithinGroups,
    likelihood_floor,
)

ENGINE = NativeEngine()
ROWS = np.random.default_rng(51).standard_normal((50, 3)) @ np.array(
    [[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.1]]
) + [5.0, -2.0, 100.0]


def moments_of(rows: np.ndarray, weights: np.ndarray | None = None) -> OverallMoments:
    return overall_moments(ArrayRows(rows, weights), ENGINE, (1, rows.shape[1]))


def data_of(rows: np.ndarray, weights: np.ndarray | None = None) -> Elicitation:
    data, moments = ArrayRows(np.ascontiguousarray(rows), weights), moments_of(rows, weights)
    return Elicitation(in_units_of(data, moments), ENGINE, moments)


def found_in(
    rows: np.ndarray, family: CovarianceFamily, K: float, weights: np.ndarray | None = None
) -> Elicited:
    return data_of(rows, weights).groups(family, K)


def two_groups(apart: float, D: int = 2, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of two groups of one width and their labels."""
    rows = np.random.default_rng(53).standard_normal((2 * n, D))
    labels = np.repeat([0, 1], n)
    rows[labels == 1, 0] += apart
    return rows, labels


# ------------------------------------------------------------------------- the scale and the prior


def scatter_of(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(axis=0)
    return centred.T @ centred


def test_the_scale_is_the_harmonic_mean_of_groups_shrunk_to_the_scale_before() -> None:
    # The formula of docs/model.md, by plain sums over the rows of two given groups.
    labels = (ROWS[:, 0] > 5.0).astype(int)
    parts = [scatter_of(ROWS[labels == k]) for k in (0, 1)]
    counts = np.bincount(labels)
    shares = np.eye(2)[labels]
    statistics = direct_statistics(ROWS, shares, np.zeros((2, 3)), (2, 3, 3))
    within = WithinGroups(moments_of(ROWS), (2, 3, 3), 2.0)
    kept = 1.0 - 3.0 * 2.0 / 50.0 + (3.0 * 2.0 / 50.0) * np.eye(3)
    pooled = sum(parts) / 50.0 * kept
    np.testing.assert_allclose(within.pooled(statistics), pooled, rtol=1e-10)
    precisions = [
        n / 50.0 * np.linalg.inv((5.0 * pooled + part) / (4.0 + n))
        for n, part in zip(counts, parts, strict=True)
    ]
    expected = np.linalg.inv(sum(precisions)) * kept
    np.testing.assert_allclose(within.updated(pooled, statistics), expected, rtol=1e-9)

    diagonal = direct_statistics(ROWS, shares, np.zeros((2, 3)), (2, 3))
    within = WithinGroups(moments_of(ROWS), (2, 3), 2.0)
    pooled = np.diag(sum(parts)) / 50.0
    np.testing.assert_allclose(within.pooled(diagonal), pooled, rtol=1e-10)
    precisions = [
        n / 50.0 * (2.0 + n) / (3.0 * pooled + np.diag(part))
        for n, part in zip(counts, parts, strict=True)
    ]
    np.testing.assert_allclose(within.updated(pooled, diagonal), 1.0 / sum(precisions), rtol=1e-10)

    spherical = direct_statistics(ROWS, shares, np.zeros((2, 3)), (2, 1))
    within = WithinGroups(moments_of(ROWS), (2, 1), 2.0)
    pooled = np.trace(sum(parts)) / 150.0
    np.testing.assert_allclose(within.pooled(spherical), [pooled], rtol=1e-10)
    precisions = [
        n / 50.0 * (3.0 + 3 * (n - 1)) / (3.0 * pooled + np.trace(part))
        for n, part in zip(counts, parts, strict=True)
    ]
    np.testing.assert_allclose(
        within.updated(np.array([pooled]), spherical), [1.0 / sum(precisions)], rtol=1e-10
    )


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("K", [6, 8])
@pytest.mark.parametrize("n_features", [1, 2])
@pytest.mark.parametrize("name", FREE)
@pytest.mark.filterwarnings("ignore")
def test_no_more_rows_than_groups_hold_the_scale(
    name: str, n_features: int, K: int, repeated: bool
) -> None:
    # In closed form: the variances of all rows over K^(2/D), without correlations.
    rows = np.random.default_rng(0).normal(size=(6, n_features))
    fitted = np.repeat(rows, 3, axis=0) if repeated else rows
    model = GaussianMixtureModel(K, covariance_type=name).fit(fitted)
    prior, variances = model.fit_.model.component_prior, rows.var(axis=0) / K ** (2.0 / n_features)
    if isinstance(prior, NormalInverseWishart):
        expected = (2.0 * n_features + 1.0) * np.diag(variances)
    else:
        expected = 1.5 * (variances.mean() if "spherical" in name else variances)
    np.testing.assert_allclose(prior.scale, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("of_averages", [False, True])
@pytest.mark.parametrize("K", [1, 3])
def test_a_prior_is_worth_so_many_rows_of_the_scale(
    family: CovarianceFamily, K: int, of_averages: bool
) -> None:
    """2 D + 1 for modes and (D + 5) / 2 for posterior means of matrices, 3 for variances."""
    found = found_in(ROWS, family, K)
    prior = found.prior(of_averages=of_averages)
    structure = family.structure(K, 3)
    prior.check(structure, K, 3)
    if len(structure) == 3:
        assert isinstance(prior, NormalInverseWishart)
        assert prior.degrees_of_freedom == 5.0
        worth = 4.0 if of_averages else 7.0
        np.testing.assert_allclose(prior.scale / worth, found.scale, rtol=1e-12)
        # With the overall covariance in units of the scale, the widest direction is that wide.
        covariance = np.cov(ROWS.T, bias=True)
        widest = np.linalg.eigvals(np.linalg.solve(found.scale, covariance)).real.max()
        assert prior.shrinkage == pytest.approx(0.01 / max(1.0, widest), rel=1e-8)
    else:
        assert isinstance(prior, NormalInverseGamma)
        assert prior.shape == 1.5
        scale = found.scale if structure[1] > 1 else found.scale[0]
        np.testing.assert_allclose(np.asarray(prior.scale) / 1.5, scale, rtol=1e-12)
        share = np.minimum(scale / ROWS.var(axis=0), 1.0)
        np.testing.assert_allclose(prior.shrinkage, 0.01 * share, rtol=1e-10)
    np.testing.assert_allclose(prior.mean, ROWS.mean(axis=0), rtol=1e-14)


@pytest.mark.parametrize("D", [2, 50, 200])
def test_a_column_is_as_wide_beside_any_others(D: int) -> None:
    # One component of n rows: W is the variance, and the mode (n + 3) / (n + 6) of it.
    rows = np.random.default_rng(54).standard_normal((60, 200))[:, :D]
    gmm = GaussianMixtureModel(1, covariance_type="diag").fit(rows)
    np.testing.assert_allclose(gmm.covariances_[0], rows.var(axis=0) * 63.0 / 66.0, rtol=1e-12)


def test_groups_are_as_wide_wherever_they_lie(family: CovarianceFamily) -> None:
    near = found_in(two_groups(30.0)[0], family, 2).scale
    for apart in (100.0, 1e4, 1e6):
        there = found_in(two_groups(apart)[0], family, 2).scale
        np.testing.assert_allclose(there, near, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*a single row")
@pytest.mark.parametrize("far", [1e4, 1e6])
@pytest.mark.parametrize("inference", ["map", "vb"])
def test_a_far_row_widens_no_other_group(inference: str, far: float) -> None:
    rows, labels = two_groups(12.0)
    own = [rows[labels == k].std(axis=0) for k in (0, 1)]
    gmm = GaussianMixtureModel(3, inference=inference).fit(np.vstack([rows, [[far, far]]]))
    np.testing.assert_allclose(gmm.scales_[:2], own, rtol=0.05)


@pytest.mark.parametrize("inference", ["map", "vb"])
def test_groups_have_their_own_widths_at_any_distance(
    inference: str, family: CovarianceFamily
) -> None:
    for apart in (8.0, 100.0, 1e4):
        rows, labels = two_groups(apart, n=100)
        gmm = GaussianMixtureModel(2, covariance_type=family.name, inference=inference).fit(rows)
        # What a group's own rows say, pooled as the family pools.
        parts = np.stack([rows[labels == k].var(axis=0) for k in (0, 1)])
        if family.structure(2, 2)[-1] == 1:
            parts = np.broadcast_to(parts.mean(axis=1, keepdims=True), parts.shape)
        if family.structure(2, 2)[0] == 1:
            parts = np.broadcast_to(parts.mean(axis=0), parts.shape)
        np.testing.assert_allclose(gmm.scales_, np.sqrt(parts), rtol=0.05)


@pytest.mark.parametrize("inference", ["map", "vb"])
def test_unequal_concentrations_go_to_groups_by_size(inference: str) -> None:
    rng = np.random.default_rng(57)
    sizes = (120, 50, 20)
    labels = np.repeat([0, 1, 2], sizes)
    rows = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])[labels] + rng.standard_normal((190, 2))
    found = {}
    for order in permutations([100.0, 10.0, 1.0]):
        options = {"weight_prior": Dirichlet(list(order)), "inference": inference}
        found[order] = GaussianMixtureModel(3, **options).fit(rows).objective_
    values = np.array(list(found.values()))
    np.testing.assert_allclose(values, values[0], rtol=1e-8)
    # The true groups numbered by size, as the concentrations are: no order is better.
    given = GaussianMixtureModel(
        3, weight_prior=Dirichlet([100.0, 10.0, 1.0]), inference=inference, init=labels
    ).fit(rows)
    np.testing.assert_allclose(values[0], given.objective_, rtol=1e-8)


def test_rounding_keeps_the_scale_above_its_error() -> None:
    rows = np.repeat([[0.0, 1.0], [3.0, 2.0]], 30, axis=0)
    moments = moments_of(rows)
    labels = np.eye(2)[np.repeat([0, 1], 30)]
    statistics = direct_statistics(rows, labels, np.zeros((2, 2)), (2, 2))
    within = WithinGroups(moments, (2, 2), 2.0, np.array([1.0, 0.5]))
    scale = within.pooled(statistics)
    np.testing.assert_allclose(scale, [1.0 / 12.0, 0.25 / 12.0], rtol=1e-12)
    for _ in range(50):
        scale = within.updated(scale, statistics)
    np.testing.assert_allclose(scale, [1.0 / 12.0, 0.25 / 12.0], rtol=1e-12)
    # Without a resolution groups of no width get what all rows have, over S^(2/D).
    within = WithinGroups(moments, (2, 2), 2.0)
    np.testing.assert_allclose(within.pooled(statistics), moments.variances / 2.0, rtol=1e-12)


def test_single_rows_do_not_draw_the_scale_to_zero(family: CovarianceFamily) -> None:
    # More groups than rows: hardly any has a width of its own, and the scale stays about what it
    # is without any, the overall variance over S^(2/D).
    rows = ROWS[:6]
    overall = rows.var(axis=0) / 8.0 ** (2.0 / 3.0)
    scale = found_in(rows, family, 8).scale
    widths = np.diag(scale) if scale.ndim == 2 else scale
    expected = overall if widths.size > 1 else overall.mean(keepdims=True)
    assert (widths > 0.05 * expected).all()
    assert (widths < 5.0 * expected).all()


def test_tied_rows_do_not_draw_the_scale_to_zero() -> None:
    rng = np.random.default_rng(55)
    rows = np.concatenate([np.zeros((80, 2)), rng.standard_normal((80, 2)) + 20.0])
    for name in ("full", "diag", "spherical"):
        found = found_in(rows, FAMILIES[name], 2)
        widths = np.diag(found.scale) if found.scale.ndim == 2 else found.scale
        assert (widths > 1e-7).all()
        assert np.isfinite(
            found.prior(of_averages=False).log_density(np.zeros((2, 2)), covariances_of(name))
        )


def covariances_of(name: str) -> np.ndarray:
    structure = FAMILIES[name].structure(2, 2)
    return np.broadcast_to(np.eye(2) if len(structure) == 3 else 1.0, structure)


@pytest.mark.filterwarnings("ignore:.*fewer rows than a covariance matrix")
def test_few_rows_lean_on_the_diagonal() -> None:
    # 20 rows in each of 3 groups, 8 standard deviations apart, in 50 dimensions.
    rng = np.random.default_rng(56)
    centres = rng.standard_normal((3, 50))
    centres *= 8.0 / np.sqrt(2.0) / np.linalg.norm(centres, axis=1, keepdims=True)
    labels = np.repeat(np.arange(3), 20)
    rows = centres[labels] + rng.standard_normal((60, 50))
    scale = found_in(rows, FAMILIES["full"], 3).scale
    np.testing.assert_array_equal(scale, np.diag(np.diag(scale)))
    gmm = GaussianMixtureModel(3).fit(rows)
    truth = np.repeat(np.arange(3), 500)
    told = gmm.predict(centres[truth] + rng.standard_normal((1500, 50)))
    counts = np.zeros((3, 3))
    np.add.at(counts, (truth, told), 1)
    assert counts.max(axis=1).sum() >= 0.98 * 1500
    assert len(set(counts.argmax(axis=1))) == 3


@pytest.mark.parametrize("of_averages", [False, True])
def test_matrix_and_diagonal_defaults_of_one_feature_are_the_same_prior(of_averages: bool) -> None:
    rows = ROWS[:, :1]
    matrix = found_in(rows, FAMILIES["full"], 2).prior(of_averages=of_averages)
    vector = found_in(rows, FAMILIES["diag"], 2).prior(of_averages=of_averages)
    means, variances = np.array([[4.0], [6.0]]), np.array([[0.5], [2.0]])
    assert matrix.log_density(means, variances[:, :, None]) == pytest.approx(
        vector.log_density(means, variances), rel=1e-6
    )


def test_the_floor_of_maximum_likelihood_is_relative_to_the_columns() -> None:
    prior = likelihood_floor(moments_of(ROWS))
    assert isinstance(prior, FlatComponents)
    assert FLOOR == 1e-12
    np.testing.assert_allclose(prior.minimum_variance, 1e-12 * ROWS.var(axis=0), rtol=1e-12)


def test_weights_count_as_rows() -> None:
    times = np.random.default_rng(52).integers(0, 4, 50)
    weighted = moments_of(ROWS, times.astype(float))
    repeated = moments_of(np.repeat(ROWS, times, axis=0))
    np.testing.assert_allclose(weighted.mean, repeated.mean, rtol=1e-14)
    np.testing.assert_allclose(weighted.covariance, repeated.covariance, rtol=1e-10)
    for name in ("full", "diag"):
        one = found_in(ROWS, FAMILIES[name], 2, times.astype(float)).scale
        other = found_in(np.repeat(ROWS, times, axis=0), FAMILIES[name], 2).scale
        np.testing.assert_allclose(one, other, rtol=1e-8)


@pytest.mark.parametrize("value", [0.0, 7.0, -3e8, 1e-120, 1e120])
def test_constant_columns_have_a_width(value: float) -> None:
    rows = ROWS.copy()
    rows[:, 1] = value
    moments = moments_of(rows)
    np.testing.assert_array_equal(moments.constant, [False, True, False])
    for prior in (
        found_in(rows, FAMILIES["full"], 2).prior(of_averages=False),
        found_in(rows, FAMILIES["diag"], 2).prior(of_averages=False),
        likelihood_floor(moments),
    ):
        numbers = [np.asarray(v, dtype=float) for v in prior.hyperparameters().values()]
        assert all(np.isfinite(number).all() for number in numbers)
    expected = 1.0 if value == 0.0 else (1e-6 * value) ** 2
    floor = np.asarray(likelihood_floor(moments).minimum_variance)[1]
    assert floor == pytest.approx(1e-12 * expected, rel=1e-6)


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_flat_directions_are_lifted(n_rows: int) -> None:
    covariance = moments_of(ROWS[:n_rows]).covariance
    deviations = np.sqrt(np.diag(covariance))
    smallest = np.linalg.eigvalsh(covariance / np.outer(deviations, deviations))[0]
    assert smallest >= 0.9e-6
    np.linalg.cholesky(covariance)


def test_extreme_units_change_nothing_else() -> None:
    scale = np.array([1e-140, 1.0, 1e140])
    plain = found_in(ROWS, FAMILIES["diag"], 1).prior(of_averages=False)
    mapped = found_in(ROWS * scale, FAMILIES["diag"], 1).prior(of_averages=False)
    np.testing.assert_allclose(mapped.scale, plain.scale * scale**2, rtol=1e-12)
    np.testing.assert_allclose(mapped.mean, plain.mean * scale, rtol=1e-12)


def test_every_family_gets_a_prior_that_it_can_take(family: CovarianceFamily) -> None:
    assert family in FAMILIES.values()
    for D in (1, 2, 5):
        rows = np.random.default_rng(D).standard_normal((20, D))
        structure = family.structure(3, D)
        found_in(rows, family, 3).prior(of_averages=False).check(structure, 3, D)
        likelihood_floor(moments_of(rows)).check(structure, 3, D)


@pytest.mark.parametrize("weight_prior", [DirichletProcess(1.0), PitmanYor(1.0, 0.3)])
def test_a_limit_of_the_components_does_not_change_the_default_prior(weight_prior) -> None:
    found = [
        arguments.priors(weight_prior, None, VB(), data_of(ROWS), FAMILIES["diag"], limit)
        for limit in (10, 40)
    ]
    few, many = (one.components.hyperparameters() for one in found)
    for name, value in few.items():
        np.testing.assert_array_equal(value, many[name])
    # As many groups as clusters are expected among the rows.
    expected = max(1, round(weight_prior.expected_n_clusters(len(ROWS))))
    assert found[0].found is not None
    assert found[0].found.ends[0].count.size == expected
