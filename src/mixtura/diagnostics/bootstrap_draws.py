"""What replicates of a fit tell: standard errors and intervals of its parameters."""

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from scipy.special import ndtri  # pyright: ignore[reportAttributeAccessIssue]

from mixtura.families import CovarianceFamily
from mixtura.messages.parameters import MixtureParameters
from mixtura.messages.validation import OneOf, Real
from mixtura.posteriors import Intervals
from mixtura.typing import Array

LEVEL = Real(0.0, 1.0, above=True, below=True)
PERCENTILE, NORMAL = "percentile", "normal"
KINDS = OneOf((PERCENTILE, NORMAL))


@final
@dataclass(frozen=True, eq=False)
class ParameterErrors:
    """Standard errors of a mixture's parameters.

    Parameters
    ----------
    weights : array of shape (K,)
        Of the mixture weights.
    means, deviations : array of shape (K, D)
        Of means and standard deviations, in the data's units.
    covariances : array
        Of the covariances, in the shape of ``covariances_``, in squared units.
    """

    weights: Array
    means: Array
    deviations: Array
    covariances: Array


@final
@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap:
    """Parameters of fits to replicates of the rows, with their components numbered as the fit's.

    Parameters
    ----------
    method : str
        How replicates were made: "nonparametric", "weighted" or "parametric".
    estimate : MixtureParameters
        The fit's own parameters.
    family : CovarianceFamily
        What the covariances share.
    weights : array of shape (B, K)
        Mixture weights of B replicates.
    means : array of shape (B, K, D)
        Means.
    covariances : array of shape (B, ...)
        Covariances or variances of each replicate, as ``estimate`` has them.
    n_failed : int
        Replicates that are left out: a component collapsed, or there was no fit.
    n_slow : int
        Replicates, of those kept, that met the limit of iterations.
    names : tuple of str
        What the components are called.
    """

    method: str
    estimate: MixtureParameters
    family: CovarianceFamily
    weights: Array
    means: Array
    covariances: Array
    n_failed: int
    n_slow: int
    names: tuple[str, ...]

    @property
    def n_replicates(self) -> int:
        """Number of replicates B that were kept."""
        return len(self.weights)

    @property
    def deviations(self) -> Array:
        """Standard deviations of each feature in each replicate, shape (B, K, D)."""
        variances = self.covariances
        if variances.ndim == 4:
            variances = np.einsum("bkdd->bkd", variances)
        return np.sqrt(np.broadcast_to(variances, self.means.shape))

    @property
    def standard_errors(self) -> ParameterErrors:
        """Standard deviations over the replicates, about their means."""
        parts = (self.weights, self.means, self.deviations, self.covariances)
        weights, means, deviations, covariances = (part.std(axis=0, ddof=1) for part in parts)
        return ParameterErrors(weights, means, deviations, self.family.public(covariances))

    @property
    def bias(self) -> ParameterErrors:
        """Means over the replicates, less the fit's own parameters; shaped as standard errors."""
        own = self.estimate
        apart = self.covariances.mean(axis=0) - own.covariances
        return ParameterErrors(
            self.weights.mean(axis=0) - own.weights,
            self.means.mean(axis=0) - own.means,
            self.deviations.mean(axis=0) - self._own_deviations,
            self.family.public(apart),
        )

    def intervals(self, level: float = 0.9, kind: str = "percentile") -> Intervals:
        """Return confidence intervals of weights, means, covariances and standard deviations.

        Parameters
        ----------
        level : float, default=0.9
            Confidence level, between 0 and 1; the default is that of posterior intervals.
        kind : {"percentile", "normal"}
            Quantiles of the replicates; or the fit's own value and normal quantiles times the
            standard error on both sides, weights being held between 0 and 1 and standard deviations
            from 0 on.

        Returns
        -------
        Intervals
            Arrays with lower and upper ends first.

        Raises
        ------
        InvalidArgumentError
            If an argument has a value that is not allowed.
        """
        level = LEVEL.read(level, "level")
        ends = (round(0.5 - 0.5 * level, 15), round(0.5 + 0.5 * level, 15))
        if KINDS.read(kind, "kind") == PERCENTILE:
            parts = (self.weights, self.means, self.deviations, self.covariances)
            weights, means, deviations, covariances = (
                np.quantile(part, ends, axis=0) for part in parts
            )
        else:
            width = float(ndtri(ends[1])) * np.array([-1.0, 1.0])
            own, errors = self.estimate, self.standard_errors
            weights = np.clip(own.weights + width[:, None] * errors.weights, 0.0, 1.0)
            means = own.means + width[:, None, None] * errors.means
            deviations = self._own_deviations + width[:, None, None] * errors.deviations
            deviations = np.maximum(deviations, 0.0)
            spread = self.covariances.std(axis=0, ddof=1)
            covariances = own.covariances + width.reshape(-1, *(1,) * spread.ndim) * spread
        public = np.stack([np.asarray(self.family.public(end)) for end in covariances])
        return Intervals(ends, weights, means, deviations, public)

    @property
    def values(self) -> Intervals:
        """The fit's own parameters, as intervals of no width."""
        own = self.estimate
        parts = (own.weights, own.means, self._own_deviations, self.family.public(own.covariances))
        weights, means, deviations, covariances = (np.stack([part] * 2) for part in parts)
        return Intervals((0.5, 0.5), weights, means, deviations, covariances)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader should know of the replicates."""
        how = {
            "nonparametric": "rows drawn with replacement",
            "weighted": "random weights of the rows",
            "parametric": "rows drawn from the fit",
        }[self.method]
        told = [f"{self.n_replicates:,} bootstrap replicates ({self.method}: {how})."]
        if self.n_failed:
            told.append(f"{self.n_failed:,} more are left out: a component collapsed or was lost.")
        if self.n_slow:
            told.append(f"{self.n_slow:,} met the limit of iterations.")
        return tuple(told)

    @property
    def interval_words(self) -> str:
        """What a reader should know of intervals of the default level."""
        return f"In brackets: 95 % intervals, percentiles of {self.sentences[0]}"

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One dictionary for each component, with values and standard errors."""
        errors, own = self.standard_errors, self.estimate
        table = []
        for k, name in enumerate(self.names):
            row: dict[str, Any] = {"component": name, "weight": float(own.weights[k])}
            row["weight error"] = float(errors.weights[k])
            for d in range(own.n_features):
                row[f"mean {d}"], row[f"mean {d} error"] = own.means[k, d], errors.means[k, d]
                row[f"sd {d}"] = float(self._own_deviations[k, d])
                row[f"sd {d} error"] = float(errors.deviations[k, d])
            table.append(row)
        return table

    def __repr__(self) -> str:
        errors, own = self.standard_errors, self.estimate
        told = [*self.sentences, "Values and their standard errors:"]
        for k, name in enumerate(self.names):
            means = ", ".join(
                f"{value:.4g} ({error:.2g})"
                for value, error in zip(own.means[k], errors.means[k], strict=True)
            )
            told.append(
                f"{name}: weight {own.weights[k]:.3f} ({errors.weights[k]:.2g}); means {means}"
            )
        return "\n".join(told)

    @property
    def _own_deviations(self) -> Array:
        own = replace(
            self,
            covariances=self.estimate.covariances[None],
            means=self.estimate.means[None],
        )
        return own.deviations[0]
