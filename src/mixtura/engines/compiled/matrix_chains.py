"""Whole Gibbs chains of components with covariance matrices, in compiled code."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit, types

from mixtura.assignments import row_key
from mixtura.engines.compiled.chains import CUBE, HALF_LOG_TWO_PI, TABLE, WEIGHTS, key_of_sweep
from mixtura.engines.compiled.draws import draw_weights, log_prior_weights
from mixtura.engines.compiled.exact import LOWEST_CONSTANT
from mixtura.engines.compiled.kernels import (
    MATRIX,
    PLANE,
    sweep_kernel,
    sweep_matrices,
    sweep_planes,
)
from mixtura.engines.compiled.matrices import pack_factor
from mixtura.engines.compiled.matrix_draws import (
    draw_matrices,
    log_prior_matrix,
    log_prior_mean,
    write_factor,
    write_precision_factor,
)
from mixtura.engines.compiled.options import INNER
from mixtura.engines.compiled.responsibilities import SAMPLED
from mixtura.engines.compiled.signatures import FLAT, READ, made, read_only
from mixtura.engines.compiled.workspace import block_size, working_memory
from mixtura.steps import ChainDraws, MatrixSteps, WeightSteps, kept_before
from mixtura.typing import Array

PRIOR = types.Tuple((READ, types.float64, types.float64, read_only(types.float64, 2)))
"""Location (D,), shrinkage, degrees of freedom, scale (D, D)."""

PLAN = types.UniTuple(types.int64, 5)
"""First sweep and the one after the last; warm-up, sweeps between draws; block."""

OUTPUTS = types.Tuple((TABLE, CUBE, types.Array(types.float64, 4, "C"), FLAT, FLAT))
"""Weights, means, covariances of kept draws; log likelihoods and log priors of all."""


@njit(**INNER)
def prepare(prior, current, constant, factor, packed, lower):
    """Write constants and factors by which rows are scored; return the components' log prior."""
    weights, means, covariances = current
    n_components, n_features = means.shape
    result, log_determinant = 0.0, 0.0
    for k in range(n_components):
        if k < len(covariances):
            write_factor(covariances[k], lower)
            log_determinant = write_precision_factor(lower, factor[k])
            result += log_prior_matrix(factor[k], log_determinant, prior)
        else:
            factor[k] = factor[0]
        total = np.log(weights[k]) - n_features * HALF_LOG_TWO_PI + log_determinant
        constant[k] = max(total, LOWEST_CONSTANT)
        if packed.size > 0:
            pack_factor(factor[k], n_features, packed, k * (packed.size // n_components))
        result += log_prior_mean(means[k], factor[k], log_determinant, prior)
    return result


@njit(**INNER)
def draw_all(of_weights, prior, statistics, current, rng, room):
    """Draw weights, means and covariances anew."""
    count, first, _, second = statistics
    weights, means, covariances = current
    draw_weights(of_weights, count, rng, weights)
    moments = (count, first.reshape(means.shape), second)
    draw_matrices(moments, means, covariances, prior, rng, room)


def _chain_of(kind: int) -> Callable[..., None]:
    """Return the chain of two features or of more."""

    def chain(rows, of_weights, prior, plan, key, rng, current, outputs, packed, work):
        """Write kept draws and the densities of all, from the current values on."""
        begin, end, before, every, block = plan
        weights, means, covariances = current
        kept_weights, kept_means, kept_covariances, log_likelihoods, log_priors = outputs
        n_components, n_features = means.shape
        flat_means, n_rows = means.reshape(-1), rows.size // n_features
        nothing, no_labels = np.empty(0), np.empty(0, dtype=np.int64)
        unweighted = (nothing, False)
        square = (n_features, n_features)
        constant, factor = np.empty(n_components), np.empty((n_components, *square))
        room = (np.empty(means.shape), np.empty(square), np.empty(square))
        statistics = (np.empty(n_components), np.empty(means.size), nothing, factor.copy())
        at = 0
        for number in range(begin, end):
            of_components = prepare(prior, current, constant, factor, packed, room[1])
            for part in (statistics[0], statistics[1], statistics[3].reshape(-1)):
                part[:] = 0.0
            potentials = (constant, flat_means, nothing, factor, packed)
            assigned = (SAMPLED, key_of_sweep(key, number), nothing, no_labels)
            span = (0, 0, n_rows, block)
            if kind == PLANE:
                found = sweep_planes(rows, unweighted, potentials, assigned, span, statistics, work)
            else:
                found = sweep_matrices(
                    rows, unweighted, potentials, assigned, span, statistics, work
                )
            log_likelihoods[number - begin] = found
            log_priors[number - begin] = of_components + log_prior_weights(of_weights, weights)
            if number >= before and (number - before + 1) % every == 0:
                kept_weights[at] = weights
                kept_means[at] = means
                kept_covariances[at] = covariances
                at += 1
            draw_all(of_weights, prior, statistics, current, rng, room)

    return chain


@cache
def chain_kernel(kind: int) -> Callable[..., None]:
    """Return the compiled chain over float64 rows, flat (N D)."""
    own = types.Tuple((FLAT, TABLE, CUBE))
    parts = (READ, WEIGHTS, PRIOR, PLAN, types.uint64, types.npy_rng, own, OUTPUTS, FLAT, FLAT)
    name = "sweep_planes" if kind == PLANE else "sweep_matrices"
    return made(types.void(*parts), _chain_of(kind), **{name: sweep_kernel(kind, False)})


def compiled_matrix_chain(
    values: Array,
    weight_steps: WeightSteps,
    steps: MatrixSteps,
    current: tuple[Array, Array, Array],
    span: tuple[int, int, int, int],
    row_seed: int,
    rng: np.random.Generator,
) -> ChainDraws:
    """Return some sweeps over rows (N, D) from weights (K,), means (K, D) and covariances on.

    The covariances have the shape (K or 1, D, D).
    """
    n_components, n_features = current[1].shape
    begin, end, before, every = span
    draws = kept_before(end, before, every) - kept_before(begin, before, every)
    total = end - begin
    block = block_size(n_components + 3 * n_features)
    kind = PLANE if n_features == 2 else MATRIX
    width = sum(4 * (column + 4) for column in range(-(-n_features % 4), n_features, 4))
    shapes = [(draws, *part.shape) for part in current]
    outputs = (*(np.empty(shape) for shape in shapes), np.empty(total), np.empty(total))
    weights, means, covariances = (np.array(part, np.float64, order="C") for part in current)
    chain_kernel(kind)(
        np.ascontiguousarray(values, dtype=np.float64).reshape(-1),
        weight_steps.arrays,
        (steps.location, steps.shrinkage, steps.freedom, steps.scale),
        (begin, end, before, every, block),
        np.uint64(row_key(row_seed, 0)),
        rng,
        (weights, means, covariances),
        outputs,
        np.empty(n_components * width if kind == MATRIX else 0),
        working_memory((n_components + 2 * n_features + 8) * (block + 8)),
    )
    return ChainDraws(*outputs, last=(weights, means, covariances))
