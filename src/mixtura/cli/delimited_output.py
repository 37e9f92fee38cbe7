"""Tables as delimited text that spreadsheets read as data and nothing else."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixtura.cli.outputs import Output, write_output
from mixtura.cli.streams import Talk, pour
from mixtura.cli.wording import printable

if TYPE_CHECKING:
    import numpy as np


DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""How the cells of a file are separated, by the ending of its name."""

PARQUET = ".parquet"
"""The ending of a binary table."""

DIGITS = 6
"""Significant digits of probabilities and densities in text, as many as decide anything."""

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet might take the text for a formula."""
    return text.startswith(_FORMULA)


def guarded_text(text: str) -> str:
    """Return a text cell that neither a spreadsheet nor a terminal might run."""
    safe = printable(text)
    return f"'{safe}" if is_formula(text) else safe


def guarded_cell(text: str | None) -> str | None:
    """Return a cell of user data; a number is left as it is, though it may begin with a minus."""
    if text is None or _NUMBER.fullmatch(text):
        return text
    return guarded_text(text)


def delimited(
    names: Sequence[str], columns: "Sequence[np.ndarray]", path: str | None = None
) -> str:
    """Return columns as delimited text; numbers in full precision unless they are texts already.

    Parameters
    ----------
    names : sequence of str
        The header, one name for each column; user data.
    columns : sequence of arrays of shape (N,)
        Numbers, or texts and numbers in object arrays; None is an empty cell.
    path : str, optional
        The file's name, whose ending chooses the delimiter; commas where there is none.
    """
    delimiter = DELIMITERS[Path(path).suffix.lower()] if path else ","
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow([guarded_text(name) for name in names])
    cells = (
        map(_cell, column.tolist()) if column.dtype == object else column.tolist()
        for column in columns
    )
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue()


def _cell(value: object) -> object:
    return guarded_cell(value) if isinstance(value, str) else value


def rounded(numbers: "np.ndarray", digits: int | None) -> "np.ndarray":
    """Return numbers with so many significant digits, empty where there is none.

    Parameters
    ----------
    numbers : array of shape (N,)
        The numbers.
    digits : int, optional
        Significant digits; all of them where None.
    """
    import numpy as np

    if digits is None and not np.isnan(numbers).any():
        return numbers
    found = np.empty(len(numbers), dtype=object)
    shown = float if digits is None else lambda value: float(f"{value:.{digits}g}")
    found[:] = [None if value != value else shown(value) for value in numbers.tolist()]
    return found


def assignment_columns(
    labels: "np.ndarray",
    probabilities: "np.ndarray | None",
    numbers: "np.ndarray",
    n_components: int,
    known: "np.ndarray | None" = None,
    digits: int | None = DIGITS,
) -> "tuple[list[str], list[np.ndarray]]":
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
    known : boolean array of shape (N,), optional
        Which rows have any value; the others have no component, and the weights as probabilities.
    digits : int, optional
        Significant digits of probabilities; all of them where None.
    """
    import numpy as np

    names = ["row", "component"]
    if known is not None and not known.all():
        shown = np.empty(len(labels), dtype=object)
        shown[known] = labels[known].tolist()
        labels = shown
    columns: list[np.ndarray] = [numbers, labels]
    if probabilities is not None:
        names += [f"probability_{k}" for k in range(n_components)]
        names += ["probability_background"] * (probabilities.shape[1] - n_components)
        columns += [rounded(column, digits) for column in probabilities.T]
    return names, columns


def table_output(
    option: str, path: str | None, endings: tuple[str, ...] | None = None
) -> Output | None:
    """Return the file that a table goes to, or None for standard output."""
    known = (*DELIMITERS, PARQUET) if endings is None else endings
    return None if path in (None, "-") else Output(option, str(path), known)


def is_binary(output: Output | None) -> bool:
    """Whether a table goes to a file that holds numbers rather than their digits."""
    return output is not None and Path(output.path).suffix.lower() not in DELIMITERS


def deliver(
    names: Sequence[str],
    columns: "Sequence[np.ndarray]",
    output: Output | None,
    talk: Talk,
    *,
    force: bool,
) -> None:
    """Print a table on standard output, or write it to a file and say so."""
    if output is None:
        pour(delimited(names, columns))
        return
    if is_binary(output):
        from mixtura.data.columnar import parquet_of

        write_output(output, parquet_of(names, columns), force=force)
    else:
        write_output(output, delimited(names, columns, output.path), force=force)
    talk.note(f"wrote {output.path}")
