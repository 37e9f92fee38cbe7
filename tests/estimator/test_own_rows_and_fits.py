"""What belongs to a fit is taken by it, and what belongs to another is refused in one line."""

import warnings

import numpy as np
import pandas as pd
import pytest

from mixtura import GaussianMixtureModel, MixtureClassifier, bootstrap_lrt, select
from mixtura.datasets import load_faithful
from mixtura.errors import DataError, InvalidArgumentError

ROWS = load_faithful().data


@pytest.fixture(scope="module")
def gmm() -> GaussianMixtureModel:
    return GaussianMixtureModel(2, inference="ml").fit(ROWS)


@pytest.mark.parametrize("other", [ROWS + 100.0, ROWS[:100]], ids=["elsewhere", "fewer"])
def test_a_bootstrap_is_of_the_fitted_rows(gmm: GaussianMixtureModel, other: np.ndarray) -> None:
    with pytest.raises(InvalidArgumentError, match="X must be the 272 rows that were fitted"):
        gmm.bootstrap(other, n_replicates=5)
    own = gmm.bootstrap(ROWS, n_replicates=5, random_state=0)
    np.testing.assert_array_equal(own.means, gmm.bootstrap(n_replicates=5, random_state=0).means)


@pytest.mark.parametrize("clusters", [2, "entropy", "labels", "of another fit"])
def test_clusters_are_of_the_fits_components(gmm: GaussianMixtureModel, clusters) -> None:
    given = {
        "labels": gmm.merge_components().labels,
        "of another fit": GaussianMixtureModel(3).fit(ROWS).merge_components(),
    }.get(clusters, clusters)
    for show in (gmm.summary, gmm.report):
        with pytest.raises(InvalidArgumentError, match=r"clusters must be .* of this fit"):
            show(clusters=given)
    assert "clusters" in str(gmm.summary(clusters=gmm.merge_components()))


def test_a_background_joins_no_components() -> None:
    rng = np.random.default_rng(0)
    groups = [rng.normal(centre, 1.0, (100, 2)) for centre in (0.0, 20.0, 40.0)]
    rows = np.concatenate([*groups, rng.uniform(-10.0, 50.0, (30, 2))])
    merged = GaussianMixtureModel(3, background="uniform").fit(rows).merge_components()
    assert merged.n_clusters == 3
    assert merged.tree.entropies.max() < 1e-6


def test_a_test_needs_replicates_that_could_reject() -> None:
    for level, least in ((0.05, 19), (0.01, 99)):
        with pytest.raises(InvalidArgumentError, match=f"n_replicates must be at least {least} "):
            bootstrap_lrt(ROWS, n_replicates=least - 1, level=level)


def test_given_parameters_have_no_floor_to_overflow() -> None:
    known = GaussianMixtureModel.from_parameters(
        [0.3, 0.7], [[2.0, 54.0], [4.3, 80.0]], np.stack([np.diag([0.1, 30.0])] * 2)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = known.bootstrap(ROWS, n_replicates=5, random_state=0)
    assert np.isfinite(found.means).all()


def test_classes_that_are_missing_or_do_not_sum_are_refused() -> None:
    classes = np.where(ROWS[:, 1] > 70.0, "long", "short")
    with pytest.raises(InvalidArgumentError, match=r"class_prior must sum to 1; it sums to 1\.8"):
        MixtureClassifier(class_prior=[0.9, 0.9]).fit(ROWS, classes)
    missing = pd.Series(classes, dtype="string")
    missing[3] = pd.NA
    with pytest.raises(DataError, match="y has no class in some rows"):
        MixtureClassifier().fit(ROWS, missing)


def test_grids_have_every_number_on_one_line() -> None:
    chosen = select(ROWS, (1, 2), "all", inference="ml")
    lines = str(chosen.grid()).splitlines()
    assert len(lines[1].split()) == 15
    assert len(next(line for line in lines if line.startswith("2 ")).split()) == 15
    with pytest.raises(InvalidArgumentError, match="'cv' was not computed"):
        chosen.grid("cv")


def test_entropies_beside_a_background_are_of_rows_that_belong_somewhere() -> None:
    rng = np.random.default_rng(1)
    low, high = ROWS.min(axis=0), ROWS.max(axis=0)
    rows = np.concatenate([ROWS, rng.uniform(low, high, (60, 2))])
    gmm = GaussianMixtureModel(2, background="uniform").fit(rows)
    shares = gmm.predict_proba(rows)
    inside = shares[:, :2].sum(axis=1)
    known = shares[:, :2] / inside[:, None]
    expected = -(inside[:, None] * known * np.log(np.maximum(known, 1e-300))).sum()
    assert gmm.merge_components(n_clusters=2).tree.entropies[-1] == pytest.approx(expected)
