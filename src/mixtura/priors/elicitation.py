"""Weakly informative priors taken from the data's overall mean and covariance."""

from typing import TypeVar, final

import numpy as np

from mixtura.priors.base import ComponentPrior
from mixtura.priors.flat import FlatComponents
from mixtura.priors.normal_inverse_gamma import NormalInverseGamma
from mixtura.priors.normal_inverse_wishart import NormalInverseWishart
from mixtura.statistics import SufficientStatistics
from mixtura.typing import Array, BooleanArray, StructureShape

Elicited = TypeVar("Elicited", NormalInverseGamma, NormalInverseWishart, FlatComponents)

SMALLEST_CORRELATION_EIGENVALUE = 1e-6

FLOOR = 1e-12
"""Smallest variance of maximum likelihood, relative to the variance of the whole column."""

SMALLEST_VARIANCE = np.finfo(float).tiny / FLOOR
"""Of a column that is nothing beside the others with which it shares one unit."""


@final
class OverallMoments:
    """Mean and covariance of all rows, made safe for priors.

    A constant column has no variance; it is given (1e-6 of its value)^2, or 1 where the value is
    zero, so that a density exists at all. Directions in which the rows do not vary (fewer rows
    than features, columns that repeat each other) are held above 1e-6 of the correlation matrix.

    Parameters
    ----------
    statistics : SufficientStatistics
        Of all rows as one component of full or diagonal structure.
    factor : array of shape (D,), optional
        What the rows had been multiplied by; the priors are stated in the rows' own units.
    """

    def __init__(self, statistics: SufficientStatistics, factor: Array | None = None) -> None:
        self.factor = factor
        self.mean: Array = statistics.mean()[0]
        total = max(statistics.total, np.finfo(float).tiny)
        self.total_weight = total
        moments = statistics.scatter(statistics.mean())[0] / total
        variances = np.diag(moments).copy() if moments.ndim == 2 else moments.copy()
        resolution = (8.0 * np.finfo(float).eps * np.abs(self.mean)) ** 2
        self.constant: BooleanArray = variances <= resolution
        fallback = np.where(self.mean == 0.0, 1.0, (1e-6 * self.mean) ** 2)
        variances = np.where(self.constant, fallback, variances)
        self.variances: Array = np.maximum(variances, SMALLEST_VARIANCE)
        self._moments = moments if moments.ndim == 2 else np.diag(moments)

    @property
    def correlations(self) -> Array:
        """Correlation matrix of the columns (D, D); constant ones have no correlation."""
        deviations = np.sqrt(self.variances)
        correlations = self._moments / deviations[:, None] / deviations
        correlations[self.constant, :] = 0.0
        correlations[:, self.constant] = 0.0
        np.fill_diagonal(correlations, 1.0)
        return correlations

    def in_own_units(self, prior: Elicited) -> Elicited:
        """Return a prior found from these moments in the units of the rows."""
        return prior if self.factor is None else prior.rescaled(1.0 / self.factor)

    def covariance(self) -> Array:
        """Return the covariance matrix (D, D) with flat directions lifted."""
        deviations = np.sqrt(self.variances)
        correlations = self.correlations
        values, vectors = np.linalg.eigh(correlations)
        if values[0] < SMALLEST_CORRELATION_EIGENVALUE:
            values = np.maximum(values, SMALLEST_CORRELATION_EIGENVALUE)
            correlations = (vectors * values) @ vectors.T
        return correlations * deviations[:, None] * deviations


def default_component_prior(
    moments: OverallMoments, structure: StructureShape, n_sharing: float
) -> ComponentPrior:
    """Return the weakly informative prior of Fraley and Raftery [FraleyRaftery2007]_.

    Mean: the column means, worth 0.01 rows. Degrees of freedom D + 2. Scale: the overall
    covariance over S^(2/D), S the number of components that are expected to share the rows'
    extent; its diagonal for diagonal, its mean diagonal for spherical structures.
    """
    n_features = moments.mean.size
    shrink = n_sharing ** (2.0 / n_features)
    if len(structure) == 3:
        matrices = NormalInverseWishart(
            mean=moments.mean,
            shrinkage=0.01,
            degrees_of_freedom=n_features + 2.0,
            scale=moments.covariance() / shrink,
        )
        return moments.in_own_units(matrices)
    variances = moments.variances / shrink
    spherical = structure[1] == 1 and n_features > 1
    prior = NormalInverseGamma(
        mean=moments.mean,
        shrinkage=0.01,
        shape=0.5 * (n_features + 2.0),
        scale=0.5 * (float(variances.mean()) if spherical else variances),
    )
    return moments.in_own_units(prior)


def likelihood_floor(moments: OverallMoments) -> FlatComponents:
    """Return the flat prior whose floor is 1e-12 of each column's variance."""
    return moments.in_own_units(FlatComponents(FLOOR * moments.variances))
