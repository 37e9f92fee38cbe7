"""The estimator under collapsed Gibbs sampling: every answer of a sampled fit, and the evidence."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from laws.enumeration import exact_posterior, normal_inverse_gamma, symmetric_dirichlet
from mixtura import CollapsedGibbs, GaussianMixtureModel, load
from mixtura.datasets import load_faithful
from mixtura.errors import ComponentLimitWarning, InvalidArgumentError
from mixtura.priors import (
    Dirichlet,
    DirichletProcess,
    Gamma,
    MixtureOfFiniteMixtures,
    NormalInverseGamma,
)

SHORT = CollapsedGibbs(chains=2, draws=60, warmup=60)
ROWS = load_faithful().data[::4]


@pytest.fixture(scope="module")
def fitted() -> GaussianMixtureModel:
    prior = DirichletProcess(Gamma(2.0, 2.0))
    gmm = GaussianMixtureModel(2, weight_prior=prior, inference=SHORT, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so short chains need not agree
        return gmm.fit(ROWS)


def test_all_that_draws_answer_is_answered(fitted: GaussianMixtureModel, tmp_path: Path) -> None:
    K = fitted.fit_.model.n_components
    assert K >= 3
    shares = fitted.predict_proba(ROWS)
    assert shares.shape == (len(ROWS), K)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)
    assert np.isfinite(fitted.score_samples(ROWS)).all()
    assert fitted.consensus().n_groups == 2
    assert fitted.loo().by_row.shape == (len(ROWS),)
    fitted.write_report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Collapsed Gibbs sampling of partitions" in page
    assert "occupied components" in str(fitted.convergence())
    assert "rows and partition" in str(fitted.summary())
    with pytest.raises(InvalidArgumentError, match="not available with a"):
        fitted.log_evidence()


def test_arviz_gets_the_number_of_groups(fitted: GaussianMixtureModel) -> None:
    pytest.importorskip("xarray")
    found = fitted.to_arviz()["sample_stats"]["n_occupied"]
    assert found.dims == ("chain", "draw")
    assert found.shape == (2, 60)
    (told,) = (r for r in fitted.convergence().rows if r["quantity"] == "occupied components")
    # Components of the same draws, drawn once more for the same rows.
    assert float(found.mean()) == pytest.approx(told["mean"], abs=0.5)
    shares = fitted.summary().components.groups
    assert shares @ (1 + np.arange(shares.size)) == pytest.approx(told["mean"], rel=1e-12)


def test_more_components_than_allowed_are_a_doubt_where_there_is_a_limit(
    fitted: GaussianMixtureModel,
) -> None:
    # Two groups that nobody doubts; the process has no limit, finite mixtures have.
    assert not [d for d in fitted.fit_.doubts if d.category is ComponentLimitWarning]
    found = {}
    for K in (2, 8):
        gmm = GaussianMixtureModel(
            K, weight_prior=MixtureOfFiniteMixtures(1.0, 0.1), inference=SHORT, random_state=0
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            gmm.fit(ROWS)
        found[K] = [w for w in caught if w.category is ComponentLimitWarning]
    assert len(found[2]) == 1
    assert str(found[2][0].message).endswith("limit of 2; raise n_components")
    assert not found[8]


def test_a_file_keeps_the_components_that_were_needed(
    fitted: GaussianMixtureModel, tmp_path: Path
) -> None:
    path = tmp_path / "clusters.mixtura"
    fitted.save(path)
    loaded = load(path)
    assert loaded.inference == SHORT
    np.testing.assert_array_equal(loaded.predict_proba(ROWS), fitted.predict_proba(ROWS))
    np.testing.assert_array_equal(loaded.posterior_.numbers, fitted.posterior_.numbers)


def test_the_evidence_is_that_of_all_partitions() -> None:
    rows = np.array([[-1.2], [-0.8], [-1.0], [0.9], [1.3], [0.2], [1.1]])
    cluster = normal_inverse_gamma(np.array([0.1]), 0.4, np.array([3.0]), np.array([0.6]))
    exact = exact_posterior(rows, symmetric_dirichlet(2, 2.0), cluster)
    gmm = GaussianMixtureModel(
        2,
        weight_prior=Dirichlet(2.0),
        component_prior=NormalInverseGamma(0.1, 0.4, 3.0, 0.6),
        inference=CollapsedGibbs(chains=2, draws=1500, warmup=50),
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = gmm.fit(rows).log_evidence()
    assert found.error < 0.1
    assert found.log_evidence == pytest.approx(exact.log_evidence, abs=4.0 * found.error)
