"""Reading tables: what is understood, what is guessed and what is refused."""

import csv
import decimal
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from mixtura.data.tabular import FileTable, read_table
from mixtura.errors import DataError

GAP = "missing values in the columns used"


def read(content: str | bytes, **options) -> FileTable:
    content = content.encode() if isinstance(content, str) else content
    table = read_table("-", stdin=io.BytesIO(content), **options)
    assert table.values.dtype == np.float64
    assert table.values.flags.c_contiguous
    assert table.values.shape == (len(table.values), len(table.names))
    assert all(note.isprintable() and note.endswith(".") for note in table.notes)
    return table


def refusal(content: str | bytes, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(content, **options)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith("standard input: ")
    return message.removeprefix("standard input: ")


def attempt(content: str | bytes) -> FileTable | None:
    """Return the table, or None if it was refused in one printable line."""
    try:
        return read(content)
    except DataError as error:
        message = str(error)
    assert message.isprintable()
    return None


def arrow_bytes(table: pa.Table, kind: str, **options) -> bytes:
    sink = io.BytesIO()
    if kind == "parquet":
        pq.write_table(table, sink, **options)
    elif kind == "feather":
        feather.write_feather(table, sink, **options)
    else:
        new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
        with new(sink, table.schema, **options) as writer:
            writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


COLUMNAR = ["parquet", "file", "stream", "feather"]


class TestGuesses:
    @pytest.mark.parametrize(
        ("text", "names", "values", "note"),
        [
            ("a,b\n1,2\n3,4\n", "a b", [[1, 2], [3, 4]], "separated by commas"),
            ("a,b\n1,2\n3,4", "a b", [[1, 2], [3, 4]], "first row names"),
            ("a,b\r\n1,2\r\n3,4\r\n", "a b", [[1, 2], [3, 4]], "commas"),
            ("a,b\r1,2\r3,4\r", "a b", [[1, 2], [3, 4]], "commas"),
            ("a;b\n1;2\n3;4\n", "a b", [[1, 2], [3, 4]], "semicolons"),
            ("a\tb\n1\t2\n3\t4\n", "a b", [[1, 2], [3, 4]], "tabs"),
            ("a|b\n1|2\n3|4\n", "a b", [[1, 2], [3, 4]], "vertical bars"),
            ("a b\n1 2\n3 4\n", "a b", [[1, 2], [3, 4]], "blanks"),
            ("  a    b\n  1 \t 2\n 30    4 \n", "a b", [[1, 2], [30, 4]], "blanks"),
            ("a;b\n1,5;2\n3;4,25\n", "a b", [[1.5, 2], [3, 4.25]], "decimal mark is a comma"),
            ("a\tb\n1,5\t2\n", "a b", [[1.5, 2]], "decimal mark is a comma"),
            ("1,5;2,5;3,5\n4,5;5,5;6,5\n", None, [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]], "comma:"),
            ("a;b\n1.5;2\n", "a b", [[1.5, 2]], "semicolons"),
            ("1,2\n3,4\n", None, [[1, 2], [3, 4]], "called column_1 to column_2"),
            ("1\n2\n", None, [[1], [2]], "columns are called column_1."),
            ("5\n", None, [[5]], "Each line holds one cell"),
            ("petal length\n1.4\n1.5\n", "petal length", [[1.4], [1.5]], "one cell"),
            ("a, b\n1, 2\n3, 4\n", "a b", [[1, 2], [3, 4]], "commas"),
            ("a,b\n\n1,2\n\n3,4\n\n\n", "a b", [[1, 2], [3, 4]], "commas"),
            ("a\n1\n2\n\n\n", "a", [[1], [2]], "one cell"),
            ("# one\n\n# two\na,b\n1,2\n", "a b", [[1, 2]], "Skipped 2 comment lines"),
            ("# one\n1 2\n", None, [[1, 2]], "Skipped 1 comment line "),
            ('"a","b"\n"1.5","2"\n', "a b", [[1.5, 2]], "first row names"),
            ("a,b\n+1.5,.5\n5.,-1e3\n 2 ,3E-2\n", "a b", [[1.5, 0.5], [5, -1000], [2, 0.03]], ""),
            ("a,b,\n1,2,\n3,4,\n", "a b", [[1, 2], [3, 4]], "Left out column 'column_3': no v"),
            ("2019,x\n1,2\n", "2019 x", [[1, 2]], "first row names"),
        ],
    )
    def test_dialects(self, text, names, values, note):
        table = read(text)
        if names is None:
            expected = tuple(f"column_{j}" for j in range(1, len(values[0]) + 1))
        else:
            expected = (names,) if "petal" in names else tuple(names.split())
        assert table.names == expected
        np.testing.assert_array_equal(table.values, values)
        assert note in " ".join(table.notes)

    @pytest.mark.parametrize(
        ("encoding", "note"),
        [
            ("utf-8", ""),
            ("utf-8-sig", ""),
            ("utf-16", "UTF-16"),
            ("utf-32", "UTF-32"),
            ("cp1252", "Windows-1252"),
        ],
    )
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", " "])
    def test_encodings(self, encoding, note, delimiter):
        lines = (("größe", "b", "art"), ("1.5", "2", "ä"), ("2.5", "3", "ß"))
        content = "\r\n".join(delimiter.join(line) for line in lines).encode(encoding)
        table = read(content)
        assert table.names == ("größe", "b")
        np.testing.assert_array_equal(table.values, [[1.5, 2], [2.5, 3]])
        assert note in " ".join(table.notes)

    def test_latin_1_is_the_last_resort(self):
        table = read(b"x\x81,b\n1,2\n")
        assert table.names == ("x\x81", "b")
        assert "The text is not UTF-8; it was read as Latin-1." in table.notes

    def test_file_without_header_may_hold_words(self):
        table = read("5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n")
        assert table.names == ("column_1", "column_2")
        assert table.notes[-1] == "Left out column 'column_3': not numeric."

    def test_quoted_cells_hold_delimiters_and_line_ends(self):
        table = read('a,"b ""q""\nb",c\n1,"x\ny, z",2\n3,"",4\n')
        assert table.names == ("a", "c")
        np.testing.assert_array_equal(table.values, [[1, 2], [3, 4]])
        assert "Left out column 'b \"q\"\\nb': not numeric." in table.notes

    @pytest.mark.parametrize("quote", ['5" pipe', 'a"b"c"'])
    def test_a_quote_inside_a_cell_is_a_character(self, quote):
        np.testing.assert_array_equal(read(f'a,b\n1,{quote}\n2,"x\ny"\n').values, [[1], [2]])

    def test_dates_times_and_booleans_are_not_numbers(self):
        table = read("x,d,t,s,b,w\n1,2020-01-01,12:30,2020-01-01 12:30:00,true,False\n")
        assert table.names == ("x",)
        assert table.notes[-1] == "Left out columns 'd', 't', 's', 'b', 'w': not numeric."

    def test_few_numbers_among_words_are_words(self):
        assert read("a,b\n1,x\n2,y\n3,4\n").names == ("a",)

    @pytest.mark.parametrize("first", [0, 1])
    def test_unnamed_row_numbers_are_left_out_unless_asked_for(self, first):
        text = f',x\n{first},1.5\n{first + 1},2.5\n{first + 2},"3.5"\n'
        table = read(text)
        assert table.names == ("x",)
        assert table.notes[-1] == "Left out column 'column_1': it only numbers the rows."
        assert read(text, columns=["column_1"]).values[0, 0] == first
        assert read(text.replace(f"{first + 1},2", "7,2")).names == ("column_1", "x")

    def test_header_is_found_behind_long_comments(self):
        text = "# long comment, with commas\n" * 20000 + "a;b\n1,5;2\n"
        np.testing.assert_array_equal(read(text).values, [[1.5, 2]])

    def test_very_long_lines(self):
        width = 20_000
        header = ",".join(f"x{j}" for j in range(width))
        table = read(f"{header}\n{','.join(['1.25'] * width)}\n")
        assert table.values.shape == (1, width)
        assert (table.values == 1.25).all()

    def test_late_decimals_and_late_words(self):
        text = "a,b\n" + "1,2\n" * 200_000
        assert read(text + "1.5,2\n").values[-1, 0] == 1.5
        message = refusal(text + "1,oops\n")
        assert message.startswith("row 200001 (line 200002), column 'b': 'oops' is not a number")

    @pytest.mark.parametrize(
        ("delimiter", "mark"), [*((d, ".") for d in ",;\t| "), *((d, ",") for d in ";\t| ")]
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_round_trip_is_exact(self, delimiter, mark, encoding):
        rng = np.random.default_rng(5)
        values = rng.normal(size=(2000, 3)) * 10.0 ** rng.integers(-200, 200, size=(2000, 3))
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter)
        writer.writerow(["x", "y", "z"])
        writer.writerows([repr(float(v)).replace(".", mark) for v in row] for row in values)
        np.testing.assert_array_equal(read(text.getvalue().encode(encoding)).values, values)


