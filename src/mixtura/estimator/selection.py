"""Choosing the number of components and the family: every candidate fitted and compared."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from threading import Lock
from typing import Any, TypeAlias, final

from mixtura.data import ArrayRows, PartedRows
from mixtura.data.known_labels import with_groups
from mixtura.diagnostics import information_criteria
from mixtura.diagnostics.candidates import (
    CRITERIA,
    HELD_OUT,
    Candidate,
    Criterion,
    rank,
    with_shortfalls,
)
from mixtura.errors import (
    DegenerateComponentWarning,
    InterruptedWarning,
    InvalidArgumentError,
    MixturaError,
    MixturaWarning,
    UnknownArgumentError,
)
from mixtura.estimator import GaussianMixtureModel, arguments, row_validation
from mixtura.estimator.candidate_names import different, names_of, numbers_of
from mixtura.estimator.held_out import Folds, held_out_density
from mixtura.estimator.scanned_rows import lost_by_assignment, scored
from mixtura.estimator.second_looks import Fitted, improved, may_look_twice
from mixtura.messages.validation import Called, Whole

Progress: TypeAlias = Callable[[Candidate, int, int], None]
"""Called with a candidate that has ended, the number of those that have, and that of all."""

TOLD = ("n_features_in_", "feature_names_in_")
"""What an estimator keeps of the rows that it checked."""

FAILURES = (MixturaError, ValueError, ArithmeticError, MemoryError)
"""What one candidate may raise without losing the others."""

PROGRESS = Called("a candidate, the fits that have ended and all", optional=False, or_flag=True)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """Every candidate, and the best of them as a fitted model.

    Parameters
    ----------
    table : tuple of Candidate
        The candidates: family by family, and within each in the order of ``components``.
    criterion : str
        Name of the criterion that chose.
    best : Candidate
        The row of the winner.
    model : GaussianMixtureModel
        The winner, fitted.
    """

    table: tuple[Candidate, ...]
    criterion: str
    best: Candidate
    model: GaussianMixtureModel

    def summary(self) -> Any:
        """Return the table and the choice; it prints as text and shows as HTML."""
        from mixtura.reports import SelectionSummary

        return SelectionSummary(self.table, CRITERIA[self.criterion], self._position())

    def plot(self, *, ax: Any = None) -> Any:
        """Plot the criterion against the number of components; returns the matplotlib Axes."""
        from mixtura.plots import selection

        return selection(self.table, CRITERIA[self.criterion], self._position(), ax=ax)

    def grid(self, criterion: str | None = None) -> Any:
        """Return a criterion by number of components and family, which prints as mclust's table.

        Parameters
        ----------
        criterion : str, optional
            Its name; the one that chose where None.
        """
        from mixtura.reports import CriterionGrid

        method = arguments.inference_method(self.model.inference)
        judge = arguments.criterion(self.criterion if criterion is None else criterion, method)
        if judge.name == HELD_OUT and self.criterion != HELD_OUT:
            raise InvalidArgumentError(
                "'cv' was not computed", argument="criterion", remedy="select with criterion='cv'"
            )
        return CriterionGrid.of(self.table, judge)

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the table as columns: ``pandas.DataFrame(selection.to_dict())``."""
        rows = [asdict(candidate) for candidate in self.table]
        return {field.name: [row[field.name] for row in rows] for field in fields(Candidate)}

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def _position(self) -> int:
        return next(i for i, candidate in enumerate(self.table) if candidate is self.best)


