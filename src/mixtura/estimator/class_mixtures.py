"""Mixtures of classes: one over all of them whose components have classes, or one for each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import Any, final

import numpy as np
from scipy.special import logsumexp

from mixtura.data import ArrayRows, Classes, KnownLabels
from mixtura.diagnostics import information_criteria
from mixtura.engines import Engine
from mixtura.errors import DataError, DegenerateComponentWarning, Doubt, MixturaError
from mixtura.estimator import GaussianMixtureModel
from mixtura.inference.in_threads import answers
from mixtura.messages.assignments import shares
from mixtura.typing import Array, IntegerArray

FAILURES = (MixturaError, ValueError, ArithmeticError)
"""What one candidate may raise without losing the others."""


@final
@dataclass(frozen=True)
class ClassCandidate:
    """One covariance family with numbers of components, and how well it does.

    Parameters
    ----------
    covariance_type : str
        Name of the covariance family.
    components : tuple of int
        Number of components of each class, or of the one class.
    of_class : str
        The class, where each chooses for itself; empty where it is all of them.
    log_likelihood : float
        Log likelihood of rows and classes, in nats; of the class's rows where it is one.
    n_parameters : int
        Number of free parameters.
    bic : float
        Bayesian information criterion; smaller is better.
    error, brier : float
        Share of rows whose class is missed by cross-validation, and half the mean squared distance
        of their probabilities from their classes [Brier1950]_; NaN where it was not run.
    collapsed : bool
        Whether a component has collapsed.
    failure : str
        Why there is no fit; empty where there is one.
    """

    covariance_type: str
    components: tuple[int, ...]
    of_class: str = ""
    log_likelihood: float = nan
    n_parameters: int = 0
    bic: float = nan
    error: float = nan
    brier: float = nan
    collapsed: bool = False
    failure: str = ""

    def rank(self, *, by_error: bool) -> tuple[bool, bool, float, float]:
        """Return what sorts candidates from the best to the worst."""
        first, second = (self.error, self.brier) if by_error else (self.bic, 0.0)
        first = first if isfinite(first) else inf
        return bool(self.failure), self.collapsed, round(first, 9), second


class ClassMixture(ABC):
    """A density of rows and their classes."""

    @property
    @abstractmethod
    def log_likelihood(self) -> float:
        """Log likelihood of rows and classes, in nats."""

    @property
    @abstractmethod
    def class_weights(self) -> Array:
        """Probability of each class, shape (C,)."""

    @property
    @abstractmethod
    def mixtures(self) -> tuple[GaussianMixtureModel, ...]:
        """The fitted mixtures: one, or one for each class."""

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Number of free parameters, the probabilities of the classes among them."""

    @abstractmethod
    def log_scores(self, rows: ArrayRows, engine: Engine) -> Array:
        """Return the log density of each row and each class, shape (N, C), in nats."""

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What is doubtful about the fits."""
        return tuple(doubt for gmm in self.mixtures for doubt in gmm.fit_.doubts)

    @property
    def collapsed(self) -> bool:
        """Whether a component has collapsed."""
        return any(issubclass(d.category, DegenerateComponentWarning) for d in self.doubts)


@final
@dataclass(frozen=True, eq=False)
class SharedMixture(ClassMixture):
    """One mixture whose components belong to classes, and share what the family shares.

    Parameters
    ----------
    mixture : GaussianMixtureModel
        The mixture, fitted to rows of known labels.
    sizes : tuple of int
        Number of components of each class, one class after the other.
    """

    mixture: GaussianMixtureModel
    sizes: tuple[int, ...]

    @property
    def mixtures(self) -> tuple[GaussianMixtureModel, ...]:
        return (self.mixture,)

    @property
    def log_likelihood(self) -> float:
        return self.mixture.fit_.log_likelihood

    @property
    def class_weights(self) -> Array:
        return self._by_class(self.mixture.weights_)

    @property
    def n_parameters(self) -> int:
        return self.mixture.fit_.model.n_parameters

    def log_scores(self, rows: ArrayRows, engine: Engine) -> Array:
        posterior = self.mixture.posterior_
        by_class = self._by_class(posterior.responsibilities(rows, engine))
        with np.errstate(divide="ignore"):
            return posterior.log_predictive(rows, engine)[:, None] + np.log(by_class)

    def _by_class(self, parts: Array) -> Array:
        starts = np.cumsum((0, *self.sizes[:-1]))
        return np.add.reduceat(parts, starts, axis=-1)


@final
@dataclass(frozen=True, eq=False)
class SeparateMixtures(ClassMixture):
    """A mixture for each class.

    Parameters
    ----------
    of_classes : tuple of GaussianMixtureModel
        The fitted mixtures, in the order of the classes.
    totals : array of shape (C,)
        Weight of the rows of each class.
    """

    of_classes: tuple[GaussianMixtureModel, ...]
    totals: Array

    @property
    def mixtures(self) -> tuple[GaussianMixtureModel, ...]:
        return self.of_classes

    @property
    def log_likelihood(self) -> float:
        own = sum(gmm.fit_.log_likelihood for gmm in self.of_classes)
        return own + float(self.totals @ np.log(self.class_weights))

    @property
    def class_weights(self) -> Array:
        return self.totals / self.totals.sum()

    @property
    def n_parameters(self) -> int:
        own = sum(gmm.fit_.model.n_parameters for gmm in self.of_classes)
        return own + len(self.of_classes) - 1

    def log_scores(self, rows: ArrayRows, engine: Engine) -> Array:
        found = [gmm.posterior_.log_predictive(rows, engine) for gmm in self.of_classes]
        return np.stack(found, axis=1) + np.log(self.class_weights)


@final
@dataclass(frozen=True, eq=False)
class ClassTask:
    """Rows with their classes, and how mixtures are fitted to them.

    Parameters
    ----------
    rows : ArrayRows
        The rows, without labels.
    codes : integer array of shape (N,)
        Class of each row.
    names : tuple of str
        What the classes are called.
    make : callable
        Returns an estimator for a number of components and a covariance family.
    """

    rows: ArrayRows
    codes: IntegerArray
    names: tuple[str, ...]
    make: Callable[[int, str], GaussianMixtureModel]

    @property
    def weights(self) -> Array:
        """Weights of the rows, shape (N,)."""
        own = self.rows.weights
        return np.ones(self.rows.n_rows) if own is None else own

    @property
    def class_totals(self) -> Array:
        """Weight of the rows of each class, shape (C,)."""
        return np.bincount(self.codes, self.weights, minlength=len(self.names)).astype(np.float64)

    def taken(self, some: IntegerArray) -> "ClassTask":
        """Return the task of some of the rows."""
        return replace(self, rows=self.rows.taken(some), codes=self.codes[some])

    def shared(self, family: str, sizes: tuple[int, ...]) -> SharedMixture:
        """Return one mixture over all classes, whose components are known by the labels."""
        gmm = self.make(sum(sizes), family)
        labels = KnownLabels(self.codes, Classes(self.names, sizes))
        gmm._fit_rows(self.rows.with_labels(labels))
        return SharedMixture(gmm, sizes)

    def separate(self, families: list[str], sizes: tuple[int, ...]) -> SeparateMixtures:
        """Return a mixture for each class, of its own family."""
        found = [
            self.of_class(number, family, size)
            for number, (family, size) in enumerate(zip(families, sizes, strict=True))
        ]
        return SeparateMixtures(tuple(found), self.class_totals)

    def of_class(self, number: int, family: str, size: int) -> GaussianMixtureModel:
        """Return the mixture of the rows of one class."""
        gmm = self.make(size, family)
        gmm._fit_rows(self.rows.taken(np.flatnonzero(self.codes == number)))
        return gmm

    def made(self, candidate: ClassCandidate, *, is_shared: bool) -> ClassMixture:
        """Return the fit that a candidate describes."""
        if is_shared:
            return self.shared(candidate.covariance_type, candidate.components)
        families = [candidate.covariance_type] * len(self.names)
        return self.separate(families, candidate.components)

    def judged(self, candidate: ClassCandidate, found: ClassMixture) -> ClassCandidate:
        """Return a candidate with its likelihood and BIC."""
        likelihood, number = found.log_likelihood, found.n_parameters
        total = float(self.weights.sum())
        return replace(
            candidate,
            log_likelihood=likelihood,
            n_parameters=number,
            bic=information_criteria.bic(likelihood, number, total),
            collapsed=found.collapsed,
        )


def chosen_by_bic(
    task: ClassTask, candidates: list[ClassCandidate], *, is_shared: bool, workers: int
) -> tuple[ClassMixture, tuple[ClassCandidate, ...]]:
    """Return the fit of smallest BIC, and every candidate.

    Where classes do not share, each has the candidate that is best for its own rows.
    """
    if is_shared:
        return _best_by_bic(task, candidates, workers)
    jobs = []
    for number, name in enumerate(task.names):
        total = float(task.class_totals[number])
        own = dict.fromkeys((one.covariance_type, one.components[number]) for one in candidates)
        jobs += [(number, name, total, *pair) for pair in own]
    found = list(answers(lambda job: _fit_of_class(task, *job), jobs, workers))
    best: list[GaussianMixtureModel] = []
    for number in range(len(task.names)):
        mine = [one for one, job in zip(found, jobs, strict=True) if job[0] == number]
        _, gmm, error = min(mine, key=lambda one: one[0].rank(by_error=False))
        if gmm is None:
            assert error is not None
            raise error
        best.append(gmm)
    return SeparateMixtures(tuple(best), task.class_totals), tuple(one[0] for one in found)


def _fit_of_class(
    task: ClassTask, number: int, name: str, total: float, family: str, size: int
) -> tuple[ClassCandidate, GaussianMixtureModel | None, Exception | None]:
    candidate = ClassCandidate(family, (size,), name)
    try:
        gmm = task.of_class(number, family, size)
    except FAILURES as error:
        return replace(candidate, failure=_said(error)), None, error
    fit = gmm.fit_
    likelihood, n_parameters = fit.log_likelihood, fit.model.n_parameters
    collapsed = any(issubclass(d.category, DegenerateComponentWarning) for d in fit.doubts)
    bic = information_criteria.bic(likelihood, n_parameters, total)
    judged = replace(
        candidate,
        log_likelihood=likelihood,
        n_parameters=n_parameters,
        bic=bic,
        collapsed=collapsed,
    )
    return judged, gmm, None


def _best_by_bic(
    task: ClassTask, candidates: list[ClassCandidate], workers: int
) -> tuple[ClassMixture, tuple[ClassCandidate, ...]]:
    def fit(one: ClassCandidate) -> tuple[ClassCandidate, ClassMixture | None, Exception | None]:
        try:
            found = task.made(one, is_shared=True)
        except FAILURES as error:
            return replace(one, failure=_said(error)), None, error
        return task.judged(one, found), found, None

    found = list(answers(fit, candidates, workers))
    _, best, error = min(found, key=lambda one: one[0].rank(by_error=False))
    if best is None:
        assert error is not None
        raise error
    return best, tuple(one[0] for one in found)


def chosen_by_validation(
    task: ClassTask,
    candidates: list[ClassCandidate],
    folds: IntegerArray,
    *,
    is_shared: bool,
    workers: int,
    engine: Engine,
) -> tuple[ClassMixture, tuple[ClassCandidate, ...]]:
    """Return the fit of smallest cross-validated error, of equals of smallest Brier score.

    Parameters
    ----------
    task : ClassTask
        Rows and classes.
    candidates : list of ClassCandidate
        The candidates.
    folds : integer array of shape (N,)
        Fold of each row; -1 for rows that no fold leaves out.
    is_shared : bool
        Whether there is one mixture over all classes.
    workers : int
        Number of threads.
    engine : Engine
        Where rows are scored.
    """
    numbers = np.unique(folds[folds >= 0])
    jobs = [(one, int(fold)) for one in candidates for fold in numbers]

    def run(job: tuple[ClassCandidate, int]) -> tuple[float, float] | Exception:
        one, fold = job
        try:
            found = task.taken(np.flatnonzero(folds != fold)).made(one, is_shared=is_shared)
        except FAILURES as error:
            return error
        return losses(found, task.taken(np.flatnonzero(folds == fold)), engine)

    ended = list(answers(run, jobs, workers))
    total = float(task.weights[folds >= 0].sum())
    judged: list[ClassCandidate] = []
    errors: list[Exception] = []
    for place, one in enumerate(candidates):
        own = ended[place * len(numbers) : (place + 1) * len(numbers)]
        failed = [loss for loss in own if isinstance(loss, Exception)]
        if failed:
            errors.append(failed[0])
            judged.append(replace(one, failure=_said(failed[0])))
            continue
        missed, brier = np.sum([loss for loss in own if isinstance(loss, tuple)], axis=0) / total
        judged.append(replace(one, error=float(missed), brier=float(brier)))
    best = min(range(len(judged)), key=lambda i: judged[i].rank(by_error=True))
    if judged[best].failure:
        raise errors[0]
    found = task.made(judged[best], is_shared=is_shared)
    judged[best] = task.judged(judged[best], found)
    return found, tuple(judged)


def losses(found: ClassMixture, task: ClassTask, engine: Engine) -> tuple[float, float]:
    """Return the weight of the rows whose class is missed, and the sum of their Brier scores."""
    probabilities = shares(found.log_scores(task.rows, engine))
    missed = probabilities.argmax(axis=1) != task.codes
    apart = probabilities - np.eye(len(task.names))[task.codes]
    return float(task.weights @ missed), float(0.5 * task.weights @ (apart**2).sum(axis=1))


def log_densities(scores: Array, ratio: Array) -> Array:
    """Return log densities (N,) of rows from scores (N, C), classes reweighted by ratios (C,)."""
    with np.errstate(divide="ignore"):
        return np.asarray(logsumexp(scores + np.log(ratio), axis=1))


def stratified_folds(codes: IntegerArray, number: int, rng: np.random.Generator) -> IntegerArray:
    """Return the fold of each row (N,): of each class as evenly many; -1 where it has one row."""
    folds = np.full(len(codes), -1, dtype=np.intp)
    begin = 0
    for code in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == code))
        if members.size > 1:
            folds[members] = (begin + np.arange(members.size)) % number
            begin += members.size
    return folds


def refuse_empty_columns(task: ClassTask, names: Any) -> None:
    """Raise DataError where a class has no value in a column, so that no row tells its mean."""
    for number, name in enumerate(task.names):
        own = task.rows.values[(task.codes == number) & (task.weights > 0.0)]
        empty = np.flatnonzero(np.isnan(own).all(axis=0))
        if empty.size:
            column = f"x{empty[0]}" if names is None else str(names[empty[0]])
            raise DataError(
                f"class {name!r} has no value in column {column!r}, so that nothing tells how the "
                "class lies there: leave out the column or the class, or give a component_prior"
            )


def sizes_of(value: Any, classes: np.ndarray) -> list[tuple[int, ...]]:
    """Return the numbers of components of each class that are asked for, as candidates."""
    if isinstance(value, Mapping):
        return [tuple(int(value.get(name, 1)) for name in classes.tolist())]
    several = list(value) if isinstance(value, Iterable) else [value]
    return [(int(number),) * len(classes) for number in dict.fromkeys(several)]


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
