"""Data that cannot be used, and data that are out to do harm."""

import csv
import json
from pathlib import Path

import pytest

HOSTILE = ("[red]x[/]", "\x1b[31mevil\x07", "=cmd()", "<script>alert(1)</script>", "a\nb", "-y")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("a,b\n1,2\n3,oops\n5,6\n", ("row 2 (line 3)", "column 'b'", "'oops' is not a number")),
        ("a,b\n1,2\n3,\n5,6\n", ("row 2 (line 3)", "column 'b'", "missing")),
        ("a,b\n1,2\n3,1e999\n5,6\n", ("row 2 (line 3)", "column 'b'", "infinite")),
        ("a,b\n1,2\n3,4,5\n5,6\n", ("row 2 (line 3)", "3 cells")),
        ("", ("is empty",)),
        ("a,b\n", ("no rows",)),
        ("a,b\nx,y\nz,w\n", ("no column holds numbers",)),
    ],
)
def test_bad_data_are_one_line_that_says_where(run, content, parts) -> None:
    Path("bad.csv").write_text(content)
    done = run("fit", "bad.csv", "--missing", "refuse", "--save", "m.mixtura")
    assert done.code == 3
    assert done.error.startswith("bad.csv: ")
    assert all(part in done.error for part in parts)
    assert done.out == ""
    assert not Path("m.mixtura").exists()


def test_an_unknown_column_is_answered_with_a_suggestion(run, iris) -> None:
    done = run("fit", iris, "-c", "petal_lenght")
    assert done.code == 3
    assert "did you mean 'petal_length'?" in done.error


def test_weights_are_checked(run, small) -> None:
    for column, part in (("name", "'row0' is not a number"), ("x", "data and weights")):
        done = run("fit", small, "-c", "x", "--weights", column)
        assert done.code == 3
        assert part in done.error


@pytest.mark.parametrize(
    ("path", "part"), [("nowhere.csv", "no such file"), (".", "directory"), ("no\x1bpe", "\\x1b")]
)
def test_files_that_are_not_there(run, path, part) -> None:
    done = run("fit", path)
    assert done.code == 3
    assert part in done.error
    assert "\x1b" not in done.err


def test_a_warning_is_one_plain_line(run) -> None:
    done = run("fit", "-", stdin=b"a,b\n1,2\n1,3\n1,5\n1,9\n")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if "constant" in line]
    assert line.startswith("mixtura: warning: constant column 'a'")


@pytest.fixture
def hostile(run, small) -> Path:
    path = small.with_name("hostile.csv")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HOSTILE)
        for i in range(40):
            far = 5.0 * (i % 2)
            writer.writerow([far + ((7 * i + 3 * j) % 11) / 10 for j in range(len(HOSTILE))])
    return path


def test_hostile_names_stay_text(run, hostile) -> None:
    done = run(
        "fit", hostile, "--report", "r.html", "--assignments", "a.csv", "--save", "h.mixtura"
    )
    assert done.code == 0
    for text in (done.out, done.err, Path("r.html").read_text(), Path("a.csv").read_text()):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert "[red]x[/]" in done.out
    assert "[red]x[/]" in done.err
    page = Path("r.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_hostile_names_survive_json(run, hostile) -> None:
    done = run("fit", hostile, "--json", "-q")
    assert done.out.isascii()
    assert "\x1b" not in done.out
    assert json.loads(done.out)["sections"][0]["features"] == list(HOSTILE)


def test_hostile_names_run_in_no_spreadsheet_and_can_be_read_again(run, hostile) -> None:
    assert run("fit", hostile, "--save", "h.mixtura").code == 0
    sample = run("sample", "h.mixtura", "-n", "5").out
    header = next(csv.reader(sample.splitlines(keepends=True)))
    assert header[2] == "'=cmd()"
    assert header[5] == "'-y"
    assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r")) for name in header)
    assert "\x1b" not in sample
    assert run("predict", "h.mixtura", "-", stdin=sample.encode()).code == 0


def test_negative_numbers_stay_numbers(run, small) -> None:
    small.write_text("x\n-1.5\n-1.25\n-9\n-8.5\n")
    assert run("fit", small, "--save", "m.mixtura").code == 0
    first = run("sample", "m.mixtura", "-n", "3").out.splitlines()[1]
    assert float(first) < 0


def test_a_hostile_column_that_is_asked_for(run, small) -> None:
    done = run("fit", small, "-c", "[bold]\x1b[31mx")
    assert done.code == 3
    assert "[bold]\\x1b[31mx" in done.error
    assert "\x1b" not in done.err
