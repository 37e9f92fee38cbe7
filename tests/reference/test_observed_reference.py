"""Missing cells and measurement errors against exact, published and independently computed values.

Constants are from ``shared/references/values.json`` of the project; its key is named.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from mixtura import GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.engines import Engine
from mixtura.families import FAMILIES
from mixtura.messages.assignments import Soft
from mixtura.messages.parameters import MixtureParameters

NAN = np.nan
MURRAY = np.array(
    [[1, 1], [1, -1], [-1, 1], [-1, -1]]
    + 2 * [[2, NAN]]
    + 2 * [[-2, NAN]]
    + 2 * [[NAN, 2]]
    + 2 * [[NAN, -2]]
)
"""Murray's twelve points of two coordinates, eight of which lack one."""


def climbed(engine: Engine, covariance: np.ndarray, steps: int) -> tuple[np.ndarray, float]:
    """Return covariance and log likelihood after steps of EM with the mean held at zero."""
    rows, likelihood = ArrayRows(MURRAY), -np.inf
    for _ in range(steps):
        parameters = MixtureParameters(np.ones(1), np.zeros((1, 2)), covariance[None])
        found = engine.sweep(rows, FAMILIES["full"].potentials(parameters), Soft())
        assert found.log_normalizer >= likelihood - 1e-12
        covariance, likelihood = found.second[0] / found.count[0], found.log_normalizer
    return covariance, likelihood


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_murrays_twelve_points_have_two_optima(engine: Engine, sign: float) -> None:
    """missing_murray.maximum_likelihood: exact."""
    begin = np.array([[2.0, 0.3 * sign], [0.3 * sign, 2.0]])
    covariance, likelihood = climbed(engine, begin, 400)
    np.testing.assert_allclose(np.diag(covariance), 8.0 / 3.0, rtol=1e-9)
    assert covariance[0, 1] / covariance[0, 0] == pytest.approx(0.5 * sign, abs=1e-9)
    assert likelihood == pytest.approx(-29.9742864105, abs=1e-9)


def test_murrays_twelve_points_have_a_saddle(engine: Engine) -> None:
    """missing_murray.saddle: exact. From no correlation EM finds none."""
    covariance, likelihood = climbed(engine, np.diag([1.0, 4.0]), 200)
    np.testing.assert_allclose(covariance, 2.5 * np.eye(2), atol=1e-9)
    assert likelihood == pytest.approx(-30.0333423863, abs=1e-9)


@pytest.mark.parametrize("is_fixed", [True, False])
@pytest.mark.parametrize("begin", [np.eye(2), np.diag([1.0, 4.0])], ids=["round", "wide"])
def test_the_saddle_is_left(begin: np.ndarray, is_fixed: bool) -> None:
    """missing_murray.maximum_likelihood: by symmetry the best mean is zero where it is free."""
    start = GaussianMixtureModel.from_parameters([1.0], [[0.0, 0.0]], [begin])
    fixed = {"means": {0: [0.0, 0.0]}} if is_fixed else None
    gmm = GaussianMixtureModel(1, inference="ml", init=start, fixed=fixed, tol=1e-12).fit(MURRAY)
    covariance = gmm.covariances_[0]
    np.testing.assert_allclose(np.diag(covariance), 8.0 / 3.0, rtol=1e-4)
    assert abs(covariance[0, 1] / covariance[0, 0]) == pytest.approx(0.5, abs=1e-4)
    assert gmm.fit_.log_likelihood == pytest.approx(-29.9742864105, abs=1e-8)
    assert (np.diff(gmm.objective_history_) > -1e-10).all()


def galaxies(band: str) -> tuple[np.ndarray, np.ndarray]:
    """Return line widths and magnitudes in a band, and their standard deviations."""
    path = Path(__file__).parent / "data" / "tully_fisher.csv"
    with path.open(encoding="utf-8") as file:
        table = [row for row in csv.DictReader(file) if row[band]]
    columns = ("log_width", band)
    values = [[float(row[name]) for name in columns] for row in table]
    errors = [[float(row[f"{name}_error"]) for name in columns] for row in table]
    return np.array(values), np.array(errors)


@pytest.mark.parametrize(
    ("band", "published", "computed", "likelihood"),
    [
        ("B", (-8.04, -19.77), (-8.0474, -19.7752), 5.045382),
        ("I", (-9.26, -21.12), None, 7.2725),
    ],
)
def test_tully_fisher_relations(
    band: str,
    published: tuple[float, float],
    computed: tuple[float, float] | None,
    likelihood: float,
) -> None:
    """measurement_error_tully_fisher: published, and computed by EM.

    In I the optimum is singular: EM, which needs 1e5 steps and more, was stopped before it, and
    the likelihood is higher there than the computed one.
    """
    values, errors = galaxies(band)
    gmm = GaussianMixtureModel(1, inference="ml", tol=1e-10)
    gmm.fit(values, measurement_error=errors)
    axis = np.linalg.eigh(gmm.covariances_[0])[1][:, -1]
    slope = axis[1] / axis[0]
    intercept = gmm.means_[0, 1] + slope * (2.5 - gmm.means_[0, 0])
    assert slope == pytest.approx(published[0], abs=0.03)
    assert intercept == pytest.approx(published[1], abs=0.01)
    if computed is None:
        assert likelihood < gmm.objective_ < likelihood + 2e-3
    else:
        assert (slope, intercept) == pytest.approx(computed, abs=1e-4)
        assert gmm.objective_ == pytest.approx(likelihood, abs=1e-6)
