"""One chain of a Gibbs sampler: rows assigned at random, parameters drawn given them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from mixtura.messages.draws import DENSITIES, PARAMETERS, Draws
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.typing import Array


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
    past : tuple of Draws
        The sweeps so far.
    """

    current: MixtureParameters
    row_seed: int
    random: Any
    past: tuple[Draws, ...] = ()

    @property
    def sweeps(self) -> int:
        return sum(len(stretch.log_joint) for stretch in self.past)


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

    def monitored(self, states: Sequence[ChainState], plan: ChainPlan) -> list[Array]:
        def whole(name: str) -> Array:
            parts = [np.concatenate([getattr(s, name) for s in state.past]) for state in states]
            return np.stack(parts)

        monitored = [whole("log_joint")[:, plan.kept]]
        if self.model.weight_prior.has_random_number:
            used = (whole("weights") > 0.0).sum(axis=-1)[:, : plan.draws]
            monitored.append(used.astype(np.float64))
        return monitored

    def packed(self, states: Sequence[ChainState]) -> Kept:
        arrays = {
            f"current_{name}": np.stack([getattr(state.current, name) for state in states])
            for name in PARAMETERS
        }
        if states[0].past:
            past = Draws.beside([Draws.joined(state.past) for state in states])
            arrays |= {name: getattr(past, name) for name in (*PARAMETERS, *DENSITIES)}
        seeds, random = [state.row_seed for state in states], [state.random for state in states]
        return {"row_seeds": seeds, "random": random}, arrays

    def restored(
        self, header: Mapping[str, Any], arrays: Mapping[str, Array], chains: int
    ) -> list[ChainState]:
        model, plan = self.model, self.plan
        sizes = (model.n_components, model.n_features)
        shapes = {"weights": sizes[:1], "means": sizes, "covariances": model.structure}
        current = [
            checked(arrays[f"current_{name}"], (chains, *shapes[name])) for name in PARAMETERS
        ]
        if "log_prior" in arrays:  # as earlier versions wrote them
            arrays = {**arrays, "log_joint": arrays["log_likelihood"] + arrays["log_prior"]}
        past: list[Array] = []
        if "log_joint" in arrays:
            sweeps = arrays["log_joint"].shape[-1]
            if sweeps > plan.sweeps:
                raise ValueError("more sweeps than the plan has")
            draws = plan.kept_before(sweeps)
            past = [checked(arrays[name], (chains, draws, *shapes[name])) for name in PARAMETERS]
            past += [checked(arrays[name], (chains, sweeps)) for name in DENSITIES]
        states = []
        for number in range(chains):
            generator_of(header["random"][number])
            states.append(
                ChainState(
                    MixtureParameters(*(part[number].copy() for part in current)),
                    int(header["row_seeds"][number]),
                    header["random"][number],
                    (Draws(*(part[number] for part in past)),) if past else (),
                )
            )
        return states

    def finished(self, state: ChainState, plan: ChainPlan) -> Draws:
        """Return the draws of a plan that a chain has reached the end of, and all its densities."""
        found = Draws.joined(state.past).kept(slice(plan.draws), slice(plan.sweeps))
        # Native chains know the prior's density up to a constant: it is found at one draw.
        log_prior = (found.log_joint - found.log_likelihood)[plan.kept]
        best = int(np.argmax(log_prior))
        constant = self.model.log_prior(found.at(best)) - log_prior[best]
        return replace(found, log_joint=found.log_joint + constant)

    def _in_one_call(
        self, state: ChainState, begin: int, end: int, rng: np.random.Generator
    ) -> tuple[Draws, MixtureParameters] | None:
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
        log_joint = found.log_likelihood + found.log_prior
        return (
            Draws(found.weights, found.means, covariances, found.log_likelihood, log_joint),
            MixtureParameters(weights, means, variances.reshape(structure)),
        )

    def _by_sweeps(
        self, state: ChainState, begin: int, end: int, rng: np.random.Generator
    ) -> tuple[Draws, MixtureParameters]:
        model, plan, current = self.model, self.plan, state.current
        first = plan.kept_before(begin)
        draws = plan.kept_before(end) - first
        sizes = (model.n_components, model.n_features)
        weights, means = np.empty((draws, sizes[0])), np.empty((draws, *sizes))
        covariances = np.empty((draws, *model.structure))
        log_likelihood, log_joint = np.empty(end - begin), np.empty(end - begin)
        for sweep in range(begin, end):
            assignment = Sampled(state.row_seed, sweep)
            statistics = self.engine.sweep(self.rows, model.potentials(current), assignment)
            # The sweep that assigns the rows for the next draw finds the density at this one.
            log_likelihood[sweep - begin] = statistics.log_normalizer
            log_joint[sweep - begin] = statistics.log_normalizer + model.log_prior(current)
            number = plan.kept_before(sweep)
            if plan.kept_before(sweep + 1) > number:
                weights[number - first], means[number - first] = current.weights, current.means
                covariances[number - first] = current.covariances
            current = drawn(model, statistics, current, rng)
        return Draws(weights, means, covariances, log_likelihood, log_joint), current


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
