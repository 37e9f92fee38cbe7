"""The subcommands put together."""

from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

import mixtura
from mixtura.cli.classify import classify
from mixtura.cli.demo import demo
from mixtura.cli.fitting import fit
from mixtura.cli.impute import impute
from mixtura.cli.predict import predict
from mixtura.cli.report import report
from mixtura.cli.sample import sample
from mixtura.cli.select import select

application = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich"
)
for _command in (demo, select, fit, predict, impute, classify, sample, report):
    application.command()(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"mixtura {mixtura.__version__}")
        raise typer.Exit


@application.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Find groups in a table of numbers: Bayesian Gaussian mixtures.

    Start with [bold]mixtura demo[/], then try your own data:

    \b
      mixtura fit flowers.csv -c petal_length -k 2
      mixtura select flowers.csv --components 1:6
      mixtura fit flowers.csv -k 3 --report report.html --save flowers.mixtura
      mixtura predict flowers.mixtura new-flowers.csv
      mixtura classify flowers.csv --class species

    \b
    Exit codes: 0 ok, 2 usage, 3 bad data, 4 not converged (results are
    written all the same), 5 out of memory or disk, 130 interrupted
    (what a sampler has drawn so far is written).
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


def run(arguments: Sequence[str]) -> None:
    """Run the subcommand that the arguments name; every error is raised."""
    command = get_command(application)
    # Not command(...), which would print errors and leave the process by itself.
    with command.make_context("mixtura", list(arguments)) as context:
        command.invoke(context)
