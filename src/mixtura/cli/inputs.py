"""DATA: read, described to the user, and matched to a model's features."""

import io
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, final

from mixtura.cli.delimited_output import guarded_text
from mixtura.cli.scanned_tables import ScannedTable, is_scanned, scanned_table
from mixtura.cli.streams import Talk
from mixtura.cli.wording import counted, in_options, quoted
from mixtura.errors import DataError, InvalidArgumentError

if TYPE_CHECKING:
    from mixtura.data.number_format import NumberFormat
    from mixtura.data.tabular import FileTable


@final
@dataclass(frozen=True)
class RowSettings:
    """What is to be made of the rows of DATA.

    Parameters
    ----------
    missing : str
        What becomes of rows of which cells are missing.
    errors : list of str or None
        Columns of data and of the standard deviations of their errors, as ``COLUMN=ERRORS``.
    weights : str or None
        A column of row weights.
    labels, groups : str or None
        Columns of known labels, and of groups of rows that share a component.
    keep : list of str or None
        Columns that are to stand beside results; with ``keep_all`` all of them.
    exclude : list of str or None
        Columns that are not modelled.
    numbers : NumberFormat or None
        How numbers are written in a text; guessed where None.
    """

    missing: str = "integrate"
    errors: list[str] | None = None
    weights: str | None = None
    labels: str | None = None
    groups: str | None = None
    keep: list[str] | None = None
    keep_all: bool = False
    exclude: list[str] | None = None
    numbers: "NumberFormat | None" = None

    def written(self, thousands: str | None, decimal: str | None, *, marks: bool) -> Self:
        """Return the same where it was said how numbers are written.

        Raises
        ------
        InvalidArgumentError
            If a mark is none, or both are the same.
        """
        if thousands is None and decimal is None and not marks:
            return self
        from mixtura.data.number_format import NumberFormat

        return replace(self, numbers=NumberFormat(thousands, decimal, marks))

    def options(self) -> dict[str, Any]:
        """Return the options of a reader of tables.

        Raises
        ------
        InvalidArgumentError
            If a pair of columns is none.
        """
        from mixtura.data.file_table import MissingCells
        from mixtura.data.number_format import AS_THEY_STAND

        return {
            "weights": self.weights,
            "missing": MissingCells(self.missing),
            "errors": self.error_columns(),
            "labels": self.labels,
            "groups": self.groups,
            "keep": self.keep or (),
            "keep_all": self.keep_all,
            "exclude": self.exclude or (),
            "numbers": self.numbers or AS_THEY_STAND,
        }

    def error_columns(self) -> dict[str, str]:
        """Return columns of errors by columns of data."""
        found: dict[str, str] = {}
        for pair in self.errors or ():
            column, equals, errors = pair.partition("=")
            if not (column and equals and errors):
                raise InvalidArgumentError(
                    f"--errors must be COLUMN=ERRORS, as in x=x_error; got {quoted(pair)}"
                )
            if column in found:
                raise InvalidArgumentError(f"--errors has two columns for {quoted(column)}")
            found[column] = errors
        return found


def read_rows(
    source: str,
    columns: list[str] | None,
    settings: RowSettings,
    talk: Talk,
    memory: str | None = None,
    cluster: Any = None,
) -> "FileTable | ScannedTable":
    """Read DATA and say on standard error what was guessed.

    Parameters
    ----------
    source : str
        A path, or ``"-"`` for standard input.
    columns : list of str, optional
        The columns to take; all numeric ones where there are none.
    settings : RowSettings
        What is to be made of the rows.
    talk : Talk
        How much is said.
    memory : str, optional
        How much of the rows may be in memory; larger DATA are scanned.
    cluster : distributed.Client, optional
        Whose workers sweep DATA, which are then scanned.

    Raises
    ------
    DataError
        If the data cannot be used.
    """
    if cluster is not None and source == "-":
        raise InvalidArgumentError("--cluster and --workers: workers cannot read standard input")
    if cluster is not None or is_scanned(source, memory):
        scanned = scanned_table(source, columns, settings.options(), memory, cluster)
        _describe(scanned, talk)
        return scanned
    from mixtura.data.tabular import read_table

    stdin = _standard_input(source, talk)
    table = read_table(source, columns or None, stdin=stdin, **settings.options())
    _describe(table, talk)
    return table


