"""Proposals for bridge sampling that are fitted to draws and know no numbers of components."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import gammaln

from mixtura.data.base import NONE_HELD
from mixtura.diagnostics.evidence import log_symmetrized
from mixtura.errors import InvalidArgumentError
from mixtura.messages.linalg import covariance_factor
from mixtura.typing import Array, IntegerArray

WIDENING = 1.2
"""Of deviations: a proposal a little wider than the posterior reaches its tails."""


@final
@dataclass(frozen=True, eq=False)
class SymmetricProposal:
    """Dirichlet weights and normal components, averaged over all numberings of those that are free.

    A component is its mean and, unless the covariance is shared, the logarithms of its variances,
    or the Cholesky factor of its covariance with logarithms on the diagonal. A density is one of
    weights, means and variances or covariance matrices.

    Parameters
    ----------
    concentration : array of shape (K,)
        Concentrations of the weights.
    centres, factors : array of shape (K, P), (K, P, P)
        Means, and lower-triangular factors of the covariances, of the components' coordinates.
    shared_centre, shared_factor : array of shape (Q,), (Q, Q)
        The same of a shared covariance; Q is 0 where there is none.
    structure : tuple of int
        Structure shape of the covariances.
    free : integer array
        Components whose numbers mean nothing.
    """

    concentration: Array
    centres: Array
    factors: Array
    shared_centre: Array
    shared_factor: Array
    structure: tuple[int, ...]
    free: IntegerArray

    @classmethod
    def fitted(
        cls, weights: Array, means: Array, covariances: Array, held: IntegerArray = NONE_HELD
    ) -> "SymmetricProposal":
        """Return the proposal of the moments of relabelled draws.

        Parameters
        ----------
        weights : array of shape (S, K)
            Weights.
        means : array of shape (S, K, D)
            Means.
        covariances : array of shape (S, ...)
            Covariances, each in the structure shape.
        held : integer array
            Components that keep their numbers.
        """
        structure = covariances.shape[1:]
        is_shared = _is_shared(structure, means.shape[1])
        own, common = _coordinates(means, covariances, is_shared=is_shared)
        if len(own) <= own.shape[2] + common.shape[1] + 1:
            raise InvalidArgumentError(
                f"a proposal needs more than {own.shape[2] + common.shape[1] + 1} draws; "
                f"got {len(own)}"
            )
        expected = weights.mean(axis=0)
        spread = WIDENING**2 * weights.var(axis=0).sum()
        total = (expected * (1.0 - expected)).sum() / spread - 1.0 if spread > 0.0 else 1.0
        fits = [_fitted_normal(own[:, k]) for k in range(own.shape[1])]
        return cls(
            np.maximum(total * expected, np.finfo(float).tiny),
            np.array([centre for centre, _ in fits]),
            np.array([factor for _, factor in fits]),
            *_fitted_normal(common),
            structure,
            np.setdiff1d(np.arange(own.shape[1]), held),
        )

    def log_density(self, weights: Array, means: Array, covariances: Array) -> Array:
        """Return the log density of S values of the parameters, shape (S,)."""
        is_shared = _is_shared(self.structure, means.shape[1])
        own, common = _coordinates(means, covariances, is_shared=is_shared)
        factors = np.stack(
            [
                _normal_log_density(own, centre, factor)
                for centre, factor in zip(self.centres, self.factors, strict=True)
            ],
            axis=-1,
        )
        log_weights = np.log(np.maximum(weights, np.finfo(float).tiny))
        factors = factors + (self.concentration - 1.0) * log_weights[:, :, None]
        held = np.setdiff1d(np.arange(len(self.concentration)), self.free)
        total = factors[:, held, held].sum(axis=1)
        if self.free.size:
            total = total + log_symmetrized(factors[:, self.free[:, None], self.free])
        total = total + gammaln(self.concentration.sum()) - gammaln(self.concentration).sum()
        total = total + _normal_log_density(common, self.shared_centre, self.shared_factor)
        return total - _log_volume(covariances)

    def draw(self, n_draws: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return weights (S, K), means (S, K, D) and covariances (S, ...), numbered at random."""
        weights = rng.dirichlet(self.concentration, n_draws)
        # Underflown weights are the smallest numbers, so that their logarithms are finite.
        weights = np.maximum(weights, np.finfo(float).tiny)
        noise = rng.standard_normal((n_draws, *self.centres.shape))
        own = self.centres + np.einsum("kpq,skq->skp", self.factors, noise)
        noise = rng.standard_normal((n_draws, self.shared_centre.size))
        common = self.shared_centre + noise @ self.shared_factor.T
        order = np.tile(np.arange(len(self.concentration)), (n_draws, 1))
        order[:, self.free] = rng.permuted(order[:, self.free], axis=1)
        own = np.take_along_axis(own, order[:, :, None], axis=1)
        weights = np.take_along_axis(weights, order, axis=1)
        return weights, *self._parameters(own, common)

    def _parameters(self, own: Array, common: Array) -> tuple[Array, Array]:
        is_shared = _is_shared(self.structure, own.shape[1])
        if len(self.structure) == 2:
            n_spread = 0 if is_shared else self.structure[1]
            n_features = own.shape[2] - n_spread
            logs = common if is_shared else own[:, :, n_features:]
            return own[:, :, :n_features], np.exp(logs).reshape(-1, *self.structure)
        n_features = self.structure[1]
        below = (common if is_shared else own[:, :, n_features:]).reshape(
            *(len(own), self.structure[0]), -1
        )
        lower = np.zeros((len(own), *self.structure))
        rows, columns = np.tril_indices(n_features)
        lower[..., rows, columns] = np.where(rows == columns, np.exp(below), below)
        return own[:, :, :n_features], lower @ np.swapaxes(lower, -1, -2)