class TestChoice:
    TEXT = "a,b,name,w\n1,2,x,1\n3,4,y,0.5\n"

    def test_columns_come_in_the_order_asked_for(self):
        table = read(self.TEXT, columns=["b", "a"])
        assert table.names == ("b", "a")
        assert table.weights is None
        np.testing.assert_array_equal(table.values, [[2, 1], [4, 3]])

    def test_one_column_by_its_name_alone(self):
        assert read(self.TEXT, columns="b").names == ("b",)

    def test_weights_are_not_data(self):
        table = read(self.TEXT, weights="w")
        assert table.names == ("a", "b")
        np.testing.assert_array_equal(table.weights, [1, 0.5])
        assert table.weights.flags.c_contiguous
        table = read(self.TEXT, columns=["a"], weights="b")
        np.testing.assert_array_equal(table.weights, [2, 4])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"columns": ["B"]}, "there is no column 'B' (did you mean 'b'?); there are 'a', 'b'"),
            ({"columns": ["nmae"]}, "there is no column 'nmae' (did you mean 'name'?); there"),
            ({"columns": ["q\n"]}, "there is no column 'q\\n'; there are 'a', 'b', 'name', 'w'"),
            ({"weights": "q"}, "there is no column 'q'; there are 'a', 'b', 'name', 'w'"),
            ({"columns": []}, "no column was asked for; there are 'a', 'b', 'name', 'w'"),
            ({"columns": ["a", "a"]}, "column 'a' was asked for 2 times"),
            ({"columns": ["a", "w"], "weights": "w"}, "column 'w' cannot be data and weights"),
            ({"columns": ["name"]}, "row 1 (line 2), column 'name': 'x' is not a number"),
            ({"weights": "name"}, "row 1 (line 2), column 'name': 'x' is not a number"),
        ],
    )
    def test_refused_choices(self, options, message):
        assert refusal(self.TEXT, **options).startswith(message)

    def test_many_columns_are_not_all_listed(self):
        text = ",".join(f"x{j}" for j in range(50)) + "\n" + ",".join(["1"] * 50) + "\n"
        assert refusal(text, columns=["zzz"]).endswith("'x9' and 40 more")

    def test_weights_only_is_no_data(self):
        assert refusal("w,s\n1,x\n", weights="w").startswith("no column holds numbers")

    def test_shared_names(self):
        assert read("a,a\n1,x\n").values.tolist() == [[1]]
        assert read("a,a,b\n1,2,3\n", columns=["b"]).values.tolist() == [[3]]
        message = "columns 1 and 2 are both called 'a': rename one of them"
        assert refusal("a,a,b\n1,2,3\n") == message + ", or name the columns to read"
        assert refusal("a,a,b\n1,x,3\n", columns=["a"]) == message
        assert refusal("a,a,b\n1,2,3\n", weights="a") == message


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "is empty"),
            ("\n \r\n\t\n", "is empty"),
            ("\ufeff", "is empty"),
            ("a,b\n", "has a header but no rows"),
            ("# a\n#b\n", "has no rows, only comments or empty lines"),
            ("a\nx\n", "no column holds numbers; there are 'a'"),
            ("a,b\n1,2\n3\n", "row 2 (line 3) has 1 cell where the first row of the file has 2"),
            ("a,b\n1,2\n\n3,4,5\n", "row 2 (line 4) has 3 cells where the first row of the file"),
            ("a b\n1 2\n3 4 5\n", "row 2 (line 3) has 3 cells where the first row of the file"),
            ("x\n1,5\n2,5\n", "row 1 (line 2) has 2 cells where the first row of the file has 1"),
            ('a,b\n1,"x\n2,3\n', "a double quote after line 1 is never closed, or closed in the"),
            ('a,b\n1,"x\n2,y\n3,"z"\n', "a double quote after line 1 is never closed, or closed"),
            ("a,b\n1,\0\n", "line 2 holds a NUL byte: the file is binary, or UTF-16 text without"),
            ("a,b\n1,2\n3,x\n4,5\n", "row 2 (line 3), column 'b': 'x' is not a number; 2 of the 3"),
            ('a,b\n1,"\n"\n\n2,x\n3,4\n5,6', "row 2 (line 5), column 'b': 'x' is not a number"),
            (
                "a;b\n1.5;1\n2,5;1\n",
                "row 2 (line 3), column 'a': '2,5' is not a number; 1 of the 2",
            ),
            ("a,b\n1,inf\n", "row 1 (line 2), column 'b': 'inf' is infinite"),
            ("a,b\n1,-1e999\n", "row 1 (line 2), column 'b': '-1e999' is infinite"),
            ("a\n1\n\n2\n", f"row 2 (line 3), column 'a': the value is missing; 1 row has {GAP}"),
        ],
    )
    def test_messages(self, text, message):
        assert refusal(text).startswith(message)

    @pytest.mark.parametrize(
        "word", ["", "NA", "NaN", "nan", "null", "None", "N/A", "?", "-", ".", " NA ", "#N/A"]
    )
    @pytest.mark.parametrize(
        "options", [{}, {"columns": ["b"]}, {"columns": ["a"], "weights": "b"}]
    )
    def test_missing_values(self, word, options):
        message = refusal(f"a,b\n1,2\n2,{word}\n3,{word}\n4,5\n", **options)
        shown = f" ({word!r})" if word.strip() else ""
        assert message.startswith("row 2 (line 3), column 'b': the value")
        assert message.endswith(f"value{shown} is missing; 2 rows have {GAP}")

    def test_missing_values_elsewhere_do_not_matter(self):
        assert read("a,b\n1,\n2,3\n", columns=["a"]).values.tolist() == [[1], [2]]
        assert read("a,b\n1,\n2,NA\n").notes[-1] == "Left out column 'b': no values."
        assert refusal("a,b\n1,\n2,NA\n", columns=["b"]) == "column 'b' has no values, not numbers"

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            ("1 -2 3", "row 2 (line 3), column 'w': the weight '-2' is negative"),
            ("0 0 0", "the weights in column 'w' sum to 0"),
            ("1e308 1e308 1e308", "the weights in column 'w' sum to inf"),
            ("1 inf 3", "row 2 (line 3), column 'w': 'inf' is infinite"),
            ("1 NA 3", "row 2 (line 3), column 'w': the value ('NA') is missing; 1 row has"),
        ],
    )
    def test_weights(self, weights, message):
        text = "x,w\n" + "".join(f"1,{w}\n" for w in weights.split())
        assert refusal(text, weights="w").startswith(message)

    def test_user_text_is_escaped_and_cut(self):
        message = refusal(f"a,\x1b[31mb\x1b[0m\n1,{'é' * 100}\n", columns=["\x1b[31mb\x1b[0m"])
        assert message == (
            f"row 1 (line 2), column '\\x1b[31mb\\x1b[0m': '{'é' * 39}…' is not a number"
        )
        assert "'a\\u202e'" in refusal("a\u202e,b\n1,x\n", columns=["zz"])

    @pytest.mark.parametrize(
        ("encoding", "name"), [("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("utf-8-sig", "UTF-8")]
    )
    def test_bytes_against_the_byte_order_mark(self, encoding, name):
        content = "a,b\n1,2\n".encode(encoding) + b"\xff"
        assert refusal(content) == f"begins as {name} text but has bytes that are not {name}"

    @pytest.mark.parametrize(
        ("head", "word"),
        [
            (b"PK\x03\x04", "Excel"),
            (b"\xd0\xcf\x11\xe0", "Excel"),
            (b"FEA1", "Feather"),
            (b"\x89HDF\r\n", "HDF5"),
            (b"\x93NUMPY", "NumPy"),
        ],
    )
    def test_foreign_formats_are_named(self, head, word):
        assert word in refusal(head + b"rest")

    def test_random_bytes(self):
        rng = np.random.default_rng(0)
        for size in range(1, 300):
            content = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
            attempt(content)

    def test_random_texts(self):
        rng = np.random.default_rng(1)
        pieces = [*"12.,;\t|\"'\n\r #-eNAx\0é ", "\r\n", "1.5", "2,5", "NaN", "true", "\x85"]
        for size in np.tile(np.arange(1, 40), 15):
            text = "".join(rng.choice(pieces, size))
            attempt(text)


class TestPlaces:
    def test_file(self, tmp_path):
        path = tmp_path / "data.csv"
        path.write_text("a,b\n1,2\n")
        table = read_table(path)
        assert table.source == str(path)
        assert read_table(str(path)).values.tolist() == [[1, 2]]

    def test_unprintable_path(self, tmp_path):
        path = tmp_path / "a\nb.csv"
        path.write_text("a,b\n1,x\n")
        assert "a\\nb.csv" in read_table(path).source
        with pytest.raises(DataError, match=r"a\\nb\.csv': row 1 \(line 2\), column 'b'"):
            read_table(path, columns=["b"])

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("/no/such/file.csv", "/no/such/file.csv: no such file or directory"),
            ("a\0b", r"'a\x00b': embedded null byte"),
            ("https://example.org/a.csv", "addresses are not supported: download the file first"),
            (Path("s3://bucket/a.csv"), "addresses are not supported: download the file first"),
            (os.devnull, "is not a regular file: use '-' for standard input"),
            ("x" * 5000, "name too long"),
        ],
    )
    def test_nothing_there(self, source, message):
        with pytest.raises(DataError) as caught:
            read_table(source)
        assert message in str(caught.value)
        assert str(caught.value).isprintable()

    def test_directory(self, tmp_path):
        with pytest.raises(DataError, match="is a directory: name a file in it"):
            read_table(tmp_path)

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read all files")
    def test_unreadable_file(self, tmp_path):
        path = tmp_path / "data.csv"
        path.write_text("a,b\n1,2\n")
        path.chmod(0)
        with pytest.raises(DataError, match="permission denied"):
            read_table(path)

    def test_the_ending_must_not_lie(self, tmp_path):
        path = tmp_path / "data.parquet"
        path.write_text("a,b\n1,2\n")
        with pytest.raises(DataError, match=r"is named \.parquet but is not such a file"):
            read_table(path)
        path = tmp_path / "data.csv"
        path.write_bytes(arrow_bytes(pa.table({"a": [1.5]}), "parquet"))
        assert read_table(path).values.tolist() == [[1.5]]
        path = tmp_path / "data.csv.gz"  # pyarrow would try to unpack it
        path.write_text("a,b\n1,2\n")
        assert read_table(path).values.tolist() == [[1, 2]]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    @pytest.mark.parametrize("kind", ["text", "parquet"])
    def test_named_pipe(self, tmp_path, kind):
        content = b"a\n1.5\n"
        if kind == "parquet":
            content = arrow_bytes(pa.table({"a": [1.5]}), kind)
        path = tmp_path / "pipe"
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_bytes, args=(content,))
        writer.start()
        try:
            assert read_table(path).values.tolist() == [[1.5]]
        finally:
            writer.join()

    def test_standard_input_of_the_process(self):
        code = "from mixtura.data.tabular import read_table as r; print(r('-').values.sum())"
        done = subprocess.run(
            [sys.executable, "-c", code], input=b"a,b\n1,2\n3,4\n", capture_output=True, check=True
        )
        assert done.stdout.split() == [b"10.0"]

    def test_importing_the_reader_leaves_pyarrow_alone(self):
        code = (
            "import mixtura.data.tabular, mixtura.data.frames, sys;"
            "sys.exit(bool({'pyarrow', 'narwhals', 'pandas'} & set(sys.modules)))"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


class TestColumnar:
    @pytest.mark.parametrize("kind", COLUMNAR)
    def test_numeric_types(self, kind, tmp_path):
        columns = {
            "i8": pa.array([1, 2, 3], pa.int8()),
            "u64": pa.array([1, 2, 2**63], pa.uint64()),
            "big": pa.array([1, 2, 2**53 + 1], pa.int64()),
            "f16": pa.array(np.array([1, 2, 0.5], np.float16)),
            "f32": pa.array([1, 2, 0.5], pa.float32()),
            "f64": pa.array([1, 2, 0.1], pa.float64()),
            "d128": pa.array([decimal.Decimal(k) / 4 for k in (1, 2, 3)], pa.decimal128(10, 3)),
            "dict": pa.array([1.5, 2.5, 1.5]).dictionary_encode(),
            "int_dict": pa.array([7, 8, 7]).dictionary_encode(),
        }
        columns |= {
            "name": pa.array(["x", "y", "z"]),
            "name_dict": pa.array(["x", "y", "x"]).dictionary_encode(),
            "flag": pa.array([True, False, True]),
            "day": pa.array([1, 2, 3], pa.date32()),
            "list": pa.array([[1.0], [], [2.0]]),
            "void": pa.nulls(3),
        }
        content = arrow_bytes(pa.table(columns), kind)
        path = tmp_path / "data"
        path.write_bytes(content)
        for table in (read(content), read_table(path)):
            assert table.names == tuple(list(columns)[:9])
            np.testing.assert_array_equal(
                table.values[:, :6],
                np.array([[1] * 6, [2] * 6, [3, 2.0**63, 2.0**53, 0.5, 0.5, 0.1]]),
            )
            np.testing.assert_array_equal(table.values[:, 6], [0.25, 0.5, 0.75])
            np.testing.assert_array_equal(table.values[:, 7:], [[1.5, 7], [2.5, 8], [1.5, 7]])
            assert "Left out columns 'name', 'name_dict', 'flag', 'day', 'list'" in table.notes[-2]
            assert table.notes[-1] == "Left out column 'void': no values."
        assert "Arrow" in table.notes[0] or "Parquet" in table.notes[0]

    def test_run_end_encoded(self):
        table = pa.table({"r": pc.run_end_encode(pa.array([1.5, 1.5, 2.5])), "x": [1, 2, 3]})
        content = arrow_bytes(table, "file")
        assert read(content).values.tolist() == [[1.5, 1], [1.5, 2], [2.5, 3]]

    @pytest.mark.parametrize("kind", COLUMNAR)
    def test_choice_and_order(self, kind):
        content = arrow_bytes(
            pa.table({"a": [1, 2, 3], "s": ["x"] * 3, "b": [4.0, 5, 6], "w": [1, 1, 2]}), kind
        )
        table = read(content, columns=["b", "a"], weights="w")
        assert table.names == ("b", "a")
        assert table.values.tolist() == [[4, 1], [5, 2], [6, 3]]
        assert table.weights.tolist() == [1, 1, 2]
        assert read(content, weights="w").names == ("a", "b")
        assert refusal(content, columns=["s"]) == (
            "column 's' has values of type string, not numbers"
        )
        assert refusal(content, weights="s").startswith("column 's' has values of type string")

    @pytest.mark.parametrize("kind", COLUMNAR)
    def test_cells_that_are_no_numbers(self, kind):
        table = pa.table({"a": [1, None, 3], "b": [np.nan, 1, np.nan], "c": [1, 2, np.inf]})
        content = arrow_bytes(table, kind)
        for columns, message in {
            ("a",): "row 2, column 'a': the value ('None') is missing; 1 row has",
            ("a", "b"): "row 1, column 'b': the value ('nan') is missing; 3 rows have",
            ("c",): "row 3, column 'c': 'inf' is infinite",
        }.items():
            assert refusal(content, columns=columns).startswith(message)

    @pytest.mark.parametrize("kind", COLUMNAR)
    def test_nothing_in_it(self, kind):
        assert refusal(arrow_bytes(pa.table({"a": pa.array([], pa.float64())}), kind)) == (
            "has no rows"
        )
        assert refusal(arrow_bytes(pa.table({"s": ["x"]}), kind)).startswith("no column holds")
        if kind != "feather":
            assert refusal(arrow_bytes(pa.table({}), kind)) == "has no columns"

    @pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
    def test_shared_names(self, kind):
        arrays = [pa.array([1.0]), pa.array(["x"]), pa.array([2.0]), pa.array([3.0])]
        content = arrow_bytes(pa.table(arrays, names=["a", "a", "b", "a.b"]), kind)
        table = read(content)
        assert table.names == ("a", "b", "a.b")
        assert table.values.tolist() == [[1, 2, 3]]
        assert "columns 1 and 2 are both called 'a'" in refusal(content, columns=["a"])
        content = arrow_bytes(pa.table([*arrays[:1], arrays[2]], names=["a", "a"]), kind)
        assert "columns 1 and 2 are both called 'a'" in refusal(content)

    def test_pandas_index_is_left_out(self):
        table = pa.table({"x": [1.5, 2.5], "__index_level_0__": [0, 1]})
        assert read(arrow_bytes(table, "parquet")).names == ("x",)

    def test_stream_without_end_mark_is_doubtful(self):
        content = arrow_bytes(pa.table({"x": [1.5, 2.5, 3.5]}), "stream")
        assert len(read(content).notes) == 1
        assert "no end mark" in read(content[:-8]).notes[1]

    @pytest.mark.parametrize("kind", COLUMNAR)
    def test_every_truncation_is_noticed(self, kind):
        content = arrow_bytes(pa.table({"x": [1.5, 2.5, 3.5], "s": ["a", "b", "c"]}), kind)
        for size in range(8, len(content), 7):
            table = attempt(content[:size])
            if table is not None:
                assert kind == "stream"
                assert "no end mark" in table.notes[1]


FUZZ = """
import io, random, sys
import numpy as np
from mixtura.data.tabular import read_table
from mixtura.errors import DataError

def damaged(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        # Metadata lie at the end of files: hit them often.
        near_end = len(content) - 1 - min(int(rng.expovariate(1 / 300)), len(content) - 9)
        i = rng.choice([rng.randrange(8, len(content)), near_end])
        change = rng.randrange(4)
        if change == 0:
            content[i] ^= 1 << rng.randrange(8)
        elif change == 1:
            content[i] = rng.choice([0, 255, 127, 128, 1])
        elif change == 2:
            extremes = [b"\\xff\\xff\\xff\\x7f", b"\\0\\0\\0\\x80", b"\\xff" * 4]
            content[i:i + 4] = rng.choice(extremes)
        else:
            del content[i:i + rng.randrange(1, 9)]
    return bytes(content)

for path in sys.argv[1:]:
    with open(path, "rb") as file:
        whole = file.read()
    for seed in range(60):
        print(path, seed, file=sys.stderr)
        try:
            table = read_table("-", stdin=io.BytesIO(damaged(whole, random.Random(seed))))
        except DataError as error:
            assert str(error).isprintable(), str(error)
        else:
            assert np.isfinite(table.values).all()
            assert table.values.shape[1] == len(table.names)
"""


def test_damaged_files_never_end_the_process(tmp_path):
    rng = np.random.default_rng(0)
    n = 60
    table = pa.table(
        {
            "x": rng.normal(size=n),
            "i": pa.array(range(n), pa.int32()),
            "h": pa.array(rng.normal(size=n).astype(np.float16)),
            "d": pa.array([float(k % 4) for k in range(n)]).dictionary_encode(),
            "dec": pa.array([decimal.Decimal(k) / 4 for k in range(n)], pa.decimal128(12, 3)),
            "s": pa.array([f"s{k % 5}" for k in range(n)]).dictionary_encode(),
            "l": [[1.0] * (k % 3) for k in range(n)],
        }
    )
    files = {}
    for compression in ("none", "snappy", "zstd"):
        for version in ("1.0", "2.0"):
            files[f"{compression}{version}.parquet"] = arrow_bytes(
                table,
                "parquet",
                compression=compression,
                data_page_version=version,
                row_group_size=25,
                write_page_checksum=compression == "zstd",
            )
    for compression in (None, "lz4", "zstd"):
        options = pa.ipc.IpcWriteOptions(compression=compression)
        for kind in ("file", "stream"):
            files[f"{compression}.{kind}"] = arrow_bytes(table, kind, options=options)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, *(str(tmp_path / name) for name in files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
