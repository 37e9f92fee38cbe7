"""Simulation-based calibration: true values rank uniformly among draws of their posteriors.

Parameters are drawn from the prior, rows given them, and chains given the rows, from starts that
know nothing of the parameters [Talts2018]_. Components are put in order, of weights as of any other
quantity, so that numbers do not matter. With MIXTURA_CALIBRATION_PICTURES the name of a folder, the
long form leaves pictures there.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laws.independent import log_likelihood
from laws.running import chain_from, run
from mixtura.data import ArrayRows
from mixtura.inference.mcmc.gibbs_chains import ChainPlan
from mixtura.inference.starts import Search
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior
from mixtura.ppl import NUTS
from statistical.kernels import (
    KERNELS,
    LEARNED_KERNELS,
    WHOLE_KERNELS,
    Kernel,
    default_kernels,
)
from statistical.ranks import band, covered, p_value

N_ROWS = 20
N_DRAWS = 63
"""Draws of each simulation among which the true value has a rank."""

UNLIKELY = 1e-3
"""Seeds are fixed; a departure that is rarer than this is a fault."""


def quantities(
    model: MixtureModel, at: MixtureParameters, log_likelihood: float
) -> dict[str, float]:
    """Return numbers that do not depend on the numbering of the components."""
    if at.covariances.ndim == 3:
        log_determinants = np.linalg.slogdet(at.covariances)[1]
    else:
        log_determinants = np.log(at.covariances * np.ones(model.n_features)).sum(axis=1)
    found = {"log likelihood": log_likelihood, "log joint": log_likelihood + model.log_prior(at)}
    parts = {"weight": at.weights, "mean": at.means[:, 0], "log determinant": log_determinants}
    for name, values in parts.items():
        ordered = np.sort(values)
        found |= {f"least {name}": ordered[0], f"largest {name}": ordered[-1]}
    if model.weight_prior.has_random_number:
        found["number of components"] = (at.weights > 0.0).sum()
    return {name: float(value) for name, value in found.items()}


def rank_once(
    kernel: Kernel, thin: int, seed: np.random.SeedSequence, *, searched: bool = False
) -> dict[str, int]:
    """Return the rank of every true value among the draws of one chain, ties broken at random.

    The chain begins at parameters drawn from the prior, or where the default start does.
    """
    engine, model = kernel
    of_prior, of_start, of_chain, of_ties = seed.spawn(4)
    prior = model.sample_prior(N_ROWS, of_prior)
    start = model.sample_prior(1, of_start).parameters
    if searched:
        found = Search().statistics(model, ArrayRows(prior.rows), engine, 0, of_start)
        start = model.typical(found)
    plan = ChainPlan(N_DRAWS, 20 * thin, thin)
    chain = chain_from(model, prior.rows, engine, start, plan, of_chain)
    truth = quantities(model, prior.parameters, log_likelihood(prior.rows, prior.parameters))
    parameters = map(MixtureParameters, chain.weights, chain.means, chain.covariances)
    drawn = [quantities(model, at, 0.0) for at in parameters]
    kept = chain.log_likelihood[plan.kept]
    return ranked(truth, drawn, kept, np.random.default_rng(of_ties))


def ranked(
    truth: dict[str, float],
    drawn: list[dict[str, float]],
    log_likelihoods: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Return the ranks of true values among those of the draws, ties broken at random."""
    ranks = {}
    for name, value in truth.items():
        values = np.array([one[name] for one in drawn])
        if name in ("log likelihood", "log joint"):
            values = values + log_likelihoods
        slack = 1e-9 * (1.0 + abs(value))
        ties = int((np.abs(values - value) <= slack).sum())
        ranks[name] = int((values < value - slack).sum()) + int(rng.integers(ties + 1))
    return ranks


def ranks_of(
    kernel: Kernel, n_simulations: int, thin: int, seed: int, *, searched: bool = False
) -> dict[str, np.ndarray]:
    """Return the ranks of every quantity in independent simulations."""
    children = np.random.SeedSequence(seed).spawn(n_simulations)
    found = [rank_once(kernel, thin, child, searched=searched) for child in children]
    return {name: np.array([one[name] for one in found]) for name in found[0]}


