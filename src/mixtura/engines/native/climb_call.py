"""Climbs to a mode in one call of the library."""

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines.climb import Climb, Memory, Standing
from mixtura.engines.native.library import POINTER, REAL, WHOLE, address, native_function
from mixtura.engines.native.passes import (
    SMALL,
    address_of,
    check_restriction,
    check_structure,
    rows_of,
    unmasked,
    weights_of,
)
from mixtura.messages.prior_arrays import ClimbSteps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, StructureShape

_climb = native_function(
    "climb", WHOLE, POINTER, WHOLE, WHOLE, POINTER, POINTER, POINTER, REAL, POINTER, POINTER
)

WATCHED, JUDGED, COMPARED, PAIRS, LANES = 5, 10, 4, 20, 8
"""Gains, credits, lengths and pairs that are kept, and lanes."""

LENGTHS = 10 + WATCHED + JUDGED
HEADER = LENGTHS + 1 + COMPARED
"""Numbers ahead of the lengths, and ahead of where a climb stands."""

WORK, MOST_STEPS = 1 << 27, 512
"""Multiplications and steps of a run, after which the process looks for interrupts: a few dozen
milliseconds."""


@final
class _ClimbLayout:
    """How the library has the numbers of a climb."""

    def __init__(self, n_components: int, n_features: int, structure: StructureShape) -> None:
        self.structure, self.means = structure, (n_components, n_features)
        n_first, n_second = n_components * n_features, int(np.prod(structure))
        width = structure[1]
        free = width * (width + 1) // 2 if len(structure) == 3 else width
        self.n_free = n_components + n_first + structure[0] * free
        self.stride = -(-self.n_free // LANES) * LANES
        parameters = (n_components, n_first, n_second)
        n_moments = structure[0] * n_features * (n_features if len(structure) == 3 else 1)
        found = (1, *parameters, n_moments - n_second)
        path = (*parameters, n_components, self.stride, self.stride, 2 * PAIRS * self.stride)
        self.ends = (0, *accumulate((*parameters, *found, *path), initial=HEADER))

    def cut(self, state: Array, first: int, end: int) -> list[Array]:
        """Return parts of a state: header, then parameters, what they found, and the path."""
        return [state[begin:stop] for begin, stop in pairwise(self.ends[first : end + 1])]

    def written(self, begin: Standing) -> Array:
        """Return where a climb stands as one array."""
        state = np.zeros(self.ends[-1])
        found, memory = begin.statistics, begin.memory
        state[:4] = begin.objective, begin.em_steps, begin.idle, len(begin.gains)
        state[10 : 10 + len(begin.gains)] = begin.gains
        state[LENGTHS] = len(begin.lengths)
        state[LENGTHS + 1 : LENGTHS + 1 + len(begin.lengths)] = begin.lengths
        parts = (
            *(begin.weights, begin.means, begin.covariances),
            *((found.log_normalizer,), found.count, found.first, found.second),
        )
        numbers = unmasked(np.concatenate([np.ravel(part) for part in parts]))
        state[HEADER : HEADER + numbers.size] = numbers
        if memory is None:
            return state
        n_pairs = len(memory.pairs)
        state[4:9] = 1.0, n_pairs, 0.0, len(memory.credit), memory.stretch
        state[10 + WATCHED : 10 + WATCHED + len(memory.credit)] = memory.credit
        *reference, count, point, gradient, pairs = self.cut(state, 9, 16)
        for to, part in zip(reference, memory.reference, strict=True):
            to[:] = part.ravel()
        count[:] = memory.count
        point[: self.n_free], gradient[: self.n_free] = memory.point, memory.gradient
        pairs.reshape(PAIRS, 2, self.stride)[:n_pairs, :, : self.n_free] = memory.pairs
        return state

    def read(self, state: Array) -> Standing:
        """Return where a climb stands; without memory where it has converged."""
        # A copy, so that what is kept of a climb does not keep all that it remembered.
        kept = state[: self.ends[9]].copy()
        weights, means, covariances, term, count, first, second = self.cut(kept, 1, 8)
        means, covariances = means.reshape(self.means), covariances.reshape(self.structure)
        first, second = first.reshape(self.means), second.reshape(self.structure)
        statistics = SufficientStatistics(count, first, second, means, float(term[0]))
        objective, em_steps, idle, n_gains, has_path = state[:5].tolist()
        gains = tuple(state[10 : 10 + int(n_gains)].tolist())
        lengths = tuple(state[LENGTHS + 1 : LENGTHS + 1 + int(state[LENGTHS])].tolist())
        memory = self._memory(state) if has_path and not state[9] else None
        counted = (int(em_steps), gains, lengths, int(idle), memory)
        return Standing(weights, means, covariances, statistics, objective, *counted)

    def _memory(self, state: Array) -> Memory:
        weights, means, covariances, count, *path, pairs = self.cut(state, 9, 16)
        n_pairs, oldest, n_credit = (int(number) for number in state[5:8])
        kept = pairs.reshape(PAIRS, 2, self.stride)[:n_pairs, :, : self.n_free]
        reference = (weights, means.reshape(self.means), covariances.reshape(self.structure))
        credit = tuple(state[10 + WATCHED : 10 + WATCHED + n_credit].tolist())
        point, gradient = (part[: self.n_free] for part in path)
        pairs = np.roll(kept, -oldest, axis=0)
        return Memory(reference, count, point, gradient, pairs, credit, float(state[8]))


def native_climb(
    rows: ArrayRows,
    begin: Standing,
    steps: ClimbSteps,
    limits: tuple[int, float],
    by_em: bool,
    threads: Callable[[], int],
) -> Climb:
    """Return where steps lead; ``Engine.climb`` says what is what."""
    piece = rows.whole
    n_components, n_features = begin.means.shape
    structure = begin.covariances.shape
    check_structure(structure, n_components, n_features)
    check_restriction(steps.components.restriction, structure, n_components)
    found = begin.statistics
    shapes = (begin.weights.shape, found.count.shape, found.first.shape, found.structure)
    if shapes != ((n_components,), (n_components,), begin.means.shape, structure):
        raise ValueError(f"weights and statistics of shapes {shapes}")
    values, single = rows_of(piece, n_features)
    weights = weights_of(piece)
    is_matrix, width = len(structure) == 3, structure[1]
    prior = unmasked(steps.numbers)
    n_prior = 3 * n_features + (1 if is_matrix else width) + begin.covariances[0].size
    if prior.size != n_prior + n_components + 2:
        raise ValueError(f"steps of {prior.size} numbers where the structure is {structure}")
    layout = _ClimbLayout(n_components, n_features, structure)
    state = layout.written(begin)
    per_row = n_components * ((n_features if is_matrix else 1) * n_features + 8)
    work = len(values) * per_row + 8 * n_components * n_features**3 + 8 * PAIRS * layout.stride
    n_steps = max(1, min(limits[0], MOST_STEPS, WORK // work))
    objectives = np.empty(n_steps)
    sizes = np.array(
        [
            *(n_components, n_features, structure[0], width, is_matrix),
            *(steps.components.restriction, steps.components.is_conjugate, not by_em, n_steps),
            1 if len(values) * per_row < SMALL else threads(),
        ],
        dtype=np.int64,
    )
    taken = _climb(
        *(address(values), single, len(values), address_of(weights)),
        *(address(sizes), address(prior), limits[1], address(state), address(objectives)),
    )
    if taken < 0:
        raise MemoryError("no memory to climb")
    has_converged, gained = bool(state[9]), tuple(objectives[:taken].tolist())
    is_stuck = taken < n_steps and not has_converged
    return Climb(layout.read(state), gained, has_converged, is_stuck)
