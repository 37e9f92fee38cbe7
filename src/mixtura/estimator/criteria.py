"""Criteria of a fitted estimator on rows."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from mixtura.diagnostics import information_criteria
from mixtura.fit import Fit
from mixtura.typing import Array


class Criteria(ABC):
    """Criteria of an estimator that has ``fit_``, by the density of what was observed."""

    fit_: Fit

    @abstractmethod
    def score_samples(self, X: Any, measurement_error: Any = None) -> Array:
        """Return the log predictive density of each row, shape (N,), in nats."""

    @abstractmethod
    def predict_proba(self, X: Any, measurement_error: Any = None) -> Array:
        """Return the probability of each component for each row, shape (N, K)."""

    @abstractmethod
    def _weights(self, sample_weight: Any, values: Array) -> Array:
        """Return checked weights of the rows, shape (N,)."""

    def bic(self, X: Any, sample_weight: Any = None, measurement_error: Any = None) -> float:
        """Return the Bayesian information criterion on the rows; smaller is better."""
        log_likelihood, total, _ = self._criteria(X, sample_weight, measurement_error)
        return information_criteria.bic(log_likelihood, self.fit_.model.n_parameters, total)

    def aic(self, X: Any, sample_weight: Any = None, measurement_error: Any = None) -> float:
        """Return Akaike's information criterion on the rows; smaller is better."""
        log_likelihood, _, _ = self._criteria(X, sample_weight, measurement_error)
        return information_criteria.aic(log_likelihood, self.fit_.model.n_parameters)

    def icl(self, X: Any, sample_weight: Any = None, measurement_error: Any = None) -> float:
        """Return the integrated completed likelihood on the rows; smaller is better."""
        log_likelihood, total, weights = self._criteria(X, sample_weight, measurement_error)
        shares = self.predict_proba(X, measurement_error)
        entropy = information_criteria.assignment_entropy(shares, weights)
        return information_criteria.icl(
            log_likelihood, self.fit_.model.n_parameters, total, entropy
        )

    def _criteria(
        self, X: Any, sample_weight: Any, measurement_error: Any
    ) -> tuple[float, float, Array]:
        by_row = self.score_samples(X, measurement_error)
        weights = np.ones_like(by_row)
        if sample_weight is not None:
            weights = self._weights(sample_weight, by_row[:, None])
        return float(weights @ by_row), float(weights.sum()), weights
