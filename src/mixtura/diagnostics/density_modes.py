"""The modes of a mixture's density, and which of its components lead to the same one."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.typing import Array, BooleanArray, IntegerArray

MOST_STEPS = 10_000

CLOSE = 1e-12
"""Length of a step, in standard deviations of the density at hand, that no longer counts."""

NEAR = 0.3
"""The same, up to which steps are Newton's."""

SAME = 1e-4
"""The same, within which two ends are one mode."""

ASIDE = 1e-2
"""The same, by which a saddle is left."""


@final
@dataclass(frozen=True, eq=False)
class DensityModes:
    """Local maxima of a mixture's density.

    Parameters
    ----------
    modes : array of shape (M, D)
        The modes, in the data's units.
    log_densities : array of shape (M,)
        Log density at each, in nats.
    of_start : integer array of shape (S,)
        The mode that is reached from each start.
    """

    modes: Array
    log_densities: Array
    of_start: IntegerArray


@final
@dataclass(frozen=True, eq=False)
class _Slopes:
    """Log density, gradient, curvature and mean precision at some points."""

    log_density: Array
    gradient: Array
    curvature: Array
    precision: Array


def density_modes(
    weights: Array, means: Array, covariances: Array, starts: Array | None = None
) -> DensityModes:
    """Return the modes of a mixture's density that lie uphill of its means.

    By mean-shift, ``x <- (sum_k r_k(x) P_k)^-1 sum_k r_k(x) P_k m_k`` with precisions P_k, which
    never lowers the density [CarreiraPerpinan2000]_, and Newton's steps at the end.

    Parameters
    ----------
    weights : array of shape (J,)
        Weights of the components.
    means : array of shape (J, D)
        Means.
    covariances : array of shape (J, D, D)
        Covariances.
    starts : array of shape (S, D), optional
        Where to begin; the means by default.
    """
    units = np.sqrt(np.einsum("kdd->kd", covariances).min(axis=0))
    mixture = _Mixture.of(weights, means / units, covariances / units / units[:, None])
    points = np.array(means if starts is None else starts, dtype=np.float64) / units
    moving = np.ones(len(points), dtype=bool)
    for _ in range(MOST_STEPS):
        if not moving.any():
            break
        points[moving], done = mixture.moved(points[moving])
        moving[moving] = ~done
    found = mixture.slopes(points)
    of_start, firsts = _grouped(points, found.precision)
    return DensityModes(
        points[firsts] * units, found.log_density[firsts] - np.log(units).sum(), of_start
    )


@final
@dataclass(frozen=True, eq=False)
class _Mixture:
    log_weights: Array
    means: Array
    precisions: Array

    @classmethod
    def of(cls, weights: Array, means: Array, covariances: Array) -> "_Mixture":
        precisions = np.linalg.inv(covariances)
        precisions = 0.5 * (precisions + precisions.swapaxes(1, 2))
        with np.errstate(divide="ignore"):
            logs = np.log(weights) + 0.5 * np.linalg.slogdet(precisions)[1]
        return cls(logs - 0.5 * means.shape[1] * np.log(2.0 * np.pi), means, precisions)

    def slopes(self, points: Array) -> _Slopes:
        """Return what the log density does at points of shape (S, D)."""
        apart = self.means - points[:, None, :]
        pulls = np.einsum("kde,ske->skd", self.precisions, apart)
        scores = self.log_weights - 0.5 * np.einsum("skd,skd->sk", pulls, apart)
        top = scores.max(axis=1, keepdims=True)
        shares = np.exp(scores - top)
        total = shares.sum(axis=1, keepdims=True)
        shares /= total
        precision = np.einsum("sk,kde->sde", shares, self.precisions)
        gradient = np.einsum("sk,skd->sd", shares, pulls)
        outer = np.einsum("sk,skd,ske->sde", shares, pulls, pulls)
        curvature = outer - precision - gradient[:, :, None] * gradient[:, None, :]
        return _Slopes((top + np.log(total))[:, 0], gradient, curvature, precision)

    def moved(self, points: Array) -> tuple[Array, BooleanArray]:
        """Return points (S, D) a step further up, and whether each has come to rest at a mode."""
        here = self.slopes(points)
        # The step of mean-shift is the gradient over the mean precision.
        steps = np.linalg.solve(here.precision, here.gradient[:, :, None])[:, :, 0]
        lengths = np.sqrt(np.maximum(np.einsum("sd,sd->s", steps, here.gradient), 0.0))
        moved, done = points + steps, np.zeros(len(points), dtype=bool)
        # In units of the mean precision the curvature is -1 where one component stands alone.
        root = np.linalg.cholesky(here.precision)
        inverse = np.linalg.inv(root)
        curvature = inverse @ here.curvature @ inverse.swapaxes(1, 2)
        values, vectors = np.linalg.eigh(curvature)
        for s in np.flatnonzero(lengths < NEAR):
            along = inverse[s].T @ vectors[s]
            if values[s, -1] < -1e-9:
                slope = along.T @ here.gradient[s]
                newton = points[s] + along @ (slope / -values[s])
                length = float(np.sqrt(((slope / values[s]) ** 2).sum()))
                done[s] = length < CLOSE or lengths[s] < CLOSE
                if length < NEAR:
                    moved[s] = newton
            elif lengths[s] < CLOSE**0.5:  # a saddle, or a ridge without end
                moved[s] = points[s] + ASIDE * along[:, -1]
        return moved, done


def _grouped(points: Array, precision: Array) -> tuple[IntegerArray, IntegerArray]:
    """Return the group of each of several ends, and the first end of each group."""
    firsts: list[int] = []
    groups = np.empty(len(points), dtype=np.intp)
    for s, point in enumerate(points):
        apart = point - points[firsts]
        near = np.einsum("fd,de,fe->f", apart, precision[s], apart) < SAME**2
        if near.any():
            groups[s] = int(np.argmax(near))
        else:
            groups[s] = len(firsts)
            firsts.append(s)
    return groups, np.array(firsts, dtype=np.intp)
