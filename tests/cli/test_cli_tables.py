"""Tables as analysts have them: what stands beside predictions, and how numbers are written."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mixtura import load
from mixtura.data.tabular import read_table


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture
def model(run, iris) -> str:
    assert (
        run("fit", iris, "-c", "petal_length,petal_width", "-k", 3, "--save", "m.mixtura").code == 0
    )
    return "m.mixtura"


def test_columns_stand_beside_predictions(run, iris, model) -> None:
    found = lines(run("predict", model, iris, "--keep", "species", "--score").out)
    assert list(found[0]) == ["row", "component", "log_density", "species"]
    gmm, table = load(model), read_table(iris, ["petal_length", "petal_width"])
    scores = [float(row["log_density"]) for row in found]
    np.testing.assert_allclose(scores, gmm.score_samples(table), rtol=5e-6)
    assert {row["species"] for row in found} == {"setosa", "versicolor", "virginica"}
    everything = lines(run("predict", model, iris, "--keep-all").out)
    assert everything[7]["petal_length"] == "1.5"


def test_outliers_are_the_rows_of_lowest_density(run, iris, model) -> None:
    found = lines(run("predict", model, iris, "--outliers", 0.04, "--score").out)
    scores = np.array([float(row["log_density"]) for row in found])
    marked = np.array([row["outlier"] == "1" for row in found])
    assert marked.sum() == 6
    assert scores[marked].max() <= scores[~marked].min()
    for share in ("0", "1", "-1", "nan"):
        done = run("predict", model, iris, "--outliers", share)
        assert (done.code, "--outliers" in done.error) == (2, True)


def test_rows_without_values_get_an_empty_cell(run, model) -> None:
    Path("gaps.csv").write_text("id,petal_length,petal_width\n=a,1.4,0.2\n-5,,\nc,5.1,\n")
    done = run("predict", model, "gaps.csv", "--proba", "--keep", "id")
    found = lines(done.out)
    assert [row["component"] == "" for row in found] == [False, True, False]
    weights = load(model).weights_
    assert float(found[1]["probability_0"]) == pytest.approx(weights[0], rel=1e-5)
    assert [row["id"] for row in found] == ["'=a", "-5", "c"]
    assert "1 row has no value" in done.err


def test_predictions_as_parquet(run, iris, model) -> None:
    assert run("predict", model, iris, "--proba", "--keep", "species", "-o", "p.parquet").code == 0
    table = pq.read_table("p.parquet")
    gmm, rows = load(model), read_table(iris, ["petal_length", "petal_width"])
    found = np.column_stack([table[f"probability_{k}"] for k in range(3)])
    np.testing.assert_array_equal(found, gmm.predict_proba(rows))
    assert table["species"][0].as_py() == "setosa"


def test_numbers_as_people_write_them(run) -> None:
    rng = np.random.default_rng(0)
    rows = "".join(
        f'{i},"{1000 + v:,.2f} EUR",{p:.1f}%\n'
        for i, (v, p) in enumerate(rng.uniform(0, 9000, (40, 2)) / [1, 100])
    )
    Path("p.csv.gz").write_bytes(gzip.compress(f"id,price,share\n{rows}".encode()))
    done = run("fit", "p.csv.gz", "-k", 1, "-c", "price")
    assert done.code == 3
    assert "--marks reads currencies" in done.error
    options = ("--thousands", ",", "--marks")
    done = run("fit", "p.csv.gz", "-k", 1, "--exclude", "id", *options, "--save", "m.mixtura")
    assert done.code == 0
    assert "40 rows of 2 columns ('price', 'share')" in done.err
    assert load("m.mixtura").means_[0, 1] < 1.0
    assert run("predict", "m.mixtura", "p.csv.gz", *options).code == 0
    assert run("select", "p.csv.gz", "-k", "1:2", "--exclude", "id", *options).code == 0


def test_reports_take_a_title_and_names(run, iris, model) -> None:
    options = ("--title", "Petals <1>", "--names", "small,middle,large")
    done = run("report", model, iris, *options)
    assert done.code == 0
    page = Path("report.html").read_text(encoding="utf-8")
    assert "<h1>Petals &lt;1&gt;" in page
    assert "middle" in page
    assert "component 1" not in page
    done = run("report", model, iris, "--names", "a,b", "--force")
    assert (done.code, done.error) == (2, "--names: 3 components need 3 names, not 2")
    done = run("fit", iris, "-k", 2, "-c", "petal_length", "--names", "short,long")
    assert "long" in done.out
