"""Whole Gibbs chains in compiled code, for rows so few that a call costs more than a sweep."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit, types

from mixtura.assignments import row_key
from mixtura.engines.compiled.draws import (
    draw_components,
    draw_weights,
    log_prior_components,
    log_prior_weights,
)
from mixtura.engines.compiled.exact import LOWEST_CONSTANT
from mixtura.engines.compiled.kernels import VECTOR, sweep_kernel, sweep_vectors
from mixtura.engines.compiled.options import INNER
from mixtura.engines.compiled.responsibilities import SAMPLED
from mixtura.engines.compiled.signatures import FLAT, READ, made
from mixtura.engines.compiled.workspace import block_size, working_memory
from mixtura.steps import ChainDraws, ComponentSteps, WeightSteps, kept_before
from mixtura.typing import Array

HALF_LOG_TWO_PI = 0.5 * float(np.log(2.0 * np.pi))
STRIDE = np.uint64(0xD1342543DE82EF95)
"""From the key of one sweep to that of the next: odd, and not the stride of the rows."""

WEIGHTS = types.UniTuple(READ, 2)
"""Concentrations (K,); log probabilities of numbers of weights (K,), or (0,) where all are."""

PRIOR = types.Tuple((READ, READ, READ, READ, types.boolean, types.int64))
"""Locations, precisions, shapes, scales (D,); whether precisions are relative; power."""

PLAN = types.UniTuple(types.int64, 5)
"""First sweep and the one after the last; warm-up, sweeps between draws; block."""

TABLE, CUBE = types.Array(types.float64, 2, "C"), types.Array(types.float64, 3, "C")

OUTPUTS = types.Tuple((TABLE, CUBE, CUBE, FLAT, FLAT))
"""Weights, means, variances of kept draws; log likelihoods and log priors of all."""


@njit(**INNER)
def key_of_sweep(key, number):
    """Return the key of one sweep's rows."""
    bits = key + np.uint64(number + 1) * STRIDE
    bits = (bits ^ (bits >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return bits ^ (bits >> np.uint64(29))


@njit(**INNER)
def prepare(weights, means, variances, constant, scale):
    """Write the constants and reciprocal standard deviations by which rows are scored."""
    n_components, n_features = means.shape
    last_row, last_column = variances.shape[0] - 1, variances.shape[1] - 1
    for k in range(n_components):
        total = np.log(weights[k]) - n_features * HALF_LOG_TWO_PI
        for d in range(n_features):
            deviation = 1.0 / np.sqrt(variances[min(k, last_row), min(d, last_column)])
            scale[k * n_features + d] = deviation
            total += np.log(deviation)
        constant[k] = max(total, LOWEST_CONSTANT)


@njit(**INNER)
def draw_all(of_weights, prior, statistics, current, rng):
    """Draw weights, means and variances anew."""
    count, first, second, _ = statistics
    weights, means, variances = current
    draw_weights(of_weights, count, rng, weights)
    moments = (count, first.reshape(means.shape), second.reshape(means.shape))
    draw_components(moments, means, variances, prior, rng)


def _chain(rows, of_weights, prior, plan, key, rng, current, outputs, work):
    """Write kept draws and the densities of all, from the current values on."""
    begin, end, before, every, block = plan
    weights, means, variances = current
    kept_weights, kept_means, kept_variances, log_likelihoods, log_priors = outputs
    n_components, size = weights.size, means.size
    flat_means, n_rows = means.reshape(-1), rows.size // means.shape[1]
    nothing, no_labels = np.empty(0), np.empty(0, dtype=np.int64)
    constant, scale, no_matrices = np.empty(n_components), np.empty(size), np.empty((0, 0, 0))
    statistics = (np.empty(n_components), np.empty(size), np.empty(size), no_matrices)
    at = 0
    for number in range(begin, end):
        prepare(weights, means, variances, constant, scale)
        for part in statistics[:3]:
            part[:] = 0.0
        log_likelihoods[number - begin] = sweep_vectors(
            rows,
            (nothing, False),
            (constant, flat_means, scale, no_matrices, nothing),
            (SAMPLED, key_of_sweep(key, number), nothing, no_labels),
            (0, 0, n_rows, block),
            statistics,
            work,
        )
        of_components = log_prior_components(means, variances, prior)
        log_priors[number - begin] = of_components + log_prior_weights(of_weights, weights)
        if number >= before and (number - before + 1) % every == 0:
            kept_weights[at] = weights
            kept_means[at] = means
            kept_variances[at] = variances
            at += 1
        draw_all(of_weights, prior, statistics, current, rng)


@cache
def chain_kernel() -> Callable[..., None]:
    """Return the compiled chain over float64 rows, flat (N D)."""
    values = types.Tuple((FLAT, TABLE, TABLE))
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
    """Return some sweeps over rows (N, D) from weights (K,), means (K, D) and variances on.

    The variances have the shape (K or 1, D or 1).
    """
    n_components, n_features = current[1].shape
    begin, end, before, every = span
    draws = kept_before(end, before, every) - kept_before(begin, before, every)
    block = block_size(n_components + n_features)
    total = end - begin
    shapes = [(draws, *part.shape) for part in current]
    outputs = (*(np.empty(shape) for shape in shapes), np.empty(total), np.empty(total))
    weights, means, variances = (np.array(part, np.float64, order="C") for part in current)
    chain_kernel()(
        np.ascontiguousarray(values, dtype=np.float64).reshape(-1),
        weight_steps.arrays,
        (
            *(steps.location, steps.precision, steps.shape, steps.scale),
            *(steps.relative, steps.power),
        ),
        (begin, end, before, every, block),
        np.uint64(row_key(row_seed, 0)),
        rng,
        (weights, means, variances),
        outputs,
        working_memory((n_components + 2 * n_features + 8) * (block + 8)),
    )
    return ChainDraws(*outputs, last=(weights, means, variances))