def departures(ranks: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the p-value of every quantity that departs from uniform ranks."""
    values = {name: p_value(each, N_DRAWS) for name, each in ranks.items()}
    return {name: value for name, value in values.items() if value < UNLIKELY}


@pytest.mark.parametrize("name", ["whole-variances", "whole-scales", "whole-numbers"])
def test_true_values_rank_uniformly(name: str) -> None:
    assert departures(ranks_of(KERNELS[name], 100, thin=10, seed=0)) == {}


@pytest.mark.calibrate
@pytest.mark.parametrize("name", KERNELS)
def test_true_values_rank_uniformly_in_many_simulations(name: str) -> None:
    whole = name in WHOLE_KERNELS
    n_simulations, thin = (1000, 20) if whole else (300, 4)
    if name in LEARNED_KERNELS:
        n_simulations = 1000
    ranks = ranks_of(KERNELS[name], n_simulations, thin, seed=1)
    folder = os.environ.get("MIXTURA_CALIBRATION_PICTURES")
    if folder:
        draw_pictures(ranks, name, Path(folder))
    assert departures(ranks) == {}


@pytest.mark.calibrate
@pytest.mark.parametrize("name", ["default-full", "default-diag"])
def test_chains_under_default_priors_are_calibrated(name: str) -> None:
    kernel = default_kernels()[name]
    assert departures(ranks_of(kernel, 1000, thin=20, seed=2, searched=True)) == {}


def draw_pictures(ranks: dict[str, np.ndarray], name: str, folder: Path) -> None:
    """Save how far the ranks' distribution functions are from that of uniform ranks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    axes = figure.subplots(2, -(-len(ranks) // 2), sharex=True, sharey=True).ravel()
    places = np.arange(1, N_DRAWS + 1) / (N_DRAWS + 1)
    size = next(iter(ranks.values())).size
    for spare in axes[len(ranks) :]:
        spare.set_axis_off()
    for one, (quantity, values) in zip(axes, ranks.items(), strict=False):
        for level, shade in ((0.95, 0.25), (1.0 - UNLIKELY, 0.12)):
            low, high = (end / size - places for end in band(size, N_DRAWS, level))
            one.fill_between(places, low, high, color="#0072B2", alpha=shade, linewidth=0)
        one.step(places, covered(values, N_DRAWS) / size - places, where="mid", color="#D55E00")
        one.set_title(quantity, fontsize=9)
        one.tick_params(labelsize=7)
    figure.supxlabel("rank of the true value, as a share of the draws", fontsize=9)
    figure.supylabel("ECDF less uniform", fontsize=9)
    figure.suptitle(f"{name}: {size:,} simulations; bands of 95 % and 99.9 %", fontsize=10)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=80)


@pytest.mark.parametrize("wrong", ["too narrow", "shifted"])
def test_draws_that_are_not_the_posterior_are_noticed(wrong: str) -> None:
    """One hundred normal posteriors, of which the draws have half the width or another centre."""
    rng = np.random.default_rng(3)
    truth = rng.standard_normal(100)
    centre, width = 0.5 * (truth + rng.standard_normal(100)), np.sqrt(0.5)
    noise = rng.standard_normal((N_DRAWS, 100))

    def ranks(shift: float, factor: float) -> np.ndarray:
        draws = centre + width * (shift + factor * noise)
        return (draws < truth).sum(axis=0)

    assert p_value(ranks(0.0, 1.0), N_DRAWS) > UNLIKELY
    bad = ranks(0.0, 0.5) if wrong == "too narrow" else ranks(0.5, 1.0)
    assert p_value(bad, N_DRAWS) < UNLIKELY


def test_bands_hold_uniform_ranks_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    low, high = band(200, 31, 0.9)
    counts = np.array([covered(rng.integers(0, 32, 200), 31) for _ in range(2000)])
    inside = ((counts >= low) & (counts <= high)).all(axis=1).mean()
    assert inside == pytest.approx(0.9, abs=0.03)


@pytest.mark.calibrate
@pytest.mark.filterwarnings("ignore:.*trajectories diverged:UserWarning")
def test_nuts_ranks_uniformly() -> None:
    """A handful of simulations: enough to see a wrong target, not a slight one."""
    pytest.importorskip("pyro")
    model = WHOLE_KERNELS["whole-scales"][1]
    n_simulations, found = 20, []
    for child in np.random.SeedSequence(5).spawn(n_simulations):
        of_prior, of_ties = child.spawn(2)
        prior = model.sample_prior(N_ROWS, of_prior)
        seed = int(of_ties.generate_state(1)[0])
        method = NUTS(chains=1, draws=N_DRAWS, warmup=60, max_tree_depth=6)
        fit: Any = run(model, prior.rows, method, "random", seed=seed)
        posterior = fit.posterior
        assert isinstance(posterior, DrawsPosterior)
        truth = quantities(model, prior.parameters, log_likelihood(prior.rows, prior.parameters))
        drawn = [quantities(model, posterior.draw(s), 0.0) for s in range(N_DRAWS)]
        rng = np.random.default_rng(of_ties)
        found.append(ranked(truth, drawn, posterior.log_likelihood[0], rng))
    assert departures({n: np.array([one[n] for one in found]) for n in found[0]}) == {}
