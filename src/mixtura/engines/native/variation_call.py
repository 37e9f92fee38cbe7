"""Runs of variational Bayes in one call of the library."""

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import final

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines.native.library import POINTER, REAL, WHOLE, address, native_function
from mixtura.engines.native.passes import (
    SMALL,
    address_of,
    check_structure,
    rows_of,
    unmasked,
    weights_of,
)
from mixtura.engines.variation import Factors, Variation
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.messages.variational_prior_arrays import FactorKind, VariationalSteps
from mixtura.typing import Array, StructureShape

_variation = native_function(
    "variation", WHOLE, POINTER, WHOLE, WHOLE, POINTER, POINTER, POINTER, REAL, POINTER, POINTER
)
_factors = native_function("variational_factors", WHOLE, POINTER, POINTER, POINTER, POINTER)

HEADER, LENGTHS, COMPARED = 7, 3, 4
"""Numbers ahead of statistics: the objective, whether the run has converged, and lengths of steps;
numbers ahead of these; and how many of them there are at most."""

WORK, MOST_STEPS = 1 << 27, 4096
"""Multiplications and steps of a run, after which the process looks for interrupts: a few dozen
milliseconds."""


@final
class _VariationLayout:
    """How the library has statistics: data term, counts, moments and pivots."""

    def __init__(self, n_components: int, n_features: int, structure: StructureShape) -> None:
        self.structure, self.means = structure, (n_components, n_features)
        self.n_first, self.n_second = n_components * n_features, int(np.prod(structure))
        # Sums over features take the room of those that are summed.
        room = structure[0] * n_features * (n_features if len(structure) == 3 else 1)
        self.size = 1 + n_components + 2 * self.n_first + room

    def write(self, given: SufficientStatistics, to: Array) -> None:
        """Write statistics; shapes are wanted that fit."""
        n_components = self.means[0]
        shapes = (given.count.shape, given.first.shape, given.structure, given.pivot.shape)
        if shapes != ((n_components,), self.means, self.structure, self.means):
            raise ValueError(f"statistics of shapes {shapes} where means are {self.means}")
        parts = (given.log_normalizer, given.count, given.first, given.second)
        numbers = unmasked(np.concatenate([np.ravel(part) for part in parts]))
        to[: numbers.size] = numbers
        to[self.size - self.n_first :] = unmasked(given.pivot).ravel()

    def read(self, numbers: Array) -> SufficientStatistics:
        """Return statistics from where the library has them."""
        kept = numbers.copy()
        first = 1 + self.means[0]
        second = first + self.n_first
        return SufficientStatistics(
            kept[1:first],
            kept[first:second].reshape(self.means),
            kept[second : second + self.n_second].reshape(self.structure),
            kept[self.size - self.n_first :].reshape(self.means),
            float(kept[0]),
        )


def _prior_numbers(steps: VariationalSteps, structure: StructureShape, means: Array) -> Array:
    """Return the priors' numbers if there are as many as sizes and structure ask for."""
    n_components, n_features = means.shape
    is_matrix, width = len(structure) == 3, structure[1]
    check_structure(structure, n_components, n_features)
    if is_matrix and steps.kind is not FactorKind.CONJUGATE:
        raise ValueError(f"steps of variances where the structure is {structure}")
    numbers = unmasked(steps.numbers)
    n_scale = n_features**2 if is_matrix else width
    n_spread = 8 * width if steps.kind is FactorKind.INDEPENDENT_SCALES else 0
    n_prior = 2 * n_features + (1 if is_matrix else width) + n_scale + n_spread
    if numbers.size != n_components + n_prior:
        raise ValueError(f"steps of {numbers.size} numbers where the structure is {structure}")
    return numbers


def native_variation(
    rows: ArrayRows,
    begin: Factors,
    steps: VariationalSteps,
    limits: tuple[int, float],
    threads: Callable[[], int],
) -> Variation:
    """Return where steps lead; ``Engine.variation`` says what is what."""
    piece = rows.whole
    structure, means = begin.found.structure, begin.found.pivot
    prior = _prior_numbers(steps, structure, means)
    n_components, n_features = means.shape
    values, single = rows_of(piece, n_features)
    weights = weights_of(piece)
    layout = _VariationLayout(n_components, n_features, structure)
    state = np.zeros(HEADER + 2 * layout.size)
    lengths = begin.lengths[-COMPARED:]
    state[0], state[2] = begin.objective, len(lengths)
    state[LENGTHS : LENGTHS + len(lengths)] = lengths
    places = state[HEADER:].reshape(2, layout.size)
    layout.write(begin.basis, places[0])
    layout.write(begin.found, places[1])
    is_matrix = len(structure) == 3
    per_row = n_components * ((n_features if is_matrix else 1) * n_features + 8)
    work = len(values) * per_row + 8 * n_components * n_features**3 + 512 * means.size
    n_steps = max(1, min(limits[0], MOST_STEPS, WORK // work))
    objectives = np.empty(n_steps)
    sizes = np.array(
        [
            *(n_components, n_features, structure[0], structure[1], is_matrix),
            *(steps.kind, n_steps, 1 if len(values) * per_row < SMALL else threads()),
        ],
        dtype=np.int64,
    )
    taken = _variation(
        *(address(values), single, len(values), address_of(weights)),
        *(address(sizes), address(prior), limits[1], address(state), address(objectives)),
    )
    if taken < 0:
        raise MemoryError("no memory for variational Bayes")
    has_converged = bool(state[1])
    kept = tuple(state[LENGTHS : LENGTHS + int(state[2])].tolist())
    factors = Factors(layout.read(places[0]), layout.read(places[1]), float(state[0]), kept)
    gained = tuple(objectives[:taken].tolist())
    return Variation(factors, gained, has_converged, taken < n_steps and not has_converged)


def native_factors(
    statistics: SufficientStatistics, steps: VariationalSteps
) -> tuple[float, tuple[Array, Array, Array], Potentials] | None:
    """Return what the library makes of statistics, None where it needs more than numbers.

    The divergence from the priors in nats; expected weights, means and covariances, the latter of
    independent scales as reciprocals of expected precisions; and the potentials of the next sweep.
    """
    structure, means = statistics.structure, statistics.pivot
    prior = _prior_numbers(steps, structure, means)
    n_components, n_features = means.shape
    layout = _VariationLayout(n_components, n_features, structure)
    given = np.zeros(layout.size)
    layout.write(statistics, given)
    sizes = np.array(
        [n_components, n_features, *structure[:2], len(structure) == 3, steps.kind, 0, 1],
        dtype=np.int64,
    )
    expected = (n_components, means.size, layout.n_second)
    lengths = (1, *expected, n_components, *expected, structure[0])
    ends = tuple(accumulate(lengths, initial=0))
    found = np.empty(ends[-1])
    done = _factors(address(sizes), address(prior), address(given), address(found))
    if done < 0:
        raise MemoryError("no memory for variational Bayes")
    if not done:
        return None
    divergence, *parts, _ = [found[first:end] for first, end in pairwise(ends)]
    weights, centres, scales, log_weight, offset, points, factor = parts
    potentials = Potentials(
        log_weight, offset, points.reshape(means.shape), factor.reshape(structure)
    )
    known = (weights, centres.reshape(means.shape), scales.reshape(structure))
    return float(divergence[0]), known, potentials
