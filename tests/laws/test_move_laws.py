"""Merges, drops and splits: the bound never falls, and the answer does not hang on the start."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from laws.independent import direct_statistics
from laws.running import blobs, elicited, run
from mixtura.data import ArrayRows
from mixtura.engines import ReferenceEngine
from mixtura.engines.native import NativeEngine
from mixtura.families import FAMILIES, CovarianceFamily
from mixtura.fit import Fit
from mixtura.inference import VB, move_proposals
from mixtura.inference.variational_bayes import Expected
from mixtura.model import MixtureModel
from mixtura.posteriors import VariationalPosterior
from mixtura.priors import Dirichlet, DirichletProcess, Gamma, PitmanYor, WeightPrior


def separated(seed: int, n_rows: int, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (N, 2) of clusters seven or more standard deviations apart, and their labels."""
    rng = np.random.default_rng(seed)
    centres: list[np.ndarray] = []
    while len(centres) < n_clusters:
        point = rng.uniform(-6.0, 6.0, 2) * np.sqrt(n_clusters)
        if all(np.linalg.norm(point - other) > 7.0 for other in centres):
            centres.append(point)
    labels = rng.integers(n_clusters, size=n_rows)
    return np.array(centres)[labels] + rng.standard_normal((n_rows, 2)), labels


def fitted(
    rows: np.ndarray, n_components: int, prior: WeightPrior, start: Any, family: str = "full"
) -> Fit:
    given = elicited(FAMILIES[family], rows, n_components)
    model = MixtureModel(n_components, 2, prior, given.component_prior, FAMILIES[family])
    return run(model, rows, VB(), start, keep_numbering=True, engine=NativeEngine())


def occupied(fit: Fit) -> int:
    assert isinstance(fit.posterior, VariationalPosterior)
    return len(move_proposals.occupied(fit.posterior.statistics))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("start", ["split", "random"])
def test_separated_clusters_are_found_from_any_start(seed: int, start: str) -> None:
    rows, labels = separated(seed, 2000, 6)
    fit = fitted(rows, 50, DirichletProcess(1.0), start)
    assert occupied(fit) == 6
    found = fit.posterior.labels(ArrayRows(rows), ReferenceEngine())
    assert normalized_mutual_info_score(labels, found) >= 0.99
    assert fit.n_iter < 100
    assert (np.diff(fit.history) >= -1e-10 * abs(fit.objective)).all()


def test_a_start_with_everything_in_one_component_is_split() -> None:
    rows, _ = separated(3, 600, 4)
    shares = np.zeros((600, 12))
    shares[:, 0] = 1.0
    fit = fitted(rows, 12, DirichletProcess(1.0), shares)
    assert occupied(fit) == 4


@pytest.mark.parametrize(
    "prior", [PitmanYor(1.0, 0.1), DirichletProcess(Gamma(2.0, 2.0)), DirichletProcess(0.1)]
)
def test_the_answer_does_not_hang_on_the_truncation(prior: WeightPrior) -> None:
    rows, _ = separated(4, 400, 3)
    given = elicited(FAMILIES["full"], rows, 5).component_prior
    bounds = []
    for K in (5, 8, 20):
        model = MixtureModel(K, 2, prior, given, FAMILIES["full"])
        fit = run(model, rows, VB(), keep_numbering=True)
        assert occupied(fit) == 3
        bounds.append(fit.objective)
    # Discounts make empty components matter a little, to the good.
    assert (np.diff(bounds) >= -1e-6).all()
    assert bounds[-1] - bounds[0] < 1.0


def test_every_structure_has_moves(family: CovarianceFamily) -> None:
    rows, _ = separated(5, 600, 3)
    fit = fitted(rows, 12, DirichletProcess(1.0), "split", family.name)
    assert occupied(fit) == 3
    assert (np.diff(fit.history) >= -1e-10 * abs(fit.objective)).all()


def test_fixed_numbers_of_components_have_no_moves() -> None:
    assert not Dirichlet(0.01).finds_components
    assert PitmanYor(1.0, 0.5).finds_components


def test_merging_adds_moments(family: CovarianceFamily) -> None:
    rng = np.random.default_rng(6)
    rows, shares = blobs(rng, 30, 2, 2), rng.dirichlet(np.ones(4), 30)
    structure = family.structure(4, 2)
    statistics = direct_statistics(rows, shares, rng.standard_normal((4, 2)), structure)
    together = shares.copy()
    together[:, 1] += together[:, 3]
    together[:, 3] = 0.0
    expected = direct_statistics(rows, together, np.zeros((4, 2)), structure)
    found = move_proposals.joined(statistics, 1, 3).about(np.zeros((4, 2)))
    np.testing.assert_allclose(found.count, expected.count, atol=1e-12)
    np.testing.assert_allclose(found.first, expected.first, atol=1e-11)
    np.testing.assert_allclose(found.second, expected.second, atol=1e-10)


def test_splitting_keeps_moments(family: CovarianceFamily) -> None:
    rng = np.random.default_rng(7)
    rows = blobs(rng, 60, 2, 2)
    shares = np.zeros((60, 4))
    shares[:, 2] = 1.0
    model = elicited(family, rows, 4)
    statistics = direct_statistics(rows, shares, np.zeros((4, 2)), model.structure)
    parameters = VariationalPosterior(model, statistics).parameters
    halves = move_proposals.split(model, statistics, parameters)
    assert np.flatnonzero(halves.count).tolist() == [0, 2]
    origin = np.zeros((4, 2))
    before, after = statistics.about(origin), halves.about(origin)
    np.testing.assert_allclose(after.count.sum(), before.count.sum(), rtol=1e-12)
    np.testing.assert_allclose(after.first.sum(axis=0), before.first.sum(axis=0), atol=1e-9)
    totals = after.second.sum(axis=0), before.second.sum(axis=0)
    np.testing.assert_allclose(*totals, rtol=1e-10, atol=1e-9)


def test_fit_without_entropy_is_the_bound_of_given_assignments() -> None:
    # Hard assignments have no entropy, so that the bound is the log joint of rows and labels.
    rows, labels = separated(8, 90, 3)
    model = elicited(FAMILIES["full"], rows, 3)
    statistics = direct_statistics(rows, np.eye(3)[labels], np.zeros((3, 2)), model.structure)
    of_weights = Dirichlet(1.0).posterior(statistics.count)
    expected = statistics.count @ of_weights.expected_log_weights(3)
    expected -= of_weights.divergence(Dirichlet(1.0), 3)
    for k in range(3):
        alone = elicited(FAMILIES["full"], rows, 1)
        alone = MixtureModel(1, 2, Dirichlet(1.0), model.component_prior, FAMILIES["full"])
        expected += run(alone, rows[labels == k], VB()).objective
    assert move_proposals.fit_of(Expected(), model, statistics) == pytest.approx(
        expected, rel=1e-10
    )
