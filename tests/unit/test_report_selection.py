"""A choice among fits as text, HTML and JSON."""

import json
from dataclasses import replace

import pytest
from test_plots_examples import HOSTILE_NAMES, example

from mixtura.diagnostics.candidates import CRITERIA, Candidate
from mixtura.reports import SelectionSummary, build_report, selection_as_json

BIC, ELBO = CRITERIA["bic"], CRITERIA["elbo"]
NUMBERS = {"log_likelihood": -1234.5678, "n_parameters": 11, "icl": 2500.123, "aic": 2400.456}
ROWS = (
    Candidate(2, "full", bic=2480.004, elbo=-1300.25, converged=True, n_iter=8, **NUMBERS),
    Candidate(3, "tied_spherical", bic=2475.5, elbo=-1302.5, converged=True, **NUMBERS),
    Candidate(4, "full", bic=2490.0, elbo=-1310.0, doubts=("not converged",), **NUMBERS),
    Candidate(5, "full", bic=1000.0, converged=True, doubts=("sunk",), collapsed=True, **NUMBERS),
    Candidate(6, "full", error="weights are for 2 components"),
)


def test_the_choice_and_its_lead_are_told() -> None:
    told = SelectionSummary(ROWS, BIC, 1)
    assert told.sentence == (
        "Best by BIC (smaller is better): K = 3, tied_spherical, 4.50 ahead of K = 2, full."
    )
    assert SelectionSummary(ROWS, ELBO, 0).sentence == (
        "Best by ELBO (larger is better): K = 2, full, 2.25 ahead of K = 3, tied_spherical. "
        "K = 2 is the smallest number that was tried: try fewer."
    )
    close = (ROWS[0], Candidate(7, "diag", bic=2481.0, elbo=-1301.0))
    assert "K = 7, diag, which decides nothing." in SelectionSummary(close, BIC, 0).sentence
    assert "0.75 ahead of K = 7, diag, which decides nothing." in (
        SelectionSummary(close, ELBO, 0).sentence
    )
    assert SelectionSummary(ROWS[:1], BIC, 0).sentence.endswith("K = 2, full.")
    assert "K = 5, full, which has a collapsed component" in (
        SelectionSummary(ROWS[-2:], BIC, 0).sentence
    )
    beside = SelectionSummary((ROWS[0], ROWS[3]), BIC, 0).sentence
    assert beside.endswith("every other candidate has a collapsed component.")
    alone = SelectionSummary((ROWS[3], replace(ROWS[3], n_components=7)), BIC, 0).sentence
    assert alone.endswith("as every candidate has: it decides nothing.")


def test_the_largest_number_that_was_tried_is_told() -> None:
    more = "K = 4 is the largest number that was tried: try more."
    edge = SelectionSummary(ROWS[:3], BIC, 2)
    assert edge.sentence.endswith(f". {more}")
    assert more in " ".join(str(edge).split())
    assert more in edge._repr_html_()
    # One that failed was not tried; where all have one number there is no larger one.
    assert SelectionSummary((*ROWS[:3], ROWS[4]), BIC, 2).sentence.endswith(more)
    families = (ROWS[2], replace(ROWS[2], covariance_type="diag", bic=2500.0))
    assert "largest" not in SelectionSummary(families, BIC, 0).sentence
    assert "largest" not in SelectionSummary(ROWS, BIC, 1).sentence


def test_the_smallest_number_that_was_tried_is_told() -> None:
    fewer = "K = 2 is the smallest number that was tried: try fewer."
    edge = SelectionSummary(ROWS[:3], BIC, 0)
    assert edge.sentence.endswith(f". {fewer}")
    # Nothing is below one component, and one number alone is no edge.
    one = replace(ROWS[0], n_components=1)
    assert "smallest" not in SelectionSummary((one, *ROWS[:3]), BIC, 0).sentence
    assert "smallest" not in SelectionSummary(ROWS[:1], BIC, 0).sentence


def test_what_is_said_of_all_candidates_is_said_once() -> None:
    rows = [replace(ROWS[k], doubts=("a column is odd", *ROWS[k].doubts)) for k in (0, 1, 3)]
    rows += [replace(ROWS[3], n_components=9, doubts=("a column is odd", "sunk")), ROWS[4]]
    summary = SelectionSummary(tuple(rows), BIC, 1)
    assert summary.remarks() == (
        "all: a column is odd",
        "K = 5, full; K = 9, full: sunk",
        "K = 6, full: weights are for 2 components",
    )
    flags = [row[-1] for row in summary.table().rows]
    assert flags == ["", "best", "collapsed", "collapsed", "failed"]


def test_every_row_is_shown_with_what_is_odd_about_it() -> None:
    table = SelectionSummary(ROWS, BIC, 1).table()
    heads = dict(zip(table.columns, range(20), strict=False))
    flags = [row[heads[""]] for row in table.rows]
    assert flags == ["", "best", "not converged", "collapsed", "failed"]
    assert [row[heads["BIC (min)"]] for row in table.rows] == [
        *("2480.00", "2475.50", "2490.00", "1000.00"),
        "-",
    ]
    assert table.rows[3][heads["ELBO (max)"]] == "-"
    assert SelectionSummary(ROWS, BIC, 1).remarks() == (
        "K = 4, full: not converged",
        "K = 5, full: sunk",
        "K = 6, full: weights are for 2 components",
    )


def test_only_criteria_that_exist_are_columns() -> None:
    row = Candidate(1, "full", bic=1.0, icl=1.0, aic=1.0)
    assert "ELBO (max)" not in SelectionSummary((row,), BIC, 0).table().columns


@pytest.mark.parametrize("width", [60, 70, 80, 100, 140])
@pytest.mark.parametrize("judge", [BIC, ELBO])
def test_narrow_tables_lose_columns_and_no_digits(width, judge) -> None:
    text = SelectionSummary(ROWS, judge, 0).to_text(width)
    assert max(map(len, text.splitlines())) <= width
    (head,) = [line for line in text.splitlines() if line.startswith("K   family")]
    assert f"{judge.label} (" in head
    assert "-1234.57" in text
    (first,) = [line for line in text.splitlines() if line.startswith("2   full")]
    assert first.rstrip().endswith("best")
    assert ("seconds" in head) == (width == 140)


def test_many_remarks_are_counted() -> None:
    rows = [Candidate(k, "full", error=f"no {k}") for k in range(1, 31)]
    remarks = SelectionSummary((ROWS[0], *rows), BIC, 0).remarks()
    assert len(remarks) == 13
    assert remarks[-1] == "and 18 more remarks"
    rows = [replace(row, error="no") for row in rows]
    (remark,) = SelectionSummary((ROWS[0], *rows), BIC, 0).remarks()
    assert remark.endswith("K = 6, full and 24 more: no")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_texts_are_text_and_nothing_else(name: str) -> None:
    told = SelectionSummary((Candidate(2, name, bic=1.0, doubts=(name,)),), BIC, 0)
    assert "\x1b" not in str(told)
    assert "<script" not in told._repr_html_()
    assert str(told).count("\n") < 20


def test_json_is_strict_and_complete() -> None:
    report = build_report(example().fit, pictures=False)
    text = selection_as_json(SelectionSummary(ROWS, BIC, 1), report, source="a", notes=["b"])
    told = json.loads(text, parse_constant=pytest.fail)
    assert told["best"] == 1
    assert told["at_limit"] is False
    assert (told["criterion"], told["larger_is_better"]) == ("bic", False)
    assert told["candidates"][1]["bic"] == 2475.5
    assert told["candidates"][4]["bic"] is None
    assert told["report"]["sections"][0]["n_rows"] == 60
