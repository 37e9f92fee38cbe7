"""Volumes of covariances that share their shape: a convex problem, by Newton's steps."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy.linalg import solve_triangular

from mixtura.typing import Array

_Whitened: TypeAlias = tuple[float, Array]

MOST_STEPS = 60
LONGEST, SMALL = 4.0, 3e-8
"""Of a step, in log volumes; after a small one what is left is its square."""

SHORTEST = 1e-4
"""Share of a step of Newton's below which values are rounding."""

TINY = float(np.finfo(np.float64).tiny)
EPSILON = float(np.finfo(np.float64).eps)


def volumes_and_shape(
    count: Array, spread: Array, near: Array | None = None
) -> tuple[Array, Array]:
    """Return volumes (K,) and one shape (D,) of determinant one, of axes that are given.

    They minimise ``sum_k count_k D log v_k + sum_kd spread_kd / (v_k a_d)``.

    Parameters
    ----------
    count : array of shape (K,)
        Powers, above zero.
    spread : array of shape (K, D)
        Second moments along the axes.
    near : array of shape (K,), optional
        Volumes near those that are sought.
    """

    def whitened(logs: Array) -> _Whitened:
        own = spread * np.exp(-logs)[:, None]
        total = own.sum(axis=0)
        return float(np.log(total).sum()), own / total

    begin = _begin(spread.mean(axis=1) / count, near)
    logs = _log_volumes(count, np.log(begin), whitened, spread.shape[1])
    common = (spread * np.exp(-logs)[:, None]).sum(axis=0) / count.sum()
    width = np.exp(np.log(common).mean())
    return np.exp(logs) * width, common / width


def volumes_and_matrix(
    count: Array, scatter: Array, near: Array | None = None
) -> tuple[Array, Array]:
    """Return volumes (K,) and one matrix (D, D) of determinant one.

    They minimise ``sum_k count_k D log v_k + trace(scatter_k C^-1) / v_k``.

    Parameters
    ----------
    count : array of shape (K,)
        Powers, above zero.
    scatter : array of shape (K, D, D)
        Second moments.
    near : array of shape (K,), optional
        Volumes near those that are sought.
    """
    n_features = scatter.shape[1]
    unit = np.eye(n_features)

    def whitened(logs: Array) -> _Whitened:
        own = scatter * np.exp(-logs)[:, None, None]
        lower = np.linalg.cholesky(own.sum(axis=0))
        half = solve_triangular(lower, unit, lower=True, check_finite=False)
        both = half @ own @ half.T
        return 2.0 * float(np.log(np.diag(lower)).sum()), both

    traces = np.einsum("kdd->k", scatter) / n_features
    begin = _begin(traces / count, near)
    logs = _log_volumes(count, np.log(begin), whitened, n_features)
    common = np.tensordot(np.exp(-logs), scatter, axes=1) / count.sum()
    common = 0.5 * (common + common.T)
    width = np.exp(np.linalg.slogdet(common)[1] / n_features)
    return np.exp(logs) * width, common / width


def _begin(traces: Array, near: Array | None) -> Array:
    """Return volumes near those that are sought, where they are volumes, or average variances."""
    is_volume = near is not None and np.isfinite(near).all() and (near > 0.0).all()
    return near if near is not None and is_volume else np.maximum(traces, TINY)


def _log_volumes(
    count: Array, logs: Array, whitened: Callable[[Array], _Whitened], n_features: int
) -> Array:
    """Return log volumes, up to what all share, at which each has its share of the whole.

    With B the sum of the scatters over their volumes, the rest being at its best, what is left to
    minimise is ``D sum_k count_k log v_k + total log det B``, convex in the log volumes.
    """
    total, size = count.sum(), count.size
    if size == 1:
        return np.zeros(1)
    determinant, parts = whitened(logs)
    value = n_features * float(count @ logs) + total * determinant
    for _ in range(MOST_STEPS):
        flat = parts.reshape(size, -1)
        shares = parts.sum(axis=1) if parts.ndim == 2 else np.einsum("kdd->k", parts)
        gradient = n_features * count - total * shares
        unit = 1.0 / np.sqrt(n_features * count)
        curvature = total * (np.diag(shares) - flat @ flat.T) * unit[:, None] * unit
        # Volumes are free up to what all share: the flat direction is given a curvature.
        along = 1.0 / unit
        curvature += np.outer(along, along) / (along @ along)
        curvature.flat[:: size + 1] += EPSILON
        step = -unit * np.linalg.solve(curvature, unit * gradient)
        step *= min(1.0, LONGEST / max(float(np.abs(step).max()), 1e-300))
        if float(np.abs(step).max()) <= SMALL:
            return logs + step
        length = 1.0
        while True:
            there = logs + length * step
            ahead, parts_there = whitened(there)
            new = n_features * float(count @ there) + total * ahead
            slack = 8.0 * EPSILON * (abs(value) + total * n_features)
            if new <= value + slack:
                break
            length *= 0.5
            if length < SHORTEST:
                return logs
        logs, value, parts = there, new, parts_there
    return logs
