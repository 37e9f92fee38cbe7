"""``mixtura select``."""

import io
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mixtura.cli import method_options, options
from mixtura.cli.choice import Choice, names_of, numbers_of
from mixtura.cli.dask_workers import swept_by
from mixtura.cli.inputs import RowSettings, read_rows
from mixtura.cli.outputs import Output, check_outputs
from mixtura.cli.priors import PriorTexts
from mixtura.cli.results import Findings, FitFiles, deliver_files, show_summary
from mixtura.cli.settings import (
    FitSettings,
    SamplerSettings,
    SufficiencySettings,
    SviSettings,
)
from mixtura.cli.streams import Talk, is_decorated, result, result_width, show
from mixtura.cli.wording import counted, in_options

if TYPE_CHECKING:
    from mixtura.estimator.selection import Selection

PICTURE = (".svg", ".png")
"""How the name of a picture may end."""


def select(
    data: options.Data,
    column: options.Columns = None,
    exclude: options.Exclude = None,
    components: options.SeveralComponents = "1:9",
    families: options.Families = "full",
    weights: options.Weights = None,
    missing: options.Missing = "integrate",
    errors: options.Errors = None,
    thousands: options.Thousands = None,
    decimal: options.Decimal = None,
    marks: options.Marks = False,
    labels: options.Labels = None,
    groups: options.Groups = None,
    memory: options.Memory = None,
    cluster: options.Cluster = None,
    workers: options.Workers = None,
    background: options.Background = None,
    background_prior: options.BackgroundPrior = None,
    inference: options.Method = "map",
    criterion: options.Criterion = None,
    mean_prior: options.MeanPrior = None,
    scale_prior: options.ScalePrior = None,
    variance_prior: options.VariancePrior = None,
    weight_prior: options.WeightPrior = None,
    init: options.Start = "search",
    n_init: options.Runs = None,
    max_iter: options.Iterations = None,
    tol: options.Tolerance = None,
    seed: options.Seed = 0,
    jobs: options.Jobs = None,
    chains: method_options.Chains = None,
    draws: method_options.Draws = None,
    warmup: method_options.Warmup = None,
    effective_draws: method_options.EffectiveDraws = None,
    max_draws: method_options.MostDraws = None,
    steps: method_options.Steps = None,
    learning_rate: method_options.LearningRate = None,
    print_every: method_options.PrintEvery = None,
    plot: options.Plot = None,
    report: options.Report = None,
    title: options.Title = None,
    assignments: options.Assignments = None,
    save: options.Save = None,
    json: options.Json = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Choose the number of components and their shape.

    Fits every number of components with every family, prints how well each
    does by several criteria, marks the best, and shows it. Files are those of
    the best one.

    \b
      mixtura select flowers.csv -c petal_length --components 1:6
      mixtura select flowers.csv -k 2,3,5 --families full,tied,diag --plot k.svg
      mixtura select flowers.csv --inference vb --save flowers.mixtura
    """
    talk = Talk(quiet, verbose)
    numbers, names = numbers_of(components), names_of(families)
    settings = FitSettings(
        components=numbers[0],
        covariance=names[0],
        inference=inference,
        priors=PriorTexts(mean_prior, scale_prior, variance_prior, weight_prior),
        init=init,
        n_init=n_init,
        max_iter=max_iter,
        tol=tol,
        seed=seed,
        sampler=SamplerSettings(chains, draws, warmup),
        enough=SufficiencySettings(effective_draws, max_draws),
        svi=SviSettings(steps, learning_rate, print_every),
        background=background,
        background_prior=options.beta_of(background_prior),
    )
    search = Choice(numbers, names, criterion, jobs, settings)
    outputs = FitFiles(report, assignments, save).outputs()
    if plot is not None:
        outputs["plot"] = Output("--plot", plot, PICTURE)
    search.check()
    of_rows = RowSettings(missing, errors, weights, labels, groups, exclude=exclude).written(
        thousands, decimal, marks=marks
    )
    of_rows.error_columns()
    check_outputs(outputs.values(), [data], force=force)
    with swept_by(cluster, workers) as client:
        table = read_rows(data, column, of_rows, talk, memory, client)
        search.check_columns(len(table.names))
        chosen = search.run(table, talk)
        # A reader of the report should know that the model was chosen on the same rows.
        note = f"Chosen among {counted(len(chosen.table), 'fit')}. {chosen.summary().sentence}"
        findings = Findings(chosen.model, replace(table, notes=(*table.notes, note)), seed, title)
        printer = _print_json if json else _print
        deliver_files(
            findings,
            outputs,
            talk,
            partial(printer, chosen, findings),
            force=force,
            makers={"plot": partial(_picture, chosen)},
        )


def _picture(chosen: "Selection", path: str) -> bytes:
    """Return the picture in the format that the name asks for."""
    buffer = io.BytesIO()
    chosen.plot().figure.savefig(buffer, format=Path(path).suffix[1:].lower(), dpi=150)
    return buffer.getvalue()


def _print(chosen: "Selection", findings: Findings) -> None:
    """Print the table of candidates, and the components of the best."""
    from mixtura.reports import selection_renderable

    summary = chosen.summary()
    said = [
        replace(c, error=in_options(c.error), doubts=tuple(map(in_options, c.doubts)))
        for c in summary.candidates
    ]
    summary = replace(summary, candidates=tuple(said))
    if is_decorated(sys.stdout):
        show(selection_renderable(summary, result_width()))
    else:
        result(summary.to_text(result_width()).rstrip("\n"))
    result("")
    show_summary(findings.summary())


def _print_json(chosen: "Selection", findings: Findings) -> None:
    from mixtura.reports import selection_as_json

    table, report = findings.table, findings.report(pictures=False)
    said = selection_as_json(chosen.summary(), report, source=table.source, notes=table.notes)
    result(said.rstrip("\n"))