def _is_shared(structure: tuple[int, ...], n_components: int) -> bool:
    return structure[0] == 1 and n_components > 1


def _coordinates(means: Array, covariances: Array, *, is_shared: bool) -> tuple[Array, Array]:
    """Return coordinates of components (S, K, P) and of what they share (S, Q)."""
    n_draws = len(means)
    if covariances.ndim == 3:
        logs = np.log(covariances)
    else:
        lower = covariance_factor(covariances)
        rows, columns = np.tril_indices(lower.shape[-1])
        below = lower[..., rows, columns]
        logs = np.where(rows == columns, np.log(np.where(rows == columns, below, 1.0)), below)
    if is_shared:
        return means, logs.reshape(n_draws, -1)
    return np.concatenate([means, logs], axis=2), np.empty((n_draws, 0))


def _log_volume(covariances: Array) -> Array:
    """Return the log derivative of (co)variances in their coordinates, summed, shape (S,)."""
    if covariances.ndim == 3:
        return np.log(covariances).sum(axis=(1, 2))
    n_features = covariances.shape[-1]
    diagonal = np.einsum("...dd->...d", covariance_factor(covariances))
    powers = np.arange(n_features + 1, 1, -1)
    by_matrix = n_features * np.log(2.0) + np.log(diagonal) @ powers
    return by_matrix.sum(axis=1)


def _fitted_normal(coordinates: Array) -> tuple[Array, Array]:
    """Return mean (P,) and widened lower factor (P, P) of coordinates (S, P)."""
    centre = coordinates.mean(axis=0)
    if coordinates.shape[1] == 0:
        return centre, np.zeros((0, 0))
    deviation = coordinates.std(axis=0)
    deviation = np.where(deviation > 0.0, deviation, 1.0)
    scores = (coordinates - centre) / deviation
    # A whisker of the identity, for coordinates that determine each other.
    correlation = scores.T @ scores / len(scores) + 1e-9 * np.eye(centre.size)
    return centre, WIDENING * np.linalg.cholesky(correlation) * deviation[:, None]


def _normal_log_density(coordinates: Array, centre: Array, factor: Array) -> Array:
    """Return the log density of coordinates (..., P), shape (...)."""
    scores = (coordinates - centre) @ np.linalg.inv(factor).T
    constant = 0.5 * centre.size * np.log(2.0 * np.pi) + np.log(np.diag(factor)).sum()
    return -constant - 0.5 * (scores * scores).sum(axis=-1)
