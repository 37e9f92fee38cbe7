"""mclust's VEI and EVI: ellipsoids along the axes of the features that share shape or volume."""

from typing import final

from mixtura.families.relative_volumes import volumes_and_shape
from mixtura.families.restricted import RestrictedVariances, geometric_means
from mixtura.messages.covariance_terms import CovarianceTerms
from mixtura.messages.prior_arrays import Restriction
from mixtura.typing import Array


@final
class VEI(RestrictedVariances):
    """Ellipsoids along the axes: volumes vary, the shape is shared."""

    name = "VEI"
    restriction = Restriction.VEI
    description = "along the axes: own volume, one shape"
    shares_volume = False
    shares_shape = True

    def solved(self, terms: CovarianceTerms, near: Array | None) -> Array:
        volumes = None if near is None else geometric_means(near)
        volumes, shape = volumes_and_shape(terms.count, terms.scatter, volumes)
        return volumes[:, None] * shape


@final
class EVI(RestrictedVariances):
    """Ellipsoids along the axes: the volume is shared, shapes vary."""

    name = "EVI"
    restriction = Restriction.EVI
    description = "along the axes: one volume, own shape"
    shares_volume = True
    shares_shape = False

    def solved(self, terms: CovarianceTerms, near: Array | None) -> Array:
        means = geometric_means(terms.scatter)
        return terms.scatter * (means.sum() / terms.count.sum() / means)[:, None]
