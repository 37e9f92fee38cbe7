"""Judgements about chains of draws: do they agree, and how many draws are they worth?"""

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from mixtura.typing import Array

FEWEST_DRAWS = 4
"""Of a chain: each half then has a variance."""


def r_hat(draws: Array) -> float:
    """Return the rank-normalised split R-hat of draws of one number [Vehtari2021]_.

    One where chains, and their halves, agree in location and spread.

    Parameters
    ----------
    draws : array of shape (C, S)
        S draws of each of C chains.

    Returns
    -------
    float
        NaN where there are fewer than four draws, one where all draws are equal.
    """
    if draws.shape[1] < FEWEST_DRAWS:
        return np.nan
    if np.ptp(draws) == 0:
        return 1.0
    halves = _halves(draws)
    folded = np.abs(halves - np.median(halves))
    return max(_scale_reduction(_normal_scores(values)) for values in (halves, folded))


def ess_mean(draws: Array) -> float:
    """Return how many independent draws the mean of draws (C, S) of one number is worth.

    By Geyer's initial monotone sequence over the halves of all chains [Vehtari2021]_.
    """
    if draws.shape[1] < FEWEST_DRAWS or np.ptp(draws) == 0:
        return float(draws.size)
    halves = _halves(draws)
    n_draws = halves.shape[1]
    covariances = _autocovariances(halves)
    within = covariances[:, 0].mean() * n_draws / (n_draws - 1.0)
    total = within * (n_draws - 1.0) / n_draws + halves.mean(axis=1).var(ddof=1)
    correlations = 1.0 - (within - covariances.mean(axis=0)) / total
    correlations[0] = 1.0
    pairs = correlations[: n_draws // 2 * 2].reshape(-1, 2).sum(axis=1)
    positive = np.append(pairs > 0.0, False)
    pairs = np.minimum.accumulate(pairs[: int(np.argmin(positive))])
    time = max(-1.0 + 2.0 * pairs.sum(), 1.0 / np.log10(max(halves.size, 10)))
    return float(halves.size / time)


def _halves(draws: Array) -> Array:
    """Return the halves of each chain as chains; a middle draw is left out."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _normal_scores(draws: Array) -> Array:
    ranks = rankdata(draws).reshape(draws.shape)
    return ndtri((ranks - 0.375) / (draws.size + 0.25))


def _scale_reduction(draws: Array) -> float:
    n_draws = draws.shape[1]
    within = draws.var(axis=1, ddof=1).mean()
    between = draws.mean(axis=1).var(ddof=1)
    if within == 0.0:
        return np.inf if between > 0.0 else 1.0
    return float(np.sqrt((n_draws - 1.0) / n_draws + between / within))


def _autocovariances(draws: Array) -> Array:
    """Return the autocovariances of each chain at lags 0 to S - 1, divided by S."""
    n_draws = draws.shape[1]
    centred = draws - draws.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n_draws, axis=1)
    power = np.abs(spectrum) ** 2
    return np.fft.irfft(power, 2 * n_draws, axis=1)[:, :n_draws] / n_draws
