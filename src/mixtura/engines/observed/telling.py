"""What is told of rows of which some cells were observed: their components and densities."""

import numpy as np
from scipy.special import logsumexp

from mixtura.data import ArrayRows
from mixtura.engines.observed.integration import Sweeper, scored, scored_parts
from mixtura.messages.assignments import Sampled, shares
from mixtura.messages.potentials import Potentials
from mixtura.typing import Array, IntegerArray


def told_responsibilities(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> Array:
    """Return each component's share of each row, shape (N, K)."""
    found = np.empty((rows.n_rows, len(potentials.mean)))
    complete = rows.observation.complete
    if complete.size:
        found[complete] = engine.responsibilities(rows.complete_rows, potentials)
    passes = engine.passes(potentials)
    for patterns in rows.observation.patterns:
        own = None if passes is None else passes.responsibilities(patterns)
        if own is not None:
            found[patterns.positions] = own
            continue
        for positions, scores in scored(patterns, potentials):
            found[positions] = shares(scores)
    return found


def told_densities(engine: Sweeper, rows: ArrayRows, potentials: Potentials) -> Array:
    """Return the log density of what was observed of each row, shape (N,), in nats."""
    found = np.empty(rows.n_rows)
    complete = rows.observation.complete
    if complete.size:
        found[complete] = engine.log_density(rows.complete_rows, potentials)
    passes = engine.passes(potentials)
    for patterns in rows.observation.patterns:
        own = None if passes is None else passes.log_density(patterns)
        if own is not None:
            found[patterns.positions] = own
            continue
        for positions, scores in scored(patterns, potentials):
            found[positions] = logsumexp(scores, axis=1)
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
    for part, scores in scored_parts(rows, potentials):
        about = potentials.mean[:, None] + part.expected()
        found[part.patterns.positions] = np.einsum("nk,knd->nd", shares(scores), about)
    return found


def drawn_values(rows: ArrayRows, potentials: Potentials, seed: int) -> Array:
    """Return true values of rows drawn given what was observed of them, shape (N, D)."""
    found, source = rows.values.astype(np.float64), Sampled(seed)
    for part, scores in scored_parts(rows, potentials):
        positions = part.patterns.positions
        labels = source.drawn(shares(scores), positions)
        about = part.drawn(labels, source.normals(positions, rows.n_features))
        found[positions] = potentials.mean[labels] + about
    return found
