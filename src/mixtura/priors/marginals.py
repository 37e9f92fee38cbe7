"""Inverse gamma variances: divergence, moments and quantiles, of their roots and means as well."""

import numpy as np
from scipy.special import digamma, gammainccinv, gammaln, poch, stdtr, stdtrit

from mixtura.priors.base import Marginals
from mixtura.typing import Array

NODES = 400
"""Of the trapezoid rule over the logarithm of a variance, whose density falls off so fast at both
ends that the rule is exact to rounding."""

BISECTIONS = 70


def variance_divergence(
    shape: Array, scale: Array, prior_shape: Array, prior_scale: Array
) -> Array:
    """Return the divergence of InverseGamma(shape, scale) from another one, in nats."""
    ratio = np.log(scale) - np.log(prior_scale)
    return (
        (shape - prior_shape) * digamma(shape)
        - gammaln(shape)
        + gammaln(prior_shape)
        + prior_shape * ratio
        + shape * (prior_scale / scale - 1.0)
    )


def student_constant(degrees_of_freedom: Array, n_features: int) -> Array:
    """Return the log constant of a multivariate t of unit scale, in nats."""
    # Gamma(a + D/2) / Gamma(a) as a product, in which nothing cancels.
    start = 0.5 * (degrees_of_freedom + n_features % 2)
    ratio = np.log(poch(0.5 * degrees_of_freedom, 0.5 * (n_features % 2)))
    for factor in range(n_features // 2):
        ratio = ratio + np.log(start + factor)
    return ratio - 0.5 * n_features * np.log(np.pi * degrees_of_freedom)


def variance_marginals(shape: Array, scale: Array, probabilities: Array) -> Marginals:
    """Return what is known about variances that are InverseGamma(shape, scale)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(shape > 1.0, scale / (shape - 1.0), np.nan)
        deviation = np.where(shape > 2.0, mean / np.sqrt(shape - 2.0), np.inf)
    return Marginals(mean, deviation, _quantiles(shape, scale, probabilities))


def deviation_marginals(shape: Array, scale: Array, probabilities: Array) -> Marginals:
    """Return what is known about the square roots of InverseGamma(shape, scale)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        root = 1.0 / poch(shape - 0.5, 0.5)
        mean = np.where(shape > 0.5, np.sqrt(scale) * root, np.nan)
        relative = np.maximum(1.0 / ((shape - 1.0) * root * root) - 1.0, 0.0)
        deviation = np.where(shape > 1.0, mean * np.sqrt(relative), np.inf)
    return Marginals(mean, deviation, np.sqrt(_quantiles(shape, scale, probabilities)))


def mean_marginals(
    location: Array, shape: Array, scale: Array, shrinkage: Array, probabilities: Array
) -> Marginals:
    """Return what is known about means that are Normal given an inverse gamma variance."""
    variance = scale / shrinkage
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(shape > 0.5, location, np.nan)
        deviation = np.where(shape > 1.0, np.sqrt(variance / (shape - 1.0)), np.inf)
    levels = _levels(probabilities, np.broadcast(location, shape).ndim)
    spread = stdtrit(2.0 * shape, levels) * np.sqrt(variance / shape)
    return Marginals(mean, deviation, location + spread)


def matrix_marginals(degrees_of_freedom: Array, scale: Array, probabilities: Array) -> Marginals:
    """Return what is known about each entry (K, D, D) of inverse Wishart matrices."""
    size = scale.shape[-1]
    excess = np.reshape(degrees_of_freedom, (-1, 1, 1)) - size - 1.0
    diagonal = np.einsum("kdd->kd", scale)
    product = diagonal[:, :, None] * diagonal[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(excess > 0.0, scale / excess, np.nan)
        variance = (excess + 2.0) * scale**2 + excess * product
        variance = variance / ((excess + 1.0) * excess**2 * (excess - 2.0))
        deviation = np.where(excess > 2.0, np.sqrt(variance), np.inf)
    levels = np.ravel(probabilities)
    quantiles = np.empty((levels.size, *scale.shape))
    for k in range(len(scale)):
        freedom = float(degrees_of_freedom[k]) - size + 2.0
        for i in range(size):
            shape = np.asarray(0.5 * (freedom - 1.0))
            quantiles[:, k, i, i] = _quantiles(shape, 0.5 * diagonal[k, i], levels)
            for j in range(i):
                block = scale[k][np.ix_((i, j), (i, j))]
                quantiles[:, k, i, j] = quantiles[:, k, j, i] = _covariance_quantiles(
                    freedom, block, levels
                )
    return Marginals(mean, deviation, quantiles)


def _covariance_quantiles(degrees_of_freedom: float, block: Array, levels: Array) -> Array:
    """Return quantiles of the off-diagonal entry of an inverse Wishart matrix of size two.

    The first variance v is InverseGamma((nu - 1) / 2, block[0, 0] / 2), and the entry over v is
    Student's t with nu degrees of freedom, independent of v: P(entry <= c) is the average of the
    t's distribution function at c / v, taken by the trapezoid rule in log v.
    """
    shape, scale = 0.5 * (degrees_of_freedom - 1.0), 0.5 * block[0, 0]
    location = block[0, 1] / block[0, 0]
    residual = block[1, 1] - block[0, 1] * location
    width = np.sqrt(max(residual, 0.0) / block[0, 0] / degrees_of_freedom)
    tails = 1e-15
    low, high = (np.log(scale / gammainccinv(shape, p)) for p in (tails, 1.0 - tails))
    logs = np.linspace(low, high, NODES)
    shares = -shape * logs - scale * np.exp(-logs)
    shares = np.exp(shares - shares.max())
    shares /= shares.sum()
    ratios = np.exp(-logs)
    # Bisection between points that the extreme ratios and variances bound.
    edge = (np.abs(location) + width * stdtrit(degrees_of_freedom, 1.0 - 1e-15)) * np.exp(high)
    lower, upper = np.full(levels.size, -edge), np.full(levels.size, edge)
    for _ in range(BISECTIONS):
        middle = 0.5 * (lower + upper)
        standardised = (middle[:, None] * ratios - location) / width
        below = stdtr(degrees_of_freedom, standardised) @ shares < levels
        lower, upper = np.where(below, middle, lower), np.where(below, upper, middle)
    return 0.5 * (lower + upper)


def _quantiles(shape: Array, scale: Array, probabilities: Array) -> Array:
    return scale / gammainccinv(shape, _levels(probabilities, np.ndim(shape)))


def _levels(probabilities: Array, n_dimensions: int) -> Array:
    return np.reshape(probabilities, (-1,) + (1,) * n_dimensions)
