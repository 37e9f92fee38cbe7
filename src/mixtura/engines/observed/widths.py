"""Densities with tails as normal ones of many widths, to which errors can be added."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import gammaln, logsumexp  # pyright: ignore[reportAttributeAccessIssue]

from mixtura.data import Patterns
from mixtura.engines.observed.kernels import kernel_of, log_determinants
from mixtura.engines.observed.parts import NUMBERS, covariances_of, parts_of
from mixtura.engines.observed.regressions import LOG_TWO_PI
from mixtura.messages.potentials import Potentials, ScaleMixtureTail, StudentTail
from mixtura.typing import Array

STEP, OF_WIDTH = 0.4, 0.7
"""Largest steps of the logarithms of widths that stand for a t density, and in their deviations."""

NEGLECTED = 30.0
"""Nats below its highest value where the density of a width is left out."""

DRAWN = 256
"""Widths that are drawn where each feature has its own and errors are correlated."""


@final
@dataclass(frozen=True, eq=False)
class Widths:
    """Normal distributions of J widths about the same means.

    Parameters
    ----------
    log_share : array of shape (K, 1, J) or (K, D, J)
        Log shares of the widths, of all features together or of each on its own.
    precision : array of shape (K, D, J)
        Precisions relative to the potentials' own.
    constant : array of shape (K,)
        What a component's log density has besides.
    """

    log_share: Array
    precision: Array
    constant: Array


def widths_of(potentials: Potentials) -> Widths:
    """Return densities with tails as mixtures over widths."""
    tail, (n_components, n_features) = potentials.tail, potentials.mean.shape
    rest = potentials.log_weight + potentials.offset - log_determinants(potentials)
    if isinstance(tail, ScaleMixtureTail):
        log_widths = 0.5 * np.log(tail.precision)
        if tail.log_share.shape[1] == 1:
            log_widths = log_widths.sum(axis=1, keepdims=True)
        constant = rest + 0.5 * n_features * LOG_TWO_PI
        return Widths(tail.log_share - log_widths, tail.precision, constant)
    if not isinstance(tail, StudentTail):
        raise TypeError(f"no widths are known of {tail!r}")
    freedom = tail.degrees_of_freedom
    by_feature = np.broadcast_to(
        freedom.reshape(n_components, -1), (n_components, n_features if freedom.ndim == 2 else 1)
    )
    size = n_features // by_feature.shape[1]
    known = gammaln(0.5 * (by_feature + size)) - gammaln(0.5 * by_feature)
    known = (known - 0.5 * size * np.log(by_feature * np.pi)).sum(axis=1)
    log_share, precision = _precisions(by_feature)
    precision = np.broadcast_to(precision, (n_components, n_features, precision.shape[2]))
    return Widths(log_share, precision, rest - known)


def _precisions(freedom: Array) -> tuple[Array, Array]:
    """Return log shares and values of u ~ Gamma(nu / 2, nu / 2), shape (..., J) each."""
    depth = 2.0 * NEGLECTED / freedom
    below, above = np.zeros_like(freedom), np.zeros_like(freedom)
    low, high = -depth - 1.0, np.log1p(depth) + np.sqrt(2.0 * depth) + 1.0
    for _ in range(60):
        middle, upper = 0.5 * (low + below), 0.5 * (high + above)
        far = middle - np.expm1(middle) < -depth
        low, below = np.where(far, middle, low), np.where(far, below, middle)
        far = upper - np.expm1(upper) < -depth
        high, above = np.where(far, upper, high), np.where(far, above, upper)
    step = np.minimum(STEP, OF_WIDTH * np.sqrt(2.0 / freedom))
    number = int(np.ceil(((high - low) / step).max())) + 1
    steps = np.linspace(0.0, 1.0, number)
    logs = low[..., None] + (high - low)[..., None] * steps
    log_share = 0.5 * freedom[..., None] * (logs - np.exp(logs))
    log_share = log_share - np.asarray(logsumexp(log_share, axis=-1, keepdims=True))
    return log_share, np.exp(logs)


def tailed_scores(
    patterns: Patterns, potentials: Potentials
) -> Iterator[tuple[Patterns, Array, Array]]:
    """Yield rows with errors, their scores (n, K), and what is expected of them, (K, n, D).

    The latter about the components' means, under potentials with tails.
    """
    widths = widths_of(potentials)
    n_components, n_features = potentials.mean.shape
    most = max(1, NUMBERS // (16 * n_components * n_features**2))
    for some in patterns.parts(most, most):
        if widths.log_share.shape[1] == 1 or some.errors is None or some.errors.ndim == 3:
            yield some, *_jointly(some, potentials, widths)
        else:
            yield some, *_by_feature(some, potentials, widths)


def _jointly(some: Patterns, potentials: Potentials, widths: Widths) -> tuple[Array, Array]:
    """Return scores and expectations where all features share a width, or widths are drawn."""
    scores, expected = [], []
    for log_share, precision in _combinations(widths):
        one = _normal(potentials, log_share + widths.constant, precision)
        kernel, covariances = kernel_of(one), covariances_of(one)
        parts = list(parts_of(some, one.mean, covariances))
        scores.append(np.concatenate([part.scores(kernel) for part in parts]))
        expected.append(np.concatenate([part.expected() for part in parts], axis=1))
    total = np.asarray(logsumexp(scores, axis=0))
    with np.errstate(invalid="ignore"):
        shares = np.nan_to_num(np.exp(np.array(scores) - total))
    return total, np.einsum("jnk,jknd->knd", shares, np.array(expected))


def _combinations(widths: Widths) -> Iterator[tuple[Array, Array]]:
    """Yield log shares (K,) and precisions (K, D) of widths of all features."""
    n_components, n_groups, n_widths = widths.log_share.shape
    if n_groups == 1:
        for j in range(n_widths):
            yield widths.log_share[:, 0, j], widths.precision[:, :, j]
        return
    rng = np.random.default_rng(0)
    cumulative = np.cumsum(np.exp(widths.log_share), axis=2)
    for _ in range(DRAWN):
        uniform = rng.random((n_components, n_groups, 1)) * cumulative[:, :, -1:]
        chosen = (cumulative < uniform).sum(axis=2)
        precision = np.take_along_axis(widths.precision, chosen[:, :, None], axis=2)[:, :, 0]
        yield np.full(n_components, -np.log(DRAWN)), precision


def _normal(potentials: Potentials, log_weight: Array, precision: Array) -> Potentials:
    """Return normal components whose precisions are those of potentials times (K, D) others."""
    n_components, n_features = potentials.mean.shape
    factor, root = potentials.precision_cholesky, np.sqrt(precision)
    factor = factor * (root[:, :1, None] if factor.ndim == 3 else root)
    blank = np.zeros(n_components)
    one = Potentials(log_weight, blank, potentials.mean, factor)
    offset = log_determinants(one) - 0.5 * n_features * LOG_TWO_PI
    return Potentials(log_weight, offset, potentials.mean, factor)


def _by_feature(some: Patterns, potentials: Potentials, widths: Widths) -> tuple[Array, Array]:
    """Return scores and expectations where each feature has a width of its own."""
    n_components, n_features = potentials.mean.shape
    factor = np.broadcast_to(potentials.precision_cholesky, (n_components, n_features))
    has = np.repeat(some.observed, some.sizes, axis=0)
    errors = np.repeat(np.asarray(some.errors), some.sizes, axis=0)
    scores = np.tile(widths.constant, (len(has), 1))
    expected = np.zeros((n_components, len(has), n_features))
    for k in range(n_components):
        for d in range(n_features):
            apart = np.where(has[:, d], some.values[:, d] - potentials.mean[k, d], 0.0)[:, None]
            variances = 1.0 / (widths.precision[k, d] * factor[k, d] ** 2)
            total = variances + errors[:, d, None]
            logs = widths.log_share[k, d] - 0.5 * (LOG_TWO_PI + np.log(total) + apart**2 / total)
            density = np.asarray(logsumexp(logs, axis=1))
            kept = (np.exp(logs - density[:, None]) * variances / total).sum(axis=1)
            expected[k, :, d] = kept * apart[:, 0]
            scores[:, k] += np.where(has[:, d], density, 0.0)
    return scores, expected
