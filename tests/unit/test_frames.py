"""Frames and series become matrices; all else passes through."""

import decimal
import fractions
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from mixtura.data.frames import as_matrix, is_plain
from mixtura.data.tabular import read_table
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
        "text",
        7,
        object(),
    ],
)
def test_everything_else_is_untouched(X):
    values, names = as_matrix(X)
    assert values is X
    assert names is None


@pytest.mark.parametrize("X", [[[1.0, 2.0]], (1, 2), pd.Index([1, 2])])
def test_what_numpy_makes_an_array_of_is_one(X):
    values, names = as_matrix(X)
    np.testing.assert_array_equal(values, np.asarray(X))
    assert names is None


class Variable:
    """Gives a masked array when asked for an array, as variables of netCDF files do."""

    def __init__(self, values):
        self.values = values

    def __array__(self):
        return self.values


MASKED = np.ma.masked_values([[1.0, 2.0], [-999.0, 4.0], [5.0, 6.0]], -999.0)
GAPPED = [[1.0, 2.0], [np.nan, 4.0], [5.0, 6.0]]


@pytest.mark.parametrize(
    "X",
    [
        MASKED,
        MASKED.astype(np.float32),
        MASKED.astype(int),
        MASKED.astype(object),
        list(MASKED),
        Variable(MASKED),
    ],
    ids=["float64", "float32", "int", "object", "list", "variable"],
)
def test_masked_cells_are_missing_cells(X):
    values, names = as_matrix(X)
    np.testing.assert_array_equal(np.asarray(values, dtype=float), GAPPED)
    assert names is None
    assert values.dtype == (np.float32 if getattr(X, "dtype", None) == np.float32 else float) or (
        values.dtype == object
    )


def test_a_mask_that_hides_nothing_costs_nothing():
    data = np.ones((3, 2))
    assert np.shares_memory(as_matrix(np.ma.array(data))[0], data)


class Stream:
    """Has an Arrow stream and nothing else."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class Annotated:
    """A matrix with names of its columns, as anndata has."""

    def __init__(self, X, var_names):
        self.X, self.var_names, self.obs_names = X, var_names, range(len(X))


class Astronomical:
    """A table that gives a structured array, masked where cells are, as astropy's does."""

    def __init__(self, array):
        self.array, self.colnames = array, list(array.dtype.names)

    def as_array(self):
        return self.array


RECORDS = np.array([(1.5, 1), (2.5, 2), (3.5, 3)], dtype=[("x", float), ("y", int)])


@pytest.mark.parametrize(
    "X",
    [
        COLUMNS,
        RECORDS,
        RECORDS.view(np.recarray),
        Astronomical(np.ma.array(RECORDS)),
        Stream(pa.table(COLUMNS)),
        pa.table(COLUMNS).to_reader(),
        Annotated(EXPECTED, ["x", "y"]),
        pl.DataFrame({"x": COLUMNS["x"], "y": pl.Series(COLUMNS["y"], dtype=pl.Int128)}),
    ],
    ids=lambda X: type(X).__name__,
)
def test_tables_of_many_kinds_are_matrices_with_names(X):
    check(X, EXPECTED, ("x", "y"))


def test_missing_cells_of_tables_are_missing():
    masked = np.ma.array(RECORDS, mask=[(0, 0), (0, 1), (0, 0)])
    expected = np.where([[0, 0], [0, 1], [0, 0]], np.nan, EXPECTED)
    check(Astronomical(masked), expected, ("x", "y"))
    check({"x": COLUMNS["x"], "y": [1, None, 3]}, expected, ("x", "y"))


def test_labelled_arrays_and_data_sets_keep_their_names():
    xr = pytest.importorskip("xarray")
    check(xr.DataArray(EXPECTED, dims=("n", "f"), coords={"f": ["x", "y"]}), EXPECTED, ("x", "y"))
    check(xr.DataArray(EXPECTED), EXPECTED, None)
    check(xr.Dataset({"x": ("n", COLUMNS["x"]), "y": ("n", COLUMNS["y"])}), EXPECTED, ("x", "y"))
    with pytest.raises(DataError, match="do not lie along one dimension"):
        as_matrix(xr.Dataset({"x": (("n", "f"), EXPECTED)}))


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16", "int32"])
def test_tensors_are_matrices(dtype):
    torch = pytest.importorskip("torch")
    values = np.round(EXPECTED)
    tensor = torch.tensor(values).to(getattr(torch, dtype))
    found, names = as_matrix(tensor)
    np.testing.assert_array_equal(found, values)
    assert found.dtype == (np.float32 if dtype == "float32" else np.float64)
    assert names is None
    np.testing.assert_array_equal(as_matrix(torch.tensor(values, requires_grad=True))[0], values)


