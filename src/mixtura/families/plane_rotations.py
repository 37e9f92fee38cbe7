"""The best common orientation of several matrices: rotations of planes, and Newton's steps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import final

import numpy as np

from mixtura.typing import Array, IntegerArray

GRID = 8
"""Angles at which every search along a plane begins, beside each matrix's own best one."""

REFINEMENTS = 6
MOST_STEPS, MOST_SWEEPS, MOST_CONJUGATE = 50, 5, 50
HALVINGS = 5
LONGEST = 0.5
"""Angle by which no plane turns more in one step."""

LARGEST_DENSE = 12
"""Features up to which second derivatives in all planes are formed."""

AT_REST = 1e-13
"""Gradient, relative to the objective's own scale, at which nothing is left to gain."""

MOST_STARTS, MOST_ENDS = 8, 2
"""Matrices whose axes are starts, and the best starts that are followed to the end."""

EPSILON = float(np.finfo(np.float64).eps)


class OrientationObjective(ABC):
    """A function of the variances (K, D) of K scatter matrices along common axes."""

    @abstractmethod
    def value(self, variances: Array) -> float:
        """Return the function, which is to be small."""

    @abstractmethod
    def slopes(self, variances: Array) -> Array:
        """Return its derivatives in the variances, shape (K, D)."""

    @abstractmethod
    def curvatures(self, variances: Array) -> Array:
        """Return its second derivatives, shape (K, D, D)."""

    @abstractmethod
    def along(self, variances: Array, pairs: IntegerArray) -> Array:
        """Return the factors (P, K) of ``profile`` in P planes of pairs (2, P) of axes."""

    @abstractmethod
    def profile(self, factors: Array, products: Array) -> tuple[Array, Array, Array]:
        """Return what depends on the products (P, M, K) of two variances, and its derivatives.

        Summed over components for the value (P, M), by component for the derivatives.
        """

    @property
    @abstractmethod
    def scale(self) -> float:
        """Weight of all terms, the unit of a gradient in logarithms."""


@final
@dataclass(frozen=True, eq=False)
class LogProducts(OrientationObjective):
    """``sum_k count_k sum_j log r_kj``: volumes and shapes of each component's own [Flury1984]_.

    Parameters
    ----------
    count : array of shape (K,)
        Powers.
    """

    count: Array

    def value(self, variances: Array) -> float:
        return float(self.count @ np.log(variances).sum(axis=1))

    def slopes(self, variances: Array) -> Array:
        return self.count[:, None] / variances

    def curvatures(self, variances: Array) -> Array:
        own = -self.count[:, None] / (variances * variances)
        return own[:, :, None] * np.eye(variances.shape[1])

    def along(self, variances: Array, pairs: IntegerArray) -> Array:
        return np.broadcast_to(self.count, (pairs.shape[1], self.count.size))

    def profile(self, factors: Array, products: Array) -> tuple[Array, Array, Array]:
        own = factors[:, None, :]
        slope = own / products
        return (own * np.log(products)).sum(axis=2), slope, -slope / products

    @property
    def scale(self) -> float:
        return float(self.count.sum())


@final
@dataclass(frozen=True, eq=False)
class GeometricMeans(OrientationObjective):
    """``sum_k (prod_j r_kj)^(1/D)``, in some unit: one volume, shapes of each component's own.

    Parameters
    ----------
    unit : float
        What the sum of geometric means is divided by.
    n_features : int
        Number of features D.
    """

    unit: float
    n_features: int

    def _means(self, variances: Array) -> Array:
        return np.exp(np.log(variances).mean(axis=1)) / self.unit

    def value(self, variances: Array) -> float:
        return float(self._means(variances).sum())

    def slopes(self, variances: Array) -> Array:
        return self._means(variances)[:, None] / (variances.shape[1] * variances)

    def curvatures(self, variances: Array) -> Array:
        size = variances.shape[1]
        inverse = 1.0 / (size * variances)
        both = inverse[:, :, None] * inverse[:, None, :]
        both -= size * inverse[:, :, None] ** 2 * np.eye(size)
        return self._means(variances)[:, None, None] * both

    def along(self, variances: Array, pairs: IntegerArray) -> Array:
        products = variances[:, pairs[0]] * variances[:, pairs[1]]
        return (self._means(variances)[:, None] / products ** (1.0 / self.n_features)).T

    def profile(self, factors: Array, products: Array) -> tuple[Array, Array, Array]:
        power = 1.0 / self.n_features
        value = factors[:, None, :] * products**power
        slope = power * value / products
        return value.sum(axis=2), slope, (power - 1.0) * slope / products

    @property
    def scale(self) -> float:
        return 1.0


