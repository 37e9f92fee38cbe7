"""Reports: what they say is what the fit says, and nothing in a name can make them say more."""

import json
import math
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_plots_examples import HOSTILE_NAMES, SIZES, Example, example, irises

from mixtura import GaussianMixtureModel
from mixtura.diagnostics.information_criteria import aic, assignment_entropy, bic, icl
from mixtura.errors import ConvergenceWarning, Doubt, InvalidArgumentError
from mixtura.priors import (
    PRIORS,
    Dirichlet,
    DirichletProcess,
    FlatWeights,
    Independent,
    InverseGamma,
    LogNormal,
    Normal,
)
from mixtura.reports import (
    Report,
    as_html,
    as_json,
    as_text,
    build_comparison,
    build_report,
    comparison,
    summarize,
    write_report,
)
from mixtura.reports.component_tables import distinct_names, expected_clusters
from mixtura.reports.numbers import count, exact, measured, percent, share, significant
from mixtura.reports.svg import compact_path
from mixtura.reports.words import PRIOR_WORDS, prior_words

LARGEST = 150_000
"""Bytes of a page."""


def report_of(made: Example, **options: Any) -> Report:
    """Return the report of an example."""
    return build_report(made.fit, made.x, made.labels, made.responsibilities, **options)


@cache
def hostile() -> Report:
    """Return a report in which every text of the user is hostile."""
    made = example(2, len(HOSTILE_NAMES), 40, names=HOSTILE_NAMES, family="diag")
    everything = " ".join(HOSTILE_NAMES)
    return report_of(made, title=everything, source=everything, notes=[everything])


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, key, value) for key, value in attrs]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values(self, *names: str) -> list[str]:
        """Return the values of attributes of the given names."""
        return [value or "" for _, key, value in self.attributes if key in names]


# ------------------------------------------------------------------------------ what it says


def test_report_opens_with_the_answer() -> None:
    section = report_of(irises()).sections[0]
    made = irises()
    sizes = np.bincount(made.labels)
    assert section.headline[:3] == (
        "2 components describe 150 rows of petal_length.",
        f"Component 0: 33.3 % of the distribution ({sizes[0]} rows), with petal_length about 1.462 "
        "(sd 0.178).",
        f"Component 1: 66.7 % of the distribution ({sizes[1]} rows), with petal_length about 4.905 "
        "(sd 0.820).",
    )
    assert section.headline[3].startswith("On average a row's most probable component has a")
    assert section.doubts == ("only one of 9 starts reached the best optimum",)


def test_certainty_is_that_of_the_responsibilities() -> None:
    made = example(2, 1, 4)
    shares = np.array([[1.0, 0.0], [0.85, 0.15], [0.5, 0.5], [0.05, 0.95]])
    certainty = build_report(made.fit, made.x, None, shares, pictures=False).sections[0].certainty
    assert certainty is not None
    assert certainty.average == pytest.approx(0.825)
    assert (certainty.n_doubtful, certainty.n_rows) == (2, 4)


def test_scores_are_the_criteria() -> None:
    made = example(3, 2, 60)
    weights = np.random.default_rng(1).random(60) + 0.5
    told = build_report(made.fit, made.x, weights=weights, pictures=False).sections[0].scores
    likelihood, n_parameters = made.fit.log_likelihood, made.fit.model.n_parameters
    entropy = assignment_entropy(made.responsibilities, weights)
    assert told.bic == bic(likelihood, n_parameters, 60.0)
    assert told.aic == aic(likelihood, n_parameters)
    assert told.icl == icl(likelihood, n_parameters, 60.0, entropy)
    alone = build_report(made.fit, pictures=False).sections[0]
    assert alone.scores.icl is None
    assert alone.certainty is None


def test_responsibilities_are_computed_where_they_are_not_given() -> None:
    made = example(3, 2, 60)
    given = report_of(made, pictures=False).sections[0].components
    found = build_report(made.fit, made.x, pictures=False).sections[0].components
    np.testing.assert_allclose(found.expected, given.expected)
    np.testing.assert_array_equal(found.n_assigned, given.n_assigned)


