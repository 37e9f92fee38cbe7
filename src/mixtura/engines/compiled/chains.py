"""Whole Gibbs chains in compiled code, for rows so few that a call costs more than a sweep."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit, types

from mixtura.assignments import row_key
from mixtura.engines.compiled.draws import (
    draw_cell,
    draw_weights,
    log_prior_cell,
    log_prior_weights,
)
from mixtura.engines.compiled.exact import LOWEST_CONSTANT
from mixtura.engines.compiled.kernels import VECTOR, sweep_kernel, sweep_vectors
from mixtura.engines.compiled.responsibilities import SAMPLED
from mixtura.engines.compiled.signatures import FLAT, OPTIONS, READ, made
from mixtura.engines.compiled.workspace import block_size, working_memory
from mixtura.steps import ChainDraws, ComponentSteps, WeightSteps, kept_before
from mixtura.typing import Array

HALF_LOG_TWO_PI = 0.5 * float(np.log(2.0 * np.pi))
STRIDE = np.uint64(0xD1342543DE82EF95)
"""From the key of one sweep to that of the next: odd, and not the stride of the rows."""

WEIGHTS = types.UniTuple(READ, 2)
"""Concentrations (K,); log probabilities of numbers of weights (K,), or (0,) where all are."""

PRIOR = types.UniTuple(READ, 4)
"""Locations, precisions, shapes, scales (D,)."""

PLAN = types.UniTuple(types.int64, 7)
"""First sweep and the one after the last; warm-up, sweeps between draws; relative, power; block."""

OUTPUTS = types.UniTuple(FLAT, 5)
"""Weights, means, variances of kept draws, flat; log likelihoods and log priors of all."""


@njit(**OPTIONS)
def key_of_sweep(key, number):
    """Return the key of one sweep's rows."""
    bits = key + np.uint64(number + 1) * STRIDE
    bits = (bits ^ (bits >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return bits ^ (bits >> np.uint64(29))


@njit(**OPTIONS)
def prepare(weights, means, variances, constant, scale):
    """Write the constants and reciprocal standard deviations by which rows are scored."""
    n_features = means.size // weights.size
    for k in range(weights.size):
        total = np.log(weights[k]) - n_features * HALF_LOG_TWO_PI
        for d in range(k * n_features, (k + 1) * n_features):
            scale[d] = 1.0 / np.sqrt(variances[d])
            total += np.log(scale[d])
        constant[k] = max(total, LOWEST_CONSTANT)


@njit(**OPTIONS)
def draw_all(of_weights, prior, relative, power, statistics, current, rng):
    """Draw weights, means and variances anew."""
    location, precision, shape, rate = prior
    count, first, second, _ = statistics
    weights, means, variances = current
    draw_weights(of_weights, count, rng, weights)
    n_features = location.size
    for k in range(weights.size):
        for d in range(n_features):
            i = k * n_features + d
            cell = (location[d], precision[d], shape[d], rate[d])
            moments = (count[k], first[i], second[i])
            means[i], variances[i] = draw_cell(
                *moments, means[i], variances[i], cell, relative, power, rng
            )


@njit(**OPTIONS)
def log_prior(of_weights, prior, relative, power, current):
    """Return the log prior density of the current values, but for constants."""
    location, precision, shape, rate = prior
    weights, means, variances = current
    result = log_prior_weights(of_weights, weights)
    n_features = location.size
    for i in range(means.size):
        d = i % n_features
        cell = (location[d], precision[d], shape[d], rate[d])
        result += log_prior_cell(means[i], variances[i], cell, relative, power)
    return result


def _chain(rows, of_weights, prior, plan, key, rng, current, outputs, work):
    """Write kept draws and the densities of all, from the current values on."""
    begin, end, before, every, relative, power, block = plan
    weights, means, variances = current
    kept_weights, kept_means, kept_variances, log_likelihoods, log_priors = outputs
    n_components, size = weights.size, means.size
    n_rows = rows.size // (size // n_components)
    nothing, no_labels = np.empty(0), np.empty(0, dtype=np.int64)
    constant, scale, no_matrices = np.empty(n_components), np.empty(size), np.empty((0, 0, 0))
    statistics = (np.empty(n_components), np.empty(size), np.empty(size), no_matrices)
    earlier = max(0, begin - before) // every
    for number in range(begin, end):
        prepare(weights, means, variances, constant, scale)
        for part in statistics[:3]:
            part[:] = 0.0
        log_likelihoods[number - begin] = sweep_vectors(
            rows,
            (nothing, False),
            (constant, means, scale, no_matrices, nothing),
            (SAMPLED, key_of_sweep(key, number), nothing, no_labels),
            (0, 0, n_rows, block),
            statistics,
            work,
        )
        log_priors[number - begin] = log_prior(of_weights, prior, relative, power, current)
        place = number - before
        if place >= 0 and (place + 1) % every == 0:
            at = place // every - earlier
            kept_weights[at * n_components : (at + 1) * n_components] = weights
            kept_means[at * size : (at + 1) * size] = means
            kept_variances[at * size : (at + 1) * size] = variances
        draw_all(of_weights, prior, relative, power, statistics, current, rng)


@cache
def chain_kernel() -> Callable[..., None]:
    """Return the compiled chain over float64 rows, flat (N D)."""
    values = types.UniTuple(FLAT, 3)
    parts = (READ, WEIGHTS, PRIOR, PLAN, types.uint64, types.npy_rng, values, OUTPUTS, FLAT)
    return made(types.void(*parts), _chain, sweep_vectors=sweep_kernel(VECTOR, False))


def compiled_chain(
    values: Array,
    weight_steps: WeightSteps,
    steps: ComponentSteps,
    current: tuple[Array, Array, Array],
    span: tuple[int, int, int, int],
    row_seed: int,
    rng: np.random.Generator,
) -> ChainDraws:
    """Return some sweeps over rows (N, D) from weights (K,), means and variances (K, D) on."""
    n_components, n_features = current[1].shape
    begin, end, before, every = span
    draws = kept_before(end, before, every) - kept_before(begin, before, every)
    block = block_size(n_components + n_features)
    sizes = (n_components, n_components * n_features, n_components * n_features)
    total = end - begin
    outputs = (*(np.empty(draws * size) for size in sizes), np.empty(total), np.empty(total))
    weights, means, variances = (np.array(part, np.float64).reshape(-1) for part in current)
    chain_kernel()(
        np.ascontiguousarray(values, dtype=np.float64).reshape(-1),
        weight_steps.arrays,
        (steps.location, steps.precision, steps.shape, steps.scale),
        (begin, end, before, every, int(steps.relative), steps.power, block),
        np.uint64(row_key(row_seed, 0)),
        rng,
        (weights, means, variances),
        outputs,
        working_memory((n_components + 2 * n_features + 8) * (block + 8)),
    )
    cell = (n_components, n_features)
    return ChainDraws(
        outputs[0].reshape(draws, n_components),
        outputs[1].reshape(draws, *cell),
        outputs[2].reshape(draws, *cell),
        *outputs[3:],
        last=(weights, means.reshape(cell), variances.reshape(cell)),
    )
