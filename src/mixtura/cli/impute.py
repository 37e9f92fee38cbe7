"""``mixtura impute``."""

from typing import Annotated

import typer

from mixtura.cli import options
from mixtura.cli.delimited_output import deliver, table_output
from mixtura.cli.inputs import RowSettings, read_rows_for, scanned_rows_for
from mixtura.cli.option_values import one_of
from mixtura.cli.outputs import check_outputs
from mixtura.cli.scanned_tables import STREAMED, deliver_pieces, filled_pieces, is_scanned
from mixtura.cli.streams import Talk
from mixtura.errors import InvalidArgumentError

HOW = ("mean", "draw")
"""How missing cells are filled in."""

How = Annotated[
    str,
    typer.Option(
        "--how",
        metavar="NAME",
        help="mean fills in what is expected of each cell; draw draws it, so that what is made of "
        "several draws shows how sure it is. One of mean, draw.",
        callback=one_of(HOW),
    ),
]
Draws = Annotated[
    int | None,
    typer.Option("--draws", min=1, metavar="N", help="Number of completed tables, with draw."),
]
ImputeSeed = Annotated[
    int, typer.Option("--seed", min=0, metavar="N", help="Source of all randomness.")
]


def impute(
    model: options.ModelFile,
    data: options.Data,
    output: options.TableFile = None,
    how: How = "mean",
    draws: Draws = None,
    errors: options.Errors = None,
    thousands: options.Thousands = None,
    decimal: options.Decimal = None,
    marks: options.Marks = False,
    memory: options.Memory = None,
    seed: ImputeSeed = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Fill in the missing cells of a table.

    Each cell follows from the others of its row, by a model that mixtura fit
    --save wrote. The result is CSV: the row's number, from 1, and the columns
    that the model was fitted to; with several draws the number of the draw
    comes first.

    \b
      mixtura fit flowers.csv -k 3 --save flowers.mixtura
      mixtura impute flowers.mixtura flowers.csv -o complete.csv
      mixtura impute flowers.mixtura flowers.csv --how draw --draws 20 -o draws.csv
    """
    import numpy as np

    talk = Talk(quiet)
    of_rows = RowSettings(errors=errors).written(thousands, decimal, marks=marks)
    of_rows.error_columns()
    if draws is not None and how == "mean":
        raise InvalidArgumentError("--draws: only with --how draw")
    scans = is_scanned(data, memory)
    target = table_output("--output", output, STREAMED if scans else None)
    check_outputs([target] if target else [], [model, data], force=force)
    from mixtura.estimator import load
    from mixtura.estimator.scanned_rows import numbered_names

    gmm, n_draws = load(model), draws or 1
    scanned = scanned_rows_for(gmm, data, talk, of_rows, memory)
    if scanned is not None:
        pieces = filled_pieces(gmm, scanned, how, n_draws, seed)
        deliver_pieces(pieces, target, talk, force=force)
        return
    table = read_rows_for(gmm, data, talk, of_rows)
    filled = gmm.impute(
        table, how, n_draws, measurement_error=table.errors, random_state=seed
    ).reshape(-1, len(table.names))
    columns = [np.tile(table.numbers, n_draws), *filled.T]
    if n_draws > 1:
        columns = [np.repeat(np.arange(1, n_draws + 1), len(table.values)), *columns]
    names = numbered_names(gmm.fit_.feature_names, n_draws)
    deliver(names, columns, target, talk, force=force)
