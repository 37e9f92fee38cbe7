"""Priors as the numbers from which variational Bayes makes its factors."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

from mixtura.messages.variational_prior_arrays import FactorKind, LogScaleDensity, VariationalSteps
from mixtura.priors.base import ComponentPrior
from mixtura.priors.normal_inverse_gamma import NormalInverseGamma
from mixtura.priors.normal_inverse_wishart import NormalInverseWishart
from mixtura.priors.scales import LOG_TWO_PI, HalfNormal, InverseGamma, LogNormal, Normal
from mixtura.typing import Array, StructureShape

if TYPE_CHECKING:
    from mixtura.priors.independent import Independent

NONE = np.empty((0, 8))
"""The table of scales that have no density of their own."""

SAFE = 1e150
"""Numbers of priors beyond it, and positive ones below its reciprocal, are left to the classes."""


def variational_steps(
    concentration: Array, prior: ComponentPrior, structure: StructureShape, n_features: int
) -> VariationalSteps | None:
    """Return the steps under Dirichlet weights and a prior, None where they are not closed.

    Not closed are learned scales, whose factor is found by quadrature over all components.
    """
    with np.errstate(all="ignore"):
        steps = _steps(concentration, prior, structure, n_features)
    if steps is None or not (np.abs(steps.numbers) < SAFE).all():
        return None
    positive = (concentration, steps.precision, steps.freedom)
    return steps if all((part > 1.0 / SAFE).all() for part in positive) else None


def _steps(
    concentration: Array, prior: ComponentPrior, structure: StructureShape, n_features: int
) -> VariationalSteps | None:
    if isinstance(prior, NormalInverseWishart | NormalInverseGamma):
        steps = prior.mode_steps(structure, n_features)
        if steps is None:
            return None
        given = (steps.mean, steps.shrinkage, steps.freedom, steps.scale)
        return VariationalSteps(concentration, FactorKind.CONJUGATE, *given, NONE)
    from mixtura.priors.known_scale import KnownScale

    width = structure[1]
    if isinstance(prior, KnownScale):
        means = _of_means(prior.mean, n_features)
        known = np.broadcast_to(np.square(prior.scale), width)
        kind = FactorKind.KNOWN_SCALES
        return VariationalSteps(concentration, kind, *means, np.ones(width), known, NONE)
    from mixtura.priors.independent import Independent

    if not isinstance(prior, Independent) or prior.learns_scale:
        return None
    density = log_scale_density(prior)
    if density is None:
        return None
    means, blank = _of_means(prior.mean, n_features), np.ones(width)
    kind, table = FactorKind.INDEPENDENT_SCALES, density.table(width)
    return VariationalSteps(concentration, kind, *means, blank, blank, table)


def _of_means(prior: Normal, n_features: int) -> tuple[Array, Array]:
    """Return locations and precisions of the means, (D,) each."""
    parts = np.asarray(prior.location), np.reciprocal(np.square(prior.scale))
    return np.broadcast_to(parts[0], n_features), np.broadcast_to(parts[1], n_features)


def log_scale_density(prior: "Independent") -> LogScaleDensity | None:
    """Return the density of the logarithm t of a standard deviation; None of an unknown kind."""
    spread, zero = prior.spread, np.zeros(1)
    power = 2.0 if prior.is_on_variance else 1.0
    # d value / d t = power exp(power t), where the value is exp(power t).
    constant = np.log(power)
    if isinstance(spread, InverseGamma):
        shape, scale = np.atleast_1d(spread.shape), np.atleast_1d(np.asarray(spread.scale, float))
        constant = constant + shape * np.log(scale) - gammaln(shape)
        powers = (zero, scale) if prior.is_on_variance else (scale, zero)
        return LogScaleDensity(constant, power * shape, zero, zero, *powers, zero, zero)
    if isinstance(spread, LogNormal):
        deviation = np.atleast_1d(spread.scale) / power
        constant = -0.5 * LOG_TWO_PI - np.log(deviation)
        centre, curvature = np.atleast_1d(spread.location) / power, 1.0 / np.square(deviation)
        return LogScaleDensity(constant, zero, centre, curvature, zero, zero, zero, zero)
    if isinstance(spread, HalfNormal):
        scale = np.atleast_1d(spread.scale)
        constant = constant + 0.5 * np.log(2.0 / np.pi) - np.log(scale)
        half = 0.5 / np.square(scale)
        powers = (zero, half) if prior.is_on_variance else (half, zero)
        return LogScaleDensity(constant, np.full(1, -power), zero, zero, zero, zero, *powers)
    return None
