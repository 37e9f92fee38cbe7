"""What candidates are asked for: numbers of components, and names of families, each once."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from mixtura.errors import InvalidArgumentError
from mixtura.estimator import arguments
from mixtura.estimator.choices import FAMILIES
from mixtura.messages.validation import whole_number

UNIVARIATE = ("VVV", "EEE")
"""Names that the two families of one column keep where these are among the given ones."""


def numbers_of(components: Any) -> list[int]:
    """Return the numbers of components, each once."""
    given = _listed(components, "components", "a whole number or several")
    checked = (whole_number(value, "components", 1) for value in given)
    return list(dict.fromkeys(checked))


def names_of(families: Any) -> list[str]:
    """Return the names of the families, each once."""
    given = _listed(families, "families", "the name of a covariance family or several")
    names: dict[str, str] = {}
    for value in given:
        for name in arguments.family_names(value, "families"):
            names.setdefault(FAMILIES.name(name), name)
    return list(names.values())


def different(names: list[str], n_features: int | None) -> list[str]:
    """Return the families that differ: of one column, one that shares its variance and one not."""
    if n_features != 1:
        return names
    kinds: dict[bool, str] = {}
    for name in sorted(names, key=lambda name: name not in UNIVARIATE):
        family = FAMILIES[name]
        is_shared = family.structure(2, 1)[0] == 1 or family.shares_volume
        kinds.setdefault(is_shared, name)
    return [name for name in names if name in kinds.values()]


def _listed(value: Any, name: str, accepted: str) -> list[Any]:
    """Return one value or several as a list that is not empty."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return [value]
    listed = list(value.ravel() if isinstance(value, np.ndarray) else value)
    if not listed:
        raise InvalidArgumentError(
            f"must be {accepted}; got {value!r}, which is empty", argument=name
        )
    return listed
