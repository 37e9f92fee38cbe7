"""Geweke's joint distribution test of whole sweeps, and the test of the test [Geweke2004]_.

Parameters are drawn from the prior; then rows are drawn given them, and parameters anew by a sweep
of the sampler, round after round. After any number of rounds rows and parameters are together
distributed as at first; a mistake adds up from round to round. Replicates are independent of each
other, so that two samples can be compared by Kolmogorov and Smirnov. A sampler with a bug must be
caught.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from laws.running import chain_from
from mixtura.data import ArrayRows
from mixtura.inference.mcmc import gibbs_chains
from mixtura.inference.mcmc.gibbs_chains import ChainPlan
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel, draw_rows
from mixtura.priors import MixtureOfFiniteMixtures, finite_mixtures
from statistical.kernels import CENTRE, KERNELS, SWEPT_KERNELS, WHOLE_KERNELS, Kernel

N_ROWS = 4
"""So few that the prior's part in every draw shows, and that rounds soon forget the first ones."""

ONE_SWEEP = ChainPlan(draws=1, warmup=1, thin=1)
"""Of which the first draw is the given one."""

UNLIKELY = 1e-5
"""A quantity of a valid sampler is below this once in as many tests."""

CAUGHT = 1e-7
"""What the least p-value of a sampler with a planted bug must be below."""


def quantities(
    model: MixtureModel, at: MixtureParameters, rows: np.ndarray, log_likelihood: float
) -> np.ndarray:
    """Return numbers of which each sees another mistake."""
    variances = model.family.variances(at.covariances, *at.means.shape)
    if at.covariances.ndim == 3:
        spread = np.linalg.slogdet(at.covariances)[1]
    else:
        spread = np.log(at.covariances).sum(axis=1)
    squares = np.square(at.means - CENTRE)
    products = at.means[:, :1] * rows[:, 0].mean()
    parts = (
        (at.weights, at.means, spread, rows.mean(axis=0) - at.weights @ at.means, products),
        (log_likelihood, spread.sum(), np.log(squares).sum(), np.log(squares / variances).sum()),
        # What the priors' densities depend on sees mistakes in their hyperparameters best.
        (np.log(np.maximum(at.weights, 1e-300)).sum(), np.log((squares / variances).sum())),
        ((at.weights > 0.0).sum(),),
    )
    return np.concatenate([np.ravel(part) for group in parts for part in group])


def after_rounds(
    kernel: Kernel, n_rounds: int, seed: np.random.SeedSequence, n_rows: int
) -> np.ndarray:
    """Return the quantities of rows and parameters after rounds of drawing one given the other."""
    engine, model = kernel
    of_prior, *of_rounds = seed.spawn(n_rounds + 1)
    prior = model.sample_prior(n_rows, of_prior)
    rows, current = prior.rows, prior.parameters
    if not of_rounds:
        found = engine.sweep(ArrayRows(rows), model.potentials(current), Soft())
        return quantities(model, current, rows, found.log_normalizer)
    for child in of_rounds:
        of_rows, of_chain = child.spawn(2)
        rows, _ = draw_rows(model.family, current, n_rows, np.random.default_rng(of_rows))
        chain = chain_from(model, rows, engine, current, ONE_SWEEP, of_chain)
        current = MixtureParameters(chain.weights[0], chain.means[0], chain.covariances[0])
    return quantities(model, current, rows, chain.log_likelihood[-1])


def least_p_value(
    kernel: Kernel, n_replicates: int, n_rounds: int, seed: int = 0, n_rows: int = N_ROWS
) -> float:
    """Return the least p-value of all quantities, before the rounds against after them.

    The sample before them costs little and has four times as many replicates.
    """
    of_first, of_last = np.random.SeedSequence(seed).spawn(2)
    first = [after_rounds(kernel, 0, child, n_rows) for child in of_first.spawn(4 * n_replicates)]
    last = [after_rounds(kernel, n_rounds, child, n_rows) for child in of_last.spawn(n_replicates)]
    free = np.ptp(first, axis=0) > 1e-9  # known scales are not
    pairs = zip(np.transpose(first)[free], np.transpose(last)[free], strict=True)
    return min(float(stats.ks_2samp(*pair, method="asymp").pvalue) for pair in pairs)


# ----------------------------------------------------------------------------- valid samplers


@pytest.mark.parametrize("name", KERNELS)
def test_the_joint_distribution_stays(name: str) -> None:
    n_replicates = 120 if name in WHOLE_KERNELS else 40
    assert least_p_value(KERNELS[name], n_replicates, 8) > UNLIKELY


@pytest.mark.calibrate
@pytest.mark.parametrize("name", KERNELS)
def test_the_joint_distribution_stays_in_many_replicates(name: str) -> None:
    n_replicates = 5000 if name in WHOLE_KERNELS else 1000
    assert least_p_value(KERNELS[name], n_replicates, 10, seed=1) > UNLIKELY


