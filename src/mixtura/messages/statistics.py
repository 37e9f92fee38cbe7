"""Sufficient statistics: the K-sized message that comes back from the rows, and adds up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mixtura.typing import Array, IntegerArray, StructureShape

ZERO = np.array(0.0)
"""An array, which NumPy would first have to make of a number."""


def outer_moments(left: Array, right: Array, structure: StructureShape) -> Array:
    """Return, for each component, the product of two (K, D) arrays in a structure's shape.

    Matrix structures take the outer product, the others the elementwise one; what the structure
    shares (components, features) is summed.
    """
    if len(structure) == 3:
        product = left[:, :, None] * right[:, None, :]
        return product.sum(axis=0, keepdims=True) if structure[0] < len(left) else product
    return shared_sum(left * right, structure)


def shared_sum(values: Array, structure: StructureShape) -> Array:
    """Return values (..., K, D) summed over what a structure of variances shares.

    Sums of one number are left out: NumPy's take longer than all else that is done to a few.
    """
    if structure[1] < values.shape[-1]:
        values = values.sum(axis=-1, keepdims=True)
    return values.sum(axis=-2, keepdims=True) if structure[0] < values.shape[-2] else values


def feature_sum(values: Array) -> Array:
    """Return values (..., D) summed over the features, shape (...)."""
    return values[..., 0] if values.shape[-1] == 1 else values.sum(axis=-1)


def _added(one: Array | None, other: Array | None) -> Array | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


@final
@dataclass(frozen=True, eq=False)
class SufficientStatistics:
    """Weighted moments of the rows under their responsibilities, about a pivot.

    Moments about a pivot near the component's mean lose no digits however far the data lie from
    the origin. Statistics with different pivots add exactly: one of them is shifted first.

    Parameters
    ----------
    count : array of shape (K,)
        Sum over rows of weight times responsibility.
    first : array of shape (K, D)
        First moments about the pivot.
    second : array of the family's structure shape
        Second moments about the pivot, summed over what the structure shares.
    pivot : array of shape (K, D)
        The points about which the moments are taken.
    log_normalizer : float
        Sum over rows of weight times the log of the summed exponentiated scores: the data term
        of every objective.
    background : array of shape (2,), optional
        Of rows of a background: the sum of their weights, and of weights times log density.
    members : array of shape (K,), optional
        What the weights are told by where it is not the count: how many groups of rows, and rows
        on their own, each component has.
    """

    count: Array
    first: Array
    second: Array
    pivot: Array
    log_normalizer: float = 0.0
    background: Array | None = None
    members: Array | None = None

    @classmethod
    def zero(cls, pivot: Array, structure: StructureShape) -> "SufficientStatistics":
        """Return the statistics of no rows."""
        return cls(
            np.zeros(pivot.shape[0]), np.zeros_like(pivot), np.zeros(structure), pivot.copy()
        )

    @property
    def structure(self) -> StructureShape:
        """Shape of the covariance structure."""
        return self.second.shape

    @property
    def total(self) -> float:
        """Total weight of the rows of components."""
        return float(self.count.sum())

    @property
    def of_weights(self) -> Array:
        """What the weights are told by, shape (K,): the count, or that of groups."""
        return self.count if self.members is None else self.members

    def _added_members(self, other: "SufficientStatistics") -> Array | None:
        if self.members is None and other.members is None:
            return None
        return self.of_weights + other.of_weights

    @property
    def of_background(self) -> float:
        """Weight of the rows of the background."""
        return 0.0 if self.background is None else float(self.background[0])

    @property
    def has_rows_in_all(self) -> bool:
        """Whether no component is empty."""
        return min(self.count.tolist()) > 0.0

    @property
    def count_by_feature(self) -> Array:
        """The count for each component and feature, shape (K, D)."""
        count, n_features = self.count[:, None], self.first.shape[1]
        return count if n_features == 1 else np.repeat(count, n_features, axis=1)

    def mean(self) -> Array:
        """Return the component means, shape (K, D); the pivot where a component is empty."""
        count = self.count[:, None]
        if self.has_rows_in_all:
            return self.pivot + self.first / count
        occupied = count > 0.0
        return self.pivot + np.where(occupied, self.first / np.where(occupied, count, 1.0), 0.0)

    def about(self, pivot: Array) -> "SufficientStatistics":
        """Return the same statistics with the moments taken about another pivot (exact algebra)."""
        if pivot is self.pivot or np.array_equal(pivot, self.pivot):
            return self
        shift = pivot - self.pivot
        moved = self.first - self.count[:, None] * shift
        second = self._second_about(shift)
        return replace(self, first=moved, second=second, pivot=self.pivot + shift)

    def _second_about(self, shift: Array) -> Array:
        """Return the second moments about points (K, D) that lie so far from the pivot."""
        # sum (y - s)(y - s)^T = S - f s^T - s f^T + n s s^T = S - f s^T - s (f - n s)^T
        moved = self.first - self.count[:, None] * shift
        if self.second.ndim == 2:
            return self.second - shared_sum(shift * (self.first + moved), self.second.shape)
        cross = outer_moments(self.first, shift, self.structure)
        return self.second - (cross + outer_moments(shift, moved, self.structure))

    def scatter(self, centre: Array) -> Array:
        """Return the second moments about ``centre`` (K, D), with rounding below zero removed."""
        second = self._second_about(centre - self.pivot)
        if second.shape[1:] != (1, 1) and second.ndim == 3:
            second = 0.5 * (second + second.transpose(0, 2, 1))
            diagonal = np.einsum("kdd->kd", second)
            np.maximum(diagonal, 0.0, out=diagonal)
            return second
        return np.maximum(second, ZERO)

    def permuted(self, order: IntegerArray) -> "SufficientStatistics":
        """Return the same statistics with the components relabelled."""
        shared = self.structure[0] == 1
        return replace(
            self,
            count=self.count[order],
            first=self.first[order],
            second=self.second if shared else self.second[order],
            pivot=self.pivot[order],
            members=None if self.members is None else self.members[order],
        )

    def rescaled(self, scale: Array) -> "SufficientStatistics":
        """Return the moments of ``x * scale``, scale of shape (D,) and one for spherical ones."""
        if self.second.ndim == 3:
            second = self.second * scale[:, None] * scale
        else:
            width = self.second.shape[1]
            second = self.second * scale[:width] * scale[:width]
        return replace(self, first=self.first * scale, second=second, pivot=self.pivot * scale)

    def merged(self, groups: Sequence[int]) -> "SufficientStatistics":
        """Return the statistics with components of the same group (K labels 0..G-1) added."""
        labels = np.asarray(groups)
        n_groups = int(labels.max()) + 1
        members = np.eye(n_groups)[labels]
        pivot = (members.T @ self.pivot) / members.sum(axis=0)[:, None]
        common = self.about(pivot[labels])
        shared = self.structure[0] == 1
        second = common.second if shared else np.tensordot(members.T, common.second, axes=1)
        return SufficientStatistics(
            members.T @ common.count, members.T @ common.first, second, pivot, self.log_normalizer
        )

    def __add__(self, other: "SufficientStatistics") -> "SufficientStatistics":
        there = other.about(self.pivot)
        return SufficientStatistics(
            self.count + there.count,
            self.first + there.first,
            self.second + there.second,
            self.pivot,
            self.log_normalizer + there.log_normalizer,
            _added(self.background, there.background),
            self._added_members(there),
        )

    def __sub__(self, other: "SufficientStatistics") -> "SufficientStatistics":
        return self + other * -1.0

    def __mul__(self, factor: float) -> "SufficientStatistics":
        return SufficientStatistics(
            self.count * factor,
            self.first * factor,
            self.second * factor,
            self.pivot,
            self.log_normalizer * factor,
            None if self.background is None else self.background * factor,
            None if self.members is None else self.members * factor,
        )

    __rmul__ = __mul__
