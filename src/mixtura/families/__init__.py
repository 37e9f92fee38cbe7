"""Covariance families and their registry."""

from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

from mixtura.messages.lazy import Registry, lazy_attributes

if TYPE_CHECKING:
    from mixtura.families.along_features import EVI, VEI
    from mixtura.families.base import CovarianceFamily
    from mixtura.families.diagonal import Diagonal, TiedDiagonal
    from mixtura.families.full import Full
    from mixtura.families.one_orientation import EVE, VVE
    from mixtura.families.own_axes import EEV, EVV, VEE, VEV
    from mixtura.families.restricted import RestrictedFamily
    from mixtura.families.spherical import Spherical, TiedSpherical
    from mixtura.families.tied import Tied

__all__ = [
    "EEV",
    "EVE",
    "EVI",
    "EVV",
    "FAMILIES",
    "MCLUST_NAMES",
    "MCLUST_ORDER",
    "VEE",
    "VEI",
    "VEV",
    "VVE",
    "CovarianceFamily",
    "Diagonal",
    "Full",
    "RestrictedFamily",
    "Spherical",
    "Tied",
    "TiedDiagonal",
    "TiedSpherical",
    "families_like",
    "is_special_case",
    "letters_of",
    "univariate",
]

MCLUST_NAMES = MappingProxyType(
    {
        "EII": "tied_spherical",
        "VII": "spherical",
        "EEI": "tied_diag",
        "VVI": "diag",
        "EEE": "tied",
        "VVV": "full",
    }
)
"""mclust's names of the families that have another one here: both are taken everywhere."""

MCLUST_ORDER = (
    *("EII", "VII", "EEI", "VEI", "EVI", "VVI"),
    *("EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV"),
)
"""The fourteen families of volume, shape and orientation, from few parameters to many."""

FAMILIES: "Registry[CovarianceFamily]" = Registry(
    __name__,
    {
        "full": "full.Full",
        "tied": "tied.Tied",
        "diag": "diagonal.Diagonal",
        "spherical": "spherical.Spherical",
        "tied_diag": "diagonal.TiedDiagonal",
        "tied_spherical": "spherical.TiedSpherical",
        "VEI": "along_features.VEI",
        "EVI": "along_features.EVI",
        "VEE": "own_axes.VEE",
        "EVE": "one_orientation.EVE",
        "VVE": "one_orientation.VVE",
        "EEV": "own_axes.EEV",
        "VEV": "own_axes.VEV",
        "EVV": "own_axes.EVV",
    },
    make=lambda family: family(),
    aliases=MCLUST_NAMES,
)
"""Every registered family by name; a new one is one file and one entry here."""

__getattr__ = lazy_attributes(
    __name__,
    {
        "CovarianceFamily": "mixtura.families.base",
        "Diagonal": "mixtura.families.diagonal",
        "EEV": "mixtura.families.own_axes",
        "EVE": "mixtura.families.one_orientation",
        "EVI": "mixtura.families.along_features",
        "EVV": "mixtura.families.own_axes",
        "Full": "mixtura.families.full",
        "RestrictedFamily": "mixtura.families.restricted",
        "Spherical": "mixtura.families.spherical",
        "Tied": "mixtura.families.tied",
        "TiedDiagonal": "mixtura.families.diagonal",
        "TiedSpherical": "mixtura.families.spherical",
        "VEE": "mixtura.families.own_axes",
        "VEI": "mixtura.families.along_features",
        "VEV": "mixtura.families.own_axes",
        "VVE": "mixtura.families.one_orientation",
    },
)


def families_like(text: str) -> list[str]:
    """Return the names of the families that a text stands for; none where it is unknown.

    Parameters
    ----------
    text : str
        A name; "all" for mclust's fourteen; or a pattern such as "V**" or "*EV", in which ``*``
        stands for any letters and ``?`` for one, of mclust's names or else of the others.
    """
    if text in FAMILIES:
        return [text]
    pattern = "*" if text == "all" else text
    for names in (MCLUST_ORDER, tuple(FAMILIES)):
        found = [name for name in names if fnmatchcase(name, pattern)]
        if found and any(sign in pattern for sign in "*?["):
            return found
    return []


def letters_of(family: "CovarianceFamily") -> str:
    """Return mclust's name of a family: the letters of its volume, shape and orientation."""
    for letters, name in MCLUST_NAMES.items():
        if name == family.name:
            return letters
    return family.name


def is_special_case(one: "CovarianceFamily", other: "CovarianceFamily") -> bool:
    """Whether each letter of a family is at most that of another: I <= E <= V."""
    pairs = zip(letters_of(one), letters_of(other), strict=True)
    return one is not other and all("IEV".index(a) <= "IEV".index(b) for a, b in pairs)


def univariate(family: "CovarianceFamily", dimensions: tuple[int, ...]) -> "CovarianceFamily":
    """Return the family of one feature that a prior for the given structure lengths can take.

    With one feature a matrix is a variance, so that the families coincide but for what is tied.
    """
    structure = family.structure(2, 1)
    if len(structure) in dimensions and not family.is_restricted:
        return family
    varies = structure[0] > 1 and not family.shares_volume
    if 3 in dimensions:
        return FAMILIES["full"] if varies else FAMILIES["tied"]
    return FAMILIES["diag"] if varies else FAMILIES["tied_diag"]
