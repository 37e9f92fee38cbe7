"""Default fits on request, in a process of its own: ``python -m benchmarks.fit_server``.

Each line of its input is the name of a fit; it answers each with the seconds that the call of
``fit`` took and the objective at its end. Whichever mixtura is first on the path is the one that
is measured.
"""

import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

from benchmarks.cases import Case
from benchmarks.generators import random_mixture
from mixtura import GaussianMixtureModel
from mixtura.datasets import load_iris
from mixtura.priors import Dirichlet, Independent, InverseGamma, Normal


def _petals() -> np.ndarray:
    return load_iris().column("petal_length")


def _article() -> GaussianMixtureModel:
    prior = Independent(mean=Normal(0.0, 10.0), scale=InverseGamma(1.0, 1.0))
    return GaussianMixtureModel(2, weight_prior=Dirichlet(1.0), component_prior=prior)


FITS: dict[str, tuple[Callable[[], np.ndarray], Callable[[], GaussianMixtureModel]]] = {
    "1e6, 10, 10": (
        lambda: random_mixture(Case(1_000_000, 10, 10)).draw(1_000_000),
        lambda: GaussianMixtureModel(10),
    ),
    "1e5, 10, 10": (
        lambda: random_mixture(Case(100_000, 10, 10)).draw(100_000),
        lambda: GaussianMixtureModel(10),
    ),
    "petal length, K = 2, the article's priors": (_petals, _article),
    "petal length, K = 2, default priors": (_petals, lambda: GaussianMixtureModel(2)),
}
"""Rows and estimator of every fit; the estimator is new for each call."""


def serve() -> None:
    """Answer requests until the input ends."""
    warnings.simplefilter("ignore")
    rows: dict[str, np.ndarray] = {}
    for line in sys.stdin:
        name = line.strip()
        make_rows, make_model = FITS[name]
        if name not in rows:
            rows.clear()
            rows[name] = make_rows()
        model = make_model()
        began = time.perf_counter()
        model.fit(rows[name])
        seconds = time.perf_counter() - began
        print(f"{seconds!r} {float(model.objective_)!r}", flush=True)


if __name__ == "__main__":
    serve()