def test_other_rows_than_those_fitted_are_a_doubt() -> None:
    made = example(2, 2, 60)
    section = build_report(made.fit, made.x[:10], pictures=False).sections[0]
    assert "of 10 rows" in section.doubts[-1]
    assert section.scores.icl is None


def test_objective_has_ten_digits_everywhere() -> None:
    report = report_of(irises(), pictures=False)
    for render in (as_text, as_html):
        assert "-210.2063224 nats" in render(report)


def test_doubts_come_first() -> None:
    doubt = Doubt(ConvergenceWarning, "not converged after 3 iterations")
    report = report_of(example(2, 2, doubts=(doubt,)), pictures=False)
    for render in (as_text, as_html):
        text = render(report)
        assert text.index(doubt.message) < text.index("2 components describe")


def test_every_prior_has_words(prior_examples: dict) -> None:
    assert set(PRIOR_WORDS) | {Independent} == set(PRIORS.values())
    for makers in prior_examples.values():
        for make in makers:
            assert "array(" not in prior_words(make(3, 3))
    assert prior_words(LogNormal(0.5, 2.0)) == (
        "log-normal distribution: the logarithm has mean 0.5 and standard deviation 2"
    )


def test_the_model_is_spelled_out() -> None:
    prior = Independent(Normal([0.0, 1.0], 10.0), variance=InverseGamma(1.0, 2.0))
    made = example(2, 2, family="diag", prior=prior)
    told = dict(report_of(made, pictures=False).sections[0].model)
    assert told["means"] == "Normal distribution with mean (0, 1) and standard deviation 10."
    assert told["variances"] == (
        "Inverse gamma distribution with shape 1 and scale 2, independent of the means."
    )
    assert told["weights"].startswith("Dirichlet distribution with concentration 1, which makes")
    assert prior_words(Dirichlet(0.1)).endswith("favours leaving components empty")
    assert prior_words(FlatWeights()).startswith("flat")


# --------------------------------------------------------------------------------- rendering


@pytest.mark.parametrize(("n_components", "n_features", "n_rows"), SIZES)
def test_reports_of_every_size_can_be_rendered(
    n_components: int, n_features: int, n_rows: int
) -> None:
    report = report_of(example(n_components, n_features, n_rows))
    assert len(as_html(report).encode()) < LARGEST
    json.loads(as_json(report))
    assert max(map(len, as_text(report, 80).splitlines())) <= 80


@pytest.mark.parametrize(("K", "D"), [(6, 4), pytest.param(20, 12, marks=pytest.mark.calibrate)])
def test_pages_stay_small_however_many_rows(K: int, D: int) -> None:
    made = example(K, D, 5_000)
    assert len(as_html(report_of(made)).encode()) < LARGEST


def test_reports_are_the_same_bit_for_bit() -> None:
    first, second = (report_of(example(3, 3, 2500), seed=1, date="2024-02-29") for _ in range(2))
    for render in (as_html, as_json, as_text):
        assert render(first) == render(second)


def test_reports_ignore_the_users_style() -> None:
    from matplotlib import rc_context

    plain = as_html(report_of(irises()))
    with rc_context({"font.size": 30.0, "axes.grid": True, "text.usetex": True}):
        assert as_html(report_of(irises())) == plain


def test_constant_columns_can_be_reported() -> None:
    made = example(2, 1, 30)
    made.x[:] = 3.0
    made.fit.parameters.means[:] = 3.0
    made.fit.parameters.covariances[:] = 1e-14
    as_html(build_report(made.fit, made.x))


