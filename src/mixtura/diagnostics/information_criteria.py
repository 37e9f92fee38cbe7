"""Criteria that compare fits of different sizes on the same rows."""

import numpy as np

from mixtura.typing import Array


def bic(log_likelihood: float, n_parameters: int, n_rows: float) -> float:
    """Return the Bayesian information criterion [Schwarz1978]_; smaller is better.

    ``-2 log_likelihood + n_parameters log(N)``, as scikit-learn signs it; without rows the first
    term alone.
    """
    penalty = n_parameters * float(np.log(n_rows)) if n_rows > 0.0 else 0.0
    return -2.0 * log_likelihood + penalty


def aic(log_likelihood: float, n_parameters: int) -> float:
    """Return Akaike's information criterion [Akaike1974]_; smaller is better."""
    return -2.0 * log_likelihood + 2.0 * n_parameters


def icl(log_likelihood: float, n_parameters: int, n_rows: float, entropy: float) -> float:
    """Return the integrated completed likelihood [McLachlanPeel2000]_; smaller is better.

    BIC plus twice the entropy of the responsibilities; [Biernacki2000]_, who proposed it, assign
    each row whole instead.
    """
    return bic(log_likelihood, n_parameters, n_rows) + 2.0 * entropy


def assignment_losses(responsibilities: Array, weights: Array | None = None) -> Array:
    """Return ``assignment_entropy`` and ``assignment_loss``, shape (2,), in nats."""
    return np.array(
        [
            assignment_entropy(responsibilities, weights),
            assignment_loss(responsibilities, weights),
        ]
    )


def assignment_loss(responsibilities: Array, weights: Array | None = None) -> float:
    """Return how unlikely the most probable assignment is: minus its log probability, in nats.

    The parameters are those of :func:`assignment_entropy`, which is never smaller.
    """
    by_row = -np.log(responsibilities.max(axis=1))
    return float(by_row.sum() if weights is None else weights @ by_row)


def assignment_entropy(responsibilities: Array, weights: Array | None = None) -> float:
    """Return the entropy of the assignments in nats, summed over (weighted) rows.

    Parameters
    ----------
    responsibilities : array of shape (N, K)
        Probability of each component for each row.
    weights : array of shape (N,), optional
        Weights of the rows.
    """
    positive = np.where(responsibilities > 0, responsibilities, 1.0)
    by_row = -(responsibilities * np.log(positive)).sum(axis=1)
    return float(by_row.sum() if weights is None else weights @ by_row)
