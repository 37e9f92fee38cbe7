"""Draws of weights, means and scales given moments, within compiled code."""

import math

import numpy as np
from numba import njit

from mixtura.engines.compiled.options import INNER, OPTIONS

SMALLEST, LARGEST = 1e-300, 1e300
"""Of variances, and of what their prior makes of components without rows; of weights in use."""


@njit(**INNER)
def draw_number(concentration, log_numbers, n_occupied, n_rows, rng):
    """Return how many weights are above zero, given how many components have rows."""
    n_components = log_numbers.size
    shares = np.full(n_components, -np.inf)
    for number in range(max(n_occupied, 1), n_components + 1):
        total = number * concentration
        choices = math.lgamma(number + 1.0) - math.lgamma(number - n_occupied + 1.0)
        rising = math.lgamma(total + n_rows) - math.lgamma(total)
        shares[number - 1] = log_numbers[number - 1] + choices - rising
    shares = np.cumsum(np.exp(shares - shares.max()))
    threshold = rng.random() * shares[-1]
    number = 1
    while number < n_components and shares[number - 1] <= threshold:
        number += 1
    return number


@njit(**INNER)
def draw_some_weights(concentration, log_numbers, count, rng, weights):
    """Write weights of which a random number are above zero, and all those of components with rows.

    Gamma variables are drawn by their logarithms: those of small shapes are below any number.
    """
    n_occupied = (count > 0.0).sum()
    number = draw_number(concentration[0], log_numbers, n_occupied, count.sum(), rng)
    wanted, left = number - n_occupied, count.size - n_occupied
    for k in range(count.size):
        weights[k] = -np.inf
        if count[k] == 0.0:
            taken = rng.random() * left < wanted
            left -= 1
            if not taken:
                continue
            wanted -= 1
        shape = concentration[k] + count[k]
        weights[k] = np.log(rng.standard_gamma(shape + 1.0)) - rng.standard_exponential() / shape
    highest = weights.max()
    total = np.exp(weights - highest).sum()
    for k in range(count.size):
        used = weights[k] > -np.inf
        weights[k] = max(np.exp(weights[k] - highest) / total, SMALLEST) if used else 0.0


@njit(**INNER)
def draw_weights(prior, count, rng, weights):
    """Write weights drawn given counts; their prior is concentrations, and numbers where random."""
    concentration, log_numbers = prior
    if log_numbers.size > 0:
        draw_some_weights(concentration, log_numbers, count, rng, weights)
        return
    total = 0.0
    for k in range(count.size):
        weights[k] = rng.standard_gamma(concentration[k] + count[k])
        total += weights[k]
    for k in range(count.size):
        weights[k] /= total


@njit(**OPTIONS)
def draw_reciprocal(power, square, linear, rng):
    """Return u > 0 of density u^(power - 1) exp(-square u^2 / 2 - linear u).

    The modified half-normal distribution. In t = -log u its log density is concave: with f the
    fall from its top, f(s) >= s f(b) / b beyond a corner b, on either side, and f >= 0 between.
    """
    top = 2.0 * power / (linear + np.sqrt(linear * linear + 4.0 * power * square))
    half = 0.5 * square * top * top
    line = linear * top
    corner = np.sqrt(2.0 / (4.0 * half + line))
    small = np.exp(-corner)
    high = power * corner + half * (small * small - 1.0) + line * (small - 1.0)
    large = 1.0 / small
    low = -power * corner + half * (large * large - 1.0) + line * (large - 1.0)
    above = corner * np.exp(-high) / high
    below = corner * np.exp(-low) / low
    width = below + above + 2.0 * corner
    while True:
        place = rng.random() * width - below - corner
        bound = rng.standard_exponential()
        if place > corner:
            excess = rng.standard_exponential()
            place = corner * (1.0 + excess / high)
            bound += high + excess
        elif place < -corner:
            excess = rng.standard_exponential()
            place = -corner * (1.0 + excess / low)
            bound += low + excess
        ratio = np.exp(-place)
        fall = power * place + half * (ratio * ratio - 1.0) + line * (ratio - 1.0)
        if fall <= bound:
            return top * ratio


