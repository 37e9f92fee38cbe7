"""Components of known scale against Neal's nine points, enumerated, and closed forms.

The constants are from ``shared/references/values.json`` of the project, whose provenance for them
is an enumeration of all 21,147 partitions of the nine points.
"""

import numpy as np
import pytest
from scipy import stats

from laws.running import run
from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.families import FAMILIES
from mixtura.fit import Fit
from mixtura.inference import MAP, VB
from mixtura.model import MixtureModel
from mixtura.posteriors import VariationalPosterior
from mixtura.priors import Dirichlet, DirichletProcess, KnownScale, Normal

# neal_2000_nine_points: the data of Neal (2000), section 8.
POINTS = np.array([[-1.48], [-1.4], [-1.16], [-1.08], [-1.02], [0.14], [0.51], [0.53], [0.78]])
LOG_EVIDENCE = -13.19691393  # neal_2000_nine_points.concentration_1.log_py
PRIOR = KnownScale(0.1, Normal(0.0, 1.0))


def nine(n_components: int, start: str = "split", n_starts: int = 1) -> Fit:
    model = MixtureModel(n_components, 1, DirichletProcess(1.0), PRIOR, FAMILIES["tied_diag"])
    return run(model, POINTS, VB(), start, n_starts=n_starts, keep_numbering=True)


@pytest.mark.parametrize("name", ["diag", "spherical", "tied_diag", "tied_spherical"])
def test_one_component_is_exact(name: str) -> None:
    rows = np.random.default_rng(61).standard_normal((12, 3)) + 1.0
    prior = KnownScale(0.7, Normal(0.5, 1.5))
    model = MixtureModel(1, 3, Dirichlet(1.0), prior, FAMILIES[name])
    fit = run(model, rows, VB())
    # Rows of one feature are jointly normal: 0.49 on the diagonal, and 2.25 everywhere.
    joint = stats.multivariate_normal(np.full(12, 0.5), 0.49 * np.eye(12) + 2.25)
    evidence = sum(joint.logpdf(rows[:, d]) for d in range(3))
    assert fit.objective == pytest.approx(evidence, rel=1e-10)
    posterior = fit.posterior
    assert isinstance(posterior, VariationalPosterior)
    precision = 12 / 0.49 + 1 / 2.25
    known = posterior.mean_marginals()
    mean = (rows.sum(axis=0) / 0.49 + 0.5 / 2.25) / precision
    np.testing.assert_allclose(known.mean[0], mean, rtol=1e-12)
    np.testing.assert_allclose(known.deviation, precision**-0.5, rtol=1e-12)
    new = np.array([[0.3, -1.0, 2.0]])
    density = stats.norm(mean, np.sqrt(0.49 + 1 / precision)).logpdf(new).sum()
    found = posterior.log_predictive(ArrayRows(new), ReferenceEngine())
    assert found[0] == pytest.approx(density, rel=1e-12)
    np.testing.assert_allclose(model.family.variances(fit.parameters.covariances, 1, 3), 0.49)
    assert posterior.sample(5, np.random.default_rng(0))[0].shape == (5, 3)


@pytest.mark.parametrize("optimizer", ["em", "quasi-newton"])
def test_the_mode_of_the_means(optimizer: str) -> None:
    rows = np.random.default_rng(62).standard_normal((10, 2)) + 1.0
    prior = KnownScale(np.array([0.5, 2.0]), Normal(0.0, 3.0))
    model = MixtureModel(1, 2, Dirichlet(1.0), prior, FAMILIES["diag"])
    fit = run(model, rows, MAP(optimizer=optimizer))
    precision = 10 / np.array([0.25, 4.0])
    expected = precision * rows.mean(axis=0) / (precision + 1 / 9)
    np.testing.assert_allclose(fit.parameters.means[0], expected, rtol=1e-9)
    np.testing.assert_array_equal(fit.parameters.covariances, [[0.25, 4.0]])


def test_one_component_of_the_nine_points_is_exact() -> None:
    joint = stats.multivariate_normal(np.zeros(9), 0.01 * np.eye(9) + 1.0)
    # All nine in one cluster: 1/2, 2/3, ... 8/9 times the chance of the points.
    expected = joint.logpdf(POINTS[:, 0]) - np.log(10.0)
    assert nine(1).objective == pytest.approx(expected, abs=1e-10)


def test_bounds_of_the_nine_points_are_below_the_evidence_and_grow() -> None:
    best = []
    for K in (1, 2, 3, 4, 5, 6, 9, 15, 30):
        fits = [nine(K), nine(K, "random", 6), nine(K, "quantile", 3)]
        ends = [run.objective for fit in fits for run in fit.runs]
        assert max(ends) <= LOG_EVIDENCE
        best.append(max(ends))
    assert (np.diff(best[:4]) > 0.1).all()
    assert (np.diff(best) >= -1e-3).all()  # from four on two optima lie within 2e-4
    assert best[-1] > LOG_EVIDENCE - 5.0
