"""Chains of the Gibbs sampler as they were drawn, and the rows' components given each draw."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from laws.running import whole_chain
from mixtura.data import ArrayRows
from mixtura.diagnostics.convergence_diagnostics import mean_error
from mixtura.engines import ENGINES, Engine
from mixtura.inference.mcmc.gibbs_chains import ChainPlan, Sampler
from mixtura.inference.starts import INITIALIZERS
from mixtura.model import MixtureModel

NATIVE = ENGINES["native"](n_threads=1)


@dataclass(frozen=True)
class Drawn:
    """Weights (C, S, K), means (C, S, K, D) and matrices (C, S, K, D, D) of C chains."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def shares(self, rows: np.ndarray) -> np.ndarray:
        """Return the components' shares of each row by direct sums, (C, S, N, K)."""
        precisions = np.linalg.inv(self.covariances)
        with np.errstate(divide="ignore"):  # a weight of zero has no share of any row
            logs = np.log(self.weights)
        logs = logs + 0.5 * np.linalg.slogdet(precisions)[1]
        apart = rows[:, None, :] - self.means[:, :, None]
        form = np.einsum("csnkd,cskde,csnke->csnk", apart, precisions, apart)
        logs = logs[:, :, None] - 0.5 * form
        shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
        return shares / shares.sum(axis=-1, keepdims=True)


def run_chains(
    model: MixtureModel,
    rows: np.ndarray,
    plan: ChainPlan,
    n_chains: int = 4,
    engine: Engine = NATIVE,
    seed: int = 0,
) -> Drawn:
    """Return chains from random starts, their components numbered as they were drawn."""
    data, K, D = ArrayRows(rows), model.n_components, model.n_features
    found = []
    for number, child in enumerate(np.random.SeedSequence(seed).spawn(n_chains)):
        of_start, of_chain = child.spawn(2)
        start = INITIALIZERS["random"].statistics(model, data, engine, number, of_start)
        sampler = Sampler(model, data, engine, plan)
        found.append(whole_chain(sampler, sampler.begin(start, of_chain)))
    covariances = np.stack([chain.covariances for chain in found])
    if len(model.structure) == 2:
        covariances = (covariances * np.ones((K, D)))[..., None] * np.eye(D)
    return Drawn(
        np.stack([chain.weights for chain in found]),
        np.stack([chain.means for chain in found]),
        covariances * np.ones((K, D, D)),
    )


def n_occupied(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return how many components have rows, (C, S), the rows' components drawn by their shares."""
    levels = rng.random((*shares.shape[:3], 1))
    numbers = (shares.cumsum(axis=-1) < levels).sum(axis=-1).clip(max=shares.shape[-1] - 1)
    ordered = np.sort(numbers, axis=-1)
    return 1 + (np.diff(ordered, axis=-1) > 0).sum(axis=-1)


def standardised(values: np.ndarray, exact: np.ndarray, least: Any = 0.0) -> np.ndarray:
    """Return the errors of averages of draws (C, S, ...) in units of their standard errors.

    Standard errors are at least ``least``.
    """
    error = np.maximum(np.nan_to_num(mean_error(values)), least)
    return (values.mean(axis=(0, 1)) - exact) / error


def of_events(values: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return standardised errors of probabilities, from draws (C, S, ...) between 0 and 1.

    What is rare may not have happened: its error is at least that of independent draws.
    """
    size = values.shape[0] * values.shape[1]
    return standardised(values, exact, np.sqrt(exact * (1.0 - exact) / size))
