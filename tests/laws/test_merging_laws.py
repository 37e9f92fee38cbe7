"""What clusters of components promise: entropies, partitions, and modes of the density."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import entropy, multivariate_normal

from mixtura import GaussianMixtureModel, Gibbs
from mixtura.datasets import load_faithful, load_iris
from mixtura.diagnostics.density_modes import density_modes
from mixtura.diagnostics.entropy_merging import entropy_tree, two_lines
from mixtura.errors import InvalidArgumentError
from mixtura.priors import DirichletProcess


def shares_of(rng: np.random.Generator, n_rows: int, n_parts: int) -> np.ndarray:
    """Return responsibilities, some of them zero."""
    shares = rng.dirichlet(np.full(n_parts, 0.3), n_rows)
    shares[: n_rows // 4, 0] = 0.0
    return shares / shares.sum(axis=1, keepdims=True)


def joined(shares: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Return the shares of clusters of components."""
    return np.stack([shares[:, clusters == c].sum(axis=1) for c in np.unique(clusters)], axis=1)


def test_entropies_are_those_of_the_clusters_and_each_merge_is_the_best(rng) -> None:
    shares, weights = shares_of(rng, 60, 5), rng.uniform(0.2, 3.0, 60)
    tree = entropy_tree(shares, weights)
    for n_clusters in range(1, 6):
        now = joined(shares, tree.clusters(n_clusters))
        assert now.shape[1] == n_clusters
        by_scipy = weights @ entropy(now, axis=1)
        assert tree.entropies[n_clusters - 1] == pytest.approx(by_scipy, abs=1e-10)
        if n_clusters == 1:
            continue
        others = [
            weights
            @ entropy(
                joined(now, np.array([a if k == b else k for k in range(n_clusters)])), axis=1
            )
            for a, b in combinations(range(n_clusters), 2)
        ]
        assert tree.entropies[n_clusters - 2] == pytest.approx(min(others), abs=1e-10)


def test_weights_are_repeated_rows_and_order_of_rows_says_nothing(rng) -> None:
    shares, counts = shares_of(rng, 40, 4), rng.integers(0, 4, 40)
    weighted = entropy_tree(shares, counts.astype(float))
    repeated = entropy_tree(rng.permutation(np.repeat(shares, counts, axis=0)))
    np.testing.assert_array_equal(weighted.merges, repeated.merges)
    np.testing.assert_allclose(weighted.entropies, repeated.entropies, atol=1e-10)


def test_components_without_rows_are_joined_first_and_are_no_clusters(rng) -> None:
    shares = np.column_stack([shares_of(rng, 50, 3), np.full((50, 2), 1e-9)])
    tree = entropy_tree(shares)
    assert len(tree.entropies) == 3
    np.testing.assert_allclose(tree.entropies, entropy_tree(shares[:, :3]).entropies, atol=1e-4)


def test_a_part_that_stays_alone_counts_for_the_entropy_alone(rng) -> None:
    shares = shares_of(rng, 50, 4)
    tree = entropy_tree(shares, n_components=3)
    assert tree.merges.shape == (2, 2)
    apart = np.column_stack([shares[:, :3].sum(axis=1), shares[:, 3]])
    assert tree.entropies[0] == pytest.approx(entropy(apart, axis=1).sum(), abs=1e-10)


def test_two_lines_meet_where_two_exact_lines_do() -> None:
    values = np.array([1.0, 1.5, 2.0, 2.5, 9.0, 15.5])
    place, lines = two_lines(values)
    assert place == 4
    np.testing.assert_allclose(lines[0, :4], values[:4], atol=1e-12)
    np.testing.assert_allclose(lines[1, 3:], values[3:], atol=1e-12)


def test_components_far_apart_are_clusters() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(m, 1.0, 50) for m in (0.0, 50.0, 100.0, 150.0)])[:, None]
    assert GaussianMixtureModel(4).fit(x).merge_components().n_clusters == 4
    ring = np.exp(2j * np.pi * np.arange(12) / 12.0) * 12.0
    y = rng.normal(size=(12, 60, 2)) * 1.5 + np.stack([ring.real, ring.imag], axis=1)[:, None]
    evenly = GaussianMixtureModel(12, covariance_type="tied_spherical").fit(y.reshape(-1, 2))
    assert evenly.merge_components().n_clusters == 12  # neighbours overlap a little, all alike
    z = rng.normal(size=(600, 2)) + 12.0 * rng.integers(2, size=(600, 1))
    shares = np.kron(np.eye(2), np.full((50, 6), 1.0 / 6.0))  # six alike to each of two groups
    assert entropy_tree(shares).change_point == 2
    two = GaussianMixtureModel(2, covariance_type="tied_spherical").fit(z[z[:, 0] < 6.0])
    assert two.merge_components().n_clusters == 1
    assert GaussianMixtureModel(1).fit(x).merge_components().n_clusters == 1


