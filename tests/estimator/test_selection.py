"""Choosing K and the family.

Constants are from ``shared/references/values.json`` of the project (the key is named). Its BIC is
2 log L - df log N, larger is better; ours has the other sign.
"""

import dataclasses
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logsumexp
from scipy.stats import entropy

import mixtura
from mixtura import GaussianMixtureModel, Gibbs, Selection, select
from mixtura.datasets import load_faithful, load_iris
from mixtura.diagnostics.candidates import CRITERIA, Candidate, ordered, with_shortfalls
from mixtura.engines import base as engine_base
from mixtura.errors import ConvergenceWarning, DataError, InvalidArgumentError
from mixtura.estimator.held_out import Folds
from mixtura.families import MCLUST_ORDER
from mixtura.inference.starts import clusterings
from mixtura.priors import Dirichlet

FAITHFUL = load_faithful().data
PETALS = load_iris().column("petal_length")


def two_clusters(rng: np.random.Generator, n_rows: int = 300) -> np.ndarray:
    """Return rows of two round clusters, ten standard deviations apart in each column."""
    return rng.standard_normal((n_rows, 2)) + 10.0 * rng.integers(2, size=(n_rows, 1))


def row_of(selection: Selection, n_components: int, family: str) -> Candidate:
    """Return the row of one candidate."""
    (row,) = [
        row
        for row in selection.table
        if (row.n_components, row.covariance_type) == (n_components, family)
    ]
    return row


def timeless(selection: Selection) -> list[Candidate]:
    """Return the table without its times."""
    return [dataclasses.replace(row, seconds=0.0) for row in selection.table]


def test_faithful_is_chosen_as_mclust_chooses_it() -> None:
    chosen = select(FAITHFUL, range(1, 5), ("full", "tied"), inference="ml")
    # faithful_2d, computed: four decimals.
    for n_components, family, log_likelihood, bic in (
        (3, "tied", -1126.3159, -2314.2957),
        (2, "full", -1130.264, -2322.1917),
        (2, "tied", -1140.1868, -2325.2199),
    ):
        row = row_of(chosen, n_components, family)
        assert row.log_likelihood == pytest.approx(log_likelihood, abs=0.51e-4)
        assert -row.bic == pytest.approx(bic, abs=0.51e-4)
    # faithful_2d, published_mclust: EEE with three components, short of the maximum by 0.01.
    assert (chosen.criterion, chosen.best) == ("bic", row_of(chosen, 3, "tied"))
    assert (chosen.best.n_parameters, -chosen.best.bic) == (11, pytest.approx(-2314.316, abs=0.03))


def test_petals_are_chosen_without_collapsed_candidates() -> None:
    # From one clustering; the search for starts keeps away from components that collapse.
    chosen = select(PETALS, range(1, 6), ("full", "tied"), inference="ml", init="split")
    # iris_petal_length_ml: four decimals.
    for n_components, family, bic in (
        (1, "full", -605.1954),
        (2, "full", -426.2107),
        (2, "tied", -516.5153),
        (3, "tied", -491.1061),
    ):
        assert -row_of(chosen, n_components, family).bic == pytest.approx(bic, abs=0.51e-4)
    # The likelihood of more components with variances of their own is unbounded.
    collapsed = [row for row in chosen.table if row.collapsed]
    assert min(row.bic for row in collapsed) < chosen.best.bic
    assert chosen.best == row_of(chosen, 2, "full")


@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical"])
def test_the_bound_chooses_two_clusters_where_there_are_two(rng, family) -> None:
    chosen = select(two_clusters(rng, 120), range(1, 7), family, inference="vb", tol=1e-6)
    assert chosen.criterion == "elbo"
    assert chosen.best.n_components == 2
    assert chosen.best.elbo == max(row.elbo for row in chosen.table)


@pytest.mark.parametrize("criterion", ["bic", "icl"])
def test_criteria_choose_two_clusters_where_there_are_two(rng, criterion) -> None:
    chosen = select(two_clusters(rng), range(1, 5), criterion=criterion)
    assert (chosen.criterion, chosen.best.n_components) == (criterion, 2)


