"""How far draws from several chains can be believed [Vehtari2021]_.

Draws are arrays of shape (C, S, ...): C chains of S draws of any number of quantities. What comes
back has one number for each quantity. A quantity that does not vary, or is not finite somewhere,
has none: NaN.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.fft import next_fast_len
from scipy.special import ndtri
from scipy.stats import rankdata

from mixtura.errors import InvalidArgumentError
from mixtura.typing import Array

FEWEST_DRAWS = 4
"""Of a chain, so that each half has a variance."""

AGREED = 1.01
"""R-hat up to which chains count as agreed [Vehtari2021]_."""

OVER_CHANCE = 1.3
"""How far the ratio of variances of chains that agree should lie below the limit, so that chance
seldom lifts it above."""

TAILS = (0.05, 0.95)
"""Probabilities of the quantiles that stand for the tails."""


@final
@dataclass(frozen=True, eq=False)
class Convergence:
    """Diagnostics of draws, each with one number for each quantity.

    Parameters
    ----------
    r_hat : array
        Rank-normalised split R-hat: 1 when the chains agree; above 1.01 they do not yet.
    ess_bulk, ess_tail : array
        Number of independent draws that would place the bulk, and the 5 % and 95 % quantiles, as
        well.
    mean_error : array
        Monte Carlo standard error of the mean, in the quantity's units.
    """

    r_hat: Array
    ess_bulk: Array
    ess_tail: Array
    mean_error: Array


def convergence(draws: Array) -> Convergence:
    """Return all diagnostics of draws (C, S, ...)."""
    return Convergence(r_hat(draws), ess_bulk(draws), ess_tail(draws), mean_error(draws))


def r_hat(draws: Array) -> Array:
    """Return the larger split R-hat of rank-normalised draws and of their distances to the median.

    The first notices chains of different location, the second chains of different spread.
    """
    parts = halves(draws)
    folded = np.abs(parts - np.median(parts, axis=(0, 1)))
    return np.maximum(*(_ratio_of_deviations(_normalised(part)) for part in (parts, folded)))


def ess_bulk(draws: Array) -> Array:
    """Return the effective sample size of rank-normalised draws."""
    return _effective_size(_normalised(halves(draws)))


def suffice(draws: Array, effective: float) -> bool:
    """Whether draws (C, S) of one quantity agree and have so many effective ones, if they vary."""
    if draws.shape[1] < FEWEST_DRAWS:
        return False
    if np.ptp(draws) == 0:
        return True
    return bool(r_hat(draws) <= AGREED and ess_bulk(draws) >= effective)


def draws_wanted(draws: Array, effective: float) -> float:
    """Return about how many draws of each chain would suffice, from those of one quantity (C, S).

    Effective draws grow with draws, and R-hat falls: that of chains which will agree is about the
    root of 1 + 2 C / effective. NaN where it cannot be told.
    """
    n_chains, n_draws = draws.shape
    if n_draws < FEWEST_DRAWS or np.ptp(draws) == 0:
        return np.nan
    enough = effective
    if not r_hat(draws) <= AGREED:
        enough = max(enough, OVER_CHANCE * 2.0 * n_chains / (AGREED**2 - 1.0))
    return float(n_draws * enough / ess_bulk(draws))


def ess_tail(draws: Array) -> Array:
    """Return the smaller effective sample size of the 5 % and 95 % quantiles.

    A quantile that is the largest value, as in counts, leaves it to the other one.
    """
    return np.fmin(*(ess_quantile(draws, probability) for probability in TAILS))


def ess_mean(draws: Array) -> Array:
    """Return the effective sample size of the mean."""
    return _effective_size(halves(draws))


def ess_quantile(draws: Array, probability: float) -> Array:
    """Return the effective sample size of the share of draws below a quantile."""
    parts = halves(draws)
    with np.errstate(invalid="ignore"):  # of infinite draws
        below = parts <= np.quantile(draws, probability, axis=(0, 1))
    return np.where(_is_usable(parts), _effective_size(below.astype(np.float64)), np.nan)


def mean_error(draws: Array) -> Array:
    """Return the Monte Carlo standard error of the mean."""
    size = ess_mean(draws)
    deviation = np.where(np.isnan(size), 1.0, _finite(draws).std(axis=(0, 1), ddof=1))
    return deviation / np.sqrt(size)


def halves(draws: Array) -> Array:
    """Return the first and the second halves of the chains as 2 C chains."""
    if draws.ndim < 2 or draws.shape[1] < FEWEST_DRAWS:
        raise InvalidArgumentError(
            f"must have shape (C, S, ...) with S of {FEWEST_DRAWS} or more; "
            f"got shape {draws.shape}",
            argument="draws",
        )
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _finite(draws: Array) -> Array:
    """Return draws with zeros in place of what is not finite."""
    return np.where(np.isfinite(draws), draws, 0.0)


def _is_usable(chains: Array) -> Array:
    """Return which quantities are finite and vary."""
    finite = np.isfinite(chains).all(axis=(0, 1))
    return finite & (chains != chains[0, 0]).any(axis=(0, 1))


def _normalised(chains: Array) -> Array:
    """Return the normal scores of the ranks among all chains (Blom's offset of 3/8)."""
    flat = chains.reshape(chains.shape[0] * chains.shape[1], *chains.shape[2:])
    ranks = rankdata(_finite(flat), axis=0)
    scores = ndtri((ranks - 0.375) / (len(flat) + 0.25)).reshape(chains.shape)
    return np.where(np.isfinite(chains).all(axis=(0, 1)), scores, np.nan)


def _ratio_of_deviations(chains: Array) -> Array:
    """Return the root of pooled over average variance of the chains."""
    n_draws = chains.shape[1]
    within = chains.var(axis=1, ddof=1).mean(axis=0)
    between = chains.mean(axis=1).var(axis=0, ddof=1)
    usable = _is_usable(chains)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt((n_draws - 1.0) / n_draws + between / within)
    return np.where(usable, ratio, np.nan)


def _autocovariances(chains: Array) -> Array:
    """Return the autocovariances of each lag, averaged over chains, shape (S, ...)."""
    n_draws = chains.shape[1]
    length = next_fast_len(2 * n_draws, real=True)
    spectrum = np.fft.rfft(chains - chains.mean(axis=1, keepdims=True), length, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=0)
    return np.fft.irfft(power, length, axis=0)[:n_draws] / n_draws


def _effective_size(chains: Array) -> Array:
    """Return how many independent draws have a mean of the same variance.

    Autocorrelations are summed by pairs, while pairs are positive [Geyer1992]_, and no pair counts
    for more than the one before it.
    """
    n_chains, n_draws = chains.shape[:2]
    usable = _is_usable(chains)
    safe = np.where(usable, chains, np.arange(n_draws).reshape(-1, *(1,) * (chains.ndim - 2)))
    covariance = _autocovariances(safe)
    within = covariance[0] * n_draws / (n_draws - 1.0)
    pooled = covariance[0] + safe.mean(axis=1).var(axis=0, ddof=1)
    correlation = 1.0 - (within - covariance) / pooled
    correlation[0] = 1.0
    n_pairs = max(1, (n_draws - 3) // 2 + 1)
    even, odd = correlation[0 : 2 * n_pairs : 2], correlation[1 : 2 * n_pairs : 2]
    pairs = even[: len(odd)] + odd
    counted = np.logical_and.accumulate(pairs > 0.0, axis=0)
    counted[-1] = False
    total = np.where(counted, np.minimum.accumulate(pairs, axis=0), 0.0).sum(axis=0)
    # The even half of the first pair left out, if positive, makes the sum less variable.
    first_out = np.argmin(counted, axis=0)
    rest = np.maximum(np.take_along_axis(even, first_out[None], axis=0)[0], 0.0)
    size = float(n_chains * n_draws)
    time = np.maximum(-1.0 + 2.0 * total + rest, 1.0 / np.log10(size))
    return np.where(usable, size / time, np.nan)


def reduction_words(value: float) -> str:
    """Return R-hat with three decimals, and more where they show that it is above the limit."""
    digits = 3
    while value > AGREED and digits < 15 and float(f"{value:.{digits}f}") <= AGREED:
        digits += 1
    return f"{value:.{digits}f}"