@njit(**OPTIONS)
def draw_components(moments, means, variances, prior, rng):
    """Replace means (K, D) and variances (K or 1, D or 1) by a draw.

    ``moments`` are counts (K,), and first and second moments (K, D) of rows about the current
    means; ``prior`` holds locations and precisions (D,) of the means, shapes and scales (D,) of
    the scales, whether the precisions are relative, and the power.
    """
    count, first, second = moments
    location, precision, shape, scale, relative, power = prior
    (n_components, n_features), (rows, columns) = means.shape, variances.shape
    sharing, alike = n_components // rows, n_features // columns
    for c in range(rows):
        for e in range(columns):
            entries, scatter = 0.0, 0.0
            for k in range(c * sharing, (c + 1) * sharing):
                for d in range(e * alike, (e + 1) * alike):
                    offset = location[d] - means[k, d]
                    if relative:
                        shift = (first[k, d] + precision[d] * offset) / (precision[d] + count[k])
                    else:
                        total = precision[d] + count[k] / variances[c, e]
                        shift = (first[k, d] / variances[c, e] + precision[d] * offset) / total
                        shift += rng.standard_normal() / np.sqrt(total)
                    spread = second[k, d] - 2.0 * shift * first[k, d] + count[k] * shift * shift
                    scatter += max(spread, 0.0)
                    if relative:
                        scatter += precision[d] * (shift - offset) * (shift - offset)
                    entries += count[k]
                    means[k, d] += shift
            drawn = draw_variance(entries, scatter, shape[e], scale[e], power, rng)
            variances[c, e] = drawn
            if relative:
                for k in range(c * sharing, (c + 1) * sharing):
                    for d in range(e * alike, (e + 1) * alike):
                        deviation = np.sqrt(drawn / (precision[d] + count[k]))
                        means[k, d] += deviation * rng.standard_normal()


@njit(**INNER)
def draw_variance(entries, scatter, shape, scale, power, rng):
    """Return a variance drawn given so many entries of a scatter and the prior of its scale."""
    if power == 2:
        drawn = (scale + 0.5 * scatter) / rng.standard_gamma(shape + 0.5 * entries)
    else:
        reciprocal = draw_reciprocal(shape + entries, scatter, scale, rng)
        drawn = 1.0 / (reciprocal * reciprocal)
    return min(max(drawn, SMALLEST), LARGEST)


@njit(**INNER)
def log_prior_components(means, variances, prior):
    """Return the log prior density of means and scales, but for constants."""
    location, precision, shape, scale, relative, power = prior
    (n_components, n_features), (rows, columns) = means.shape, variances.shape
    result = 0.0
    for c in range(rows):
        for e in range(columns):
            value = variances[c, e] if power == 2 else np.sqrt(variances[c, e])
            result -= (shape[e] + 1.0) * np.log(value) + scale[e] / value
            if relative:
                result -= 0.5 * (n_components // rows * (n_features // columns)) * np.log(value)
    for k in range(n_components):
        for d in range(n_features):
            offset = means[k, d] - location[d]
            square = 0.5 * precision[d] * offset * offset
            if relative:
                square /= variances[min(k, rows - 1), min(d, columns - 1)]
            result -= square
    return result


@njit(**INNER)
def log_prior_some_weights(concentration, log_numbers, weights):
    """Return the log density of weights of which a random number are above zero."""
    number, result = 0, 0.0
    for k in range(weights.size):
        if weights[k] > 0.0:
            number += 1
            result += (concentration - 1.0) * np.log(weights[k])
    choices = math.lgamma(weights.size + 1.0) - math.lgamma(number + 1.0)
    choices -= math.lgamma(weights.size - number + 1.0)
    result += math.lgamma(number * concentration) - number * math.lgamma(concentration)
    return result + log_numbers[number - 1] - choices


@njit(**INNER)
def log_prior_weights(prior, weights):
    """Return the log Dirichlet density, but for constants; 0 log 0 counts as 0."""
    concentration, log_numbers = prior
    if log_numbers.size > 0:
        return log_prior_some_weights(concentration[0], log_numbers, weights)
    result = 0.0
    for k in range(weights.size):
        if concentration[k] != 1.0:
            result += (concentration[k] - 1.0) * np.log(weights[k])
    return result
