"""Tables with missing cells and measurement errors, from file to file."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from mixtura import GaussianMixtureModel
from mixtura.datasets import load_iris
from mixtura.estimator import load


@pytest.fixture
def table(run, tmp_path: Path) -> np.ndarray:
    """Write iris with gaps, errors of the first column, and a row without any value."""
    rng = np.random.default_rng(3)
    rows = np.array(load_iris().data)
    rows[rng.random(rows.shape) < 0.15] = np.nan
    rows[7] = np.nan
    lines = ["a,b,c,d,e"]
    for i, row in enumerate(rows):
        cells = ["" if np.isnan(x) else repr(float(x)) for x in row]
        lines.append(",".join([*cells, "" if i == 7 else "0.1"]))
    (tmp_path / "gaps.csv").write_text("\n".join(lines) + "\n")
    return rows


COLUMNS = ("-c", "a", "-c", "b", "-c", "c", "-c", "d")


def numbers(text: str) -> tuple[list[str], np.ndarray]:
    header, *lines = list(csv.reader(io.StringIO(text)))
    return header, np.array(lines, dtype=float)


def test_missing_cells_are_integrated_out_and_told(run, table: np.ndarray) -> None:
    done = run("fit", "gaps.csv", *COLUMNS, "-k", "3", "--save", "m.mixtura", "--json")
    assert done.code == 0
    n_missing = int(np.isnan(np.delete(table, 7, axis=0)).sum())
    assert f"{n_missing} of {4 * 149} cells" in done.out
    assert "missing at random" in done.out
    expected = GaussianMixtureModel(3).fit(table)
    np.testing.assert_allclose(load("m.mixtura").means_, expected.means_, rtol=1e-6)


def test_rows_with_missing_cells_are_dropped_if_asked(run, table: np.ndarray) -> None:
    done = run(
        "fit", "gaps.csv", *COLUMNS, "-k", "2", "--missing", "drop", "--assignments", "a.csv"
    )
    incomplete = np.isnan(table).any(axis=1)
    assert done.code == 0
    assert f"Left out {incomplete.sum()} rows with missing values." in done.err
    _, rows = numbers(Path("a.csv").read_text())
    np.testing.assert_array_equal(rows[:, 0], 1 + np.flatnonzero(~incomplete))


def test_missing_cells_are_refused_if_asked(run, table: np.ndarray) -> None:
    done = run("fit", "gaps.csv", *COLUMNS, "--missing", "refuse")
    assert done.code == 3
    assert "missing values in the columns used" in done.error
    assert "row " in done.error


def test_every_row_is_predicted(run, table: np.ndarray) -> None:
    run("fit", "gaps.csv", *COLUMNS, "-k", "3", "--save", "m.mixtura")
    done = run("predict", "m.mixtura", "gaps.csv", "--proba")
    assert done.code == 0
    _, rows = numbers(done.out.replace("\n8,,", "\n8,-1,"))  # the row without any value
    gmm = GaussianMixtureModel(3).fit(table)
    np.testing.assert_allclose(rows[:, 2:], gmm.predict_proba(table), atol=1e-5)
    np.testing.assert_allclose(rows[7, 2:], gmm.weights_, atol=1e-5)


def test_errors_are_taken_from_a_column(run, table: np.ndarray) -> None:
    done = run("fit", "gaps.csv", *COLUMNS, "-k", "2", "--errors", "a=e", "--save", "m.mixtura")
    assert done.code == 0
    deviations = np.zeros(table.shape)
    deviations[:, 0] = 0.1
    expected = GaussianMixtureModel(2).fit(table, measurement_error=deviations)
    np.testing.assert_allclose(load("m.mixtura").means_, expected.means_, rtol=1e-6)


def test_a_column_of_errors_is_no_data(run, table: np.ndarray) -> None:
    run("fit", "gaps.csv", "-k", "2", "--errors", "a=e", "--save", "m.mixtura")
    assert list(load("m.mixtura").feature_names_in_) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--errors", "a"), "--errors must be COLUMN=ERRORS"),
        (("--errors", "a=x"), "there is no column 'x'"),
        (("--errors", "a=b"), "column 'b' cannot be data and errors"),
        (("--errors", "a=e", "--errors", "a=d"), "--errors has two columns for 'a'"),
        (("--missing", "guess"), "'guess' is not one of integrate, drop, refuse"),
    ],
)
def test_what_cannot_be_meant_is_refused(run, table, options: tuple[str, ...], words: str) -> None:
    done = run("fit", "gaps.csv", *COLUMNS, *options)
    assert done.code in (2, 3)
    assert words in done.error


def test_errors_must_be_numbers_from_zero_on(run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("x,e\n1.5,0.1\n2.5,-0.1\n3.5,0.1\n")
    done = run("fit", "bad.csv", "-c", "x", "--errors", "x=e", "-k", "1")
    assert done.code == 3
    assert "row 2 (line 3), column 'e': an error must be a number from 0 on" in done.error


def test_imputed_cells_are_what_the_class_imputes(run, table: np.ndarray) -> None:
    run("fit", "gaps.csv", *COLUMNS, "-k", "3", "--save", "m.mixtura")
    done = run("impute", "m.mixtura", "gaps.csv")
    assert done.code == 0
    header, rows = numbers(done.out)
    assert header == ["row", "a", "b", "c", "d"]
    has = ~np.isnan(table)
    np.testing.assert_array_equal(rows[:, 1:][has], table[has])
    expected = GaussianMixtureModel(3).fit(table).impute(table)
    np.testing.assert_allclose(rows[:, 1:], expected, rtol=1e-5)


def test_draws_of_missing_cells_repeat_with_their_seed(run, table: np.ndarray) -> None:
    run("fit", "gaps.csv", *COLUMNS, "-k", "3", "--save", "m.mixtura")
    options = ("impute", "m.mixtura", "gaps.csv", "--how", "draw", "--draws", "3", "--seed", "5")
    first, second = run(*options), run(*options)
    assert first.out == second.out
    header, rows = numbers(first.out)
    assert header[:2] == ["draw", "row"]
    assert len(rows) == 3 * len(table)
    drawn = rows[:, 2:].reshape(3, *table.shape)
    assert (drawn.std(axis=0)[np.isnan(table)] > 0).all()
    assert run("impute", "m.mixtura", "gaps.csv", "--draws", "3").code == 2


def test_a_column_without_any_value_is_imputed(run, table: np.ndarray, tmp_path: Path) -> None:
    run("fit", "gaps.csv", *COLUMNS, "-k", "3", "--save", "m.mixtura")
    (tmp_path / "empty.csv").write_text("a,b,c,d\n5.0,3.4,1.4,\n6.1,2.9,4.7,\n")
    done = run("impute", "m.mixtura", "empty.csv")
    assert done.code == 0
    _, rows = numbers(done.out)
    assert np.isfinite(rows).all()
    again = run("fit", "empty.csv", *COLUMNS, "-k", "1")
    assert again.code == 3
    assert "'d'" in again.error
