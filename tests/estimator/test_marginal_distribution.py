"""The distribution function of a column, and its quantiles."""

import numpy as np
import pytest
from scipy import stats

from mixtura import GaussianMixtureModel, Gibbs
from mixtura.datasets import load_faithful
from mixtura.errors import InvalidArgumentError

FAITHFUL = load_faithful()
PROBABILITIES = np.array([[1e-6, 0.1, 0.5], [0.9, 1.0 - 1e-6, 0.3]])


def known() -> GaussianMixtureModel:
    """Return a mixture of known parameters in two columns."""
    covariances = [[[4.0, 0.3], [0.3, 1.0]], [[1.0, -0.2], [-0.2, 0.25]]]
    return GaussianMixtureModel.from_parameters(
        [0.3, 0.7], [[0.0, 5.0], [10.0, -5.0]], covariances, feature_names=["a", "b"]
    )


@pytest.mark.parametrize("feature", [0, 1, "b"])
def test_it_is_that_of_the_sum_of_normal_distributions(feature) -> None:
    column = 1 if feature == "b" else feature
    means, deviations = ([0.0, 10.0], [2.0, 1.0]) if column == 0 else ([5.0, -5.0], [1.0, 0.5])
    at = np.linspace(-12.0, 15.0, 40)
    parts = stats.norm.cdf(at[:, None], means, deviations)
    assert known().cdf(at, feature=feature) == pytest.approx(parts @ [0.3, 0.7], abs=1e-14)


def test_quantiles_are_the_inverse() -> None:
    gmm = known()
    found = gmm.quantile(PROBABILITIES, feature="a")
    assert found.shape == (2, 3)
    assert gmm.cdf(found, feature="a") == pytest.approx(PROBABILITIES, rel=1e-9)
    assert gmm.quantile([0.0, 1.0], feature=0).tolist() == [-np.inf, np.inf]
    one = GaussianMixtureModel.from_parameters([1.0], [[3.0]], [[[4.0]]])
    assert float(one.quantile(0.975)) == pytest.approx(stats.norm.ppf(0.975, 3.0, 2.0), rel=1e-12)


@pytest.mark.parametrize(
    "inference", ["map", "vb", Gibbs(chains=2, draws=50, warmup=50)], ids=["map", "vb", "gibbs"]
)
def test_the_derivative_is_the_density(inference) -> None:
    rows = FAITHFUL.data[:, :1]
    gmm = GaussianMixtureModel(2, inference=inference, random_state=0).fit(rows)
    at = np.array([[2.0], [3.5], [4.4]])
    step = 1e-3
    slope = (gmm.cdf(at + step) - gmm.cdf(at - step)) / (2.0 * step)
    tolerance = 1e-4 if inference == "map" else 0.05
    assert slope[:, 0] == pytest.approx(np.exp(gmm.score_samples(at)), rel=tolerance)


def test_a_background_is_part_of_it() -> None:
    rows = FAITHFUL.data
    gmm = GaussianMixtureModel(2, background="uniform").fit(rows)
    low, high = rows[:, 1].min(), rows[:, 1].max()
    normal = stats.norm.cdf(70.0, gmm.means_[:, 1], gmm.scales_[:, 1]) @ gmm.weights_
    expected = normal + gmm.background_weight_ * (70.0 - low) / (high - low)
    assert float(gmm.cdf(70.0, feature=1)) == pytest.approx(expected, rel=1e-12)
    assert float(gmm.cdf(gmm.quantile(0.2, feature=1), feature=1)) == pytest.approx(0.2)
    with pytest.raises(InvalidArgumentError, match="given volume"):
        GaussianMixtureModel(2, background=500.0).fit(rows).cdf(1.0, feature=0)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda gmm: gmm.cdf(1.0), "feature"),
        (lambda gmm: gmm.cdf(1.0, feature="c"), "feature"),
        (lambda gmm: gmm.cdf("x", feature=0), "values"),
        (lambda gmm: gmm.quantile(1.5, feature=0), "probabilities"),
        (lambda gmm: gmm.quantile(np.nan, feature=0), "probabilities"),
    ],
)
def test_wrong_arguments_are_named(ask, said) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        ask(known())
