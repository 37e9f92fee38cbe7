"""Normal distributions of complete rows, given the cells that were observed of them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np

from mixtura.data import Patterns
from mixtura.messages.linalg import precision_factors
from mixtura.typing import Array

LOG_TWO_PI = float(np.log(2.0 * np.pi))

FEW = 4
"""Rows of a group below which all groups are multiplied at once, row by row."""


@final
@dataclass(frozen=True, eq=False)
class Conditionals:
    """How the rows of each group are standardised, and what is expected of their cells.

    Of G groups and F covariances, one for each of the K components or one for all of them.

    Parameters
    ----------
    standardising : array of shape (G, F, D, D)
        Times deviations from a component's mean, zero where a cell is missing: standardised.
    log_scale : array of shape (G, F)
        Log determinant of that, over the observed cells.
    expecting : array of shape (G, F, D, D)
        Times the deviations: those that are expected of the complete row.
    covariance : array of shape (G, F, D, D)
        Of the complete row about what is expected.
    """

    standardising: Array
    log_scale: Array
    expecting: Array
    covariance: Array


def conditionals_of(patterns: Patterns, covariances: Array) -> Conditionals:
    """Return what is known of the groups under covariances of shape (F, D, D)."""
    has, errors = patterns.observed, patterns.errors
    if errors is not None and errors.ndim == 2:
        errors = errors[:, :, None] * np.eye(has.shape[1])
    both = (has[:, :, None] & has[:, None, :])[:, None]
    total = covariances if errors is None else covariances + errors[:, None]
    # Missing cells stand aside with variances of one, which touch nothing else.
    alone = np.where(both, total, np.eye(has.shape[1]))
    factor = precision_factors(alone)
    diagonal = np.einsum("gfdd->gfd", factor)
    log_scale = np.where(has[:, None], np.log(diagonal), 0.0).sum(axis=2)
    upper = np.swapaxes(factor, 2, 3) @ np.where(has[:, None, :, None], covariances, 0.0)
    expecting = factor @ upper
    left = covariances - np.swapaxes(upper, 2, 3) @ upper
    # A cell without an error is known: nothing is left to expect.
    exact = has if errors is None else has & (np.einsum("gdd->gd", errors) == 0.0)
    expecting = np.where(exact[:, None, None, :], np.eye(has.shape[1]), expecting)
    known = (exact[:, :, None] | exact[:, None, :])[:, None]
    return Conditionals(factor, log_scale, expecting, np.where(known, 0.0, left))


def deviations(patterns: Patterns, mean: Array) -> Array:
    """Return how far the observed cells are from means (K, D), zero elsewhere, (K, n, D)."""
    return np.where(patterns.has_cells, patterns.values - mean[:, None], 0.0)


def times(apart: Array, matrices: Array, patterns: Patterns) -> Array:
    """Return deviations (K, n, D) times the matrices (G, F, D, E) of their groups, (K, n, E)."""
    n_components, n_rows, _ = apart.shape
    shape = (n_components, n_rows, matrices.shape[3])
    if n_rows < FEW * patterns.n_groups:
        own = matrices
        if patterns.n_groups < n_rows:
            own = np.repeat(matrices, patterns.sizes, axis=0)
        own = np.broadcast_to(own, (n_rows, n_components, *own.shape[2:]))
        return np.einsum("kni,nkij->knj", apart, own)
    found = np.empty(shape)
    for group, (first, last) in enumerate(pairwise(patterns.starts.tolist())):
        np.matmul(apart[:, first:last], matrices[group], out=found[:, first:last])
    return found
