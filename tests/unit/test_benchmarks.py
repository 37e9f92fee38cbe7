"""The benchmarks run, compare like with like and say what they did; no timing is judged."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import command, ours
from benchmarks.best_known import BestKnown
from benchmarks.cases import Case, parse_case
from benchmarks.context import Context, Settings
from benchmarks.floor import iteration_work, scoring_work
from benchmarks.generators import (
    TrueMixture,
    five_overlapping,
    random_mixture,
    two_overlapping,
)
from benchmarks.groups import FAMILIES, groups_apart
from benchmarks.judging import ratio_verdict
from benchmarks.measurements import DEFAULT, MEASUREMENTS
from benchmarks.measurements.article import OPTIMUM, log_joint
from benchmarks.measurements.optimum import Problem, measure_problems
from benchmarks.measurements.starts import measure_starts, simulated_targets
from benchmarks.peers import scikit_learn
from benchmarks.rates import Rates
from benchmarks.results import show
from benchmarks.starts import moved_means, near_truth
from benchmarks.table import Table, ratio_cell, time_cell
from benchmarks.timing import Contender, NotRunError, Plan, Times, measure
from benchmarks.varied import HELD_BACK, TUNING, varied_sets

from mixtura.engines import ENGINES

SMALL = Case(120, 2, 2)
RATES = Rates(1e10, 1e10, 1e10, 1e9, 1, "made up")
STRUCTURES = ("full", "diag", "spherical", "tied")


def tiny_context(**changes: object) -> Context:
    """Return a context of tiny problems and one round."""
    settings = {"structures": ("full", "tied"), "cases": (SMALL,), "rows_at_most": 120}
    settings.update(plan=Plan(1, 5.0), threads=1, article_steps=1)
    context = Context(Settings(**{**settings, **changes}), report=lambda line: None)
    vars(context)["rates"] = RATES
    return context


def clock_of(seconds: Iterator[float]) -> Callable[[], float]:
    """Return a clock under which the n-th call takes the n-th number of seconds."""
    now, running = 0.0, False

    def clock() -> float:
        nonlocal now, running
        if running:
            now += next(seconds)
        running = not running
        return now

    return clock


def contender(name: str, group: str, calls: list[str]) -> Contender:
    """Return a contender that writes its name down."""
    return Contender(name, group, 1, lambda: lambda: calls.append(name))


@pytest.mark.parametrize("name", ["sweep", "scoring", "precision", "vb", "gibbs_sweep"])
def test_measurements_fill_their_tables(name: str) -> None:
    table = MEASUREMENTS[name](tiny_context())
    assert table.name == name
    assert table.rows
    assert table.timings
    for row in table.rows:
        assert not [cell for cell in row if "failed" in cell]


def test_time_to_the_optimum_fills_its_table() -> None:
    easy = TrueMixture(np.array([0.5, 0.5]), np.array([[0.0], [4.0]]), np.ones((2, 1, 1)))
    table = measure_problems(tiny_context(), [Problem("easy", easy, 200)])
    assert [row[1] for row in table.rows] == ["given", "own"]
    for row in table.rows:
        assert float(row[-1]) < 1e-7


def test_time_to_the_optimum_without_the_time_is_projected() -> None:
    context = tiny_context(plan=Plan(1, 1e-6))
    table = measure_problems(context, [Problem("hard", two_overlapping(), 200)])
    given = dict(zip(table.columns, table.rows[0], strict=True))
    assert given["ratio"].startswith(">")
    assert "not there after" in given["GaussianMixture"]
    assert given["projected"]


def test_command_prints_markdown_and_saves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.context.measure_rates", lambda threads: RATES)
    size = ["--cases", "120,1,2", "--runs", "1", "--threads", "1"]
    place = ["--label", "tiny", "--output", str(tmp_path)]
    assert command.main(["sweep", *size, *place]) == 0
    printed = capsys.readouterr().out
    assert "## sweep" in printed
    assert "\x1b" not in printed
    saved = json.loads((tmp_path / "tiny.json").read_text(encoding="utf-8"))
    assert saved["machine"]["processor"]
    assert saved["tables"][0]["timings"][0]["seconds"]
    assert "| 120, 1, 2 | full |" in (tmp_path / "tiny.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.json", "tiny.md"]


@pytest.mark.parametrize(("width", "headed"), [(200, True), (60, False)])
def test_a_narrow_terminal_gets_one_line_for_each_cell(width: int, headed: bool) -> None:
    table = Table("name", "title", ["a note"], ["first", "second"])
    table.add(["1", "a cell that is so long that it does not fit beside the other one: no"])
    console = Console(width=width, force_terminal=True, record=True, file=io.StringIO())
    show(table, console)
    text = console.export_text()
    assert "a note" in text
    lines = [line for line in text.splitlines() if "first" in line]
    assert ("second" in lines[0]) == headed


def test_default_measurements_are_registered() -> None:
    assert set(DEFAULT) <= set(MEASUREMENTS)


def test_contenders_take_turns() -> None:
    calls: list[str] = []
    pair = [contender("a", "a", calls), contender("b", "b", calls)]
    times = measure(pair, Plan(3, 1e9), clock_of(iter([1.0, 2.0, 1.0, 4.0, 1.0, 6.0, 2.0, 4.0])))
    assert "".join(calls) == "ab" + "ababab"
    assert times["a"].seconds == (1.0, 1.0, 2.0)
    assert times["b"].seconds == (4.0, 6.0, 4.0)
    assert ratio_cell(times["b"], times["a"]) == "4.00 (2.00–6.00)"


def test_slow_variants_are_dropped_and_the_best_counts() -> None:
    calls: list[str] = []
    variants = [contender("slow", "peer", calls), contender("fast", "peer", calls)]
    times = measure(variants, Plan(2, 1e9), clock_of(iter([9.0, 1.0, 1.0, 1.0])))
    assert times["peer"].contender.name == "fast"
    assert calls == ["slow", "fast", "fast", "fast"]


def test_a_contender_beyond_the_limit_runs_once_and_the_cell_says_so() -> None:
    calls: list[str] = []
    times = measure([contender("a", "a", calls)], Plan(5, 10.0), clock_of(iter([8.0])))
    assert len(calls) == 1
    assert time_cell(times["a"]) == "8.00 s (8.00–8.00, 1 run)"


def test_a_contender_that_fails_is_reported_not_raised() -> None:
    def prepare() -> Callable[[], None]:
        raise NotRunError("not run: not installed")

    times = measure([Contender("a", "a", 1, prepare)], Plan(1, 1.0))
    assert time_cell(times["a"]) == "not run: not installed"
    assert ratio_cell(times["a"], times["a"]) == "–"


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("case", [SMALL, Case(90, 1, 3)])
def test_iterations_of_both_packages_are_the_same(case: Case, structure: str) -> None:
    mixture = random_mixture(case)
    rows, start = mixture.draw(case.n_rows), near_truth(mixture)
    iteration = ours.Iteration(ENGINES["reference"](), start, structure, rows)
    found = iteration.log_likelihood(iteration())
    for form in scikit_learn.forms(structure, case.n_features):
        peer = scikit_learn.gaussian_iteration(start, form, rows)
        for _ in range(2):
            peer()
            expected = scikit_learn.log_likelihood(peer.mixture, rows)
            assert found == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("mixture", [two_overlapping(), five_overlapping(), random_mixture(SMALL)])
def test_climbs_from_given_means_start_at_the_same_parameters(mixture: TrueMixture) -> None:
    rows, means = mixture.draw(150), moved_means(mixture)
    fit = ours.likelihood_fit(rows, len(means), means, max_iter=1).fit_
    climb = scikit_learn.Climb(rows, "full", means, len(means), np.inf, np.inf)
    steps = climb.steps()
    before, after = next(steps), next(steps)
    assert after > before
    assert fit.history[0] == pytest.approx(after, rel=1e-11)
    plain = ours.Iteration(ENGINES["reference"](), climb.first(), "full", rows).climb()
    assert [next(plain), next(plain)] == pytest.approx([before, after], rel=1e-11)


def test_a_climb_that_runs_out_of_time_says_how_far_it_came() -> None:
    rows = two_overlapping().draw(100)
    climb = scikit_learn.Climb(rows, "full", rows[:2].copy(), 2, 1e9, 0.0)
    with pytest.raises(NotRunError, match=r"1 iterations, 1e\+09 nats below"):
        climb()


def test_data_are_the_same_each_time() -> None:
    first, second = (random_mixture(SMALL).draw(50) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.flags.c_contiguous
    assert first.dtype == np.float64


def test_log_joint_of_the_article() -> None:
    from mixtura.datasets import load_iris

    values = load_iris().column("petal_length")
    weights, means = np.array([0.3331541855, 0.6668458145]), np.array([1.4617939636, 4.904843596])
    deviations = np.array([0.1782735055, 0.8196919766])
    assert log_joint(values, weights, means, deviations) == pytest.approx(OPTIMUM, abs=1e-9)


def test_floor_counts_what_cannot_be_left_out() -> None:
    case = Case(1000, 3, 5)
    works = {structure: iteration_work(case, structure) for structure in STRUCTURES}
    assert works["full"].multiply_adds == 1000 * 5 * (2 * (6 + 3) + 1)
    assert works["diag"].multiply_adds == 1000 * 5 * (2 * 6 + 1)
    assert works["spherical"].multiply_adds < works["diag"].multiply_adds
    assert works["tied"].multiply_adds < works["full"].multiply_adds
    assert scoring_work(case, "full", 5).written == 1000 * 5 * 8
    assert works["full"].seconds(RATES) == pytest.approx(95e3 / 1e10 + 5e3 / 1e9)
    assert scoring_work(Case(1000, 1, 1), "diag", 10**6).seconds(RATES) > 0.7


def test_cases_are_read_and_written_as_people_do() -> None:
    assert parse_case("1e6,10,10") == Case(1_000_000, 10, 10)
    assert parse_case("1e6,10,10").label == "1e6, 10, 10"
    assert Case(1500, 1, 2).label == "1500, 1, 2"
    with pytest.raises(ValueError, match="N,D,K"):
        parse_case("1e6,10")


def test_cells_round_to_three_digits() -> None:
    name = Contender("a", "a", 1, lambda: lambda: None)
    assert time_cell(Times(name, (0.1, 0.2, 0.3))) == "200 ms (100–300)"
    assert time_cell(Times(name, (2e-5, 3e-5, 4e-5))) == "30.0 µs (20.0–40.0)"
    with pytest.raises(ValueError, match="cells"):
        Table("a", "b", [], ["one"]).add(["1", "2"])


@pytest.mark.parametrize("family", FAMILIES)
def test_groups_are_as_wide_as_their_family_pools_them(family: str) -> None:
    groups = groups_apart(family, 3, [0.0, 50.0], [1.0, 1.0], [30, 60], [1])
    deviations = groups.deviations(family)
    known = ours.quiet_fit(
        groups.rows, 2, covariance_type=family, inference="ml", init=groups.labels
    )
    np.testing.assert_allclose(deviations, known.scales_.reshape(2, 3), rtol=1e-6)


def test_checks_are_chosen_by_their_words() -> None:
    settings = Settings(Plan(1, 1.0), 1, only=("map D=2", "vb"))
    assert settings.wants("groups map full n=100 D=2 K=2")
    assert settings.wants("groups vb full n=100 D=1 K=2")
    assert not settings.wants("groups map full n=100 D=1 K=2")
    assert Settings(Plan(1, 1.0), 1).wants("anything")


def test_verdicts_tell_right_from_wrong() -> None:
    assert ratio_verdict([1.04, 0.99], [0.05, 0.02]).is_right
    assert not ratio_verdict([1.04, 0.97], [0.05, 0.02]).is_right
    assert ratio_verdict([1.04, 0.97], [0.05, 0.02]).shown == "0.97"
    assert not ratio_verdict([1.0, float("nan")], [0.05, 0.05]).is_right


@pytest.mark.parametrize(
    ("name", "only"),
    [
        ("defaults", ("groups map tied_spherical n=100 D=1 K=2 equal 8-sd",)),
        ("choice", ("flat along s=0 ml", "flat along s=0 sklearn")),
    ],
)
def test_measurements_of_answers_fill_their_tables(name: str, only: tuple[str, ...]) -> None:
    table = MEASUREMENTS[name](tiny_context(quick=name == "choice", only=only))
    assert len(table.rows) == 1
    assert not [cell for cell in table.rows[0] if "failed" in cell]


def test_starts_are_compared_with_the_best_known(tmp_path: Path) -> None:
    only = ("tuning separated D=1 K=4 ml",)
    store = BestKnown(tmp_path / "best.json")
    first = measure_starts(tiny_context(only=only, search=0.3), store)
    assert len(first.rows) == 2
    assert abs(float(first.rows[0][2])) < 1e-6
    again = measure_starts(tiny_context(only=only), BestKnown(tmp_path / "best.json"))
    assert again.rows[0][3:] == first.rows[0][3:]


def test_held_back_sets_are_run_only_when_asked_for() -> None:
    def parts(*only: str) -> set[str]:
        context = tiny_context(only=only)
        return {target.name.split()[0] for target in simulated_targets(context)}

    assert parts("separated D=2") == {TUNING}
    assert parts("held-back separated D=2") == {HELD_BACK}
    n_sets = [len(list(varied_sets(part))) for part in (TUNING, HELD_BACK)]
    assert sum(n_sets) >= 60
    assert 3 * n_sets[1] >= sum(n_sets)
