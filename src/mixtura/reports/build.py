"""From a fit and its rows to a report."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, TypeAlias

import numpy as np

from mixtura.data import ArrayRows
from mixtura.diagnostics.bootstrap_draws import Bootstrap
from mixtura.diagnostics.information_criteria import aic, assignment_entropy, bic, icl
from mixtura.diagnostics.posterior_summaries import occupied
from mixtura.engines import Engine, ReferenceEngine
from mixtura.errors import InvalidArgumentError
from mixtura.fit import Fit
from mixtura.plots.observations import as_labels, as_responsibilities, as_rows
from mixtura.posteriors import DrawsPosterior
from mixtura.reports.component_tables import Components
from mixtura.reports.content import Picture, Report, Scores, Section, StartOutcome
from mixtura.reports.convergence import ConvergenceTable, convergence
from mixtura.reports.fit_comparison import comparison
from mixtura.reports.headline import Certainty, headline
from mixtura.reports.pictures import (
    MANY_COMPONENTS,
    SIZE_BUDGET,
    Drawing,
    PictureData,
    data_drawings,
    draw,
    fit_drawings,
    objective_drawing,
)
from mixtura.reports.pictures_of_draws import (
    SampledRows,
    draws_drawings,
    rank_drawing,
    rows_drawings,
)
from mixtura.reports.words import method_words, model_words
from mixtura.typing import Array, IntegerArray

MAX_CORRELATION_FEATURES = 10

OF_DRAWS = {"posterior", "trace", "rank", "predictive_check", "co_clustering"}
"""Pictures that a report may leave out."""

Told: TypeAlias = PictureData | Fit
"""What a section is about: a fit with its rows, or a fit alone."""


def build_report(
    fit: Fit,
    x: Any = None,
    labels: Any = None,
    responsibilities: Any = None,
    *,
    weights: Any = None,
    title: str = "Gaussian mixture",
    source: str = "",
    notes: Sequence[str] = (),
    seed: int | None = None,
    date: str | None = None,
    pictures: bool = True,
    engine: Engine | None = None,
    bootstrap: Bootstrap | None = None,
) -> Report:
    """Return the report of a fit.

    The same fit and rows give the same report, bit for bit; nothing is read from the clock.

    Parameters
    ----------
    fit : Fit
        The fit.
    x : array of shape (N, D) or (N,), or ArrayRows, optional
        The rows, NaN where a cell is missing; without them there are no pictures but that of the
        objective.
    labels : integer array of shape (N,), optional
        Component of each row; by default the most probable one.
    responsibilities : array of shape (N, K), optional
        Probability of each component for each row; by default computed from the fit.
    weights : array of shape (N,), optional
        Weights of the rows.
    title, source : str
        Heading, and where the rows came from.
    notes : sequence of str
        Further sentences for the reader.
    seed : int, optional
        Seed of the run, to be told.
    date : str, optional
        Date to be told.
    pictures : bool, default=True
        Whether to draw.
    engine : Engine, optional
        What scores rows where that is needed; the reference engine by default.
    bootstrap : Bootstrap, optional
        Where the intervals of a point are from.

    Raises
    ------
    InvalidArgumentError
        If rows, labels or responsibilities do not fit the model.
    """
    engine = ReferenceEngine() if engine is None else engine
    told = _told(fit, x, labels, responsibilities, weights, engine)
    return _report({"": told}, title, source, notes, seed, date, pictures, engine, bootstrap)


def build_comparison(
    fits: Mapping[str, Fit],
    x: Any = None,
    *,
    weights: Any = None,
    title: str = "Gaussian mixtures",
    source: str = "",
    notes: Sequence[str] = (),
    seed: int | None = None,
    date: str | None = None,
    pictures: bool = True,
) -> Report:
    """Return the report of several fits of the same rows, side by side.

    Parameters
    ----------
    fits : mapping of str to Fit
        The fits by the names they are to be called.
    x, weights, title, source, notes, seed, date, pictures
        As for :func:`build_report`.

    Raises
    ------
    InvalidArgumentError
        If there is no fit, or the rows do not fit the models.
    """
    if not fits:
        raise InvalidArgumentError("build_comparison needs at least one fit")
    several = len(fits) > 1
    engine = ReferenceEngine()
    told = {
        name: _told(fit, x, None, None, weights, engine, several=several)
        for name, fit in fits.items()
    }
    return _report(told, title, source, notes, seed, date, pictures, engine)


def _told(
    fit: Fit,
    x: Any,
    labels: Any,
    responsibilities: Any,
    weights: Any,
    engine: Engine,
    *,
    several: bool = False,
) -> Told:
    """Return the fit with its rows, checked and completed; the fit alone without rows."""
    if x is None:
        return fit
    errors, known = (x.errors, x.labels) if isinstance(x, ArrayRows) else (None, None)
    rows = as_rows(x.values if isinstance(x, ArrayRows) else x, fit)
    n_rows, n_components = rows.shape[0], fit.model.n_components
    given = ArrayRows(np.ascontiguousarray(rows), None, None, errors, None, known)
    if responsibilities is None:
        responsibilities = fit.posterior.responsibilities(given, engine)
    shares = as_responsibilities(responsibilities, n_rows, fit)
    numbers = shares.argmax(axis=1) if labels is None else as_labels(labels, n_rows, fit)
    if weights is not None:
        weights = np.asarray(weights, dtype=np.float64)
        if weights.shape != (n_rows,):
            raise InvalidArgumentError(
                f"must be one for each of the {n_rows} rows", argument="weights"
            )
    sampled = isinstance(fit.posterior, DrawsPosterior)
    max_features = 4 - several - (n_components > MANY_COMPONENTS) - sampled
    given = ArrayRows(given.values, weights, None, errors, None, known)
    shown = fit.posterior.completed(given, engine)
    return PictureData(fit, given, shown, numbers, shares, weights, max_features, not several)


def _report(
    told: Mapping[str, Told],
    title: str,
    source: str,
    notes: Sequence[str],
    seed: int | None,
    date: str | None,
    pictures: bool,
    engine: Engine,
    bootstrap: Bootstrap | None = None,
) -> Report:
    budget = (SIZE_BUDGET if len(told) == 1 else 4 * SIZE_BUDGET // 5) if pictures else 0
    first = next(iter(told.values()))
    of_data: tuple[Picture, ...] = ()
    if budget and isinstance(first, PictureData):
        drawings = data_drawings(first.x, first.fit.feature_names)
        of_data = draw(drawings, "data", SIZE_BUDGET // 5)
        budget -= sum(len(picture.svg) for picture in of_data)
    sections = tuple(
        _section(part, name, f"s{i}", budget // len(told), engine, bootstrap)
        for i, (name, part) in enumerate(told.items())
    )
    side_by_side = None
    if len(told) > 1:
        side_by_side = comparison({name: _fit(part) for name, part in told.items()})
    return Report(
        title, sections, source, tuple(notes), _provenance(seed, date), side_by_side, of_data
    )


def _fit(told: Told) -> Fit:
    return told.fit if isinstance(told, PictureData) else told


def _section(
    told: Told,
    title: str,
    prefix: str,
    budget: int,
    engine: Engine,
    bootstrap: Bootstrap | None = None,
) -> Section:
    fit = _fit(told)
    components = Components.of(fit, bootstrap=bootstrap)
    certainty, n_shown, sampled, counted = None, fit.n_rows, None, None
    if isinstance(told, PictureData):
        n_shown = told.x.shape[0]
        counted = occupied(fit.posterior, told.given, engine)
        shares = told.responsibilities
        known = (told.labels, shares, told.weights, counted, bootstrap)
        components = Components.of(fit, *known)
        certainty = Certainty.of(told.responsibilities)
        sampled = SampledRows.of(fit, told.given, engine)
    drawings = _drawings(told, sampled) if budget else []
    model = fit.model
    return Section(
        title=title,
        headline=headline(components, fit.n_rows, certainty),
        doubts=(*(doubt.message for doubt in fit.doubts), *_other_rows(fit.n_rows, n_shown)),
        components=components,
        covariance_type=model.family.name,
        covariances=np.asarray(model.family.public(fit.parameters.covariances)),
        correlations=_correlations(fit),
        model=model_words(fit),
        method=fit.method,
        method_words=method_words(fit.method),
        scores=_scores(told),
        starts=tuple(
            StartOutcome(run.start, run.n_iter, run.converged, run.objective) for run in fit.runs
        ),
        best=fit.best,
        assumptions=(*fit.told, *fit.assumptions),
        certainty=certainty,
        n_rows=fit.n_rows,
        n_rows_shown=n_shown,
        total_weight=fit.total_weight,
        pictures=_within(draw(drawings, prefix, budget), budget),
        convergence=_convergence(fit, counted),
    )


def _within(pictures: tuple[Picture, ...], budget: int) -> tuple[Picture, ...]:
    """Return the pictures without those of draws that the budget has no room for.

    The last ones first: what has many components has much text, which no image makes shorter.
    """
    kept = list(pictures)
    for picture in reversed(pictures):
        if sum(len(each.svg) for each in kept) <= budget:
            break
        if picture.name in OF_DRAWS:
            kept.remove(picture)
    return tuple(kept)


def _drawings(told: Told, sampled: SampledRows | None) -> list[Drawing]:
    """Return the drawings of a section; of draws beside others only those without rows."""
    fit = _fit(told)
    drawings: list[Drawing] = []
    if isinstance(told, PictureData) and told.x.shape[0]:
        drawings = fit_drawings(told)
    if not isinstance(fit.posterior, DrawsPosterior):
        return [*drawings, objective_drawing(fit)]
    drawings += draws_drawings(fit)
    if not isinstance(told, PictureData) or told.is_alone:
        drawings.append(rank_drawing(fit))
        if sampled is not None:
            drawings += rows_drawings(fit, sampled)
    return drawings


def _convergence(fit: Fit, counted: IntegerArray | None) -> ConvergenceTable | None:
    if not isinstance(fit.posterior, DrawsPosterior):
        return None
    return convergence(fit, counted)


def _other_rows(n_fitted: int, n_shown: int) -> tuple[str, ...]:
    if n_fitted == n_shown:
        return ()
    return (
        f"sizes, certainty and pictures are of {n_shown:,} rows, but objective, likelihood and "
        f"criteria of the {n_fitted:,} rows that were fitted",
    )


def _scores(told: Told) -> Scores:
    fit = _fit(told)
    likelihood, n_parameters, n_rows = fit.log_likelihood, fit.model.n_parameters, fit.total_weight
    completed = None
    if isinstance(told, PictureData) and told.x.shape[0] == fit.n_rows:
        entropy = assignment_entropy(told.responsibilities, told.weights)
        completed = icl(likelihood, n_parameters, n_rows, entropy)
    return Scores(
        fit.objective_name,
        fit.objective,
        likelihood,
        n_parameters,
        bic(likelihood, n_parameters, n_rows),
        aic(likelihood, n_parameters),
        completed,
    )


def _correlations(fit: Fit) -> Array | None:
    """Return correlations within components, shape (K or 1, D, D), where they are free."""
    covariances = fit.parameters.covariances
    if covariances.ndim != 3 or not 2 <= fit.model.n_features <= MAX_CORRELATION_FEATURES:
        return None
    deviations = np.sqrt(np.einsum("kdd->kd", covariances))
    return np.clip(covariances / deviations[:, :, None] / deviations[:, None, :], -1.0, 1.0)


def _provenance(seed: int | None, date: str | None) -> tuple[tuple[str, str], ...]:
    told = [("mixtura", metadata.version("mixtura")), ("NumPy", np.__version__)]
    if seed is not None:
        told.append(("seed", str(seed)))
    if date is not None:
        told.append(("date", str(date)))
    return tuple(told)
