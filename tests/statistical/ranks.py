"""Ranks of true values among draws, and bands about the distribution function of uniform ones."""

from functools import lru_cache

import numpy as np
from scipy.stats import binom

N_SETS = 20_000
"""Sets of uniform ranks from which the bands are had."""


def covered(ranks: np.ndarray, n_draws: int) -> np.ndarray:
    """Return how many of N ranks from 0 to L are at most 0, 1, ..., L - 1, shape (L,)."""
    return np.bincount(ranks, minlength=n_draws + 1)[:-1].cumsum()


def _pointwise(counts: np.ndarray, n_ranks: int, n_draws: int) -> np.ndarray:
    """Return the two-sided tail probability of each count (..., L) under uniform ranks."""
    chances = np.arange(1, n_draws + 1) / (n_draws + 1)
    possible = np.arange(n_ranks + 1)[:, None]
    below = binom.cdf(possible, n_ranks, chances)
    above = binom.sf(possible - 1, n_ranks, chances)
    table = np.minimum(1.0, 2.0 * np.minimum(below, above))
    return table[counts, np.arange(n_draws)]


@lru_cache
def _least_of_uniform(n_ranks: int, n_draws: int) -> np.ndarray:
    """Return the least tail probabilities of sets of uniform ranks, sorted."""
    rng = np.random.default_rng(0)
    chances = np.full(n_draws + 1, 1.0 / (n_draws + 1))
    counts = rng.multinomial(n_ranks, chances, N_SETS)[:, :-1].cumsum(axis=1)
    return np.sort(_pointwise(counts, n_ranks, n_draws).min(axis=1))


def p_value(ranks: np.ndarray, n_draws: int) -> float:
    """Return how probable so far a departure is at the worst place, if ranks are uniform.

    The places are taken together, as in [SailynojaBurknerVehtari2022]_.
    """
    least = _pointwise(covered(ranks, n_draws), ranks.size, n_draws).min()
    known = _least_of_uniform(ranks.size, n_draws)
    return float(np.searchsorted(known, least, side="right") + 1) / (N_SETS + 1)


def band(n_ranks: int, n_draws: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return ends of the band that holds all L counts of uniform ranks with a probability."""
    least = np.quantile(_least_of_uniform(n_ranks, n_draws), 1.0 - level)
    chances = np.arange(1, n_draws + 1) / (n_draws + 1)
    return binom.ppf(least / 2, n_ranks, chances), binom.isf(least / 2, n_ranks, chances)
