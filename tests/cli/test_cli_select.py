"""``mixtura select``: what it prints and writes."""

import io
import sys
from pathlib import Path

import pytest
from test_cli_fit import strictly

import mixtura
from mixtura import load, select
from mixtura.cli import streams
from mixtura.cli.choice import names_of, numbers_of
from mixtura.datasets import load_iris
from mixtura.errors import InvalidArgumentError

PETALS = ("-c", "petal_length", "--components", "1:3")


def test_it_prints_the_table_and_the_best(run, iris) -> None:
    done = run("select", iris, *PETALS, "--families", "full,tied", "--inference", "ml")
    assert done.code == 0
    table, components = done.out.split("\n\n2 components describe", 1)
    rows = [line for line in table.splitlines() if line[:1].isdigit()]
    assert [line.split()[:2] for line in rows] == [
        [k, family] for family in ("full", "tied") for k in "123"
    ]
    # iris_petal_length_ml in shared/references/values.json, whose sign is the other.
    for row, bic in zip((0, 1, 4, 5), ("605.20", "426.21", "516.52", "491.11"), strict=True):
        assert bic in rows[row]
    assert [line.split()[-1] == "best" for line in rows] == [False, True, *4 * [False]]
    assert table.startswith("Best by BIC (smaller is better): K = 2, full, ")
    assert "1.462 (0.172)" in components
    assert max(map(len, done.out.splitlines())) <= 80


def test_it_does_what_the_function_does(run, iris) -> None:
    options = ("--families", "diag,full", "--inference", "vb", "--seed", "3", "--tol", "1e-6")
    done = run("select", iris, "-k", "2,1", *options, "--jobs", "2", "--json")
    told = strictly(done.out)
    chosen = select(
        load_iris().data, [2, 1], ["diag", "full"], inference="vb", tol=1e-6, random_state=3
    )
    assert (told["criterion"], told["larger_is_better"]) == ("elbo", True)
    for row, candidate in zip(told["candidates"], chosen.table, strict=True):
        assert row["n_components"] == candidate.n_components
        assert row["covariance_type"] == candidate.covariance_type
        for name in ("elbo", "bic", "icl", "aic", "log_likelihood"):
            assert row[name] == getattr(candidate, name)
    assert chosen.table[told["best"]] is chosen.best
    assert told["report"]["sections"][0]["objective"] == chosen.model.objective_
    assert told["source"] == str(iris)


def test_files_are_those_of_the_best(run, small) -> None:
    files = ("--save", "m.mixtura", "--report", "r.html", "--assignments", "a.csv")
    done = run("select", small, "-c", "x", "-c", "y", "-k", "1:3", *files, "--plot", "k.svg")
    assert done.code == 0
    assert load("m.mixtura").n_components == 2
    page = Path("r.html").read_text()
    assert page.lstrip().startswith("<!doctype html>")
    assert "Chosen among 3 fits. Best by BIC (smaller is better): K = 2, full" in page
    assert Path("a.csv").read_text().startswith("row,component,probability_0,probability_1\n")
    assert "<svg" in Path("k.svg").read_text()
    assert run("select", small, "-c", "x", "-k", "1:2", "--plot", "k.PNG").code == 0
    assert Path("k.PNG").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("criterion", "label"),
    [
        ("icl", "ICL (smaller is better)"),
        ("aic", "AIC (smaller is better)"),
        ("icl_hard", "hard ICL (smaller is better)"),
        ("cv", "CV log density (larger is better)"),
    ],
)
def test_the_criterion_can_be_named(run, small, criterion, label) -> None:
    done = run("select", small, "-c", "x", "-k", "1:2", "--criterion", criterion)
    assert done.out.startswith(f"Best by {label}: K = ")


def test_the_best_may_not_have_converged(run, iris) -> None:
    limits = ("--max-iter", "1", "--init", "quantile")
    done = run("select", iris, "-k", "3", *limits, "--save", "m.mixtura")
    assert done.code == 4
    assert "not converged" in done.out
    assert "--max-iter" in done.err
    assert "max_iter" not in done.err + done.out
    assert Path("m.mixtura").exists()


