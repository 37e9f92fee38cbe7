"""Parameters of components that are given, and stay as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, BooleanArray, IntegerArray, StructureShape

KINDS = ("weights", "means", "covariances")

LARGEST_FIXED = 1e152
"""Values of a larger size have squares that float64 cannot hold."""


@final
@dataclass(frozen=True, eq=False)
class FixedParameters:
    """Weights, means and covariances that are given.

    Parameters
    ----------
    weights : array of shape (K,)
        Weights; NaN where they are free.
    means : array of shape (K, D)
        Means; NaN in rows of components whose mean is free.
    covariances : array of the structure shape
        Covariances or variances; NaN where they are free.
    """

    weights: Array
    means: Array
    covariances: Array

    @property
    def has_weight(self) -> BooleanArray:
        """Which weights are given, shape (K,)."""
        return np.isfinite(self.weights)

    @property
    def has_mean(self) -> BooleanArray:
        """Which components' means are given, shape (K,)."""
        return np.asarray(np.isfinite(self.means).all(axis=1))

    @property
    def has_covariance(self) -> BooleanArray:
        """Which covariances are given, shape (K,), or (1,) of one that is shared."""
        given = np.isfinite(self.covariances).reshape(len(self.covariances), -1)
        return np.asarray(given.all(axis=1))

    @property
    def n_parameters(self) -> int:
        """Number of free parameters that there are less."""
        size = self.covariances.shape[-1]
        of_covariance = size * (size + 1) // 2 if self.covariances.ndim == 3 else size
        of_means = int(self.has_mean.sum()) * self.means.shape[1]
        n_weights = min(int(self.has_weight.sum()), self.weights.size - 1)
        return n_weights + of_means + int(self.has_covariance.sum()) * of_covariance

    def rescaled(self, factor: Array) -> "FixedParameters":
        """Return the same parameters of ``x * factor``, factor of shape (D,)."""
        there = MixtureParameters(self.weights, self.means, self.covariances).rescaled(factor)
        return FixedParameters(self.weights, there.means, there.covariances)

    def weights_beside(self, free: Array) -> Array:
        """Return the weights (K,): what is left is shared as the free ones would share all."""
        fixed = self.has_weight
        if not fixed.any():
            return free
        found = np.where(fixed, self.weights, 0.0)
        left, total = 1.0 - found.sum(), free[~fixed].sum()
        if (~fixed).any():
            even = np.full(int((~fixed).sum()), 1.0 / (~fixed).sum())
            found[~fixed] = left * (free[~fixed] / total if total > 0.0 else even)
        return found

    def about_means(
        self, statistics: SufficientStatistics, pull: tuple[Array, Array]
    ) -> SufficientStatistics:
        """Return statistics under which the given means are the most probable ones.

        Second moments are then about them, as the mode of the covariances given the means needs.

        Parameters
        ----------
        statistics : SufficientStatistics
            Moments of the rows.
        pull : tuple of arrays
            How many rows the prior of a mean is worth, and where these lie.
        """
        has = self.has_mean[:, None]
        shrinkage, location = pull
        about = statistics.about(np.where(has, self.means, statistics.pivot))
        first = np.where(has, shrinkage * (self.means - location), about.first)
        return replace(about, first=first)

    def placed(self, means: Array, covariances: Array) -> tuple[Array, Array]:
        """Return means and covariances, given ones in their places."""
        own = self.has_covariance.reshape(-1, *(1,) * (covariances.ndim - 1))
        return (
            np.where(self.has_mean[:, None], self.means, means),
            np.where(own, self.covariances, covariances),
        )


def fixed_parameters(
    given: Mapping[str, Any], names: tuple[str, ...], sizes: tuple[int, int], shape: StructureShape
) -> FixedParameters:
    """Return parameters that are given by kind and component.

    Parameters
    ----------
    given : mapping
        Of "weights", "means" and "covariances", each a mapping from components, by number or name,
        to values; of a covariance that all share the value itself.
    names : tuple of str
        Names of the first components, where labels have names.
    sizes : tuple of int
        Numbers of components K and of features D.
    shape : tuple of int
        The structure shape.

    Raises
    ------
    InvalidArgumentError
        If they are no parameters of these components.
    """
    n_components, n_features = sizes
    weights, means = np.full(n_components, np.nan), np.full(sizes, np.nan)
    covariances = np.full(shape, np.nan)
    odd = set(given) - set(KINDS)
    if odd:
        raise InvalidArgumentError(
            f"fixed must have 'weights', 'means' and 'covariances' alone; got {sorted(odd)[0]!r}"
        )
    for component, value in _by_component(given, "weights", names, n_components):
        weights[component] = _numbers(value, (), f"weight of {component}")
    for component, value in _by_component(given, "means", names, n_components):
        means[component] = _numbers(value, (n_features,), f"mean of {component}")
    one = shape[1:] if len(shape) == 3 or shape[1] > 1 else ()
    if shape[0] == 1 and n_components > 1:
        if "covariances" in given:
            covariances[0] = _numbers(given["covariances"], one, "shared covariance")
    else:
        for component, value in _by_component(given, "covariances", names, n_components):
            covariances[component] = _numbers(value, one, f"covariance of {component}")
    found = FixedParameters(weights, means, covariances)
    _check(found)
    return found


