"""``mixtura fit``."""

from mixtura.cli import method_options, options
from mixtura.cli.dask_workers import swept_by
from mixtura.cli.inputs import RowSettings, given_rows, read_rows
from mixtura.cli.option_values import names_of_components
from mixtura.cli.outputs import check_outputs
from mixtura.cli.priors import PriorTexts
from mixtura.cli.results import CHECKPOINT, Extras, Findings, FitFiles, deliver_fit
from mixtura.cli.resuming import replaceable
from mixtura.cli.settings import (
    CheckpointSettings,
    FitSettings,
    SamplerSettings,
    SufficiencySettings,
    SviSettings,
)
from mixtura.cli.streams import Talk


def fit(
    data: options.Data,
    column: options.Columns = None,
    exclude: options.Exclude = None,
    components: options.Components = 2,
    covariance: options.Covariance = "full",
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
    mean_prior: options.MeanPrior = None,
    scale_prior: options.ScalePrior = None,
    variance_prior: options.VariancePrior = None,
    weight_prior: options.WeightPrior = None,
    init: options.Start = "search",
    n_init: options.Runs = None,
    max_iter: options.Iterations = None,
    tol: options.Tolerance = None,
    seed: options.Seed = 0,
    chains: method_options.Chains = None,
    draws: method_options.Draws = None,
    warmup: method_options.Warmup = None,
    effective_draws: method_options.EffectiveDraws = None,
    max_draws: method_options.MostDraws = None,
    checkpoint: method_options.Checkpoint = None,
    checkpoint_seconds: method_options.CheckpointSeconds = None,
    steps: method_options.Steps = None,
    learning_rate: method_options.LearningRate = None,
    print_every: method_options.PrintEvery = None,
    bootstrap: options.Bootstrap = None,
    clusters: options.Clusters = None,
    report: options.Report = None,
    title: options.Title = None,
    names: options.Names = None,
    assignments: options.Assignments = None,
    save: options.Save = None,
    json: options.Json = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fit a mixture to the rows of a table.

    Prints the components: their weights, means and standard deviations.

    \b
      mixtura fit flowers.csv -c petal_length -k 2
      mixtura fit flowers.csv -k 3 --report report.html --assignments groups.csv
      mixtura fit flowers.csv -c petal_length -k 2 \\
          --mean-prior normal:0,10 --scale-prior inverse-gamma:1,1
      mixtura fit flowers.csv -k 4 --bootstrap 999 --clusters entropy
      zcat flowers.csv.gz | mixtura fit - -k 3 --json
      mixtura fit big.parquet -k 5 --memory 2GB
      mixtura fit 'data/*.parquet' -k 5 --workers 4
    """
    talk = Talk(quiet, verbose)
    settings = FitSettings(
        components=components,
        covariance=covariance,
        inference=inference,
        priors=PriorTexts(mean_prior, scale_prior, variance_prior, weight_prior),
        init=init,
        n_init=n_init,
        max_iter=max_iter,
        tol=tol,
        seed=seed,
        sampler=SamplerSettings(chains, draws, warmup),
        enough=SufficiencySettings(effective_draws, max_draws),
        checkpoint=CheckpointSettings(checkpoint, checkpoint_seconds),
        svi=SviSettings(steps, learning_rate, print_every),
        background=background,
        background_prior=options.beta_of(background_prior),
    )
    asked = FitFiles(report, assignments, save, checkpoint).outputs()
    settings.check()
    called = names_of_components(names, components)
    more = Extras(bootstrap, clusters)
    more.check(settings)
    outputs = replaceable(asked, asked.get(CHECKPOINT))
    of_rows = RowSettings(missing, errors, weights, labels, groups, exclude=exclude).written(
        thousands, decimal, marks=marks
    )
    of_rows.error_columns()
    check_outputs(outputs.values(), [data], force=force)
    with swept_by(cluster, workers) as client:
        table = read_rows(data, column, of_rows, talk, memory, client)
        settings.check_columns(len(table.names))
        with talk.working("fitting") as progress:
            gmm = settings.estimator(talk, progress)
            gmm.fit(
                given_rows(table),
                sample_weight=table.weights,
                measurement_error=table.errors,
                labels=table.labels,
                groups=table.groups,
            )
        with talk.working("looking at the fit"):
            findings = more.of(Findings(gmm, table, seed, title, called))
        deliver_fit(findings, outputs, talk, json=json, force=force)
