"""Classification by mixtures: one over all classes, or one for each class."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from mixtura.data import ArrayRows, Classes, KnownLabels
from mixtura.data.measurement_errors import error_variances
from mixtura.data.row_weights import row_weights
from mixtura.engines import Engine, best_engine
from mixtura.errors import DataError, Doubt, InvalidArgumentError, Message
from mixtura.estimator import GaussianMixtureModel, arguments, class_mixtures, row_validation
from mixtura.estimator.candidate_names import different
from mixtura.estimator.class_mixtures import ClassCandidate, ClassTask, SharedMixture
from mixtura.estimator.foreign_names import explained, with_options
from mixtura.estimator.held_out import Folds
from mixtura.messages.assignments import shares
from mixtura.messages.conversion import short_repr
from mixtura.messages.validation import Flag, OneOf, Whole
from mixtura.typing import Array

BY_ERROR = "cv"
CRITERIA = OneOf(("bic", BY_ERROR))
"""By what families and numbers of components are chosen."""

SUMMED = 1e-6
"""By how much given probabilities of classes may miss one in sum."""


@final
class MixtureClassifier(ClassifierMixin, BaseEstimator):
    """Discriminant analysis by Gaussian mixtures, with priors and missing cells.

    With the defaults each class is one normal distribution. ``covariance_type`` says what the
    classes' covariances share (eigenvalue decomposition discriminant analysis,
    [BensmailCeleux1996]_): "full" is quadratic, "tied" linear discriminant analysis, "diag" naive
    Bayes. With ``components_per_class`` each class is a mixture ([HastieTibshirani1996]_), and
    with ``shared_family=False`` one of its own family ([FraleyRaftery2002]_).

    Parameters
    ----------
    components_per_class : int, several int or mapping, default=1
        Number of components of each class, several of which one is chosen, or a mapping from
        classes to numbers, those that it does not name having one.
    covariance_type : str or several str, default="full"
        Name of a covariance family; several of which one is chosen, by names or patterns such as
        "tied*"; or "all".
    shared_family : bool, default=True
        Whether one family says what the covariances of all classes share. Otherwise each class has
        a mixture, a number and a family of its own.
    criterion : {"bic", "cv"}, default="bic"
        What chooses among several families and numbers: BIC of rows and classes (of each class's
        rows where they do not share), or the error rate of cross-validation, where all classes have
        one family and number.
    n_folds : int, default=10
        Number of folds of cross-validation, in which each class has its share.
    class_prior : array of shape (C,) or mapping, optional
        Probabilities of the classes where predictions are made, which sum to 1; their shares of
        the rows where None.
    weight_prior, component_prior, inference, init, n_init, max_iter, tol
        As for :class:`GaussianMixtureModel`.
    random_state : int, Generator, SeedSequence, RandomState or None, default=None
        Source of all randomness: of folds, and of starts and methods that have some.
    n_jobs : int, optional
        Number of fits at a time. Answers do not depend on it.

    Attributes
    ----------
    classes_ : array of shape (C,)
        The classes.
    class_prior_ : array of shape (C,)
        Their probabilities.
    mixtures_ : tuple of GaussianMixtureModel
        The fitted mixture over all classes, or one for each class.
    components_per_class_, covariance_types_ : tuple
        Number of components and family of each class.
    log_likelihood_, bic_ : float
        Of rows and classes.
    n_parameters_ : int
        Number of free parameters.
    n_iter_ : int
        The largest number of iterations of a mixture.
    candidates_ : tuple of ClassCandidate
        What was compared; empty where there was nothing to choose.
    n_features_in_ : int
        Number of features D.
    feature_names_in_ : array of shape (D,)
        Column names, where the data had names.

    Examples
    --------
    >>> from mixtura import MixtureClassifier
    >>> from mixtura.datasets import load_iris
    >>> iris = load_iris()
    >>> classifier = MixtureClassifier(covariance_type=["full", "tied", "diag"])
    >>> classifier.fit(iris.data, iris.target).covariance_types_
    ('full', 'full', 'full')
    >>> round(classifier.score(iris.data, iris.target), 2)
    0.98
    """

    @explained
    def __init__(
        self,
        components_per_class: Any = 1,
        covariance_type: Any = "full",
        *,
        shared_family: bool = True,
        criterion: str = "bic",
        n_folds: int = 10,
        class_prior: Any = None,
        weight_prior: Any = None,
        component_prior: Any = None,
        inference: Any = "map",
        init: Any = "search",
        n_init: int | None = None,
        max_iter: int | None = None,
        tol: float | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.components_per_class = components_per_class
        self.covariance_type = covariance_type
        self.shared_family = shared_family
        self.criterion = criterion
        self.n_folds = n_folds
        self.class_prior = class_prior
        self.weight_prior = weight_prior
        self.component_prior = component_prior
        self.inference = inference
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None, measurement_error: Any = None) -> Self:
        """Fit the mixtures to rows of known classes.

        Parameters
        ----------
        X : array or frame of shape (N, D), or one named column
            The rows; NaN, null and masked cells are missing, and integrated out.
        y : array of shape (N,)
            The classes: numbers or texts.
        sample_weight : array of shape (N,), optional
            Non-negative weights; a weight of two counts as two rows.
        measurement_error : array, optional
            Errors of the rows, as for :meth:`GaussianMixtureModel.fit`.

        Returns
        -------
        self

        Raises
        ------
        InvalidArgumentError
            If an argument has a value that is not allowed.
        ValueError
            If the data are not numbers in two dimensions, or the classes are not discrete.
        """
        families = self._checked_parameters()
        values = row_validation.checked_rows(self, X, reset=True)
        families = different(families, values.shape[1])
        task = self._task(values, y, sample_weight, measurement_error)
        sizes = class_mixtures.sizes_of(self.components_per_class, self.classes_)
        candidates = [ClassCandidate(name, one) for name in families for one in sizes]
        workers = arguments.number_of_jobs(self.n_jobs)
        how: dict[str, Any] = {"is_shared": bool(self.shared_family), "workers": workers}
        if self.criterion == BY_ERROR and len(candidates) > 1:
            rng = Folds(self.n_folds, self.random_state).generator()
            folds = class_mixtures.stratified_folds(task.codes, self.n_folds, rng)
            found, judged = class_mixtures.chosen_by_validation(
                task, candidates, folds, engine=self._engine(), **how
            )
        else:
            found, judged = class_mixtures.chosen_by_bic(task, candidates, **how)
        self._adopt(found, judged if len(candidates) > 1 else (), float(task.weights.sum()))
        row_validation.warn_of(self._doubts())
        return self

    def predict_proba(self, X: Any, measurement_error: Any = None) -> Array:
        """Return the probability of each class for each row, shape (N, C)."""
        with np.errstate(divide="ignore"):
            return shares(self._scores(X, measurement_error) + np.log(self._ratio))

    def predict_log_proba(self, X: Any, measurement_error: Any = None) -> Array:
        """Return the logarithms of the probabilities of the classes, shape (N, C)."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X, measurement_error))

    def predict(self, X: Any, measurement_error: Any = None) -> np.ndarray:
        """Return the most probable class of each row, shape (N,)."""
        best = self.predict_proba(X, measurement_error).argmax(axis=1)
        return self.classes_[best]

    def score_samples(self, X: Any, measurement_error: Any = None) -> Array:
        """Return the log density of each row, whatever its class, shape (N,), in nats."""
        return class_mixtures.log_densities(self._scores(X, measurement_error), self._ratio)

    def to_mixture(self) -> GaussianMixtureModel:
        """Return the density of rows as one fitted mixture of full covariances.

        Its components are named by the classes, one class after the other.
        """
        check_is_fitted(self)
        weights, means, matrices = [], [], []
        for number, gmm in enumerate(self.mixtures_):
            model, own = gmm.fit_.model, gmm.fit_.parameters
            shared = isinstance(self._found, SharedMixture)
            prior = 1.0 if shared else self.class_prior_[number]
            factor = np.repeat(self._ratio, self.components_per_class_) if shared else prior
            weights.append(own.weights * factor)
            means.append(own.means)
            sizes = (model.n_components, model.n_features)
            matrices.append(model.family.expand(own.covariances, *sizes))
        whole = GaussianMixtureModel.from_parameters(
            np.concatenate(weights) / np.concatenate(weights).sum(),
            np.concatenate(means),
            np.concatenate(matrices),
            feature_names=self.mixtures_[0].fit_.feature_names,
        )
        if not hasattr(self, "feature_names_in_"):
            del whole.feature_names_in_
        whole._adopt(replace(whole.fit_, classes=self._classes))
        return whole

    def plot_projection(
        self, X: Any, y: Any = None, *, n_directions: int = 2, ax: Any = None
    ) -> Any:
        """Plot rows by class along the directions that tell the classes apart [Scrucca2014]_.

        Parameters
        ----------
        X : array or frame of shape (N, D)
            The rows.
        y : array of shape (N,), optional
            Their classes; the most probable ones where None.
        n_directions : int, default=2
            Number of directions at most.
        ax : matplotlib Axes or array of them, optional
            Where to draw.

        Returns
        -------
        matplotlib Axes, or an array of them, one for each pair of directions
        """
        codes = self.predict_proba(X).argmax(axis=1) if y is None else self._codes(y)
        values = row_validation.checked_rows(self, X, reset=False)
        check_consistent_length(values, codes)
        whole = self.to_mixture()
        rows = ArrayRows(values, labels=KnownLabels(codes, self._classes))
        labels = whole.posterior_.labels(rows, self._engine())
        return whole.plot_projection(X, labels=labels, n_directions=n_directions, ax=ax)

    def summary(self) -> Any:
        """Return classes, their mixtures and what was compared; it prints and shows as HTML."""
        from mixtura.reports import ClassifierSummary

        check_is_fitted(self)
        how = "a mixture for each class"
        if isinstance(self._found, SharedMixture):
            how = "one mixture over all classes"
        many = "1 class" if len(self.classes_) == 1 else f"{len(self.classes_)} classes"
        sentences = (
            f"{many}, {how} ({self.mixtures_[0].fit_.method}).",
            f"Log likelihood of rows and classes {self.log_likelihood_:.4f} nats, "
            f"{self.n_parameters_} parameters, BIC {self.bic_:.3f} (smaller is better).",
        )
        names = (str(name) for name in self.classes_)
        of_classes = zip(
            names,
            self.class_prior_.tolist(),
            self.components_per_class_,
            self.covariance_types_,
            strict=True,
        )
        by_error = self.criterion == BY_ERROR
        last = ("error", "Brier") if by_error else ("log lik.", "BIC")
        compared = tuple(
            (one.of_class or "all", one.covariance_type, "+".join(map(str, one.components)), *cells)
            for one in self.candidates_
            for cells in [_judged(one, by_error=by_error)]
        )
        heads = ("class", "family", "components", *last)
        return ClassifierSummary(sentences, tuple(of_classes), compared, heads)

    def to_dict(self) -> dict[str, list[Any]]:
        """Return what was compared as columns: ``pandas.DataFrame(classifier.to_dict())``."""
        check_is_fitted(self)
        rows = [asdict(one) for one in self.candidates_]
        return {field.name: [row[field.name] for row in rows] for field in fields(ClassCandidate)}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; ``weight_prior__concentration`` is an option."""
        return super().set_params(**with_options(params, self.get_params(deep=False)))

    def _checked_parameters(self) -> list[str]:
        """Check parameters that have nothing to do with rows; return the families."""
        Flag().read(self.shared_family, "shared_family")
        CRITERIA.read(self.criterion, "criterion")
        Whole(2).read(self.n_folds, "n_folds")
        given = self.components_per_class
        if isinstance(given, Mapping):
            numbers = list(given.values())
        else:
            numbers = list(given) if _is_several(given) else [given]
        if not numbers or not all(Whole(1).accepts(number) for number in numbers):
            raise InvalidArgumentError(
                "must be a whole number of at least 1, several, or a mapping from classes to such "
                f"numbers; got {short_repr(given)}",
                argument="components_per_class",
            )
        return _families(self.covariance_type)

    def _task(self, values: Array, y: Any, sample_weight: Any, measurement_error: Any) -> ClassTask:
        """Return rows and classes, and how mixtures are fitted; set the classes."""
        if y is None:
            raise DataError("requires y to be passed, but the target y is None")
        y = row_validation.classes_of_rows(y, len(values))
        self.classes_, codes = np.unique(y, return_inverse=True)
        weights = None if sample_weight is None else row_weights(sample_weight, len(values))
        names = getattr(self, "feature_names_in_", None)
        errors = error_variances(measurement_error, values, names)
        rows = ArrayRows(values, weights, None, errors)
        classes = tuple(str(name) for name in self.classes_)
        task = ClassTask(rows, codes, classes, self._made)
        empty = np.flatnonzero(task.class_totals == 0.0)
        if empty.size:
            raise DataError(f"class {classes[empty[0]]!r} has no row of a weight above zero")
        if self.component_prior is None:
            class_mixtures.refuse_empty_columns(task, getattr(self, "feature_names_in_", None))
        unknown = (
            set(self.components_per_class) - set(self.classes_.tolist())
            if isinstance(self.components_per_class, Mapping)
            else set()
        )
        if unknown:
            raise InvalidArgumentError(
                f"names {sorted(map(str, unknown))[0]!r}, which is no class of y",
                argument="components_per_class",
            )
        self._read_prior()
        return task

    def _made(self, n_components: int, family: str) -> GaussianMixtureModel:
        """Return an estimator, which knows the features."""
        gmm = GaussianMixtureModel(
            n_components,
            covariance_type=family,
            weight_prior=self.weight_prior,
            component_prior=self.component_prior,
            inference=self.inference,
            init=self.init,
            n_init=self.n_init,
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=arguments.seed_sequence(self.random_state),
            n_jobs=None if self.n_jobs is None else 1,
        )
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(gmm, name, getattr(self, name))
        return gmm

    def _adopt(
        self,
        found: class_mixtures.ClassMixture,
        judged: tuple[ClassCandidate, ...],
        total: float,
    ) -> None:
        """Set the fitted attributes."""
        self._found = found
        self.mixtures_ = found.mixtures
        if isinstance(found, SharedMixture):
            self.components_per_class_ = found.sizes
            self.covariance_types_ = (found.mixture.covariance_type,) * len(found.sizes)
        else:
            self.components_per_class_ = tuple(gmm.n_components for gmm in found.mixtures)
            self.covariance_types_ = tuple(gmm.covariance_type for gmm in found.mixtures)
        given = self._read_prior()
        own = found.class_weights
        self.class_prior_ = own if given is None else given
        self._ratio = np.ones(len(own)) if given is None else given / own
        self._classes = Classes(
            tuple(str(name) for name in self.classes_), self.components_per_class_
        )
        self.candidates_ = judged
        self.log_likelihood_ = found.log_likelihood
        self.n_iter_ = max(1, *(gmm.n_iter_ for gmm in found.mixtures))
        self.n_parameters_ = found.n_parameters
        self.bic_ = -2.0 * found.log_likelihood + found.n_parameters * float(np.log(total))

    def _doubts(self) -> tuple[Doubt, ...]:
        """Return what is doubtful about the fits, with the class that it is about."""
        if isinstance(self._found, SharedMixture):
            return self._found.doubts
        return tuple(
            Doubt(doubt.category, Message(f"class {str(name)!r}: ", doubt.message))
            for name, gmm in zip(self.classes_, self.mixtures_, strict=True)
            for doubt in gmm.fit_.doubts
        )

    def _read_prior(self) -> Array | None:
        """Return the given probabilities of the classes, of sum one; None where there are none."""
        given: Any = self.class_prior
        if given is None:
            return None
        if isinstance(given, Mapping):
            given = [given.get(name, np.nan) for name in self.classes_.tolist()]
        try:
            prior = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            prior = np.array(np.nan)
        if prior.shape != self.classes_.shape or not (prior >= 0.0).all() or not prior.sum() > 0.0:
            raise InvalidArgumentError(
                f"must be one non-negative number for each of the {len(self.classes_)} classes, "
                f"not all zero; got {short_repr(self.class_prior)}",
                argument="class_prior",
            )
        if abs(prior.sum() - 1.0) > SUMMED:
            raise InvalidArgumentError(
                f"must sum to 1; it sums to {prior.sum():g}", argument="class_prior"
            )
        return prior / prior.sum()

    def _codes(self, y: Any) -> Any:
        """Return the numbers of known classes (N,)."""
        y = column_or_1d(y)
        place = np.searchsorted(self.classes_, y)
        place = np.minimum(place, len(self.classes_) - 1)
        strange = self.classes_[place] != y
        if np.any(strange):
            odd = y[np.flatnonzero(strange)[0]]
            raise InvalidArgumentError(
                f"has {odd!r}, which is none of the classes that were fitted", argument="y"
            )
        return place

    def _scores(self, X: Any, measurement_error: Any) -> Array:
        check_is_fitted(self)
        values = row_validation.checked_rows(self, X, reset=False)
        names = getattr(self, "feature_names_in_", None)
        errors = error_variances(measurement_error, values, names)
        return self._found.log_scores(ArrayRows(values, None, None, errors), self._engine())

    def _engine(self) -> Engine:
        return best_engine(arguments.number_of_threads(self.n_jobs))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "mixtures_")


def _judged(candidate: ClassCandidate, *, by_error: bool) -> tuple[str, str]:
    """Return what is said of a candidate in a table."""
    if candidate.failure:
        return "failed", ""
    if by_error:
        return f"{candidate.error:.4f}", f"{candidate.brier:.4f}"
    flag = " collapsed" if candidate.collapsed else ""
    return f"{candidate.log_likelihood:.2f}", f"{candidate.bic:.2f}{flag}"


def _is_several(value: Any) -> bool:
    """Whether an argument is several values: no text, and no array of one alone."""
    if isinstance(value, str | bytes) or getattr(value, "ndim", 1) == 0:
        return False
    return isinstance(value, Iterable)


def _families(value: Any) -> list[str]:
    """Return the names of families that a name, a pattern, several of them or "all" mean."""
    found: list[str] = []
    for one in value if _is_several(value) else [value]:
        found += arguments.family_names(one, "covariance_type")
    if not found:
        raise InvalidArgumentError("must name a family; got none", argument="covariance_type")
    return list(dict.fromkeys(found))
