"""Whole runs of EM in one call of the library."""

from collections.abc import Callable

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines.ascent import Ascent
from mixtura.engines.native.library import POINTER, REAL, WHOLE, address, native_function
from mixtura.engines.native.passes import (
    DOUBLE,
    SMALL,
    address_of,
    check_restriction,
    check_structure,
    contiguous,
    rows_of,
    unmasked,
    weights_of,
)
from mixtura.messages.prior_arrays import ModeSteps, ScaleSteps
from mixtura.messages.statistics import SufficientStatistics

_ascend = native_function(
    "ascend",
    WHOLE,
    *(POINTER, WHOLE, WHOLE, POINTER),
    *(WHOLE,) * 5,
    *(WHOLE, WHOLE, WHOLE, POINTER, POINTER),
    *(WHOLE, REAL, REAL, WHOLE),
    *(POINTER, POINTER),
)


def native_ascent(
    rows: ArrayRows,
    begin: SufficientStatistics,
    steps: tuple[ModeSteps, ScaleSteps | None],
    limits: tuple[int, float, float],
    threads: Callable[[], int],
) -> Ascent | None:
    """Return where steps of EM lead; ``Engine.ascent`` says what is what."""
    piece = rows.whole
    n_components, n_features = begin.first.shape
    structure = begin.structure
    check_structure(structure, n_components, n_features)
    if begin.count.shape != (n_components,) or begin.pivot.shape != begin.first.shape:
        raise ValueError(f"statistics of shapes {begin.count.shape}, {begin.pivot.shape}")
    values, single = rows_of(piece, n_features)
    weights = weights_of(piece)
    modes, scales = steps
    check_restriction(modes.restriction, structure, n_components)
    n_steps, factor, settled = limits
    n_first, n_second = begin.first.size, begin.second.size
    parts = (begin.count, begin.first, begin.second, begin.pivot)
    state = np.concatenate([contiguous(part, DOUBLE).ravel() for part in parts])
    prior = unmasked(modes.numbers)
    width, n_scale = structure[1], begin.second[0].size
    freedom = 1 if len(structure) == 3 else width
    if prior.size != 3 * n_features + freedom + n_scale:
        raise ValueError(f"steps of {prior.size} numbers where the structure is {structure}")
    within = None if scales is None else scales.numbers(structure)
    known = n_features if len(structure) == 3 else width
    if within is not None and within.size != 6 + 3 * known + n_features + n_scale:
        raise ValueError(f"a scale of {within.size} numbers where the structure is {structure}")
    found = np.empty(n_components + n_first + n_second + 1)
    per_row = n_components * (n_features * (n_features if len(structure) == 3 else 1) + 8)
    n_threads = 1 if len(values) * per_row < SMALL else threads()
    taken = _ascend(
        *(address(values), single, len(values), address_of(weights)),
        *(n_components, n_features, structure[0], width, len(structure) == 3),
        *(int(modes.restriction), 0, int(modes.is_conjugate), address(prior), address_of(within)),
        *(n_steps, factor, settled, n_threads),
        *(address(state), address(found)),
    )
    if n_steps > 0 > taken:
        raise MemoryError("no memory to run EM")
    if taken <= 0:
        return None
    cut = n_components + n_first
    statistics = SufficientStatistics(
        state[:n_components],
        state[n_components:cut].reshape(begin.first.shape),
        state[cut : cut + n_second].reshape(structure),
        state[cut + n_second :].reshape(begin.first.shape),
        float(found[-1]),
    )
    return Ascent(
        statistics,
        weights=found[:n_components],
        means=found[n_components:cut].reshape(begin.first.shape),
        covariances=found[cut:-1].reshape(structure),
        scale=None if within is None else within[-n_scale:].reshape(structure[1:]),
        settled=taken > n_steps,
        n_steps=min(taken, n_steps),
    )
