"""One chain of a Gibbs sampler: rows assigned at random, parameters drawn given them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mixtura.data import Rows
from mixtura.engines import Engine
from mixtura.inference.mcmc.chain_runs import (
    ChainPlan,
    Kept,
    Runner,
    RunState,
    checked,
    generator_of,
)
from mixtura.messages.assignments import Sampled
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array

CURRENT = ("weights", "means", "covariances")
PAST = (*CURRENT, "log_likelihood", "log_prior")
"""Names of arrays in a file of chains."""


@final
@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive sweeps of a chain.

    Parameters
    ----------
    weights : array of shape (S, K)
        Mixture weights of the draws that are kept.
    means : array of shape (S, K, D)
        Component means.
    covariances : array of shape (S, *structure)
        Covariances or variances.
    log_likelihood, log_prior : array of shape (T,)
        Log likelihood of the rows, and log prior density up to one constant for the whole chain,
        at the draw of each of the T sweeps, in nats.
    """

    weights: Array
    means: Array
    covariances: Array
    log_likelihood: Array
    log_prior: Array


def joined(stretches: Sequence[Stretch]) -> Stretch:
    """Return stretches that follow each other as one."""
    return Stretch(*(np.concatenate([getattr(s, name) for s in stretches]) for name in PAST))


@final
@dataclass(frozen=True, eq=False)
class ChainState(RunState):
    """Where a chain stands: all that its further sweeps depend on, and those behind it.

    Parameters
    ----------
    current : MixtureParameters
        The draw at which the next sweep begins.
    row_seed : int
        Key of the random numbers of rows.
    random : dict
        State of the generator that parameters are drawn from.
    past : tuple of Stretch
        The sweeps so far.
    """

    current: MixtureParameters
    row_seed: int
    random: Any
    past: tuple[Stretch, ...] = ()

    @property
    def sweeps(self) -> int:
        return sum(len(stretch.log_prior) for stretch in self.past)


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


