"""The options that the subcommands are made of, with their help."""

import difflib
from collections.abc import Callable, Collection
from typing import Annotated

import typer

from mixtura.cli.priors import MEAN_PRIOR, SPREAD_PRIOR, WEIGHT_PRIOR
from mixtura.diagnostics.candidates import CRITERIA
from mixtura.estimator.choices import FAMILIES, INFERENCES, INITIALIZERS

MISSING = ("integrate", "drop", "refuse")
"""What becomes of rows of which cells are missing; written out, since their type brings NumPy."""

MODEL = "Model"
PRIORS = "Priors"
SEARCH = "Search"
SAMPLERS_ONLY = "Only with --inference gibbs, collapsed or nuts"
GIBBS_ONLY = "Only with --inference gibbs or collapsed"
SVI_ONLY = "Only with --inference svi"
RESULTS = "Results"


def one_of(choices: Collection[str]) -> Callable[[str | None], str | None]:
    """Return a check that a text, where there is one, is one of the choices."""

    def check(value: str | None) -> str | None:
        if value is None or value in choices:
            return value
        close = difflib.get_close_matches(value.lower(), choices, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(choices)}{hint}")

    return check


def background_of(text: str | None) -> str | None:
    """Return what a background may be: uniform, or a volume above 0."""
    if text is None or text == "uniform":
        return text
    try:
        is_volume = 0.0 < float(text) < float("inf")
    except ValueError:
        is_volume = False
    if not is_volume:
        raise typer.BadParameter(f"{text!r} is neither uniform nor a volume above 0")
    return text


def one_number(text: str | int) -> int:
    """Return a number of components; where several were asked for, say what takes them."""
    said = str(text).strip()
    if said.isascii() and said.isdigit() and len(said) < 10 and int(said) >= 1:
        return int(said)
    several = said and set(said) <= set("0123456789:, ")
    hint = "; mixtura select tries several, as 1:4 or 2,3,5" if several and said != "0" else ""
    raise typer.BadParameter(f"{said!r} is not a whole number of at least 1{hint}")


def _option(*names: str, help: str, panel: str | None = None, **more: object) -> object:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)  # type: ignore[arg-type]


