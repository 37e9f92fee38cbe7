"""The documented routes to the number of groups, with the defaults of collapsed sampling.

R-hat of at most 1.01 and 400 effective draws of the number of groups, or the number of draws that
would do. Priors of the components are given: defaults may change.
"""

import re
import warnings
from typing import Any

import numpy as np
import pytest

from laws.test_evidence_error_laws import GALAXIES
from mixtura import CollapsedGibbs, GaussianMixtureModel
from mixtura.datasets import load_faithful
from mixtura.diagnostics.convergence_diagnostics import suffice
from mixtura.errors import ConvergenceWarning
from mixtura.priors import (
    DirichletProcess,
    Gamma,
    MixtureOfFiniteMixtures,
    NormalInverseGamma,
    NormalInverseWishart,
    WeightPrior,
)

DATA: dict[str, tuple[np.ndarray, Any]] = {
    "galaxies": (GALAXIES, NormalInverseGamma(20.83, 0.01, 2.0, 1.0)),
    "faithful": (
        load_faithful().data,
        NormalInverseWishart(np.array([3.5, 70.9]), 0.01, 4.0, np.diag([0.12, 17.0])),
    ),
}
WEIGHTS: dict[str, WeightPrior] = {
    "finite mixtures": MixtureOfFiniteMixtures(),
    "process": DirichletProcess(Gamma(1.0, 1.0)),
}


def fitted(data: str, weights: str, method: CollapsedGibbs) -> GaussianMixtureModel:
    rows, components = DATA[data]
    gmm = GaussianMixtureModel(
        10,
        weight_prior=WEIGHTS[weights],
        component_prior=components,
        inference=method,
        random_state=1,
        n_jobs=2,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are looked at below
        return gmm.fit(rows)


def assert_enough_or_told(data: str, weights: str) -> None:
    gmm = fitted(data, weights, CollapsedGibbs())
    draws = gmm.posterior_.partitions.occupied.astype(float)
    doubts = [d.message for d in gmm.fit_.doubts if d.category is ConvergenceWarning]
    if suffice(draws, 400) and suffice(gmm.posterior_.log_joint, 400):
        assert not doubts
        assert gmm.converged_
        return
    (message,) = doubts
    told = re.search(r"\(about ([\d,]+) draws of each chain would do\)", message)
    assert told is not None
    number = int(told[1].replace(",", ""))
    long = fitted(data, weights, CollapsedGibbs(draws=2 * number))
    draws = long.posterior_.partitions.occupied.astype(float)
    assert suffice(draws, 400)
    assert suffice(long.posterior_.log_joint, 400)
    half = number // 2
    both = (draws[:, :half], long.posterior_.log_joint[:, :half])
    assert not all(suffice(each, 400) for each in both)


def test_galaxies_have_enough_draws() -> None:
    assert_enough_or_told("galaxies", "finite mixtures")


@pytest.mark.calibrate
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_documented_routes_have_enough_draws(data: str, weights: str) -> None:
    assert_enough_or_told(data, weights)
