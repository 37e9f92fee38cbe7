"""Reports of sampled fits: convergence in every form, and the pictures of draws."""

import json

import numpy as np
import pytest
from test_plots_examples import HOSTILE_NAMES, example, sampled_example

from mixtura.diagnostics.sampling import r_hat
from mixtura.reports import as_html, as_json, as_text, build_comparison, build_report
from mixtura.reports.sampled import MOST_ROWS, SampledRows

LARGEST = 150_000
"""Bytes of a page."""

OF_DRAWS = ["posterior", "trace", "rank", "predictive_check", "co_clustering"]


def test_report_of_draws_tells_convergence_everywhere() -> None:
    made = sampled_example(2, 1, 40)
    report = build_report(made.fit, made.x)
    page, text = as_html(report), as_text(report, 80)
    for shown in (page, " ".join(text.split())):
        assert "after renumbering" in shown
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
    assert "renumbering" not in as_html(report)
    names = {picture.name for picture in report.sections[0].pictures}
    assert not names & set(OF_DRAWS)


@pytest.mark.parametrize(("K", "D", "N"), [(1, 1, 1), (3, 12, 60), (20, 2, 300)])
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

    assert SampledRows.of(made.fit, rows, None, ReferenceEngine()) is None
