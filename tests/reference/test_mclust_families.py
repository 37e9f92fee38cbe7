"""mclust's fourteen families against values computed independently, and against mclust's own.

Constants are from ``shared/references/values.json`` of the project (the key is named). mclust's VVE
forgets the volumes in its orientation: the maximum lies above what it prints.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixtura import ML, GaussianMixtureModel
from mixtura.datasets import load_faithful, load_iris
from mixtura.diagnostics.information_criteria import bic
from mixtura.families import FAMILIES, MCLUST_NAMES
from mixtura.messages.statistics import SufficientStatistics
from mixtura.model import MixtureModel
from mixtura.priors import FlatComponents, FlatWeights

DATA = Path(__file__).parent / "data" / "diabetes.csv"
NAMES = [*MCLUST_NAMES, *(name for name, family in FAMILIES.items() if family.is_restricted)]

# families_complete_data: sum of the log joint of rows and labels at the M-step.
COMPLETE: dict[str, dict[str, float]] = {
    "iris": {
        "EII": -444.66777829,
        "VII": -417.96502376,
        "EEI": -384.08830053,
        "VEI": -355.45883326,
        "EVI": -364.22566918,
        "VVI": -326.05008119,
        "EEE": -263.20374327,
        "VEE": -245.68159625,
        "EVE": -241.54268593,
        "EEV": -220.80045796,
        "VEV": -194.04751244,
        "EVV": -214.35752845,
        "VVV": -188.3755549,
    },
    "diabetes": {
        "EII": -2797.7943476,
        "VII": -2644.57220133,
        "EEI": -2685.22968234,
        "VEI": -2457.90166649,
        "EVI": -2599.66277844,
        "VVI": -2406.63014178,
        "EEE": -2538.71965454,
        "VEE": -2424.55385933,
        "EVE": -2446.57623695,
        "EEV": -2444.0158362,
        "VEV": -2357.70499414,
        "EVV": -2429.71190667,
        "VVV": -2341.84523056,
    },
}
VVE_OF_MCLUST = {"iris": (-221.45458769, 0.47), "diabetes": (-2369.04390902, 4.5)}

# families_em_from_labels: EM to 1e-11 from the labels, five decimals.
FROM_LABELS = {
    ("iris", "EEE"): -256.35404,
    ("iris", "VEV"): -186.07328,
    ("iris", "VVV"): -180.18548,
    ("iris", "EVE"): -234.14024,
    ("diabetes", "VVV"): -2295.09346,
}

# mclust_choices: mclust 6.0.0 with its defaults, 2 log L - df log N.
CHOICES = {
    ("iris", "VEV", 2): -561.728462,
    ("iris", "VEV", 3): -562.552237,
    ("iris", "VVV", 2): -574.017832,
    ("faithful", "EEE", 3): -2314.316296,
    ("faithful", "VVE", 2): -2320.43298,
    ("faithful", "VEE", 3): -2322.10349,
}


def labelled(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and their known classes, from zero."""
    if name == "iris":
        return load_iris().data, np.repeat([0, 1, 2], 50)
    table = np.loadtxt(DATA, delimiter=",", skiprows=1)
    return table[:, :3], table[:, 3].astype(int) - 1


def at_the_labels(name: str, family_name: str) -> float:
    """Return the log joint of rows and labels at the M-step."""
    rows, labels = labelled(name)
    K, D = int(labels.max()) + 1, rows.shape[1]
    family, share = FAMILIES[family_name], np.eye(K)[labels]
    count, means = share.sum(axis=0), (share.T @ rows) / share.sum(axis=0)[:, None]
    centred = rows - means[labels]
    full = np.einsum("nk,nd,ne->kde", share, centred, centred)
    statistics = SufficientStatistics(count, np.zeros((K, D)), family.compact(full), means)
    model = MixtureModel(K, D, FlatWeights(), FlatComponents(1e-12), family)
    found = model.mode(statistics)
    matrices = family.expand(found.covariances, K, D)
    own = matrices[labels]
    distance = (centred * np.linalg.solve(own, centred[:, :, None])[:, :, 0]).sum(axis=1)
    logs = np.linalg.slogdet(2.0 * np.pi * own)[1]
    return float((np.log(found.weights[labels]) - 0.5 * (logs + distance)).sum())


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_complete_data_log_likelihoods_at_the_m_step(name: str) -> None:
    for family, expected in COMPLETE[name].items():
        # Eight decimals, and rounding in the sum of N terms.
        assert at_the_labels(name, family) == pytest.approx(expected, abs=1e-8), family
    assert len(COMPLETE[name]) == len(NAMES) - 1


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_the_maximum_of_vve_lies_above_mclusts(name: str) -> None:
    printed, more = VVE_OF_MCLUST[name]
    found = at_the_labels(name, "VVE")
    assert found - printed == pytest.approx(more, abs=0.01)
    assert found < COMPLETE[name]["VVV"]


@pytest.mark.parametrize(("name", "family"), FROM_LABELS)
def test_em_from_the_labels(name: str, family: str) -> None:
    rows, labels = labelled(name)
    gmm = GaussianMixtureModel(3, covariance_type=family, inference=ML(optimizer="em"), init=labels)
    gmm.fit(rows)
    assert gmm.objective_ == pytest.approx(FROM_LABELS[name, family], abs=1e-4)


@pytest.mark.parametrize(("name", "family", "K"), CHOICES)
def test_default_starts_reach_what_mclust_chooses(name: str, family: str, K: int) -> None:
    rows: Any = load_iris().data if name == "iris" else load_faithful().data
    gmm = GaussianMixtureModel(K, covariance_type=family, inference="ml").fit(rows)
    found = -bic(gmm.fit_.log_likelihood, gmm.fit_.model.n_parameters, len(rows))
    assert found >= CHOICES[name, family, K] - 1e-6
