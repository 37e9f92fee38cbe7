"""The steps of variational Bayes as numbers: what native runs know of a model."""

from dataclasses import dataclass
from enum import IntEnum
from typing import final

import numpy as np

from mixtura.typing import Array


@final
class FactorKind(IntEnum):
    """How the factor of means and covariances follows from statistics."""

    CONJUGATE = 0
    KNOWN_SCALES = 1
    INDEPENDENT_SCALES = 2


@final
@dataclass(frozen=True, eq=False)
class LogScaleDensity:
    """The log density of the logarithms t of standard deviations, one for each free one.

    ``constant - linear t - curvature (t - centre)^2 / 2 - inverse exp(-t)
    - inverse_square exp(-2t) - square exp(2t) - fourth exp(4t)``

    Parameters
    ----------
    constant, linear, centre, curvature : array of shape (D or 1,)
        As above; one number where all are the same.
    inverse, inverse_square, square, fourth : array of shape (D or 1,)
        As above.
    """

    constant: Array
    linear: Array
    centre: Array
    curvature: Array
    inverse: Array
    inverse_square: Array
    square: Array
    fourth: Array

    def table(self, width: int) -> Array:
        """Return the numbers of each scale, shape (width, 8)."""
        parts = (self.constant, self.linear, self.centre, self.curvature)
        powers = (self.inverse, self.inverse_square, self.square, self.fourth)
        return np.stack([np.broadcast_to(part, width) for part in (*parts, *powers)], axis=1)


@final
@dataclass(frozen=True, eq=False)
class VariationalSteps:
    """How the factors of weights and components follow from statistics.

    Parameters
    ----------
    concentration : array of shape (K,)
        Of the weights' Dirichlet distribution.
    kind : FactorKind
        Of the components' prior.
    mean : array of shape (D,)
        Expected means.
    precision : array of shape (D,)
        How many rows they are worth under a conjugate prior, otherwise their precisions.
    freedom : array of shape (1,), or (D or 1,) of variances
        Degrees of freedom of a matrix, or shapes of inverse gamma distributions.
    scale : array of shape (D, D), or (D or 1,) of variances
        Of those distributions; or known variances.
    spreads : array of shape (D or 1, 8) or (0, 8)
        The table of a ``LogScaleDensity`` where scales are independent of means.
    """

    concentration: Array
    kind: FactorKind
    mean: Array
    precision: Array
    freedom: Array
    scale: Array
    spreads: Array

    @property
    def numbers(self) -> Array:
        """All of it, one after the other."""
        parts = (self.concentration, self.mean, self.precision, self.freedom, self.scale)
        return np.concatenate([np.ravel(part) for part in (*parts, self.spreads)], dtype=np.float64)