def test_a_candidate_that_fails_does_not_lose_the_others(run, small) -> None:
    columns = ("-c", "x", "-k", "1:3")
    done = run("select", small, *columns, "--weight-prior", "dirichlet:2,2")
    assert done.code == 0
    assert done.out.count("failed") == 2
    assert "K = 3, full: " in done.out
    none = run("select", small, *columns, "--weight-prior", "dirichlet:1,1,1,1")
    assert none.code == 2
    assert "4 numbers" in none.error


def test_priors_go_with_the_families_that_they_are_for(run, iris) -> None:
    priors = ("--mean-prior", "normal:0,10", "--scale-prior", "inverse-gamma:1,1", "-k", "2")
    done = run("select", iris, *priors)
    assert done.code == 2
    assert "--families full" in done.error
    assert "diag, spherical, tied_diag or tied_spherical" in done.error
    done = run("select", iris, *priors, "--families", "full,diag")
    assert done.code == 0
    assert done.out.startswith("Best by BIC (smaller is better): K = 2, diag.")


def test_bad_data_are_exit_code_3(run) -> None:
    Path("words.csv").write_text("a\nx\ny\n")
    assert run("select", "words.csv").code == 3
    assert run("select", "missing.csv").code == 3


def test_quiet_and_verbose(run, small) -> None:
    assert run("select", small, "-c", "x", "-k", "1:2", "-q").err == ""
    told = run("select", small, "-c", "x", "-k", "1:2", "-v").err
    assert "mixtura: 2 of 2: K = 2, full: BIC " in told


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_shows_progress_on_standard_error(monkeypatch, quiet) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with streams.Talk(quiet=quiet).counting("[fitting]", 2) as advance:
        advance()
        advance()
        print("of a method")
    assert ("mixtura: [fitting]" in terminal.getvalue()) == (not quiet)
    assert ("2/2" in terminal.getvalue()) == (not quiet)
    assert "of a method" in terminal.getvalue()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1:4", [1, 2, 3, 4]),
        ("3", [3]),
        ("2,3,5", [2, 3, 5]),
        (" 5 , 1:2, 2:3", [5, 1, 2, 3]),
        ("7:7", [7]),
    ],
)
def test_numbers_of_components(text, numbers) -> None:
    assert numbers_of(text) == numbers


@pytest.mark.parametrize(
    "text", ["", "0", "0:3", "3:1", "1:", ":3", "1-3", "1:2:3", "1,,2", "-1", "1.5", "two", "²"]
)
def test_what_is_no_numbers_of_components(text) -> None:
    with pytest.raises(InvalidArgumentError, match="--components must look like 1:10 or 2,3,5"):
        numbers_of(text)


def test_too_many_numbers_are_refused_at_once() -> None:
    with pytest.raises(InvalidArgumentError, match="at most 1,000"):
        numbers_of("1:999999999")


def test_names_of_families() -> None:
    assert names_of("full, tied_diag,full") == ["full", "tied_diag"]


def test_a_sampled_search_is_as_long_as_asked(run, small) -> None:
    length = ("--chains", 2, "--draws", 30, "--warmup", 5)
    asked = ("-c", "x", "-k", "2", "--inference", "gibbs", "--save", "best")
    done = run("select", small, *asked, *length)
    assert done.code in (0, 4), done.err
    assert mixtura.load(small.with_name("best")).posterior_.weights.shape == (2, 30, 2)


def test_a_search_of_one_limit_may_have_a_prior_on_the_number(run, small) -> None:
    length = ("--chains", 1, "--draws", 20, "--warmup", 5)
    asked = ("-c", "x", "-k", "3", "--inference", "collapsed")
    done = run("select", small, *asked, *length, "--weight-prior", "finite-mixtures:1")
    assert done.code in (0, 4), done.err
