"""The distribution function of one column of a fitted mixture, and its quantiles."""

from dataclasses import dataclass
from typing import Self, final

import numpy as np
from scipy.special import ndtr, ndtri

from mixtura.errors import InvalidArgumentError
from mixtura.fit import Fit
from mixtura.messages.parameters import MixtureParameters
from mixtura.posteriors import PointPosterior
from mixtura.typing import Array

MOST_DRAWS = 400
"""Parameters over which the distribution of a posterior is averaged."""

BISECTIONS = 200
"""Most halvings of an interval in which a quantile lies; floats end them before."""

PART = 1 << 16
"""Values that are taken at a time."""


@final
@dataclass(frozen=True, eq=False)
class MarginalDistribution:
    """Normal distributions with weights, and a uniform one.

    Parameters
    ----------
    weights, means, deviations : array of shape (M,)
        The normal parts.
    lower, upper : float
        Ends of the uniform part, whose weight is what the others leave of one.
    """

    weights: Array
    means: Array
    deviations: Array
    lower: float = 0.0
    upper: float = 1.0

    @classmethod
    def of(cls, fit: Fit, feature: int) -> Self:
        """Return the distribution of a column; of draws and variational fits their average.

        Raises
        ------
        InvalidArgumentError
            If a background has a volume that was given, which is no box.
        """
        model, posterior = fit.model, fit.posterior
        drawn: tuple[MixtureParameters, ...] = (posterior.parameters,)
        if not isinstance(posterior, PointPosterior):
            # The same draws each time, so that quantiles answer probabilities.
            drawn = posterior.sample_parameters(MOST_DRAWS, np.random.default_rng(0))  # type: ignore[attr-defined]
        sizes = (model.n_components, model.n_features)
        variances = [model.family.variances(one.covariances, *sizes)[:, feature] for one in drawn]
        parts = (
            np.concatenate([one.weights for one in drawn]) / len(drawn),
            np.concatenate([one.means[:, feature] for one in drawn]),
            np.sqrt(np.concatenate(variances)),
        )
        box = model.background
        if box is None:
            return cls(parts[0] / parts[0].sum(), *parts[1:])
        if box.volume is not None:
            raise InvalidArgumentError(
                "a background of a given volume has no distribution function",
                remedy="fit with background='uniform'",
            )
        return cls(*parts, float(box.lower[feature]), float(box.upper[feature]))

    def cdf(self, values: Array) -> Array:
        """Return the probability of a value at most each of some."""
        flat = values.ravel()
        found = np.empty(flat.shape)
        step = max(1, PART // len(self.weights))
        for begin in range(0, flat.size, step):
            some = slice(begin, begin + step)
            found[some] = ndtr((flat[some, None] - self.means) / self.deviations) @ self.weights
        rest = max(1.0 - float(self.weights.sum()), 0.0)
        inside = np.clip((flat - self.lower) / (self.upper - self.lower), 0.0, 1.0)
        return np.minimum(found + rest * inside, 1.0).reshape(values.shape)

    def quantile(self, probabilities: Array) -> Array:
        """Return the values below which some probabilities lie; infinite for 0 and 1."""
        flat = probabilities.ravel()
        inner = (flat > 0.0) & (flat < 1.0)
        p = flat[inner, None]
        # The quantile of a mixture lies between the smallest and the largest of its parts'.
        heavy = self.weights > 0.0
        own = self.means[heavy] + self.deviations[heavy] * ndtri(p)
        low, high = own.min(axis=1), own.max(axis=1)
        if self.weights.sum() < 1.0:
            low, high = np.minimum(low, self.lower), np.maximum(high, self.upper)
        for _ in range(BISECTIONS):
            middle = low + 0.5 * (high - low)
            if not ((middle > low) & (middle < high)).any():
                break
            below = self.cdf(middle) < flat[inner]
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        found = np.where(flat <= 0.0, -np.inf, np.inf)
        found[inner] = high
        return found.reshape(probabilities.shape)