@pytest.mark.parametrize("inference", ["map", "vb"])
def test_rows_are_what_the_class_says(rng, inference) -> None:
    frame = pd.DataFrame(two_clusters(rng, 60), columns=["a", "b"])
    weights = rng.integers(1, 4, size=60)
    own: dict[str, Any] = {"inference": inference, "tol": 1e-6, "n_init": 1}
    chosen = select(frame, [3, 2], ["diag", "full"], sample_weight=weights, **own)
    assert [(r.covariance_type, r.n_components) for r in chosen.table] == [
        ("diag", 3),
        ("diag", 2),
        ("full", 3),
        ("full", 2),
    ]
    for row in chosen.table:
        gmm = GaussianMixtureModel(row.n_components, covariance_type=row.covariance_type, **own)
        gmm.fit(frame, sample_weight=weights)
        for name in ("bic", "icl", "aic"):
            assert getattr(row, name) == pytest.approx(getattr(gmm, name)(frame, weights))
        assert row.elbo == (gmm.objective_ if inference == "vb" else None)
        assert (row.n_iter, row.converged) == (gmm.n_iter_, gmm.converged_)
        if row is chosen.best:
            assert np.array_equal(gmm.means_, chosen.model.means_)
            assert list(chosen.model.feature_names_in_) == ["a", "b"]
            assert repr(chosen.model) == repr(gmm)


def test_icl_adds_twice_the_entropy_of_the_assignments() -> None:
    best = select(FAITHFUL, 3, "tied")
    by_row = entropy(best.model.predict_proba(FAITHFUL), axis=1)
    assert best.best.icl - best.best.bic == pytest.approx(2.0 * by_row.sum())


def test_the_number_of_threads_never_shows(rng) -> None:
    x = two_clusters(rng, 100)
    options = {"init": "random", "n_init": 1, "random_state": 5, "tol": 1e-4}
    tables = [
        timeless(select(x, range(1, 5), ("full", "diag"), n_jobs=n_jobs, **options))
        for n_jobs in (None, 1, 3, -1)
    ]
    assert all(table == tables[0] for table in tables[1:])


def test_every_candidate_is_a_fit_of_its_own_with_the_seed() -> None:
    options = {"init": "random", "n_init": 1, "random_state": 3, "max_iter": 5}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        chosen = select(FAITHFUL, [2, 3, 4], **options)
        alone = GaussianMixtureModel(4, **options).fit(FAITHFUL)
    assert row_of(chosen, 4, "full").log_likelihood == pytest.approx(alone.fit_.log_likelihood)
    assert chosen.model.random_state == 3


def test_a_candidate_that_fails_does_not_lose_the_others() -> None:
    chosen = select(FAITHFUL, [1, 2, 3], weight_prior=Dirichlet(np.array([2.0, 2.0])), n_jobs=2)
    one, two, three = chosen.table
    assert chosen.best is two
    assert not two.error
    for row in (one, three):
        assert "2" in row.error
        assert "\n" not in row.error
        assert np.isnan([row.log_likelihood, row.bic, row.icl, row.aic]).all()
        assert row.n_parameters is None
    text = str(chosen.summary())
    assert "failed" in text
    assert "nan" not in text


def test_more_components_than_rows_do_not_stop_it() -> None:
    chosen = select(FAITHFUL[:6], [1, 2, 8])
    assert "fewer rows" in row_of(chosen, 8, "full").doubts[0]


def test_where_all_fail_the_first_error_is_raised() -> None:
    with pytest.raises(DataError, match="no value at all in column 0"):
        select(np.full((9, 2), np.nan), [1, 2])
    with pytest.raises(InvalidArgumentError, match="weight_prior"):
        select(FAITHFUL, [1, 2], weight_prior="none", n_jobs=2)


def test_of_equal_candidates_the_first_is_chosen() -> None:
    # With one column both families are the same model.
    for families in (("full", "diag"), ("diag", "full")):
        assert select(PETALS, [1, 2], families).best.covariance_type == families[0]


def test_only_the_winners_doubts_are_warnings() -> None:
    with pytest.warns(ConvergenceWarning) as told:
        chosen = select(FAITHFUL, [1, 2, 3], "tied", max_iter=1, init="quantile")
    assert [str(warning.message) for warning in told] == list(chosen.best.doubts)
    assert told[0].filename == __file__
    assert sum(bool(row.doubts) for row in chosen.table) > 1


