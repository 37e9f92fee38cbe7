"""``mixtura classify``: what it learns, tells and refuses."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from mixtura import MixtureClassifier
from mixtura.datasets import load_iris

IRIS = load_iris()
SPECIES = np.array(["setosa", "versicolor", "virginica"])[IRIS.target]
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def written(path: Path, rows: np.ndarray, classes: list | None = None) -> Path:
    """Write a table with a column of species, where there are any."""
    lines = [",".join([*NAMES, *([] if classes is None else ["species"])])]
    for place, row in enumerate(rows.tolist()):
        cells = [repr(value) if value == value else "" for value in row]
        lines.append(",".join([*cells, *([] if classes is None else [classes[place] or ""])]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return written(tmp_path / "flowers.csv", IRIS.data, SPECIES.tolist())


def records(path: str) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_does_what_the_class_does(run, table) -> None:
    asked = ("--families", "tied,VEV", "--folds", "0", "--json")
    told = json.loads(run("classify", table, "--class", "species", *asked).out)
    own = MixtureClassifier(covariance_type=["tied", "VEV"], random_state=0).fit(IRIS.data, SPECIES)
    assert told["bic"] == pytest.approx(own.bic_, abs=1e-9)
    assert [one["family"] for one in told["classes"]] == ["VEV"] * 3
    assert told["fitted_rows"]["error"] == pytest.approx(1.0 - own.score(IRIS.data, SPECIES))
    assert "cross_validation" not in told


def test_cross_validation_is_that_of_the_criterion(run, table) -> None:
    done = run("classify", table, "--class", "species", "--folds", 5, "--seed", 3, "--json")
    told = json.loads(done.out)["cross_validation"]
    chosen = MixtureClassifier(
        covariance_type=["full", "spherical"], criterion="cv", n_folds=5, random_state=3
    ).fit(IRIS.data, SPECIES)
    assert told["error"] == pytest.approx(chosen.candidates_[0].error, abs=1e-12)
    assert told["brier"] == pytest.approx(chosen.candidates_[0].brier, abs=1e-9)
    counts = np.array(told["confusion"])
    assert (counts.sum(axis=1) == 50).all()
    assert counts.sum() - np.trace(counts) == told["n_missed"]


def test_rows_without_a_class_are_told_one(run, tmp_path) -> None:
    some = [None if place % 5 == 0 else name for place, name in enumerate(SPECIES.tolist())]
    table = written(tmp_path / "some.csv", IRIS.data, some)
    done = run("classify", table, "--class", "species", "-o", "told.csv", "--proba", "--folds", 3)
    assert (done.code, "30 rows without a class" in done.err) == (0, True)
    assert "The rows that were fitted: " in done.out
    assert "Cross-validation: " in done.out
    found = records("told.csv")
    assert [row["class"] or None for row in found] == some
    known = np.array([name is not None for name in some])
    own = MixtureClassifier().fit(IRIS.data[known], SPECIES[known])
    fresh = [row["predicted"] for row, has in zip(found, known, strict=True) if not has]
    assert fresh == own.predict(IRIS.data[~known]).tolist()
    shares = [float(found[0][f"probability_{name}"]) for name in own.classes_]
    assert shares == pytest.approx(own.predict_proba(IRIS.data[:1])[0], rel=1e-5)


def test_another_table_is_told(run, table, tmp_path) -> None:
    rows = np.vstack([IRIS.data[::10], np.full(4, np.nan)])
    new = written(tmp_path / "new.csv", rows[:, ::-1])
    new.write_text(new.read_text().replace(",".join(NAMES), ",".join(NAMES[::-1]), 1))
    done = run("classify", table, "--class", "species", "--predict", new, "--folds", 0)
    lines = done.out.splitlines()
    own = MixtureClassifier().fit(IRIS.data, SPECIES).predict(IRIS.data[::10]).tolist()
    assert lines == ["row,predicted", *(f"{n},{name}" for n, name in enumerate(own, 1)), "16,"]
    assert "The rows that were fitted: " in done.err


def test_a_table_with_classes_says_how_many_are_missed(run, table, tmp_path) -> None:
    new = written(tmp_path / "new.csv", IRIS.data[::10], SPECIES[::-1][::10].tolist())
    asked = ("--predict", new, "-o", "told.csv", "--plot", "classes.svg", "--folds", 0)
    done = run("classify", table, "--class", "species", *asked)
    own = MixtureClassifier().fit(IRIS.data, SPECIES).predict(IRIS.data[::10])
    missed = int((own != SPECIES[::-1][::10]).sum())
    assert f"The other table: {missed} rows of 15 missed" in done.out
    assert Path("classes.svg").read_text().startswith("<?xml")
    prior = "setosa=0.2,versicolor=0.3,virginica=0.5"
    done = run("classify", table, "--class", "species", "--class-prior", prior, "--folds", 0)
    assert "0.300" in done.out


def test_numbers_are_classes_too(run, tmp_path) -> None:
    lines = ["x,kind", *(f"{10 * (n % 2) + n / 40},{n % 2 + 1}" for n in range(20))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    done = run("classify", "t.csv", "--class", "kind", "--class-prior", "1=.5,2=.5", "-o", "o.csv")
    assert done.code == 0
    assert [row["predicted"] for row in records("o.csv")] == ["1", "2"] * 10


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--class", "kind"), 3, "there is no column 'kind'"),
        ((), 2, "Missing option '--class'"),
        (("--class", "species", "--families", "nope"), 2, "--families must be of"),
        (("--class", "species", "-k", "0"), 2, "--components must look like"),
        (("--class", "species", "--folds", "1"), 2, "--folds must be 0 or at least 2"),
        (("--class", "species", "--criterion", "aic"), 2, "'aic' is not one of bic, cv"),
        (("--class", "species", "--criterion", "cv", "--folds", "0"), 2, "--criterion cv needs"),
        (("--class", "species", "--class-prior", "a"), 2, "--class-prior must look like"),
        (("--class", "species", "--class-prior", "x=1"), 2, "is no class of DATA"),
        (("--class", "species", "--class-prior", "setosa=1"), 2, "--class-prior needs all"),
        (("--class", "species", "--predict", "none.csv"), 3, "no such file"),
        (("--class", "species", "--plot", "p.gif"), 2, "must end in .svg or .png"),
    ],
)
def test_what_it_refuses(run, table, options, code, said) -> None:
    done = run("classify", table, *options)
    assert done.code == code
    assert said in done.error


def test_a_class_without_a_value_in_a_column_is_refused(run, tmp_path) -> None:
    rows = IRIS.data.copy()
    rows[:50, 1] = np.nan
    table = written(tmp_path / "holes.csv", rows, SPECIES.tolist())
    done = run("classify", table, "--class", "species")
    assert (done.code, "class 'setosa' has no value in column 'sepal_width'" in done.error) == (
        3,
        True,
    )
    none = written(tmp_path / "none.csv", IRIS.data, [None] * 150)
    done = run("classify", none, "--class", "species")
    assert "column 'species' has no class in any row" in done.error


def test_one_column_has_two_families(run, table) -> None:
    asked = ("-c", "petal_length", "--families", "all", "--folds", 0, "--json")
    told = json.loads(run("classify", table, "--class", "species", *asked).out)
    assert told["candidates"]["covariance_type"] == ["EEE", "VVV"]


def test_a_column_that_is_hardly_one_of_classes_is_doubted(run, tmp_path) -> None:
    path = tmp_path / "flows.csv"
    rows = [f"{value / 7},{value},{'ab'[value % 2]}" for value in range(12)]
    path.write_text("x,flow,kind\n" + "\n".join(rows) + "\n")
    said = run("classify", path, "--class", "flow", "-c", "x", "--folds", "0").err
    assert "has 12 classes in 12 rows: is it the column of the classes?" in " ".join(said.split())
    path.write_text("x,flow,kind\n" + "\n".join([*rows, "9,9,odd"]) + "\n")
    said = run("classify", path, "--class", "kind", "-c", "x", "--folds", "2").err
    assert "1 class of a single row: left out of cross-validation" in " ".join(said.split())
