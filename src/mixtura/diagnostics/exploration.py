"""Whether a posterior has a part that chains never came to."""

import numpy as np

from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.messages.assignments import Sampled, Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.typing import Array

N_STARTS, N_CLIMBED = 20, 30
"""Starts at random rows, and EM steps that each of them takes."""

N_CHAINS, N_SETTLING, N_DRAWN = 3, 50, 100
"""Short chains from the highest ends, and their sweeps before those that count and of these."""

HIGHER = 0.5
"""Nats by which an end must be higher than that of the draws for a chain to begin there."""


def unvisited(
    model: MixtureModel, rows: ArrayRows, engine: Engine, drawn: MixtureParameters, level: float
) -> float:
    """Return by how many nats the log joint density is higher where short chains stay elsewhere.

    EM from random rows and from a draw ends at modes; short Gibbs chains begin at those that are
    higher than the draw's. A high but narrow mode does not hold them. Zero where none is higher.

    Parameters
    ----------
    model : MixtureModel
        The model, of weights that have a mode and a density.
    rows : ArrayRows
        The rows, each as often as its weight says.
    engine : Engine
        What sweeps.
    drawn : MixtureParameters
        The draw of highest log joint density.
    level : float
        Average log joint density of the draws, in nats.
    """
    rng = np.random.default_rng(0)
    own, _ = _climbed(model, rows, engine, drawn)
    K = model.n_components
    values = np.concatenate([block.values for block in engine.completed(rows).blocks()])
    ends = []
    for _ in range(N_STARTS):
        chosen = rng.choice(rows.n_rows, K, replace=rows.n_rows < K)
        means = values[chosen].astype(np.float64)
        first = MixtureParameters(np.full(K, 1.0 / K), means, drawn.covariances)
        ends.append(_climbed(model, rows, engine, first))
    higher = sorted((end for end in ends if end[0] > own + HIGHER), key=lambda end: -end[0])
    levels = [_level(model, rows, engine, end[1], rng) for end in higher[:N_CHAINS]]
    return max([0.0, *(one - level for one in levels)])


def _climbed(
    model: MixtureModel, rows: ArrayRows, engine: Engine, parameters: MixtureParameters
) -> tuple[float, MixtureParameters]:
    """Return log joint density and parameters after some EM steps."""
    for _ in range(N_CLIMBED):
        statistics = engine.sweep(rows, model.potentials(parameters), Soft())
        parameters = model.typical(statistics)
    return _log_joint(model, rows, engine, parameters), parameters


def _log_joint(
    model: MixtureModel, rows: ArrayRows, engine: Engine, parameters: MixtureParameters
) -> float:
    found = engine.sweep(rows, model.potentials(parameters), Soft()).log_normalizer
    return found + model.log_prior(parameters)


def _level(
    model: MixtureModel,
    rows: ArrayRows,
    engine: Engine,
    parameters: MixtureParameters,
    rng: np.random.Generator,
) -> float:
    """Return the average log joint density along a short Gibbs chain."""
    K, seed = model.n_components, int(rng.integers(2**63))
    found: Array = np.empty(N_SETTLING + N_DRAWN)
    for sweep in range(found.size):
        assigned = engine.sweep(rows, model.potentials(parameters), Sampled(seed, sweep))
        found[sweep] = assigned.log_normalizer + model.log_prior(parameters)
        weights = model.weight_prior.posterior(assigned.of_weights).draw(rng, K)
        current = (parameters.means, parameters.covariances)
        drawn = model.component_prior.draw_given(assigned, *current, rng)
        parameters = MixtureParameters(weights, *drawn)
    return float(found[N_SETTLING:].mean())