def _choice(*names: str, help: str, panel: str, choices: Collection[str]) -> object:
    said = f"{help} One of {', '.join(choices)}."
    return _option(*names, help=said, panel=panel, metavar="NAME", callback=one_of(choices))


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A CSV, TSV, Parquet or Arrow file, or - for standard input; for fit, select and "
        "predict also a directory or a quoted pattern of files.",
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
    _option(
        "-c",
        "--column",
        metavar="NAME",
        help="A column to model; repeat it for several. All numeric columns by default.",
        panel=MODEL,
    ),
]
Memory = Annotated[
    str | None,
    _option(
        "--memory",
        metavar="SIZE",
        help="How much of the rows is kept in memory, such as 2GB; larger DATA are read piece by "
        "piece, again for each sweep. A quarter of what is free by default.",
        panel=MODEL,
    ),
]
Weights = Annotated[
    str | None,
    _option(
        "--weights",
        metavar="NAME",
        help="A column of row weights: a row of weight 2 counts as two rows.",
        panel=MODEL,
    ),
]
Components = Annotated[
    int,
    _option(
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
    _option(
        "--errors",
        metavar="COLUMN=ERRORS",
        help="A column of standard deviations of measurement errors, for a column of data; repeat "
        "it for several.",
        panel=MODEL,
    ),
]
Labels = Annotated[
    str | None,
    _option(
        "--labels",
        metavar="NAME",
        help="A column of known components, by number or by name; empty where one is not known.",
        panel=MODEL,
    ),
]
Groups = Annotated[
    str | None,
    _option(
        "--groups",
        metavar="NAME",
        help="A column that says which rows share a component; empty for rows on their own.",
        panel=MODEL,
    ),
]
Background = Annotated[
    str | None,
    _option(
        "--background",
        metavar="uniform|VOLUME",
        help="A uniform background for rows that belong to no component, on the box of the rows "
        "or of a given volume.",
        panel=MODEL,
        callback=background_of,
    ),
]
SeveralComponents = Annotated[
    str,
    _option(
        "-k",
        "--components",
        metavar="K",
        help="Numbers of components: from 1 to 10 as 1:10, or a list as 2,3,5.",
        panel=MODEL,
    ),
]
Families = Annotated[
    str,
    _option(
        "--families",
        metavar="NAMES",
        help="What shape the components have and share; several with commas between them. "
        f"Of {', '.join(FAMILIES)}.",
        panel=MODEL,
    ),
]
Criterion = Annotated[
    str | None,
    _choice(
        "--criterion",
        help="What chooses: the smallest bic, icl or aic, or the largest elbo, which needs "
        "--inference vb and is the default there. Else it is bic.",
        panel=SEARCH,
        choices=CRITERIA,
    ),
]
Jobs = Annotated[
    int | None,
    _option(
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
    _option(
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
    _option(
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
    _option(
        "--variance-prior",
        metavar=SPREAD_PRIOR,
        help="The same for the variances, in place of --scale-prior.",
        panel=PRIORS,
    ),
]
WeightPrior = Annotated[
    str | None,
    _option(
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
    _option(
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
    _option(
        "--max-iter",
        min=1,
        metavar="N",
        help="Largest number of iterations; exit code 4 says that it was reached.",
        panel=SEARCH,
    ),
]
Tolerance = Annotated[
    float | None,
    _option(
        "--tol",
        min=0.0,
        metavar="X",
        help="Nats left to gain at which map, vb and ml have converged; by default 1e-6.",
        panel=SEARCH,
    ),
]
Seed = Annotated[
    int,
    _option("--seed", min=0, metavar="N", help="Source of all randomness.", panel=SEARCH),
]
Chains = Annotated[
    int | None,
    _option(
        "--chains", min=1, metavar="N", help="Number of chains; 4 by default.", panel=SAMPLERS_ONLY
    ),
]
Draws = Annotated[
    int | None,
    _option(
        "--draws",
        min=1,
        metavar="N",
        help="Draws that are kept of each chain; 1000 by default, 500 of nuts, as many as suffice "
        "of collapsed.",
        panel=SAMPLERS_ONLY,
    ),
]
Warmup = Annotated[
    int | None,
    _option(
        "--warmup",
        min=0,
        metavar="N",
        help="Draws of each chain before the first that is kept; 500 by default.",
        panel=SAMPLERS_ONLY,
    ),
]
EffectiveDraws = Annotated[
    int | None,
    _option(
        "--effective-draws",
        min=1,
        metavar="N",
        help="Draw until R-hat is at most 1.01 and there are so many effective draws, of all "
        "chains together; 400 by default of collapsed.",
        panel=SAMPLERS_ONLY,
    ),
]
MostDraws = Annotated[
    int | None,
    _option(
        "--max-draws",
        min=1,
        metavar="N",
        help="Draws of each chain at which --effective-draws gives up; 8000 by default.",
        panel=SAMPLERS_ONLY,
    ),
]
Checkpoint = Annotated[
    str | None,
    _option(
        "--checkpoint",
        metavar="FILE",
        help="Keep in this file how far the fit is: chains of gibbs and collapsed, or what sweeps "
        "of map, ml and vb found. The same command goes on from it after an interruption, to the "
        "same result, and replaces the results that the interruption left; when it has ended, the "
        "file is deleted.",
        panel=RESULTS,
    ),
]
CheckpointSeconds = Annotated[
    float | None,
    _option(
        "--checkpoint-seconds",
        min=0.0,
        metavar="X",
        help="Seconds from one writing of the checkpoint to the next; 30 by default.",
        panel=GIBBS_ONLY,
    ),
]
Steps = Annotated[
    int | None,
    _option("--steps", min=1, metavar="N", help="Number of gradient steps.", panel=SVI_ONLY),
]
LearningRate = Annotated[
    float | None,
    _option("--learning-rate", metavar="X", help="Adam's learning rate.", panel=SVI_ONLY),
]
PrintEvery = Annotated[
    int | None,
    _option(
        "--print-every",
        min=1,
        metavar="N",
        help="Print the loss every N steps, on standard error.",
        panel=SVI_ONLY,
    ),
]
Report = Annotated[
    str | None,
    _option("--report", metavar="FILE.html", help="Write a report with pictures.", panel=RESULTS),
]
Assignments = Annotated[
    str | None,
    _option(
        "--assignments",
        metavar="FILE.csv",
        help="Write, for each row, its number, its most probable component, and the probability "
        "of every component. Ends in .csv or .tsv.",
        panel=RESULTS,
    ),
]
Plot = Annotated[
    str | None,
    _option(
        "--plot",
        metavar="FILE.svg",
        help="Draw the criterion against the number of components. Ends in .svg or .png.",
        panel=RESULTS,
    ),
]
Save = Annotated[
    str | None,
    _option(
        "--save",
        metavar="FILE.mixtura",
        help="Write the fitted model, for mixtura predict, sample and report.",
        panel=RESULTS,
    ),
]
Json = Annotated[
    bool,
    _option("--json", help="Print the report as JSON and nothing else.", panel=RESULTS),
]
Force = Annotated[bool, _option("--force", help="Replace files that exist.", panel=RESULTS)]
TableFile = Annotated[
    str | None,
    _option(
        "-o",
        "--output",
        metavar="FILE.csv",
        help="Write to a file that ends in .csv or .tsv; standard output by default.",
        panel=RESULTS,
    ),
]
Quiet = Annotated[
    bool,
    _option("-q", "--quiet", help="Say nothing on standard error but warnings and errors."),
]
Verbose = Annotated[
    bool, _option("-v", "--verbose", help="Say how every start ended, on standard error.")
]
