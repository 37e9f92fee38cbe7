"""The shipped data are what their provenance says."""

import hashlib
import re
import sys
from importlib.resources import files

import numpy as np
import pytest
from sklearn.datasets import load_iris as sklearn_iris

from mixtura.data.tabular import read_table
from mixtura.datasets import load_faithful, load_iris
from mixtura.errors import InvalidArgumentError, MissingExtraError

FOLDER = files("mixtura.datasets")
LOADERS = [load_iris, load_faithful]


def test_hashes_are_those_of_the_provenance():
    text = FOLDER.joinpath("PROVENANCE.md").read_text(encoding="utf-8")
    recorded = dict(re.findall(r"`(\w+\.csv)` \| \d+ \| `([0-9a-f]{64})`", text))
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in FOLDER.iterdir()
        if file.name.endswith(".csv")
    }
    assert recorded == found


def test_iris_is_that_of_scikit_learn():
    ours, theirs = load_iris(), sklearn_iris()
    np.testing.assert_array_equal(ours.data, theirs.data)
    np.testing.assert_array_equal(ours.target, theirs.target)
    assert ours.target_names == tuple(theirs.target_names)
    assert ours.feature_names == ("sepal_length", "sepal_width", "petal_length", "petal_width")


def test_the_two_rows_in_which_versions_of_iris_differ():
    rows = load_iris().data[[34, 37]]
    np.testing.assert_array_equal(rows, [[4.9, 3.1, 1.5, 0.2], [4.9, 3.6, 1.4, 0.1]])


def test_faithful():
    data = load_faithful()
    assert data.feature_names == ("eruptions", "waiting")
    assert data.data.shape == (272, 2)
    assert data.target is None
    assert data.target_names is None
    np.testing.assert_array_equal(data.data[[0, 1, 271]], [[3.6, 79], [1.8, 54], [4.467, 74]])


def test_faithful_has_the_known_likelihood():
    # The maximum-likelihood fit of two components to the waiting times, see shared references.
    x = load_faithful().column("waiting")
    w = np.array([0.36088624, 0.63911376])
    mean = np.array([54.61486172, 80.09107294])
    sd = np.array([5.87122419, 5.86773089])
    density = w / (sd * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((x - mean) / sd) ** 2)
    assert np.log(density.sum(axis=1)).sum() == pytest.approx(-1034.00174983, abs=1e-8)
    posterior = density / density.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(posterior.mean(axis=0), w, atol=1e-7)  # it is a maximum
    np.testing.assert_allclose((posterior * x).sum(axis=0) / posterior.sum(axis=0), mean, 1e-7)


@pytest.mark.parametrize("load", LOADERS)
def test_shape_of_a_dataset(load):
    data = load()
    assert data.data.dtype == np.float64
    assert data.data.flags.c_contiguous
    assert np.isfinite(data.data).all()
    assert len(data.feature_names) == data.data.shape[1]
    assert data.name in load.__name__
    assert data.description
    with pytest.raises(AttributeError):
        data.name = "other"
    assert not np.shares_memory(data.data, load().data)


@pytest.mark.parametrize("load", LOADERS)
def test_column(load):
    data = load()
    for j, name in enumerate(data.feature_names):
        column = data.column(name)
        assert column.shape == (len(data.data), 1)
        np.testing.assert_array_equal(column[:, 0], data.data[:, j])
    with pytest.raises(InvalidArgumentError, match=r"has no feature 'q'; it has \w+, \w+"):
        data.column("q")


def test_frame():
    frame = load_iris().frame()
    assert list(frame.columns) == [*load_iris().feature_names, "target"]
    assert frame["target"].value_counts().to_dict() == dict.fromkeys(load_iris().target_names, 50)
    np.testing.assert_array_equal(frame.iloc[:, :4], load_iris().data)
    assert list(load_faithful().frame().columns) == ["eruptions", "waiting"]


def test_frame_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        load_iris().frame()


@pytest.mark.parametrize("load", LOADERS)
def test_files_read_as_tables(load):
    data = load()
    table = read_table(str(FOLDER.joinpath(f"{data.name}.csv")))
    assert table.names == data.feature_names
    np.testing.assert_array_equal(table.values, data.data)
