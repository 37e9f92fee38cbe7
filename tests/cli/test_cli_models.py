"""Model files: fit, then predict, sample and report."""

import csv
from pathlib import Path

import numpy as np
import pytest

from mixtura import GaussianMixtureModel, load
from mixtura.data.tabular import read_table


def table(text: str, delimiter: str = ",") -> tuple[list[str], np.ndarray]:
    header, *rows = csv.reader(text.splitlines(), delimiter=delimiter)
    return header, np.array(rows, dtype=float)


def test_predict_says_what_the_class_says(run, small, model) -> None:
    done = run("predict", model, small, "--proba", "-q")
    header, rows = table(done.out)
    gmm, data = load(model), read_table(small, ["x", "y"])
    assert (done.code, done.err) == (0, "")
    assert header == ["row", "component", "probability_0", "probability_1"]
    assert np.array_equal(rows[:, 0], np.arange(1, 21))
    assert np.array_equal(rows[:, 1], gmm.predict(data))
    np.testing.assert_allclose(rows[:, 2:], gmm.predict_proba(data), rtol=5e-6)


def test_predict_without_probabilities(run, small, model) -> None:
    header, rows = table(run("predict", model, small).out)
    assert header == ["row", "component"]
    assert rows.shape == (20, 2)


def test_columns_are_found_by_name_in_any_order(run, small, model) -> None:
    expected = run("predict", model, small, "--proba", "-q").out
    header, *lines = small.read_text().splitlines()
    assert header == "name,x,y,weight"
    swapped = ["extra,y,words,x"]
    for line in lines:
        name, x, y, weight = line.split(",")
        swapped.append(f"{weight},{y},{name},{x}")
    found = run("predict", model, "-", "--proba", "-q", stdin="\n".join(swapped).encode())
    assert found.out == expected


def test_missing_columns_are_listed(run, model) -> None:
    done = run("predict", model, "-", stdin=b"a,x\n1,2\n3,4\n")
    assert done.code == 3
    assert "standard input: there is no column 'y'" in done.error
    assert "there are 'a', 'x'" in done.error
    assert "the model needs 'x', 'y'" in done.error


def test_models_without_names_take_columns_in_order(run, small) -> None:
    data = read_table(small, ["x", "y"])
    gmm = GaussianMixtureModel(2).fit(data.values)
    gmm.save("nameless.mixtura")
    Path("plain.csv").write_text("\n".join(f"{x},{y}" for x, y in data.values.tolist()))
    _, rows = table(run("predict", "nameless.mixtura", "plain.csv").out)
    assert np.array_equal(rows[:, 1], gmm.labels_)
    done = run("predict", "nameless.mixtura", small)
    assert done.code == 3
    assert "3 numeric columns ('x', 'y', 'weight')" in done.error
    assert "fitted to 2" in done.error


def test_predict_to_a_file(run, small, model) -> None:
    done = run("predict", model, small, "-o", "p.tsv")
    assert done.out == ""
    assert "mixtura: wrote p.tsv" in done.err
    assert table(Path("p.tsv").read_text(), "\t")[0] == ["row", "component"]


def test_sample_draws_what_the_class_draws(run, model) -> None:
    done = run("sample", model, "-n", "50", "--seed", "3")
    header, rows = table(done.out)
    drawn, components = load(model).sample(50, random_state=3)
    assert (done.code, done.err) == (0, "")
    assert header == ["x", "y"]
    assert np.array_equal(rows, drawn)
    header, rows = table(run("sample", model, "-n", "50", "--seed", "3", "--component").out)
    assert header == ["component", "x", "y"]
    assert np.array_equal(rows[:, 0], components)


def test_sample_has_a_thousand_rows_and_a_fixed_seed_by_default(run, model) -> None:
    one, other = run("sample", model).out, run("sample", model).out
    assert one == other
    assert one.count("\n") == 1001


def test_samples_can_be_fitted_and_predicted(run, model) -> None:
    sample = run("sample", model, "-n", "200").out.encode()
    assert run("fit", "-", "-q", stdin=sample).code == 0
    assert run("predict", model, "-", stdin=sample).out.count("\n") == 201


def test_report(run, small, model) -> None:
    done = run("report", model, small)
    assert (done.code, done.out) == (0, "")
    assert "mixtura: wrote report.html" in done.err
    assert "<svg" in Path("report.html").read_text()
    assert run("report", model, small).code == 2
    assert run("report", model, small, "--force", "-q").err == ""


@pytest.mark.parametrize("command", ["predict", "report"])
def test_a_file_that_is_no_model(run, small, command) -> None:
    done = run(command, small, small)
    assert done.code == 3
    assert "not a model file" in done.error


def test_a_damaged_model(run, small, model) -> None:
    content = bytearray(model.read_bytes())
    content[-3] ^= 1
    model.write_bytes(content)
    done = run("sample", model)
    assert done.code == 3
    assert "checksum" in done.error


def test_a_model_that_is_not_there(run) -> None:
    done = run("sample", "nowhere.mixtura")
    assert done.code == 3
    assert "nowhere.mixtura" in done.error