def test_a_column_of_arrays_is_as_many_features():
    wide = pl.Series("v", [[1.0, 2.0], [3.0, 4.0]], dtype=pl.Array(pl.Float64, 2))
    check(wide, [[1, 2], [3, 4]], ("v_0", "v_1"))
    frame = pl.DataFrame([wide, pl.Series("w", [5, 6])])
    check(frame, [[1, 2, 5], [3, 4, 6]], ("v_0", "v_1", "w"))


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (None, "X is None"),
        (pl.DataFrame({"v": [[1.0, 2.0], [3.0, 4.0]]}), "column 'v' is not numeric.*unnest"),
        (pl.DataFrame({"v": [{"a": 1.0}, {"a": 2.0}]}), "column 'v' is not numeric.*unnest"),
        ({"x": [1.0, 2.0], "y": [1.0]}, "columns of one length"),
        ({"x": [1.0, 2.0], "y": ["a", "b"]}, "column 'y' is not numeric"),
        ({"x": 1.0}, "columns of one length"),
    ],
    ids=["None", "lists", "structs", "lengths", "texts", "number"],
)
def test_tables_that_are_none_are_refused_in_one_line(X, said):
    with pytest.raises(DataError, match=said) as caught:
        as_matrix(X)
    assert str(caught.value).isprintable()


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
    [["a", "b"], pd.to_datetime(["2020-01-01", "2021-01-01"]), [[1.0], [2.0]]],
)
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_columns_that_are_not_numeric(make, column):
    frame = make({"good": [1.0, 2.0], "bad\n": column})
    with pytest.raises(DataError) as caught:
        as_matrix(frame)
    assert str(caught.value).startswith("column 'bad\\n' is not numeric: it holds values of type ")
    assert str(caught.value).isprintable()


DATES = np.array(["2020-01-01", "NaT"], "datetime64[D]")


@pytest.mark.parametrize(
    "column",
    [
        ["1", "2"],
        [b"1", b"2"],
        DATES,
        DATES - DATES[0],
        np.array([1, "2"], dtype=object),
        np.array([1, DATES[1]], dtype=object),
    ],
    ids=["texts", "bytes", "dates", "durations", "a text", "a date"],
)
def test_what_is_no_number_in_a_frame_is_none_in_an_array(column):
    for make in (
        lambda cells: pd.DataFrame({"x": cells}),
        pd.Series,
        lambda cells: np.asarray(cells).reshape(-1, 1),
        lambda cells: np.asarray(cells).reshape(-1, 1).astype(object),
        lambda cells: [[cell] for cell in cells],
    ):
        with pytest.raises(DataError, match=r"numeric|must be an array of numbers"):
            as_matrix(make(column))


@pytest.mark.parametrize(
    ("column", "numbers"),
    [
        ([True, False], [1.0, 0.0]),
        ([True, None], [1.0, NAN]),
        ([decimal.Decimal("0.1"), None], [0.1, NAN]),
        ([fractions.Fraction(1, 3), 2], [1 / 3, 2.0]),
    ],
)
def test_what_is_a_number_in_a_frame_is_one_in_an_array(column, numbers):
    expected = np.reshape(numbers, (-1, 1))
    made = [pd.DataFrame({"x": column}), pd.Series(column), [[cell] for cell in column]]
    made += [np.array(column, dtype=object)[:, None]]
    if not isinstance(column[0], fractions.Fraction):
        made += [pl.DataFrame({"x": column}), pa.table({"x": column})]
    for X in made:
        values = np.asarray(as_matrix(X)[0], dtype=float)
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(
    "kind",
    [pa.decimal128(38, 18), pa.decimal128(10, 2), pa.decimal256(60, 30), pa.decimal128(9, -3)],
    ids=str,
)
def test_decimals_are_the_nearest_numbers(kind, rng, tmp_path):
    """By Python, which rounds correctly, in frames of three libraries and in files of two kinds."""
    cells = [
        decimal.Decimal(int(digits)).scaleb(-kind.scale)
        for digits in [1, *rng.integers(-(10**8), 10**8, size=500)]
    ]
    if kind.scale == 18:
        cells.append(decimal.Decimal("0.1"))
    expected = np.array([[float(cell)] for cell in cells])
    table = pa.table({"x": pa.array(cells, kind)})
    frames = [table]
    if isinstance(kind, pa.Decimal128Type) and kind.scale >= 0:
        frames.append(pl.from_arrow(table))
        frames.append(pd.DataFrame({"x": pd.Series(cells, dtype=pd.ArrowDtype(kind))}))
    for frame in frames:
        np.testing.assert_array_equal(as_matrix(frame)[0], expected)
    parquet, arrow = tmp_path / "x.parquet", tmp_path / "x.arrow"
    feather.write_feather(table, arrow, compression="uncompressed")
    np.testing.assert_array_equal(read_table(arrow).values, expected)
    if kind.scale >= 0:  # Parquet has no others
        pq.write_table(table, parquet)
        np.testing.assert_array_equal(read_table(parquet).values, expected)


def test_missing_values_of_pandas_are_missing_in_objects():
    for X in (np.array([[1], [pd.NA]], dtype=object), pd.DataFrame([1, pd.NA], dtype=object)):
        np.testing.assert_array_equal(as_matrix(X)[0], [[1.0], [NAN]])


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="rows of one length"):
        as_matrix([[1.0, 2.0], [3.0]])


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
