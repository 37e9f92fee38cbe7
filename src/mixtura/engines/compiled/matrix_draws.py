"""Draws of means and covariance matrices, and their prior density, within compiled code."""

import numpy as np
from numba import njit

from mixtura.engines.compiled.options import INNER, OPTIONS

LEAST_PIVOT = 1e-15
"""Of a factorisation, relative to the variance: about what float64 resolves."""

LEAST_SQUARE = 1e-200
"""Of the diagonal of a Wishart factor, whose reciprocals must be numbers."""


@njit(**INNER)
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


@njit(**INNER)
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


@njit(**INNER)
def write_wishart_factor(freedom, rng, triangle):
    """Write an upper-triangular A with A A^T Wishart of the identity [Bartlett1933]_."""
    size = len(triangle)
    for i in range(size):
        square = 2.0 * rng.standard_gamma(0.5 * (freedom - (size - 1 - i)))
        triangle[i, i] = np.sqrt(max(square, LEAST_SQUARE))
        for j in range(i + 1, size):
            triangle[i, j] = rng.standard_normal()


@njit(**INNER)
def add_component(k, moments, means, prior, shifts, matrix):
    """Write the posterior's mean less the current one; add to the lower triangle of its scale."""
    count, first, second = moments
    location, shrinkage, _, _ = prior
    size = len(matrix)
    for i in range(size):
        pulled = first[k, i] + shrinkage * (location[i] - means[k, i])
        shifts[k, i] = pulled / (shrinkage + count[k])
    for i in range(size):
        for j in range(i + 1):
            scatter = second[k, i, j] - shifts[k, i] * first[k, j] - shifts[k, j] * first[k, i]
            scatter += count[k] * shifts[k, i] * shifts[k, j]
            if i == j:
                scatter = max(scatter, 0.0)
            pull = means[k, i] + shifts[k, i] - location[i]
            pull *= means[k, j] + shifts[k, j] - location[j]
            matrix[i, j] = matrix[i, j] + scatter + shrinkage * pull


@njit(**INNER)
def draw_covariance(freedom, rng, covariance, root, triangle):
    """Replace the scale of an inverse Wishart distribution by a draw, and write a root of it."""
    size = len(covariance)
    write_factor(covariance, root)
    write_wishart_factor(freedom, rng, triangle)
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


@njit(**OPTIONS)
def draw_matrices(moments, means, covariances, prior, rng, room):
    """Replace means (K, D) and covariances (K or 1, D, D) by a draw.

    ``moments`` are counts (K,), first moments (K, D) of rows about the current means and the lower
    triangles of second ones (K, D, D); ``prior`` holds location, shrinkage, degrees of freedom and
    scale; ``room`` K rows and two matrices of size D.
    """
    _, shrinkage, freedom, scale = prior
    shifts, root, triangle = room
    count, size = moments[0], len(scale)
    sharing = len(means) // len(covariances)
    for c in range(len(covariances)):
        covariance, total = covariances[c], freedom
        for i in range(size):
            for j in range(i + 1):
                covariance[i, j] = scale[i, j]
        for k in range(c * sharing, (c + 1) * sharing):
            add_component(k, moments, means, prior, shifts, covariance)
            total += count[k]
        draw_covariance(total, rng, covariance, root, triangle)
        for k in range(c * sharing, (c + 1) * sharing):
            for i in range(size):
                means[k, i] += shifts[k, i]
                noise = rng.standard_normal() / np.sqrt(shrinkage + count[k])
                for j in range(i, size):
                    means[k, j] += root[j, i] * noise


@njit(**INNER)
def log_prior_matrix(factor, log_determinant, prior):
    """Return the log prior density of a covariance, but for constants.

    ``factor`` is its precision factor, ``log_determinant`` that of the factor.
    """
    _, _, freedom, scale = prior
    size = len(factor)
    trace = 0.0
    for j in range(size):
        for i in range(j + 1):
            product = 0.0
            for k in range(j + 1):
                product += scale[i, k] * factor[k, j]
            trace += factor[i, j] * product
    return (freedom + size + 1.0) * log_determinant - 0.5 * trace


@njit(**INNER)
def log_prior_mean(mean, factor, log_determinant, prior):
    """Return the log prior density of a mean given the covariance, but for constants."""
    location, shrinkage, _, _ = prior
    square = 0.0
    for j in range(len(mean)):
        along = 0.0
        for i in range(j + 1):
            along += (mean[i] - location[i]) * factor[i, j]
        square += along * along
    return log_determinant - 0.5 * shrinkage * square
