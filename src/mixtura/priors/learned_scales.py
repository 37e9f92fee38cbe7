"""Scales that are shared by all components and themselves unknown.

Given a scale s, the density of the components' variances (or matrices, or standard deviations) is
``s^power exp(-s pull)`` times what does not depend on s, with the determinant for s and the trace
for the product where s is a matrix. Whatever the family, ``power`` counts the free variances and
``pull`` adds up their inverses: two numbers for each feature, or a number and a matrix. A Gamma or
Wishart distribution of s is conjugate to that.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import multigammaln  # pyright: ignore[reportAttributeAccessIssue]

from mixtura.messages.linalg import covariance_factor, precision_factor
from mixtura.priors.bounds import TieBounds
from mixtura.priors.hyperparameters import (
    check_matrix,
    check_per_feature,
    rescaled_matrix,
    unscaled,
)
from mixtura.priors.scales import Gamma
from mixtura.priors.upper_gamma import draw_upper_gamma, log_upper_gamma, upper_gamma_mean
from mixtura.priors.wishart import Wishart, drawn_wishart
from mixtura.typing import Array, PerFeature, StructureShape


class LearnedScale(ABC):
    """The distribution of an unknown scale, and what spreads say about it."""

    @property
    @abstractmethod
    def nothing(self) -> tuple[Array, Array]:
        """Power and pull of no spread at all."""

    @property
    @abstractmethod
    def is_bounded_below(self) -> bool:
        """Whether every scale of the distribution is above a positive minimum."""

    @property
    @abstractmethod
    def room(self) -> float:
        """How much the distribution adds to what keeps the density bounded; see model.md."""

    @property
    @abstractmethod
    def remedy(self) -> str:
        """What to change where components and the scale may shrink together."""

    @abstractmethod
    def log_evidence(self, power: Array, pull: Array) -> float:
        """Return ``log E[s^power exp(-s pull)]``, in nats."""

    @abstractmethod
    def expected(self, power: Array, pull: Array) -> Array:
        """Return the expected scale given power and pull."""

    @abstractmethod
    def draw(self, power: Array, pull: Array, rng: np.random.Generator) -> Array:
        """Return a scale drawn given power and pull."""

    @abstractmethod
    def log_kernel(self, scale: Array, power: Array, pull: Array) -> float:
        """Return ``power log s - s pull`` at a scale."""

    @abstractmethod
    def pull_of(self, precisions: Array) -> Array:
        """Return the pull of matrices whose inverses (..., D, D) these are, their last two axes."""


@final
@dataclass(frozen=True, eq=False)
class GammaScales(LearnedScale):
    """Scales of L features (or one for all of them) with Gamma distributions.

    Parameters
    ----------
    shape, rate, minimum : array of shape (L,)
        Of the distributions, each of values above its minimum.
    """

    shape: Array
    rate: Array
    minimum: Array

    @classmethod
    def of(cls, prior: Gamma, width: int) -> "GammaScales":
        """Return the scales of L features, all of one distribution where it has one number."""
        parts = (prior.shape, prior.rate, prior.minimum)
        return cls(*(np.array(np.broadcast_to(part, width), dtype=np.float64) for part in parts))

    def _log_total(self, power: Array, pull: Array) -> Array:
        shape, rate = self.shape + power, self.rate + pull
        return log_upper_gamma(shape, rate * self.minimum) - shape * np.log(rate)

    @property
    def is_bounded_below(self) -> bool:
        return bool((self.minimum > 0.0).all())

    @property
    def room(self) -> float:
        return 2.0 * float(self.shape.min())

    @property
    def remedy(self) -> str:
        return "give its Gamma a minimum above zero"

    @property
    def nothing(self) -> tuple[Array, Array]:
        return np.zeros_like(self.shape), np.zeros_like(self.shape)

    @cached_property
    def _log_constant(self) -> Array:
        return self._log_total(*self.nothing)

    def log_evidence(self, power: Array, pull: Array) -> float:
        return float((self._log_total(power, pull) - self._log_constant).sum())

    def log_evidences(self, power: Array, pull: Array) -> Array:
        """Return the log evidence of each feature on its own, of the shape of ``pull``."""
        return self._log_total(power, pull) - self._log_constant

    def expected(self, power: Array, pull: Array) -> Array:
        return upper_gamma_mean(self.shape + power, self.rate + pull, self.minimum)

    def draw(self, power: Array, pull: Array, rng: np.random.Generator) -> Array:
        return draw_upper_gamma(self.shape + power, self.rate + pull, self.minimum, rng)

    def log_kernel(self, scale: Array, power: Array, pull: Array) -> float:
        return float((power * np.log(scale) - scale * pull).sum())

    def pull_of(self, precisions: Array) -> Array:
        return 0.5 * np.einsum("...dd->...d", precisions)


@final
@dataclass(frozen=True, eq=False)
class WishartScale(LearnedScale):
    """A scale matrix with a Wishart distribution.

    Parameters
    ----------
    freedom : float
        Degrees of freedom.
    inverse : array of shape (D, D)
        Inverse of the distribution's scale.
    """

    freedom: float
    inverse: Array

    @classmethod
    def of(cls, prior: Wishart, n_features: int) -> "WishartScale":
        """Return the scale matrix of D features."""
        factor = precision_factor(prior.matrix(n_features))
        return cls(prior.degrees_of_freedom, factor @ factor.T)

    @property
    def is_bounded_below(self) -> bool:
        return False

    @property
    def room(self) -> float:
        return self.freedom

    @property
    def remedy(self) -> str:
        return "give its Wishart more degrees of freedom, or use scale=Gamma(shape, rate, minimum)"

    @property
    def nothing(self) -> tuple[Array, Array]:
        return np.zeros(()), np.zeros_like(self.inverse)

    def _posterior(self, power: Array, pull: Array) -> tuple[float, Array]:
        """Return degrees of freedom, and a factor of the scale: A A^T with A upper-triangular."""
        return float(self.freedom + 2.0 * power), precision_factor(self.inverse + 2.0 * pull)

    @cached_property
    def _log_constant(self) -> float:
        return self._log_total(self.freedom, precision_factor(self.inverse))

    def _log_total(self, freedom: float, factor: Array) -> float:
        log_det = 2.0 * float(np.log(factor.diagonal()).sum())
        return 0.5 * freedom * log_det + float(multigammaln(0.5 * freedom, len(factor)))

    def log_evidence(self, power: Array, pull: Array) -> float:
        total = self._log_total(*self._posterior(power, pull)) - self._log_constant
        # The determinant's power comes without the two of the distribution's constant.
        return total + float(power) * len(self.inverse) * float(np.log(2.0))

    def expected(self, power: Array, pull: Array) -> Array:
        freedom, factor = self._posterior(power, pull)
        return freedom * (factor @ factor.T)

    def draw(self, power: Array, pull: Array, rng: np.random.Generator) -> Array:
        freedom, factor = self._posterior(power, pull)
        return drawn_wishart(freedom, covariance_factor(factor @ factor.T), rng)

    def log_kernel(self, scale: Array, power: Array, pull: Array) -> float:
        log_det = 2.0 * float(np.log(covariance_factor(scale).diagonal()).sum())
        return float(power) * log_det - float((scale * pull).sum())

    def pull_of(self, precisions: Array) -> Array:
        return 0.5 * precisions


def check_scale(scale: PerFeature | Gamma, name: str, n_features: int) -> bool:
    """Return whether a scale differs between features; raise where it is not for D features."""
    if not isinstance(scale, Gamma):
        check_per_feature(scale, name, n_features)
        return np.ndim(scale) > 0
    for part, value in scale.hyperparameters().items():
        check_per_feature(value, f"{name}: Gamma {part}", n_features)
    return any(np.ndim(value) > 0 for value in scale.hyperparameters().values())


def rescaled_scale(scale: PerFeature | Gamma, factor: Array) -> PerFeature | Gamma:
    """Return a scale times a factor of shape (D,)."""
    if isinstance(scale, Gamma):
        return scale.rescaled(factor)
    return unscaled(scale, factor, positive=True)


def matrix_scale(
    scale: Wishart | Gamma, n_features: int, power: float
) -> tuple[LearnedScale, Array]:
    """Return the distribution of a scale matrix, and its power as that distribution has it."""
    if isinstance(scale, Wishart):
        return WishartScale.of(scale, n_features), np.array(power)
    return GammaScales.of(scale, n_features), np.full(n_features, power)


def matrix_tie_bounds(
    learned: LearnedScale, freedom: float, structure: StructureShape, centre: Array
) -> TieBounds | None:
    """Return how many tied rows a prior of matrices about a centre (D,) bears."""
    if learned.is_bounded_below:
        return None
    in_plane = isinstance(learned, WishartScale)
    sizes = (learned.room, freedom, 1.0, structure[-1] + 2.0, structure[0])
    return TieBounds(*sizes, learned.remedy, point=centre, in_plane=in_plane)


def check_matrix_scale(scale: float | Array | Wishart | Gamma, name: str, n_features: int) -> None:
    """Raise InvalidArgumentError unless a scale matrix, or its distribution, fits D features."""
    if isinstance(scale, Wishart):
        scale.check(n_features)
    elif isinstance(scale, Gamma):
        check_scale(scale, name, n_features)
    else:
        check_matrix(scale, name, n_features)


def rescaled_matrix_scale(
    scale: float | Array | Wishart | Gamma, factor: Array
) -> float | Array | Wishart | Gamma:
    """Return a scale matrix, or its distribution, of ``x * factor``, factor of shape (D,)."""
    if isinstance(scale, Wishart):
        return scale.rescaled(factor)
    if isinstance(scale, Gamma):
        return scale.rescaled(factor * factor)
    return rescaled_matrix(scale, factor)
