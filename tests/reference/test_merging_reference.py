"""Merging by entropy against mclust's run on the example of its authors."""

from pathlib import Path

import numpy as np
from scipy.cluster.hierarchy import fcluster, ward

from mixtura import GaussianMixtureModel

DATA = Path(__file__).parent / "data"
LOG_LIKELIHOOD = -1957.780584
"""Where mclust's EM stopped, .004 below the maximum."""

ENTROPIES = (0.0, 0.0, 0.8689, 4.6682, 46.2913, 129.9332)


def until(x: np.ndarray, shares: np.ndarray, enough: float):
    """Return weights, means and matrices after steps of EM of one shape and volume (EEV)."""
    for _ in range(2000):
        count = shares.sum(axis=0)
        means = (shares.T @ x) / count[:, None]
        apart = x[:, None] - means
        scatter = np.einsum("nk,nkd,nke->kde", shares, apart, apart)
        values, vectors = np.linalg.eigh(scatter)
        matrices = (vectors * values.sum(axis=0) / len(x)) @ vectors.swapaxes(1, 2)
        squares = np.einsum("nkd,kde,nke->nk", apart, np.linalg.inv(matrices), apart)
        volumes = np.linalg.slogdet(2.0 * np.pi * matrices)[1]
        scores = np.log(count / len(x)) - 0.5 * (volumes + squares)
        total = np.logaddexp.reduce(scores, axis=1)
        if total.sum() >= enough:
            return count / len(x), means, matrices
        shares = np.exp(scores - total[:, None])
    raise AssertionError("EM stays below the likelihood that was published")


def test_entropies_and_clusters_of_example_four_one() -> None:
    """merging_baudry_ex4_1: entropies to .05 at mclust's own likelihood, and four clusters."""
    x = np.loadtxt(DATA / "baudry_ex4_1.csv", delimiter=",", skiprows=1)
    begin = np.eye(6)[fcluster(ward(x), 6, "maxclust") - 1]
    gmm = GaussianMixtureModel.from_parameters(*until(x, begin, LOG_LIKELIHOOD))
    merged = gmm.merge_components(x)
    np.testing.assert_allclose(merged.entropies, ENTROPIES, rtol=0.0, atol=0.05)
    assert merged.change_point == merged.n_clusters == 4
    by_modes = gmm.merge_components(x, by="modes")
    assert set(by_modes.components) == set(merged.components)