def test_progress_is_told_for_every_candidate(capsys) -> None:
    ended = []
    chosen = select(
        FAITHFUL, [1, 2, 3], n_jobs=2, progress=lambda row, n, of: ended.append((row, n, of))
    )
    assert sorted(row.n_components for row, _, _ in ended) == [1, 2, 3]
    assert {id(row) for row, _, _ in ended} == {id(row) for row in chosen.table}
    assert [(n, of) for _, n, of in ended] == [(1, 3), (2, 3), (3, 3)]
    assert capsys.readouterr().out == ""
    select(FAITHFUL, [1, 2], inference="vb", progress=True)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "1 of 2",
        "2 of 2",
    ]


def test_an_error_of_the_progress_stops_the_rest() -> None:
    def stop(*_: object) -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        select(FAITHFUL, [1, 2, 3, 4], n_jobs=2, progress=stop)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"components": 0}, "components must be a whole number of at least 1; got 0"),
        ({"components": []}, "components must be"),
        ({"components": [2, 2.5]}, "got 2.5"),
        ({"components": "1:3"}, "got '1:3'"),
        ({"families": "oblong"}, "families must be 'full'"),
        ({"families": []}, "families must be"),
        ({"families": [None]}, "families must be"),
        ({"criterion": "waic"}, "'aic', 'elbo', 'icl_hard', 'cv'; got 'waic'"),
        ({"criterion": "elbo"}, "inference='vb'"),
        ({"inference": "none"}, "inference must be"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_bad_arguments_are_one_line(arguments, part) -> None:
    with pytest.raises(InvalidArgumentError) as told:
        select(FAITHFUL, **({"components": [1]} | arguments))
    assert part in str(told.value)
    assert "\n" not in str(told.value)


def test_repeated_numbers_and_families_are_fitted_once() -> None:
    chosen = select(FAITHFUL, np.array([2, 1, 2]), ["tied", "tied"])
    assert [row.n_components for row in chosen.table] == [2, 1]
    assert len(select(FAITHFUL, np.array(2), np.array(["tied"])).table) == 1


def test_the_table_becomes_a_frame() -> None:
    chosen = select(FAITHFUL, [1, 2], ["full", "tied"])
    frame = pd.DataFrame(chosen.to_dict())
    assert list(frame["covariance_type"]) == ["full", "full", "tied", "tied"]
    assert frame["bic"].min() == chosen.best.bic


def test_it_shows_itself() -> None:
    chosen = select(FAITHFUL, [1, 2], ["full", "tied"])
    assert chosen.summary().candidates == chosen.table
    assert chosen.summary().best == 1
    assert chosen.plot().get_ylabel() == "BIC (smaller is better)"
    assert repr(chosen) == str(chosen.summary())
    assert "<table" in chosen._repr_html_()
    assert mixtura.select is select


def test_a_local_optimum_is_told() -> None:
    # Splitting one of four components in two equal ones leaves the likelihood as it is.
    chosen = select(FAITHFUL, [4, 5], "tied", inference="ml", init="split")
    four, five = chosen.table
    assert five.log_likelihood < four.log_likelihood
    assert five.doubts[-1].startswith(
        f"its log likelihood is {four.log_likelihood - five.log_likelihood:.2f} below that of K = 4"
    )


# ---------------------------------------------------------------------------- the order


def test_order_by_hand() -> None:
    rows = [
        Candidate(1, "full", bic=np.nan, error="no"),
        Candidate(2, "full", bic=5.0, elbo=-1.0),
        Candidate(3, "full", bic=-np.inf),
        Candidate(4, "full", bic=1.0, elbo=-9.0, collapsed=True),
        Candidate(5, "full", bic=4.0, elbo=-3.0),
        Candidate(6, "full", bic=4.0 + 1e-9, elbo=-3.0),
    ]
    assert ordered(rows, CRITERIA["bic"]) == [4, 5, 1, 3, 0, 2]
    assert ordered(rows, CRITERIA["elbo"]) == [1, 4, 5, 3, 0, 2]


def test_shortfalls_by_hand() -> None:
    rows = [
        Candidate(5, "full", log_likelihood=-12.0, doubts=("old",)),
        Candidate(3, "full", log_likelihood=-10.0),
        Candidate(2, "full", log_likelihood=-5.0, collapsed=True),
        Candidate(4, "full", log_likelihood=-10.5),
        Candidate(9, "tied", log_likelihood=-90.0),
        Candidate(1, "tied", error="no"),
        Candidate(6, "full", log_likelihood=-90.0, elbo=-99.0),
    ]
    first, *others = with_shortfalls(rows)
    assert others == rows[1:]
    assert first.doubts[0] == "old"
    assert "2.00 below that of K = 3" in first.doubts[1]


def test_what_is_known_of_the_rows_is_found_once_for_all_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def counted(owner: Any, name: str) -> None:
        plain = getattr(owner, name)

        def call(*args: Any, **options: Any) -> Any:
            asked.append(name)
            return plain(*args, **options)

        monkeypatch.setattr(owner, name, call)

    counted(GaussianMixtureModel, "_validated")
    counted(engine_base, "sorted_columns")
    counted(clusterings, "_found_in")
    x = load_iris().data
    weights = np.arange(150) % 3 + 1.0
    chosen = select(x, range(1, 4), ["full", "diag"], sample_weight=weights)
    assert asked.count("_validated") == 1
    assert asked.count("sorted_columns") == 1
    # For each number of clusters in two systems of coordinates, which both families look at, and
    # in one that the first looks at alone.
    assert asked.count("_found_in") == 3 * 3
    monkeypatch.undo()
    for row in chosen.table:
        alone = GaussianMixtureModel(
            row.n_components, covariance_type=row.covariance_type, random_state=0
        ).fit(x, sample_weight=weights)
        assert row.log_likelihood == pytest.approx(weights @ alone.score_samples(x), rel=1e-12)


def test_both_definitions_of_icl_are_criteria() -> None:
    """faithful_2d, published_mclust: ICL -2357.824 by the hard definition, .01 nats short."""
    x = load_faithful().data
    chosen = select(x, [2, 3], ["full", "tied"], criterion="icl_hard", inference="ml")
    assert -row_of(chosen, 3, "tied").icl_hard == pytest.approx(-2357.824, abs=0.6)
    gmm = GaussianMixtureModel(3, covariance_type="tied", inference="ml").fit(x)
    by_row = -2.0 * np.log(gmm.predict_proba(x).max(axis=1))
    assert gmm.icl(x, assignment="hard") - gmm.bic(x) == pytest.approx(by_row.sum())
    assert row_of(chosen, 3, "tied").icl_hard == pytest.approx(gmm.icl(x, assignment="hard"))
    assert all(row.icl_hard <= row.icl + 1e-9 for row in chosen.table)
    assert "hard ICL (min)" in str(chosen)
    assert select(x, [2], criterion="icl_soft").criterion == "icl"
    with pytest.raises(InvalidArgumentError, match="assignment"):
        gmm.icl(x, assignment="firm")


def test_held_out_densities_are_those_of_fits_to_the_other_rows(rng) -> None:
    x, weights = two_clusters(rng, 60), rng.uniform(0.5, 2.0, 60)
    x[5] = np.nan
    options = {"criterion": "cv", "n_folds": 4, "sample_weight": weights}
    chosen = select(x, [1, 2], "tied", **options)
    assert chosen.best.n_components == 2
    assert chosen.best.cv == max(row.cv for row in chosen.table)
    parts, total = Folds(4).of(60), 0.0
    assert np.bincount(parts).tolist() == [15] * 4
    for part in range(4):
        gmm = GaussianMixtureModel(2, covariance_type="tied")
        gmm.fit(x[parts != part], sample_weight=weights[parts != part])
        total += weights[parts == part] @ gmm.score_samples(x[parts == part])
    assert chosen.best.cv == pytest.approx(total)
    twin = select(x, [1, 2], "tied", n_jobs=2, **options)
    assert [row.cv for row in twin.table] == [row.cv for row in chosen.table]
    assert (Folds(4, 1).of(60) != parts).any()
    assert "CV log density" in str(chosen)


def test_the_grid_has_a_criterion_by_number_and_family() -> None:
    chosen = select(PETALS, [3, 2, 5], ("full", "tied"), inference="ml", init="split")
    grid = chosen.grid()
    assert (grid.numbers, grid.families) == ((2, 3, 5), ("full", "tied"))
    assert grid.values[0, 0] == row_of(chosen, 2, "full").bic
    text = grid.to_text(80)
    assert text.startswith("BIC (smaller is better)")
    assert f"Best: full,2 {chosen.best.bic:.3f}; " in text
    assert "*" in text  # five components of their own variances collapse
    assert chosen.grid("aic").values[1, 1] == row_of(chosen, 3, "tied").aic
    with pytest.raises(InvalidArgumentError, match="criterion"):
        chosen.grid("elbo")


def test_what_is_known_of_rows_is_known_to_all_candidates() -> None:
    rows = load_iris().data
    names = np.array(["a", "b", "c"])[load_iris().target].astype(object)
    names[np.arange(150) % 5 > 0] = None
    groups = np.arange(150) // 2
    chosen = select(rows, [2, 3, 4], labels=names, groups=groups, background="uniform")
    few, three, four = chosen.table
    assert "labels needs 3 names" in str(few.error)
    for candidate, number in ((three, 3), (four, 4)):
        gmm = GaussianMixtureModel(number, background="uniform")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gmm.fit(rows, labels=names, groups=groups)
        assert candidate.log_likelihood == pytest.approx(gmm.fit_.log_likelihood, abs=1e-6)
    assert chosen.model.fit_.component_name(0) == "a"


def test_fixed_parameters_are_those_of_all_candidates() -> None:
    rows = load_iris().data
    mean = [5.0, 3.4, 1.5, 0.2]
    chosen = select(rows, [1, 2, 3], fixed={"means": {1: mean}})
    assert "components are 0 to 0" in str(chosen.table[0].error)
    np.testing.assert_array_equal(chosen.model.means_[1], mean)


def test_labels_of_sampled_candidates_count_under_each_draw() -> None:
    rows = load_iris().data[::3]
    labels = np.where(np.arange(50) % 4 == 0, load_iris().target[::3], -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = select(rows, [3], labels=labels, inference=Gibbs(2, 20, 20), random_state=0)
    posterior = chosen.model.posterior_
    logs = []
    for number in range(posterior.n_draws):
        at = posterior.draw(number)
        own = np.log(at.weights) + np.stack(
            [
                stats.multivariate_normal.logpdf(rows, m, c)
                for m, c in zip(at.means, at.covariances, strict=True)
            ],
            axis=1,
        )
        own[labels >= 0] = np.where(
            np.arange(3) == labels[labels >= 0, None], own[labels >= 0], -np.inf
        )
        logs.append(logsumexp(own, axis=1))
    expected = (logsumexp(logs, axis=0) - np.log(len(logs))).sum()
    assert chosen.best.log_likelihood == pytest.approx(expected, abs=1e-8)


def test_families_may_be_all_or_patterns_of_mclusts_names() -> None:
    rows = load_iris().data[:, :2]

    def tried(families) -> list[str]:
        return [c.covariance_type for c in select(rows, 1, families, inference="ml").table]

    assert tried("all") == list(MCLUST_ORDER)
    assert tried("*EV") == ["EEV", "VEV"]
    assert tried("V**") == [name for name in MCLUST_ORDER if name[0] == "V"]
    assert tried(["full", "VVV", "E*E", "tied"]) == ["full", "EEE", "EVE"]
    assert tried("tied*") == ["tied", "tied_diag", "tied_spherical"]
    with pytest.raises(InvalidArgumentError, match="'all', or a pattern such as"):
        select(rows, 1, "X**")


def test_all_families_of_iris_are_won_by_the_one_that_mclust_chooses() -> None:
    # mclust_choices of shared/references/values.json: VEV, 2, and BIC -561.728462.
    chosen = select(load_iris().data, (2, 3), "all", inference="ml")
    assert (chosen.best.n_components, chosen.best.covariance_type) == (2, "VEV")
    assert chosen.best.bic == pytest.approx(561.728462, abs=1e-6)
    assert len(chosen.table) == 28


def test_one_column_has_two_families() -> None:
    chosen = select(PETALS, (1, 2), "all", inference="ml")
    assert [(row.n_components, row.covariance_type) for row in chosen.table] == [
        *((1, "EEE"), (2, "EEE"), (1, "VVV"), (2, "VVV"))
    ]
    named = select(PETALS, 2, ("diag", "tied_spherical", "full"), inference="ml")
    assert [row.covariance_type for row in named.table] == ["diag", "tied_spherical"]
    for name, other in (("VVV", "diag"), ("EEE", "tied_spherical")):
        row = row_of(chosen, 2, name)
        assert row.bic == pytest.approx(row_of(named, 2, other).bic, abs=1e-6)


def test_no_fewer_components_are_advised_than_there_are_labels() -> None:
    iris = load_iris()
    names = np.array(["a", "b", "c"])[iris.target]
    for numbers in ([3, 4], [2, 3, 4]):
        chosen = select(iris.data, numbers, labels=names, inference="ml")
        assert (chosen.best.n_components, chosen.best.fewest_components) == (3, 3)
        assert "try fewer" not in chosen.summary().sentence