def select(
    X: Any,
    components: int | Iterable[int] = range(1, 10),
    families: str | Iterable[str] = ("full",),
    *,
    criterion: str | None = None,
    n_folds: int = 10,
    sample_weight: Any = None,
    measurement_error: Any = None,
    labels: Any = None,
    groups: Any = None,
    inference: Any = "map",
    n_jobs: int | None = None,
    random_state: Any = None,
    progress: bool | Progress = False,
    **options: Any,
) -> Selection:
    """Fit every number of components with every family, and choose by a criterion.

    Where several families are fitted under "map" or "ml", a candidate is fitted again from where
    others of as many components ended, and the better end is kept: of a family that is a special
    case of another the likelihood is no higher.

    A candidate that cannot be fitted leaves its error in its row. One with a collapsed component
    is chosen only where there is no other: its likelihood says nothing about K. Where candidates
    are equal, the first one is chosen.

    Parameters
    ----------
    X : array or frame of shape (N, D), or one named column
        The rows, as for :meth:`GaussianMixtureModel.fit`.
    components : int or iterable of int, default=range(1, 10)
        Numbers of components K.
    families : str or iterable of str, default=("full",)
        Names of covariance families; "all" for mclust's fourteen, or patterns of their names such
        as ``"V**"`` (volumes vary) and ``"*EV"``. A family that is named twice is fitted once. Of
        one column two differ, "EEE" and "VVV" (mclust's E and V), whatever is named.
    criterion : str, optional
        "bic", "icl" (also "icl_soft"), "icl_hard" or "aic", smaller is better; "cv", the log
        density of rows by cross-validation, or "elbo", with "vb" only, larger is better. By
        default "elbo" with "vb" and "bic" otherwise.
    n_folds : int, default=10
        Number of folds of "cv", which fits every candidate as many times more.
    sample_weight : array of shape (N,), optional
        Weights of the rows.
    measurement_error : array, optional
        Errors of the rows, as for :meth:`GaussianMixtureModel.fit`.
    labels, groups : array of shape (N,), optional
        Labels that are known, and rows that share a component, as for
        :meth:`GaussianMixtureModel.fit`. Likelihoods are those of rows and labels together. A
        candidate with fewer components than there are labels leaves its error.
    inference : str or Inference, default="map"
        The method of every fit.
    n_jobs : int, optional
        Number of fits at a time, each in one thread; -1 for as many as there are processors, None
        for one at a time in as many threads as the process may use. Answers do not depend on it.
    random_state : int, Generator, SeedSequence, RandomState or None, default=None
        Source of all randomness; every candidate begins with the same stream, so that each is
        what a fit of its own with this seed gives, or a better one to which others led.
    progress : bool or callable, default=False
        True prints a line for every fit that has ended; a function is called with its candidate,
        the number of fits that have ended and the number of all.
    **options
        Further parameters of :class:`GaussianMixtureModel`, the same for every candidate, such as
        ``background``, ``fixed`` and ``components_per_class``. One that a candidate cannot have (a
        fixed parameter of a component beyond its own) leaves its error.

    Returns
    -------
    Selection

    Raises
    ------
    InvalidArgumentError
        If an argument has a value that is not allowed.
    Exception
        Where every candidate failed, the error of the first.

    Examples
    --------
    >>> from mixtura import select
    >>> from mixtura.datasets import load_faithful
    >>> chosen = select(load_faithful().data, range(1, 5), ["full", "tied"])
    >>> chosen.best.n_components, chosen.best.covariance_type, round(chosen.best.bic, 1)
    (3, 'tied', 2314.4)
    >>> chosen.model.means_.round(1)
    array([[ 2. , 54.5],
           [ 3.8, 77.5],
           [ 4.5, 80.9]])
    """
    for name, own in (("n_components", "components"), ("covariance_type", "families")):
        if name in options:
            raise UnknownArgumentError(
                "is no parameter of select, which tries several",
                argument=name,
                remedy=f"give {own}",
            )
    numbers, names = numbers_of(components), names_of(families)
    PROGRESS.read(progress, "progress")
    method = arguments.inference_method(inference)
    judge = arguments.criterion(criterion, method)
    arguments.repeatable(random_state, method)
    workers = arguments.number_of_jobs(n_jobs)
    seed = arguments.seed_sequence(random_state)
    options |= {"inference": inference, "random_state": seed}
    options["n_jobs"] = n_jobs if workers == 1 else 1
    rows = _SharedRows(X, sample_weight, measurement_error, labels, groups)
    first = GaussianMixtureModel(numbers[0], covariance_type=names[0], **options)
    names = different(names, rows.n_features(first))
    rows.n_families = len(names)
    estimators = [
        GaussianMixtureModel(number, covariance_type=name, **options)
        for name in names
        for number in numbers
    ]
    Whole(2).read(n_folds, "n_folds")
    folds = (
        None if judge.name != HELD_OUT else Folds(n_folds, None if random_state is None else seed)
    )
    jobs = [partial(_fit, estimator, rows, folds) for estimator in estimators]
    # The filters are the process's own: they are set here once, not by each thread.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixturaWarning)
        outcomes = _told(_finished(jobs, workers), len(jobs), judge, progress)
        table, best, model = _compared(outcomes, rows, judge, workers)
    row_validation.warn_of(model.fit_.doubts)
    model.set_params(n_jobs=n_jobs, random_state=random_state)
    return Selection(table, judge.name, table[best], model)


