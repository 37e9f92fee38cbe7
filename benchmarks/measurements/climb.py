"""The climb: quasi-Newton steps against plain EM, from the same start to where each stops."""

from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np

from benchmarks.context import Context
from benchmarks.table import Table, ratio_cell, time_cell
from benchmarks.timing import Contender, measure
from mixtura import MAP, ML, GaussianMixtureModel
from mixtura.datasets import load_faithful, load_iris
from mixtura.priors import ComponentPrior, NormalInverseGamma, NormalInverseWishart

EM, QUASI_NEWTON = "em", "quasi-newton"
SEED = 11

MOST_ITERATIONS = 3000
"""Iterations after which EM is cut: what it lacks is in the column 'difference'."""

NOTES = [
    "Whole fits by mixtura from the same means, rows drawn at random, to where each stops by "
    "itself at its default tolerance, or after "
    f"{MOST_ITERATIONS} iterations (a > says so, and the ratio is then an upper bound). "
    "Priors are those of Fraley and Raftery, times the tightness.",
    "Ratio: time of the quasi-Newton fit over that of plain EM, in the same round. Difference: "
    "objective of the quasi-Newton fit minus that of plain EM, in nats; where it is not zero the "
    "two ended in different optima.",
]

COLUMNS = ["data", "model", "EM", "iterations", "quasi-Newton", "iterations", "ratio", "difference"]


@final
@dataclass(frozen=True, eq=False)
class Task:
    """One fit.

    Parameters
    ----------
    name : str
    rows : array of shape (N, D)
    n_components : int
    family : str
    tightness : float, optional
        Factor of the prior's scale; None for maximum likelihood.
    """

    name: str
    rows: np.ndarray
    n_components: int
    family: str
    tightness: float | None = 1.0

    def fit(self, optimizer: str) -> GaussianMixtureModel:
        """Return the fit by an optimizer."""
        rng = np.random.default_rng(SEED)
        start = self.rows[rng.choice(len(self.rows), self.n_components, replace=False)]
        method = ML if self.tightness is None else MAP
        return GaussianMixtureModel(
            self.n_components,
            covariance_type=self.family,
            component_prior=self.prior(),
            inference=method(optimizer=optimizer),
            init=start,
            max_iter=MOST_ITERATIONS,
        ).fit(self.rows)

    def prior(self) -> ComponentPrior | None:
        """Return the prior of the components; None under maximum likelihood."""
        if self.tightness is None:
            return None
        n_features = self.rows.shape[1]
        shrink = self.tightness / self.n_components ** (2.0 / n_features)
        covariance = np.cov(self.rows.T, bias=True).reshape(n_features, n_features) * shrink
        mean, freedom = self.rows.mean(axis=0), n_features + 2.0
        if self.family == "full":
            return NormalInverseWishart(mean, 0.01, freedom, covariance)
        return NormalInverseGamma(mean, 0.01, 0.5 * freedom, 0.5 * np.diag(covariance))


def tasks(rows_at_most: int | None) -> list[Task]:
    """Return the fits."""
    most = rows_at_most or 1_000_000
    small = groups(750, 6, 15, 3.0)
    medium = groups(min(4000, most), 10, 96, 2.0)
    large = groups(min(20_000, most), 5, 60, 3.0)
    close = groups(min(100_000, most), 10, 10, 1.2, round_ones=True)
    return [
        Task("150 x 1, iris", load_iris().data[:, 2:3], 2, "full"),
        Task("272 x 2, Old Faithful", load_faithful().data, 3, "full"),
        Task("750 x 6, 15 groups", small, 50, "full"),
        Task("750 x 6, 15 groups, tighter", small, 50, "full", 0.1),
        Task("4,000 x 10, 96 groups", medium, 96, "full"),
        Task("20,000 x 5, 60 groups", large, 200, "full"),
        Task("20,000 x 5, 60 groups", large, 200, "diag"),
        Task("100,000 x 10, ten 1.2 sd apart", close, 10, "full", None),
        Task("150 x 3, shares that add to 1", shares(150), 2, "full", None),
    ]


def groups(
    n_rows: int, n_features: int, n_groups: int, apart: float, *, round_ones: bool = False
) -> np.ndarray:
    """Return rows of groups of random sizes, centres and shapes."""
    rng = np.random.default_rng(SEED)
    of = rng.choice(n_groups, n_rows, p=rng.dirichlet(np.full(n_groups, 5.0)))
    centres = apart * rng.standard_normal((n_groups, n_features))
    shapes = rng.standard_normal((n_groups, n_features, n_features)) / np.sqrt(n_features)
    shapes = np.eye(n_features) * (1.0 if round_ones else 0.3) + (0.0 if round_ones else shapes)
    noise = rng.standard_normal((n_rows, n_features))
    shapes = np.broadcast_to(shapes, (n_groups, n_features, n_features))
    rows = centres[of]
    for k in range(n_groups):
        rows[of == k] += noise[of == k] @ shapes[k].T
    return rows


def shares(n_rows: int) -> np.ndarray:
    """Return shares of three parts, which add to one."""
    return np.random.default_rng(SEED).dirichlet([4.0, 3.0, 2.0], n_rows)


def measure_climb(context: Context) -> Table:
    """Return the table of times of quasi-Newton over EM."""
    table = Table("climb", "quasi-Newton over plain EM", NOTES, COLUMNS)
    for task in tasks(context.settings.rows_at_most):
        if not context.settings.wants(f"{task.name} K={task.n_components} {task.family}"):
            continue
        context.report(f"climb: {task.name}, K = {task.n_components}, {task.family}")
        table.add(_row(table, context, task))
    return table


def _row(table: Table, context: Context, task: Task) -> list[str]:
    threads = context.settings.threads
    ends = {name: task.fit(name) for name in (EM, QUASI_NEWTON)}
    contenders = [Contender(n, n, threads, lambda n=n: partial(task.fit, n)) for n in ends]
    times = measure(contenders, context.settings.plan)
    table.record(f"{task.name}, {task.n_components}, {task.family}", times)
    prior = "ml" if task.tightness is None else "map"
    cells = [task.name, f"K = {task.n_components}, {task.family}, {prior}"]
    for name, end in ends.items():
        cells += [time_cell(times[name]), f"{'' if end.converged_ else '> '}{end.n_iter_}"]
    difference = ends[QUASI_NEWTON].objective_ - ends[EM].objective_
    return [*cells, ratio_cell(times[QUASI_NEWTON], times[EM]), f"{difference:.3g}"]
