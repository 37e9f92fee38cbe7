"""Rows so far out that their distance squared is beyond float64: which component they go to.

Scores of such rows all end at the same lowest number, and those of equally wide components have
lost the digits in which they differ long before. Here a row is looked at in a unit of its own
size, in which its scores are ``leading * size**2 + rest``: the difference of the leading parts
decides, and where they are equal the rest does. So an answer is the limit of those that nearer rows
in the same direction get.
"""

from collections.abc import Iterator

import numpy as np

from mixtura.data import Rows
from mixtura.messages.assignments import Sampled, shares
from mixtura.messages.potentials import Potentials
from mixtura.typing import Array, BooleanArray, IntegerArray

FAR = 1e140
"""Standardised distances from which on rows are looked at in units of their own."""

FAR_FROM_ALIKE = 1e4
"""The same where components are equally wide: what their distances share hides what they do not."""


def told_shares(rows: Rows, potentials: Potentials, found: Array) -> Array:
    """Return responsibilities (N, K), of far rows their limits; the array is written to."""
    for positions, scores in _far_scores(rows, potentials):
        found[positions] = shares(scores)
    return found


def told_labels(rows: Rows, potentials: Potentials, found: IntegerArray) -> IntegerArray:
    """Return components (N,), of far rows the most probable in the limit."""
    for positions, scores in _far_scores(rows, potentials):
        found[positions] = scores.argmax(axis=1)
    return found


def told_draws(rows: Rows, potentials: Potentials, found: IntegerArray, seed: int) -> IntegerArray:
    """Return drawn components (n_draws, N), of far rows by their limits."""
    for positions, scores in _far_scores(rows, potentials):
        for position, score in zip(positions, scores, strict=True):
            for sweep in range(len(found)):
                drawn = Sampled(seed, sweep).assign(score[None], np.zeros(1), int(position))
                found[sweep, position] = drawn.argmax()
    return found


def _far_scores(rows: Rows, potentials: Potentials) -> Iterator[tuple[IntegerArray, Array]]:
    """Yield positions (n,) and scores (n, K), up to a constant for each row, of far rows."""
    n_components = len(potentials.mean)
    if not may_be_far(rows, potentials, n_components):
        return
    centre, limit = potentials.mean[0], _limit(potentials, n_components)
    reach = _reach(potentials.precision_cholesky) * centre.size
    for block in rows.blocks():
        with np.errstate(over="ignore"):
            far = (np.abs(block.values - centre) * reach > limit).any(axis=1)
        far &= np.isfinite(block.values).all(axis=1)
        inside = np.flatnonzero(far)
        if inside.size:
            yield block.start + inside, far_scores(block.values[inside], potentials)


def may_be_far(rows: Rows, potentials: Potentials, n_components: int) -> bool:
    """Return whether a row may be far; False where a glance at the largest number excludes it.

    ``n_components`` is the number of components of a mixture, where there are several.
    """
    factor, centre = potentials.precision_cholesky, potentials.mean[0]
    widest = float(np.abs(factor).max()) * centre.size
    room = _limit(potentials, n_components) / widest - float(np.abs(centre).max())
    return rows.n_rows > 0 and not (room > 0.0 and rows.is_within(room))


def _limit(potentials: Potentials, n_components: int) -> float:
    """Return the standardised distance from which on rows are far from one of the mixtures."""
    return FAR_FROM_ALIKE if _are_alike(potentials, n_components).any() else FAR


def _are_alike(potentials: Potentials, n_components: int) -> BooleanArray:
    """Return of which mixtures all components are Gaussian and equally wide, shape (T,) or (1,)."""
    if potentials.tail is not None:
        return np.zeros(1, dtype=bool)
    factor = potentials.precision_cholesky
    each = factor.reshape(-1, min(n_components, len(factor)), *factor.shape[1:])
    return np.asarray((each == each[:, :1]).reshape(len(each), -1).all(axis=1))


def _reach(factor: Array) -> Array:
    """Return how many deviations a unit of a feature may be, shape (D,) or (1,)."""
    size = np.abs(factor)
    by_feature = size.max(axis=2) if size.ndim == 3 else size
    return np.asarray(by_feature.max(axis=0))


def far_scores(values: Array, potentials: Potentials) -> Array:
    """Return the scores of far rows (n, D) up to a constant for each row, shape (n, K)."""
    n_components = len(potentials.mean)
    constant = potentials.log_weight + potentials.offset
    rows = values.astype(np.float64)
    _, exponent = np.frexp(np.abs(rows).max(axis=1))
    rows = np.ldexp(rows, -exponent[:, None])
    means = np.ldexp(potentials.mean[None], -exponent[:, None, None])
    factor, is_alike = potentials.precision_cholesky, _are_alike(potentials, n_components)[0]
    leading, rest = np.zeros((len(rows), n_components)), np.zeros((len(rows), n_components))
    for k in range(n_components):
        own = factor[0 if len(factor) == 1 else k]
        if is_alike:
            centre = means[:, 0]
            here, there = _whitened(rows - centre, own), _whitened(means[:, k] - centre, own)
            leading[:, k] = np.einsum("nd,nd->n", here - 0.5 * there, there)
            continue
        whitened = _whitened(rows - means[:, k], own)
        if potentials.tail is None:
            leading[:, k] = -0.5 * np.einsum("nd,nd->n", whitened, whitened)
        else:
            leading[:, k], rest[:, k] = potentials.tail.far_kernel(k, whitened, exponent)
    leading[:, np.isneginf(constant)] = -np.inf
    with np.errstate(over="ignore"):
        behind = leading - leading.max(axis=1, keepdims=True)
        once = np.ldexp(behind, exponent[:, None])
        return np.ldexp(once, exponent[:, None]) + rest + constant


def _whitened(values: Array, factor: Array) -> Array:
    return values @ factor if factor.ndim == 2 else values * factor
