"""What ``mixtura demo`` says: the article's steps in words and numbers."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mixtura.cli.wording import counted

if TYPE_CHECKING:
    from mixtura.data.tabular import FileTable
    from mixtura.estimator import GaussianMixtureModel

BLOCKS = "▁▂▃▄▅▆▇█"
N_COMPONENTS = 2


def irises(column: str) -> tuple["FileTable", list[str]]:
    """Return one column of the iris data as a table, and the species of each row."""
    from mixtura.data.tabular import FileTable
    from mixtura.datasets import load_iris

    iris = load_iris()
    names, numbers = iris.target_names or (), iris.target
    species = [] if numbers is None else [str(names[k]) for k in numbers]
    source = "iris (R. A. Fisher 1936), shipped with mixtura"
    return FileTable(source, (column,), iris.column(column), None, ()), species


def model(seed: int, inference: str = "map") -> "GaussianMixtureModel":
    """Return the article's model, not yet fitted."""
    from mixtura.estimator import GaussianMixtureModel
    from mixtura.priors import Dirichlet, Independent, InverseGamma, Normal

    return GaussianMixtureModel(
        N_COMPONENTS,
        weight_prior=Dirichlet(1.0),
        component_prior=Independent(mean=Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0)),
        inference=inference,
        random_state=seed,
    )


def data_lines(data: "FileTable") -> list[str]:
    """Return what the data are."""
    import numpy as np

    values = data.values[:, 0]
    counts, _ = np.histogram(values, bins=60, range=(0.95, 6.95))
    lines = [
        f"The petals of {counted(len(values), 'iris', 'irises')}, {values.min():g} to "
        f"{values.max():g} cm long.",
        "How many kinds are there? It looks like two:",
    ]
    if _can_show(BLOCKS):
        bars = "".join(_bar(count, counts.max()) for count in counts)
        lines += ["", bars, "1 cm" + " " * 26 + "4" + " " * 28 + "6.9"]
    return lines


def model_lines(gmm: "GaussianMixtureModel", seed: int) -> list[str]:
    """Return the model in its own words, and a draw from its prior."""
    drawn = gmm.sample_prior(4, random_state=seed)
    scales = drawn.scales[:, 0]
    return [
        "weights     p        ~ Dirichlet(1, 1)",
        "means       mu_k     ~ Normal(0, sd 10)           k = 0, 1",
        "deviations  sigma_k  ~ InverseGamma(1, 1)",
        "cluster     z_i      ~ Categorical(p)             for each iris i",
        "length      x_i      ~ Normal(mu_z_i, sigma_z_i)",
        "",
        f"A draw from this prior, to see what it believes (seed {seed}):",
        f"p = {_numbers(drawn.parameters.weights)}, mu = {_numbers(drawn.parameters.means[:, 0])}, "
        f"sigma = {_numbers(scales)}",
        f"z = {_numbers(drawn.assignments)}, x = {_numbers(drawn.rows[:, 0])}",
    ]


def exact_lines(gmm: "GaussianMixtureModel") -> list[str]:
    """Return the exact fit."""
    fit = gmm.fit_
    ending = "converged" if fit.converged else "not converged"
    return [
        f"The most probable parameters, by EM and quasi-Newton steps: {ending}",
        f"after {counted(fit.n_iter, 'iteration')} in {1000 * fit.seconds:.0f} ms.",
        "",
        f"p     = {_numbers(gmm.weights_, 7)}",
        f"mu    = {_numbers(gmm.means_[:, 0], 7)}",
        f"sigma = {_numbers(gmm.scales_[:, 0], 7)}",
        f"log joint density {fit.objective:.6f}",
    ]


def svi_lines(gmm: "GaussianMixtureModel") -> list[str]:
    """Return how the loss fell."""
    losses = [-value for value in gmm.fit_.history]
    steps = range(0, len(losses), max(1, len(losses) // 5))
    told = ", ".join(f"{losses[step]:.3f}" for step in steps)
    return [
        "Stochastic variational inference: the clusters are summed out, and Adam",
        f"moves p, mu and sigma for {counted(len(losses) - 1, 'step')}. Loss on the way:",
        f"{told}, {losses[-1]:.4f}.",
    ]


def comparison_lines(fits: Mapping[str, "GaussianMixtureModel"], width: int) -> list[str]:
    """Return the fits side by side."""
    from mixtura.reports import comparison
    from mixtura.reports.terminal import table_as_text

    table = comparison({name: gmm.fit_ for name, gmm in fits.items()}).table()
    return table_as_text(table, width).splitlines()


def cluster_lines(
    fits: Mapping[str, "GaussianMixtureModel"], data: "FileTable", species: list[str]
) -> list[str]:
    """Return the sizes of the clusters, and the species in them."""
    gmm = next(iter(fits.values()))
    lines = []
    for k in range(N_COMPONENTS):
        members = [name for name, label in zip(species, gmm.labels_, strict=True) if label == k]
        kinds = ", ".join(f"{members.count(name)} {name}" for name in dict.fromkeys(members))
        lines.append(f"cluster {k}: {counted(len(members), 'iris', 'irises')} ({kinds})")
    lines.append("The species were not shown to the fit.")
    if len(fits) > 1:
        others = list(fits.values())[1:]
        same = all((other.labels_ == gmm.labels_).all() for other in others)
        lines.append(
            "Pyro's SVI puts every iris in the same cluster."
            if same
            else "Pyro's SVI puts some irises in the other cluster."
        )
    return lines


def farewell() -> list[str]:
    """Return what to do next."""
    return [
        "",
        "Next, your own table: mixtura fit YOUR.csv -k 2 --report report.html",
        "and what else there is: mixtura fit --help",
    ]


def _numbers(values: Any, digits: int = 3) -> str:
    return "(" + ", ".join(f"{value:.{digits}g}" for value in values) + ")"


def _bar(count: int, most: int) -> str:
    if not count:
        return " "
    return BLOCKS[int((len(BLOCKS) - 1) * count / most)]


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True
