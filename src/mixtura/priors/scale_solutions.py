"""The best learned scale where each component's spread is the best one given it.

Whether the spreads' best values are modes or expectations, component k answers a scale s with the
inverse spread C_k / (s + B_k), and the scale answers the sum of these with its expectation. Each
answer raises the objective, so that a scale that answers itself is a stationary point of it.
"""

from collections.abc import Callable

import numpy as np

from mixtura.messages.linalg import precision_factor
from mixtura.priors.learned_scales import GammaScales, LearnedScale
from mixtura.typing import Array

GRID = 96
"""Scales that are tried between the smallest and the largest that can answer themselves."""

MOST_STEPS = 80
SETTLED = 8.0 * np.finfo(float).eps
DEEPEST = 1e-30
"""Of the largest scale: none is looked for below this share of it."""

MOST_ANSWERS = 2000
SHALLOWEST = 1e-12
"""Eigenvalue, relative to the largest scale, at which a matrix has run away to zero."""


def best_scales(learned: GammaScales, power: Array, counts: Array, scatters: Array) -> Array:
    """Return the scale (L,) of each feature of highest objective.

    Parameters
    ----------
    learned : GammaScales
        Distribution of the scales.
    power : array of shape (L,)
        Powers of the scales.
    counts, scatters : array of shape (G, L)
        C and B of each of G free spreads.
    """
    high = learned.expected(power, np.zeros_like(power))
    with np.errstate(divide="ignore"):
        lowest = (counts / (scatters + DEEPEST * high)).sum(axis=0)
    low = np.maximum(learned.expected(power, lowest), DEEPEST * high)
    logs = np.linspace(np.log(low), np.log(high), GRID)  # (J, L)

    def answer(t: Array) -> Array:
        pull = (counts / (np.exp(t)[..., None, :] + scatters)).sum(axis=-2)
        return np.log(learned.expected(power, pull))

    steps = answer(logs) - logs
    steps[0], steps[-1] = np.maximum(steps[0], 0.0), np.minimum(steps[-1], 0.0)
    between = (steps[:-1] >= 0.0) & (steps[1:] <= 0.0)  # a maximum
    heights = _heights(learned, power, counts, scatters, logs)
    heights = np.where(between, np.maximum(heights[:-1], heights[1:]), -np.inf)
    best, at = heights.argmax(axis=0), np.arange(power.size)
    left, right = logs[best, at], logs[best + 1, at]
    return np.exp(self_answering(answer, 0.5 * (left + right), left, right))


def self_answering(answer: Callable[[Array], Array], t: Array, left: Array, right: Array) -> Array:
    """Return log scales (L,) that answer themselves, between two others, from ``t`` on.

    An answer leads to where the objective is higher: between ``left``, where the objective rises,
    and ``right``, where it falls, there is one that it leads to from either side.
    """
    for _ in range(MOST_STEPS):
        first = answer(t)
        step = first - t
        left, right = np.where(step >= 0.0, t, left), np.where(step <= 0.0, t, right)
        if (np.abs(step) <= SETTLED * np.maximum(1.0, np.abs(t))).all():
            break
        # Aitken's step, as long as it stays where the answers lead; else the answer, else halves.
        bend = answer(first) - first - step
        with np.errstate(divide="ignore", invalid="ignore"):
            further = t - step * step / bend
        tried = [(to > left) & (to < right) for to in (further, first)]
        t = np.select(tried, [further, first], 0.5 * (left + right))
    return t


def _heights(
    learned: GammaScales, power: Array, counts: Array, scatters: Array, logs: Array
) -> Array:
    total = np.exp(logs)[:, None, :] + scatters  # (J, G, L)
    of_spreads = (counts * (np.log(total) + scatters / total)).sum(axis=1)
    return learned.log_evidences(power, (counts / total).sum(axis=1)) - of_spreads


def best_matrix(learned: LearnedScale, power: Array, counts: Array, scatters: Array) -> Array:
    """Return the scale, a matrix (D, D) or its diagonal (D,), of highest objective.

    Answers are followed from the largest scale that can answer itself and from the smallest; they
    rise or fall all the way, and the higher end is kept.

    Parameters
    ----------
    learned : LearnedScale
        Distribution of the scale.
    power : array
        Power of its determinant, or of each entry of its diagonal.
    counts : array of shape (G,)
        C of each of G free matrices.
    scatters : array of shape (G, D, D)
        B of each.
    """
    high = learned.expected(power, learned.pull_of(np.zeros(scatters.shape[1:])))
    whiten = precision_factor(as_matrix(high))
    found = []
    for start in (high, 1e-6 * high):
        scale = start
        for _ in range(MOST_ANSWERS):
            pull, _ = _pull(learned, counts, scatters, scale)
            answer = learned.expected(power, pull)
            relative = whiten.T @ as_matrix(answer) @ whiten
            if np.linalg.eigvalsh(relative)[0] < SHALLOWEST:
                break  # no mode: scale and components shrink together, without end
            unit = np.sqrt(_diagonal(answer))
            change = np.abs(as_matrix(answer) - as_matrix(scale)) / unit[:, None] / unit
            scale = answer
            if change.max() <= SETTLED:
                break
        pull, height = _pull(learned, counts, scatters, scale)
        found.append((height + learned.log_evidence(power, pull), scale))
    return max(found, key=lambda pair: pair[0])[1]


def _diagonal(scale: Array) -> Array:
    return scale if scale.ndim == 1 else scale.diagonal()


def as_matrix(scale: Array) -> Array:
    """Return a scale as a matrix (D, D)."""
    return scale if np.ndim(scale) == 2 else np.diag(scale)


def _pull(
    learned: LearnedScale, counts: Array, scatters: Array, scale: Array
) -> tuple[Array, float]:
    """Return the pull of the best spreads given a scale, and what these add to the objective."""
    factor = precision_factor(as_matrix(scale) + scatters)
    precisions = factor @ np.swapaxes(factor, -1, -2)
    log_det = -2.0 * np.log(factor.diagonal(axis1=-2, axis2=-1)).sum(axis=-1)
    trace = (scatters * precisions).sum(axis=(-2, -1))
    pull = learned.pull_of((counts[:, None, None] * precisions).sum(axis=0))
    return pull, -0.5 * float((counts * (log_det + trace)).sum())
