"""Laws of the error of the evidence where chains mix, and of the warning where they do not."""

import warnings
from typing import Any

import numpy as np
import pytest

from mixtura import GaussianMixtureModel, Gibbs
from mixtura.diagnostics.evidence import MOST_REDUCTION, Evidence, averaged, bridge_evidence
from mixtura.priors import NormalInverseGamma

# The velocities of 82 galaxies in 1000 km/s [Roeder1990]_.
# fmt: off
GALAXIES = np.array([
    9.172, 9.35, 9.483, 9.558, 9.775, 10.227, 10.406, 16.084, 16.17, 18.419, 18.552, 18.6, 18.927,
    19.052, 19.07, 19.33, 19.343, 19.349, 19.44, 19.473, 19.529, 19.541, 19.547, 19.663, 19.846,
    19.856, 19.863, 19.914, 19.918, 19.973, 19.989, 20.166, 20.175, 20.179, 20.196, 20.215,
    20.221, 20.415, 20.629, 20.795, 20.821, 20.846, 20.875, 20.986, 21.137, 21.492, 21.701,
    21.814, 21.921, 21.96, 22.185, 22.209, 22.242, 22.249, 22.314, 22.374, 22.495, 22.746, 22.747,
    22.888, 22.914, 23.206, 23.241, 23.263, 23.484, 23.538, 23.542, 23.666, 23.706, 23.711,
    24.129, 24.285, 24.289, 24.366, 24.717, 24.99, 25.633, 26.69, 26.995, 32.065, 32.789, 34.279,
])[:, None]
# fmt: on


def test_nothing_is_said_of_chains_that_mix() -> None:
    """Independent draws of the posterior and a proposal that is it: no error, no warning."""
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((4, 500))
    found = bridge_evidence(
        noise, np.zeros((4, 500)), 0.1 * rng.standard_normal(2000), np.zeros(2000)
    )
    assert found.warning == ""
    assert found.r_hat < 1.01
    assert len(found.by_half) == 8
    assert np.std(found.by_half) < 0.02
    assert "standard error" in repr(found)
    assert ";" not in repr(found)


def test_the_error_is_at_least_what_halves_of_chains_say() -> None:
    """Two chains at one height and two at another, none of which changes over."""
    rng = np.random.default_rng(1)
    noise = 0.1 * rng.standard_normal((4, 500)) + np.array([[0.0], [0.0], [6.0], [6.0]])
    found = bridge_evidence(noise, np.zeros((4, 500)), rng.standard_normal(2000), np.zeros(2000))
    assert found.error >= np.std(found.by_half, ddof=1) / np.sqrt(8) > 0.3
    assert found.r_hat > MOST_REDUCTION
    assert "raise draws and warmup" in found.warning
    assert found.warning in repr(found)
    assert "\n" not in repr(found)


def test_both_directions_are_averaged() -> None:
    one, other = Evidence(-10.0, 0.3, 1.0, (-10.1, -9.9)), Evidence(-10.2, 0.4, 1.2, (-10.2,))
    found = averaged([one, other])
    assert found.log_evidence == pytest.approx(-10.1)
    assert found.error == pytest.approx(0.25)
    assert found.r_hat == 1.2
    assert found.by_half == (-10.1, -9.9, -10.2)
    assert averaged([Evidence(0.0, 0.1), Evidence(4.0, 0.1)]).error == pytest.approx(2.0)


@pytest.mark.parametrize(("init", "seeds"), [("split", range(5)), ("random", range(11, 19))])
def test_the_spread_over_seeds_is_explained_or_warned_of(init: Any, seeds: range) -> None:
    """Galaxies, three components: of nine in ten random starts some chains stay where they are."""
    found = []
    for seed in seeds:
        gmm = GaussianMixtureModel(
            3,
            component_prior=NormalInverseGamma(20.83, 0.01, 1.5, 1.14),
            inference=Gibbs(),
            init=init,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the fit says is not what is asked
            found.append(gmm.fit(GALAXIES).log_evidence())
    told = [one for one in found if not one.warning]
    assert len(told) >= 2
    centre = np.median([one.log_evidence for one in told])
    for one in told:
        assert abs(one.log_evidence - centre) < 4.0 * max(one.error, 0.02)
