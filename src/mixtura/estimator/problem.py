"""From the estimator's parameters and its rows to a problem that a method can solve."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mixtura.data import ArrayRows, Block, PartedRows, Rows
from mixtura.data.scaling import safe_factor
from mixtura.diagnostics.component_warnings import named_columns
from mixtura.diagnostics.data_warnings import DataFacts, data_doubts, facts_of, fewer_rows
from mixtura.engines import Engine
from mixtura.engines.resolution import ColumnResolution, resolution
from mixtura.errors import DataError, DataWarning, Doubt, InvalidArgumentError, Setting
from mixtura.estimator import arguments
from mixtura.families import FAMILIES, CovarianceFamily, univariate
from mixtura.fit import Fit, Inference, Problem
from mixtura.inference.starts import (
    Elicitation,
    Elicited,
    LabelledStart,
    Search,
    StartApart,
    StartBesideFixed,
    after,
    close_rows,
    units_of_box,
)
from mixtura.messages.background import BACKGROUND, UNIFORM, Background, BackgroundPotential
from mixtura.messages.fixed_parameters import FixedParameters, fixed_parameters
from mixtura.model import MixtureModel
from mixtura.priors.elicitation import OverallMoments
from mixtura.typing import Array, StructureShape

LARGEST = 1e152
"""Largest size of a value: its square is still a number that float64 holds in full."""


FARTHEST = 1e100
"""Widths of a component that a row may lie away: the square, summed over rows, is a number."""

UP_TO_A_CONSTANT = (
    "Objective: the prior of covariances that share parts is known up to a constant, which is "
    "left out."
)

STRANGE = 1e3
"""Standard deviations of all rows so far: a batch this far away, or this wide, is doubtful."""


def build_problem(
    given: Mapping[str, Any], rows: Rows, engine: Engine, names: tuple[str, ...]
) -> tuple[Inference, Problem]:
    """Return the inference method and the problem that an estimator's parameters describe.

    Raises
    ------
    InvalidArgumentError
        If a parameter has a value that is not allowed.
    """
    arguments.check_parameters(given)
    n_components = arguments.parameter(given, "n_components")
    method = arguments.inference_method(given["inference"])
    arguments.repeatable(given["random_state"], method)
    family = arguments.family_of_rows(given["covariance_type"], rows.n_features)
    _refuse_restricted(method, family)
    _check_magnitude(rows.magnitude(), names)
    moments = overall_moments(rows, engine, _units_of(family, rows.n_features))
    facts = known_of(rows, engine, moments, n_components, names)
    units = 1.0 if moments.factor is None else moments.factor
    spacing = facts.spacing * units
    looked_at = engine.completed(in_units_of(rows, moments)).unlabelled
    background = background_of(given["background"], rows, names)
    background = _with_prior(background, given["background_prior"], method)
    _refuse_known(method, rows, background)
    data = Elicitation(looked_at, engine, moments, spacing)
    if background is not None:
        box = background.rescaled(np.broadcast_to(units, background.lower.shape))
        data = _within_box(data, in_units_of(rows, moments), box, family)
    model, assumptions, found = build_model(given, rows.n_features, data)
    fixed = _fixed(given["fixed"], method, model, rows)
    model = replace(model, background=background, fixed=fixed)
    start = arguments.initializer(given["init"], n_components, rows, names)
    if method.uses_flat_priors and isinstance(start, Search):
        found = data.groups(family, n_components)
    start = after(start, found)
    if isinstance(start, Search) and found is not None and found.rival is not None:
        assumptions = (*assumptions, found.rival.told)
    keep_numbering = start.numbers_components or not model.weight_prior.is_exchangeable
    keep_numbering |= fixed is not None
    of_starts, of_method = arguments.seed_sequence(given["random_state"]).spawn(2)
    n_init = arguments.parameter(given, "n_init")
    n_init = method.default_starts if n_init is None else n_init
    if background is not None:
        n_init = start.default_starts if n_init is None else n_init
        start = StartApart(start)
    if rows.is_labelled:
        n_init = start.default_starts if n_init is None else n_init
        start = LabelledStart(start)
    if fixed is not None:
        n_init = start.default_starts if n_init is None else n_init
        start = StartBesideFixed(start)
    problem = Problem(
        model=model,
        rows=rows,
        engine=engine,
        starts=arguments.starts_of(start, n_init, engine, of_starts),
        keep_numbering=keep_numbering,
        max_iter=arguments.parameter(given, "max_iter"),
        tol=arguments.parameter(given, "tol"),
        n_jobs=arguments.number_of_jobs(given["n_jobs"]),
        seed=of_method,
        feature_names=names,
        assumptions=assumptions,
        doubts=data_doubts(facts),
        resolution=ColumnResolution(facts.spacing, facts.dependent, names),
        report=print if arguments.parameter(given, "verbose") else lambda line: None,
    )
    return method, problem


def _fixed(
    value: Any, method: Inference, model: MixtureModel, rows: Rows
) -> FixedParameters | None:
    """Return the parameters that an argument gives; refuse what cannot keep them."""
    given = arguments.PARAMETERS["fixed"].read(value, "fixed")
    if not given:
        return None
    if not method.takes_fixed:
        raise InvalidArgumentError(
            *(Setting("inference", method.name), " takes no fixed parameters"),
            remedy=("use ", Setting("inference", ("map", "ml"))),
        )
    if model.component_prior.pull_of_means is None:
        raise InvalidArgumentError(
            f"fixed parameters need another component_prior than this "
            f"{type(model.component_prior).__name__}: a NormalInverseWishart, NormalInverseGamma "
            "or KnownScale whose scale is known, or inference='ml'"
        )
    if "weights" in given and not model.weight_prior.has_constant_powers:
        raise InvalidArgumentError("fixed weights need a Dirichlet weight_prior, or inference='ml'")
    known = rows.known if isinstance(rows, PartedRows) else None
    known = rows.labels if isinstance(rows, ArrayRows) else known
    names = () if known is None else known.classes.component_names()
    sizes = (model.n_components, model.n_features)
    if "covariances" in given and model.family.is_restricted:
        raise InvalidArgumentError(
            *("fixed covariances are not for ", Setting("covariance_type", model.family.name)),
            *(", whose components share parts of theirs"),
            remedy=("fix means and weights alone, or use ", Setting("covariance_type", "full")),
        )
    return fixed_parameters(given, names, sizes, model.structure)


def _refuse_restricted(method: Inference, family: CovarianceFamily) -> None:
    """Raise InvalidArgumentError where a method does not take what a family shares."""
    if not family.is_restricted or method.takes_restricted:
        return
    free = [name for name, one in FAMILIES.items() if not one.is_restricted]
    raise InvalidArgumentError(
        *(Setting("inference", method.name), " takes no "),
        *(Setting("covariance_type", family.name), f", only {', '.join(free[:-1])} or {free[-1]}"),
        remedy=("use one of these, or ", Setting("inference", ("map", "ml"))),
    )


def _units_of(family: CovarianceFamily, n_features: int) -> StructureShape:
    """Return the structure shape of one component whose columns need the family's units."""
    return (1, 1) if family.has_common_unit else family.structure(1, n_features)


