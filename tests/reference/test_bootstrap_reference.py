"""Bootstrap standard errors and tests against those that mclust's documentation prints.

Constants are from ``shared/references/values.json`` of the project, bootstrap: published.
"""

from pathlib import Path

import numpy as np

from mixtura import GaussianMixtureModel

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
