"""Unconstrained coordinates in which a mixture's log joint is nearly a sphere."""

from functools import cached_property
from typing import final

import numpy as np

from mixtura.factorization import covariance_factor, precision_factor
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array


@final
class NaturalCoordinates:
    """Coordinates around a reference estimate, at zero there.

    Weights by their logits, means in units of the reference's triangular factor, covariances by a
    triangular factor (log diagonal) relative to the reference's, or by log standard deviations;
    each times the square root of its complete-data information, so that a unit step is one
    standard error whatever the data's units. For the search only: the objective stays the density
    in the parameters as the user reads them.

    Parameters
    ----------
    model : MixtureModel
        The model.
    reference : MixtureParameters
        Where the coordinates are zero.
    count : array of shape (K,)
        Total responsibilities at the reference.
    """

    def __init__(self, model: MixtureModel, reference: MixtureParameters, count: Array) -> None:
        self.model = model
        self.reference = reference
        structure = reference.covariances.shape
        self.is_matrix = len(structure) == 3
        sizes = reference.means.shape
        information = np.maximum(count, 0.0) + 1.0
        self.unit_weights = 1.0 / np.sqrt(information)
        self.unit_means = np.broadcast_to(self.unit_weights[:, None], sizes)
        shared = information if structure[0] == sizes[0] else information.sum(keepdims=True)
        if self.is_matrix:
            self.factor = covariance_factor(reference.covariances)
            diagonal = np.sqrt(0.5) * np.eye(sizes[1])
            pattern = diagonal + np.tril(np.ones((sizes[1], sizes[1])), -1)
            self.unit_spread = pattern / np.sqrt(shared)[:, None, None]
        else:
            self.factor = np.sqrt(reference.covariances)
            width = sizes[1] / structure[1]
            spread = 1.0 / np.sqrt(2.0 * width * shared)[:, None]
            self.unit_spread = np.broadcast_to(spread, structure)

    def _split(self, point: Array) -> tuple[Array, Array, Array]:
        n_components, n_features = self.reference.means.shape
        means_end = n_components * (1 + n_features)
        logits = point[:n_components] * self.unit_weights
        means = point[n_components:means_end].reshape(n_components, n_features)
        spread = point[means_end:].reshape(self.unit_spread.shape)
        return logits, means * self.unit_means, spread * self.unit_spread

    @property
    def size(self) -> int:
        """Number of coordinates (matrices hold zeros above their diagonals)."""
        return self.reference.weights.size + self.reference.means.size + self.unit_spread.size

    @cached_property
    def units(self) -> Array:
        """What one of each coordinate is in logits, standard deviations or log scales."""
        return np.concatenate(
            [self.unit_weights, self.unit_means.ravel(), self.unit_spread.ravel()]
        )

    def parameters(self, point: Array) -> MixtureParameters:
        """Return the parameters at a point of shape (size,)."""
        logits, means, spread = self._split(point)
        weights = self.reference.weights * np.exp(logits - logits.max())
        if self.is_matrix:
            factors = np.broadcast_to(self.factor, (*means.shape, means.shape[1]))
            moved = self.reference.means + np.einsum("kde,ke->kd", factors, means)
            root = self.factor @ _triangle(spread)
            covariances = root @ np.swapaxes(root, -1, -2)
        else:
            moved = self.reference.means + self.factor * means
            covariances = self.reference.covariances * np.exp(2.0 * spread)
        return MixtureParameters(weights / weights.sum(), moved, covariances)

    @np.errstate(over="ignore", invalid="ignore")  # an EM step follows where it is not finite
    def gradient(
        self, point: Array, parameters: MixtureParameters, statistics: SufficientStatistics
    ) -> Array:
        """Return the gradient of the log joint at a point, shape (size,).

        By Fisher's identity the gradient of the log likelihood is that of the expected
        complete-data log likelihood under the point's own responsibilities, a function of the
        sufficient statistics that a sweep returns.
        """
        of_means, of_covariances = log_joint_gradient(self.model, parameters, statistics)
        _, _, spread = self._split(point)
        excess = statistics.count + self.model.weight_prior.log_weight_gradient(parameters.weights)
        of_logits = excess - parameters.weights * excess.sum()
        if self.is_matrix:
            factors = np.broadcast_to(self.factor, (*of_means.shape, of_means.shape[1]))
            of_moved = np.einsum("kde,kd->ke", factors, of_means)
            triangle = _triangle(spread)
            of_triangle = np.swapaxes(self.factor, -1, -2) @ (
                2.0 * of_covariances @ (self.factor @ triangle)
            )
            diagonal = np.einsum("kdd->kd", triangle)
            of_spread = np.tril(of_triangle)
            np.einsum("kdd->kd", of_spread)[...] *= diagonal
        else:
            of_moved = of_means * self.factor
            of_spread = 2.0 * parameters.covariances * of_covariances
        return np.concatenate(
            [
                of_logits * self.unit_weights,
                (of_moved * self.unit_means).ravel(),
                (of_spread * self.unit_spread).ravel(),
            ]
        )


def log_joint_gradient(
    model: MixtureModel, parameters: MixtureParameters, statistics: SufficientStatistics
) -> tuple[Array, Array]:
    """Return the gradient of the log joint in means (K, D) and covariances (structure shape)."""
    means, covariances = parameters.means, parameters.covariances
    centred = statistics.about(means)
    scatter = statistics.scatter(means)
    prior_means, prior_covariances = model.component_prior.gradient(means, covariances)
    structure = covariances.shape
    count = statistics.count if structure[0] == len(means) else statistics.count.sum(keepdims=True)
    if len(structure) == 3:
        factor = precision_factor(covariances)
        precisions = factor @ np.swapaxes(factor, -1, -2)
        stacked = np.broadcast_to(precisions, (*means.shape, means.shape[1]))
        of_means = np.einsum("kde,ke->kd", stacked, centred.first)
        of_covariances = 0.5 * (
            precisions @ scatter @ precisions - count[:, None, None] * precisions
        )
    else:
        of_means = centred.first / covariances
        entries = count[:, None] * (means.shape[1] / structure[1])
        of_covariances = 0.5 * (scatter / covariances - entries) / covariances
    if model.component_prior.fixes_covariances:
        of_covariances = np.zeros_like(covariances)
    return of_means + prior_means, of_covariances + prior_covariances


def _triangle(spread: Array) -> Array:
    """Return lower-triangular factors whose diagonals are the exponentials of ``spread``'s."""
    triangle = np.tril(spread, -1)
    np.einsum("kdd->kd", triangle)[...] = np.exp(np.einsum("kdd->kd", spread))
    return triangle