def _check(found: FixedParameters) -> None:
    """Raise InvalidArgumentError unless parameters are those of a mixture."""
    weights = found.weights[found.has_weight]
    total = weights.sum()
    is_all = weights.size == found.weights.size
    if (weights < 0.0).any() or total > 1.0 + 1e-12 or (is_all and abs(total - 1.0) > 1e-9):
        raise InvalidArgumentError(
            "fixed weights must be from 0 to 1 and add to at most 1, all of them to 1; "
            f"got {total:g}"
        )
    covariances = found.covariances[found.has_covariance]
    if covariances.ndim == 3:
        if not np.allclose(covariances, np.swapaxes(covariances, 1, 2)):
            raise InvalidArgumentError("fixed covariances must be symmetric")
        lowest = np.linalg.eigvalsh(covariances).min(initial=np.inf)
    else:
        lowest = covariances.min(initial=np.inf)
    if not lowest > 0.0:
        raise InvalidArgumentError("fixed covariances must be positive definite")


def _by_component(
    given: Mapping[str, Any], kind: str, names: tuple[str, ...], n_components: int
) -> list[tuple[int, Any]]:
    """Return the values of a kind with the components that they are of."""
    values = given.get(kind, {})
    if not isinstance(values, Mapping):
        raise InvalidArgumentError(
            f"fixed {kind} must be a mapping from components to values; got {type(values).__name__}"
        )
    found = []
    for key, value in values.items():
        is_number = isinstance(key, (int, np.integer)) and not isinstance(key, bool)
        if str(key) in names and not is_number:
            found.append((names.index(str(key)), value))
        elif is_number and 0 <= key < n_components:
            found.append((int(key), value))
        else:
            known = f", or {', '.join(map(repr, names))}" if names else ""
            raise InvalidArgumentError(
                f"fixed {kind} has component {key!r}: components are 0 to {n_components - 1}{known}"
            )
    return found


def _numbers(value: Any, shape: tuple[int, ...], what: str) -> Array:
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"fixed {what} must be numbers; got {value!r}") from None
    if np.abs(np.nan_to_num(found, posinf=0.0, neginf=0.0)).max(initial=0.0) > LARGEST_FIXED:
        raise InvalidArgumentError(
            f"fixed {what} must be of size below {LARGEST_FIXED:g}, whose square float64 holds; "
            f"got {value!r}"
        )
    if found.shape != shape or not np.isfinite(found).all():
        raise InvalidArgumentError(
            f"fixed {what} must be finite numbers of shape {shape}; got shape {found.shape}"
        )
    return found


def matched(fixed: FixedParameters, found: MixtureParameters, held: IntegerArray) -> IntegerArray:
    """Return the numbering of components under which they are closest to given means.

    Components that are held, and those without a given mean of their own, take what is left, in
    their order.
    """
    from scipy.optimize import linear_sum_assignment

    size = len(fixed.weights)
    wanted = np.setdiff1d(np.flatnonzero(fixed.has_mean), held)
    open_ones = np.setdiff1d(np.arange(size), held)
    covariances = found.covariances
    variances = np.einsum("kdd->kd", covariances) if covariances.ndim == 3 else covariances
    spread = found.means.std(axis=0) + np.sqrt(variances.mean(axis=0))
    apart = (fixed.means[wanted][:, None] - found.means[open_ones]) / spread
    with np.errstate(over="ignore"):
        cost = np.minimum((apart * apart).sum(axis=2), np.finfo(float).max)
    rows, columns = linear_sum_assignment(cost)
    order = np.arange(size)
    taken = open_ones[columns]
    order[wanted[rows]] = taken
    rest = np.setdiff1d(open_ones, wanted)
    order[rest] = np.setdiff1d(open_ones, taken)
    return order
