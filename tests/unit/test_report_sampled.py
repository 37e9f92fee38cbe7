"""Reports of sampled fits: convergence in every form, and the pictures of draws."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_plots_examples import HOSTILE_NAMES, Example, example, sampled_example

from mixtura import GaussianMixtureModel
from mixtura.data import ArrayRows
from mixtura.datasets import load_faithful
from mixtura.diagnostics.component_warnings import truncation_doubts
from mixtura.diagnostics.convergence_diagnostics import (
    AGREED,
    ess_bulk,
    ess_tail,
    r_hat,
    reduction_words,
)
from mixtura.errors import ComponentLimitWarning, InvalidArgumentError
from mixtura.priors import DirichletProcess, MixtureOfFiniteMixtures
from mixtura.reports import as_html, as_json, as_text, build_comparison, build_report, summarize
from mixtura.reports.convergence import convergence
from mixtura.reports.headline import most_probable_groups
from mixtura.reports.pictures_of_draws import MOST_ROWS, SampledRows

LARGEST = 150_000
"""Bytes of a page."""

OF_DRAWS = ["posterior", "trace", "rank", "predictive_check", "co_clustering"]


def test_report_of_draws_tells_convergence_everywhere() -> None:
    made = sampled_example(2, 1, 40)
    report = build_report(made.fit, made.x)
    page, text = as_html(report), as_text(report, 80)
    for shown in (page, " ".join(text.split())):
        assert "after relabelling" in shown
        assert "R-hat of the log joint" in shown
        assert "occupied components" in shown
    assert max(map(len, text.splitlines())) <= 80
    section = json.loads(as_json(report))["sections"][0]
    told = {row["quantity"]: row for row in section["convergence"]["quantities"]}
    assert section["convergence"]["n_chains"] == 2
    expected = float(r_hat(made.fit.posterior.weights[:, :, 1]))
    assert told["component 1: weight"]["r_hat"] == pytest.approx(expected, rel=1e-12)
    names = [picture.name for picture in report.sections[0].pictures]
    assert names == ["density", "clusters", "uncertainty", *OF_DRAWS]
    assert len(page.encode()) < LARGEST


def test_reports_of_points_have_no_convergence() -> None:
    made = example(2, 1, 40)
    report = build_report(made.fit, made.x)
    assert json.loads(as_json(report))["sections"][0]["convergence"] is None
    assert "relabelling" not in as_html(report)
    names = {picture.name for picture in report.sections[0].pictures}
    assert not names & set(OF_DRAWS)


@pytest.mark.parametrize(
    ("K", "D", "N"),
    [(1, 1, 1), (9, 6, 300), pytest.param(20, 12, 300, marks=pytest.mark.calibrate)],
)
def test_pages_of_every_size_stay_small(K: int, D: int, N: int) -> None:
    made = sampled_example(K, D, N, n_chains=4, n_draws=50)
    assert len(as_html(build_report(made.fit, made.x)).encode()) < LARGEST


def test_hostile_names_stay_text() -> None:
    made = sampled_example(2, len(HOSTILE_NAMES), 40, names=HOSTILE_NAMES, family="diag")
    page = as_html(build_report(made.fit, made.x))
    assert "<script" not in page
    assert "\x1b" not in page


def test_without_rows_there_are_the_pictures_of_draws_alone() -> None:
    report = build_report(sampled_example(2, 1, 40).fit)
    assert [picture.name for picture in report.sections[0].pictures] == OF_DRAWS[:3]


def test_fits_beside_each_other_have_traces() -> None:
    made = sampled_example(2, 1, 40)
    fits = {"MAP": example(2, 1, 40).fit, "Gibbs": made.fit}
    report = build_comparison(fits, made.x)
    names = [picture.name for picture in report.sections[1].pictures]
    assert names[-2:] == ["posterior", "trace"]


def test_many_rows_are_not_looked_at_one_by_one() -> None:
    made = sampled_example(2, 1, 40)
    rows = np.zeros((MOST_ROWS + 1, 1))
    from mixtura.engines import ReferenceEngine

    assert SampledRows.of(made.fit, ArrayRows(rows), ReferenceEngine()) is None


# -------------------------------------------------------------------------- number of groups


def under(weight_prior: Any, K: int = 3, N: int = 60) -> Example:
    """Return the example of draws under another prior of the weights."""
    made = sampled_example(K, 1, N)
    model = replace(made.fit.model, weight_prior=weight_prior)
    posterior = replace(made.fit.posterior, model=model)
    return replace(made, fit=replace(made.fit, model=model, posterior=posterior))


COUNTED = np.array([[2, 2, 3, 2], [1, 3, 2, 3]])
SAID = "1 (0.12), 2 (0.50), 3 (0.38), with posterior probabilities in brackets"


def test_the_most_probable_number_of_groups_heads_what_is_said_of_a_process() -> None:
    made = under(DirichletProcess(1.0))
    summary = summarize(made.fit, responsibilities=made.responsibilities, occupied=COUNTED)
    assert summary.sentences[0] == (
        "Most probably 2 groups describe 60 rows of feature 0. "
        f"Groups with rows: {SAID}. Expected number of components with a row: 2.25."
    )
    np.testing.assert_allclose(summary.components.groups, [1 / 8, 4 / 8, 3 / 8], rtol=1e-12)
    # Averages over rows alone would be another number: none is told.
    bare = summarize(made.fit, responsibilities=made.responsibilities)
    assert bare.components.n_clusters is None


def test_finite_mixtures_tell_groups_beside_components() -> None:
    made = under(MixtureOfFiniteMixtures())
    (opening, *_) = summarize(made.fit, occupied=COUNTED).sentences
    assert opening.startswith("Most probably 2 groups describe 60 rows of feature 0. Groups with")
    assert opening.endswith(
        "Number of components: 3 (1.00), with posterior probabilities in brackets."
    )


def test_a_given_number_of_components_stays_the_headline() -> None:
    made = sampled_example(3, 1, 60)
    (opening, *_) = summarize(made.fit, occupied=COUNTED).sentences
    assert opening == f"3 components describe 60 rows of feature 0. Groups with rows: {SAID}."


def test_reports_tell_the_groups_of_their_rows() -> None:
    made = under(DirichletProcess(1.0))
    report = build_report(made.fit, made.x)
    section = json.loads(as_json(report))["sections"][0]
    shares = np.array(section["number_of_groups_probabilities"])
    assert shares.sum() == pytest.approx(1.0, rel=1e-12)
    expected = shares @ np.arange(1, 4)
    assert section["expected_occupied_components"] == pytest.approx(expected, rel=1e-12)
    told = {row["quantity"]: row for row in section["convergence"]["quantities"]}
    assert told["occupied components"]["mean"] == pytest.approx(expected, rel=1e-12)
    assert "Groups with rows: " in as_text(report, 400)


def test_the_posterior_of_the_number_of_components_is_refused_where_there_is_none() -> None:
    for posterior in (example(2, 1, 40).fit.posterior, sampled_example(2, 1, 40).fit.posterior):
        with pytest.raises(InvalidArgumentError, match="MixtureOfFiniteMixtures") as caught:
            posterior.number_probabilities()
        assert "\n" not in str(caught.value)
    with pytest.raises(InvalidArgumentError, match=r"DirichletProcess is told by summary\(\)"):
        under(DirichletProcess(1.0)).fit.posterior.number_probabilities()
    variational = GaussianMixtureModel(1, inference="vb").fit(load_faithful().data)
    with pytest.raises(InvalidArgumentError, match="needs draws of the posterior"):
        variational.posterior_.number_probabilities()


# ------------------------------------------------------------------------------------- doubts


def test_processes_that_need_all_their_components_say_so() -> None:
    model = under(DirichletProcess(1.0)).fit.model
    (doubt,) = truncation_doubts(model, np.array([30.0, 29.0, 1.0]), 1.0)
    assert doubt.category is ComponentLimitWarning
    assert doubt.message.endswith("is at its limit of 3; raise n_components")
    assert truncation_doubts(model, np.array([30.0, 29.8, 0.2]), 1.0) == ()
    for prior in (MixtureOfFiniteMixtures(), example(3, 1, 9).fit.model.weight_prior):
        other = replace(model, weight_prior=prior)
        assert truncation_doubts(other, np.array([30.0, 29.0, 1.0]), 1.0) == ()


def test_variational_bayes_warns_of_a_process_without_an_empty_component() -> None:
    rows = load_faithful().data
    gmm = GaussianMixtureModel(1, weight_prior=DirichletProcess(1.0), inference="vb")
    with pytest.warns(ComponentLimitWarning, match="raise n_components"):
        gmm.fit(rows)
    doubts = gmm.set_params(n_components=6).fit(rows).fit_.doubts
    assert not [doubt for doubt in doubts if doubt.category is ComponentLimitWarning]


# -------------------------------------------------------------------------------- convergence


def test_reduction_above_the_limit_never_looks_like_the_limit() -> None:
    assert AGREED == 1.01
    told = [reduction_words(value) for value in (1.0, 1.0099, 1.01, 1.0103, 1.01002, 1.2)]
    assert told == ["1.000", "1.010", "1.010", "1.0103", "1.01002", "1.200"]
    assert reduction_words(np.nan) == "nan"


def test_effective_draws_are_the_fewest_of_bulk_and_tail() -> None:
    made = sampled_example(2, 1, 40, n_chains=4, n_draws=100)
    table = convergence(made.fit)
    posterior = made.fit.posterior
    drawn = [posterior.log_joint]
    for k in range(2):
        drawn += [
            posterior.weights[..., k],
            posterior.means[..., k, 0],
            posterior.scales[..., k, 0],
        ]
    least = min(float(size(one)) for one in drawn for size in (ess_bulk, ess_tail))
    assert f"at least {int(least)} effective draws" in table.sentences[0]
    assert least == pytest.approx(min(table.ess_bulk.min(), table.ess_tail.min()), rel=1e-12)


@pytest.mark.parametrize(
    ("probabilities", "words"),
    [
        ([0.2, 0.5, 0.3], "Most probably 2 groups describe"),
        ([0.8, 0.2], "Most probably 1 group describes"),
        ([1.0], "Most probably 1 group describes"),
        ([0.1, 0.2, 0.34, 0.36], "3 or 4 groups, almost equally probable, describe"),
        ([0.4, 0.15, 0.1, 0.35], "1 or 4 groups, almost equally probable, describe"),
    ],
)
def test_numbers_of_groups_that_draws_cannot_tell_apart(probabilities, words: str) -> None:
    assert most_probable_groups(np.array(probabilities)) == words