@pytest.mark.parametrize("by", ["entropy", "modes"])
@pytest.mark.parametrize("inference", ["map", "vb", Gibbs(draws=100, warmup=100)])
def test_clusters_add_up_to_the_components(by: str, inference) -> None:
    x = load_faithful().data
    gmm = GaussianMixtureModel(3, inference=inference, covariance_type="tied", random_state=0)
    merged = gmm.fit(x).merge_components(by=by)
    assert merged.n_clusters == 2
    shares = merged.predict_proba(x[:50])
    expected = joined(gmm.predict_proba(x[:50]), merged.component_clusters)
    np.testing.assert_allclose(shares, expected, atol=1e-12)
    np.testing.assert_array_equal(merged.predict(x), merged.labels)
    np.testing.assert_array_equal(merged.labels, merged.predict_proba(x).argmax(axis=1))
    assert merged.weights.sum() == pytest.approx(1.0)
    assert "2 clusters of 3 components" in str(merged)
    if by == "entropy":
        cut = merged.cut(3)
        np.testing.assert_array_equal(cut.labels, gmm.predict(x))
        with pytest.raises(InvalidArgumentError, match="n_clusters"):
            merged.cut(4)
    else:
        with pytest.raises(InvalidArgumentError, match="merged by entropy"):
            merged.cut(2)


def test_a_refit_does_not_change_clusters_that_were_made() -> None:
    x = load_faithful().data
    gmm = GaussianMixtureModel(3).fit(x)
    merged = gmm.merge_components()
    before = merged.predict(x)
    gmm.fit(load_iris().data)
    np.testing.assert_array_equal(merged.predict(x), before)


def test_a_background_is_a_cluster_of_its_own() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([load_faithful().data, rng.uniform((0.0, 30.0), (7.0, 110.0), (20, 2))])
    x[3, 0] = x[5] = np.nan
    gmm = GaussianMixtureModel(3, background="uniform").fit(x)
    merged = gmm.merge_components(n_clusters=2)
    assert merged.predict_proba(x).shape == (292, 3)
    np.testing.assert_allclose(merged.predict_proba(x)[:, -1], gmm.predict_proba(x)[:, -1])
    assert -2 in merged.labels
    assert merged.labels.max() == 1


@pytest.mark.filterwarnings("ignore::mixtura.errors.MixturaWarning")  # of short chains
def test_components_that_draws_mix_are_refused_by_name() -> None:
    gmm = GaussianMixtureModel(
        4,
        weight_prior=DirichletProcess(1.0),
        inference=Gibbs(draws=50, warmup=50),
        random_state=0,
    )
    gmm.fit(load_faithful().data[:60])
    with pytest.raises(InvalidArgumentError, match=r"label switching.*consensus\(\)"):
        gmm.merge_components()


@pytest.mark.parametrize("arguments", [{"by": "mode"}, {"n_clusters": 0}, {"n_clusters": 4}])
def test_arguments_that_are_not_allowed_are_named(arguments: dict) -> None:
    gmm = GaussianMixtureModel(3).fit(load_faithful().data)
    with pytest.raises(InvalidArgumentError, match=next(iter(arguments))):
        gmm.merge_components(**arguments)
    with pytest.raises(InvalidArgumentError, match="n_clusters"):
        gmm.merge_components(by="modes", n_clusters=2)


@pytest.mark.parametrize(("distance", "n_modes"), [(1.9, 1), (1.99, 1), (2.01, 2), (3.0, 2)])
def test_two_equal_normals_have_two_modes_beyond_two_deviations(distance: float, n_modes: int):
    """The classical condition: equal weights and variances, distance above 2 sd."""
    matrix = np.array([[2.0, 0.7], [0.7, 1.0]])
    direction = np.linalg.cholesky(matrix)[:, 0]
    means = np.array([-0.5, 0.5])[:, None] * distance * direction
    found = density_modes(np.full(2, 0.5), means, np.stack([matrix] * 2))
    assert len(found.modes) == n_modes


def test_modes_are_maxima_of_the_density_wherever_it_is_measured(rng) -> None:
    weights = np.array([0.3, 0.2, 0.4, 0.1])
    means = np.array([[0.0, 0.0], [0.8, 0.5], [4.0, 1.0], [-3.0, 2.0]])
    roots = rng.normal(size=(4, 2, 2)) * 0.3 + np.eye(2)
    matrices = roots @ roots.swapaxes(1, 2)
    found = density_modes(weights, means, matrices)

    def log_density(x: np.ndarray) -> np.ndarray:
        parts = [
            w * multivariate_normal(m, v).pdf(x)
            for w, m, v in zip(weights, means, matrices, strict=True)
        ]
        return np.log(np.sum(parts, axis=0))

    np.testing.assert_allclose(found.log_densities, log_density(found.modes), atol=1e-10)
    around = found.modes[:, None] + 1e-3 * rng.normal(size=(len(found.modes), 50, 2))
    assert (log_density(around) < found.log_densities[:, None]).all()
    for start, mode in zip(means, found.of_start, strict=True):
        assert found.log_densities[mode] >= log_density(start)
    scale, shift = np.array([1e-3, 1e5]), np.array([7.0, -3e4])
    moved = density_modes(weights, means * scale + shift, matrices * scale * scale[:, None])
    np.testing.assert_allclose((moved.modes - shift) / scale, found.modes, atol=1e-6)
    np.testing.assert_array_equal(moved.of_start, found.of_start)


def test_the_centre_between_two_groups_is_no_mode() -> None:
    weights, means = np.array([0.45, 0.1, 0.45]), np.array([[-3.0], [0.0], [3.0]])
    found = density_modes(weights, means, np.array([[[1.0]], [[9.0]], [[1.0]]]))
    assert len(found.modes) == 2
    assert found.of_start[0] != found.of_start[2]
