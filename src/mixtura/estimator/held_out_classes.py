"""How well a classifier tells rows that it has not seen: cross-validation, whatever it chooses."""

import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mixtura.errors import InvalidArgumentError, MixturaWarning
from mixtura.estimator import class_mixtures
from mixtura.estimator.classifier import MixtureClassifier
from mixtura.estimator.held_out import Folds
from mixtura.inference.in_threads import answers
from mixtura.typing import Array, BooleanArray, IntegerArray


@final
@dataclass(frozen=True, eq=False)
class ToldClasses:
    """The probabilities of the classes of rows whose classes are known.

    Parameters
    ----------
    names : tuple of str
        The classes.
    codes : integer array of shape (N,)
        Class of each row.
    probabilities : array of shape (N, C)
        Probability of each class; NaN where a row was never left out.
    weights : array of shape (N,)
        Weights of the rows.
    """

    names: tuple[str, ...]
    codes: IntegerArray
    probabilities: Array
    weights: Array

    @property
    def told(self) -> BooleanArray:
        """Which rows have probabilities, shape (N,)."""
        return np.asarray(~np.isnan(self.probabilities).any(axis=1))

    @property
    def best(self) -> IntegerArray:
        """Most probable class of each row, shape (N,); -1 where there is none."""
        found = np.full(len(self.codes), -1, dtype=np.intp)
        found[self.told] = self.probabilities[self.told].argmax(axis=1)
        return found

    @property
    def n_missed(self) -> int:
        """Number of rows whose class is missed."""
        return int((self.best != self.codes)[self.told].sum())

    @property
    def error(self) -> float:
        """Share of the weight of the rows whose class is missed."""
        weights = self.weights[self.told]
        return float(weights @ (self.best != self.codes)[self.told] / weights.sum())

    @property
    def brier(self) -> float:
        """Half the mean squared distance of probabilities from classes [Brier1950]_."""
        weights, known = self.weights[self.told], self.codes[self.told]
        apart = self.probabilities[self.told] - np.eye(len(self.names))[known]
        return float(0.5 * weights @ (apart**2).sum(axis=1) / weights.sum())

    @property
    def confusion(self) -> IntegerArray:
        """Number of rows by class, shape (C, C): rows as they are, columns as they were told."""
        size, told = len(self.names), self.told
        found = np.bincount(self.codes[told] * size + self.best[told], minlength=size * size)
        return found.reshape(size, size)


def cross_validated(
    classifier: MixtureClassifier,
    X: Any,
    y: np.ndarray,
    n_folds: int,
    *,
    sample_weight: Array | None = None,
    measurement_error: Array | None = None,
    workers: int = 1,
) -> ToldClasses:
    """Return the classes of rows as fits to other rows tell them.

    Families and numbers are chosen anew in each fold, so that the error is that of the whole
    procedure. A row that is the only one of its class is never left out.

    Parameters
    ----------
    classifier : MixtureClassifier
        What is fitted anew; it need not be fitted.
    X : array of shape (N, D)
        The rows.
    y : array of shape (N,)
        Their classes.
    n_folds : int
        Number of folds, in which each class has its share.
    sample_weight : array of shape (N,), optional
        Weights of the rows.
    measurement_error : array of shape (N, D), optional
        Standard deviations of their errors.
    workers : int, default=1
        Number of folds at a time.

    Raises
    ------
    InvalidArgumentError
        If no class has two rows.
    """
    names, codes = np.unique(y, return_inverse=True)
    rng = Folds(n_folds, classifier.random_state).generator()
    folds = class_mixtures.stratified_folds(codes, n_folds, rng)
    found = np.full((len(codes), len(names)), np.nan)
    numbers = np.unique(folds[folds >= 0])
    if numbers.size < 2:
        raise InvalidArgumentError(
            "cross-validation needs two rows of a class", remedy="leave it out"
        )

    def run(fold: int) -> tuple[IntegerArray, Array]:
        seen, left = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        own = MixtureClassifier(**classifier.get_params(deep=False)).fit(
            X[seen],
            y[seen],
            None if sample_weight is None else sample_weight[seen],
            None if measurement_error is None else measurement_error[seen],
        )
        errors = None if measurement_error is None else measurement_error[left]
        return left, own.predict_proba(X[left], errors)

    with warnings.catch_warnings():  # what is doubtful about the whole is told by its own fit
        warnings.simplefilter("ignore", MixturaWarning)
        for left, probabilities in answers(run, numbers.tolist(), workers):
            found[left] = probabilities
    weights = np.ones(len(codes)) if sample_weight is None else sample_weight
    return ToldClasses(tuple(map(str, names)), codes, found, weights)
