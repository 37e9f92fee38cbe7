"""One chain of a Gibbs sampler: rows assigned at random, parameters drawn given them."""

from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.assignments import Sampled
from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.model import MixtureModel
from mixtura.parameters import MixtureParameters
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array


@final
@dataclass(frozen=True)
class Plan:
    """How long a chain runs and what is kept of it.

    Parameters
    ----------
    draws : int
        Number of draws that are kept.
    warmup : int
        Number of sweeps before the first of them.
    thin : int
        Number of sweeps from one to the next.
    """

    draws: int
    warmup: int
    thin: int

    @property
    def sweeps(self) -> int:
        """Number of draws whose density is known: the first, and one after each sweep but one."""
        return self.warmup + self.draws * self.thin

    @property
    def kept(self) -> slice:
        """Positions of the draws that are kept among all."""
        return slice(self.warmup + self.thin - 1, self.sweeps, self.thin)


@final
@dataclass(frozen=True, eq=False)
class Chain:
    """Draws that were kept, and the densities of all.

    Parameters
    ----------
    weights : array of shape (S, K)
        Mixture weights.
    means : array of shape (S, K, D)
        Component means.
    covariances : array of shape (S, *structure)
        Covariances or variances.
    log_likelihood, log_joint : array of shape (T,)
        Log likelihood of the rows, and with the prior's density, at each of all T draws, in nats.
    """

    weights: Array
    means: Array
    covariances: Array
    log_likelihood: Array
    log_joint: Array


def run_chain(
    model: MixtureModel,
    rows: Rows,
    engine: Engine,
    start: SufficientStatistics,
    plan: Plan,
    seed: np.random.SeedSequence,
) -> Chain:
    """Return a chain that begins with a draw given the start's statistics."""
    of_start, of_chain = seed.spawn(2)
    first = drawn(model, start, model.mode(start), np.random.default_rng(of_start))
    return chain_from(model, rows, engine, first, plan, of_chain)


def chain_from(
    model: MixtureModel,
    rows: Rows,
    engine: Engine,
    first: MixtureParameters,
    plan: Plan,
    seed: np.random.SeedSequence,
) -> Chain:
    """Return a chain whose first draw is given."""
    compiled = _compiled(model, rows, engine, first, plan, seed)
    return compiled or _by_sweeps(model, rows, engine, first, plan, seed)


def _compiled(
    model: MixtureModel,
    rows: Rows,
    engine: Engine,
    first: MixtureParameters,
    plan: Plan,
    seed: np.random.SeedSequence,
) -> Chain | None:
    """Return the chain that the engine runs as a whole, if it can."""
    steps, sizes = model.steps, first.means.shape
    if steps is None:
        return None
    start = (first.weights, first.means, first.covariances.reshape(sizes))
    numbers = (plan.draws, plan.warmup, plan.thin)
    found = engine.chain(rows, steps, start, numbers, seed)
    if found is None:
        return None
    covariances = found.variances.reshape(plan.draws, *model.structure)
    kept = found.log_prior[plan.kept]
    best = int(np.argmax(kept))
    at = MixtureParameters(found.weights[best], found.means[best], covariances[best])
    log_prior = found.log_prior + (model.log_prior(at) - kept[best])
    log_joint = found.log_likelihood + log_prior
    return Chain(found.weights, found.means, covariances, found.log_likelihood, log_joint)


def _by_sweeps(
    model: MixtureModel,
    rows: Rows,
    engine: Engine,
    current: MixtureParameters,
    plan: Plan,
    seed: np.random.SeedSequence,
) -> Chain:
    of_rows, of_parameters = seed.spawn(2)
    row_seed = int(of_rows.generate_state(1, np.uint64)[0])
    rng = np.random.default_rng(of_parameters)
    sizes, structure = (model.n_components, model.n_features), model.structure
    kept, number = range(plan.sweeps)[plan.kept], 0
    weights, means = np.empty((plan.draws, sizes[0])), np.empty((plan.draws, *sizes))
    covariances = np.empty((plan.draws, *structure))
    log_likelihood, log_joint = np.empty(plan.sweeps), np.empty(plan.sweeps)
    for sweep in range(plan.sweeps):
        statistics = engine.sweep(rows, model.potentials(current), Sampled(row_seed, sweep))
        # The sweep that assigns the rows for the next draw finds the density at this one.
        log_likelihood[sweep] = statistics.log_normalizer
        log_joint[sweep] = statistics.log_normalizer + model.log_prior(current)
        if number < plan.draws and sweep == kept[number]:
            weights[number], means[number] = current.weights, current.means
            covariances[number] = current.covariances
            number += 1
        current = drawn(model, statistics, current, rng)
    return Chain(weights, means, covariances, log_likelihood, log_joint)


def drawn(
    model: MixtureModel,
    statistics: SufficientStatistics,
    current: MixtureParameters,
    rng: np.random.Generator,
) -> MixtureParameters:
    """Return parameters drawn given the statistics of assigned rows."""
    weights = model.weight_prior.posterior(statistics.count).draw(rng, model.n_components)
    return MixtureParameters(
        weights,
        *model.component_prior.draw_given(statistics, current.means, current.covariances, rng),
    )
