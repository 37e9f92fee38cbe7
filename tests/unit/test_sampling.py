"""Convergence diagnostics against arviz-stats, and against processes whose answers are known."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtri

from mixtura.diagnostics.convergence_diagnostics import (
    Convergence,
    convergence,
    ess_bulk,
    ess_mean,
    ess_quantile,
    ess_tail,
    mean_error,
    r_hat,
)
from mixtura.errors import InvalidArgumentError


def weyl(n_chains: int, n_draws: int, correlation: float) -> np.ndarray:
    """Return chains (C, S) of a fixed formula: filtered normal quantiles of a Weyl sequence."""
    steps = np.arange(1, n_draws + 1) ** 2 * np.sqrt(2.0)
    noise = ndtri((steps + np.arange(1, n_chains + 1)[:, None] * np.sqrt(3.0)) % 1.0)
    return lfilter([1.0], [1.0, -correlation], noise, axis=1)


SHIFTS = {"alike": 0.0, "apart": 0.5}

# By arviz-stats 0.8.0, `array_stats.rhat`, `.ess` and `.mcse` of the chains of the formula, with
# the shift times the chain's number added: R-hat, bulk, tail (5 %, 95 %), mean and 20 % quantile
# effective sizes, Monte Carlo errors of the mean and of the 20 % quantile.
ARVIZ: dict[tuple[int, int, float, str], list[float]] = {
    (4, 1000, 0.0, "alike"): [
        0.99945156,
        4092.1188,
        3737.3246,
        4092.4145,
        3878.4405,
        0.015631212,
    ],
    (4, 1000, 0.9, "alike"): [
        1.0086953,
        238.07388,
        397.42949,
        235.16917,
        429.94091,
        0.14646169,
    ],
    (4, 500, -0.6, "alike"): [
        1.0008979,
        6602.06,
        1682.8047,
        6602.06,
        3342.7498,
        0.015346732,
    ],
    (3, 201, 0.5, "apart"): [
        1.0737153,
        76.016505,
        235.83301,
        68.069328,
        166.79083,
        0.14276999,
    ],
    (2, 1500, 0.3, "apart"): [
        1.0675528,
        23.243325,
        2020.5817,
        23.340117,
        51.544962,
        0.22879145,
    ],
}


@pytest.mark.parametrize("case", ARVIZ, ids=str)
def test_diagnostics_are_those_of_arviz(case: tuple[int, int, float, str]) -> None:
    n_chains, n_draws, correlation, shift = case
    draws = weyl(n_chains, n_draws, correlation)
    draws = draws + SHIFTS[shift] * np.arange(n_chains)[:, None]
    found = [
        r_hat(draws),
        ess_bulk(draws),
        ess_tail(draws),
        ess_mean(draws),
        ess_quantile(draws, 0.2),
        mean_error(draws),
    ]
    np.testing.assert_allclose(found, ARVIZ[case], rtol=1e-6)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, -0.4])
def test_effective_size_of_autoregressions(correlation: float, rng: np.random.Generator) -> None:
    # Of an autoregression of order one the size is C S (1 - phi) / (1 + phi). With 80,000 draws
    # the estimate is within a few per cent of it.
    noise = rng.standard_normal((4, 20_500))
    draws = lfilter([1.0], [1.0, -correlation], noise, axis=1)[:, 500:]
    expected = draws.size * (1.0 - correlation) / (1.0 + correlation)
    assert ess_mean(draws) == pytest.approx(expected, rel=0.1)
    assert ess_bulk(draws) == pytest.approx(expected, rel=0.1)
    assert r_hat(draws) < 1.003
    deviation = 1.0 / np.sqrt(1.0 - correlation**2)
    assert mean_error(draws) == pytest.approx(deviation / np.sqrt(expected), rel=0.1)


def test_errors_cover_what_they_should(rng: np.random.Generator) -> None:
    # Of 400 runs of independent draws, standardised errors have a root mean square of 1.
    draws = rng.standard_normal((4, 250, 400))
    standardised = draws.mean(axis=(0, 1)) / mean_error(draws)
    assert np.sqrt(np.mean(standardised**2)) == pytest.approx(1.0, abs=0.15)


def test_chains_that_disagree_are_noticed(rng: np.random.Generator) -> None:
    draws = rng.standard_normal((4, 1000))
    assert r_hat(draws) < 1.01
    assert r_hat(draws + 0.3 * np.arange(4)[:, None]) > 1.05
    assert r_hat(draws * np.array([[1.0], [1.0], [1.0], [3.0]])) > 1.05  # by spread alone
    drifting = draws + np.linspace(0.0, 2.0, 1000)  # by halves alone
    assert r_hat(drifting) > 1.05


def test_ranks_do_not_notice_monotone_maps(rng: np.random.Generator) -> None:
    draws = weyl(4, 500, 0.5)
    for name in ("ess_bulk", "ess_tail"):
        plain, mapped = (getattr(convergence(d), name) for d in (draws, np.exp(3.0 * draws)))
        assert mapped == pytest.approx(plain, rel=1e-12)
    heavy = rng.standard_cauchy((4, 500))
    assert ess_bulk(heavy) > 1000
    assert r_hat(heavy) < 1.02


def test_every_quantity_is_judged_alone(rng: np.random.Generator) -> None:
    draws = rng.standard_normal((3, 100, 2, 4))
    draws[:, :, 0, 1] = 7.0
    draws[1, 3, 1, 2] = np.inf
    draws[:, :, 1, 3] = np.round(draws[:, :, 1, 3])
    together = convergence(draws)
    for i in np.ndindex(2, 4):
        alone = convergence(draws[(slice(None), slice(None), *i)])
        for name in Convergence.__dataclass_fields__:
            np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name))
    unknown = np.zeros((2, 4), dtype=bool)
    unknown[0, 1] = unknown[1, 2] = True
    for name in Convergence.__dataclass_fields__:
        np.testing.assert_array_equal(np.isnan(getattr(together, name)), unknown)


def test_short_chains_are_refused() -> None:
    for shape in ((4, 3), (10,)):
        with pytest.raises(InvalidArgumentError, match=r"draws must have shape \(C, S, \.\.\.\)"):
            r_hat(np.zeros(shape))