@final
@dataclass(frozen=True, eq=False)
class Sampler(Runner[ChainState]):
    """What all chains of a fit have in common.

    Parameters
    ----------
    model : MixtureModel
        The model, in the rows' units.
    rows : Rows
        Rows without weights.
    engine : Engine
        Where sweeps run.
    plan : ChainPlan
        How long the chains are, and what is kept of them.
    """

    model: MixtureModel
    rows: Rows
    engine: Engine
    plan: ChainPlan

    def begin(self, start: SufficientStatistics, seed: np.random.SeedSequence) -> ChainState:
        # A draw given the start's statistics.
        of_start, of_chain = seed.spawn(2)
        first = self.model.typical(start)
        return self.begin_at(
            drawn(self.model, start, first, np.random.default_rng(of_start)), of_chain
        )

    def begin_at(self, first: MixtureParameters, seed: np.random.SeedSequence) -> ChainState:
        """Return a chain before its first sweep, whose first draw is given."""
        of_rows, of_parameters = seed.spawn(2)
        row_seed = int(of_rows.generate_state(1, np.uint64)[0])
        return ChainState(first, row_seed, np.random.PCG64(of_parameters).state)

    def advance(self, state: ChainState, sweeps: int) -> ChainState:
        rng, begin = generator_of(state.random), state.sweeps
        found = self._in_one_call(state, begin, begin + sweeps, rng)
        stretch, current = found or self._by_sweeps(state, begin, begin + sweeps, rng)
        return ChainState(current, state.row_seed, rng.bit_generator.state, (*state.past, stretch))

    def judged(self, states: Sequence[ChainState], plan: ChainPlan) -> list[Array]:
        def whole(name: str) -> Array:
            parts = [np.concatenate([getattr(s, name) for s in state.past]) for state in states]
            return np.stack(parts)

        log_joint = whole("log_likelihood") + whole("log_prior")
        judged = [log_joint[:, plan.kept]]
        if self.model.weight_prior.has_random_number:
            used = (whole("weights") > 0.0).sum(axis=-1)[:, : plan.draws]
            judged.append(used.astype(np.float64))
        return judged

    def packed(self, states: Sequence[ChainState]) -> Kept:
        arrays = {
            f"current_{name}": np.stack([getattr(state.current, name) for state in states])
            for name in CURRENT
        }
        if states[0].past:
            past = [joined(state.past) for state in states]
            arrays |= {name: np.stack([getattr(one, name) for one in past]) for name in PAST}
        seeds, random = [state.row_seed for state in states], [state.random for state in states]
        return {"row_seeds": seeds, "random": random}, arrays

    def restored(
        self, header: Mapping[str, Any], arrays: Mapping[str, Array], chains: int
    ) -> list[ChainState]:
        model, plan = self.model, self.plan
        sizes = (model.n_components, model.n_features)
        shapes = {"weights": sizes[:1], "means": sizes, "covariances": model.structure}
        current = [checked(arrays[f"current_{name}"], (chains, *shapes[name])) for name in CURRENT]
        past: list[Array] = []
        if PAST[-1] in arrays:
            sweeps = arrays[PAST[-1]].shape[-1]
            if sweeps > plan.sweeps:
                raise ValueError("more sweeps than the plan has")
            draws = plan.kept_before(sweeps)
            past = [checked(arrays[name], (chains, draws, *shapes[name])) for name in CURRENT]
            past += [checked(arrays[name], (chains, sweeps)) for name in PAST[len(CURRENT) :]]
        states = []
        for number in range(chains):
            generator_of(header["random"][number])
            states.append(
                ChainState(
                    MixtureParameters(*(part[number].copy() for part in current)),
                    int(header["row_seeds"][number]),
                    header["random"][number],
                    (Stretch(*(part[number] for part in past)),) if past else (),
                )
            )
        return states

    def finished(self, state: ChainState, plan: ChainPlan) -> Chain:
        """Return the chain of a plan that it has reached the end of."""
        found = joined(state.past)
        weights, means = found.weights[: plan.draws], found.means[: plan.draws]
        covariances, log_prior = found.covariances[: plan.draws], found.log_prior[: plan.sweeps]
        log_likelihood = found.log_likelihood[: plan.sweeps]
        # Native chains know the prior's density up to a constant: it is found at one draw.
        kept = log_prior[plan.kept]
        best = int(np.argmax(kept))
        at = MixtureParameters(weights[best], means[best], covariances[best])
        log_joint = log_likelihood + (log_prior + (self.model.log_prior(at) - kept[best]))
        return Chain(weights, means, covariances, log_likelihood, log_joint)

    def _in_one_call(
        self, state: ChainState, begin: int, end: int, rng: np.random.Generator
    ) -> tuple[Stretch, MixtureParameters] | None:
        """Return the sweeps that the engine runs as a whole, if it can, and the next draw."""
        steps, current, plan = self.model.steps, state.current, self.plan
        if steps is None:
            return None
        structure = self.model.structure
        # Of one feature a matrix is a variance.
        covariances = current.covariances.reshape(structure[: steps.components.dimensions])
        start = (current.weights, current.means, covariances)
        span = (begin, end, plan.warmup, plan.thin)
        found = self.engine.chain(self.rows, steps, start, span, state.row_seed, rng)
        if found is None:
            return None
        covariances = found.variances.reshape(len(found.variances), *structure)
        weights, means, variances = found.last
        return (
            Stretch(found.weights, found.means, covariances, found.log_likelihood, found.log_prior),
            MixtureParameters(weights, means, variances.reshape(structure)),
        )

    def _by_sweeps(
        self, state: ChainState, begin: int, end: int, rng: np.random.Generator
    ) -> tuple[Stretch, MixtureParameters]:
        model, plan, current = self.model, self.plan, state.current
        first = plan.kept_before(begin)
        draws = plan.kept_before(end) - first
        sizes = (model.n_components, model.n_features)
        weights, means = np.empty((draws, sizes[0])), np.empty((draws, *sizes))
        covariances = np.empty((draws, *model.structure))
        log_likelihood, log_prior = np.empty(end - begin), np.empty(end - begin)
        for sweep in range(begin, end):
            assignment = Sampled(state.row_seed, sweep)
            statistics = self.engine.sweep(self.rows, model.potentials(current), assignment)
            # The sweep that assigns the rows for the next draw finds the density at this one.
            log_likelihood[sweep - begin] = statistics.log_normalizer
            log_prior[sweep - begin] = model.log_prior(current)
            number = plan.kept_before(sweep)
            if plan.kept_before(sweep + 1) > number:
                weights[number - first], means[number - first] = current.weights, current.means
                covariances[number - first] = current.covariances
            current = drawn(model, statistics, current, rng)
        return Stretch(weights, means, covariances, log_likelihood, log_prior), current


def drawn(
    model: MixtureModel,
    statistics: SufficientStatistics,
    current: MixtureParameters,
    rng: np.random.Generator,
) -> MixtureParameters:
    """Return parameters drawn given the statistics of assigned rows."""
    weights = model.weight_prior.posterior(statistics.of_weights).draw(rng, model.n_components)
    if model.background is not None:
        given = model.background.given(statistics.of_background, float(statistics.of_weights.sum()))
        weights = weights * (1.0 - rng.beta(*given))
    parts = model.component_prior.draw_given(statistics, current.means, current.covariances, rng)
    # In one order of memory, on which sums may depend: a chain that is read back has it too.
    return MixtureParameters(*(np.ascontiguousarray(part) for part in (weights, *parts)))