def _refuse_known(method: Inference, rows: Rows, background: Background | None) -> None:
    """Raise InvalidArgumentError where a method does not take what is known of the rows."""
    if method.takes_labels or (background is None and not rows.is_labelled):
        return
    what = "groups" if rows.is_grouped else "labels" if rows.is_labelled else "background"
    raise InvalidArgumentError(
        *(Setting("inference", method.name), f" takes no {what}"),
        remedy=("use ", Setting("inference", ("map", "ml", "vb", "gibbs"))),
    )


def build_update(
    given: Mapping[str, Any], fit: Fit, rows: Rows, engine: Engine
) -> tuple[Inference, Problem]:
    """Return the method and the problem of adding rows to a fit, whose model stays.

    Raises
    ------
    InvalidArgumentError
        If the parameters describe another model or method than the fit's.
    DataError
        If float64 cannot hold the rows beside those of the fit.
    """
    arguments.check_parameters(given)
    method = arguments.inference_method(given["inference"])
    _check_unchanged(given, method, fit)
    _check_magnitude(rows.magnitude(), fit.feature_names)
    _check_reach(fit, rows.magnitude())
    _check_box(fit, rows, engine)
    problem = Problem(
        model=fit.model,
        rows=rows,
        engine=engine,
        starts=lambda model, rows: [],
        keep_numbering=True,
        max_iter=arguments.parameter(given, "max_iter"),
        tol=arguments.parameter(given, "tol"),
        seed=np.random.SeedSequence(0),
        feature_names=fit.feature_names,
        assumptions=fit.assumptions,
        doubts=_batch_doubts(fit, rows, engine),
        resolution=_resolution_of_batch(fit, rows, engine),
    )
    return method, problem


