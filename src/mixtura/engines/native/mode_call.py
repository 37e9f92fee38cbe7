"""Single M-steps in one call of the library."""

import numpy as np

from mixtura.engines.native.library import POINTER, WHOLE, address, native_function
from mixtura.engines.native.passes import (
    DOUBLE,
    address_of,
    check_restriction,
    check_structure,
    contiguous,
    unmasked,
)
from mixtura.messages.prior_arrays import ModeSteps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array

_mode = native_function("mode", WHOLE, *(POINTER,) * 5)


def native_mode(
    statistics: SufficientStatistics, steps: ModeSteps, near: Array | None
) -> tuple[Array, Array] | None:
    """Return means and covariances; ``Engine.mode`` says what is what."""
    n_components, n_features = statistics.first.shape
    structure = statistics.structure
    check_structure(structure, n_components, n_features)
    check_restriction(steps.restriction, structure, n_components)
    width, n_first = structure[1], statistics.first.size
    freedom = 1 if len(structure) == 3 else width
    prior = unmasked(steps.numbers)
    if prior.size != 3 * n_features + freedom + statistics.second[0].size:
        raise ValueError(f"steps of {prior.size} numbers where the structure is {structure}")
    beginning: Array | None = None if near is None else contiguous(near, DOUBLE)
    if beginning is not None and beginning.shape != structure:
        raise ValueError(f"covariances of shape {beginning.shape} near those of {structure}")
    parts = (statistics.count, statistics.first, statistics.second, statistics.pivot)
    moments = np.concatenate([contiguous(part, DOUBLE).ravel() for part in parts])
    if moments.size != n_components + 2 * n_first + statistics.second.size:
        raise ValueError(f"statistics of {moments.size} numbers where there are {structure}")
    found = np.empty(n_first + statistics.second.size)
    sizes = np.array(
        [
            *(n_components, n_features, structure[0], width, len(structure) == 3),
            *(steps.restriction, steps.is_conjugate),
        ],
        dtype=np.int64,
    )
    done = _mode(*map(address, (sizes, prior, moments)), address_of(beginning), address(found))
    if done < 0:
        raise MemoryError("no memory for an M-step")
    if not done:
        return None
    return found[:n_first].reshape(statistics.first.shape), found[n_first:].reshape(structure)
