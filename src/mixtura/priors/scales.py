"""Univariate distributions from which independent priors are put together."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import gammaln, wrightomega

from mixtura.errors import InvalidArgumentError
from mixtura.priors.base import Prior
from mixtura.priors.hyperparameters import hyperparameter, unscaled
from mixtura.priors.upper_gamma import draw_upper_gamma, log_upper_gamma
from mixtura.typing import Array, PerFeature

LOG_TWO_PI = float(np.log(2.0 * np.pi))
MOST_NEWTON_STEPS = 100


@final
@dataclass(frozen=True, eq=False)
class Normal(Prior):
    """Normal distribution of component means.

    Parameters
    ----------
    location : float or array of shape (D,), default=0.0
        Expected mean, in the data's units.
    scale : float or array of shape (D,), default=1.0
        Standard deviation (not the variance), in the data's units.

    Raises
    ------
    InvalidArgumentError
        If a value is not finite, or a scale not above zero.
    """

    location: PerFeature = 0.0
    scale: PerFeature = 1.0

    def __post_init__(self) -> None:
        location = hyperparameter(self.location, "Normal location")
        scale = hyperparameter(self.scale, "Normal scale", positive=True)
        object.__setattr__(self, "location", location)
        object.__setattr__(self, "scale", scale)

    def log_density(self, values: Array) -> Array:
        """Return the log density of each value."""
        with np.errstate(over="ignore"):  # too far away to count: a density of zero
            deviations = (values - self.location) / self.scale
            return -0.5 * (deviations * deviations + LOG_TWO_PI) - self._log_scale

    @cached_property
    def _log_scale(self) -> Array:
        return np.log(self.scale)

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        """Return draws of the given size."""
        return self.location + self.scale * rng.standard_normal(size)

    def rescaled(self, factor: Array) -> "Normal":
        """Return the distribution of ``value * factor``."""
        return Normal(unscaled(self.location, factor), unscaled(self.scale, factor, positive=True))


@final
@dataclass(frozen=True, eq=False)
class Gamma(Prior):
    """Gamma distribution of a positive number: the concentration of a process, a learned scale.

    Density ``rate^shape / Gamma(shape) value^(shape - 1) exp(-rate value)``, mean shape / rate.
    With a ``minimum`` the distribution is that of values above it, and its density is divided by
    their probability.

    Parameters
    ----------
    shape : float or array of shape (D,), default=1.0
        Shape.
    rate : float or array of shape (D,), default=1.0
        Rate, in the inverse units of the value.
    minimum : float or array of shape (D,), default=0.0
        Least value, in the units of the value.

    Raises
    ------
    InvalidArgumentError
        If shape or rate is not a finite number above zero, or a minimum is below zero.
    """

    shape: PerFeature = 1.0
    rate: PerFeature = 1.0
    minimum: PerFeature = 0.0

    def __post_init__(self) -> None:
        for name in ("shape", "rate"):
            value = hyperparameter(getattr(self, name), f"Gamma {name}", positive=True)
            object.__setattr__(self, name, value)
        minimum = hyperparameter(self.minimum, "Gamma minimum")
        if not np.min(minimum) >= 0.0:
            raise InvalidArgumentError(
                f"must be at least 0; got {self.minimum!r}", argument="Gamma minimum"
            )
        object.__setattr__(self, "minimum", minimum)

    @property
    def is_truncated(self) -> bool:
        """Whether a least value is above zero."""
        return bool(np.any(np.asarray(self.minimum) > 0.0))

    def log_density(self, values: Array) -> Array:
        """Return the log density of each value; minus infinity below the minimum."""
        shape, rate = np.asarray(self.shape), np.asarray(self.rate)
        constant = shape * np.log(rate) - gammaln(shape)
        if not self.is_truncated:
            return constant + (shape - 1.0) * np.log(values) - rate * values
        constant = shape * np.log(rate) - log_upper_gamma(shape, rate * self.minimum)
        inside = constant + (shape - 1.0) * np.log(values) - rate * values
        return np.where(values >= self.minimum, inside, -np.inf)

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        """Return draws of the given size."""
        if not self.is_truncated:
            return rng.gamma(np.broadcast_to(self.shape, size)) / self.rate
        shape = np.broadcast_to(self.shape, size)
        return draw_upper_gamma(shape, np.asarray(self.rate), np.asarray(self.minimum), rng)

    def rescaled(self, factor: Array) -> "Gamma":
        """Return the distribution of ``value * factor``."""
        rate = unscaled(self.rate, 1.0 / factor, positive=True)
        return Gamma(self.shape, rate, unscaled(self.minimum, factor))


class PositivePrior(Prior, ABC):
    """A distribution on the positive numbers, of standard deviations or of variances."""

    @property
    def vanishes_at_zero(self) -> bool:
        """Whether the density falls faster than any power as the value goes to zero."""
        return True

    @abstractmethod
    def log_density(self, values: Array) -> Array:
        """Return the log density of each value."""

    @abstractmethod
    def gradient(self, values: Array) -> Array:
        """Return the derivative of the log density at each value."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        """Return draws of the given size."""

    @abstractmethod
    def rescaled(self, factor: Array) -> "PositivePrior":
        """Return the distribution of ``value * factor``."""

    @abstractmethod
    def deviation_mode(self, count: Array, scatter: Array) -> Array:
        """Return the standard deviation s of highest density, the prior being on s.

        The density is ``s^(-count) exp(-scatter / (2 s^2))`` times the prior's.
        """

    @abstractmethod
    def variance_mode(self, count: Array, scatter: Array) -> Array:
        """Return the variance of highest density, the prior being on the variance."""


@final
@dataclass(frozen=True, eq=False)
class InverseGamma(PositivePrior):
    """Inverse gamma distribution of a standard deviation or a variance.

    Density ``scale^shape / Gamma(shape) value^(-shape - 1) exp(-scale / value)``.

    Parameters
    ----------
    shape : float or array of shape (D,), default=1.0
        Shape, alpha in the literature.
    scale : float, array of shape (D,) or Gamma, default=1.0
        Scale, beta in the literature (``rate`` in Pyro), in the units of the value. A Gamma, as
        part of an Independent prior, makes it unknown: one number for each feature, the same for
        all components [RichardsonGreen1997]_.

    Raises
    ------
    InvalidArgumentError
        If a value is not a finite number above zero.
    """

    shape: PerFeature = 1.0
    scale: PerFeature | Gamma = 1.0

    def __post_init__(self) -> None:
        for name in ("shape", "scale"):
            if isinstance(getattr(self, name), Gamma) and name != "shape":
                continue
            value = hyperparameter(getattr(self, name), f"InverseGamma {name}", positive=True)
            object.__setattr__(self, name, value)

    def log_density(self, values: Array) -> Array:
        return self._constant - self._power * np.log(values) - self._scale / values

    @property
    def learns_scale(self) -> bool:
        """Whether the scale is a distribution rather than a number."""
        return isinstance(self.scale, Gamma)

    @property
    def _scale(self) -> PerFeature:
        if isinstance(self.scale, Gamma):
            raise InvalidArgumentError(
                "an InverseGamma whose scale is a Gamma is no distribution of single numbers: it "
                "is for Independent(scale=...) and Independent(variance=...)"
            )
        return self.scale

    @cached_property
    def _constant(self) -> Array:
        return self.shape * np.log(self._scale) - gammaln(self.shape)

    @cached_property
    def _power(self) -> Array:
        return np.asarray(self.shape) + 1.0

    def gradient(self, values: Array) -> Array:
        return (self._scale / values - self._power) / values

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        return self._scale / rng.gamma(np.broadcast_to(self.shape, size))

    def rescaled(self, factor: Array) -> "InverseGamma":
        if isinstance(self.scale, Gamma):
            return InverseGamma(self.shape, self.scale.rescaled(factor))
        return InverseGamma(self.shape, unscaled(self.scale, factor, positive=True))

    def deviation_mode(self, count: Array, scatter: Array) -> Array:
        # The positive root of c s^2 - scale s - scatter = 0; hypot keeps tiny and huge scales.
        power = count + self._power
        root = np.hypot(self._scale, 2.0 * np.sqrt(power) * np.sqrt(scatter))
        return (self._scale + root) / (2.0 * power)

    def variance_mode(self, count: Array, scatter: Array) -> Array:
        return (self._scale + 0.5 * scatter) / (self._power + 0.5 * count)


@final
@dataclass(frozen=True, eq=False)
class LogNormal(PositivePrior):
    """Log-normal distribution of a standard deviation or a variance.

    Parameters
    ----------
    location : float or array of shape (D,), default=0.0
        Mean of the logarithm.
    scale : float or array of shape (D,), default=1.0
        Standard deviation of the logarithm.

    Raises
    ------
    InvalidArgumentError
        If a value is not finite, or a scale not above zero.
    """

    location: PerFeature = 0.0
    scale: PerFeature = 1.0

    def __post_init__(self) -> None:
        location = hyperparameter(self.location, "LogNormal location")
        scale = hyperparameter(self.scale, "LogNormal scale", positive=True)
        object.__setattr__(self, "location", location)
        object.__setattr__(self, "scale", scale)

    def log_density(self, values: Array) -> Array:
        logs = np.log(values)
        deviations = (logs - self.location) / self.scale
        return -0.5 * (deviations * deviations + LOG_TWO_PI) - np.log(self.scale) - logs

    def gradient(self, values: Array) -> Array:
        deviations = (np.log(values) - self.location) / self.scale
        return -(1.0 + deviations / self.scale) / values

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        return np.exp(self.location + self.scale * rng.standard_normal(size))

    def rescaled(self, factor: Array) -> "LogNormal":
        if np.ptp(factor) == 0 and np.ndim(self.location) == 0:
            return LogNormal(float(self.location + np.log(factor[0])), self.scale)
        return LogNormal(self.location + np.log(factor), self.scale)

    def deviation_mode(self, count: Array, scatter: Array) -> Array:
        # With t = log s: -(count + 1) t - (t - m)^2 / (2 v) - scatter exp(-2 t) / 2 is concave.
        log_deviation = _concave_root(
            count + 1.0, scatter, np.asarray(self.location), np.asarray(self.scale) ** 2
        )
        return np.exp(log_deviation)

    def variance_mode(self, count: Array, scatter: Array) -> Array:
        # With t = log variance / 2 the prior has location m / 2 and scale / 2; the two Jacobians
        # make the power count + 2.
        log_deviation = _concave_root(
            count + 2.0,
            scatter,
            0.5 * np.asarray(self.location),
            0.25 * np.asarray(self.scale) ** 2,
        )
        return np.exp(2.0 * log_deviation)


@final
@dataclass(frozen=True, eq=False)
class HalfNormal(PositivePrior):
    """Half-normal distribution of a standard deviation or a variance.

    Density ``sqrt(2 / pi) / scale * exp(-value^2 / (2 scale^2))`` above zero. It does not keep
    away from zero: a component of one row may shrink onto it without end, so that there is no
    mode for inference="map".

    Parameters
    ----------
    scale : float or array of shape (D,), default=1.0
        Scale, in the units of the value.

    Raises
    ------
    InvalidArgumentError
        If a scale is not a finite number above zero.
    """

    scale: PerFeature = 1.0

    def __post_init__(self) -> None:
        scale = hyperparameter(self.scale, "HalfNormal scale", positive=True)
        object.__setattr__(self, "scale", scale)

    @property
    def vanishes_at_zero(self) -> bool:
        return False

    def log_density(self, values: Array) -> Array:
        with np.errstate(over="ignore"):  # too far away to count: a density of zero
            ratio = values / np.asarray(self.scale)
            return 0.5 * (np.log(2.0 / np.pi) - ratio * ratio) - np.log(self.scale)

    def gradient(self, values: Array) -> Array:
        return -values / np.asarray(self.scale) / np.asarray(self.scale)

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        return self.scale * np.abs(rng.standard_normal(size))

    def rescaled(self, factor: Array) -> "HalfNormal":
        return HalfNormal(unscaled(self.scale, factor, positive=True))

    def deviation_mode(self, count: Array, scatter: Array) -> Array:
        # With s in units of the scale s^4 + count s^2 - scatter = 0, its positive root.
        root = np.hypot(count, 2.0 * np.sqrt(scatter) / self.scale)
        total = root + np.abs(count)
        with np.errstate(divide="ignore", invalid="ignore"):
            small = np.where(scatter > 0.0, np.sqrt(2.0 * scatter / total), 0.0)
        return np.where(count < 0.0, self.scale * np.sqrt(0.5 * total), small)

    def variance_mode(self, count: Array, scatter: Array) -> Array:
        # In units of the scale v^3 + p v - q = 0, whose one positive root Newton's steps find from
        # above: the cubic is convex there.
        p, q = 0.5 * count, 0.5 * scatter / self.scale
        with np.errstate(divide="ignore", invalid="ignore"):
            above = np.where(p > 0.0, np.minimum(q / p, np.cbrt(q)), 0.0)
        root = np.where(p > 0.0, above, np.cbrt(q) + np.sqrt(np.maximum(-p, 0.0)))
        for _ in range(MOST_NEWTON_STEPS):
            slope = np.where(root > 0.0, 3.0 * root * root + p, 1.0)
            step = np.where(root > 0.0, (root * (root * root + p) - q) / slope, 0.0)
            root = root - step
            if (np.abs(step) <= 4.0 * np.finfo(float).eps * root).all():
                break
        return self.scale * root


def _concave_root(power: Array, scatter: Array, location: Array, variance: Array) -> Array:
    """Return t with ``scatter exp(-2 t) = power + (t - location) / variance``.

    With y the common value this is ``2 v y + log(2 v y) = u``, solved by the Wright omega function.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        argument = np.log(2.0 * variance * scatter) - 2.0 * location + 2.0 * variance * power
        value = np.real(wrightomega(argument)) / (2.0 * variance)
        from_scatter = 0.5 * (np.log(scatter) - np.log(value))
    at_zero = location - variance * power
    # For a small value the second form keeps the digits, for a large one the first.
    direct = at_zero + variance * value
    return np.where(value > 0.5 * power, from_scatter, direct)
