"""Draws of means and covariance matrices, and their prior density, within compiled code."""

import numpy as np
from numba import njit

OPTIONS = {"nogil": True, "error_model": "numpy"}

LEAST_PIVOT = 1e-15
"""Of a factorisation, relative to the variance: about what float64 resolves."""

LEAST_SQUARE = 1e-200
"""Of the diagonal of a Wishart factor, whose reciprocals must be numbers."""


@njit(**OPTIONS)
def write_factor(matrix, lower):
    """Write the lower-triangular L with L L^T the matrix, of which the lower triangle is read."""
    for j in range(len(matrix)):
        pivot = matrix[j, j]
        for k in range(j):
            pivot -= lower[j, k] * lower[j, k]
        lower[j, j] = np.sqrt(max(pivot, LEAST_PIVOT * matrix[j, j]))
        for i in range(j + 1, len(matrix)):
            rest = matrix[i, j]
            for k in range(j):
                rest -= lower[i, k] * lower[j, k]
            lower[i, j] = rest / lower[j, j]


@njit(**OPTIONS)
def write_precision_factor(lower, factor):
    """Write the upper-triangular transpose of the inverse of L; return its log determinant."""
    result = 0.0
    for j in range(len(lower)):
        for i in range(j):
            factor[j, i] = 0.0
        factor[j, j] = 1.0 / lower[j, j]
        result += np.log(factor[j, j])
        for i in range(j + 1, len(lower)):
            rest = 0.0
            for k in range(j, i):
                rest -= lower[i, k] * factor[j, k]
            factor[j, i] = rest / lower[i, i]
    return result


@njit(**OPTIONS)
def write_wishart_factor(freedom, rng, triangle):
    """Write an upper-triangular A with A A^T Wishart of the identity [Bartlett1933]_."""
    size = len(triangle)
    for i in range(size):
        square = 2.0 * rng.standard_gamma(0.5 * (freedom - (size - 1 - i)))
        triangle[i, i] = np.sqrt(max(square, LEAST_SQUARE))
        for j in range(i + 1, size):
            triangle[i, j] = rng.standard_normal()


@njit(**OPTIONS)
def write_posterior(moments, mean, prior, shift, matrix):
    """Write the posterior's mean less the current one, and the lower triangle of its scale."""
    count, first, second = moments
    location, shrinkage, _, scale = prior
    size = len(mean)
    for i in range(size):
        pulled = first[i] + shrinkage * (location[i] - mean[i])
        shift[i] = pulled / (shrinkage + count)
    for i in range(size):
        for j in range(i + 1):
            scatter = second[i, j] - shift[i] * first[j] - shift[j] * first[i]
            scatter += count * shift[i] * shift[j]
            if i == j:
                scatter = max(scatter, 0.0)
            pull = (mean[i] + shift[i] - location[i]) * (mean[j] + shift[j] - location[j])
            matrix[i, j] = scale[i, j] + scatter + shrinkage * pull


@njit(**OPTIONS)
def draw_matrix(moments, mean, covariance, prior, rng, room):
    """Replace a mean and a covariance by a draw given moments of rows about the current mean.

    ``moments`` are count, first (D,) and the lower triangle of second ones (D, D); ``prior`` holds
    location, shrinkage, degrees of freedom and scale; ``room`` a row and two matrices of size D.
    """
    _, shrinkage, freedom, _ = prior
    shift, root, triangle = room
    size, count = len(mean), moments[0]
    write_posterior(moments, mean, prior, shift, covariance)
    write_factor(covariance, root)
    write_wishart_factor(freedom + count, rng, triangle)
    # L becomes L A^-T, row by row: lower triangular again, and a root of the drawn covariance.
    for j in range(size):
        for i in range(j, -1, -1):
            rest = root[j, i]
            for k in range(i + 1, j + 1):
                rest -= triangle[i, k] * root[j, k]
            root[j, i] = rest / triangle[i, i]
    for i in range(size):
        for j in range(i + 1):
            product = 0.0
            for k in range(j + 1):
                product += root[i, k] * root[j, k]
            covariance[i, j] = product
            covariance[j, i] = product
    for i in range(size):
        mean[i] += shift[i]
        noise = rng.standard_normal() / np.sqrt(shrinkage + count)
        for j in range(i, size):
            mean[j] += root[j, i] * noise


@njit(**OPTIONS)
def log_prior_matrix(mean, factor, log_determinant, prior):
    """Return the log prior density of a mean and a covariance, but for constants.

    ``factor`` is the covariance's precision factor, ``log_determinant`` that of the factor.
    """
    location, shrinkage, freedom, scale = prior
    size = len(mean)
    trace, square = 0.0, 0.0
    for j in range(size):
        along = 0.0
        for i in range(j + 1):
            product = 0.0
            for k in range(j + 1):
                product += scale[i, k] * factor[k, j]
            trace += factor[i, j] * product
            along += (mean[i] - location[i]) * factor[i, j]
        square += along * along
    power = freedom + size + 2.0
    return power * log_determinant - 0.5 * (trace + shrinkage * square)
