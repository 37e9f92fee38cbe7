"""Priors taken from the data: Fraley and Raftery (2007), and what makes them safe."""

import numpy as np
import pytest

from mixtura import arguments
from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.inference import VB
from mixtura.priors import (
    DirichletProcess,
    FlatComponents,
    NormalInverseGamma,
    NormalInverseWishart,
    PitmanYor,
)
from mixtura.priors.elicitation import (
    FLOOR,
    OverallMoments,
    default_component_prior,
    likelihood_floor,
)
from mixtura.problem import overall_moments

ENGINE = ReferenceEngine()
ROWS = np.random.default_rng(51).standard_normal((50, 3)) @ np.array(
    [[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.1]]
) + [5.0, -2.0, 100.0]


def moments_of(rows: np.ndarray, weights: np.ndarray | None = None) -> OverallMoments:
    return overall_moments(ArrayRows(rows, weights), ENGINE, (1, rows.shape[1]))


@pytest.mark.parametrize("K", [1, 4])
def test_default_prior_is_fraley_and_rafterys(family: CovarianceFamily, K: int) -> None:
    # Fraley and Raftery (2007, section 3): mean the column means, shrinkage 0.01, degrees of
    # freedom D + 2, scale the covariance over K^(2/D), its diagonal, or the diagonal's mean. Their
    # spherical and diagonal priors are inverse gamma of half the degrees of freedom and scale.
    covariance = np.cov(ROWS.T, bias=True) / K ** (2 / 3)
    structure = family.structure(K, 3)
    prior = default_component_prior(moments_of(ROWS), structure, K)
    prior.check(structure, K, 3)
    if len(structure) == 3:
        assert isinstance(prior, NormalInverseWishart)
        assert prior.degrees_of_freedom == 5.0
        np.testing.assert_allclose(prior.scale, covariance, rtol=1e-12)
    else:
        assert isinstance(prior, NormalInverseGamma)
        assert prior.shape == 2.5
        scale = np.diag(covariance)
        scale = scale.mean() if structure[1] == 1 else scale
        np.testing.assert_allclose(prior.scale, 0.5 * scale, rtol=1e-12)
    np.testing.assert_allclose(prior.mean, ROWS.mean(axis=0), rtol=1e-14)
    assert prior.shrinkage == 0.01


def test_matrix_and_diagonal_defaults_of_one_feature_are_the_same_prior() -> None:
    rows = ROWS[:, :1]
    matrix = default_component_prior(moments_of(rows), (2, 1, 1), 2)
    vector = default_component_prior(moments_of(rows), (2, 1), 2)
    means, variances = np.array([[4.0], [6.0]]), np.array([[0.5], [2.0]])
    assert matrix.log_density(means, variances[:, :, None]) == pytest.approx(
        vector.log_density(means, variances), rel=1e-12
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
    np.testing.assert_allclose(weighted.covariance(), repeated.covariance(), rtol=1e-10)


@pytest.mark.parametrize("value", [0.0, 7.0, -3e8, 1e-120, 1e120])
def test_constant_columns_have_a_width(value: float) -> None:
    rows = ROWS.copy()
    rows[:, 1] = value
    moments = moments_of(rows)
    np.testing.assert_array_equal(moments.constant, [False, True, False])
    for prior in (
        default_component_prior(moments, (2, 3, 3), 2),
        default_component_prior(moments, (2, 3), 2),
        likelihood_floor(moments),
    ):
        numbers = [np.asarray(v, dtype=float) for v in prior.hyperparameters().values()]
        assert all(np.isfinite(number).all() for number in numbers)
    expected = 1.0 if value == 0.0 else (1e-6 * value) ** 2
    floor = np.asarray(likelihood_floor(moments).minimum_variance)[1]
    assert floor == pytest.approx(1e-12 * expected, rel=1e-6)


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_flat_directions_are_lifted(n_rows: int) -> None:
    covariance = moments_of(ROWS[:n_rows]).covariance()
    deviations = np.sqrt(np.diag(covariance))
    smallest = np.linalg.eigvalsh(covariance / np.outer(deviations, deviations))[0]
    assert smallest >= 0.9e-6
    np.linalg.cholesky(covariance)


def test_extreme_units_change_nothing_else() -> None:
    scale = np.array([1e-140, 1.0, 1e140])
    plain = default_component_prior(moments_of(ROWS), (2, 3), 2)
    mapped = default_component_prior(moments_of(ROWS * scale), (2, 3), 2)
    np.testing.assert_allclose(mapped.scale, plain.scale * scale**2, rtol=1e-12)
    np.testing.assert_allclose(mapped.mean, plain.mean * scale, rtol=1e-12)


def test_every_family_gets_a_prior_that_it_can_take(family: CovarianceFamily) -> None:
    assert family in FAMILIES.values()
    for D in (1, 2, 5):
        rows = np.random.default_rng(D).standard_normal((20, D))
        structure = family.structure(3, D)
        default_component_prior(moments_of(rows), structure, 3).check(structure, 3, D)
        likelihood_floor(moments_of(rows)).check(structure, 3, D)


@pytest.mark.parametrize("weight_prior", [DirichletProcess(1.0), PitmanYor(1.0, 0.3)])
def test_a_limit_of_the_components_does_not_change_the_default_prior(weight_prior) -> None:
    weighted = np.repeat(ROWS, 2, axis=0)
    found = [
        arguments.priors(weight_prior, None, VB(), moments_of(rows), (limit, 3), limit)[1]
        for rows, limit in ((weighted, 10), (weighted, 40), (ROWS, 10))
    ]
    few, many, of_fewer_rows = (prior.hyperparameters()["scale"] for prior in found)
    np.testing.assert_array_equal(few, many)
    # The scale is the covariance over S^(2/D), S the clusters expected among the rows.
    more, fewer = (weight_prior.expected_n_clusters(len(rows)) for rows in (weighted, ROWS))
    np.testing.assert_allclose(of_fewer_rows / few, (more / fewer) ** (2.0 / 3.0), rtol=1e-12)
