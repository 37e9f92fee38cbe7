"""What directions that tell components apart promise."""

import numpy as np
import pytest

from mixtura import GaussianMixtureModel
from mixtura.datasets import load_iris
from mixtura.diagnostics.projections import projection
from mixtura.errors import InvalidArgumentError
from mixtura.families import FAMILIES


def mixture(rng: np.random.Generator, n_components: int = 3, n_features: int = 4):
    roots = rng.normal(size=(n_components, n_features, n_features))
    matrices = roots @ roots.swapaxes(1, 2) + np.eye(n_features)
    means = 3.0 * rng.normal(size=(n_components, n_features))
    return rng.dirichlet(np.ones(n_components)), means, matrices


def test_directions_are_uncorrelated_and_of_unit_variance(rng) -> None:
    weights, means, matrices = mixture(rng)
    found = projection(weights, means, matrices)
    apart = means - weights @ means
    total = np.einsum("k,kde->de", weights, matrices) + (apart.T * weights) @ apart
    np.testing.assert_allclose(found.directions.T @ total @ found.directions, np.eye(4), atol=1e-10)
    assert (np.diff(found.eigenvalues) <= 0.0).all()
    assert found.shares.sum() == pytest.approx(1.0)
    moved = found.of_parameters(weights, means, matrices)
    np.testing.assert_allclose(weights @ moved.means, 0.0, atol=1e-10)


def test_coordinates_do_not_depend_on_units(rng) -> None:
    weights, means, matrices = mixture(rng)
    x = rng.normal(size=(20, 4))
    turn, shift = rng.normal(size=(4, 4)) * np.array([1e-3, 1.0, 1e2, 10.0]), rng.normal(size=4)
    own = projection(weights, means, matrices)
    other = projection(weights, means @ turn + shift, turn.T @ matrices @ turn)
    np.testing.assert_allclose(own.eigenvalues, other.eigenvalues, rtol=1e-8)
    np.testing.assert_allclose(
        np.abs(own.of_rows(x)), np.abs(other.of_rows(x @ turn + shift)), rtol=1e-6, atol=1e-8
    )


def test_two_components_of_one_covariance_have_fishers_direction(rng) -> None:
    _, means, matrices = mixture(rng, 2)
    matrices[1] = matrices[0]
    found = projection(np.array([0.4, 0.6]), means, matrices)
    assert found.n_directions == 1
    fisher = np.linalg.solve(matrices[0], means[1] - means[0])
    cosine = abs(found.directions[:, 0] @ fisher) / np.linalg.norm(fisher)
    assert cosine / np.linalg.norm(found.directions[:, 0]) == pytest.approx(1.0, abs=1e-10)


def test_a_feature_in_which_spreads_alone_differ_is_found() -> None:
    matrices = np.stack([np.diag([1.0, 1.0, 9.0]), np.diag([1.0, 1.0, 1.0])])
    found = projection(np.array([0.5, 0.5]), np.zeros((2, 3)), matrices)
    assert found.n_directions == 1
    np.testing.assert_allclose(found.directions[:2, 0], 0.0, atol=1e-12)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_fits_of_every_family_can_be_projected_and_drawn(name: str) -> None:
    x = load_iris().data
    gmm = GaussianMixtureModel(3, covariance_type=name).fit(x)
    found = gmm.projection()
    assert found.of_rows(x).shape == (150, found.n_directions)
    axes = gmm.plot_projection()
    label = np.ravel(axes)[-2].get_xlabel() if np.ndim(axes) else axes.get_xlabel()
    assert label.startswith("direction 1")


def test_one_feature_and_wrong_numbers() -> None:
    gmm = GaussianMixtureModel(2).fit(load_iris().column("petal_length"))
    assert gmm.projection().n_directions == 1
    assert gmm.plot_projection() is not None
    with pytest.raises(InvalidArgumentError, match="n_directions"):
        gmm.projection(2)
    with pytest.raises(InvalidArgumentError, match="n_directions"):
        gmm.plot_projection(n_directions=0)
