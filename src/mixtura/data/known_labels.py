"""Labels of rows that are known: which components a row may belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from mixtura.errors import InvalidArgumentError, Setting
from mixtura.typing import Array, BooleanArray, IntegerArray

BACKGROUND = -2
"""Class of a row that belongs to no component."""

UNKNOWN = -1
"""Class of a row whose label is not known."""

LARGEST_LABEL = 1e9
"""Numbers beyond this are no numbers of components."""

MOST_TOLD = 10
"""Names that a message lists."""


@final
@dataclass(frozen=True)
class Classes:
    """What labels may be, and which components each of them has.

    Parameters
    ----------
    names : tuple of str
        Names of the classes, in order; empty where they are numbered from 0.
    sizes : tuple of int
        Number of components of each class; those of a class follow those of the one before.
    """

    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()

    @property
    def starts(self) -> tuple[int, ...]:
        """The first component of each class, and at the end how many components they have."""
        return (0, *np.cumsum(self.sizes, dtype=np.intp).tolist())

    def components(self, number: int) -> IntegerArray:
        """Return the components of a class."""
        starts = self.starts
        return np.arange(starts[number], starts[number + 1])

    def component_names(self) -> tuple[str, ...]:
        """Return the names of the components that have one; none where classes are numbered."""
        found = []
        for name, size in zip(self.names, self.sizes, strict=False):
            found += [name] if size == 1 else [f"{name} {i + 1}" for i in range(size)]
        return tuple(found)


@final
@dataclass(frozen=True, eq=False)
class KnownLabels:
    """The classes of rows.

    Parameters
    ----------
    codes : integer array of shape (N,)
        Number of the class of each row, -1 where it is not known.
    classes : Classes
        The classes.
    groups : integer array of shape (N,), optional
        Group of each row, whose rows share a component; -1 for a row on its own.
    """

    codes: IntegerArray
    classes: Classes
    groups: IntegerArray | None = None

    def taken(self, some: slice | IntegerArray | BooleanArray) -> "KnownLabels":
        """Return the labels of some of the rows."""
        groups = None if self.groups is None else self.groups[some]
        return replace(self, codes=self.codes[some], groups=groups)

    def without(self, some: BooleanArray) -> "KnownLabels":
        """Return the labels with nothing known of some of the rows."""
        codes = np.where(some, UNKNOWN, self.codes)
        groups = None if self.groups is None else np.where(some, -1, self.groups)
        return replace(self, codes=codes, groups=groups)

    def refuse_cut(self, size: int) -> None:
        """Raise InvalidArgumentError where a group is cut by batches of so many rows."""
        assert self.groups is not None
        inside = np.flatnonzero(self.groups >= 0)
        pairs = np.unique(np.stack([self.groups[inside], inside // size]), axis=1)[0]
        if (np.diff(pairs) == 0).any():
            raise InvalidArgumentError(
                Setting("groups"),
                " must each lie in one batch: order the rows by group, or take a larger "
                f"batch_size than {size}",
            )

    @property
    def is_known(self) -> BooleanArray:
        """Which rows have a label, shape (N,)."""
        return self.codes != UNKNOWN

    def held(self, weights: Array | None) -> IntegerArray:
        """Return the components of classes of which there is a row of some weight, ascending."""
        codes = self.codes if weights is None else self.codes[weights > 0.0]
        present = np.unique(codes[codes >= 0])
        parts = [self.classes.components(int(number)) for number in present]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.intp)


def known_labels(
    labels: Any,
    n_rows: int,
    n_components: int,
    components_per_class: int | Mapping[Any, int] = 1,
    earlier: Classes | None = None,
    *,
    background: bool = False,
) -> KnownLabels | None:
    """Return labels as the classes of rows; None where none is known.

    Parameters
    ----------
    labels : array, list or series of shape (N,)
        Numbers from 0 or names; unknown ones are -1, None, NaN, NA or masked.
    n_rows : int
        Number of rows N.
    n_components : int
        Number of components K.
    components_per_class : int or mapping, default=1
        How many components each class has; of a mapping those that it does not name have one.
    earlier : Classes, optional
        The classes of a fit to which rows are added, which stay.
    background : bool
        Whether rows may be of a background, of label -2.

    Raises
    ------
    InvalidArgumentError
        If they are no labels of so many rows, or need more components than there are.
    """
    given = checked_entries(labels, n_rows, "labels")
    numbers = _as_numbers(given)
    if numbers is not None:
        sizes = _sizes_of_numbers(n_components, components_per_class)
        if earlier is not None and earlier.names and (numbers >= 0).any():
            raise InvalidArgumentError(
                Setting("labels"),
                f" must be the names of the rows before, {_listed(earlier.names)}; got numbers",
            )
        lowest = BACKGROUND if background else UNKNOWN
        codes = _checked(numbers, len(sizes), n_components, lowest)
        found = KnownLabels(codes, Classes((), sizes))
    else:
        found = _of_names(given, n_components, components_per_class, earlier, background=background)
    return found if found.is_known.any() else None


def checked_entries(given: Any, n_rows: int, name: str) -> np.ndarray:
    """Return labels or groups as an array (N,) of numbers, texts and what is unknown."""
    if isinstance(given, (list, tuple)):
        for value in given:
            if not isinstance(value, list):  # a table, of which the shape is told
                _check_entry(value, name)
    flat = _flat(given)
    if flat.shape != (n_rows,):
        raise InvalidArgumentError(
            Setting(name),
            f" must have one entry for each row, shape ({n_rows},); got shape {flat.shape}",
        )
    if flat.dtype.kind == "O":
        for value in flat:
            _check_entry(value, name)
    elif flat.dtype.kind not in "iufUSb":
        _check_entry(flat[0], name)
    return flat


def _check_entry(value: Any, name: str) -> None:
    """Raise InvalidArgumentError unless a value is a number, a text or unknown."""
    is_known = isinstance(value, (str, bytes, bool, np.bool_)) or _is_number(value)
    if not (is_known or is_unknown(value)):
        said = f"{value!r:.40}, of type {type(value).__name__}"
        raise InvalidArgumentError(
            Setting(name), f" must be whole numbers or names (texts); got {said}"
        )


def _flat(labels: Any) -> np.ndarray:
    """Return labels as an array, masked ones as None."""
    if isinstance(labels, np.ma.MaskedArray):
        filled = np.array(labels.data, dtype=object)
        filled[np.ma.getmaskarray(labels)] = None
        return filled
    if isinstance(labels, np.ndarray):
        return labels
    try:
        return np.asarray(labels, dtype=object)
    except (ValueError, TypeError):
        raise InvalidArgumentError(
            Setting("labels"), f" must be an array of numbers or names; got {type(labels).__name__}"
        ) from None


def _as_numbers(given: np.ndarray) -> IntegerArray | None:
    """Return labels as whole numbers, unknown ones -1; None where they are names."""
    if given.dtype.kind in "iu":
        return given.astype(np.intp)
    if given.dtype.kind == "f":
        return _whole(given)
    if given.dtype.kind in "USb":
        return None
    unknown = np.fromiter((is_unknown(value) for value in given), bool, len(given))
    known = given[~unknown]
    if not all(_is_number(value) for value in known):
        return None
    numbers = np.full(len(given), UNKNOWN, dtype=np.intp)
    numbers[~unknown] = _whole(known.astype(np.float64))
    return numbers


def _whole(numbers: Array) -> IntegerArray:
    unknown = np.isnan(numbers)
    known = np.where(unknown, UNKNOWN, numbers)
    is_odd = ~np.isfinite(known) | (known != np.round(known)) | (np.abs(known) > LARGEST_LABEL)
    if is_odd.any():
        odd = known[is_odd][0]
        raise InvalidArgumentError(Setting("labels"), f" must be whole numbers or names; got {odd}")
    return known.astype(np.intp)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    return is_number and not isinstance(value, bool)


def is_unknown(value: Any) -> bool:
    """Return whether a label is none: -1, None, NaN, NA or masked."""
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if _is_number(value) and value == UNKNOWN:
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _checked(numbers: IntegerArray, n_classes: int, n_components: int, lowest: int) -> IntegerArray:
    outside = (numbers < lowest) | (numbers >= n_classes)
    if outside.any():
        raise InvalidArgumentError(
            Setting("labels"),
            f" has {numbers[outside][0]}: with n_components={n_components} they are 0 to "
            f"{n_classes - 1}, or -1 where unknown; raise n_components, or give names",
        )
    return numbers


def _sizes_of_numbers(n_components: int, per_class: int | Mapping[Any, int]) -> tuple[int, ...]:
    """Return how many components each number has, of as many numbers as there is room for."""
    if not isinstance(per_class, Mapping):
        return (int(per_class),) * (n_components // int(per_class))
    odd = [key for key in per_class if not isinstance(key, (int, np.integer)) or key < 0]
    if odd:
        raise InvalidArgumentError(
            Setting("components_per_class"), f" names {odd[0]!r}, and labels are numbers from 0"
        )
    sizes: list[int] = []
    while True:
        size = int(per_class.get(len(sizes), 1))
        if sum(sizes) + size > n_components:
            return tuple(sizes)
        sizes.append(size)


def _of_names(
    given: np.ndarray,
    n_components: int,
    per_class: int | Mapping[Any, int],
    earlier: Classes | None,
    *,
    background: bool,
) -> KnownLabels:
    unknown = np.fromiter((is_unknown(value) for value in given), bool, len(given))
    other = np.fromiter((_is_number(value) for value in given), bool, len(given)) & ~unknown
    is_background = np.zeros(len(given), dtype=bool)
    for place in np.flatnonzero(other):
        is_background[place] = background and given[place] == BACKGROUND
    if (other & ~is_background).any():
        raise InvalidArgumentError(Setting("labels"), " must be all numbers or all names; got both")
    unknown = unknown | is_background
    texts = np.array([str(value) for value in given[~unknown]], dtype=object)
    found = sorted(set(texts.tolist()))
    classes = earlier if earlier is not None and earlier.sizes else None
    if classes is None:
        classes = _named(tuple(found), n_components, per_class)
    new = [name for name in found if name not in classes.names]
    if new:
        known = _listed(classes.names) if classes.names else "numbers"
        raise InvalidArgumentError(
            Setting("labels"), f" has {new[0]!r}, which the rows before had not: they have {known}"
        )
    number = {name: i for i, name in enumerate(classes.names)}
    codes = np.full(len(given), UNKNOWN, dtype=np.intp)
    codes[~unknown] = [number[name] for name in texts.tolist()]
    codes[is_background] = BACKGROUND
    return KnownLabels(codes, classes)


def _named(
    names: tuple[str, ...], n_components: int, per_class: int | Mapping[Any, int]
) -> Classes:
    if isinstance(per_class, Mapping):
        by_name = {str(key): int(value) for key, value in per_class.items()}
        odd = sorted(set(by_name) - set(names))
        if odd:
            raise InvalidArgumentError(
                Setting("components_per_class"), f" names {odd[0]!r}; labels has {_listed(names)}"
            )
        sizes = tuple(by_name.get(name, 1) for name in names)
    else:
        sizes = (int(per_class),) * len(names)
    if sum(sizes) > n_components:
        needed = f"{len(names)} names" if max(sizes) == 1 else f"{sum(sizes)} components"
        raise InvalidArgumentError(
            Setting("labels"),
            f" needs {needed}, {_listed(names)}, and n_components is {n_components}: raise "
            "n_components",
        )
    return Classes(names, sizes)


def _listed(names: tuple[str, ...]) -> str:
    told = ", ".join(repr(name) for name in names[:MOST_TOLD])
    return f"{told}, ..." if len(names) > MOST_TOLD else told


def with_groups(labels: KnownLabels | None, groups: Any, n_rows: int) -> KnownLabels | None:
    """Return what is known of rows, with groups that share a component.

    Parameters
    ----------
    labels : KnownLabels, optional
        What is known otherwise.
    groups : array, list or series of shape (N,)
        Numbers or names of groups; rows of none are -1, None, NaN, NA or masked.
    n_rows : int
        Number of rows N.

    Raises
    ------
    InvalidArgumentError
        If they are no groups of so many rows, or rows of one group have different labels.
    """
    given = checked_entries(groups, n_rows, "groups")
    codes = group_codes(given)
    if not (codes >= 0).any():
        return labels
    known = KnownLabels(np.full(n_rows, UNKNOWN, dtype=np.intp), Classes())
    known = replace(known if labels is None else labels, groups=codes)
    both = (codes >= 0) & known.is_known
    pairs = np.unique(np.stack([codes[both], known.codes[both]]), axis=1)[0]
    torn = np.flatnonzero(np.diff(pairs) == 0)
    if torn.size:
        name = given[np.flatnonzero(codes == pairs[torn[0]])[0]]
        raise InvalidArgumentError(
            Setting("groups"), f" must agree with labels: rows of {name!r} have several"
        )
    return known


def group_codes(given: np.ndarray) -> IntegerArray:
    """Return numbers of groups (N,) in order of appearance; -1 for rows on their own."""
    if given.dtype.kind in "iu":
        unknown, texts = given == UNKNOWN, given
    else:
        unknown = np.fromiter((is_unknown(value) for value in given), bool, len(given))
        texts = np.array([str(value) for value in given], dtype=object)
    codes = np.full(len(given), -1, dtype=np.intp)
    if not unknown.all():
        _, codes[~unknown] = np.unique(texts[~unknown], return_inverse=True)
    return codes


def group_names(groups: Any) -> frozenset[str]:
    """Return the names of groups, as texts, without those of rows on their own."""
    given = _flat(groups)
    return frozenset(
        str(value) for value, code in zip(given, group_codes(given), strict=True) if code >= 0
    )
