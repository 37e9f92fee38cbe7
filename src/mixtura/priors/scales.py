"""Univariate distributions from which independent priors are put together."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.special import gammaln, wrightomega

from mixtura.priors.base import Prior
from mixtura.priors.hyperparameters import hyperparameter, unscaled
from mixtura.typing import Array, PerFeature

LOG_TWO_PI = float(np.log(2.0 * np.pi))


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
    """Gamma distribution of a positive number, such as the concentration of a process.

    Density ``rate^shape / Gamma(shape) value^(shape - 1) exp(-rate value)``, mean shape / rate.

    Parameters
    ----------
    shape : float or array of shape (D,), default=1.0
        Shape.
    rate : float or array of shape (D,), default=1.0
        Rate, in the inverse units of the value.

    Raises
    ------
    InvalidArgumentError
        If a value is not a finite number above zero.
    """

    shape: PerFeature = 1.0
    rate: PerFeature = 1.0

    def __post_init__(self) -> None:
        for name in ("shape", "rate"):
            value = hyperparameter(getattr(self, name), f"Gamma {name}", positive=True)
            object.__setattr__(self, name, value)

    def log_density(self, values: Array) -> Array:
        """Return the log density of each value."""
        constant = self.shape * np.log(self.rate) - gammaln(self.shape)
        return constant + (np.asarray(self.shape) - 1.0) * np.log(values) - self.rate * values

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        """Return draws of the given size."""
        return rng.gamma(np.broadcast_to(self.shape, size)) / self.rate

    def rescaled(self, factor: Array) -> "Gamma":
        """Return the distribution of ``value * factor``."""
        return Gamma(self.shape, unscaled(self.rate, 1.0 / factor, positive=True))


class PositivePrior(Prior, ABC):
    """A distribution on the positive numbers, of standard deviations or of variances."""

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
    scale : float or array of shape (D,), default=1.0
        Scale, beta in the literature (``rate`` in Pyro), in the units of the value.

    Raises
    ------
    InvalidArgumentError
        If a value is not a finite number above zero.
    """

    shape: PerFeature = 1.0
    scale: PerFeature = 1.0

    def __post_init__(self) -> None:
        for name in ("shape", "scale"):
            value = hyperparameter(getattr(self, name), f"InverseGamma {name}", positive=True)
            object.__setattr__(self, name, value)

    def log_density(self, values: Array) -> Array:
        return self._constant - self._power * np.log(values) - self.scale / values

    @cached_property
    def _constant(self) -> Array:
        return self.shape * np.log(self.scale) - gammaln(self.shape)

    @cached_property
    def _power(self) -> Array:
        return np.asarray(self.shape) + 1.0

    def gradient(self, values: Array) -> Array:
        return (self.scale / values - self._power) / values

    def draw(self, rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        return self.scale / rng.gamma(np.broadcast_to(self.shape, size))

    def rescaled(self, factor: Array) -> "InverseGamma":
        return InverseGamma(self.shape, unscaled(self.scale, factor, positive=True))

    def deviation_mode(self, count: Array, scatter: Array) -> Array:
        # The positive root of c s^2 - scale s - scatter = 0; hypot keeps tiny and huge scales.
        power = count + self._power
        root = np.hypot(self.scale, 2.0 * np.sqrt(power) * np.sqrt(scatter))
        return (self.scale + root) / (2.0 * power)

    def variance_mode(self, count: Array, scatter: Array) -> Array:
        return (self.scale + 0.5 * scatter) / (self._power + 0.5 * count)


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
