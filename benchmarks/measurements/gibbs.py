"""Samplers on the article's model: effective draws per second, by one estimate for all."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeAlias, final

import numpy as np
from scipy import stats
from scipy.special import logsumexp

from benchmarks.context import Context
from benchmarks.peers import numpyro_sampler
from benchmarks.table import Table, factor_cell, time_cell
from benchmarks.timing import Contender, NotRunError, Times, measure
from mixtura import GaussianMixtureModel
from mixtura.datasets import load_iris
from mixtura.diagnostics.convergence_diagnostics import ess_bulk
from mixtura.fit import Inference
from mixtura.inference.mcmc.gibbs import Gibbs
from mixtura.ppl.nuts import NUTS
from mixtura.priors import Dirichlet, Independent, InverseGamma, Normal

Drawn: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Weights, means and standard deviations, each (C, S, K)."""

DRAWS, WARMUP = 10_000, 500
"""Of each of mixtura's chains: so many that a run is long against what surrounds it."""

PYRO_DRAWS, PYRO_WARMUP = 50, 50
"""Few, for Pyro's sampler is slow: the effective draws are an estimate in order of magnitude."""

NUMPYRO, PYRO = "NumPyro NUTS", "Pyro NUTS"
REFERENCES = (NUMPYRO, PYRO)

NOTES = [
    "Iris petal lengths (150 rows), K = 2, the priors of the article's code; 4 chains; every time "
    "is that of a whole run, warm-up included. Effective draws (bulk) of the log joint density, "
    "which no numbering of components touches, and the smallest of weights, means and standard "
    "deviations after numbering by means; all by mixtura.diagnostics.convergence_diagnostics, over "
    "the median time. The draws are those of the last run.",
    f"mixtura Gibbs: whole calls of fit, {WARMUP} + {DRAWS} sweeps a chain, and the shorter run "
    "of 500 + 1000, where starts and the numbering of components are half of the time.",
    f"NumPyro NUTS: {numpyro_sampler.WARMUP} + {numpyro_sampler.DRAWS} draws a chain from the "
    "MAP, components summed out, float64, vectorised chains, compiled "
    "beforehand.",
    f"Pyro NUTS: mixtura's inference='nuts', {PYRO_WARMUP} + {PYRO_DRAWS} draws a chain from near "
    "the MAP, components summed out; so few that the effective draws are an estimate in order of "
    "magnitude.",
    "Ratios: effective draws per second of the row over those of the reference.",
]

COLUMNS = [
    "by",
    "threads",
    "time",
    "draws",
    "effective, log joint",
    "per s",
    "effective, smallest",
    "per s",
    *(f"over {reference}: log joint, smallest" for reference in REFERENCES),
]


@final
@dataclass
class Sampler:
    """Runs something and keeps its last draws.

    Parameters
    ----------
    make : callable
        Returns what is run, compiled beforehand.
    """

    make: Callable[[], Callable[[], Drawn]]

    def prepared(self) -> Callable[[], None]:
        """Return itself, set up."""
        self._run = self.make()
        return self

    def __call__(self) -> None:
        """Run, and remember the draws."""
        self.drawn = self._run()

    def effective(self, values: np.ndarray) -> tuple[int, float, float]:
        """Return the draws, the effective ones of the log joint, and the smallest of the rest."""
        weights, means, _ = self.drawn
        order = np.argsort(means, axis=-1)
        quantities = np.concatenate(
            [np.take_along_axis(part, order, axis=-1) for part in self.drawn], axis=-1
        )
        of_joint = ess_bulk(log_joints(values, self.drawn))
        return weights[..., 0].size, float(of_joint), float(ess_bulk(quantities).min())


def log_joints(values: np.ndarray, drawn: Drawn) -> np.ndarray:
    """Return the log density of the article's program at each draw, (C, S), but for constants."""
    weights, means, deviations = drawn
    result = stats.norm(0.0, 10.0).logpdf(means).sum(axis=-1)
    result += stats.invgamma(1.0, scale=1.0).logpdf(deviations).sum(axis=-1)
    for chain, log_weights in enumerate(np.log(weights)):
        scores = stats.norm.logpdf(
            values[:, None, None], means[None, chain], deviations[None, chain]
        )
        result[chain] += logsumexp(scores + log_weights, axis=-1).sum(axis=0)
    return result


