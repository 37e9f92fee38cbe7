"""Mixtures of finite mixtures against closed forms, faces summed one by one, and fits of them."""

import json
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp

from laws.enumeration import face_allocations, finite_mixtures
from laws.independent import log_joint, numbers_of
from laws.running import blobs, run
from mixtura import GaussianMixtureModel, Gibbs, load
from mixtura.data import ArrayRows
from mixtura.diagnostics.convergence_diagnostics import r_hat
from mixtura.engines import ENGINES
from mixtura.errors import ConvergenceWarning, InvalidArgumentError
from mixtura.families import FAMILIES
from mixtura.inference import MAP, VB
from mixtura.messages.assignments import Sampled
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel
from mixtura.posteriors import DrawsPosterior
from mixtura.priors import MixtureOfFiniteMixtures, NormalInverseGamma
from mixtura.priors.finite_mixtures import log_partition_terms

PRIORS = [MixtureOfFiniteMixtures(1.3), MixtureOfFiniteMixtures(0.4, 2.0)]


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_allocations_are_worth_what_faces_add_up_to(prior: MixtureOfFiniteMixtures) -> None:
    K = 4
    counts = np.array([[0, 0, 0, 0], [5, 0, 0, 0], [0, 2, 0, 1], [3, 1, 0, 2], [1, 1, 1, 1]])
    of_faces = face_allocations(prior.concentration, numbers_of(prior, K))
    for count, log_share, weights in zip(counts, *of_faces(counts), strict=True):
        posterior = prior.posterior(count.astype(float))
        assert posterior.log_evidence == pytest.approx(log_share, abs=1e-12)
        np.testing.assert_allclose(posterior.expected_weights(K), weights, rtol=1e-12)


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_partitions_have_the_published_probabilities(prior: MixtureOfFiniteMixtures) -> None:
    """V_N(t), and the probability of one numbering times the number of numberings."""
    K, c = 5, prior.concentration
    with np.errstate(divide="ignore"):
        log_chances = np.log(np.append(numbers_of(prior, K), 0.0))
    published = finite_mixtures(c, lambda k: float(log_chances[min(k, K + 1) - 1]))
    for sizes in ([4], [3, 1], [2, 2, 1], [1, 1, 1, 1, 1], [40, 7, 3]):
        n, t = sum(sizes), len(sizes)
        of_sizes = (gammaln(c + np.array(sizes)) - gammaln(c)).sum()
        expected = published(np.array(sizes))
        terms = log_partition_terms(prior.posterior(np.zeros(K)).log_numbers, c, n, t)
        assert logsumexp(terms) + of_sizes == pytest.approx(expected, rel=1e-12)
        count = np.append(sizes, np.zeros(K - t)).astype(float)
        numberings = gammaln(K + 1) - gammaln(K - t + 1)
        assert prior.posterior(count).log_evidence + numberings == pytest.approx(expected)


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_steps_of_partitions_are_worth_the_evidence(prior: MixtureOfFiniteMixtures) -> None:
    K = 4
    for sizes in ([6], [3, 2, 1], [2, 2, 1, 1], [9, 1]):
        count = np.append(sizes, np.zeros(K - len(sizes))).astype(float)
        steps = prior.partitions(K).steps(sum(sizes), prior.concentration)
        worth = steps.log_size[sizes].sum() + steps.log_new[: len(sizes)].sum()
        numberings = gammaln(K + 1) - gammaln(K - len(sizes) + 1)
        expected = prior.posterior(count).log_evidence + numberings
        assert worth == pytest.approx(expected, rel=1e-12)
        assert (steps.log_new[K:] == -np.inf).all()


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_two_rows_are_together_as_often_as_the_weights_say(prior: MixtureOfFiniteMixtures) -> None:
    K, c = 6, prior.concentration
    numbers = np.arange(1, K + 1)
    together = (numbers_of(prior, K) * (1.0 + c) / (1.0 + numbers * c)).sum()
    both = prior.posterior(np.array([2.0, *np.zeros(K - 1)])).log_evidence
    assert K * np.exp(both) == pytest.approx(together, rel=1e-12)
    apart = prior.posterior(np.array([1.0, 1.0, *np.zeros(K - 2)])).log_evidence
    assert K * (K - 1) * np.exp(apart) == pytest.approx(1.0 - together, rel=1e-12)
    assert prior.expected_n_clusters(2, K) == pytest.approx(2.0 - together, rel=1e-12)


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_probabilities_of_all_allocations_add_up_to_one(prior: MixtureOfFiniteMixtures) -> None:
    labels = np.array(list(product(range(3), repeat=4)))
    counts = (labels[:, :, None] == np.arange(3)).sum(axis=1)
    logs = np.array([prior.posterior(count.astype(float)).log_evidence for count in counts])
    assert logsumexp(logs) == pytest.approx(0.0, abs=1e-12)
    clusters = np.exp(logs) @ (counts > 0).sum(axis=1)
    assert prior.expected_n_clusters(4, 3) == pytest.approx(clusters, rel=1e-12)


