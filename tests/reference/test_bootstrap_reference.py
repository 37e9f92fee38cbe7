"""Bootstrap standard errors and tests against those that mclust's documentation prints.

Constants are from ``shared/references/values.json`` of the project, bootstrap: published.
"""

from pathlib import Path

import numpy as np
import pytest

from mixtura import GaussianMixtureModel, bootstrap_lrt

DATA = Path(__file__).parent / "data"


def test_standard_errors_and_intervals_of_acidity() -> None:
    """acidity_E2: 999 draws there and here, hence 8 %."""
    x = np.loadtxt(DATA / "acidity.csv", skiprows=1)[:, None]
    gmm = GaussianMixtureModel(2, covariance_type="tied", inference="ml", random_state=0).fit(x)
    found = gmm.bootstrap(n_jobs=2)
    errors = found.standard_errors
    np.testing.assert_allclose(errors.weights, 0.04131, rtol=0.08)
    np.testing.assert_allclose(errors.means.ravel(), [0.0467, 0.0672], rtol=0.08)
    np.testing.assert_allclose(errors.covariances, 0.02377, rtol=0.08)
    ends = found.intervals(0.95).means[:, :, 0].T
    np.testing.assert_allclose(ends, [[4.2791, 4.4611], [6.1844, 6.4495]], atol=0.02)


def test_likelihood_ratio_tests_of_diabetes() -> None:
    """diabetes_lrt_VVV: mclust's K = 2 and 4 are 12.66 and 8.77 nats short of our optima."""
    x = np.loadtxt(DATA / "diabetes.csv", delimiter=",", skiprows=1)[:, :3]
    found = bootstrap_lrt(x, n_replicates=19, n_jobs=2, random_state=0)
    first, second, third = found.tests
    assert first.statistic > 369.98537 - 0.05
    assert first.statistic + second.statistic == pytest.approx(369.98537 + 121.10652, abs=0.05)
    assert third.statistic > 19.90071 - 0.05
    assert first.p_value == second.p_value == 1.0 / 20.0
    assert third.p_value > 0.05
    assert found.n_components == 3


@pytest.mark.calibrate
def test_p_values_of_diabetes() -> None:
    """The same conclusions with mclust's number of draws: p = .001, .001, and no fourth one."""
    x = np.loadtxt(DATA / "diabetes.csv", delimiter=",", skiprows=1)[:, :3]
    found = bootstrap_lrt(x, n_replicates=999, n_jobs=2, random_state=1)
    assert [test.p_value for test in found.tests[:2]] == pytest.approx([0.001] * 2, abs=1e-5)
    assert 0.05 < found.tests[2].p_value < 0.4
