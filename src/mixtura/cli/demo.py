"""``mixtura demo``: the article, end to end."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixtura.cli import options, story
from mixtura.cli.outputs import Output, check_outputs, write_output
from mixtura.cli.results import PAGE
from mixtura.cli.streams import Talk, heading, result, result_width
from mixtura.errors import MissingExtraError

if TYPE_CHECKING:
    from mixtura.data.tabular import FileTable
    from mixtura.estimator import GaussianMixtureModel

GENERATOR = '<meta name="generator" content="mixtura demo">'
"""What marks a page as one that may be replaced by the next demo."""

COLUMN = "petal_length"
DefaultPage = Annotated[
    str,
    typer.Option("-o", "--output", metavar="FILE.html", help="Where the pictures go."),
]
DemoForce = Annotated[
    bool,
    typer.Option("--force", help="Replace the file even if mixtura demo did not make it."),
]
DemoSeed = Annotated[
    int, typer.Option("--seed", min=0, metavar="N", help="Source of all randomness.")
]


def demo(
    output: DefaultPage = "mixtura-demo.html",
    force: DemoForce = False,
    seed: DemoSeed = 0,
    quiet: options.Quiet = False,
) -> None:
    """Find two groups in the petal lengths of 150 irises, step by step.

    Names a model, draws from its prior, fits it exactly and by Pyro's
    stochastic variational inference, compares the two, and writes a page
    of pictures.

    \b
      mixtura demo --output irises.html
    """
    talk = Talk(quiet)
    target = Output("--output", output, PAGE)
    force = force or _is_own(target)
    check_outputs([target], [], force=force)
    data, species = story.irises(COLUMN)
    _chapter(1, "The data", story.data_lines(data))
    gmm = story.model(seed)
    _chapter(2, "The model, before any data", story.model_lines(gmm, seed))
    with talk.working("fitting exactly"):
        gmm.fit(data)
    fits = {"exact MAP": gmm}
    _chapter(3, "The exact answer", story.exact_lines(gmm))
    _chapter(4, "The same by Pyro", _second_opinion(fits, data, seed, talk))
    _chapter(5, "The clusters", story.cluster_lines(fits, data, species))
    with talk.working("drawing"):
        page = _page(fits, data, seed)
    write_output(target, page, force=force)
    _chapter(6, "The pictures", [f"Wrote {output}: open it in a browser.", *story.farewell()])


def _chapter(number: int, title: str, lines: list[str]) -> None:
    heading(f"{number}  {title}")
    result("\n".join(f"   {line}".rstrip() for line in lines) + "\n")


def _second_opinion(
    fits: dict[str, "GaussianMixtureModel"], data: "FileTable", seed: int, talk: Talk
) -> list[str]:
    """Fit by Pyro where it is installed, and return what there is to say."""
    try:
        gmm = story.model(seed, inference="svi")
        with talk.working("fitting by Pyro's SVI"):
            gmm.to_pyro()  # imports Pyro, so that the seconds below are those of the fit
            gmm.fit(data)
    except MissingExtraError as error:
        return [f"Left out: {error}", "Everything else goes on without it."]
    fits["Pyro's SVI"] = gmm
    return [*story.svi_lines(gmm), "", *story.comparison_lines(fits, result_width() - 3)]


def _page(fits: dict[str, "GaussianMixtureModel"], data: "FileTable", seed: int) -> str:
    from mixtura.reports import as_html, build_comparison, build_report

    told: dict[str, Any] = {"source": data.source, "seed": seed, "notes": data.notes}
    title = "Two groups of irises"
    if len(fits) == 1:
        report = build_report(next(iter(fits.values())).fit_, data.values, title=title, **told)
    else:
        by_name = {name: gmm.fit_ for name, gmm in fits.items()}
        report = build_comparison(by_name, data.values, title=title, **told)
    return as_html(report).replace("<head>", f"<head>\n{GENERATOR}", 1)


def _is_own(target: Output) -> bool:
    """Whether the file was made by an earlier demo."""
    try:
        with target.target.open("rb") as file:
            return GENERATOR.encode() in file.read(1000)
    except (OSError, ValueError):
        return False
