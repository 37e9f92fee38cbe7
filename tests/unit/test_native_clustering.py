"""Clusters of few rows in native code, against NumPy's."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from mixtura.engines import ENGINES
from mixtura.engines.base import Engine
from mixtura.inference.starts.hierarchy import ward_labels
from mixtura.inference.starts.split import PIECES, merged_means, split_clusters


def sample_of(n_rows: int, n_features: int, *, weighted: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return rows in four groups, and weights."""
    rng = np.random.default_rng([n_rows, n_features])
    centres = 6.0 * rng.normal(size=(4, n_features))
    values = centres[rng.integers(4, size=n_rows)] + rng.normal(size=(n_rows, n_features))
    return values, rng.uniform(0.5, 3.0, n_rows) if weighted else np.ones(n_rows)


class Elsewhere(Engine):
    """An engine that clusters nothing."""

    sweep = responsibilities = log_density = labels = sample_labels = None  # type: ignore[assignment]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n_rows", "n_features"), [(2, 1), (7, 2), (60, 3), (301, 5)])
def test_hierarchies_are_alike(n_rows: int, n_features: int, weighted: bool) -> None:
    values, mass = sample_of(n_rows, n_features, weighted=weighted)
    for n_clusters in (1, 2, 4):
        if n_clusters <= n_rows:
            ours = ward_labels(values, mass, n_clusters, ENGINES["native"]())
            np.testing.assert_array_equal(ours, ward_labels(values, mass, n_clusters, Elsewhere()))


def test_a_hierarchy_is_scipys() -> None:
    values, mass = sample_of(120, 2, weighted=False)
    ours = ward_labels(values, mass, 4, ENGINES["native"]())
    theirs = fcluster(linkage(values, "ward"), 4, "maxclust")
    assert len(set(zip(ours.tolist(), theirs.tolist(), strict=True))) == 4


@pytest.mark.parametrize("white", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n_rows", "n_features"), [(1, 1), (5, 1), (64, 2), (300, 4), (90, 20)])
def test_splits_are_alike(n_rows: int, n_features: int, weighted: bool, white: bool) -> None:
    values, weights = sample_of(n_rows, n_features, weighted=weighted)
    if white and n_rows > n_features:
        centred = values - weights @ values / weights.sum()
        left = np.linalg.cholesky(centred.T @ (weights[:, None] * centred) / weights.sum())
        values = np.ascontiguousarray(np.linalg.solve(left, centred.T).T)
    for n_clusters in (1, 3):
        most = PIECES * n_clusters
        pieces = split_clusters(values, weights, most)
        found = ENGINES["native"]().split_means(values, weights, most)
        assert found is not None
        means, masses = found
        np.testing.assert_allclose(masses, [one.mass for one in pieces], rtol=1e-12)
        np.testing.assert_allclose(means, [one.mean for one in pieces], rtol=1e-9, atol=1e-9)
        merged = merged_means(means.copy(), masses.copy(), n_clusters)
        assert merged.shape == (min(n_clusters, n_rows), n_features)


def test_rows_without_weight_and_equal_rows_are_no_clusters() -> None:
    engine = ENGINES["native"]()
    values = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [5.0, 5.0]])
    means, masses = engine.split_means(values, np.array([1.0, 1.0, 1.0, 0.0]), 9)  # type: ignore[misc]
    np.testing.assert_allclose(masses, [2.0, 1.0])
    np.testing.assert_allclose(means, [[0.0, 0.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match="with weights of shape"):
        engine.split_means(values, np.ones(3), 2)


def test_bits_do_not_depend_on_the_instruction_set() -> None:
    library = pytest.importorskip("mixtura.engines.native.library")
    values, mass = sample_of(101, 3, weighted=True)
    engine, found = ENGINES["native"](), []
    if library.use_instruction_set(-1) == library.BASELINE:
        pytest.skip("needs multiply-adds")
    try:
        for number in (library.AVX512, library.AVX2):
            library.use_instruction_set(number)
            found.append((engine.ward_merges(values, mass), engine.split_means(values, mass, 9)))
    finally:
        library.use_instruction_set(-1)
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1][0], found[1][1][0])  # type: ignore[index]
