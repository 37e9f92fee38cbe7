"""The options that the subcommands are made of, with their help."""

from collections.abc import Collection
from typing import Annotated

import typer

from mixtura.cli.option_values import background_of, beta_of, one_number, one_of
from mixtura.cli.priors import MEAN_PRIOR, SPREAD_PRIOR, WEIGHT_PRIOR
from mixtura.diagnostics.candidates import CRITERIA
from mixtura.estimator.choices import FAMILIES, INFERENCES, INITIALIZERS

MISSING = ("integrate", "drop", "refuse")
"""What becomes of rows of which cells are missing; written out, since their type brings NumPy."""

MODEL = "Model"
READING = "Reading text"
PRIORS = "Priors"
SEARCH = "Search"
RESULTS = "Results"


def option_of(*names: str, help: str, panel: str | None = None, **more: object) -> object:
    """Return what typer makes of an option: its names, and a line of help in a panel."""
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)  # type: ignore[arg-type]


def _choice(*names: str, help: str, panel: str, choices: Collection[str]) -> object:
    said = f"{help} One of {', '.join(choices)}."
    return option_of(*names, help=said, panel=panel, metavar="NAME", callback=one_of(choices))


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A CSV, TSV, Parquet or Arrow file, or - for standard input; also a directory or a "
        "quoted pattern of files.",
        show_default=False,
    ),
]
ModelFile = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model file that mixtura fit --save wrote.",
        show_default=False,
    ),
]
Columns = Annotated[
    list[str] | None,
    option_of(
        "-c",
        "--column",
        metavar="NAME",
        help="A column to model; repeat it for several, or put commas between them. All numeric "
        "columns by default.",
        panel=MODEL,
    ),
]
Exclude = Annotated[
    list[str] | None,
    option_of(
        "--exclude",
        metavar="NAME",
        help="A column that is not modelled though it holds numbers; repeat it for several.",
        panel=MODEL,
    ),
]
Thousands = Annotated[
    str | None,
    option_of(
        "--thousands",
        metavar="MARK",
        help="What stands between groups of three digits in a text: a comma, a point, an "
        "apostrophe, an underscore or a blank.",
        panel=READING,
    ),
]
Decimal = Annotated[
    str | None,
    option_of(
        "--decimal",
        metavar="MARK",
        help="The decimal mark of a text, a point or a comma; guessed by default.",
        panel=READING,
    ),
]
Marks = Annotated[
    bool,
    option_of(
        "--marks",
        help="Leave out currency signs and codes of a text, and divide percentages by 100.",
        panel=READING,
    ),
]
Memory = Annotated[
    str | None,
    option_of(
        "--memory",
        metavar="SIZE",
        help="How much of the rows is kept in memory, such as 2GB; larger DATA are read piece by "
        "piece, again for each sweep. A quarter of what is free by default.",
        panel=MODEL,
    ),
]
Cluster = Annotated[
    str | None,
    option_of(
        "--cluster",
        metavar="ADDRESS",
        help="A Dask scheduler, such as tcp://host:8786, whose workers read DATA, keep them and "
        "sweep them; they must find DATA under the same name.",
        panel=MODEL,
    ),
]
Workers = Annotated[
    int | None,
    option_of(
        "--workers",
        min=1,
        metavar="N",
        help="Start so many Dask workers of one thread on this machine, which read DATA, keep them "
        "and sweep them.",
        panel=MODEL,
    ),
]
Weights = Annotated[
    str | None,
    option_of(
        "--weights",
        metavar="NAME",
        help="A column of row weights: a row of weight 2 counts as two rows.",
        panel=MODEL,
    ),
]
Components = Annotated[
    int,
    option_of(
        "-k",
        "--components",
        parser=one_number,
        metavar="K",
        help="Number of components; mixtura select tries several.",
        panel=MODEL,
    ),
]
Missing = Annotated[
    str,
    _choice(
        "--missing",
        help="Rows of which cells are missing: integrate takes what was observed of them, drop "
        "leaves them out, refuse ends with an error.",
        panel=MODEL,
        choices=MISSING,
    ),
]
Errors = Annotated[
    list[str] | None,
    option_of(
        "--errors",
        metavar="COLUMN=ERRORS",
        help="A column of standard deviations of measurement errors, for a column of data; repeat "
        "it for several.",
        panel=MODEL,
    ),
]
Labels = Annotated[
    str | None,
    option_of(
        "--labels",
        metavar="NAME",
        help="A column of known components, by number or by name; empty where one is not known.",
        panel=MODEL,
    ),
]
Groups = Annotated[
    str | None,
    option_of(
        "--groups",
        metavar="NAME",
        help="A column that says which rows share a component; empty for rows on their own.",
        panel=MODEL,
    ),
]
Background = Annotated[
    str | None,
    option_of(
        "--background",
        metavar="uniform|VOLUME",
        help="A uniform background for rows that belong to no component, on the box of the rows "
        "or of a given volume.",
        panel=MODEL,
        callback=background_of,
    ),
]
BackgroundPrior = Annotated[
    str | None,
    option_of(
        "--background-prior",
        metavar="A,B",
        help="Prior of the weight of the background, Beta(A, B); 1,1 by default.",
        panel=MODEL,
        callback=lambda text: text if beta_of(text) else None,
    ),
]
SeveralComponents = Annotated[
    str,
    option_of(
        "-k",
        "--components",
        metavar="K",
        help="Numbers of components: from 1 to 10 as 1:10, or a list as 2,3,5.",
        panel=MODEL,
    ),
]
Families = Annotated[
    str,
    option_of(
        "--families",
        metavar="NAMES",
        help="What shape the components have and share; several with commas between them. "
        f"Of {', '.join(FAMILIES)}, or mclust's names; all fourteen as all, or a pattern such as "
        "V**.",
        panel=MODEL,
    ),
]
Criterion = Annotated[
    str | None,
    _choice(
        "--criterion",
        help="What chooses: the smallest bic, icl, icl_hard or aic, or the largest cv (log density "
        "by cross-validation) or elbo, which needs "
        "--inference vb and is the default there. Else it is bic.",
        panel=SEARCH,
        choices=CRITERIA,
    ),
]
Jobs = Annotated[
    int | None,
    option_of(
        "--jobs",
        min=1,
        metavar="N",
        help="Number of fits at a time, each in one thread. By default one at a time, in as many "
        "threads as there are processors.",
        panel=SEARCH,
    ),
]
Covariance = Annotated[
    str,
    _choice(
        "--covariance",
        help="What shape the components have and share.",
        panel=MODEL,
        choices=FAMILIES,
    ),
]
Method = Annotated[
    str,
    _choice(
        "--inference",
        help="The exact posterior mode, the variational posterior, draws from the posterior, "
        "maximum likelihood, or Pyro's stochastic variational inference or no-U-turn sampler "
        '(which need: pip install "mixtura\\[pyro]").',
        panel=MODEL,
        choices=INFERENCES,
    ),
]
MeanPrior = Annotated[
    str | None,
    option_of(
        "--mean-prior",
        metavar=MEAN_PRIOR,
        help="Prior of the component means, the same for every column: mean and standard "
        "deviation. Example: normal:0,10. Needs --scale-prior or --variance-prior. Without "
        "it, a weakly informative prior is taken from the data.",
        panel=PRIORS,
    ),
]
ScalePrior = Annotated[
    str | None,
    option_of(
        "--scale-prior",
        metavar=SPREAD_PRIOR,
        help="Prior of the standard deviations. Example: inverse-gamma:1,1 (shape, scale), "
        "log-normal:0,2 (mean and sd of the logarithm) or half-normal:3; known:0.1 where they are "
        "known. inverse-gamma:2,gamma:0.2,10 (shape, rate) or gamma:0.2,10,1e-4 (shape, rate, "
        "minimum) learns one scale for all components.",
        panel=PRIORS,
    ),
]
VariancePrior = Annotated[
    str | None,
    option_of(
        "--variance-prior",
        metavar=SPREAD_PRIOR,
        help="The same for the variances, in place of --scale-prior.",
        panel=PRIORS,
    ),
]
WeightPrior = Annotated[
    str | None,
    option_of(
        "--weight-prior",
        metavar=WEIGHT_PRIOR,
        help="Prior of the weights: one concentration, or one for each component. "
        "Example: dirichlet:1 or dirichlet:1,2,3. dirichlet-process:1 or pitman-yor:1,0.25 "
        "(concentration, discount) leave components that are not needed empty; "
        "dirichlet-process:gamma:1,1 learns the concentration. finite-mixtures:1 or "
        "finite-mixtures:1,3 (concentration, rate) is a prior on the number of components, for "
        "--inference collapsed and gibbs.",
        panel=PRIORS,
    ),
]
Start = Annotated[
    str,
    _choice("--init", help="How a run starts.", panel=SEARCH, choices=INITIALIZERS),
]
Runs = Annotated[
    int | None,
    option_of(
        "--n-init",
        min=1,
        metavar="N",
        help="Number of starts, of which the best is kept. By default 1 for search, split and "
        "quantile, 4 for kmeans, 10 for random.",
        panel=SEARCH,
    ),
]
Iterations = Annotated[
    int | None,
    option_of(
        "--max-iter",
        min=0,
        metavar="N",
        help="Largest number of iterations; exit code 4 says that it was reached.",
        panel=SEARCH,
    ),
]
Tolerance = Annotated[
    float | None,
    option_of(
        "--tol",
        min=0.0,
        metavar="X",
        help="Nats left to gain at which map, vb and ml have converged; by default 1e-6.",
        panel=SEARCH,
    ),
]
Seed = Annotated[
    int,
    option_of("--seed", min=0, metavar="N", help="Source of all randomness.", panel=SEARCH),
]
Report = Annotated[
    str | None,
    option_of("--report", metavar="FILE.html", help="Write a report with pictures.", panel=RESULTS),
]
Title = Annotated[
    str | None,
    option_of("--title", metavar="TEXT", help="What stands above the report.", panel=RESULTS),
]
Names = Annotated[
    str | None,
    option_of(
        "--names",
        metavar="A,B,...",
        help="Names of the components in order, with commas between them, for summary, report and "
        "pictures.",
        panel=RESULTS,
    ),
]
Assignments = Annotated[
    str | None,
    option_of(
        "--assignments",
        metavar="FILE.csv",
        help="Write, for each row, its number, its most probable component, and the probability "
        "of every component. Ends in .csv or .tsv.",
        panel=RESULTS,
    ),
]
Plot = Annotated[
    str | None,
    option_of(
        "--plot",
        metavar="FILE.svg",
        help="Draw the criterion against the number of components. Ends in .svg or .png.",
        panel=RESULTS,
    ),
]
Save = Annotated[
    str | None,
    option_of(
        "--save",
        metavar="FILE.mixtura",
        help="Write the fitted model, for mixtura predict, sample and report.",
        panel=RESULTS,
    ),
]
Bootstrap = Annotated[
    int | None,
    option_of(
        "--bootstrap",
        min=2,
        metavar="B",
        help="Fit B bootstrap replicates of the rows, and show intervals of a point fit "
        "(--inference map or ml) in the results.",
        panel=RESULTS,
    ),
]
Clusters = Annotated[
    str | None,
    option_of(
        "--clusters",
        metavar="entropy|modes",
        help="Merge components into clusters, by the entropy of the assignments or by the modes "
        "of the density, and say which belong together; --assignments then has a column cluster.",
        callback=one_of(("entropy", "modes")),
        panel=RESULTS,
    ),
]
Json = Annotated[
    bool,
    option_of("--json", help="Print the report as JSON and nothing else.", panel=RESULTS),
]
Force = Annotated[bool, option_of("--force", help="Replace files that exist.", panel=RESULTS)]
TableFile = Annotated[
    str | None,
    option_of(
        "-o",
        "--output",
        metavar="FILE",
        help="Write to a file that ends in .csv, .tsv or .parquet; standard output by default, as "
        "CSV.",
        panel=RESULTS,
    ),
]
Quiet = Annotated[
    bool,
    option_of("-q", "--quiet", help="Say nothing on standard error but warnings and errors."),
]
Verbose = Annotated[
    bool, option_of("-v", "--verbose", help="Say how every start ended, on standard error.")
]