def test_page_is_strict() -> None:
    text = as_html(hostile())
    page = Page(text)
    assert "script" not in page.tags
    assert not [key for _, key, _ in page.attributes if key.startswith("on") or key == "style"]
    assert not [
        value for value in page.values("href", "src") if not value.startswith(("#", "data:"))
    ]
    assert "http://" not in text
    assert "https://" not in text
    policy = next(v for v in page.values("content") if "default-src" in v)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_page_is_whole() -> None:
    text = as_html(hostile())
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert "utf-8" in page.values("charset")
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    used = [value[1:] for value in page.values("href") if value.startswith("#")]
    used += [value[5:-1] for value in page.values("clip-path")]
    assert set(used) <= set(ids)
    n_pictures = page.tags.count("figure")
    assert n_pictures == 5
    assert page.tags.count("details") >= n_pictures
    assert [tag for tag, key, value in page.attributes if (key, value) == ("role", "img")] == [
        "svg"
    ] * n_pictures


def test_names_are_shown_as_they_are() -> None:
    words = "".join(Page(as_html(hostile())).words)
    for name in ("$x_1$", "<script>alert(1)</script>", "line\\nbreak", "\\x1b[31mred", "日本語"):
        assert name in words
    assert "\x1b" not in words
    assert "\u202e" not in words
    as_html(hostile()).encode("utf-8")


def test_terminals_get_no_control_characters() -> None:
    report = hostile()
    for text in (as_text(report), str(summarize(example(2, 12, names=HOSTILE_NAMES).fit))):
        assert not [c for c in text if not c.isprintable() and c not in "\n\N{ZERO WIDTH JOINER}"]
        text.encode("utf-8")
    assert "[red]loud[/red]" in as_text(report)


def test_colour_is_for_terminals_only() -> None:
    from io import StringIO

    from rich.console import Console

    from mixtura.reports import report_renderable

    file = StringIO()
    console = Console(file=file, force_terminal=True, color_system="truecolor", width=100)
    console.print(report_renderable(hostile()))
    assert "\x1b[38;2;0;114;178m" in file.getvalue()
    assert "\x1b[31mred" not in file.getvalue()
    assert "\x1b" not in as_text(hostile())


# -------------------------------------------------------------------------------------- JSON


def refuse(constant: str) -> None:
    """Refuse what strict readers of JSON refuse."""
    raise AssertionError(constant)


def test_json_keeps_every_digit() -> None:
    made = example(3, 2, 60)
    content = json.loads(as_json(report_of(made, pictures=False)), parse_constant=refuse)
    (section,) = content["sections"]
    np.testing.assert_array_equal(
        [part["mean"] for part in section["components"]], made.fit.parameters.means
    )
    np.testing.assert_array_equal(section["covariances"], made.fit.parameters.covariances)
    assert section["objective"] == made.fit.objective
    assert section["features"] == ["feature 0", "feature 1"]
    assert [part["rows"] for part in section["components"]] == np.bincount(made.labels).tolist()


def test_json_has_null_for_what_is_not_finite() -> None:
    made = example(2, 1, 20)
    fit = replace(made.fit, objective=-math.inf, log_likelihood=math.nan)
    text = as_json(build_report(fit, made.x, pictures=False))
    (section,) = json.loads(text, parse_constant=refuse)["sections"]
    assert section["objective"] is None
    assert section["log_likelihood"] is None
    assert "infinity" in as_text(build_report(fit, made.x, pictures=False))


def test_json_keeps_names() -> None:
    made = example(2, len(HOSTILE_NAMES), names=HOSTILE_NAMES, family="diag")
    content = json.loads(as_json(report_of(made, pictures=False)))
    assert content["sections"][0]["features"] == list(HOSTILE_NAMES)


# ------------------------------------------------------------------------------------- files


def test_reports_are_written_by_suffix(tmp_path: Path) -> None:
    report = report_of(irises(), pictures=False)
    for suffix, render in ((".html", as_html), (".json", as_json), (".txt", as_text)):
        path = write_report(report, tmp_path / f"report{suffix}")
        assert path.read_text(encoding="utf-8") == render(report)
    assert len(list(tmp_path.iterdir())) == 3