@final
@dataclass(frozen=True, eq=False)
class _Outcome:
    candidate: Candidate
    model: GaussianMixtureModel | None
    error: BaseException | None


@final
class _SharedRows:
    """The rows of all candidates, checked for the first, so that what is known of them is shared.

    Parameters
    ----------
    X, sample_weight, measurement_error, labels, groups
        As the user gave them.
    """

    n_families = 1
    """Number of families that are fitted to them."""

    def __init__(
        self,
        X: Any,
        sample_weight: Any,
        measurement_error: Any,
        labels: Any,
        groups: Any,
    ) -> None:
        self._given, self._lock = (X, sample_weight, measurement_error), Lock()
        self._labels, self._groups = labels, groups
        self._checked: tuple[ArrayRows | PartedRows, dict[str, Any]] | None = None
        self._labelled: dict[int, ArrayRows] = {}

    def n_features(self, gmm: GaussianMixtureModel) -> int | None:
        """Return the number of columns; None where the rows are none, which each fit will say."""
        try:
            self.of(gmm)
        except FAILURES:
            return None
        return gmm.n_features_in_

    def may_look_twice(self, gmm: GaussianMixtureModel) -> bool:
        """Whether an estimator's fit may begin where another one ended."""
        is_known = self._labels is not None or self._groups is not None
        is_kept = isinstance(self.of(gmm), ArrayRows)
        return is_kept and not is_known and self.n_families > 1 and may_look_twice(gmm)

    def of(self, gmm: GaussianMixtureModel) -> ArrayRows | PartedRows:
        """Return the rows, after telling an estimator what it knows of rows that it has checked."""
        with self._lock:
            if self._checked is None:
                rows = gmm._checked_rows(*self._given, None, None, reset=True)
                told = {name: vars(gmm)[name] for name in TOLD if name in vars(gmm)}
                self._checked = rows, told
            rows, told = self._checked
            vars(gmm).update(told)
            if self._labels is None and self._groups is None:
                return rows
            if isinstance(rows, PartedRows):
                name = "groups" if self._labels is None else "labels"
                raise InvalidArgumentError(
                    "is for rows in memory", argument=name, remedy=f"name a column as scan({name}=)"
                )
            size = gmm.n_components
            if size not in self._labelled:
                self._labelled[size] = self._with_labels(gmm, rows)
            return self._labelled[size]

    def _with_labels(self, gmm: GaussianMixtureModel, rows: ArrayRows) -> ArrayRows:
        """Return the rows with what is known of them, as components of an estimator."""
        known = None
        if self._labels is not None:
            known = gmm._labels(self._labels, rows.n_rows, reset=True)
        if self._groups is not None:
            known = with_groups(known, self._groups, rows.n_rows)
        if known is None:
            return rows
        labelled = rows.with_labels(known)
        labelled.once("unlabelled", lambda: rows)  # which knows what was found for others
        return labelled


def _fit(gmm: GaussianMixtureModel, shared: _SharedRows, folds: Folds | None) -> _Outcome:
    began = time.perf_counter()
    size, family = gmm.n_components, gmm.covariance_type
    try:
        rows = shared.of(gmm)
        gmm._fit_rows(rows)
        if any(doubt.category is InterruptedWarning for doubt in gmm.fit_.doubts):
            raise KeyboardInterrupt  # the user wants the whole search to stop
        judged = _candidate(gmm, rows)
        if folds is not None:
            if isinstance(rows, PartedRows):
                raise InvalidArgumentError("'cv' is for rows in memory", argument="criterion")
            held_out = held_out_density(gmm, rows, folds)
            judged = replace(judged, cv=held_out, seconds=time.perf_counter() - began)
        return _Outcome(judged, gmm, None)
    except FAILURES as error:
        said = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, MixturaError):  # the command says it in its own words
            said = error.message
        spent = time.perf_counter() - began
        return _Outcome(Candidate(size, family, seconds=spent, error=said), None, error)