def read_rows_for(
    model: Any,
    source: str,
    talk: Talk,
    settings: RowSettings | None = None,
) -> "FileTable":
    """Read the columns that a fitted model is about, whatever their order in the file.

    Parameters
    ----------
    model : GaussianMixtureModel
        A fitted model; where it knows no column names, columns are taken in order.
    source : str
        A path, or ``"-"`` for standard input.
    talk : Talk
        How much is said.
    settings : RowSettings, optional
        What is to be made of the rows.

    Raises
    ------
    DataError
        If the data cannot be used, or lack a column.
    """
    from mixtura.data.sources import listed
    from mixtura.data.tabular import read_table

    stdin, options = _standard_input(source, talk), (settings or RowSettings()).options()
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        table = read_table(source, stdin=stdin, **options)
        found, wanted = len(table.names), model.n_features_in_
        if found != wanted:
            raise DataError(
                f"{table.source}: {counted(found, 'numeric column')} ({listed(table.names)}), "
                f"but the model was fitted to {wanted}"
            )
    else:
        table = _read_named(source, [str(name) for name in names], stdin, options)
    _describe(table, talk)
    return table


def _read_named(
    source: str, names: list[str], stdin: io.BytesIO | None, options: dict[str, Any]
) -> "FileTable":
    from mixtura.data.tabular import read_table

    try:
        return read_table(source, names, stdin=stdin, **options)
    except DataError as error:
        guarded = [guarded_text(name) for name in names]
        if guarded == names:
            raise _with_all_names(error, names) from None
        try:  # a file that `mixtura sample` wrote
            if stdin is not None:
                stdin.seek(0)
            table = read_table(source, guarded, stdin=stdin, **options)
        except DataError:
            raise _with_all_names(error, names) from None
        return replace(table, names=tuple(names))


def _with_all_names(error: DataError, names: list[str]) -> DataError:
    if len(names) == 1 or "there is no column" not in str(error):
        return error
    from mixtura.data.sources import listed

    return DataError(f"{error}; the model needs {listed(names)}")


def _standard_input(source: str, talk: Talk) -> io.BytesIO | None:
    """Return the content of standard input, which can be read only once."""
    if source != "-":
        return None
    if sys.stdin is None:
        raise DataError("standard input: is closed")
    if sys.stdin.isatty():
        talk.note("reading the data from the terminal; end them with Ctrl-D")
    return io.BytesIO(sys.stdin.buffer.read())


def scanned_rows_for(
    model: Any, source: str, talk: Talk, settings: RowSettings, memory: str | None
) -> ScannedTable | None:
    """Return the columns that a fitted model is about as a scan; None of DATA that fit in memory.

    Raises
    ------
    DataError
        If there is no such column.
    """
    if not is_scanned(source, memory):
        return None
    names = getattr(model, "feature_names_in_", None)
    columns = None if names is None else [str(name) for name in names]
    table = scanned_table(source, columns, settings.options(), memory)
    _describe(table, talk)
    return table


def given_rows(table: "FileTable | ScannedTable") -> Any:
    """Return what a method of an estimator takes as its rows."""
    return table.scan if isinstance(table, ScannedTable) else table


def _describe(table: "FileTable | ScannedTable", talk: Talk) -> None:
    from mixtura.data.sources import listed

    if isinstance(table, ScannedTable):
        columns = len(table.names)
        extent = f"{counted(columns, 'column')} ({listed(table.names)})"
        talk.note(f"{table.source}: {extent}. {' '.join(map(in_options, table.notes))}")
        return
    rows, columns = table.values.shape
    extent = f"{counted(rows, 'row')} of {counted(columns, 'column')} ({listed(table.names)})"
    weighted = "" if table.weights is None else " with weights"
    talk.note(f"{table.source}: {extent}{weighted}. {' '.join(map(in_options, table.notes))}")
