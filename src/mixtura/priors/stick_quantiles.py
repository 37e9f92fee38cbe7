"""Quantiles of products of independent beta variables, by inverting their Mellin transforms."""

from typing import Any, final

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, digamma, loggamma, polygamma

from mixtura.typing import Array

BEND = 0.05
STEP = 0.05
FARTHEST = 9.5
"""The contour, in standard deviations of the logarithm: how strongly it bends to the left, and the
trapezoid rule's step and end in the inverse hyperbolic sine of its height."""

NEGLIGIBLE = 1e-9
"""Probability of a product that is left out."""

BEYOND = 8.0
"""Standard deviations below its mean where minus the log of a product never is."""


@final
class BetaProduct:
    """A mixture of products of independent Beta(first, second) variables.

    Parameters
    ----------
    first, second : arrays of shape (J, m)
        Of the m factors of each of J products.
    shares : array of shape (J,)
        Probabilities of the products.

    Notes
    -----
    ``T = -log(product)`` has the transform ``E[exp(-s T)] = prod E[factor^s]``, a quotient of gamma
    functions whose poles are all on the negative axis. ``P(T <= t)`` is the integral of
    ``exp(s t) E[exp(-s T)] / s`` over any contour around them and zero, over ``2 pi i``: here over
    ``s(y) = c + i y - bend y^2``, along which the integrand vanishes fast, with ``y = sinh(u)``
    because factors with small shapes have features at many scales.
    """

    def __init__(self, first: Array, second: Array, shares: Array) -> None:
        kept = shares > NEGLIGIBLE
        self.first, self.second = first[kept], second[kept]
        self.shares = shares[kept] / shares[kept].sum()
        total = self.first + self.second
        self.means = (digamma(total) - digamma(self.first)).sum(axis=1)
        variances = (polygamma(1, self.first) - polygamma(1, total)).sum(axis=1)
        self.deviations = np.sqrt(variances)
        if self.first.shape[1] > 1:
            self._prepare()

    def _prepare(self) -> None:
        u = np.arange(0.0, FARTHEST, STEP)
        unit = 1.0 / self.deviations[:, None]
        height = unit * np.sinh(u)
        bend = BEND * self.deviations[:, None]
        self.points = unit + 1j * height - bend * height**2
        slope = (1j - 2.0 * bend * height) * unit * np.cosh(u) * STEP
        slope[:, 0] *= 0.5
        log_transform = np.zeros_like(self.points)
        for i in range(self.first.shape[1]):
            a, b = self.first[:, i, None], self.second[:, i, None]
            log_transform += loggamma(a + self.points) - loggamma(a + b + self.points)
            log_transform += loggamma(a + b) - loggamma(a)
        self.logs = log_transform + np.log(slope / self.points)

    def below(self, values: Array) -> Array:
        """Return the probability that minus the log is at most each value (n,), shape (n,)."""
        if self.first.shape[1] == 1:
            tail = betainc(self.second[:, 0], self.first[:, 0], -np.expm1(-values)[:, None])
            return tail @ self.shares
        total = np.zeros(values.size)
        for share, mean, deviation, points, logs in zip(
            self.shares, self.means, self.deviations, self.points, self.logs, strict=True
        ):
            inside = values > mean - BEYOND * deviation
            exponents = np.multiply.outer(values[inside], points) + logs
            chance = np.exp(exponents).imag.sum(axis=1) / np.pi
            total[inside] += share * np.clip(chance, 0.0, 1.0)
        return total

    def quantiles(self, probabilities: Array) -> Array:
        """Return the points below which the product lies with probabilities (P,), shape (P,)."""
        levels = 1.0 - np.ravel(probabilities)
        mean = float(self.shares @ self.means)
        spread = self.shares @ (self.deviations**2 + (self.means - mean) ** 2)
        # Chebyshev's inequality bounds every quantile.
        reach = np.sqrt(spread / np.maximum(np.minimum(levels, 1.0 - levels), 1e-12))
        return np.exp([-self._reached(p, mean, r) for p, r in zip(levels, reach, strict=True)])

    def _reached(self, level: float, mean: float, reach: float) -> float:
        """Return the value that minus the log is at most with a probability."""
        low, high = max(mean - reach, 0.0), mean + reach

        def excess(value: float) -> float:
            return float(self.below(np.array([value]))[0]) - level

        if excess(low) >= 0.0 or excess(high) <= 0.0:
            return low if excess(low) >= 0.0 else high
        root: Any = brentq(excess, low, high, xtol=1e-14 * high, rtol=np.float64(1e-13))
        return float(root)
