"""Judgements about chains, against closed forms."""

import numpy as np
import pytest
from scipy.signal import lfilter

from mixtura.diagnostics.convergence_diagnostics import ess_mean, r_hat


def autoregressive(rho: float, n_chains: int, n_draws: int) -> np.ndarray:
    """Return stationary chains whose neighbouring draws have correlation rho."""
    noise = np.random.default_rng(51).standard_normal((n_chains, n_draws))
    noise[:, 1:] *= np.sqrt(1.0 - rho * rho)
    return lfilter([1.0], [1.0, -rho], noise, axis=1)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, -0.3])
def test_effective_size_of_autoregressive_chains(rho: float) -> None:
    draws = autoregressive(rho, 4, 20_000)
    expected = draws.size * (1.0 - rho) / (1.0 + rho)  # the sum of all autocorrelations
    assert float(ess_mean(draws)) == pytest.approx(expected, rel=0.15)


def test_chains_of_one_distribution_agree_and_others_do_not() -> None:
    draws = autoregressive(0.3, 4, 4000)
    assert 0.999 < float(r_hat(draws)) < 1.01
    assert float(r_hat(draws + np.array([[0.0], [0.0], [0.0], [1.0]]))) > 1.05
    assert float(r_hat(draws * np.array([[1.0], [1.0], [1.0], [3.0]]))) > 1.05
    drifting = draws + np.linspace(0.0, 2.0, 4000)
    assert float(r_hat(drifting)) > 1.05
    # Ranks: nothing but their order matters, so that heavy tails do not hide a difference.
    assert float(r_hat(np.exp(20.0 * draws))) < 1.01