def test_one_number_alone_is_a_dirichlet() -> None:
    prior = MixtureOfFiniteMixtures(2.5)
    np.testing.assert_array_equal(prior.draw(np.random.default_rng(0), 1), [1.0])
    assert prior.log_density(np.ones(1)) == 0.0
    assert prior.expected_n_clusters(7, 1) == 1.0
    # So high a rate leaves the largest number only.
    high = MixtureOfFiniteMixtures(2.5, 1e9)
    assert high.number_probabilities(4)[-1] == pytest.approx(1.0, abs=1e-8)


def test_draws_of_tiny_concentrations_keep_their_number() -> None:
    prior = MixtureOfFiniteMixtures(1e-4, 4.0)
    rng = np.random.default_rng(1)
    draws = np.array([prior.draw(rng, 5) for _ in range(4000)])
    shares = np.bincount((draws > 0.0).sum(axis=1), minlength=6)[1:] / 4000
    exact = numbers_of(prior, 5)
    assert (np.abs(shares - exact) < 5.0 * np.sqrt(exact * (1.0 - exact) / 4000)).all()
    assert (draws.max(axis=1) > 0.0).all()
    np.testing.assert_allclose(draws.sum(axis=1), 1.0, rtol=1e-12)


def test_density_of_weights_that_rows_rule_out_is_zero() -> None:
    posterior = MixtureOfFiniteMixtures(1.0).posterior(np.array([3.0, 0.0, 1.0]))
    assert posterior.log_density(np.array([0.4, 0.6, 0.0])) == -np.inf
    assert np.isfinite(posterior.log_density(np.array([0.4, 0.0, 0.6])))


# ------------------------------------------------------------------------------------------ fits


def model_of(K: int, n_features: int = 1) -> MixtureModel:
    prior = NormalInverseGamma(0.0, 0.05, 2.0, 1.0)
    return MixtureModel(K, n_features, MixtureOfFiniteMixtures(1.0), prior, FAMILIES["diag"])


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_log_joint_of_every_draw_is_the_density_of_all_constants(engine: str) -> None:
    rows = blobs(np.random.default_rng(2), 40, 1, 2)
    model = model_of(5)
    fit = run(model, rows, Gibbs(chains=1, draws=30, warmup=20), engine=ENGINES[engine]())
    posterior = fit.posterior
    assert isinstance(posterior, DrawsPosterior)
    assert len(np.unique(posterior.used_components)) > 1
    for number in range(posterior.n_draws):
        expected = log_joint(
            model.weight_prior, model.component_prior, rows, posterior.draw(number)
        )
        assert posterior.log_joint.flat[number] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_no_row_goes_where_the_weight_is_zero(engine: str) -> None:
    """A row on top of a component of weight zero, and a million deviations from the others."""
    rows = ArrayRows(np.array([[0.0], [1e6], [1.0]]))
    weights, means = np.array([0.0, 1.0, 0.0]), np.array([[1e6], [0.0], [0.0]])
    potentials = FAMILIES["diag"].potentials(MixtureParameters(weights, means, np.ones((3, 1))))
    used = ENGINES[engine]()
    for sweep in range(5):
        statistics = used.sweep(rows, potentials, Sampled(3, sweep))
        np.testing.assert_array_equal(statistics.count, [0.0, 3.0, 0.0])
    np.testing.assert_array_equal(used.sample_labels(rows, potentials, 4, 0), 1)
    np.testing.assert_array_equal(used.responsibilities(rows, potentials)[:, 1], 1.0)
    assert np.isfinite(used.log_density(rows, potentials)).all()