def _candidate(gmm: GaussianMixtureModel, rows: ArrayRows | PartedRows) -> Candidate:
    """Return the row of a fit, with the criteria of the class."""
    fit, engine, rows = gmm.fit_, gmm._engine(), rows.with_cells
    log_likelihood, total = scored(rows, fit.posterior, engine)
    both = lost_by_assignment(rows, fit.posterior, engine, information_criteria.assignment_losses)
    entropy, hard = both.tolist()
    n_parameters = fit.model.n_parameters
    bounded = arguments.inference_method(gmm.inference).bounds_evidence
    return Candidate(
        n_components=gmm.n_components,
        covariance_type=gmm.covariance_type,
        log_likelihood=log_likelihood,
        n_parameters=n_parameters,
        elbo=fit.objective if bounded else None,
        bic=information_criteria.bic(log_likelihood, n_parameters, total),
        icl=information_criteria.icl(log_likelihood, n_parameters, total, entropy),
        aic=information_criteria.aic(log_likelihood, n_parameters),
        icl_hard=information_criteria.icl(log_likelihood, n_parameters, total, hard),
        converged=fit.converged,
        n_iter=fit.n_iter,
        seconds=fit.seconds,
        doubts=tuple(doubt.message for doubt in fit.doubts),
        collapsed=any(issubclass(d.category, DegenerateComponentWarning) for d in fit.doubts),
        fewest_components=max(1, sum(fit.classes.sizes)),
    )


def _finished(jobs: list[Callable[[], _Outcome]], workers: int) -> Iterator[tuple[int, _Outcome]]:
    """Yield position and outcome of every job as it ends."""
    if workers == 1 or len(jobs) == 1:
        for position, job in enumerate(jobs):
            yield position, job()
        return
    pool = ThreadPoolExecutor(min(workers, len(jobs)))
    try:
        # No list of futures is kept, for each holds its model until it is let go.
        for future in as_completed({pool.submit(_numbered, *pair) for pair in enumerate(jobs)}):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _numbered(position: int, job: Callable[[], _Outcome]) -> tuple[int, _Outcome]:
    return position, job()


def _told(
    outcomes: Iterator[tuple[int, _Outcome]],
    n_jobs: int,
    criterion: Criterion,
    progress: bool | Progress,
) -> Iterator[tuple[int, _Outcome]]:
    """Yield outcomes, after saying that they have ended."""
    printed = partial(_printed, criterion) if progress else None
    tell = progress if callable(progress) else printed
    for n_ended, (position, outcome) in enumerate(outcomes, start=1):
        if tell is not None:
            tell(outcome.candidate, n_ended, n_jobs)
        yield position, outcome


def _compared(
    outcomes: Iterator[tuple[int, _Outcome]],
    shared: _SharedRows,
    criterion: Criterion,
    workers: int,
) -> tuple[tuple[Candidate, ...], int, GaussianMixtureModel]:
    """Return the table, and position and model of the best, the only one that is kept."""
    rows: dict[int, Candidate] = {}
    errors: dict[int, BaseException] = {}
    models: dict[int, GaussianMixtureModel] = {}
    best = -1

    def key(position: int) -> tuple[Any, ...]:
        return (*rank(rows[position], criterion), position)

    for position, outcome in outcomes:
        rows[position] = outcome.candidate
        if outcome.error is not None:
            errors[position] = outcome.error
        if outcome.model is None:
            continue
        models[position] = outcome.model
        best = position if best < 0 else min(best, position, key=key)
        if not shared.may_look_twice(outcome.model):  # else each may show others the way
            models = {best: models[best]}
    if best < 0:
        raise errors[min(errors)]
    looked = [
        Fitted(place, gmm, seen)
        for place, gmm in sorted(models.items())
        if isinstance(seen := shared.of(gmm), ArrayRows)
    ]
    for position, gmm in improved(looked, workers).items():
        first, found = rows[position], _candidate(gmm, shared.of(gmm))
        rows[position] = replace(found, cv=first.cv, seconds=first.seconds + found.seconds)
        models[position] = gmm
    best = min(models, key=key)
    table = with_shortfalls([rows[position] for position in range(len(rows))])
    return table, best, models[best]


def _printed(criterion: Criterion, candidate: Candidate, n_ended: int, n_all: int) -> None:
    of = f"K = {candidate.n_components}, {candidate.covariance_type}"
    found = f"{criterion.label} {criterion.value(candidate):.2f}"
    how = f"failed: {candidate.error}" if candidate.error else found
    print(f"{n_ended} of {n_all}: {of}, {how}")
