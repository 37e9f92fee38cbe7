"""Laws of answers about rows that are averages over draws: over all of them, with known errors."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp

from laws.running import blobs, elicited, run
from mixtura.data import ArrayRows
from mixtura.diagnostics.posterior_summaries import score_errors
from mixtura.engines import ENGINES
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.inference import Gibbs
from mixtura.posteriors import DrawsPosterior

NATIVE = ENGINES["native"](n_threads=1)
ROWS = blobs(np.random.default_rng(71), 30, 2, 2)
POINTS = np.vstack([ROWS[:5], [[40.0, -30.0]]])


def sampled(family: CovarianceFamily, n_draws: int = 150) -> DrawsPosterior:
    fit = run(elicited(family, ROWS, 3), ROWS, Gibbs(3, n_draws, 40), engine=NATIVE)
    assert isinstance(fit.posterior, DrawsPosterior)
    return fit.posterior


def test_densities_are_averages_over_all_draws(family: CovarianceFamily) -> None:
    posterior, rows = sampled(family), ArrayRows(POINTS)
    logs = posterior.log_densities(rows, NATIVE).reshape(450, -1)
    expected = logsumexp(logs, axis=0) - np.log(450)
    np.testing.assert_allclose(posterior.log_predictive(rows, NATIVE), expected, rtol=1e-10)


def test_probabilities_are_averages_over_all_draws(family: CovarianceFamily) -> None:
    """Of a point far out too, where the draws' densities differ by hundreds of nats."""
    posterior, rows = sampled(family), ArrayRows(np.vstack([POINTS, [[4e3, 5e3]]]))
    each = [
        NATIVE.responsibilities(rows, posterior.model.potentials(posterior.draw(s)))
        for s in range(450)
    ]
    found = posterior.responsibilities(rows, NATIVE)
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-8, atol=1e-12)


def test_components_of_weight_zero_have_no_share() -> None:
    posterior = sampled(FAMILIES["diag"], 30)
    weights = posterior.weights.copy()
    weights[:, ::2, 2] = 0.0
    weights /= weights.sum(axis=2, keepdims=True)
    some = replace(posterior, draws=replace(posterior.draws, weights=weights))
    rows = ArrayRows(POINTS)
    logs = some.log_densities(rows, NATIVE).reshape(90, -1)
    expected = logsumexp(logs, axis=0) - np.log(90)
    np.testing.assert_allclose(some.log_predictive(rows, NATIVE), expected, rtol=1e-10)
    assert np.isfinite(some.responsibilities(rows, NATIVE)).all()


def test_many_rows_are_averaged_over_as_many_draws_as_are_affordable(monkeypatch: Any) -> None:
    posterior = sampled(FAMILIES["diag"])
    for n_rows, most, number in ((10, 10**6, 450), (10, 10**4, 333), (10**5, 10**4, 198)):
        few = posterior.averaged(n_rows, most)
        assert few.n_draws == number
        assert few.n_chains == 3
    rows, few = ArrayRows(POINTS), posterior.averaged(1, 0)
    logs = few.log_densities(rows, NATIVE).reshape(few.n_draws, -1)
    expected = logsumexp(logs, axis=0) - np.log(few.n_draws)
    monkeypatch.setattr(DrawsPosterior, "averaged", lambda self, n_rows, most=0: few)
    np.testing.assert_allclose(posterior.log_predictive(rows, NATIVE), expected, rtol=1e-10)


def test_errors_of_densities_are_those_of_independent_chains() -> None:
    """The spread of log densities over many seeds is as large as each of them says."""
    model, rows = elicited(FAMILIES["diag"], ROWS, 2), ArrayRows(POINTS)
    found, told = [], []
    for seed in range(40):
        fit = run(model, ROWS, Gibbs(2, 200, 50), engine=NATIVE, seed=seed)
        assert isinstance(fit.posterior, DrawsPosterior)
        found.append(fit.posterior.log_predictive(rows, NATIVE))
        told.append(score_errors(fit.posterior, rows, NATIVE))
    spread = np.std(found, axis=0, ddof=1)
    # Five rows among the data; one far out, whose average hangs on few draws.
    ratio = spread[:5] / np.mean(told, axis=0)[:5]
    assert (ratio > 0.6).all()
    assert (ratio < 1.6).all()


@pytest.mark.parametrize("n_draws", [1, 3])
def test_too_few_draws_have_no_error(n_draws: int) -> None:
    posterior = sampled(FAMILIES["diag"], n_draws)
    assert np.isnan(score_errors(posterior, ArrayRows(POINTS), NATIVE)).all()
