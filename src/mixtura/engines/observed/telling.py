"""What is told of rows of which some cells were observed: their components and densities."""

from collections.abc import Callable, Iterator

import numpy as np

from mixtura.data import ArrayRows, Patterns
from mixtura.engines.observed.integration import Sweeper
from mixtura.engines.observed.kernels import kernel_of
from mixtura.engines.observed.parts import Part, covariances_of, log_sums, parts_of
from mixtura.engines.observed.widths import tailed_scores
from mixtura.messages.assignments import Sampled, shares
from mixtura.messages.potentials import Potentials
from mixtura.typing import Array, IntegerArray


def _scored_parts(rows: ArrayRows, potentials: Potentials) -> Iterator[tuple[Part, Array]]:
    """Yield the rows that are not observed in full, with their scores (n, K)."""
    covariances, kernel = covariances_of(potentials), kernel_of(potentials)
    for patterns in rows.observation.patterns:
        for part in parts_of(patterns, potentials.mean, covariances):
            yield part, part.scores(kernel)


def _expected(
    patterns: Patterns, potentials: Potentials
) -> Iterator[tuple[IntegerArray, Array, Array]]:
    """Yield positions (n,), scores (n, K), and expected rows about the means, (K, n, D)."""
    if potentials.tail is not None and patterns.errors is not None:
        for some, scores, expected in tailed_scores(patterns, potentials):
            yield some.positions, scores, expected
        return
    kernel = kernel_of(potentials)
    for part in parts_of(patterns, potentials.mean, covariances_of(potentials)):
        yield part.patterns.positions, part.scores(kernel), part.expected()


def told_responsibilities(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> Array:
    """Return each component's share of each row, shape (N, K)."""
    found = np.empty((rows.n_rows, len(potentials.mean)))
    if rows.observation.complete.size:
        whole = engine.responsibilities(rows.complete_rows, potentials)
        found[rows.observation.complete] = whole
    passes = engine.passes(potentials)
    own = None if passes is None else passes.responsibilities
    return _told(rows, potentials, found, own, shares)


def told_densities(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> Array:
    """Return the log density of what was observed of each row, shape (N,), in nats."""
    found = np.empty(rows.n_rows)
    if rows.observation.complete.size:
        found[rows.observation.complete] = engine.log_density(rows.complete_rows, potentials)
    passes = engine.passes(potentials)
    own = None if passes is None else passes.log_density
    return _told(rows, potentials, found, own, log_sums)


def _told(
    rows: ArrayRows,
    potentials: Potentials,
    found: Array,
    own: Callable[[Patterns], Array | None] | None,
    of_scores: Callable[[Array], Array],
) -> Array:
    """Return what is told of complete rows with that of all others, by the engine or of scores."""
    for patterns in rows.observation.patterns:
        told = None if own is None else own(patterns)
        if told is not None:
            found[patterns.positions] = told
            continue
        for positions, scores, _ in _expected(patterns, potentials):
            found[positions] = of_scores(scores)
    return found


def told_components(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> IntegerArray:
    """Return the component of the highest score of each row, shape (N,)."""
    return told_responsibilities(engine, rows, potentials).argmax(axis=1)


def drawn_components(
    engine: Sweeper, rows: ArrayRows, potentials: Potentials, n_draws: int, seed: int
) -> IntegerArray:
    """Return components drawn for each row, shape (n_draws, N)."""
    probabilities = told_responsibilities(engine, rows, potentials)
    positions = np.arange(rows.n_rows)
    drawn = np.empty((n_draws, rows.n_rows), dtype=np.intp)
    for sweep in range(n_draws):
        drawn[sweep] = Sampled(seed, sweep).drawn(probabilities, positions)
    return drawn


def told_values(rows: ArrayRows, potentials: Potentials) -> Array:
    """Return the expected true values of rows given what was observed of them, (N, D)."""
    found = rows.values.astype(np.float64)
    for patterns in rows.observation.patterns:
        for positions, scores, expected in _expected(patterns, potentials):
            about = potentials.mean[:, None] + expected
            found[positions] = np.einsum("nk,knd->nd", shares(scores), about)
    return found


def drawn_values(rows: ArrayRows, potentials: Potentials, seed: int) -> Array:
    """Return true values of rows drawn given what was observed of them, shape (N, D)."""
    found, source = rows.values.astype(np.float64), Sampled(seed)
    for part, scores in _scored_parts(rows, potentials):
        positions = part.patterns.positions
        labels = source.drawn(shares(scores), positions)
        about = part.drawn(labels, source.normals(positions, rows.n_features))
        found[positions] = potentials.mean[labels] + about
    return found


def completed_given(
    rows: ArrayRows, potentials: Potentials, labels: IntegerArray, normals: Array
) -> Array:
    """Return true values of rows (N, D) given what was observed, and components (N,).

    Drawn by standard normal numbers (N, D).
    """
    found, covariances = rows.values.astype(np.float64), covariances_of(potentials)
    for patterns in rows.observation.patterns:
        is_exact = patterns.has_cells if patterns.errors is None else None
        done = 0
        for part in parts_of(patterns, potentials.mean, covariances):
            positions = part.patterns.positions
            own = labels[positions]
            about = part.drawn(own, normals[positions])
            drawn = potentials.mean[own] + about
            if is_exact is not None:  # what is there stays as it is, to the bit
                some = slice(done, done + len(positions))
                drawn = np.where(is_exact[some], patterns.values[some], drawn)
            found[positions] = drawn
            done += len(positions)
    return found
