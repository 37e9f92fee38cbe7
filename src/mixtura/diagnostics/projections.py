"""Directions in which the components of a mixture differ most."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy.linalg import eigh

from mixtura.families import FAMILIES
from mixtura.fit import Fit
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.posteriors import PointPosterior
from mixtura.priors import FlatComponents, FlatWeights
from mixtura.typing import Array

NOTHING = 1e-10
"""Eigenvalue, relative to the largest, of a direction in which components do not differ."""


@final
@dataclass(frozen=True, eq=False)
class Projection:
    """Coordinates of rows along directions that tell components apart [Scrucca2010]_.

    Parameters
    ----------
    centre : array of shape (D,)
        Mean of the mixture, in the data's units.
    directions : array of shape (D, M)
        One direction in each column, the most telling one first. The variance of the mixture along
        each is one, and the directions are uncorrelated.
    eigenvalues : array of shape (M,)
        How much the components differ along each, by their means and by their covariances.
    total : float
        Sum of the eigenvalues of all directions.
    """

    centre: Array
    directions: Array
    eigenvalues: Array
    total: float

    @property
    def n_directions(self) -> int:
        """Number of directions M."""
        return self.directions.shape[1]

    @property
    def shares(self) -> Array:
        """Share of each direction in the sum of all eigenvalues, shape (M,)."""
        return self.eigenvalues / (self.total if self.total > 0.0 else 1.0)

    def first(self, number: int) -> "Projection":
        """Return the projection to the first so many directions."""
        own = (self.directions[:, :number], self.eigenvalues[:number])
        return Projection(self.centre, *own, self.total)

    def of_rows(self, rows: Array) -> Array:
        """Return the coordinates (N, M) of rows (N, D)."""
        return (rows - self.centre) @ self.directions

    def of_parameters(self, weights: Array, means: Array, covariances: Array) -> MixtureParameters:
        """Return the mixture of the coordinates; covariances (K, D, D) become (K, M, M)."""
        inner = np.einsum("di,kde,ej->kij", self.directions, covariances, self.directions)
        return MixtureParameters(weights, self.of_rows(means), inner)


def projection(weights: Array, means: Array, covariances: Array) -> Projection:
    """Return the directions along which the components of a mixture differ.

    Eigenvectors of ``B S^-1 B + sum_k p_k (V_k - W) S^-1 (V_k - W)`` relative to S, where B is the
    covariance of the means, W the average of the covariances V_k, and S = B + W.

    Parameters
    ----------
    weights : array of shape (K,)
        Weights.
    means : array of shape (K, D)
        Means.
    covariances : array of shape (K, D, D)
        Covariances.
    """
    shares = weights / weights.sum()
    units = np.sqrt(np.einsum("k,kdd->d", shares, covariances))
    centre = shares @ means
    apart = (means - centre) / units
    matrices = covariances / units / units[:, None]
    between = (apart.T * shares) @ apart
    within = np.einsum("k,kde->de", shares, matrices)
    total = between + within
    other = matrices - within
    by_means = between @ np.linalg.solve(total, between)
    by_spreads = np.einsum("k,kde,ef,kfg->dg", shares, other, np.linalg.inv(total), other)
    kernel = by_means + by_spreads
    values, vectors = eigh(0.5 * (kernel + kernel.T), total)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    kept = max(int((values > NOTHING * values[0]).sum()), 1)
    directions = vectors[:, :kept] / units[:, None]
    largest = np.abs(vectors[:, :kept]).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(kept)])
    return Projection(
        centre, directions * np.where(signs < 0.0, -1.0, 1.0), values[:kept], float(values.sum())
    )


def projected_fit(fit: Fit, directions: Projection) -> Fit:
    """Return a fit as it is along directions, which are its features.

    Parameters
    ----------
    fit : Fit
        The fit.
    directions : Projection
        The directions.
    """
    model, own = fit.model, fit.parameters
    matrices = model.family.expand(own.covariances, model.n_components, model.n_features)
    prior, family = FlatComponents(float(np.finfo(float).tiny)), FAMILIES["full"]
    projected = MixtureModel(
        model.n_components, directions.n_directions, FlatWeights(), prior, family
    )
    if model.background is not None:
        projected = replace(projected, background=model.background)
    parameters = directions.of_parameters(own.weights, own.means, matrices)
    names = tuple(f"direction {i + 1} ({share:.0%})" for i, share in enumerate(directions.shares))
    posterior = PointPosterior(parameters, family)
    return replace(fit, model=projected, posterior=posterior, feature_names=names)
