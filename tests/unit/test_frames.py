"""Frames and series become matrices; all else passes through."""

import decimal
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixtura.data.frames import as_matrix, is_plain
from mixtura.errors import DataError

COLUMNS = {"x": [1.5, 2.5, 3.5], "y": [1, 2, 3]}
EXPECTED = np.array([[1.5, 1], [2.5, 2], [3.5, 3]])


def check(X, expected, names):
    values, found = as_matrix(X)
    assert isinstance(values, np.ndarray)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, expected)
    assert found == names
    return values


@pytest.mark.parametrize(
    "make",
    [
        pd.DataFrame,
        pl.DataFrame,
        pl.LazyFrame,
        pa.table,
        pa.RecordBatch.from_pydict,
        lambda columns: pd.DataFrame(columns).convert_dtypes(),
        lambda columns: pd.DataFrame(columns).astype("float32"),
        lambda columns: pd.DataFrame(columns, index=["b", "a", "c"]),
    ],
)
def test_frames(make):
    check(make(COLUMNS), EXPECTED, ("x", "y"))


@pytest.mark.parametrize(
    ("series", "names"),
    [
        (pd.Series([1, 2, 4], name="x"), ("x",)),
        (pd.Series([1, 2, 4]), None),
        (pd.Series([1, 2, 4], name=7), None),
        (pl.Series("x", [1, 2, 4]), ("x",)),
        (pl.Series([1, 2, 4]), None),
        (pa.chunked_array([[1], [2, 4]]), None),
        (pa.array([1, 2, 4]), None),
    ],
)
def test_series_are_one_column(series, names):
    check(series, [[1], [2], [4]], names)


@pytest.mark.parametrize(
    "X",
    [
        np.ones(3),
        np.ones((3, 2), np.float32),
        np.array([["a"]], dtype=object),
        [[1.0, 2.0]],
        (1, 2),
        "text",
        None,
        7,
        pd.Index([1, 2]),
        object(),
    ],
)
def test_everything_else_is_untouched(X):
    values, names = as_matrix(X)
    assert values is X
    assert names is None


def test_homogeneous_pandas_frame_is_not_copied():
    data = np.arange(6.0).reshape(3, 2)
    frame = pd.DataFrame(data, columns=["x", "y"], copy=False)
    assert np.shares_memory(check(frame, data, ("x", "y")), data)


@pytest.mark.parametrize(
    ("columns", "names"), [([0, 1], None), (["x", 1], None), (["x", ""], None), (["x", "y"],) * 2]
)
def test_names_are_strings_or_none(columns, names):
    check(pd.DataFrame(EXPECTED, columns=columns), EXPECTED, names and tuple(names))
    check(pd.DataFrame(EXPECTED, columns=columns).astype(object), EXPECTED, names and tuple(names))


NAN = float("nan")


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1, None], dtype="Float64"),
        pd.Series([1, None], dtype="int64[pyarrow]"),
        pd.Series([1, None], dtype=object),
        pd.Series([decimal.Decimal(1), None], dtype=object),
        pl.Series([1, None]),
        pl.Series([1.0, None]),
        pl.Series([decimal.Decimal(1), None]),
        pa.chunked_array([[1, None]]),
        pa.chunked_array([pa.array([decimal.Decimal(1), None])]),
        pa.chunked_array([pa.array([1.0, None], pa.float32())]),
    ],
)
def test_gaps_become_nan(series):
    check(series, [[1], [NAN]], None)


def test_other_numbers():
    check(pl.Series([2**63, 1], dtype=pl.UInt64), [[2.0**63], [1]], None)
    check(pa.chunked_array([[2**53 + 1, 1]]), [[2.0**53], [1]], None)
    check(pa.chunked_array([pa.array([1.5, 2.5]).dictionary_encode()]), [[1.5], [2.5]], None)
    check(pd.Series(pd.arrays.SparseArray([1.0, 0.0])), [[1], [0]], None)
    check(pa.chunked_array([pa.nulls(2)]), [[NAN], [NAN]], None)
    check(pl.DataFrame({"x": [None, None]}), [[NAN], [NAN]], ("x",))


@pytest.mark.parametrize(
    "column",
    [["a", "b"], [True, False], pd.to_datetime(["2020-01-01", "2021-01-01"]), [[1.0], [2.0]]],
)
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_columns_that_are_not_numeric(make, column):
    frame = make({"good": [1.0, 2.0], "bad\n": column})
    with pytest.raises(DataError) as caught:
        as_matrix(frame)
    assert str(caught.value).startswith("column 'bad\\n' is not numeric: it holds values of type ")
    assert str(caught.value).isprintable()


def test_series_without_name_that_is_not_numeric():
    with pytest.raises(DataError, match=r"^the column is not numeric"):
        as_matrix(pd.Series(["a"]))


def test_mixed_objects_are_not_numeric():
    with pytest.raises(DataError, match="column 'x'"):
        as_matrix(pd.DataFrame({"x": [1, "2"]}, dtype=object))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(EXPECTED, columns=["x", "x"]),
        pa.table([pa.array([1]), pa.array([2])], names=["x", "x"]),
    ],
)
def test_shared_names(frame):
    with pytest.raises(DataError, match="two columns of the data share a name"):
        as_matrix(frame)


@pytest.mark.parametrize("frame", [pd.DataFrame(index=[1, 2]), pl.DataFrame(), pa.table({})])
def test_frames_without_columns(frame):
    values, names = as_matrix(frame)
    assert values.shape[1] == 0
    assert names == ()


def test_arrays_do_not_cost_an_import():
    code = (
        "import numpy, sys; from mixtura.data.frames import as_matrix;"
        "as_matrix(numpy.ones(2)); sys.exit('narwhals' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_plain_matrices_are_those_that_can_be_taken_as_they_are() -> None:
    plain = np.arange(6.0).reshape(3, 2)
    for matrix in (plain, plain.astype(np.float32), plain[1:]):
        assert is_plain(matrix)
    for other in (
        *(plain.T, plain[:, ::2], plain[0], plain[None], plain[:0], plain.astype(int)),
        *(plain.astype(">f8"), plain.astype(np.float16), plain.tolist()),
        *(np.ma.masked_array(plain), plain.astype(complex)),
    ):
        assert not is_plain(other)
