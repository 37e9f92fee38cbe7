"""Unconstrained coordinates in which a mixture's log joint is nearly a sphere."""

from functools import cached_property
from typing import final

import numpy as np

from mixtura.messages.linalg import covariance_factor, precision_factor
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array, BooleanArray

AT_FLOOR = 1.0 + 1e-2
"""Multiple of the smallest variance below which one is at the floor: matrices that are flat in
some direction are known no better."""


@final
class NaturalCoordinates:
    """Coordinates around a reference estimate, at zero there.

    Weights by their logits, means in units of the reference's triangular factor, covariances by a
    triangular factor (log diagonal) relative to the reference's, or by log standard deviations;
    each times the square root of its complete-data information, so that a unit step is one
    standard error whatever the data's units. What is at the floor of maximum likelihood is held
    there. For the search only: the objective stays the density
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
        self.count = count
        structure = reference.covariances.shape
        self.is_matrix = len(structure) == 3
        n_components, n_features = reference.means.shape
        occupied = np.maximum(count, 0.0)
        of_means, of_spread = model.component_prior.pseudo_counts(n_features)
        self.unit_weights = 1.0 / np.sqrt(occupied + 1.0)
        self.unit_means = np.broadcast_to(
            1.0 / np.sqrt(occupied + of_means)[:, None], reference.means.shape
        )
        shared = occupied if structure[0] == n_components else occupied.sum(keepdims=True)
        self.is_held = self._held()
        if self.is_matrix:
            self.factor = self._factor()
            self.rows, self.columns = np.tril_indices(n_features)
            pattern = np.where(self.rows == self.columns, np.sqrt(0.5), 1.0)
            unit_spread = pattern / np.sqrt(shared + of_spread)[:, None]
            self.unit_spread = np.where(self.is_held[:, self.columns], 0.0, unit_spread)
        else:
            self.factor = np.sqrt(reference.covariances)
            width = n_features / structure[1]
            spread = 1.0 / np.sqrt(2.0 * (width * shared + of_spread))[:, None]
            self.unit_spread = np.where(self.is_held, 0.0, np.broadcast_to(spread, structure))

    def _held(self) -> BooleanArray:
        """Return which variances, or which of the rising eigenvalues, are at the floor."""
        covariances = self.reference.covariances
        multiples = self.model.component_prior.in_floor_units(covariances)
        if multiples is None:
            return np.zeros(covariances.shape[:2], dtype=bool)
        return np.asarray(multiples <= AT_FLOOR)

    def _factor(self) -> Array:
        """Return square roots of the reference's matrices.

        Triangular ones; of a matrix at the floor its principal axes, those at the floor first, so
        that they stay where they are when the first rows and columns of what follows are unity.
        """
        covariances = self.reference.covariances
        at_floor = np.any(self.is_held, axis=1)
        smallest = self.model.component_prior.smallest_variances(covariances.shape[-1])
        if smallest is None or not at_floor.any():
            return covariance_factor(covariances)
        unit = np.sqrt(smallest)
        values, vectors = np.linalg.eigh(covariances / unit[:, None] / unit)
        axes = unit[:, None] * vectors * np.sqrt(np.maximum(values, 1.0))[:, None, :]
        return np.where(at_floor[:, None, None], axes, covariance_factor(covariances))

    def allows(self, covariances: Array) -> bool:
        """Whether the prior allows covariances that were found in these coordinates."""
        multiples = self.model.component_prior.in_floor_units(covariances)
        return multiples is None or bool(np.all((multiples >= 1.0) | self.is_held))

    def _split(self, point: Array) -> tuple[Array, Array, Array]:
        n_components, n_features = self.reference.means.shape
        means_end = n_components * (1 + n_features)
        logits = point[:n_components] * self.unit_weights
        means = point[n_components:means_end].reshape(n_components, n_features)
        spread = point[means_end:].reshape(self.unit_spread.shape)
        return logits, means * self.unit_means, spread * self.unit_spread

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.reference.weights.size + self.reference.means.size + self.unit_spread.size

    @cached_property
    def units(self) -> Array:
        """What one of each coordinate is in logits, standard deviations or log scales."""
        return np.concatenate(
            [self.unit_weights, self.unit_means.ravel(), self.unit_spread.ravel()]
        )

    def held(self, move: Array, longest: float) -> Array:
        """Return a move held so short that no part of any component goes farther than ``longest``.

        In logits, standard deviations and log scales. Each component, and what all of them share,
        is held by itself: one that runs away does not hold back the others.
        """
        n_components = self.reference.weights.size
        means_end = n_components * (1 + self.reference.means.shape[1])
        distance = np.abs(move * self.units)
        farthest = np.maximum(
            distance[:n_components],
            distance[n_components:means_end].reshape(n_components, -1).max(axis=1),
        )
        spread = distance[means_end:].reshape(len(self.unit_spread), -1).max(axis=1)
        shares = self.unit_spread.shape[0] < n_components
        if not shares:
            farthest = spread = np.maximum(farthest, spread)
        if max(farthest.max(), spread.max()) <= longest:
            return move
        factor = longest / np.maximum(farthest, longest)
        of_spread = longest / np.maximum(spread, longest)
        width = means_end // n_components - 1
        n_entries = self.unit_spread[0].size
        return move * np.concatenate(
            [factor, np.repeat(factor, width), np.repeat(of_spread, n_entries)]
        )

    def parameters(self, point: Array) -> MixtureParameters:
        """Return the parameters at a point of shape (size,)."""
        logits, means, spread = self._split(point)
        weights = self.reference.weights * np.exp(logits - logits.max())
        if self.is_matrix:
            moved = self.reference.means + (self.factor @ means[:, :, None])[:, :, 0]
            root = self.factor @ self._triangle(spread)
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
            turned = np.swapaxes(self.factor, -1, -2)
            of_moved = (turned @ of_means[:, :, None])[:, :, 0]
            triangle = self._triangle(spread)
            of_triangle = turned @ (2.0 * of_covariances @ (self.factor @ triangle))
            on_diagonal = np.exp(spread[:, self.rows == self.columns])
            of_spread = of_triangle[:, self.rows, self.columns]
            of_spread[:, self.rows == self.columns] *= on_diagonal
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

    def _triangle(self, spread: Array) -> Array:
        """Return lower-triangular factors whose diagonals are the exponentials of ``spread``'s."""
        size = self.reference.means.shape[1]
        triangle = np.zeros((len(spread), size, size))
        triangle[:, self.rows, self.columns] = spread
        diagonal = np.einsum("kdd->kd", triangle)
        np.exp(diagonal, out=diagonal)
        return triangle


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
        of_means = (precisions @ centred.first[:, :, None])[:, :, 0]
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
