"""Time to the article's answer: exact MAP, SVI, the article's own script, and scikit-learn."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeAlias, final

import numpy as np
from scipy import stats
from sklearn.mixture import GaussianMixture

from benchmarks import ours
from benchmarks.context import Context
from benchmarks.peers.scikit_learn import thread_numbers
from benchmarks.table import Table, ratio_cell, time_cell
from benchmarks.timing import Contender, NotRunError, measure
from mixtura.datasets import load_iris
from mixtura.priors import Dirichlet, Independent, InverseGamma, Normal

OPTIMUM = -210.2063224046
"""Log joint density at the article's MAP."""

MAP, SCIKIT_LEARN = "mixtura map", "sklearn GaussianMixture"

NOTES = [
    "Iris petal lengths (150 rows), K = 2, the priors of the article's code. Whole calls of fit "
    "on data in memory, starts and checks included. Ratio: the time over that of mixtura map, "
    "in the same round.",
    "Article's script: Pyro, AutoDelta over p, mu and sigma, TraceEnum_ELBO, Adam at 0.001, seed "
    "0, float32, as many steps as its name says; it ends wherever it then is. Everything but "
    "mixtura map is taken at the better of one and several threads.",
    "scikit-learn's GaussianMixture maximises the likelihood without the priors and stops at its "
    "default tolerance: a smaller task, given for scale.",
    f"Short of the optimum: {OPTIMUM} minus the log joint density at the end, in nats.",
]

COLUMNS = ["by", "time", "ratio", "loss at the end", "log joint density", "short of the optimum"]


End: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, float | None]


@final
@dataclass
class Ended:
    """Runs something and keeps where it ended.

    Parameters
    ----------
    run : callable
        Returns weights, means, standard deviations (K each) and its own last loss or None.
    warm_up : callable
        What imports and compiles beforehand.
    """

    run: Callable[[], End]
    warm_up: Callable[[], Any]

    def __post_init__(self) -> None:
        self.log_joint = float("nan")
        self.loss: float | None = None

    def prepared(self) -> Callable[[], None]:
        """Return itself, warmed up."""
        self.warm_up()
        return self

    def __call__(self) -> None:
        """Run, and remember the end."""
        self.end = self.run()

    def judge(self, values: np.ndarray) -> None:
        """Work out the log joint density of the last end, outside the timing."""
        weights, means, deviations, self.loss = self.end
        self.log_joint = log_joint(values, weights, means, deviations)


def measure_article(context: Context) -> Table:
    """Return the table of the article's fit."""
    settings = context.settings
    values = load_iris().column("petal_length")
    runs = _runs(values, settings.article_steps)
    contenders = []
    for name, ended in runs.items():
        # mixtura map as it is; everything else at the better of one and several threads.
        numbers = (settings.threads,) if name == MAP else thread_numbers(settings.threads)
        contenders += [
            Contender(f"{name} {number}", name, number, ended.prepared) for number in numbers
        ]
    context.report(f"article: {', '.join(runs)}")
    times = measure(contenders, settings.plan)
    table = Table("article", "time to the article's MAP", NOTES, COLUMNS)
    table.record("article", times)
    for name, ended in runs.items():
        cells = [name, time_cell(times[name])]
        if not times[name].seconds:
            table.add([*cells, "–", "–", "–", "–"])
            continue
        ended.judge(values)
        cells += [ratio_cell(times[name], times[MAP])]
        cells += ["–" if ended.loss is None else f"{ended.loss:.4f}"]
        table.add([*cells, f"{ended.log_joint:.6f}", f"{OPTIMUM - ended.log_joint:.2g}"])
    return table


def _runs(values: np.ndarray, steps: int) -> dict[str, Ended]:
    def map_fit() -> End:
        return _mixtura(values, "map")

    def likelihood_fit() -> End:
        return _scikit_learn(values)

    return {
        MAP: Ended(map_fit, map_fit),
        "mixtura svi": Ended(
            lambda: _mixtura(values, "svi"), lambda: _mixtura(values, "svi", max_iter=1)
        ),
        f"article's script, {steps} steps": Ended(
            lambda: _script(values, steps), lambda: _script(values, 1)
        ),
        SCIKIT_LEARN: Ended(likelihood_fit, likelihood_fit),
    }


def _mixtura(values: np.ndarray, inference: str, **options: Any) -> End:
    model = ours.quiet_fit(
        values,
        2,
        weight_prior=Dirichlet(1.0),
        component_prior=Independent(mean=Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0)),
        inference=inference,
        random_state=0,
        **options,
    )
    return model.weights_, model.means_[:, 0], model.scales_[:, 0], -model.objective_


def _script(values: np.ndarray, steps: int) -> End:
    if find_spec("pyro") is None:
        raise NotRunError("not run: pyro is not installed")
    from benchmarks.peers.article_script import run_script

    return run_script(values[:, 0], steps)


def _scikit_learn(values: np.ndarray) -> End:
    mixture = GaussianMixture(2, random_state=0).fit(values)
    deviations = np.sqrt(mixture.covariances_[:, 0, 0])
    return mixture.weights_, mixture.means_[:, 0], deviations, None


def log_joint(
    values: np.ndarray, weights: np.ndarray, means: np.ndarray, deviations: np.ndarray
) -> float:
    """Return the log density of the article's program, in nats, all constants included."""
    densities = stats.norm(means, deviations).pdf(values.reshape(-1, 1)) @ weights
    of_means = stats.norm(0.0, 10.0).logpdf(means).sum()
    of_deviations = stats.invgamma(1.0, scale=1.0).logpdf(deviations).sum()
    # Dirichlet(1, 1) has density one.
    return float(np.log(densities).sum() + of_means + of_deviations)
