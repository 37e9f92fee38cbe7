"""Covariance families and their registry."""

from typing import TYPE_CHECKING

from mixtura.messages.lazy import Registry, lazy_attributes

if TYPE_CHECKING:
    from mixtura.families.base import CovarianceFamily
    from mixtura.families.diagonal import Diagonal, TiedDiagonal
    from mixtura.families.full import Full
    from mixtura.families.spherical import Spherical, TiedSpherical
    from mixtura.families.tied import Tied

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

FAMILIES: "Registry[CovarianceFamily]" = Registry(
    __name__,
    {
        "full": "full.Full",
        "tied": "tied.Tied",
        "diag": "diagonal.Diagonal",
        "spherical": "spherical.Spherical",
        "tied_diag": "diagonal.TiedDiagonal",
        "tied_spherical": "spherical.TiedSpherical",
    },
    make=lambda family: family(),
)
"""Every registered family by name; a new one is one file and one entry here."""

__getattr__ = lazy_attributes(
    __name__,
    {
        "CovarianceFamily": "mixtura.families.base",
        "Diagonal": "mixtura.families.diagonal",
        "Full": "mixtura.families.full",
        "Spherical": "mixtura.families.spherical",
        "Tied": "mixtura.families.tied",
        "TiedDiagonal": "mixtura.families.diagonal",
        "TiedSpherical": "mixtura.families.spherical",
    },
)


def univariate(family: "CovarianceFamily", dimensions: tuple[int, ...]) -> "CovarianceFamily":
    """Return the family of one feature that a prior for the given structure lengths can take.

    With one feature a matrix is a variance, so that the families coincide but for what is tied.
    """
    structure = family.structure(2, 1)
    if len(structure) in dimensions:
        return family
    if 3 in dimensions:
        return FAMILIES["full"] if structure[0] > 1 else FAMILIES["tied"]
    return FAMILIES["diag"] if structure[0] > 1 else FAMILIES["tied_diag"]