def build_model(
    given: Mapping[str, Any], n_features: int, data: Elicitation | None
) -> tuple[MixtureModel, tuple[str, ...], Elicited | None]:
    """Return the model that an estimator's parameters describe, what was assumed, and found."""
    arguments.check_parameters(given)
    n_components = arguments.parameter(given, "n_components")
    family = arguments.family_of_rows(given["covariance_type"], n_features)
    method = arguments.inference_method(given["inference"])
    priors = arguments.priors(
        given["weight_prior"],
        given["component_prior"],
        method,
        data,
        family,
        n_components,
    )
    model = MixtureModel(n_components, n_features, priors.weights, priors.components, family)
    assumptions = priors.assumptions
    if model.family.is_restricted and not method.uses_flat_priors:
        assumptions = (*assumptions, UP_TO_A_CONSTANT)
    return model, assumptions, priors.found


def background_of(value: Any, rows: Rows, names: tuple[str, ...]) -> Background | None:
    """Return the background that an argument describes: a box from the rows, or with a volume.

    Raises
    ------
    InvalidArgumentError
        If it is none, or a column has one value alone.
    """
    volume = arguments.PARAMETERS["background"].read(value, "background")
    if volume is None:
        return None
    ends = [_ends(block) for block in rows.blocks()]
    lower = np.min([low for low, _ in ends], axis=0)
    upper = np.max([high for _, high in ends], axis=0)
    if not (upper > lower).all():
        column = int(np.flatnonzero(~(upper > lower))[0])
        raise InvalidArgumentError(
            Setting("background"),
            f" needs columns of different values: {names[column]!r} has one alone",
        )
    given = None if isinstance(volume, str) else float(volume)
    return Background(lower, upper, volume=given)


def _with_prior(background: Background | None, value: Any, method: Inference) -> Background | None:
    """Return a background whose weight has the prior that an argument gives.

    Raises
    ------
    InvalidArgumentError
        If the method takes none, or there is no background.
    """
    prior = arguments.PARAMETERS["background_prior"].read(value, "background_prior")
    if prior is None:
        return background
    reason = ""
    if background is None:
        reason = "is of a background: say background='uniform', or leave it out"
    elif method.uses_flat_priors:
        reason = f"must be left out with inference={method.name!r}, which has no priors"
    elif min(prior) < 1.0 and method.name == "map":
        reason = f"must be at least 1 twice with inference='map', or there is no mode; got {prior}"
    if reason:
        raise InvalidArgumentError(reason, argument="background_prior")
    assert background is not None
    return replace(background, concentration=prior)


def _ends(block: Block) -> tuple[Array, Array]:
    """Return the smallest and largest values of each column, of rows with weight."""
    values = block.values.astype(np.float64, copy=False)
    has = ~np.isnan(values)
    if block.weights is not None:
        has &= (block.weights > 0.0)[:, None]
    low = np.where(has, values, np.inf).min(axis=0, initial=np.inf)
    return low, np.where(has, values, -np.inf).max(axis=0, initial=-np.inf)


def overall_moments(rows: Rows, engine: Engine, structure: StructureShape) -> OverallMoments:
    """Return mean and covariance of all rows, found in units whose squares are safe."""
    factor = safe_factor(rows.magnitude(), common=structure == (1, 1))

    def find() -> OverallMoments:
        scaled = rows if factor is None else rows.rescaled(factor)
        return OverallMoments(engine.overall(scaled, matrix=True), factor)

    units = None if factor is None else factor.tobytes()
    return rows.once(("moments", units, engine), find)


def _within_box(
    data: Elicitation, rows: Rows, box: Background, family: CovarianceFamily
) -> Elicitation:
    """Return what priors are taken from beside a background: rows close together, in its units."""
    some, _ = close_rows(data.rows, data.engine, box)
    units = units_of_box(box, family.structure(1, rows.n_features))
    statistics = data.engine.overall(rows, matrix=True).rescaled(units)
    factor = units if data.moments.factor is None else units * data.moments.factor
    spacing = None if data.resolution is None else data.resolution * units
    moments = OverallMoments(statistics, factor)
    return Elicitation(some.rescaled(units), data.engine, moments, spacing)


def in_units_of(rows: Rows, moments: OverallMoments) -> Rows:
    """Return the rows in the units of their moments."""
    return rows if moments.factor is None else rows.rescaled(moments.factor)


def _check_magnitude(magnitude: Array, names: tuple[str, ...]) -> None:
    """Raise DataError where a column's squares are beyond float64, in whatever units."""
    beyond = (magnitude > LARGEST) | ((magnitude > 0) & (magnitude < 1.0 / LARGEST))
    if beyond.any():
        column = int(np.flatnonzero(beyond)[0])
        raise DataError(
            f"column {names[column]!r} has values of size {magnitude[column]:.3g}, whose variance "
            "float64 cannot hold: rescale it to between 1e-152 and 1e152"
        )


