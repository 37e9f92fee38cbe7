"""Fits of one model to replicates of its rows, from where the fit is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from mixtura.data import ArrayRows, Rows
from mixtura.data.resampling import drawn_again, weighted_at_random
from mixtura.engines import Engine
from mixtura.errors import ConvergenceWarning, DegenerateComponentWarning, MixturaError
from mixtura.fit import Fit, Inference, Problem, Start
from mixtura.inference.in_threads import answers
from mixtura.messages.assignments import Soft
from mixtura.messages.background import BACKGROUND
from mixtura.messages.parameters import MixtureParameters
from mixtura.model import MixtureModel, draw_rows, place_rows
from mixtura.posteriors.alignment import nearest_numbering
from mixtura.typing import Array, BooleanArray, IntegerArray

Replicate = Callable[[ArrayRows, np.random.Generator], ArrayRows]


@final
@dataclass(frozen=True, eq=False)
class Refit:
    """How a fit is made anew of other rows: the same model, from the same parameters.

    Parameters
    ----------
    fit : Fit
        The fit.
    method : Inference
        Its method.
    engine : Engine
        Where sweeps run.
    max_iter, tol : int, float, optional
        Limits of the estimator; None for the method's own.
    """

    fit: Fit
    method: Inference
    engine: Engine
    max_iter: int | None = None
    tol: float | None = None

    def of(self, rows: Rows) -> Fit:
        """Return the fit of other rows; its components keep their numbers."""
        fit = self.fit
        problem = Problem(
            model=fit.model,
            rows=rows,
            engine=self.engine,
            starts=self._starts,
            keep_numbering=True,
            max_iter=self.max_iter,
            tol=self.tol,
            seed=np.random.SeedSequence(0),
            feature_names=fit.feature_names,
        )
        return self.method.fit(problem)

    def _starts(self, model: MixtureModel, rows: Rows) -> list[Start]:
        parameters = self.fit.parameters.rescaled(rows.factor)
        statistics = self.engine.sweep(rows, model.potentials(parameters), Soft())
        return [Start("the fit", statistics)]


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one replicate.

    Parameters
    ----------
    parameters : MixtureParameters, optional
        Its parameters, components numbered as the fit's; None where there are none.
    converged : bool
        Whether the run settled.
    error : MixturaError, optional
        Why there is no fit.
    """

    parameters: MixtureParameters | None
    converged: bool = True
    error: Exception | None = None


def refitted(
    refit: Refit,
    rows: ArrayRows,
    replicate: Replicate,
    seeds: list[np.random.SeedSequence],
    workers: int,
    tell: Callable[[int, int], None] | None,
) -> list[Outcome]:
    """Return what became of each replicate, in the order of the seeds, however many threads.

    Parameters
    ----------
    refit : Refit
        How fits are made.
    rows : ArrayRows
        The rows that were fitted.
    replicate : callable
        Makes other rows of them.
    seeds : list of SeedSequence
        One for each replicate.
    workers : int
        Number of threads.
    tell : callable, optional
        Called with the number of replicates that are done, and of all.
    """
    free = exchangeable(refit.fit.model, rows)

    def run(seed: np.random.SeedSequence) -> Outcome:
        other = replicate(rows, np.random.default_rng(seed))
        try:
            found = refit.of(other)
        except (MixturaError, ValueError, ArithmeticError) as error:
            return Outcome(None, error=error)
        if any(issubclass(doubt.category, DegenerateComponentWarning) for doubt in found.doubts):
            return Outcome(None)
        slow = any(doubt.category is ConvergenceWarning for doubt in found.doubts)
        return Outcome(matched(found.parameters, refit.fit.parameters, free), not slow)

    found: list[Outcome] = []
    for number, outcome in enumerate(answers(run, seeds, workers), start=1):
        found.append(outcome)
        if tell is not None:
            tell(number, len(seeds))
    return found


def exchangeable(model: MixtureModel, rows: ArrayRows) -> list[IntegerArray]:
    """Return the groups of components that may have changed their numbers among themselves.

    Those of one class of known labels, and those without a label; none where parameters are
    given or the prior of the weights tells them apart.
    """
    if model.fixed is not None or not model.weight_prior.is_exchangeable:
        return []
    held, labels = rows.held, rows.labels
    groups = [np.setdiff1d(np.arange(model.n_components), held)]
    if labels is not None:
        classes = labels.classes
        groups += [classes.components(number) for number in range(len(classes.sizes))]
        groups = [groups[0], *(one for one in groups[1:] if np.isin(one, held).all())]
    return [one for one in groups if one.size > 1]


