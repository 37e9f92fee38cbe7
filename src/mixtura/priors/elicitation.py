"""The default component prior: as wide as the groups of the data, wherever these lie."""

from functools import cached_property
from typing import final

import numpy as np

from mixtura.messages.linalg import precision_factor
from mixtura.messages.prior_arrays import ModeSteps, ScaleSteps, conjugate_steps
from mixtura.messages.statistics import SufficientStatistics
from mixtura.priors.flat import FlatComponents
from mixtura.priors.normal_inverse_gamma import NormalInverseGamma
from mixtura.priors.normal_inverse_wishart import NormalInverseWishart
from mixtura.typing import Array, BooleanArray, StructureShape

SMALLEST_CORRELATION_EIGENVALUE = 1e-6

FLOOR = 1e-12
"""Smallest variance of maximum likelihood, relative to the variance of the whole column."""

SMALLEST_VARIANCE = np.finfo(float).tiny / FLOOR
"""Of a column that is nothing beside the others with which it shares one unit."""

SHRINKAGE = 0.01
"""Rows that the prior of the means is worth, times the share of the overall variance that lies
within groups: means are expected within ten standard deviations of all rows."""

FREEDOM = 3.0
"""Degrees of freedom of a variance, in rows; a matrix has D + 2, which is the same at D = 1."""

EPSILON, TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)

LOST = 16.0 * EPSILON
"""Share of second moments that rounding leaves where moments about the means are zero."""

NARROWEST = 1e-6
"""Share of the pooled variance within groups below which the scale of the prior never falls."""


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
        centre = statistics.mean()
        self.mean: Array = centre[0]
        total = max(statistics.total, TINY)
        self.total_weight = total
        moments = statistics.scatter(centre)[0] / total
        variances = np.diag(moments).copy() if moments.ndim == 2 else moments.copy()
        resolution = (8.0 * EPSILON * np.abs(self.mean)) ** 2
        self.constant: BooleanArray = variances <= resolution
        if self.constant.any():
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

    @cached_property
    def covariance(self) -> Array:
        """The covariance matrix (D, D) with flat directions lifted."""
        deviations = np.sqrt(self.variances)
        correlations = self.correlations
        values, vectors = np.linalg.eigh(correlations)
        if values[0] < SMALLEST_CORRELATION_EIGENVALUE:
            values = np.maximum(values, SMALLEST_CORRELATION_EIGENVALUE)
            correlations = (vectors * values) @ vectors.T
        return correlations * deviations[:, None] * deviations


