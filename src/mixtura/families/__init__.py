"""Covariance families and their registry."""

from mixtura.families.base import CovarianceFamily
from mixtura.families.diagonal import Diagonal, TiedDiagonal
from mixtura.families.full import Full
from mixtura.families.spherical import Spherical, TiedSpherical
from mixtura.families.tied import Tied

FAMILIES: dict[str, CovarianceFamily] = {
    family.name: family
    for family in (Full(), Tied(), Diagonal(), Spherical(), TiedDiagonal(), TiedSpherical())
}
"""Every registered family by name; a new one is one file and one entry here."""


def univariate(family: CovarianceFamily, dimensions: tuple[int, ...]) -> CovarianceFamily:
    """Return the family of one feature that a prior for the given structure lengths can take.

    With one feature a matrix is a variance, so that the families coincide but for what is tied.
    """
    structure = family.structure(2, 1)
    if len(structure) in dimensions:
        return family
    if 3 in dimensions:
        return FAMILIES["full"] if structure[0] > 1 else FAMILIES["tied"]
    return FAMILIES["diag"] if structure[0] > 1 else FAMILIES["tied_diag"]


__all__ = [
    "FAMILIES",
    "CovarianceFamily",
    "Diagonal",
    "Full",
    "Spherical",
    "Tied",
    "TiedDiagonal",
    "TiedSpherical",
    "univariate",
]
