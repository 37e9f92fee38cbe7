"""Tables as delimited text that spreadsheets read as data and nothing else."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixtura.cli.outputs import Output, write_output
from mixtura.cli.streams import Talk, pour
from mixtura.cli.wording import printable

if TYPE_CHECKING:
    from mixtura.typing import Array, IntegerArray

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""How the cells of a file are separated, by the ending of its name."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet might take the text for a formula."""
    return text.startswith(_FORMULA)


def guarded_text(text: str) -> str:
    """Return a text cell that neither a spreadsheet nor a terminal might run."""
    safe = printable(text)
    return f"'{safe}" if is_formula(text) else safe


def delimited(
    names: Sequence[str], columns: "Sequence[Array | IntegerArray]", path: str | None = None
) -> str:
    """Return columns of numbers as delimited text in full precision.

    Parameters
    ----------
    names : sequence of str
        The header, one name for each column; user data.
    columns : sequence of arrays of shape (N,)
        The numbers.
    path : str, optional
        The file's name, whose ending chooses the delimiter; commas where there is none.
    """
    delimiter = DELIMITERS[Path(path).suffix.lower()] if path else ","
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow([guarded_text(name) for name in names])
    writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    return text.getvalue()


def assignment_columns(
    labels: "IntegerArray",
    probabilities: "Array | None",
    numbers: "IntegerArray",
    n_components: int,
) -> "tuple[list[str], list[Array | IntegerArray]]":
    """Return names and columns of a table of assignments.

    Parameters
    ----------
    labels : integer array of shape (N,)
        Most probable component of each row.
    probabilities : array of shape (N, K), optional
        Probability of each component for each row.
    numbers : integer array of shape (N,)
        Numbers of the rows in their file.
    n_components : int
        Number of components K; a last probability is that of the background.
    """
    names = ["row", "component"]
    columns: list[Array | IntegerArray] = [numbers, labels]
    if probabilities is not None:
        names += [f"probability_{k}" for k in range(n_components)]
        names += ["probability_background"] * (probabilities.shape[1] - n_components)
        columns += list(probabilities.T)
    return names, columns


def table_output(
    option: str, path: str | None, endings: tuple[str, ...] | None = None
) -> Output | None:
    """Return the file that a table goes to, or None for standard output."""
    known = tuple(DELIMITERS) if endings is None else endings
    return None if path in (None, "-") else Output(option, str(path), known)


def deliver(
    names: Sequence[str],
    columns: "Sequence[Array | IntegerArray]",
    output: Output | None,
    talk: Talk,
    *,
    force: bool,
) -> None:
    """Print a table on standard output, or write it to a file and say so."""
    if output is None:
        pour(delimited(names, columns))
        return
    write_output(output, delimited(names, columns, output.path), force=force)
    talk.note(f"wrote {output.path}")