@pytest.fixture(scope="module")
def fitted() -> GaussianMixtureModel:
    rows = blobs(np.random.default_rng(3), 60, 2, 2, apart=6.0)
    made = GaussianMixtureModel(
        6,
        covariance_type="diag",
        weight_prior=MixtureOfFiniteMixtures(1.0, 1.0),
        component_prior=NormalInverseGamma(4.0, 0.05, 2.0, 1.0),
        inference=Gibbs(chains=2, draws=200, warmup=50),
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of chains so short
        return made.fit(rows)


def test_answers_about_rows_pass_zero_weights_through(fitted: Any, tmp_path: Path) -> None:
    rows = blobs(np.random.default_rng(3), 60, 2, 2, apart=6.0)
    posterior = fitted.posterior_
    assert (posterior.weights == 0.0).any()
    np.testing.assert_allclose(fitted.predict_proba(rows).sum(axis=1), 1.0, rtol=1e-12)
    for found in (fitted.score_samples(rows), fitted.loo().by_row, fitted.waic().by_row):
        assert np.isfinite(found).all()
    assert fitted.consensus().n_groups == 2
    assert np.isfinite(posterior.intervals().means).all()
    fitted.save(tmp_path / "mixtures.mixtura")
    again = load(tmp_path / "mixtures.mixtura")
    np.testing.assert_array_equal(again.score_samples(rows), fitted.score_samples(rows))
    assert repr(again.fit_.model.weight_prior) == repr(fitted.fit_.model.weight_prior)


def test_empty_components_come_last_and_raise_no_doubt(fitted: Any) -> None:
    weights = fitted.weights_
    assert (np.diff(weights) <= 0.0).all()
    assert weights[1] > 0.2 > weights[2]
    assert not [doubt for doubt in fitted.fit_.doubts if "told apart" in doubt.message]


def test_the_number_of_components_is_told_wherever_answers_are(fitted: Any, tmp_path: Path) -> None:
    shares = fitted.posterior_.number_probabilities()
    numbers = (fitted.posterior_.weights > 0.0).sum(axis=-1).ravel()
    np.testing.assert_allclose(shares, [(numbers == k).mean() for k in range(1, 7)], rtol=1e-12)
    said = f"Number of components: 2 ({shares[1]:.2f})"
    assert said in str(fitted.summary()).replace("\n", " ")
    fitted.write_report(tmp_path / "report.json")
    (section,) = json.loads((tmp_path / "report.json").read_text())["sections"]
    np.testing.assert_allclose(section["number_of_components_probabilities"], shares, rtol=1e-12)
    rows = {row["quantity"]: row for row in fitted.convergence().rows}
    assert rows["number of components"]["mean"] == pytest.approx(numbers.mean(), rel=1e-12)


def test_chains_that_stay_at_different_numbers_have_not_converged() -> None:
    """Two chains of too few sweeps to leave the numbers of components at which they begin."""
    rows = blobs(np.random.default_rng(6), 400, 1, 3, apart=4.0)
    model = model_of(6)
    fit = run(model, rows, Gibbs(chains=4, draws=60, warmup=0), "random", n_starts=4)
    assert isinstance(fit.posterior, DrawsPosterior)
    numbers = fit.posterior.used_components.astype(float)
    assert r_hat(numbers) > 1.05
    assert not fit.converged
    (said,) = (doubt.message for doubt in fit.doubts if "do not agree" in doubt.message)
    assert said.endswith(
        "or take inference='collapsed', which changes the number of components more readily"
    )


@pytest.mark.filterwarnings("ignore::mixtura.errors.ConvergenceWarning")
def test_a_start_that_is_given_keeps_its_numbers() -> None:
    rows = np.concatenate([np.zeros((20, 1)), np.full((30, 1), 40.0)])
    rows += np.random.default_rng(4).standard_normal(rows.shape)
    labels = np.repeat([2, 1], [20, 30])
    gmm = GaussianMixtureModel(
        4,
        covariance_type="diag",
        weight_prior=MixtureOfFiniteMixtures(1.0),
        component_prior=NormalInverseGamma(20.0, 0.01, 2.0, 1.0),
        inference=Gibbs(chains=2, draws=100, warmup=20),
        init=labels,
        random_state=0,
    ).fit(rows)
    assert gmm.means_[2, 0] == pytest.approx(0.0, abs=1.0)
    assert gmm.means_[1, 0] == pytest.approx(40.0, abs=1.0)


@pytest.mark.parametrize("method", [MAP(), VB()])
def test_other_methods_refuse_it_in_one_line(method: Any) -> None:
    rows = blobs(np.random.default_rng(5), 30, 1, 2)
    with pytest.raises(InvalidArgumentError, match="use inference='gibbs'") as caught:
        run(model_of(3), rows, method)
    assert "\n" not in str(caught.value)


def test_arviz_gets_the_number_of_components(fitted: Any) -> None:
    pytest.importorskip("xarray")
    tree = fitted.to_arviz()
    expected = (fitted.posterior_.weights > 0.0).sum(axis=-1)
    np.testing.assert_array_equal(tree["posterior"]["number_of_components"], expected)


def test_the_evidence_is_not_bridged(fitted: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="finds the number of components"):
        fitted.log_evidence()


@pytest.mark.parametrize("bad", [{"concentration": -1.0}, {"rate": 0.0}, {"rate": [1.0, 2.0]}])
def test_unlawful_mixtures_are_refused_in_one_line(bad: Any) -> None:
    (name,) = bad
    with pytest.raises(InvalidArgumentError, match=f"MixtureOfFiniteMixtures {name}") as caught:
        MixtureOfFiniteMixtures(**bad)
    assert "\n" not in str(caught.value)


def test_pictures_of_zero_weights_raise_nothing(fitted: Any) -> None:
    pytest.importorskip("matplotlib")
    for draw in (
        fitted.plot_clusters,
        fitted.plot_trace,
        fitted.plot_rank,
        fitted.plot_posterior,
        fitted.plot_co_clustering,
        fitted.plot_predictive_check,
    ):
        draw()
