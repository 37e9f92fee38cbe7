"""``mixtura classify``."""

import typer

from mixtura.cli import class_options, options
from mixtura.cli.choice import names_of, numbers_of
from mixtura.cli.class_findings import (
    ClassFindings,
    KnownClasses,
    new_rows_for,
    table_of_classes,
    told_as_json,
    told_as_summary,
)
from mixtura.cli.delimited_output import DIGITS, deliver, is_binary, table_output
from mixtura.cli.failures import ExitCode
from mixtura.cli.inputs import RowSettings, read_rows
from mixtura.cli.outputs import Output, check_outputs, write_output
from mixtura.cli.predict import Keep, KeepAll, Probabilities
from mixtura.cli.priors import PriorTexts
from mixtura.cli.scanned_tables import ScannedTable
from mixtura.cli.settings import FitSettings
from mixtura.cli.streams import Talk, result, result_width
from mixtura.errors import InvalidArgumentError

PICTURE = (".svg", ".png")
"""How the name of a picture may end."""


def classify(
    data: options.Data,
    classes: class_options.ClassColumn,
    column: options.Columns = None,
    exclude: options.Exclude = None,
    families: class_options.ClassFamilies = "full",
    components: class_options.OfClasses = "1",
    separate: class_options.Separate = False,
    class_prior: class_options.ClassPrior = None,
    weights: options.Weights = None,
    missing: options.Missing = "integrate",
    errors: options.Errors = None,
    thousands: options.Thousands = None,
    decimal: options.Decimal = None,
    marks: options.Marks = False,
    inference: options.Method = "map",
    criterion: class_options.ClassCriterion = "bic",
    folds: class_options.NumberOfFolds = 10,
    mean_prior: options.MeanPrior = None,
    scale_prior: options.ScalePrior = None,
    variance_prior: options.VariancePrior = None,
    weight_prior: options.WeightPrior = None,
    n_init: options.Runs = None,
    max_iter: options.Iterations = None,
    tol: options.Tolerance = None,
    seed: options.Seed = 0,
    jobs: options.Jobs = None,
    predict: class_options.NewRows = None,
    output: options.TableFile = None,
    proba: Probabilities = False,
    keep: Keep = None,
    keep_all: KeepAll = False,
    plot: class_options.Picture = None,
    json: options.Json = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Learn classes from a table, and tell those of other rows.

    Fits a mixture to rows whose classes are known (discriminant analysis),
    prints the classes and how often cross-validation misses them. A family
    and a number of components are chosen where several are named.

    The table that --output writes has the row's number, its class in DATA and
    the class that it is told: of rows with a class by fits to other rows, of
    rows without one, and of those of --predict, by the fit to all.

    \b
      mixtura classify flowers.csv --class species --families all
      mixtura classify flowers.csv --class species -k 1:3 --separate -o told.csv
      mixtura classify flowers.csv --class species --predict new-flowers.csv
    """
    talk = Talk(quiet)
    priors = PriorTexts(mean_prior, scale_prior, variance_prior, weight_prior)
    numbers, names = numbers_of(components), names_of(families)
    settings = FitSettings(
        *(numbers[0], names[0], inference, priors, "search", n_init, max_iter, tol, seed)
    )
    settings.check()
    if criterion == "cv" and not folds:
        raise InvalidArgumentError("--criterion cv needs --folds of at least 2")
    if folds == 1:
        raise InvalidArgumentError("--folds must be 0 or at least 2; got 1")
    of_rows = RowSettings(
        *(missing, errors, weights, classes),
        keep=None if predict else keep,
        keep_all=keep_all and not predict,
        exclude=exclude,
    ).written(thousands, decimal, marks=marks)
    of_rows.error_columns()
    target = table_output("--output", output)
    picture = None if plot is None else Output("--plot", plot, PICTURE)
    files = [file for file in (target, picture) if file is not None]
    check_outputs(files, [data, *([] if predict is None else [predict])], force=force)
    table = read_rows(data, column, of_rows, talk)
    if isinstance(table, ScannedTable):
        raise InvalidArgumentError("mixtura classify: not for DATA that are read piece by piece")
    known = KnownClasses.of(table, classes, talk)
    parameters = settings.parameters(talk)
    taken = ("weight_prior", "component_prior", "inference", "n_init", "max_iter", "tol")
    from mixtura.estimator.classifier import MixtureClassifier

    classifier = MixtureClassifier(
        numbers if len(numbers) > 1 else numbers[0],
        names,
        shared_family=not separate,
        criterion=criterion,
        n_folds=max(folds, 2),
        class_prior=class_options.class_prior_of(class_prior, known.names),
        random_state=seed,
        n_jobs=jobs,
        **{name: parameters[name] for name in taken},
    )
    with talk.working("fitting"):
        known.fit(classifier)
    told = None
    if folds:
        with talk.working("cross-validating"):
            told = known.validated(classifier, folds, jobs or 1)
    fresh = None
    if predict is not None:
        kept = RowSettings(missing, errors, keep=keep, keep_all=keep_all).written(
            thousands, decimal, marks=marks
        )
        fresh = new_rows_for(classifier, predict, classes, talk, kept)
    findings = ClassFindings(classifier, known, told, fresh)
    _write(findings, target, picture, talk, proba=proba, json=json, force=force)
    if not all(gmm.converged_ for gmm in classifier.mixtures_):
        raise typer.Exit(ExitCode.NOT_CONVERGED)


def _write(
    findings: ClassFindings,
    target: Output | None,
    picture: Output | None,
    talk: Talk,
    *,
    proba: bool,
    json: bool,
    force: bool,
) -> None:
    """Write files, and print what was found, or else the rows of another table."""
    to_screen = findings.fresh is not None and target is None and not json
    if target is not None or to_screen:
        digits = None if is_binary(target) else DIGITS
        names, columns = table_of_classes(findings, proba=proba, digits=digits)
        deliver(names, columns, target, talk, force=force)
    if picture is not None:
        write_output(picture, findings.picture(picture.path), force=force)
        talk.note(f"wrote {picture.path}")
    if json:
        result(told_as_json(findings))
    elif not to_screen:
        result(told_as_summary(findings).to_text(result_width()).rstrip("\n"))
    else:
        for sentence in findings.sentences():
            talk.note(sentence)
