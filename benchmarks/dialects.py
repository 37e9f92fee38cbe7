"""How often libraries guess how a table of text is written, beside mixtura.

    python -m benchmarks.dialects

CleverCSV and DuckDB are asked where they are installed; none of the others guesses decimal marks.
"""

import csv
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mixtura.data.dialect import guess_dialect, scan
from mixtura.data.sources import open_source

Answer = tuple[str | None, str, bool]
"""Delimiter (None for a single column), decimal mark, and whether the first row is a header."""


def table(delimiter: str, decimal: str, header: bool, **unusual: str) -> str:
    """Return 40 rows of three columns, or what is unusual about them."""
    rows = [[f"{x:.2f}".replace(".", decimal) for x in row] for row in NUMBERS]
    names = ["height", "weight", "age"]
    if "missing" in unusual:
        for row in rows[::5]:
            row[1] = unusual["missing"]
    if "people" in unusual:
        names = ["name", *names]
        rows = [[unusual["people"], *row] for row in rows]
    lines = [delimiter.join(row) for row in ([names] if header else []) + rows]
    return unusual.get("above", "") + unusual.get("end", "\n").join(lines) + "\n"


NUMBERS = np.random.default_rng(0).normal(50.0, 20.0, (40, 3))
SIGNS = {",": ".", ";": ".,", "\t": ".,", "|": ".,", " ": ".,"}
"""Delimiters, with the decimal marks that go with them."""


def tables() -> Iterator[tuple[str, Answer]]:
    """Yield tables of text, each with how it is written."""
    for delimiter, marks in SIGNS.items():
        for decimal in marks:
            for header in (True, False):
                yield table(delimiter, decimal, header), (delimiter, decimal, header)
    yield table(";", ".", True, people="Smith, J."), (";", ".", True)
    yield table("\t", ",", True, people="Smith, J."), ("\t", ",", True)
    yield table(",", ".", True, people='"Smith, J."'), (",", ".", True)
    yield table(",", ".", True, above="# measured\n# twice\n"), (",", ".", True)
    yield table(";", ",", True, missing="NA"), (";", ",", True)
    yield table(",", ".", True, missing=""), (",", ".", True)
    yield table(";", ".", True, end="\r\n"), (";", ".", True)
    column = "".join(f"{x:.2f}\n" for x in NUMBERS[:, 0])
    yield column, (None, ".", False)
    yield "height\n" + column, (None, ".", True)
    yield "height\n" + column.replace(".", ","), (None, ",", True)
    aligned = ("{:8.2f} {:9.3f} {:7.1f}".format(*row) for row in NUMBERS)
    yield "\n".join(aligned) + "\n", (" ", ".", False)
    years = (f"country{i},{x:.1f},{y:.1f}\n" for i, (x, y, _) in enumerate(NUMBERS))
    yield "country,1990,2000\n" + "".join(years), (",", ".", True)
    yield "a;b\n1,5;2,5\n", (";", ",", True)
    yield "a b\n1 2\n3 4\n5 6\n", (" ", ".", True)
    days = (f"2024-01-{i:02d};{i}.5;{2 * i}\n" for i in range(1, 28))
    yield "day;x;y\n" + "".join(days), (";", ".", True)


def by_mixtura(path: Path, text: str) -> Answer:
    """Return mixtura's guess."""
    source = open_source(path)
    found = guess_dialect(source, scan(source).encoding)
    header = any("first row names" in note for note in found.notes)
    return found.delimiter if len(found.names) > 1 else None, found.decimal, header


def by_csv(path: Path, text: str) -> Answer:
    """Return the guess of Python's own module."""
    sniffer = csv.Sniffer()
    return sniffer.sniff(text).delimiter, ".", sniffer.has_header(text)


def by_clevercsv(path: Path, text: str) -> Answer:
    """Return CleverCSV's guess."""
    import clevercsv

    sniffer = clevercsv.Sniffer()
    return sniffer.sniff(text).delimiter or None, ".", sniffer.has_header(text)


def by_duckdb(path: Path, text: str) -> Answer:
    """Return DuckDB's guess."""
    import duckdb

    query = f"select Delimiter, HasHeader from sniff_csv('{path}')"
    delimiter, header = duckdb.sql(query).fetchall()[0]
    return delimiter, ".", header


LIBRARIES: dict[str, Callable[[Path, str], Answer]] = {
    "mixtura": by_mixtura,
    "csv": by_csv,
    "clevercsv": by_clevercsv,
    "duckdb": by_duckdb,
}


def score(guess: Callable[[Path, str], Answer], folder: Path) -> dict[str, int]:
    """Return of how many tables each part was guessed, and all of it."""
    right = dict.fromkeys(("delimiter", "decimal", "header", "all"), 0)
    for number, (text, (delimiter, decimal, header)) in enumerate(tables()):
        path = folder / f"{number}.csv"
        path.write_text(text, newline="")
        try:
            found = guess(path, text)
        except Exception:
            continue
        # Of a single column any sign will do that its cells do not have.
        alone = delimiter is None and (not found[0] or found[0] not in text)
        parts = (alone or found[0] == delimiter, found[1] == decimal, found[2] == header)
        for name, part in zip(right, (*parts, all(parts)), strict=True):
            right[name] += part
    return right


def main() -> None:
    """Print a line for each library that is installed."""
    print(f"Of {len(list(tables()))} tables, Python {sys.version.split()[0]}:")
    with tempfile.TemporaryDirectory() as folder:
        for name, guess in LIBRARIES.items():
            if find_spec(name) is not None:
                print(f"{name:10}", score(guess, Path(folder)))


if __name__ == "__main__":
    main()