def measure_gibbs(context: Context) -> Table:
    """Return the table of samplers."""
    settings = context.settings
    values = load_iris().column("petal_length")
    samplers: dict[str, tuple[str, int, Sampler]] = {}
    for draws in (1000, DRAWS):
        for threads in sorted({1, settings.threads}):
            group = f"mixtura Gibbs, {draws} draws, {threads} thr."
            make = _gibbs(values, draws, threads)
            samplers[group] = (group, threads, Sampler(make))
    for method in numpyro_sampler.METHODS:
        make = _numpyro(values, method)
        samplers[f"{NUMPYRO} {method}"] = (NUMPYRO, settings.threads, Sampler(make))
    samplers[PYRO] = (PYRO, 1, Sampler(lambda: _pyro(values)))
    contenders = [
        Contender(name, group, threads, sampler.prepared)
        for name, (group, threads, sampler) in samplers.items()
    ]
    context.report(f"gibbs: {', '.join(samplers)}")
    times = measure(contenders, settings.plan)
    table = Table("gibbs", "effective draws per second, the article's model", NOTES, COLUMNS)
    table.record("gibbs", times)
    found = {
        group: (taken, samplers[taken.contender.name][2].effective(values[:, 0]))
        for group, taken in times.items()
        if taken.seconds
    }
    for group, taken in times.items():
        table.add(_row(group, taken, found))
    return table


def _row(
    group: str, taken: Times, found: dict[str, tuple[Times, tuple[int, float, float]]]
) -> list[str]:
    cells = [taken.contender.name, str(taken.contender.threads), time_cell(taken)]
    if group not in found:
        return cells + ["–"] * (len(COLUMNS) - len(cells))
    draws, *sizes = found[group][1]
    cells.append(str(draws))
    for size in sizes:
        cells += [factor_cell(size), factor_cell(size / taken.median)]
    for reference in REFERENCES:
        if reference == group or reference not in found:
            cells.append("–")
            continue
        other, (_, *theirs) = found[reference]
        by_time = other.median / taken.median
        both = zip(sizes, theirs, strict=True)
        cells.append(", ".join(factor_cell(ours / their * by_time) for ours, their in both))
    return cells


def _fitted(values: np.ndarray, inference: Inference | str, **options: int) -> GaussianMixtureModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianMixtureModel(
            2,
            weight_prior=Dirichlet(1.0),
            component_prior=Independent(mean=Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0)),
            inference=inference,
            **options,
        ).fit(values)


def _sampled(values: np.ndarray, inference: Inference, seed: int, threads: int) -> Drawn:
    posterior = _fitted(values, inference, random_state=seed, n_jobs=threads).fit_.posterior
    weights, means, variances = posterior.weights, posterior.means, posterior.covariances
    return weights, means.reshape(weights.shape), np.sqrt(variances).reshape(weights.shape)


def _gibbs(values: np.ndarray, draws: int, threads: int) -> Callable[[], Callable[[], Drawn]]:
    def make() -> Callable[[], Drawn]:
        _sampled(values, Gibbs(draws=10, warmup=0), 0, threads)
        return lambda: _sampled(values, Gibbs(draws=draws, warmup=WARMUP), 0, threads)

    return make


def _numpyro(values: np.ndarray, method: str) -> Callable[[], Callable[[], Drawn]]:
    def make() -> Callable[[], Drawn]:
        point = _fitted(values, "map", random_state=0)
        start = {
            "weights": point.weights_,
            "means": point.means_[:, 0],
            "deviations": point.scales_[:, 0],
        }
        run = numpyro_sampler.sampler(values[:, 0], method, start)

        def drawn() -> Drawn:
            found = run()
            return found["weights"], found["means"], found["deviations"]

        return drawn

    return make


def _pyro(values: np.ndarray) -> Callable[[], Drawn]:
    if find_spec("pyro") is None:
        raise NotRunError("not run: pyro is not installed")
    return lambda: _sampled(values, NUTS(draws=PYRO_DRAWS, warmup=PYRO_WARMUP), 0, 1)