# ------------------------------------------------------------------------------- planted bugs

Statistics = Any
Bug = Callable[[MixtureModel, Statistics, MixtureParameters, np.random.Generator], Any]


def shape_off_by_half(model: MixtureModel) -> MixtureModel:
    prior: Any = model.component_prior
    return replace(model, component_prior=replace(prior, shape=prior.shape + 0.5))


def mean_half_as_precise(model: MixtureModel) -> MixtureModel:
    prior: Any = model.component_prior
    return replace(model, component_prior=replace(prior, shrinkage=0.5 * prior.shrinkage))


def one_row_too_many(model: MixtureModel) -> MixtureModel:
    prior: Any = model.weight_prior
    return replace(model, weight_prior=replace(prior, concentration=prior.concentration + 1.0))


WRONG_MODELS = [shape_off_by_half, mean_half_as_precise, one_row_too_many]
"""Bugs that amount to the posterior of another prior."""


def weights_of_others(
    model: MixtureModel, statistics: Statistics, current: MixtureParameters, rng: Any
) -> MixtureParameters:
    found = right(model, statistics, current, rng)
    weights = model.weight_prior.posterior(statistics.count[::-1].copy())
    return replace(found, weights=weights.draw(rng, model.n_components))


def moments_about_old_means(
    model: MixtureModel, statistics: Statistics, current: MixtureParameters, rng: Any
) -> MixtureParameters:
    """Moments are about the pivot; here it is forgotten."""
    forgotten = replace(statistics, pivot=np.zeros_like(statistics.pivot))
    return right(model, forgotten, current, rng)


right = gibbs_chains.drawn
WRONG_STEPS: list[tuple[Bug, int]] = [(weights_of_others, 12), (moments_about_old_means, N_ROWS)]
"""Bugs with a number of rows at which they show."""


def without_the_choices(log_numbers: np.ndarray, c: float, n: float, t: int) -> np.ndarray:
    """Return terms of numbers of components that forget how many choices hold the occupied ones."""
    numbers = np.arange(1, log_numbers.size + 1)
    logs = log_numbers + gammaln(numbers * c) - gammaln(numbers * c + n)
    return np.where(numbers >= t, logs, -np.inf)


@pytest.mark.calibrate
def test_bugs_of_numbers_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finite_mixtures, "log_partition_terms", without_the_choices)
    assert least_p_value(SWEPT_KERNELS["reference-numbers"], 250, 8) < CAUGHT


@pytest.mark.calibrate
def test_bugs_of_whole_numbers_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of components are taken for those of one more."""
    valid: Any = MixtureOfFiniteMixtures.steps

    def shifted(prior: MixtureOfFiniteMixtures, n_components: int) -> Any:
        steps = valid(prior, n_components)
        return replace(steps, log_numbers=np.roll(steps.log_numbers, 1))

    monkeypatch.setattr(MixtureOfFiniteMixtures, "steps", shifted)
    assert least_p_value(KERNELS["whole-numbers"], 400, 10) < CAUGHT


SLOW = [pytest.param(bug, marks=pytest.mark.calibrate) for bug in WRONG_MODELS[1:]]


@pytest.mark.parametrize("bug", [WRONG_MODELS[0], *SLOW])
def test_bugs_of_whole_chains_are_caught(
    bug: Callable[[MixtureModel], MixtureModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    valid: Any = MixtureModel.steps
    monkeypatch.setattr(MixtureModel, "steps", property(lambda model: valid.fget(bug(model))))
    assert least_p_value(KERNELS["whole-variances"], 400, 10) < CAUGHT


@pytest.mark.calibrate
@pytest.mark.parametrize("bug", WRONG_MODELS)
def test_bugs_of_priors_are_caught(
    bug: Callable[[MixtureModel], MixtureModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slightest of them, a shape, moves a distribution function by 0.16 at most.

    With so few rows ten rounds come near to the other prior.
    """

    def wrong(model: MixtureModel, *arguments: Any) -> MixtureParameters:
        return right(bug(model), *arguments)

    monkeypatch.setattr(gibbs_chains, "drawn", wrong)
    assert least_p_value(SWEPT_KERNELS["reference-spherical"], 800, 10, n_rows=2) < CAUGHT


@pytest.mark.calibrate
@pytest.mark.parametrize(("bug", "n_rows"), WRONG_STEPS)
def test_bugs_of_sweeps_are_caught(bug: Bug, n_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gibbs_chains, "drawn", bug)
    kernel = SWEPT_KERNELS["reference-spherical"]
    assert least_p_value(kernel, 250, 10, n_rows=n_rows) < CAUGHT
