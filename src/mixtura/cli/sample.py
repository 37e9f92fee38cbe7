"""``mixtura sample``."""

from typing import Annotated

import typer

from mixtura.cli import options
from mixtura.cli.delimited_output import deliver, table_output
from mixtura.cli.outputs import check_outputs
from mixtura.cli.streams import Talk

Rows = Annotated[
    int,
    typer.Option("-n", "--rows", min=1, metavar="N", help="Number of rows to draw."),
]
WithComponent = Annotated[
    bool,
    typer.Option(
        "--component",
        help="Add a first column: the component that each row was drawn from.",
        rich_help_panel=options.RESULTS,
    ),
]
SampleSeed = Annotated[
    int, typer.Option("--seed", min=0, metavar="N", help="Source of all randomness.")
]


def sample(
    model: options.ModelFile,
    rows: Rows = 1000,
    seed: SampleSeed = 0,
    component: WithComponent = False,
    output: options.TableFile = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw rows from a fitted mixture.

    The result is CSV with the columns that the model was fitted to. Names
    that a spreadsheet could take for a formula are preceded by a quote.

    \b
      mixtura sample flowers.mixtura -n 1000 -o sample.csv
    """
    talk = Talk(quiet)
    target = table_output("--output", output)
    check_outputs([target] if target else [], [model], force=force)
    from mixtura.estimator import load

    gmm = load(model)
    drawn, components = gmm.sample(rows, random_state=seed)
    names, columns = list(gmm.fit_.feature_names), list(drawn.T)
    if component:
        names, columns = ["component", *names], [components, *columns]
    deliver(names, columns, target, talk, force=force)
