"""The parameters of a Gaussian mixture, as the user reads them."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.typing import Array, IntegerArray


@final
@dataclass(frozen=True, eq=False)
class MixtureParameters:
    """One value of everything that a mixture is made of.

    Parameters
    ----------
    weights : array of shape (K,)
        Mixture weights, non-negative, summing to one.
    means : array of shape (K, D)
        Component means, in the data's units.
    covariances : array of the family's structure shape
        Covariances (matrix families) or variances (the others), in squared units.
    """

    weights: Array
    means: Array
    covariances: Array

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.means.shape[0]

    @property
    def n_features(self) -> int:
        """Number of features D."""
        return self.means.shape[1]

    def permuted(self, order: IntegerArray) -> "MixtureParameters":
        """Return the same mixture with its components relabelled."""
        shared = self.covariances.shape[0] == 1
        return MixtureParameters(
            self.weights[order],
            self.means[order],
            self.covariances if shared else self.covariances[order],
        )

    def rescaled(self, scale: Array) -> "MixtureParameters":
        """Return the mixture of ``x * scale`` where this one is the mixture of ``x``."""
        if self.covariances.ndim == 3:
            covariances = self.covariances * scale[:, None] * scale
        else:
            width = self.covariances.shape[1]
            covariances = self.covariances * scale[:width] * scale[:width]
        return MixtureParameters(self.weights, self.means * scale, covariances)

    def is_finite(self) -> bool:
        """Whether every number is finite."""
        return all(
            bool(np.isfinite(part).all()) for part in (self.weights, self.means, self.covariances)
        )
