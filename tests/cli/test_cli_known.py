"""Labels, groups of rows and a background, from file to file."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from mixtura import GaussianMixtureModel
from mixtura.datasets import load_iris
from mixtura.estimator import load

SPECIES = ("setosa", "versicolor", "virginica")


@pytest.fixture
def rows(run, tmp_path: Path) -> np.ndarray:
    """Write iris with every fifth species, and flowers in pairs."""
    given = np.array(load_iris().data)
    lines = ["a,b,c,d,species,pair"]
    for i, row in enumerate(given):
        species = SPECIES[i // 50] if i % 5 == 0 else ""
        lines.append(",".join([*map(repr, map(float, row)), species, f"p{i // 2}"]))
    (tmp_path / "known.csv").write_text("\n".join(lines) + "\n")
    return given


def known() -> np.ndarray:
    return np.array([SPECIES[i // 50] if i % 5 == 0 else None for i in range(150)], dtype=object)


def test_labels_are_names_of_components(run, rows: np.ndarray) -> None:
    columns = [part for name in "abcd" for part in ("-c", name)]
    done = run(
        "fit", "known.csv", *columns, "-k", "3", "--labels", "species", "--save", "m.mixtura"
    )
    assert done.code == 0
    assert all(name in done.out for name in SPECIES)
    expected = GaussianMixtureModel(3).fit(rows, labels=known())
    np.testing.assert_allclose(load("m.mixtura").means_, expected.means_, rtol=1e-6)


def test_rows_of_a_group_share_their_component(run, rows: np.ndarray) -> None:
    done = run(
        *("fit", "known.csv", "-c", "a", "-c", "b", "-k", "2", "--groups", "pair"),
        *("--assignments", "a.csv"),
    )
    assert done.code == 0
    table = list(csv.reader(io.StringIO(Path("a.csv").read_text())))[1:]
    components = np.array([int(line[1]) for line in table])
    np.testing.assert_array_equal(components[::2], components[1::2])


def test_a_background_has_a_last_probability(run, rows: np.ndarray) -> None:
    options = ("-c", "a", "-c", "b", "-k", "2", "--background", "uniform", "--save", "m.mixtura")
    assert run("fit", "known.csv", *options).code == 0
    done = run("predict", "m.mixtura", "known.csv", "--proba")
    header, *lines = list(csv.reader(io.StringIO(done.out)))
    assert header[-1] == "probability_background"
    gmm = GaussianMixtureModel(2, background="uniform").fit(rows[:, :2])
    found = np.array([[float(cell) for cell in line[2:]] for line in lines])
    np.testing.assert_allclose(found, gmm.predict_proba(rows[:, :2]), atol=1e-6)


def test_the_prior_of_a_background_is_an_option(run, rows: np.ndarray) -> None:
    options = ("-c", "a", "-c", "b", "-k", "2", "--background", "uniform", "--save", "m.mixtura")
    assert run("fit", "known.csv", *options, "--background-prior", "2,50").code == 0
    assert load("m.mixtura").background_prior == (2.0, 50.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--labels", "nothing"), "there is no column 'nothing'"),
        (("-c", "a", "--labels", "a"), "column 'a' cannot be data and labels"),
        (("--labels", "species", "-k", "2"), "labels"),
        (("--background", "0"), "'0' is neither uniform nor a volume above 0"),
        (("--background-prior", "2"), "'2' is not two numbers above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(run, rows, options: tuple[str, ...], words: str) -> None:
    done = run("fit", "known.csv", *options)
    assert done.code in (2, 3)
    assert words in done.error


def test_numbers_of_components_are_labels_too(run, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0.0, 1.0, 30), rng.normal(2.0, 1.0, 30)])
    lines = [f"{value!r},{i // 30 if i % 3 == 0 else -1}" for i, value in enumerate(x.tolist())]
    (tmp_path / "n.csv").write_text("x,of\n" + "\n".join(lines) + "\n")
    assert run("fit", "n.csv", "-k", "2", "--labels", "of", "--save", "m.mixtura").code == 0
    labels = np.array([i // 30 if i % 3 == 0 else -1 for i in range(60)])
    expected = GaussianMixtureModel(2).fit(x[:, None], labels=labels)
    np.testing.assert_allclose(load("m.mixtura").means_, expected.means_, rtol=1e-6)


def test_what_is_printed_knows_the_labels(run, tmp_path: Path) -> None:
    """The second row lies among those of the other label."""
    rng = np.random.default_rng(7)
    x = np.concatenate([rng.normal(0.0, 1.0, 40), rng.normal(8.0, 1.0, 40)])
    labels = np.full(80, "", dtype=object)
    labels[:5], labels[40:45] = "low", "high"
    labels[1] = "high"
    lines = [f"{value!r},{label}" for value, label in zip(x.tolist(), labels, strict=True)]
    (tmp_path / "l.csv").write_text("x,of\n" + "\n".join(lines) + "\n")
    done = run("fit", "l.csv", "-k", "2", "--labels", "of", "--assignments", "a.csv")
    assert done.code == 0
    second = Path("a.csv").read_text().splitlines()[2].split(",")
    component = int(second[1])
    assert float(second[2 + component]) == 1.0