@final
class WithinGroups:
    """How wide the groups of the rows are, from which the default prior takes its scale.

    Parameters
    ----------
    moments : OverallMoments
        Of all rows.
    structure : tuple of int
        Structure shape of the groups' covariances.
    n_sharing : float
        How many groups are expected to share the rows.
    resolution : array of shape (D,), optional
        Spacing of each column's values, zero where they are continuous, in the units of the
        moments: no group is taken to be narrower than the error of rounding to it, whose variance
        is resolution^2 / 12.
    is_held : bool
        Whether the scale stays at that of groups without any width, since there are no more
        different rows than groups.
    """

    def __init__(
        self,
        moments: OverallMoments,
        structure: StructureShape,
        n_sharing: float,
        resolution: Array | None = None,
        *,
        is_held: bool = False,
    ) -> None:
        n_features = moments.mean.size
        self.moments, self.structure = moments, structure
        self.is_matrix = len(structure) == 3
        self.n_cells = 1 if self.is_matrix else n_features // structure[1]
        self.freedom = n_features + 2.0 if self.is_matrix else FREEDOM
        rounding = np.zeros(n_features) if resolution is None else resolution**2 / 12.0
        overall = moments.variances
        if self.n_cells > 1:
            rounding, overall = rounding.mean(keepdims=True), overall.mean(keepdims=True)
        # What float64 resolves of the farthest value, of which the variance is at most N times
        # that of all rows.
        farthest = np.abs(moments.mean) + np.sqrt(moments.total_weight * moments.variances)
        resolved = (8.0 * EPSILON * farthest) ** 2
        self._resolved = resolved.max(keepdims=True) if self.n_cells > 1 else resolved
        self._rounding, self._overall = rounding, overall
        self._shared = n_sharing ** (2.0 / n_features)
        n_matrices = 1.0 if structure[0] == 1 else n_sharing
        lean = n_features * n_matrices / moments.total_weight
        self._lean = min(1.0, max(lean, SMALLEST_CORRELATION_EIGENVALUE))
        self._is_held = is_held
        if is_held:
            self._lean, self._resolved = 1.0, np.full_like(self._resolved, np.inf)

    def pooled(self, statistics: SufficientStatistics) -> Array:
        """Return the scale of equally wide groups: their pooled (co)variance.

        Parameters
        ----------
        statistics : SufficientStatistics
            Moments of the rows by group.

        Returns
        -------
        array of shape (D, D), (D,) or (1,)
        """
        scatter = statistics.scatter(statistics.mean()).sum(axis=0)
        scale = scatter / (max(statistics.total, TINY) * self.n_cells)
        return self._shaped(scale, self._pooled_widths(self._widths(scale), statistics))

    def updated(self, scale: Array, statistics: SufficientStatistics) -> Array:
        """Return the scale whose inverse is the average of the groups' precisions.

        That is a weighted harmonic mean of the groups' covariances, each shrunk to the current
        scale: a step of EM for the scale of Wishart distributed precisions, in which groups count
        by their rows.

        Parameters
        ----------
        scale : array of shape (D, D), (D,) or (1,)
            The current scale.
        statistics : SufficientStatistics
            Moments of the rows by group.
        """
        if self.structure[0] == 1 or self._is_held:
            return self.pooled(statistics)
        count = np.maximum(statistics.count, 0.0)
        shares = count / max(count.sum(), TINY)
        scatter = statistics.scatter(statistics.mean())
        # A scatter about its own mean has a row less: a single row says nothing of widths.
        free = np.maximum(count - 1.0, 0.0)
        if self.is_matrix:
            cells = (self.freedom + free)[:, None, None]
            factors = precision_factor((self.freedom * scale + scatter) / cells)
            factors = factors * np.sqrt(shares)[:, None, None]
            factor = precision_factor(np.einsum("kde,kfe->df", factors, factors)[None])[0]
            found = factor @ factor.T
        else:
            cells = self.freedom + self.n_cells * free[:, None]
            found = 1.0 / (shares @ (cells / (self.freedom * scale + scatter)))
        widths = self._widths(found)
        pooled = self._widths(scatter.sum(axis=0)) / (max(count.sum(), 1e-300) * self.n_cells)
        lowest = np.maximum(self._rounding, NARROWEST * self._pooled_widths(pooled, statistics))
        return self._shaped(found, np.maximum(widths, lowest))

    def _widths(self, scale: Array) -> Array:
        return np.diag(scale) if self.is_matrix else scale

    def _pooled_widths(self, widths: Array, statistics: SufficientStatistics) -> Array:
        """Return pooled variances, with those of all rows where groups have no width."""
        second = self._widths(np.abs(statistics.second).sum(axis=0))
        lost = LOST * second / (max(statistics.total, TINY) * self.n_cells)
        unknown = np.maximum(widths, self._rounding) <= np.maximum(self._resolved, lost)
        return np.where(unknown, self._overall / self._shared, np.maximum(widths, self._rounding))

    def _shaped(self, scale: Array, widths: Array) -> Array:
        """Return a scale of given widths that leans on its diagonal where rows are few."""
        if not self.is_matrix:
            return widths
        own = np.diag(scale)
        inverse = np.where(own > 0.0, 1.0 / np.sqrt(np.where(own > 0.0, own, 1.0)), 0.0)
        correlations = (1.0 - self._lean) * scale * inverse[:, None] * inverse
        np.fill_diagonal(correlations, 1.0)
        deviations = np.sqrt(widths)
        return correlations * deviations[:, None] * deviations

    def farthest(self, scale: Array) -> float:
        """Return the overall variance in units of a matrix, where it is largest, at least one."""
        factor = precision_factor(scale[None])[0]
        whitened = factor.T @ self.moments.covariance @ factor
        return max(float(np.linalg.eigvalsh(whitened)[-1]), 1.0)

    def steps(
        self, scale: Array | None, farthest: float, rest: float
    ) -> tuple[ModeSteps, ScaleSteps]:
        """Return how parameters follow from statistics, and the prior too, as numbers.

        Parameters
        ----------
        scale : array of shape (D, D), (D,) or (1,), optional
            The scale so far.
        farthest : float
            What ``farthest`` says of the scale of matrices; else 1.
        rest : float
            Relative change of the scale at which it has come to rest, if that is the end.
        """
        n_features, width = self.moments.mean.size, self._rounding.size
        freedom = np.zeros(1 if self.is_matrix else width)
        blank = np.zeros(self.structure[1:])
        modes = conjugate_steps(n_features, self.moments.mean, 0.0, freedom, blank)
        scales = ScaleSteps(
            freedom=self.freedom,
            lean=self._lean,
            shrinkage=SHRINKAGE / farthest,
            narrowest=NARROWEST,
            rest=rest,
            rounding=self._rounding,
            resolved=self._resolved,
            unknown=self._overall / self._shared,
            overall=self.moments.variances,
            scale=scale,
        )
        return modes, scales

    def worth(self, *, of_averages: bool) -> float:
        """Return how many rows of the scale's width the prior of a covariance adds.

        A posterior mean divides the scatter by fewer rows than a mode. Variances of diagonal
        families are worth three rows either way.
        """
        if not self.is_matrix:
            return self.freedom
        n_features = self.moments.mean.size
        return 0.5 * (n_features + 5.0) if of_averages else 2.0 * n_features + 1.0

    def prior(
        self, scale: Array, farthest: float | None = None, worth: float | None = None
    ) -> NormalInverseGamma | NormalInverseWishart:
        """Return the prior that draws covariances to the scale.

        Means are expected about the mean of all rows, ten times as far out as these lie.

        Parameters
        ----------
        scale : array of shape (D, D), (D,) or (1,)
            How wide the groups are.
        farthest : float, optional
            What ``farthest`` says of the scale of matrices, where it is known.
        worth : float, optional
            Rows of the scale's width that a matrix adds to each scatter; by default the degrees
            of freedom, with which the expected precision is the inverse of the scale.
        """
        moments = self.moments
        within = np.broadcast_to(self._widths(scale), moments.mean.shape)
        share = np.minimum(within / moments.variances, 1.0)
        if self.is_matrix:
            farthest = self.farthest(scale) if farthest is None else farthest
            return NormalInverseWishart(
                mean=moments.mean,
                shrinkage=SHRINKAGE / farthest,
                degrees_of_freedom=self.freedom,
                scale=(self.freedom if worth is None else worth) * scale,
            )
        half = 0.5 * self.freedom
        return NormalInverseGamma(
            mean=moments.mean,
            shrinkage=SHRINKAGE * share,
            shape=half,
            scale=half * (float(scale[0]) if self.n_cells > 1 else scale),
        )


def likelihood_floor(moments: OverallMoments) -> FlatComponents:
    """Return the flat prior whose floor is 1e-12 of each column's variance."""
    prior = FlatComponents(FLOOR * moments.variances)
    return prior if moments.factor is None else prior.rescaled(1.0 / moments.factor)
