"""``mixtura predict``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixtura.cli import options
from mixtura.cli.delimited_output import (
    DIGITS,
    assignment_columns,
    deliver,
    is_binary,
    rounded,
    table_output,
)
from mixtura.cli.inputs import RowSettings, read_rows_for, scanned_rows_for
from mixtura.cli.option_values import one_of
from mixtura.cli.outputs import check_outputs
from mixtura.cli.scanned_tables import STREAMED, deliver_pieces, is_scanned, told_pieces
from mixtura.cli.streams import Talk
from mixtura.errors import InvalidArgumentError

if TYPE_CHECKING:
    import numpy as np

    from mixtura.data.tabular import FileTable

Probabilities = Annotated[
    bool,
    typer.Option(
        "--proba",
        help="Add the probability of every component.",
        rich_help_panel=options.RESULTS,
    ),
]
Score = Annotated[
    bool,
    typer.Option(
        "--score",
        help="Add the log density of each row, in nats: the lower, the stranger.",
        rich_help_panel=options.RESULTS,
    ),
]
Outliers = Annotated[
    float | None,
    typer.Option(
        "--outliers",
        metavar="SHARE",
        help="Add a column that is 1 for this share of the rows, those of the lowest log density, "
        "as 0.01.",
        rich_help_panel=options.RESULTS,
    ),
]
Clusters = Annotated[
    str | None,
    typer.Option(
        "--clusters",
        metavar="entropy|modes",
        help="Add the cluster of each row, of components that are merged by the entropy of these "
        "rows' assignments or by the modes of the density.",
        callback=one_of(("entropy", "modes")),
        rich_help_panel=options.RESULTS,
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="COLUMN",
        help="A column of DATA that is to stand beside the results, such as an identifier; repeat "
        "it for several.",
        rich_help_panel=options.RESULTS,
    ),
]
KeepAll = Annotated[
    bool,
    typer.Option(
        "--keep-all",
        help="Keep every column of DATA.",
        rich_help_panel=options.RESULTS,
    ),
]


def predict(
    model: options.ModelFile,
    data: options.Data,
    output: options.TableFile = None,
    missing: options.Missing = "integrate",
    errors: options.Errors = None,
    thousands: options.Thousands = None,
    decimal: options.Decimal = None,
    marks: options.Marks = False,
    memory: options.Memory = None,
    proba: Probabilities = False,
    score: Score = False,
    outliers: Outliers = None,
    clusters: Clusters = None,
    keep: Keep = None,
    keep_all: KeepAll = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Say which component each row belongs to.

    The columns of DATA are found by the names that the model was fitted
    with, in any order; other columns are ignored unless they are kept.

    The result is CSV: the row's number, from 1, and its most probable
    component, from 0; that cell is empty where a row has no value at all.
    Numbers have six significant digits in text, and all in Parquet.

    \b
      mixtura predict flowers.mixtura new-flowers.csv --proba -o assignments.csv
      mixtura predict model.mixtura orders.csv --keep order_id --outliers 0.01
    """
    talk = Talk(quiet)
    of_rows = RowSettings(missing, errors, keep=keep, keep_all=keep_all).written(
        thousands, decimal, marks=marks
    )
    of_rows.error_columns()
    if outliers is not None and not 0.0 < outliers < 1.0:
        raise InvalidArgumentError(
            f"--outliers must be a share between 0 and 1, as 0.01; got {outliers:g}"
        )
    scans = is_scanned(data, memory)
    if scans and (outliers is not None or clusters is not None or keep or keep_all):
        option = "--outliers" if outliers is not None else "--clusters" if clusters else "--keep"
        option = "--keep-all" if option == "--keep" and not keep else option
        raise InvalidArgumentError(f"{option}: not for DATA that are read piece by piece")
    target = table_output("--output", output, STREAMED if scans else None)
    check_outputs([target] if target else [], [model, data], force=force)
    from mixtura.estimator import load

    gmm = load(model)
    digits = None if is_binary(target) else DIGITS
    scanned = scanned_rows_for(gmm, data, talk, of_rows, memory)
    if scanned is not None:
        pieces = told_pieces(gmm, scanned, proba=proba, score=score, digits=digits)
        deliver_pieces(pieces, target, talk, force=force)
        return
    table = read_rows_for(gmm, data, talk, of_rows)
    names, columns = _assigned(gmm, table, talk, proba=proba, digits=digits)
    if clusters is not None:
        names.insert(2, "cluster")
        columns.insert(2, _clusters(gmm, table, clusters))
    if score or outliers is not None:
        densities = gmm.score_samples(table, table.errors)
        if score:
            names.append("log_density")
            columns.append(rounded(densities, digits))
        if outliers is not None:
            names.append("outlier")
            columns.append(_lowest(densities, outliers))
    taken = set(names)
    for name, cells in table.kept.items():
        names.append(f"{name}_kept" if name in taken else name)
        columns.append(cells)
    deliver(names, columns, target, talk, force=force)


def _assigned(
    gmm: Any, table: "FileTable", talk: Talk, *, proba: bool, digits: int | None
) -> "tuple[list[str], list[np.ndarray]]":
    import numpy as np

    known = np.asarray(~np.isnan(table.values).all(axis=1))
    n_unknown = int((~known).sum())
    if n_unknown:
        rows = "1 row has" if n_unknown == 1 else f"{n_unknown:,} rows have"
        talk.note(f"{rows} no value in the model's columns: no component is named")
    return assignment_columns(
        gmm.predict(table, table.errors),
        gmm.predict_proba(table, table.errors) if proba else None,
        table.numbers,
        len(gmm.means_),
        known,
        digits,
    )


def _clusters(gmm: Any, table: "FileTable", by: str) -> "np.ndarray":
    """Return the cluster of each row, empty where a row has no value."""
    import numpy as np

    merged = gmm.merge_components(table, by=by)
    found = np.empty(len(merged.labels), dtype=object)
    found[:] = merged.labels.tolist()
    found[np.isnan(table.values).all(axis=1)] = None
    return found


def _lowest(densities: "np.ndarray", share: float) -> "np.ndarray":
    """Return 1 for a share of the rows, at least one, of the lowest log density, else 0."""
    import numpy as np

    count = max(1, round(share * len(densities)))
    found = np.zeros(len(densities), dtype=np.intp)
    found[np.argsort(densities, kind="stable")[:count]] = 1
    return found
