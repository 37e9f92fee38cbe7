"""What a REPL shows of results: a table, or one line, but never every number."""

import numpy as np
import pytest

from mixtura import GaussianMixtureModel, select
from mixtura.inference import Gibbs

ROWS = np.random.default_rng(0).standard_normal((3000, 2))


@pytest.mark.parametrize("inference", ["map", "vb", Gibbs(draws=200, warmup=100, chains=2)])
def test_fits_show_in_a_line(inference: object) -> None:
    gmm = GaussianMixtureModel(1, inference=inference, random_state=0).fit(ROWS)
    shown = repr(gmm.fit_)
    assert "3,000 rows" in shown
    assert len(shown) < 200
    assert len(repr(gmm.posterior_)) < 1500
    assert repr(gmm.summary()) == str(gmm.summary())
    assert gmm.summary()._repr_html_().startswith("<")


def test_draws_show_in_a_line() -> None:
    gmm = GaussianMixtureModel(
        1, inference=Gibbs(draws=200, warmup=100, chains=2), random_state=0
    ).fit(ROWS)
    assert repr(gmm.posterior_) == ("<DrawsPosterior, K = 1, D = 2: 2 chains of 200 draws>")
    for shown in (gmm.posterior_.draws, gmm.loo(), gmm.log_evidence()):
        assert len(repr(shown)) < 400
    assert repr(gmm.convergence()) == str(gmm.convergence())


def test_selections_show_their_table() -> None:
    chosen = select(ROWS[:200], components=(1, 2))
    assert repr(chosen) == str(chosen.summary()) == repr(chosen.summary())
