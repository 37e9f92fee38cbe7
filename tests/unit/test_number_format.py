"""Numbers as people write them: separators, currencies, percentages, compressed files."""

import bz2
import gzip
import io
import lzma

import numpy as np
import pyarrow as pa
import pytest

from mixtura.data.file_table import MissingCells
from mixtura.data.number_format import NumberFormat
from mixtura.data.tabular import read_table
from mixtura.errors import DataError, InvalidArgumentError


def values(text: str, **options: object) -> list[list[float]]:
    numbers = NumberFormat(**options)  # type: ignore[arg-type]
    table = read_table("-", stdin=io.BytesIO(text.encode()), numbers=numbers)
    return table.values.tolist()


@pytest.mark.parametrize(
    ("text", "options", "found"),
    [
        ('a,b\n"1,234",2\n"12,345.5",3\n7,4\n', {"thousands": ","}, [1234.0, 12345.5, 7.0]),
        ("a;b\n1.234,5;2\n-12.345.678;3\n7,25;4\n", {"thousands": "."}, [1234.5, -12345678, 7.25]),
        ("a\tb\n1'234\t2\n12’345.5\t3\n7\t4\n", {"thousands": "'"}, [1234.0, 12345.5, 7.0]),
        ("a;b\n1 234,5;2\n12\u00a0345;3\n1\u202f000;4\n", {"thousands": " ", "decimal": ","},
         [1234.5, 12345.0, 1000.0]),
        ("a;b\n1_000;2\n5;3\n", {"thousands": "_"}, [1000.0, 5.0]),
        ("a;b\n1,5;2\n2;3\n", {"decimal": ","}, [1.5, 2.0]),
        ("a;b\n$5;2\n-$3.5;3\nUSD 7;4\n8 €;5\n", {"marks": True}, [5.0, -3.5, 7.0, 8.0]),
        ("a;b\n50 %;2\n12.5%;3\n2 %;4\n", {"marks": True}, [0.5, 0.125, 0.02]),
        ("a;b\n1.234,50 €;2\n-7 €;3\n", {"thousands": ".", "marks": True}, [1234.5, -7.0]),
    ],
)  # fmt: skip
def test_numbers_are_read_as_they_are_written(
    text: str, options: dict[str, object], found: list[float]
) -> None:
    assert [row[0] for row in values(text, **options)] == found


def test_groups_of_other_than_three_digits_are_no_numbers() -> None:
    with pytest.raises(DataError, match="'1,23' is not a number"):
        read_table(
            "-", ["a"], stdin=io.BytesIO(b'a,b\n"1,234",2\n"1,23",3\n'), numbers=NumberFormat(",")
        )


@pytest.mark.parametrize(
    ("cell", "option"), [("1.234.567", "thousands"), ("5 €", "marks"), ("5%", "marks")]
)
def test_refusals_name_the_option(cell: str, option: str) -> None:
    with pytest.raises(DataError, match=rf"not a number.*NumberFormat\({option}=") as caught:
        read_table("-", ["a"], stdin=io.BytesIO(f"a;b\n{cell};1\n".encode()))
    assert caught.value.remedy is not None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"thousands": "x"}, "thousands"),
        ({"decimal": ";"}, "decimal"),
        ({"thousands": ",", "decimal": ","}, "thousands"),
    ],
)
def test_other_marks_are_refused(options: dict[str, str], name: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        NumberFormat(**options)
    assert caught.value.argument == name


def test_cells_with_and_without_percent_signs_are_refused() -> None:
    with pytest.raises(DataError, match="'a' has cells with a percent sign and cells without"):
        read_table(
            "-", ["a"], stdin=io.BytesIO(b"a;b\n50 %;2\n0.1;3\n"), numbers=NumberFormat(marks=True)
        )


CONTENT = ("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(200))).encode()


def by_arrow(codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(CONTENT)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("packing", ["gzip", "two gzip", "bz2", "xz", "zstd", "lz4"])
def test_compressed_tables_are_unpacked(packing: str, tmp_path) -> None:
    packed = {
        "gzip": lambda: gzip.compress(CONTENT),
        "two gzip": lambda: gzip.compress(CONTENT[:99]) + gzip.compress(CONTENT[99:]),
        "bz2": lambda: bz2.compress(CONTENT),
        "xz": lambda: lzma.compress(CONTENT),
    }.get(packing, lambda: by_arrow(packing))()
    path = tmp_path / "table.csv.packed"
    path.write_bytes(packed)
    for found in (read_table(path), read_table("-", stdin=io.BytesIO(packed))):
        np.testing.assert_array_equal(found.values[:, 1], np.arange(200.0) ** 2)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="is damaged: it could not be unpacked"):
        read_table(path)


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("mixtura.data.sources.MOST_UNPACKED", 1000)
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(CONTENT))
    with pytest.raises(DataError, match="unpacks to more than"):
        read_table(path)


def test_columns_are_asked_for_excluded_and_kept() -> None:
    text = b"id,x,y,note\n001,1,4,a\n002,2,,b\n003,3,6,\n"

    def read(**options):
        return read_table("-", stdin=io.BytesIO(text), missing=MissingCells.INTEGRATE, **options)

    assert read(columns=["x,y"]).names == ("x", "y")
    assert read(columns=["x, y", "id"]).names == ("x", "y", "id")
    assert read(exclude=["id"]).names == ("x", "y")
    kept = read(columns=["x"], keep=["id", "note"]).kept
    assert {name: list(cells) for name, cells in kept.items()} == {
        "id": ["001", "002", "003"],
        "note": ["a", "b", None],
    }
    assert list(read(keep_all=True).kept) == ["id", "x", "y", "note"]
    with pytest.raises(DataError, match="cannot be asked for and excluded"):
        read(columns=["x"], exclude=["x"])
    with pytest.raises(DataError, match="there is no column 'z'"):
        read(exclude=["z"])
