"""Rows of which some belong to no component: sweeps beside a background.

A first pass finds the density of each row under all components, from which its share in the
background follows; the sweep then has the rows with what is left of their weights.
"""

from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from mixtura.data import ArrayRows, Rows
from mixtura.engines.observed.integration import Sweeper
from mixtura.messages.assignments import Assignment, Hard, Sampled
from mixtura.messages.background import BACKGROUND, Background
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array, IntegerArray


def uniform_log_density(rows: ArrayRows, box: Background) -> Array:
    """Return the log density of what was observed of rows under a background, shape (N,).

    A product over the observed columns; of a column with errors, the density of a uniform value
    plus a normal error.
    """

    def find() -> Array:
        values, errors = rows.values.astype(np.float64, copy=False), rows.errors
        inside = (values >= box.lower) & (values <= box.upper)
        missing = np.isnan(values)
        with np.errstate(divide="ignore", invalid="ignore"):
            density = inside / box.sides
            if errors is not None:
                variances = errors if errors.ndim == 2 else np.einsum("ndd->nd", errors)
                deviations = np.sqrt(np.broadcast_to(variances, values.shape))
                spread = ndtr((box.upper - values) / deviations)
                spread -= ndtr((box.lower - values) / deviations)
                density = np.where(deviations > 0.0, spread / box.sides, density)
            return np.where(missing, 0.0, np.log(density)).sum(axis=1)

    return rows.once(("background", box), find)


def array_rows(rows: Rows) -> ArrayRows:
    """Return rows in memory."""
    if isinstance(rows, ArrayRows):
        return rows
    blocks = list(rows.blocks())
    weights = [block.row_weights for block in blocks]
    values = np.concatenate([block.values for block in blocks])
    return ArrayRows(values, np.concatenate(weights), rows.factor)


def beside(potentials: Potentials) -> Potentials:
    """Return the potentials of the components alone."""
    return replace(potentials, background=None)


def background_logs(
    engine: Sweeper, rows: ArrayRows, potentials: Potentials
) -> tuple[Array, Array]:
    """Return the logs of each row's density, and of the background's share of it, (N,)."""
    own = potentials.background
    assert own is not None
    scores = own.log_weight + uniform_log_density(rows, own.box)
    total = np.logaddexp(engine.log_density(rows, beside(potentials)), scores)
    return total, scores - total


def swept_beside_background(
    engine: Sweeper, rows: Rows, potentials: Potentials, assignment: Assignment
) -> SufficientStatistics:
    """Return the statistics of rows some of which belong to no component."""
    some, own = array_rows(rows), potentials.background
    assert own is not None
    if assignment.is_given:
        found = engine.sweep(some, beside(potentials), assignment)
        return replace(found, background=np.zeros(2))
    total, log_share = background_logs(engine, some, potentials)
    weights = np.ones(some.n_rows) if some.weights is None else some.weights
    share = np.exp(log_share)
    if isinstance(assignment, Sampled):
        share = (assignment.uniforms_of_rows(some.n_rows) < share).astype(np.float64)
    elif isinstance(assignment, Hard):
        share = (share > 0.5).astype(np.float64)
    rest = some.reweighted(weights * (1.0 - share))
    found = engine.sweep(rest, beside(potentials), assignment)
    mass = weights * share
    density = np.where(mass > 0.0, uniform_log_density(some, own.box), 0.0)
    return replace(
        found,
        log_normalizer=float(weights[weights > 0.0] @ total[weights > 0.0]),
        background=np.array([mass.sum(), mass @ density]),
    )


def shares_beside_background(engine: Sweeper, rows: Rows, potentials: Potentials) -> Array:
    """Return each component's share of each row, and in a last column the background's."""
    some = array_rows(rows)
    _, log_share = background_logs(engine, some, potentials)
    share = np.exp(log_share)[:, None]
    found = engine.responsibilities(some, beside(potentials))
    # Where no component has any weight, no row is told anything of them.
    found = np.where(share < 1.0, found * (1.0 - share), 0.0)
    return np.concatenate([found, share], axis=1)


def labels_of_shares(shares: Array) -> IntegerArray:
    """Return the column of the largest share of each row, the last one as the background's."""
    found = shares.argmax(axis=1)
    return np.where(found == shares.shape[1] - 1, BACKGROUND, found)


def drawn_beside_background(
    engine: Sweeper, rows: Rows, potentials: Potentials, n_draws: int, seed: int
) -> IntegerArray:
    """Return components drawn for each row, shape (n_draws, N), or the background's label."""
    shares = shares_beside_background(engine, rows, potentials)
    positions, background = np.arange(len(shares)), shares.shape[1] - 1
    drawn = np.empty((n_draws, len(shares)), dtype=np.intp)
    for sweep in range(n_draws):
        drawn[sweep] = Sampled(seed, sweep).drawn(shares, positions)
    return np.where(drawn == background, BACKGROUND, drawn)


def only_background(rows: ArrayRows, potentials: Potentials) -> Array:
    """Return the log densities (N,) of rows that are known to belong to no component."""
    own = potentials.background
    assert own is not None
    return own.log_weight + uniform_log_density(rows, own.box)
