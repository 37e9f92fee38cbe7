"""Whole Gibbs chains in native code, for rows so few that a call costs more than a sweep."""

import numpy as np

from mixtura.engines.native.library import KEY, POINTER, WHOLE, address, native_function
from mixtura.engines.native.passes import DOUBLE, check_structure, contiguous, unmasked
from mixtura.engines.native.random_source import source_of
from mixtura.messages.assignments import row_key
from mixtura.messages.prior_arrays import (
    ChainDraws,
    ChainSteps,
    ComponentSteps,
    MatrixSteps,
    kept_before,
)
from mixtura.typing import Array, IntegerArray

HALF_NORMAL = 3
"""Number of the modified half-normal distribution, after the normal, gamma and log gamma ones."""

_chain = native_function("chain", WHOLE, *[POINTER] * 5, KEY, *[POINTER] * 9)
_draw_given = native_function("draw_given", None, *[POINTER] * 9)
_draw_numbers = native_function("draw_numbers", None, WHOLE, WHOLE, *[POINTER] * 3)


def native_chain(
    values: Array,
    steps: ChainSteps,
    current: tuple[Array, Array, Array],
    span: tuple[int, int, int, int],
    row_seed: int,
    rng: np.random.Generator,
) -> ChainDraws:
    """Return some sweeps over rows (N, D) from weights (K,), means (K, D) and variances on.

    The variances have the shape (K or 1, D or 1), or (K or 1, D, D) where they are matrices.
    """
    begin, end, before, every = span
    if not (0 <= begin <= end and before >= 0 and every >= 1):
        raise ValueError(f"no sweeps {begin} to {end}, one in {every} kept from {before} on")
    draws = kept_before(end, before, every) - kept_before(begin, before, every)
    rows = contiguous(values, DOUBLE)
    weights, means, variances = (contiguous(part, DOUBLE).copy() for part in current)
    last = (weights, means, variances)
    numbers = _numbers(steps.components)
    concentration, log_numbers = (contiguous(part, DOUBLE) for part in steps.weights.arrays)
    _check(rows, last, numbers, (concentration, log_numbers), steps.components)
    kept_weights, kept_means, kept_variances = (np.empty((draws, *part.shape)) for part in last)
    kept = (kept_weights, kept_means, kept_variances)
    log_likelihood, log_prior = np.empty(end - begin), np.empty(end - begin)
    sizes = _sizes(len(rows), steps.components, last[1:], span, log_numbers.size > 0)
    with source_of(rng) as source:
        done = _chain(
            *map(address, (sizes, rows, concentration, log_numbers, numbers)),
            row_key(row_seed, 0),
            source,
            *map(address, (*last, *kept, log_likelihood, log_prior)),
        )
    if not done:
        raise MemoryError("no memory for a chain")
    return ChainDraws(*kept, log_likelihood, log_prior, last)


def draw_given(
    steps: ComponentSteps | MatrixSteps,
    moments: tuple[Array, Array, Array],
    current: tuple[Array, Array],
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Return means (K, D) and variances drawn by the step of a chain from the current ones on.

    ``moments`` are counts (K,), first moments (K, D) of rows about the current means, and second
    ones (K, D) or (K, D, D).
    """
    means, variances = (np.array(part, np.float64, order="C") for part in current)
    sizes, numbers = _sizes(0, steps, (means, variances), (0, 0, 0, 1), False), _numbers(steps)
    given = [np.ascontiguousarray(part, dtype=np.float64) for part in moments]
    room = np.empty(means.size + 2 * means.shape[1] ** 2)
    with source_of(rng) as source:
        before, after = (sizes, numbers, *given), (means, variances, room)
        _draw_given(*map(address, before), source, *map(address, after))
    return means, variances


def draw_numbers(
    distribution: int, n: int, parameters: tuple[float, ...], rng: np.random.Generator
) -> Array:
    """Return numbers of a distribution by its number, shape (n,)."""
    found, given = np.empty(n), np.array(parameters, dtype=np.float64)
    with source_of(rng) as source:
        _draw_numbers(distribution, n, address(given), source, address(found))
    return found


def _sizes(
    n_rows: int,
    steps: ComponentSteps | MatrixSteps,
    of_components: tuple[Array, ...],
    span: tuple[int, int, int, int],
    has_random_number: bool,
) -> IntegerArray:
    means, variances = of_components
    is_matrix = isinstance(steps, MatrixSteps)
    kinds = (False, False) if is_matrix else (steps.relative, steps.power == 2)
    return np.array(
        [n_rows, *means.shape, *variances.shape[:2], *span, has_random_number, *kinds, is_matrix],
        dtype=np.int64,
    )


def _check(
    rows: Array,
    current: tuple[Array, Array, Array],
    numbers: Array,
    of_weights: tuple[Array, Array],
    steps: ComponentSteps | MatrixSteps,
) -> None:
    """Raise a ValueError unless all sizes fit."""
    weights, means, variances = current
    n_components, n_features = means.shape
    check_structure(variances.shape, n_components, n_features)
    by_components = weights.shape, of_weights[0].shape
    expected = 2 + n_features + n_features**2 if variances.ndim == 3 else 4 * n_features
    if (
        variances.ndim != steps.dimensions
        or rows.shape[1:] != (n_features,)
        or by_components != ((n_components,),) * 2
        or of_weights[1].shape not in ((n_components,), (0,))
        or numbers.size != expected
    ):
        raise ValueError(
            f"rows {rows.shape}, weights {by_components}, means {means.shape}, "
            f"variances {variances.shape} and a prior of {numbers.size} numbers"
        )
    if not weights.min() >= 0.0 or not weights.any():
        raise ValueError("weights are wanted from 0 on, not all of them 0")
    if not of_weights[0].min() > 0.0:
        raise ValueError("concentrations are wanted above 0")


def _numbers(steps: ComponentSteps | MatrixSteps) -> Array:
    if isinstance(steps, MatrixSteps):
        parts = (steps.location, [steps.shrinkage, steps.freedom], steps.scale.ravel())
    else:
        parts = (steps.location, steps.precision, steps.shape, steps.scale)
    return unmasked(np.concatenate(parts, dtype=np.float64))
