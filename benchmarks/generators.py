"""Seeded data: the same numbers on every machine with the same NumPy.

Three kinds. ``random_mixture``: means normal with a spread that puts components the given number of
standard deviations apart in any number of features (closer in one feature, where ten components
overlap), covariances ``scale * A A^T`` with condition numbers around ten, unequal weights.
``two_overlapping``: one feature, components 1.5 standard deviations apart, weights 0.6 and 0.4.
``five_overlapping``: two features, a centre and four neighbours about 1.5 standard deviations from
it, each with a covariance of its own. EM needs thousands of iterations on the last two.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from benchmarks.cases import Case

SEED = 20_250_101


@final
@dataclass(frozen=True, eq=False)
class TrueMixture:
    """The mixture that data are drawn from.

    Parameters
    ----------
    weights : array of shape (K,)
    means : array of shape (K, D)
    covariances : array of shape (K, D, D)
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def draw(self, n_rows: int) -> np.ndarray:
        """Return rows (N, D), float64, in C order."""
        n_components, n_features = self.means.shape
        rng = np.random.default_rng([SEED, n_rows, n_features, n_components])
        labels = rng.choice(n_components, size=n_rows, p=self.weights)
        rows = rng.standard_normal((n_rows, n_features))
        factors = np.linalg.cholesky(self.covariances)
        for k in range(n_components):
            member = np.flatnonzero(labels == k)
            rows[member] = rows[member] @ factors[k].T + self.means[k]
        return rows


def random_mixture(case: Case, separation: float = 5.6) -> TrueMixture:
    """Return the mixture of a size; it does not depend on the number of rows."""
    n_features, n_components = case.n_features, case.n_components
    rng = np.random.default_rng([SEED, n_features, n_components])
    means = rng.standard_normal((n_components, n_features))
    means *= separation / np.sqrt(2.0 * n_features)
    noise = rng.standard_normal((n_components, n_features, n_features))
    factors = np.eye(n_features) + 0.5 * noise / np.sqrt(n_features)
    scales = np.exp(0.4 * rng.standard_normal(n_components))
    covariances = scales[:, None, None] * (factors @ factors.transpose(0, 2, 1))
    return TrueMixture(rng.dirichlet(np.full(n_components, 10.0)), means, covariances)


def two_overlapping() -> TrueMixture:
    """Return two components of one feature, 1.5 standard deviations apart."""
    return TrueMixture(np.array([0.6, 0.4]), np.array([[0.0], [1.5]]), np.ones((2, 1, 1)))


def five_overlapping() -> TrueMixture:
    """Return five components of two features that overlap their neighbours."""
    means = 1.5 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    correlations = np.array([0.0, 0.5, -0.5, 0.3, -0.3])
    covariances = np.tile(np.eye(2), (5, 1, 1))
    covariances[:, 0, 1] = covariances[:, 1, 0] = correlations
    scales = np.array([0.6, 1.0, 0.8, 1.2, 0.9])
    return TrueMixture(
        np.array([0.2, 0.25, 0.2, 0.15, 0.2]), means, scales[:, None, None] * covariances
    )
