"""Criteria of a fitted estimator on rows."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mixtura.data import ArrayRows
from mixtura.diagnostics import comparison
from mixtura.engines import Engine
from mixtura.fit import Fit
from mixtura.posteriors import Posterior


class Criteria(ABC):
    """Criteria of an estimator that has ``fit_``, by the density of what was observed.

    Rows without any value do not count.
    """

    fit_: Fit
    posterior_: Posterior

    @abstractmethod
    def _engine(self) -> Engine:
        """Return the engine that scores rows."""

    @abstractmethod
    def _checked_rows(
        self, X: Any, sample_weight: Any, measurement_error: Any, *, reset: bool
    ) -> ArrayRows:
        """Return checked rows with their weights and errors."""

    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, measurement_error: Any = None
    ) -> float:
        """Return the average log predictive density of the rows, in nats."""
        log_likelihood, total, _ = self._scored(X, sample_weight, measurement_error)
        return log_likelihood / total if total > 0.0 else 0.0

    def bic(self, X: Any, sample_weight: Any = None, measurement_error: Any = None) -> float:
        """Return the Bayesian information criterion on the rows; smaller is better."""
        log_likelihood, total, _ = self._scored(X, sample_weight, measurement_error)
        return comparison.bic(log_likelihood, self.fit_.model.n_parameters, total)

    def aic(self, X: Any, sample_weight: Any = None, measurement_error: Any = None) -> float:
        """Return Akaike's information criterion on the rows; smaller is better."""
        log_likelihood, _, _ = self._scored(X, sample_weight, measurement_error)
        return comparison.aic(log_likelihood, self.fit_.model.n_parameters)

    def icl(self, X: Any, sample_weight: Any = None, measurement_error: Any = None) -> float:
        """Return the integrated completed likelihood on the rows; smaller is better."""
        log_likelihood, total, rows = self._scored(X, sample_weight, measurement_error)
        shares = self.posterior_.responsibilities(rows, self._engine())
        entropy = comparison.assignment_entropy(shares, rows.weights)
        return comparison.icl(log_likelihood, self.fit_.model.n_parameters, total, entropy)

    def _scored(
        self, X: Any, sample_weight: Any, measurement_error: Any
    ) -> tuple[float, float, ArrayRows]:
        """Return the log likelihood of the rows that have cells, their weight, and these rows."""
        check_is_fitted(self)
        given = self._checked_rows(X, sample_weight, measurement_error, reset=False)
        rows = given.with_cells
        by_row = self.posterior_.log_predictive(rows, self._engine())
        weights = np.ones_like(by_row) if rows.weights is None else rows.weights
        return float(weights @ by_row), float(weights.sum()), rows
