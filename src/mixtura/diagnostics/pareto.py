"""Importance weights whose largest values are smoothed, and how heavy their tail is."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import logsumexp

from mixtura.typing import Array

SHORTEST_TAIL = 5
"""Weights that a tail must have for its shape to be estimated."""

ROUNDING = 64.0 * np.finfo(float).eps
"""Differences between log ratios, over the largest of them or one, that rounding alone leaves."""


@final
@dataclass(frozen=True, eq=False)
class SmoothedWeights:
    """Weights of draws of which each importance weight is known up to a factor.

    Parameters
    ----------
    log_weights : array of shape (S,)
        Logarithms of the weights, which sum to one.
    shape : float
        Pareto k, the shape of the tail of the raw weights: they have moments up to order 1 / k.
        Minus infinity where the largest weights are equal but for rounding; infinite where there
        are too few.
    """

    log_weights: Array
    shape: float


def smoothed_weights(log_ratios: Array, relative_size: float = 1.0) -> SmoothedWeights:
    """Return importance weights after Pareto smoothing [Vehtari2024]_.

    Parameters
    ----------
    log_ratios : array of shape (S,)
        Log importance ratios, up to a constant.
    relative_size : float, default=1.0
        Effective sample size of the ratios over S.
    """
    n_draws = log_ratios.size
    logs = log_ratios - log_ratios.max()
    n_tail = tail_length(n_draws, relative_size)
    if n_tail < SHORTEST_TAIL:
        return SmoothedWeights(logs - logsumexp(logs), np.inf)
    order = np.argsort(logs, kind="stable")
    largest = order[-n_tail:]
    cutoff = np.exp(logs[order[-n_tail - 1]])
    excess = np.exp(logs[largest]) - cutoff
    excess = excess[excess > 0.0]
    rounding = ROUNDING * max(1.0, float(np.abs(log_ratios).max()))
    if excess.size < SHORTEST_TAIL or excess[-1] - excess[0] <= rounding:
        return SmoothedWeights(logs - logsumexp(logs), -np.inf)
    shape, scale = fit_generalized_pareto(excess)
    middles = (np.arange(excess.size) + 0.5) / excess.size
    quantiles = cutoff + generalized_pareto_quantiles(middles, shape, scale)
    logs[largest[-excess.size :]] = np.minimum(np.log(quantiles), 0.0)
    return SmoothedWeights(logs - logsumexp(logs), shape)


def tail_length(n_draws: int, relative_size: float) -> int:
    """Return how many of the largest weights are smoothed."""
    return int(np.ceil(min(0.2 * n_draws, 3.0 * np.sqrt(n_draws / relative_size))))


def fit_generalized_pareto(excess: Array) -> tuple[float, float]:
    """Return shape k and scale of the generalized Pareto distribution of sorted numbers above zero.

    The estimate of [ZhangStephens2009]_, an average over a grid of ``theta = -k / scale`` with the
    profile likelihood as weights. k is drawn towards 1/2 by as much as ten numbers would, which
    steadies short tails [Vehtari2024]_.
    """
    n = excess.size
    n_grid = 30 + int(np.sqrt(n))
    quartile = excess[int(n / 4 + 0.5) - 1]
    steps = 1.0 - np.sqrt(n_grid / (np.arange(n_grid) + 0.5))
    grid = 1.0 / excess[-1] + steps / (3.0 * quartile)
    shapes = np.log1p(-grid[:, None] * excess).mean(axis=1)
    # Where theta is zero the distribution is exponential, with the mean of the numbers as scale.
    rates = np.divide(-grid, shapes, out=np.full(n_grid, 1.0 / excess.mean()), where=shapes != 0.0)
    profile = n * (np.log(rates) - shapes - 1.0)
    weights = np.exp(profile - logsumexp(profile))
    theta = float(weights @ grid)
    shape = float(np.log1p(-theta * excess).mean())
    scale = -shape / theta if shape != 0.0 else float(excess.mean())
    return (n * shape + 10 * 0.5) / (n + 10), scale


def generalized_pareto_quantiles(probabilities: Array, shape: float, scale: float) -> Array:
    """Return the quantiles of a generalized Pareto distribution that starts at zero."""
    exponential = -np.log1p(-probabilities)
    if shape == 0.0:
        return scale * exponential
    return scale * np.expm1(shape * exponential) / shape
