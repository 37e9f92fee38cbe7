"""Columns of which some follow from others: the null space of the correlation matrix."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.typing import Array, BooleanArray

EXACT = 1e-10
"""Eigenvalue of the correlation matrix up to which a direction holds nothing but rounding."""

NEARLY = 1e-2
"""Largest eigenvalue that rounded columns may leave in a direction of no extent."""

ENOUGH = 3
"""Distinct rows for each column from which on a small eigenvalue is no accident."""

INVOLVED = 1e-6
"""Squared share of a null direction from which on a column takes part in it."""


@final
@dataclass(frozen=True)
class Dependence:
    """Columns that are tied together by linear equations.

    Parameters
    ----------
    columns : tuple of int
        Their positions.
    n_equations : int
        How many of them follow from the others.
    """

    columns: tuple[int, ...]
    n_equations: int

    @property
    def is_repetition(self) -> bool:
        """Whether all of them are one column in different units."""
        return self.n_equations == len(self.columns) - 1


def dependences(correlations: Array, rounding: Array, n_rows: int) -> tuple[Dependence, ...]:
    """Return the linear dependences among columns.

    A null direction is an eigenvector of the correlation matrix whose eigenvalue is below 1e-10,
    or else not above twice what rounding leaves in that direction (and below 0.01), so that
    whole percentages which add to 100 are found as well. Columns that share no equation
    are told apart by the projection on the null space, which no choice of eigenvectors changes.

    Parameters
    ----------
    correlations : array of shape (D, D)
        With zeros beside the diagonal where a column is constant.
    rounding : array of shape (D,)
        Variance of rounding of each column, as a share of its variance.
    n_rows : int
        Number of distinct rows. Where they are no more than columns, every set of columns is
        dependent, and only pairs of equal columns are told.
    """
    n_features = len(correlations)
    if n_features < 2:
        return ()
    if n_rows <= n_features:
        alike = np.abs(correlations) >= 1.0 - EXACT
        return tuple(Dependence(g, len(g) - 1) for g in _groups(alike))
    if n_rows < ENOUGH * n_features:
        rounding = np.zeros(n_features)
    if _is_regular(correlations, NEARLY if rounding.any() else EXACT):
        return ()
    values, vectors = np.linalg.eigh(correlations)
    allowed = np.minimum(2.0 * rounding @ (vectors * vectors), NEARLY)
    null = values <= np.maximum(allowed, EXACT)
    if not null.any():
        return ()
    projection = vectors[:, null] @ vectors[:, null].T
    least = INVOLVED + 100.0 * max(values[null].max(), 0.0)
    takes_part = np.diag(projection) > least
    joined = (np.abs(projection) > least) & takes_part & takes_part[:, None]
    groups = [list(group) for group in _groups(joined)]
    traces = [np.diag(projection)[group].sum() for group in groups]
    return tuple(
        Dependence(tuple(group), max(round(float(trace)), 1))
        for group, trace in zip(groups, traces, strict=True)
    )


def _is_regular(correlations: Array, least: float) -> bool:
    """Return whether no eigenvalue is below a limit, at a fraction of the cost of finding them."""
    try:
        np.linalg.cholesky(correlations - least * np.eye(len(correlations)))
    except np.linalg.LinAlgError:
        return False
    return True


def _groups(joined: BooleanArray) -> list[tuple[int, ...]]:
    """Return the sets of two or more columns that are joined directly or through others."""
    left, groups = {int(column) for column in np.flatnonzero(joined.sum(axis=0) > 1)}, []
    while left:
        group, front = set(), {min(left)}
        while front:
            group |= front
            found = np.flatnonzero(joined[sorted(front)].any(axis=0))
            front = {int(column) for column in found} - group
        groups.append(tuple(sorted(group)))
        left -= group
    return groups
