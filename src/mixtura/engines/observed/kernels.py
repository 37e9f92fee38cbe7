"""Log densities of rows of which some cells were observed, from their standardised deviations."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import gammaln, logsumexp  # pyright: ignore[reportAttributeAccessIssue]

from mixtura.engines.observed.regressions import LOG_TWO_PI
from mixtura.messages.potentials import Potentials, ScaleMixtureTail, StudentTail
from mixtura.typing import Array, BooleanArray


def log_determinants(potentials: Potentials) -> Array:
    """Return the log determinant of each component's precision factor, shape (K,)."""
    n_components, n_features = potentials.mean.shape
    factor = potentials.precision_cholesky
    diagonal = np.einsum("kdd->kd", factor) if factor.ndim == 3 else factor
    logs = np.log(np.broadcast_to(diagonal, (len(diagonal), n_features))).sum(axis=1)
    return np.broadcast_to(logs, n_components)


@final
@dataclass(frozen=True, eq=False)
class Kernel:
    """What becomes of a component's density where some of the D cells are missing.

    Parameters
    ----------
    constant : array of shape (K,)
        What a component adds whatever was observed.
    by_number : array of shape (D + 1, K)
        What it adds where so many cells were observed.
    potentials : Potentials
        Gaussian components, or those with a tail.
    """

    constant: Array
    by_number: Array
    potentials: Potentials

    def log_density(self, whitened: Array, observed: BooleanArray) -> Array:
        """Return the log density of rows up to their determinants, shape (n, K).

        Parameters
        ----------
        whitened : array of shape (K, n, D)
            Standardised deviations, zero where a cell is missing.
        observed : boolean array of shape (n, D)
            Which cells were observed.
        """
        numbers, tail = observed.sum(axis=1), self.potentials.tail
        constants = self.constant + self.by_number[numbers]
        if tail is None:
            return constants - 0.5 * np.einsum("knd,knd->nk", whitened, whitened)
        each = [self._tailed(k, whitened[k], observed, numbers) for k in range(len(whitened))]
        return constants + np.stack(each, axis=1)

    def _tailed(self, k: int, whitened: Array, observed: BooleanArray, numbers: Array) -> Array:
        tail = self.potentials.tail
        squares = whitened * whitened
        if isinstance(tail, StudentTail):
            freedom = tail.degrees_of_freedom[k]
            if np.ndim(freedom) == 0:
                logs = np.log1p(squares.sum(axis=1) / freedom)
                return -0.5 * (freedom + numbers) * logs
            terms = _t_constant(freedom) - 0.5 * (freedom + 1.0) * np.log1p(squares / freedom)
            return np.where(observed, terms, 0.0).sum(axis=1)
        if not isinstance(tail, ScaleMixtureTail):
            raise TypeError(f"no marginal is known of {tail!r}")
        share, precision = tail.log_share[k], tail.precision[k]
        if len(share) == 1:
            # The shares hold the widths' determinants, those of missing cells too.
            fewer = np.where(observed, 0.0, 1.0) @ (0.5 * np.log(precision))
            return np.asarray(logsumexp(share[0] - fewer - 0.5 * (squares @ precision), axis=1))
        terms = np.asarray(logsumexp(share - 0.5 * squares[:, :, None] * precision, axis=2))
        return np.where(observed, terms - 0.5 * LOG_TWO_PI, 0.0).sum(axis=1)


def kernel_of(potentials: Potentials) -> Kernel:
    """Return what becomes of the components' densities where cells are missing."""
    tail, (n_components, n_features) = potentials.tail, potentials.mean.shape
    numbers = np.arange(n_features + 1)[:, None]
    rest = potentials.log_weight + potentials.offset - log_determinants(potentials)
    by_number = np.broadcast_to(-0.5 * LOG_TWO_PI * numbers, (n_features + 1, n_components))
    if isinstance(tail, StudentTail):
        freedom = tail.degrees_of_freedom
        if freedom.ndim == 2:
            freedom = np.broadcast_to(freedom, potentials.mean.shape)
            return Kernel(rest - _t_constant(freedom).sum(axis=1), 0.0 * by_number, potentials)
        by_number = gammaln(0.5 * (freedom + numbers)) - 0.5 * numbers * np.log(freedom * np.pi)
    constant = rest - by_number[-1]
    if isinstance(tail, ScaleMixtureTail) and tail.log_share.shape[1] > 1:
        by_number = 0.0 * by_number
    return Kernel(constant, by_number, potentials)


def _t_constant(freedom: Array) -> Array:
    """Return what univariate t densities have besides their kernels and widths."""
    gammas = gammaln(0.5 * (freedom + 1.0)) - gammaln(0.5 * freedom)
    return gammas - 0.5 * np.log(freedom * np.pi)
