"""``mixtura predict``."""

from typing import Annotated

import typer

from mixtura.cli import options
from mixtura.cli.delimited_output import assignment_columns, deliver, table_output
from mixtura.cli.inputs import RowSettings, read_rows_for, scanned_rows_for
from mixtura.cli.outputs import check_outputs
from mixtura.cli.scanned_tables import STREAMED, deliver_pieces, is_scanned, told_pieces
from mixtura.cli.streams import Talk

Probabilities = Annotated[
    bool,
    typer.Option(
        "--proba",
        help="Add the probability of every component.",
        rich_help_panel=options.RESULTS,
    ),
]


def predict(
    model: options.ModelFile,
    data: options.Data,
    output: options.TableFile = None,
    missing: options.Missing = "integrate",
    errors: options.Errors = None,
    memory: options.Memory = None,
    proba: Probabilities = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Say which component each row belongs to.

    The columns of DATA are found by the names that the model was fitted
    with, in any order; other columns are ignored.

    The result is CSV: the row's number, from 1, and its most probable
    component, from 0.

    \b
      mixtura predict flowers.mixtura new-flowers.csv --proba -o assignments.csv
    """
    talk = Talk(quiet)
    of_rows = RowSettings(missing, errors)
    of_rows.error_columns()
    scans = is_scanned(data, memory)
    target = table_output("--output", output, STREAMED if scans else None)
    check_outputs([target] if target else [], [model, data], force=force)
    from mixtura.estimator import load

    gmm = load(model)
    scanned = scanned_rows_for(gmm, data, talk, of_rows, memory)
    if scanned is not None:
        deliver_pieces(told_pieces(gmm, scanned, proba=proba), target, talk, force=force)
        return
    table = read_rows_for(gmm, data, talk, of_rows)
    names, columns = assignment_columns(
        gmm.predict(table, table.errors),
        gmm.predict_proba(table, table.errors) if proba else None,
        table.numbers,
        len(gmm.means_),
    )
    deliver(names, columns, target, talk, force=force)
