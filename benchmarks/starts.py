"""The parameters that every package starts from."""

from dataclasses import dataclass
from typing import final

import numpy as np

from benchmarks.generators import SEED, TrueMixture


@final
@dataclass(frozen=True, eq=False)
class StartParameters:
    """Mixture parameters with whole covariance matrices; each structure takes what it can hold.

    Parameters
    ----------
    weights : array of shape (K,)
    means : array of shape (K, D)
    covariances : array of shape (K, D, D)
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def structured(self, structure: str) -> np.ndarray:
        """Return the covariances in the shape that scikit-learn gives a structure."""
        variances = np.einsum("kdd->kd", self.covariances)
        shapes = {
            "full": lambda: self.covariances,
            "tied": lambda: np.tensordot(self.weights, self.covariances, axes=1),
            "diag": lambda: variances,
            "spherical": lambda: variances.mean(axis=1),
        }
        return shapes[structure]().copy()


def near_truth(mixture: TrueMixture) -> StartParameters:
    """Return the true parameters with every mean moved by a tenth of its standard deviation."""
    deviations = np.sqrt(np.einsum("kdd->kd", mixture.covariances))
    signs = np.where(np.arange(deviations.size).reshape(deviations.shape) % 2, -1.0, 1.0)
    return StartParameters(
        mixture.weights, mixture.means + 0.1 * signs * deviations, mixture.covariances
    )


def moved_means(mixture: TrueMixture) -> np.ndarray:
    """Return the true means (K, D), each moved by half a standard deviation in all."""
    deviations = np.sqrt(np.einsum("kdd->kd", mixture.covariances))
    directions = np.random.default_rng([SEED, *deviations.shape]).standard_normal(deviations.shape)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return mixture.means + 0.5 * directions * deviations