def matched(
    found: MixtureParameters, reference: MixtureParameters, groups: list[IntegerArray]
) -> MixtureParameters:
    """Return parameters with the components of each group numbered as they are closest."""
    order = np.arange(found.n_components)
    for group in groups:
        order[group] = group[nearest_numbering(found.permuted(group), reference.permuted(group))]
    return found.permuted(order)


def drawn_from(fit: Fit) -> Replicate:
    """Return what draws rows from a fit, with the labels, errors and missing cells of the rows."""
    model = fit.model

    def replicate(rows: ArrayRows, rng: np.random.Generator) -> ArrayRows:
        if rows.labels is None:
            drawn = draw_rows(model.family, fit.parameters, rows.n_rows, rng, model.background)[0]
        else:
            drawn = _drawn_beside_labels(fit, rows, rng)
        values = rows.observed_like(drawn, rng)
        return ArrayRows(values, None, None, rows.errors, None, rows.labels)

    return replicate


def _drawn_beside_labels(fit: Fit, rows: ArrayRows, rng: np.random.Generator) -> Array:
    """Return rows (N, D) drawn from components that their labels and groups allow."""
    labels, model, parameters = rows.labels, fit.model, fit.parameters
    assert labels is not None
    size, background = model.n_components, model.background
    weights = np.append(parameters.weights, fit.background_weight)
    allowed: BooleanArray = np.ones((rows.n_rows, size + 1), dtype=bool)
    for code in np.unique(labels.codes[labels.is_known]).tolist():
        inside = labels.codes == code
        allowed[inside] = False
        of = np.array([size]) if code == BACKGROUND else labels.classes.components(code)
        allowed[np.ix_(np.flatnonzero(inside), of)] = True
    cumulative = np.cumsum(np.where(allowed, weights, 0.0), axis=1)
    uniform = rng.random(rows.n_rows)
    if labels.groups is not None:
        # Rows of a group have one component: that of the first of them with a label, or the first.
        firsts = _first_of_groups(labels.groups, labels.is_known)
        cumulative, uniform = cumulative[firsts], uniform[firsts]
    parts = (cumulative <= (uniform * cumulative[:, -1])[:, None])[:, :-1].sum(axis=1)
    noise = rng.standard_normal((rows.n_rows, model.n_features))
    inside = parts < size
    drawn = np.empty_like(noise)
    factor = model.family.precision_cholesky(parameters.covariances)
    drawn[inside] = place_rows(parameters.means, factor, parts[inside], noise[inside])
    if background is not None:
        drawn[~inside] = background.draw(int((~inside).sum()), rng)
    return drawn


def _first_of_groups(groups: IntegerArray, is_known: BooleanArray) -> IntegerArray:
    """Return for each row (N,) the row from which its group takes its component."""
    order = np.lexsort((np.arange(len(groups)), ~is_known, groups))
    _, starts, numbers = np.unique(groups[order], return_index=True, return_inverse=True)
    firsts = np.empty(len(groups), dtype=np.intp)
    firsts[order] = order[starts][numbers]
    return np.where(groups >= 0, firsts, np.arange(len(groups)))


def replicates_of(method: str, fit: Fit) -> Replicate:
    """Return what makes replicates of rows, by the name of the way."""
    if method in WAYS:
        return WAYS[method]
    return drawn_from(fit)


WAYS: dict[str, Replicate] = {"nonparametric": drawn_again, "weighted": weighted_at_random}
"""Ways that look at the rows alone; "parametric" draws them from the fit."""


def rescued(outcomes: list[Outcome]) -> list[Outcome]:
    """Return the outcomes that have parameters.

    Raises
    ------
    Exception
        The first error, where none or only one has.
    """
    kept = [one for one in outcomes if one.parameters is not None]
    if len(kept) < 2:
        error = next((one.error for one in outcomes if one.error is not None), None)
        raise error or MixturaError(
            "fewer than two replicates have a fit whose components did not collapse",
            remedy="take fewer components, inference='map', or more replicates",
        )
    return kept