@lru_cache(maxsize=64)
def rounds(n_features: int) -> tuple[IntegerArray, ...]:
    """Return the pairs of D axes in rounds of disjoint ones, each of shape (2, P)."""
    size = n_features + n_features % 2
    players, found = list(range(size)), []
    for _ in range(size - 1):
        pairs = [(players[i], players[size - 1 - i]) for i in range(size // 2)]
        inside = sorted((min(p), max(p)) for p in pairs if max(p) < n_features)
        found.append(np.array(inside).T)
        players = [players[0], players[-1], *players[1:-1]]
    return tuple(found)


def best_orientation(
    objective: OrientationObjective,
    scatter: Array,
    start: Array | None = None,
    most_steps: int = MOST_STEPS,
) -> tuple[Array, Array]:
    """Return the axes (D, D), as columns, under which an objective is smallest, and variances.

    Parameters
    ----------
    objective : OrientationObjective
        What is to be small.
    scatter : array of shape (K, D, D)
        The matrices.
    start : array of shape (D, D), optional
        Axes to begin from; without any, several are tried.
    most_steps : int
        Steps of Newton's after which a search ends that has not come to rest.

    Returns
    -------
    axes, variances : arrays of shape (D, D) and (K, D)
    """

    def height(axes: Array) -> float:
        return objective.value(_along(scatter, axes))

    if scatter.shape[1] == 1:
        best = np.ones((1, 1))
    elif start is None:
        begun = sorted((_swept(objective, scatter, axes) for axes in starts(scatter)), key=height)
        ends = [_settled(objective, scatter, axes) for axes in begun[:MOST_ENDS]]
        best = min(ends, key=height)
    else:
        best = _settled(objective, scatter, start, most_steps)
    return best, _along(scatter, best)


def starts(scatter: Array) -> list[Array]:
    """Return the axes of the pooled matrices, and of each of the first ones."""
    traces = np.einsum("kdd->k", scatter)
    pooled = [scatter.sum(axis=0), np.tensordot(1.0 / traces, scatter, axes=1)]
    return list(np.linalg.eigh(np.concatenate([pooled, scatter[:MOST_STARTS]]))[1])


def orthonormal(axes: Array) -> Array:
    """Return the axes with rounding taken out of their angles."""
    return axes @ (1.5 * np.eye(len(axes)) - 0.5 * axes.T @ axes)


def _along(scatter: Array, axes: Array) -> Array:
    return ((scatter @ axes) * axes).sum(axis=1)


def _settled(
    objective: OrientationObjective, scatter: Array, axes: Array, most_steps: int = MOST_STEPS
) -> Array:
    """Return where steps lead from axes: the gradient vanishes there."""
    value, n_sweeps = objective.value(_along(scatter, axes)), 0
    for _ in range(most_steps):
        here = Bend.at(objective, axes.T @ scatter @ axes)
        if float(np.abs(here.gradient).max()) <= AT_REST * objective.scale:
            break
        move = here.newton()
        length = min(1.0, LONGEST / max(float(np.abs(move).max()), 1e-300))
        slope = float(here.gradient @ move)
        slack = 4.0 * EPSILON * (abs(value) + objective.scale)
        if -slope <= slack:
            # Less is left to gain than values resolve: the step is as good as its gradient.
            return turned_by(axes, length * move)
        for _ in range(HALVINGS):
            there = turned_by(axes, length * move)
            new = objective.value(_along(scatter, there))
            if new <= value + 1e-4 * length * slope + slack:
                break
            length *= 0.25
        else:
            there = _swept(objective, scatter, axes)
            new = objective.value(_along(scatter, there))
            n_sweeps += 1
            if not new < value - 4.0 * slack or n_sweeps > MOST_SWEEPS:
                break
        axes, value = there, new
    return axes


def turned_by(axes: Array, angles: Array) -> Array:
    """Return axes (D, D) turned in all planes at once by Cayley's transform."""
    unit, rotation = np.eye(len(axes)), 0.5 * skew(angles, len(axes))
    return orthonormal(axes @ np.linalg.solve(unit - rotation, unit + rotation))


def skew(entries: Array, size: int) -> Array:
    """Return the skew-symmetric matrix (D, D) of entries above its diagonal."""
    found = np.zeros((size, size))
    found[planes_of(size)] = entries
    return found - found.T


@lru_cache(maxsize=64)
def planes_of(size: int) -> tuple[IntegerArray, IntegerArray]:
    """Return the two axes of each plane of D axes."""
    return np.triu_indices(size, 1)


@final
@dataclass(frozen=True, eq=False)
class Bend:
    """How an objective changes when the axes turn, to second order, one number for each plane.

    Parameters
    ----------
    turned : array of shape (K, D, D)
        The matrices in the axes.
    slopes, curvatures : arrays of shape (K, D) and (K, D, D)
        Derivatives of the objective in the variances.
    """

    turned: Array
    slopes: Array
    curvatures: Array

    @classmethod
    def at(cls, objective: OrientationObjective, turned: Array) -> "Bend":
        """Return the derivatives in the axes in which matrices (K, D, D) are given."""
        variances = np.einsum("kdd->kd", turned)
        return cls(turned, objective.slopes(variances), objective.curvatures(variances))

    @cached_property
    def planes(self) -> tuple[IntegerArray, IntegerArray]:
        """The two axes of each plane."""
        return planes_of(self.turned.shape[1])

    @cached_property
    def gradient(self) -> Array:
        """First derivatives in the angles of all planes, shape (D (D - 1) / 2,)."""
        first, second = self.planes
        across = self.turned[:, first, second]
        return 2.0 * (across * (self.slopes[:, second] - self.slopes[:, first])).sum(axis=0)

    def newton(self) -> Array:
        """Return a move that leads down: Newton's step where all second derivatives are above 0."""
        if self.turned.shape[1] <= LARGEST_DENSE:
            try:
                factor = np.linalg.cholesky(self._hessian())
            except np.linalg.LinAlgError:
                return self._truncated()
            half = np.linalg.solve(factor, self.gradient)
            return -np.asarray(np.linalg.solve(factor.T, half), dtype=np.float64)
        return self._truncated()

    def _hessian(self) -> Array:
        first, second = self.planes
        n_features, planes = self.turned.shape[1], np.arange(first.size)
        across = 2.0 * self.turned[:, first, second]
        change = np.zeros((len(self.turned), n_features, first.size))
        change[:, second, planes] = across
        change[:, first, planes] = -across
        curved = self.curvatures @ change
        return np.tensordot(change, curved, axes=([0, 1], [0, 1])) + self._bending()

    def _bending(self) -> Array:
        """Return what second derivatives owe to the bending of rotations."""
        n_features = self.turned.shape[1]
        first, second = self.planes
        # sum_k tr(F R X X) + tr(F X' R X) for F = diag(slopes), as a form in the entries of X
        mixed = (self.slopes[:, :, None] * self.turned).sum(axis=0)
        own = np.tensordot(self.slopes, self.turned, axes=([0], [0]))
        form = np.zeros((n_features,) * 4)
        axis = np.arange(n_features)
        form[:, axis, axis, :] += mixed.T[:, None, :]
        form[:, axis, :, axis] += own
        flat = form.reshape(n_features**2, n_features**2)
        up, down = first * n_features + second, second * n_features + first
        reduced = flat[up][:, up] - flat[up][:, down] - flat[down][:, up] + flat[down][:, down]
        return reduced + reduced.T

    def _times(self, move: Array) -> Array:
        """Return the second derivatives times a move, without forming them."""
        first, second = self.planes
        rotation = skew(move, self.turned.shape[1])
        product = self.turned @ rotation
        change = 2.0 * np.einsum("kdd->kd", product)
        curved = (self.curvatures @ change[:, :, None])[:, :, 0]
        mixed = (self.slopes[:, :, None] * self.turned).sum(axis=0)
        entries = (rotation @ mixed + mixed @ rotation).T
        entries = entries + 2.0 * (product * self.slopes[:, None, :]).sum(axis=0)
        entries = entries + 2.0 * (self.turned * curved[:, None, :]).sum(axis=0)
        return entries[first, second] - entries[second, first]

    def _widths(self) -> Array:
        """Return the second derivative of each plane on its own, made positive."""
        first, second = self.planes
        variances = np.einsum("kdd->kd", self.turned)
        slopes, curvatures = self.slopes, self.curvatures
        bending = slopes[:, second] - slopes[:, first]
        bending = 2.0 * bending * (variances[:, first] - variances[:, second])
        axis = np.einsum("kdd->kd", curvatures)
        curved = axis[:, first] + axis[:, second] - 2.0 * curvatures[:, first, second]
        own = bending + 4.0 * self.turned[:, first, second] ** 2 * curved
        total = np.abs(own.sum(axis=0))
        return np.maximum(total, 1e-3 * float(total.max()) + 1e-300)

    def _truncated(self) -> Array:
        """Return the move that conjugate gradients find before they meet a negative curvature."""
        widths = self._widths()
        move, left = np.zeros_like(self.gradient), -self.gradient
        ahead = along = left / widths
        size = float(left @ ahead)
        enough = size * min(0.01, size**0.5)
        for number in range(min(left.size, MOST_CONJUGATE)):
            bent = self._times(along)
            curvature = float(along @ bent)
            if not curvature > 0.0:
                return ahead if number == 0 else move
            step = size / curvature
            move, left = move + step * along, left - step * bent
            ahead = left / widths
            new = float(left @ ahead)
            if new <= enough:
                break
            along, size = ahead + (new / size) * along, new
        return move


def _swept(objective: OrientationObjective, scatter: Array, axes: Array) -> Array:
    """Return the axes after a rotation in every plane, each to the best angle there is."""
    n_features = len(axes)
    turned = axes.T @ scatter @ axes
    for pairs in rounds(n_features):
        p, q = pairs
        angles = _best_angles(objective, turned, pairs)
        rotation = np.eye(n_features)
        cosines, sines = np.cos(angles), np.sin(angles)
        rotation[p, p] = rotation[q, q] = cosines
        rotation[p, q], rotation[q, p] = -sines, sines
        axes = axes @ rotation
        turned = rotation.T @ turned @ rotation
    return orthonormal(axes)


def _best_angles(objective: OrientationObjective, turned: Array, pairs: IntegerArray) -> Array:
    """Return the angle (P,) of each plane at which the objective is smallest.

    The product of the two variances of a matrix is ``alpha + beta cos u + gamma sin u`` at u, four
    times the angle: minima are sought from a grid and from each matrix's own best angle.
    """
    p, q = pairs
    variances = np.einsum("kdd->kd", turned)
    middle = 0.5 * (variances[:, p] + variances[:, q]).T
    half, across = 0.5 * (variances[:, p] - variances[:, q]).T, turned[:, p, q].T
    alpha = middle**2 - 0.5 * (half**2 + across**2)
    beta, gamma = -0.5 * (half**2 - across**2), -half * across
    factors = objective.along(variances, pairs)
    lowest = np.maximum(alpha - np.hypot(beta, gamma), EPSILON**2 * np.maximum(alpha, 1e-300))

    def at(angles: Array) -> tuple[Array, Array, Array]:
        cosines, sines = np.cos(angles)[:, :, None], np.sin(angles)[:, :, None]
        products = alpha[:, None] + beta[:, None] * cosines + gamma[:, None] * sines
        products = np.maximum(products, lowest[:, None])
        value, slope, curve = objective.profile(factors, products)
        turn = gamma[:, None] * cosines - beta[:, None] * sines
        back = -(beta[:, None] * cosines + gamma[:, None] * sines)
        first = (slope * turn).sum(axis=2)
        return value, first, (curve * turn**2 + slope * back).sum(axis=2)

    own = np.arctan2(-gamma, -beta)
    grid = np.broadcast_to(np.arange(GRID) * (2.0 * np.pi / GRID), (p.size, GRID))
    tried: Array = np.concatenate([grid, own], axis=1, dtype=np.float64)
    values, first, second = at(tried)
    rows = np.arange(p.size)
    best = values.argmin(axis=1)
    angle, value = tried[rows, best], values[rows, best]
    first, second = first[rows, best], second[rows, best]
    for _ in range(REFINEMENTS):
        step = -first / np.maximum(np.abs(second), 1e-300)
        step = np.clip(step, -0.5, 0.5)
        there = angle + step
        found = at(there[:, None])
        better = found[0][:, 0] <= value
        angle = np.where(better, there, angle)
        value = np.where(better, found[0][:, 0], value)
        first = np.where(better, found[1][:, 0], 0.5 * first)
        second = np.where(better, found[2][:, 0], second)
        if (np.abs(step) <= 1e-10).all():
            break
    value_now = at(np.zeros((p.size, 1)))[0][:, 0]
    angle = np.where(value < value_now, angle, 0.0)
    return 0.25 * ((angle + np.pi) % (2.0 * np.pi) - np.pi)
