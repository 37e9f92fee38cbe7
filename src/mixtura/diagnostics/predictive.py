"""How well a posterior predicts rows that it has not seen, from the log likelihood of each row."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import logsumexp

from mixtura.diagnostics.convergence_diagnostics import ess_mean
from mixtura.diagnostics.pareto import smoothed_weights
from mixtura.errors import InvalidArgumentError
from mixtura.typing import Array, IntegerArray

BLOCK = 4_000_000
"""Numbers of the log likelihood that are looked at together."""

LARGEST_SHAPE = 0.7
"""Pareto k above which a row's estimate is not to be believed, with any number of draws."""

LARGEST_VARIANCE = 0.4
"""Variance of a row's log density above which its part of WAIC is not to be believed."""


@final
@dataclass(frozen=True, eq=False)
class PredictiveAccuracy:
    """An estimate of the expected log density of new rows; larger is better.

    Parameters
    ----------
    by_row : array of shape (N,)
        What each row adds, in nats.
    fitted_by_row : array of shape (N,)
        Log density of each row, averaged over draws that have seen it.
    diagnostic : array of shape (N,)
        Pareto k of each row (``loo``), or the variance of its log density (``waic``).
    largest_diagnostic : float
        What ``diagnostic`` may be for the estimate of a row to be believed.
    """

    by_row: Array
    fitted_by_row: Array
    diagnostic: Array
    largest_diagnostic: float

    @property
    def total(self) -> float:
        """Expected log density of as many new rows, in nats."""
        return float(self.by_row.sum())

    @property
    def error(self) -> float:
        """Standard error of the total, from the rows' differences."""
        return float(np.sqrt(self.by_row.size * self.by_row.var(ddof=1)))

    @property
    def n_effective(self) -> float:
        """Effective number of parameters: how much better rows are fitted than predicted."""
        return float(self.fitted_by_row.sum() - self.total)

    @property
    def doubtful_rows(self) -> IntegerArray:
        """Rows whose estimate is not to be believed."""
        return np.flatnonzero(~(self.diagnostic <= self.largest_diagnostic))

    def __repr__(self) -> str:
        # One number, rather than thousands.
        return (
            f"<PredictiveAccuracy of {self.by_row.size:,} rows: {self.total:.6g} nats, standard "
            f"error {self.error:.3g}; {self.n_effective:.3g} effective parameters; "
            f"{self.doubtful_rows.size:,} doubtful rows>"
        )

    def difference(self, other: "PredictiveAccuracy") -> tuple[float, float]:
        """Return by how much this is better than another on the same rows, and its error."""
        if self.by_row.shape != other.by_row.shape:
            raise InvalidArgumentError(
                f"must be of the same {self.by_row.size} rows; got {other.by_row.size}",
                argument="other",
            )
        apart = self.by_row - other.by_row
        return float(apart.sum()), float(np.sqrt(apart.size * apart.var(ddof=1)))


def waic(log_likelihood: Array) -> PredictiveAccuracy:
    """Return the widely applicable information criterion [Watanabe2010]_, as a log density.

    A row's expected log density is that of the draws' average, less the variance of its logarithm.
    Rows with a variance above 0.4 are doubtful; ``loo`` is the more robust of the two.

    Parameters
    ----------
    log_likelihood : array of shape (C, S, N)
        Log density of each row under each draw, in nats.
    """
    flat = _by_draw(log_likelihood)
    fitted = logsumexp(flat, axis=0) - np.log(len(flat))
    variances = flat.var(axis=0, ddof=1)
    return PredictiveAccuracy(fitted - variances, fitted, variances, LARGEST_VARIANCE)


def loo(log_likelihood: Array) -> PredictiveAccuracy:
    """Return the expected log density of each row under the posterior of the others.

    Draws are weighted by one over the row's density, and the weights Pareto-smoothed
    [VehtariGelmanGabry2017]_.

    Parameters
    ----------
    log_likelihood : array of shape (C, S, N)
        Log density of each row under each draw, in nats.
    """
    flat = _by_draw(log_likelihood)
    n_draws, n_rows = flat.shape
    fitted = logsumexp(flat, axis=0) - np.log(n_draws)
    by_row, shapes = np.empty(n_rows), np.empty(n_rows)
    step = max(1, BLOCK // n_draws)
    for start in range(0, n_rows, step):
        part = log_likelihood[:, :, start : start + step]
        ratios = np.exp(part.min(axis=(0, 1)) - part)
        sizes = np.nan_to_num(ess_mean(ratios) / n_draws, nan=1.0)
        for i, size in enumerate(sizes, start):
            smoothed = smoothed_weights(-flat[:, i], float(size))
            by_row[i] = logsumexp(smoothed.log_weights + flat[:, i])
            shapes[i] = smoothed.shape
    largest = min(1.0 - 1.0 / np.log10(n_draws), LARGEST_SHAPE)
    return PredictiveAccuracy(by_row, fitted, shapes, largest)


def _by_draw(log_likelihood: Array) -> Array:
    """Return the log likelihood with the chains one after the other, (C S, N)."""
    if log_likelihood.ndim != 3 or not np.isfinite(log_likelihood).all():
        raise InvalidArgumentError(
            f"must have shape (C, S, N) and finite numbers; got shape {log_likelihood.shape}",
            argument="log_likelihood",
        )
    return log_likelihood.reshape(-1, log_likelihood.shape[2])
