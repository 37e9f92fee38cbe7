"""The gamma distribution above a least value: its integral, mean and draws, however far out."""

import numpy as np
from scipy.special import gammaincc, gammainccinv, gammaln

from mixtura.typing import Array

RARE = 1e-280
"""Probability of the tail below which it is not told from zero: a continued fraction is."""

MOST_TERMS = 10_000
MOST_ROUNDS = 10_000


def log_upper_gamma(shape: Array, least: Array) -> Array:
    """Return the log of the integral of ``x^(shape - 1) exp(-x)`` over x above ``least``."""
    share = np.asarray(gammaincc(shape, least))
    rare = share < RARE
    logs = gammaln(shape) + np.log(np.where(rare, 1.0, share))
    if not rare.any():
        return logs
    far = np.where(rare, least, shape + 2.0)  # elsewhere anything at which it converges
    return np.where(rare, shape * np.log(far) - far - np.log(_reciprocal(shape, far)), logs)


def _reciprocal(shape: Array, least: Array) -> Array:
    """Return ``least^shape exp(-least)`` over the integral, by its continued fraction.

    It is ``x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...))``, evaluated from
    the front.
    """
    value = least + 1.0 - shape
    front, back = value, np.zeros_like(value)
    for term in range(1, MOST_TERMS):
        numerator = -term * (term - shape)
        denominator = least + 1.0 - shape + 2.0 * term
        back = 1.0 / (denominator + numerator * back)
        front = denominator + numerator / front
        change = front * back
        value = value * change
        if (np.abs(change - 1.0) < 4.0 * np.finfo(float).eps).all():
            break
    return value


def upper_gamma_mean(shape: Array, rate: Array, minimum: Array) -> Array:
    """Return the mean of Gamma(shape, rate) given that it is above a minimum."""
    least = np.asarray(rate * minimum)
    if not least.any():
        return shape / rate
    safe = np.where(least > 0.0, least, 1.0)
    edge = np.exp(shape * np.log(safe) - safe - log_upper_gamma(shape, safe))
    mean = (shape + np.where(least > 0.0, edge, 0.0)) / rate
    return np.maximum(mean, minimum)


def draw_upper_gamma(shape: Array, rate: Array, minimum: Array, rng: np.random.Generator) -> Array:
    """Return draws of Gamma(shape, rate) given that they are above a minimum."""
    shape, rate, minimum = np.broadcast_arrays(shape, rate, minimum)
    if not minimum.any():
        return rng.gamma(shape) / rate
    least = rate * minimum
    share = np.asarray(gammaincc(shape, least))
    level = share * (1.0 - rng.random(shape.shape))
    drawn = np.array(gammainccinv(shape, np.maximum(level, 1e-300)))
    for index in np.argwhere(share < RARE):
        where = tuple(index)
        drawn[where] = _far(float(shape[where]), float(least[where]), rng)
    return np.maximum(drawn / rate, minimum)


def _far(shape: float, least: float, rng: np.random.Generator) -> float:
    """Return a draw far in the tail: by rejection from an exponential distribution."""
    # The log density falls by 1 - (shape - 1) / x: by less than one above shape 1.
    rate = min(1.0, 1.0 - (shape - 1.0) / least)
    for _ in range(MOST_ROUNDS):
        excess = rng.standard_exponential() / rate
        gain = (shape - 1.0) * np.log1p(excess / least) - (1.0 - rate) * excess
        if -rng.standard_exponential() <= gain:
            return least + excess
    raise ArithmeticError("no draw from the tail of a gamma distribution")