def test_files_are_not_replaced_unasked(tmp_path: Path) -> None:
    report = report_of(irises(), pictures=False)
    path = tmp_path / "report.json"
    path.write_text("mine")
    with pytest.raises(InvalidArgumentError, match="exists") as caught:
        write_report(report, path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "mine"
    write_report(report, path, force=True)
    assert path.read_text() == as_json(report)
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("name", ["report.pdf", "report", "nowhere/report.html"])
def test_files_that_cannot_be_written_are_told_in_one_line(tmp_path: Path, name: str) -> None:
    report = report_of(irises(), pictures=False)
    with pytest.raises(InvalidArgumentError) as caught:
        write_report(report, tmp_path / name)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------ summary, comparison


def test_summary_is_a_table_and_data() -> None:
    made = irises()
    summary = summarize(made.fit, made.labels, made.responsibilities)
    text = str(summary)
    assert "Doubt: only one of 9 starts" in text
    assert "1.462 (0.178)" in text
    first = summary.rows[0]
    assert first["weight"] == made.fit.parameters.weights[0]
    assert first["petal_length sd"] == pytest.approx(0.1782735055, rel=1e-12)
    assert list(first) == [
        "component",
        "weight",
        "rows",
        "expected_rows",
        "petal_length mean",
        "petal_length sd",
    ]
    page = Page(summary._repr_html_())
    assert page.tags.count("table") == 1


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize(
    ("n_components", "n_features"), [(2, 1), (3, 4), (3, 12), (50, 1), (50, 6)]
)
def test_summary_fits_the_width(n_components: int, n_features: int, width: int) -> None:
    made = example(n_components, n_features, 100, family="diag")
    text = summarize(made.fit, responsibilities=made.responsibilities).to_text(width)
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii()
    shown = np.array([float(number) for number in re.findall(r"-?\d+\.\d+", text)])
    for value in made.fit.parameters.means[:, 0]:
        assert np.abs(shown - value).min() < 0.006


def test_summary_without_rows_needs_none() -> None:
    summary = summarize(example(3, 2).fit)
    assert list(summary.rows[0]) == [
        "component",
        "weight",
        "feature 0 mean",
        "feature 0 sd",
        "feature 1 mean",
        "feature 1 sd",
    ]


def test_names_that_repeat_are_told_apart() -> None:
    assert distinct_names(("a", "a", "a (2)", "b")) == ["a", "a (2)", "a (2) (2)", "b"]


def test_summary_rows_make_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(summarize(example(3, 2).fit).rows)
    assert frame.shape == (3, 6)


def test_comparison_puts_fits_side_by_side() -> None:
    made, fewer = example(3, 1, 30), example(2, 1, 30)
    side_by_side = comparison({"<b>MAP</b>": made.fit, "other": fewer.fit})
    by_quantity = {row["quantity"]: row for row in side_by_side.rows}
    assert by_quantity["weight of component 2"] == {
        "quantity": "weight of component 2",
        "<b>MAP</b>": made.fit.parameters.weights[2],
        "other": None,
    }
    joint = fewer.fit.log_likelihood + fewer.fit.model.log_prior(fewer.fit.parameters)
    assert by_quantity["log joint density"]["other"] == joint
    assert by_quantity["seconds"]["other"] == 0.25
    assert list(by_quantity)[-1] == "seconds"
    assert "<b>MAP</b>" in str(side_by_side)
    assert "<b>" not in side_by_side._repr_html_()
    with pytest.raises(InvalidArgumentError, match="same features"):
        comparison({"a": made.fit, "b": example(2, 2).fit})
    with pytest.raises(InvalidArgumentError, match="at least one"):
        comparison({})


def test_comparison_of_features_of_one_name() -> None:
    made = example(2, 2, names=["same", "same"])
    values = [row["a"] for row in comparison({"a": made.fit}).rows]
    assert all(value in values for value in made.fit.parameters.means.ravel())


def test_two_fits_stand_beside_each_other() -> None:
    made = irises()
    report = build_comparison({"MAP": made.fit, "SVI": made.fit}, made.x, title="Demo")
    text = as_html(report)
    page = Page(text)
    assert ("div", "class", "beside") in page.attributes
    assert page.tags.count("figure") == 9  # the data once, four pictures of each fit
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert len(text.encode()) < LARGEST
    assert as_text(report).count("2 components describe") == 2
    assert len(json.loads(as_json(report))["sections"]) == 2


# ----------------------------------------------------------------------------------- numbers


def test_numbers_have_the_digits_that_mean_something() -> None:
    assert [significant(v) for v in (0.0, 1.0, 1234.56, 1e-9, -2.5e7, 150.0)] == [
        "0",
        "1",
        "1235",
        "1e-09",
        "-2.5e+07",
        "150",
    ]
    assert [significant(v) for v in (None, math.nan, math.inf, -math.inf)] == [
        "-",
        "nan",
        "infinity",
        "-infinity",
    ]
    assert exact(-210.2063224046) == "-210.2063224"
    assert exact(1.0) == "1.000000000"
    assert [count(v) for v in (None, 3.0, 1234567.0, 2.25)] == ["-", "3", "1,234,567", "2.2"]
    assert [share(v) for v in (0.0, 1e-5, 0.3333, 1.0)] == ["0.000", "1.0e-05", "0.333", "1.000"]
    assert [percent(v) for v in (0.0, 1e-9, 0.5, 0.99999, 1.0)] == [
        "0 %",
        "under 0.1 %",
        "50 %",
        "over 99.9 %",
        "100 %",
    ]


def test_means_are_told_to_the_place_that_their_deviation_resolves() -> None:
    assert measured(4.904843596, 0.8196919766) == ("4.905", "0.820")
    assert measured(4.904843596, 0.8196919766, 0.09) == ("4.9048", "0.8197")
    assert measured(1e9 + 0.5, 0.01) == ("1000000000.5", "0.01")
    assert measured(0.0, 0.0) == ("0", "0")
    assert measured(12345.6, 234.5) == ("12346", "234")


def test_paths_keep_their_shape_to_the_grid() -> None:
    data = "M 10.04 20 \nL 30.06 40 \nL 30.06 40 \nL 5 6 \nz \nM 1 1 \nC 1 2 3 4 5 6 \n"
    assert compact_path(data, 1) == "m10 20l20.1 20-25.1-34zm-9-19c0 1 2 3 4 5"


def test_components_that_a_process_left_empty_are_counted() -> None:
    rng = np.random.default_rng(5)
    rows = np.concatenate([rng.normal(0.0, 1.0, 60), rng.normal(12.0, 1.0, 40)])[:, None]
    fitted = GaussianMixtureModel(
        9, weight_prior=DirichletProcess(0.5), inference="vb", random_state=0
    ).fit(rows)
    summary = fitted.summary()
    shares = fitted.predict_proba(rows)
    expected = (1.0 - (1.0 - shares).prod(axis=0)).sum()
    assert summary.components.n_components == 2
    assert summary.components.n_empty == 7
    assert summary.components.n_clusters == pytest.approx(expected, rel=1e-10)
    assert [row["rows"] for row in summary.rows] == [60, 40]
    opening = "7 other components are empty, with less than half a row. Expected number of"
    report = fitted.report()
    for text in (summary.to_text(200), as_html(report), as_text(report, 200)):
        assert opening in text
    section = json.loads(as_json(report))["sections"][0]
    assert section["n_empty_components"] == 7
    assert section["expected_occupied_components"] == pytest.approx(expected, rel=1e-10)
    assert len(section["components"]) == 2


def test_weighted_rows_count_by_their_weight_in_the_number_of_clusters() -> None:
    shares = np.array([[0.9, 0.1], [0.5, 0.5], [1.0, 0.0]])
    repeated = shares[[0, 0, 1, 2]]
    assert expected_clusters(shares, [2.0, 1.0, 1.0]) == pytest.approx(
        expected_clusters(repeated), rel=1e-12
    )
    assert expected_clusters(shares) == pytest.approx(1.0 + 1.0 - 0.9 * 0.5, rel=1e-12)
