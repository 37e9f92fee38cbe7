"""Averages over an uncertain concentration, by the trapezoid rule in its logarithm."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from scipy.special import betaln, gammaln, logsumexp

from mixtura.priors.scales import Gamma
from mixtura.typing import Array

DEPTH = 45.0
"""Nats below the top at which a density ends: less than 1e-19 of it."""

SMALLEST_LOG = -690.0
"""Concentrations below 1e-299 are not told from it."""

SCAN = 65
WIDEST_STEP = 0.25
FEWEST_STEPS = 64
"""The densities of a log concentration are analytic and fall off exponentially, so that with these
steps the rule is exact to rounding."""


@final
@dataclass(frozen=True, eq=False)
class ConcentrationGrid:
    """A distribution of the concentration as a sum over points.

    Parameters
    ----------
    values : array of shape (J,)
        Concentrations.
    shares : array of shape (J,)
        Their probabilities, of sum one.
    log_total : float
        Logarithm of what the unnormalised density integrates to, in nats.
    """

    values: Array
    shares: Array
    log_total: float


def concentration_grid(
    prior: float | Gamma, log_factor: Callable[[Array], Array], n_sticks: int
) -> ConcentrationGrid:
    """Return the distribution that is proportional to a prior times a factor.

    Parameters
    ----------
    prior : float or Gamma
        A known concentration, or the prior of an unknown one.
    log_factor : callable
        Log factor in nats of concentrations (J,), with a single top.
    n_sticks : int
        Sticks that the factor is about; the top lies below (shape + sticks) / rate.
    """
    if not isinstance(prior, Gamma):
        value = np.array([float(prior)])
        return ConcentrationGrid(value, np.ones(1), float(log_factor(value)[0]))
    shape, rate = (float(np.asarray(value)) for value in (prior.shape, prior.rate))
    constant = shape * np.log(rate) - gammaln(shape)

    def log_density(t: Array) -> Array:
        values = np.exp(t)
        return constant + shape * t - rate * values + log_factor(values)

    low = SMALLEST_LOG
    high = max(float(np.log(2.0 * (shape + n_sticks) + 200.0) - np.log(rate)), low + 1.0)
    top = _top(log_density, low, high)
    level = float(np.asarray(log_density(np.array([top])))[0]) - DEPTH
    left = top - _reach(lambda steps: log_density(top - steps), level, top - low)
    right = top + _reach(lambda steps: log_density(top + steps), level, high - top)
    n_steps = max(FEWEST_STEPS, int(np.ceil((right - left) / WIDEST_STEP)))
    logs = np.linspace(left, right, n_steps + 1)
    log_shares = log_density(logs) + np.log(logs[1] - logs[0])
    log_total = float(np.asarray(logsumexp(log_shares)))
    return ConcentrationGrid(np.exp(logs), np.exp(log_shares - log_total), log_total)


def given_last_weight(
    prior: float | Gamma, discount: float, n_sticks: int, log_last: float
) -> tuple[float, float]:
    """Return how the density of weights depends on the last one, and the mean concentration.

    Parameters
    ----------
    prior : float or Gamma
        A known concentration, or the prior of an unknown one.
    discount : float
        Discount of the process.
    n_sticks : int
        Number of sticks, K - 1.
    log_last : float
        Logarithm of the last weight.

    Returns
    -------
    log_density : float
        ``log E[prod_k 1 / B(1 - d, a + k d) weight[K]^(a + (K - 1) d - 1)]`` over concentrations a.
    mean : float
        Expected concentration given the weights.
    """
    power = n_sticks * discount - 1.0
    if isinstance(prior, Gamma) and discount == 0.0:  # conjugate: B(1, a) is 1 / a
        shape, rate = (float(np.asarray(value)) for value in (prior.shape, prior.rate))
        more, faster = shape + n_sticks, rate - log_last
        ratio = gammaln(more) - gammaln(shape) + shape * np.log(rate) - more * np.log(faster)
        return float(ratio - log_last), more / faster
    values, log_factors = concentration_terms(prior, discount, n_sticks)
    exponents = log_factors + values * log_last
    top = exponents.max()
    shares = np.exp(exponents - top)
    total = float(shares.sum())
    return float(top + np.log(total) + power * log_last), float(shares @ values) / total


def concentration_terms(
    prior: float | Gamma, discount: float, n_sticks: int
) -> tuple[Array, Array]:
    """Return the density of the weights as a sum over concentrations, as far as they enter it.

    Parameters
    ----------
    prior : float or Gamma
        A known concentration, or the prior of an unknown one.
    discount : float
        Discount d of the process.
    n_sticks : int
        Number of sticks, K - 1.

    Returns
    -------
    values, log_factors : arrays of shape (J,)
        Concentrations a and log factors c, of which ``sum_j exp(c[j] + a[j] log weight[K])`` is
        ``E[prod_k 1 / B(1 - d, a + k d) weight[K]^a]``.
    """
    if not isinstance(prior, Gamma):
        value = np.array([float(prior)])
        return value, _log_constants(value, discount, n_sticks)
    shape, rate = (float(np.asarray(value)) for value in (prior.shape, prior.rate))
    return _table(shape, rate, discount, n_sticks)


def _log_constants(values: Array, discount: float, n_sticks: int) -> Array:
    second = values[:, None] + np.arange(1, n_sticks + 1) * discount
    return -np.asarray(betaln(1.0 - discount, second).sum(axis=1))


@lru_cache(maxsize=16)
def _table(shape: float, rate: float, discount: float, n_sticks: int) -> tuple[Array, Array]:
    """Return concentrations, and their log shares times the constants of the sticks' densities."""
    step = min(WIDEST_STEP, 0.4 / np.sqrt(shape + n_sticks))
    high = float(np.log(2.0 * (shape + n_sticks) + 200.0) - np.log(rate))
    low = max(high - 10.0 - 2.0 * DEPTH / shape, SMALLEST_LOG)
    logs = np.arange(low, max(high, low + 1.0), step)
    values = np.exp(logs)
    constant = shape * np.log(rate) - gammaln(shape) + np.log(step)
    log_shares = constant + shape * logs - rate * values
    return values, log_shares + _log_constants(values, discount, n_sticks)


def _top(log_density: Callable[[Array], Array], low: float, high: float) -> float:
    """Return where a density with one top is highest, to a thousandth of the range and better."""
    top = low
    for _ in range(4):
        grid = np.linspace(low, high, SCAN)
        best = int(np.argmax(log_density(grid)))
        top = float(grid[best])
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, SCAN - 1)]
    return top


def _reach(along: Callable[[Array], Array], level: float, limit: float) -> float:
    """Return how far from its top a density is above a level."""
    if limit <= 0.0:
        return 0.0
    steps = limit * np.geomspace(1e-6, 1.0, 2 * SCAN)
    below = np.flatnonzero(along(steps) < level)
    return float(steps[below[0]]) if below.size else limit
