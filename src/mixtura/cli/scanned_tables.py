"""DATA that is scanned because it would not fit in memory, or lies in several files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from mixtura.cli.delimited_output import DELIMITERS, DIGITS, assignment_columns, delimited, rounded
from mixtura.cli.outputs import Output
from mixtura.cli.streams import Talk, pour
from mixtura.errors import InvalidArgumentError, MixturaError

if TYPE_CHECKING:
    from mixtura.data import ArrayRows
    from mixtura.data.table_scans import TableScan
    from mixtura.estimator import GaussianMixtureModel

STREAMED = (*DELIMITERS, ".parquet", ".arrow", ".feather")
"""How the name of a file may end that is written piece by piece."""


@final
@dataclass(frozen=True, eq=False)
class ScannedTable:
    """A scan in the place of a table that was read.

    Parameters
    ----------
    scan : TableScan
        The rows.
    source : str
        What messages call them.
    names : tuple of str
        Names of the columns.
    notes : tuple of str
        What is said of how they are read.
    """

    scan: "TableScan"
    source: str
    names: tuple[str, ...]
    notes: tuple[str, ...]
    weights: None = None
    errors: None = None
    labels: None = None
    groups: None = None

    @property
    def rows(self) -> "ArrayRows":
        """The rows that are shown: of many a sample, chosen by contents."""
        from mixtura.engines import best_engine
        from mixtura.estimator.scanned_rows import shown_sample

        return shown_sample(self.scan.opened(to_fit=False).rows, best_engine(1))


def is_scanned(source: str, memory: str | None) -> bool:
    """Return whether DATA is scanned: files of a directory or pattern, or one that is too large.

    Raises
    ------
    InvalidArgumentError
        If the limit of memory is none.
    """
    if source == "-":
        if memory is not None:
            raise InvalidArgumentError("--memory: standard input cannot be read again")
        return False
    from mixtura.data.memory_limits import memory_limit

    limit, path = memory_limit(memory), Path(source)
    try:
        if path.is_dir() or (not path.exists() and any(mark in source for mark in "*?[")):
            return True
        if not path.is_file():
            return False
    except (OSError, ValueError):
        return False
    if path.suffix.lower() == ".npy":
        return True
    from mixtura.data.scan_files import estimated_size

    try:
        return estimated_size(path) > limit
    except MixturaError:  # the reader of tables says what is wrong
        return False


def scanned_table(
    source: str,
    columns: list[str] | None,
    given: Mapping[str, Any],
    memory: str | None,
    cluster: Any = None,
) -> ScannedTable:
    """Return DATA as a scan; ``given`` is what a reader of tables is told of their columns.

    Raises
    ------
    DataError
        If there is no such file or column.
    """
    from mixtura.data.memory_limits import shown_size
    from mixtura.data.table_scans import scan

    known = {**given, "missing": given["missing"].value}
    excluded, numbers = known.pop("exclude"), known.pop("numbers")
    for name in ("keep", "keep_all"):
        known.pop(name)
    if not (numbers.is_plain and numbers.decimal is None):
        option = "--marks" if numbers.marks else "--thousands" if numbers.thousands else "--decimal"
        raise InvalidArgumentError(f"{option}: not for DATA that are read piece by piece")
    if cluster is not None:  # whose workers may stand in another directory
        source = str(Path(source).absolute())
    found = scan(source, columns or None, memory=memory, cluster=cluster, **known)
    if excluded:
        found = found.excluded(excluded)
    note = f"Rows are read piece by piece, and at most {shown_size(found.limit)} of them held."
    if cluster is not None:
        n_workers = len(cluster.scheduler_info(n_workers=-1)["workers"])
        note = f"Rows are read, held and swept by {n_workers} workers."
    return ScannedTable(found, found.label, found.names, (note,))


def told_pieces(
    gmm: "GaussianMixtureModel",
    table: ScannedTable,
    *,
    proba: bool,
    score: bool = False,
    digits: int | None = DIGITS,
) -> Iterator[tuple[list[str], list[Any]]]:
    """Yield names and columns of the table of assignments, some rows after others."""
    import numpy as np

    from mixtura.engines import best_engine
    from mixtura.estimator.scanned_rows import scan_for

    scan = scan_for(gmm, table.scan)
    rows, engine, posterior = scan.opened(to_fit=False).rows, best_engine(), gmm.posterior_
    tiles = rows.tiles()
    if hasattr(rows, "values"):
        positions = np.concatenate(list(scan.positions(rows)))
        numbered = ((tile, positions[tile.start : tile.stop]) for tile in tiles)
    else:
        numbered = zip(tiles, scan.positions(rows), strict=True)
    for tile, where in numbered:
        labels = posterior.labels(tile.rows, engine)
        shares = posterior.responsibilities(tile.rows, engine) if proba else None
        known = np.asarray(~np.isnan(tile.rows.values).all(axis=1))
        names, columns = assignment_columns(
            labels, shares, where + 1, len(gmm.means_), known, digits
        )
        if score:
            names.append("log_density")
            columns.append(rounded(posterior.log_predictive(tile.rows, engine), digits))
        yield names, [np.ascontiguousarray(column) for column in columns]


def filled_pieces(
    gmm: "GaussianMixtureModel", table: ScannedTable, how: str, n_draws: int, seed: int
) -> Iterator[tuple[list[str], list[Any]]]:
    """Yield names and columns of the table of complete rows, some rows after others."""
    from mixtura.estimator.scanned_rows import numbered_names, scan_for, table_pieces

    scan = scan_for(gmm, table.scan)
    fill = gmm._filling(n_draws, seed, is_mean=how == "mean")
    names = numbered_names(gmm.fit_.feature_names, n_draws)
    for columns in table_pieces(scan, scan.opened(to_fit=False).rows, fill):
        yield names, columns


def deliver_pieces(
    pieces: Iterator[tuple[list[str], list[Any]]], output: Output | None, talk: Talk, *, force: bool
) -> None:
    """Print a table of assignments, or write it to a file, piece by piece."""
    if output is None:
        for number, (names, columns) in enumerate(pieces):
            text = delimited(names, columns)
            pour(text if number == 0 else text.partition("\n")[2])
        return
    from mixtura.data.table_output import write_pieces

    names, first = next(pieces)

    def columns_of() -> Iterator[Any]:
        yield first
        for _, columns in pieces:
            yield columns

    overwrite = force or output.may_exist
    write_pieces(output.target, names, columns_of(), overwrite=overwrite)
    talk.note(f"wrote {output.path}")