def known_of(
    rows: Rows, engine: Engine, moments: OverallMoments, n_components: int, names: tuple[str, ...]
) -> DataFacts:
    """Return what is known of the rows before a fit, by which it is doubted."""

    def find() -> DataFacts:
        columns = engine.sorted_columns(rows)
        return facts_of(columns, moments, resolution(columns), n_components, names)

    return replace(rows.once(("facts", moments, names), find), n_components=n_components)


def _check_unchanged(given: Mapping[str, Any], method: Inference, fit: Fit) -> None:
    """Raise InvalidArgumentError where the parameters are no longer those of the fit."""
    model = fit.model
    family = arguments.family_of_rows(given["covariance_type"], model.n_features)
    if model.n_features == 1:
        family = univariate(family, model.component_prior.structure_dimensions)
    for name, now, then in (
        ("n_components", given["n_components"], model.n_components),
        ("covariance_type", family.name, model.family.name),
        ("inference", method.name, fit.method),
        *_background_prior(given, fit),
    ):
        if now != then:
            raise InvalidArgumentError(
                f"was {then!r} when the first rows were fitted, and is {now!r}: "
                "partial_fit keeps the model; fit starts anew",
                argument=name,
            )


def _background_prior(given: Mapping[str, Any], fit: Fit) -> list[tuple[str, Any, Any]]:
    """Return the prior of a background's weight as it is given, and as it was."""
    if fit.model.background is None:
        return []
    now = arguments.PARAMETERS["background_prior"].read(given["background_prior"], "")
    return [("background_prior", now or UNIFORM, fit.model.background.concentration)]


def _check_reach(fit: Fit, magnitude: Array) -> None:
    """Raise DataError where rows may lie so far out that their distance squared is no number."""
    deviations = _deviations(fit)
    far = magnitude / FARTHEST > deviations.min(axis=0)
    if far.any():
        column = int(np.flatnonzero(far)[0])
        raise DataError(
            f"column {fit.feature_names[column]!r} has values of size {magnitude[column]:.3g}, "
            f"beside components of width {deviations[:, column].min():.3g}: float64 cannot hold "
            "their distance squared; rescale the rows, or call fit on all of them"
        )


def _check_box(fit: Fit, rows: Rows, engine: Engine) -> None:
    """Raise DataError where a row that is known to be of the background lies outside its box."""
    background = fit.model.background
    labels = rows.labels if isinstance(rows, ArrayRows) else None
    if background is None or labels is None:
        return
    density = engine.background_density(rows, BackgroundPotential(0.0, background))
    outside = np.flatnonzero((labels.codes == BACKGROUND) & ~np.isfinite(density))
    if outside.size:
        raise DataError(
            f"labels has {BACKGROUND} for row {outside[0]}, rows counted from 0, which lies "
            "outside the background's box, that of the first batch: call fit on all rows"
        )


def _batch_doubts(fit: Fit, rows: Rows, engine: Engine) -> tuple[Doubt, ...]:
    """Return doubts about columns that look as if they were in other units than before."""
    doubts = []
    n_rows = rows.n_rows + (0 if fit.online is None else fit.online.n_rows)
    if n_rows < fit.model.n_components:
        doubts.append(Doubt(DataWarning, fewer_rows(n_rows, fit.model.n_components)))
    moments = overall_moments(rows, engine, _units_of(fit.model.family, rows.n_features))
    units = 1.0 if moments.factor is None else moments.factor
    found, width = moments.mean / units, np.sqrt(moments.variances) / units
    parameters = fit.parameters
    mean = parameters.weights @ parameters.means
    parts = np.hypot(_deviations(fit), parameters.means - mean)
    known = parts.max(axis=0)
    known = known * np.sqrt(parameters.weights @ (parts / known) ** 2)
    strange = ~moments.constant & (width > STRANGE * known)
    strange |= np.abs(found - mean) > STRANGE * known
    if strange.any():
        which = named_columns([fit.feature_names[column] for column in np.flatnonzero(strange)])
        said = (
            f"{which}: the batch is more than 1,000 standard "
            "deviations of all rows so far wide or away: other units?"
        )
        doubts.append(Doubt(DataWarning, said))
    return tuple(doubts)


def _resolution_of_batch(fit: Fit, rows: Rows, engine: Engine) -> ColumnResolution:
    """Return what the columns of a batch can tell apart; its dependences may be its own."""
    return ColumnResolution(resolution(engine.sorted_columns(rows)), (), fit.feature_names)


def _deviations(fit: Fit) -> Array:
    """Return each component's standard deviations, shape (K, D)."""
    model = fit.model
    sizes = (model.n_components, model.n_features)
    return np.sqrt(model.family.variances(fit.parameters.covariances, *sizes))
