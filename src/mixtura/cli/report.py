"""``mixtura report``."""

from typing import Annotated

import typer

from mixtura.cli import options
from mixtura.cli.inputs import RowSettings, read_rows_for, scanned_rows_for
from mixtura.cli.option_values import names_of_components
from mixtura.cli.outputs import Output, check_outputs, write_output
from mixtura.cli.results import PAGE, Findings
from mixtura.cli.streams import Talk

Page = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE.html",
        help="Where the report goes.",
        rich_help_panel=options.RESULTS,
    ),
]


def report(
    model: options.ModelFile,
    data: options.Data,
    output: Page = "report.html",
    title: options.Title = None,
    names: options.Names = None,
    missing: options.Missing = "integrate",
    errors: options.Errors = None,
    thousands: options.Thousands = None,
    decimal: options.Decimal = None,
    marks: options.Marks = False,
    memory: options.Memory = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a report with pictures on a fitted model and a table.

    The columns of DATA are found by the names that the model was fitted
    with. The report is one file of HTML that needs nothing else.

    \b
      mixtura report flowers.mixtura flowers.csv -o flowers.html
    """
    talk = Talk(quiet)
    of_rows = RowSettings(missing, errors).written(thousands, decimal, marks=marks)
    of_rows.error_columns()
    target = Output("--output", output, PAGE)
    check_outputs([target], [model, data], force=force)
    from mixtura.estimator import load

    gmm = load(model)
    called = names_of_components(names, len(gmm.means_))
    scanned = scanned_rows_for(gmm, data, talk, of_rows, memory)
    table = scanned if scanned is not None else read_rows_for(gmm, data, talk, of_rows)
    with talk.working("drawing"):
        page = Findings(gmm, table, None, title, called).page()
    write_output(target, page, force=force)
    talk.note(f"wrote {output}")
