"""Rows in partitions that stay where they are: what is known of each, and how it is swept."""

import weakref
from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from mixtura.data import ArrayRows, KnownLabels, PartedRows, Tile, Unobserved
from mixtura.data.label_words import WordList, Words, provisional, words_of
from mixtura.data.measurement_errors import error_variances
from mixtura.data.parted_rows import RowFacts, facts_of_tile, summed_facts
from mixtura.data.sources import shown
from mixtura.data.streamed_rows import checksum_of
from mixtura.errors import DataError, InvalidArgumentError
from mixtura.typing import Array, BooleanArray

_known: dict[int, tuple[weakref.ref[Any], int]] = {}
"""Checksums of the partitions of this process that have one."""


@final
@dataclass(frozen=True, eq=False)
class Partition:
    """The rows of a partition, as they are swept.

    Parameters
    ----------
    values : array of shape (n, D)
    weights : array of shape (n,), optional
    n_blank : int
        Rows without any cell, which were left out.
    errors : array of shape (n or 1, D) or (n, D, D), optional
        Variances, or covariances, of measurement errors.
    labels, groups : Words, optional
        Labels, and groups that share a component, that the partition names.
    known : KnownLabels, optional
        The same by numbers that all partitions share.
    """

    values: Array
    weights: Array | None
    n_blank: int
    errors: Array | None = None
    labels: Words | None = None
    groups: Words | None = None
    known: KnownLabels | None = None

    @property
    def rows(self) -> ArrayRows:
        """The rows, with what is known of them."""
        errors = self.errors if self.errors is None or self.errors.any() else None
        return ArrayRows(self.values, self.weights, None, errors, None, self.known)

    @property
    def checksum(self) -> int:
        """A number that changes with any number of the rows, and their order."""
        place = id(self)
        if place in _known and _known[place][0]() is self:
            return _known[place][1]
        found = checksum_of(self.values, self.weights, self.errors, self.known)
        _known[place] = weakref.ref(self, lambda _: _known.pop(place, None)), found
        return found


@final
@dataclass(frozen=True, eq=False)
class PartitionFacts:
    """What was seen of a partition at first.

    Parameters
    ----------
    facts : RowFacts
    checksum : int
    n_blank : int
    has_missing, has_infinite : bool
    """

    facts: RowFacts
    checksum: int
    n_blank: int
    has_missing: bool
    has_infinite: bool


@final
@dataclass(frozen=True)
class Preparation:
    """How the numbers of a partition become rows.

    Parameters
    ----------
    leaves_blank : bool
        Whether rows without any cell, and of no label, are left out.
    names : tuple of str, optional
        Names of the features, by which the columns of errors are taken.
    """

    leaves_blank: bool
    names: tuple[str, ...] | None = None

    def __call__(
        self,
        part: Any,
        weights: Any = None,
        errors: Any = None,
        labels: Any = None,
        groups: Any = None,
    ) -> Partition:
        """Return a partition of a collection as numbers that lie as the library wants them.

        Parameters
        ----------
        part : frame or array of shape (n, D)
            The rows.
        weights, errors, labels, groups : optional
            What ``fit`` takes beside rows, of these.

        Raises
        ------
        DataError
            If they cannot be used.
        """
        if hasattr(part, "to_numpy"):
            part = part.to_numpy(np.float64, na_value=np.nan)
        single = getattr(part, "dtype", None) == np.float32
        # Arrays of tasks often lie at odd addresses.
        values: Any = np.require(part, np.float32 if single else np.float64, ["C", "A"])
        if values.ndim == 1:
            values = values[:, None]
        n_rows = len(values)
        given = None if weights is None else _weights(weights, n_rows)
        inexact = error_variances(errors, values, self.names) if n_rows else None
        words = [
            None if one is None else words_of(one, n_rows, name)
            for one, name in ((labels, "labels"), (groups, "groups"))
        ]
        kept = np.ones(n_rows, dtype=bool)
        if self.leaves_blank:
            kept = ~np.isnan(values).all(axis=1)
            if words[0] is not None:
                kept |= words[0].is_known
        return _taken(Partition(values, given, 0, inexact, *words), kept)


def _weights(weights: Any, n_rows: int) -> Array:
    given: Any = weights.to_numpy() if hasattr(weights, "to_numpy") else weights
    found: Any = np.require(np.ravel(given), np.float64, ["C", "A"])
    if found.shape != (n_rows,):
        raise DataError(f"sample_weight has {found.size} rows in a partition of {n_rows}")
    if not (np.isfinite(found) & (found >= 0.0)).all():
        raise DataError("sample_weight must be one non-negative number for each row")
    return found


def _taken(part: Partition, kept: BooleanArray) -> Partition:
    """Return the rows of a partition that are kept, the others counted as blank."""
    if kept.all():
        return part

    def of(given: Any) -> Any:
        if given is None or (len(given) == 1 and len(kept) > 1):
            return given
        return np.ascontiguousarray(given[kept])

    words = [None if one is None else one.taken(kept) for one in (part.labels, part.groups)]
    n_blank = int((~kept).sum())
    return Partition(of(part.values), of(part.weights), n_blank, of(part.errors), *words)


def words_of_partition(part: Partition) -> tuple[list[Any] | None, list[Any] | None]:
    """Return the labels and the groups that a partition names."""
    labels, groups = (None if one is None else one.values for one in (part.labels, part.groups))
    return labels, groups


def numbered_partition(
    part: Partition, labels: Sequence[Any] | None, groups: Sequence[Any] | None
) -> Partition:
    """Return a partition whose labels and groups are numbers of those of all partitions."""
    of_labels = of_groups = None
    if labels is not None and part.labels is not None:
        of_labels = WordList(labels).codes(part.labels)
    if groups is not None and part.groups is not None:
        of_groups = WordList(groups).codes(part.groups)
    known = provisional(of_labels, of_groups, len(part.values))
    return replace(part, labels=None, groups=None, known=known)


def shared_words(
    found: Sequence[tuple[list[Any] | None, list[Any] | None]],
) -> tuple[list[Any] | None, list[Any] | None]:
    """Return the labels and the groups of all partitions, each once.

    Raises
    ------
    InvalidArgumentError
        If rows of one group lie in several partitions.
    """
    labels = groups = None
    for of_labels, of_groups in found:
        if of_labels is not None:
            labels = dict.fromkeys([*(labels or ()), *of_labels])
        if of_groups is not None:
            groups = {} if groups is None else groups
            torn = [name for name in of_groups if name in groups]
            if torn:
                raise InvalidArgumentError(
                    f"must each lie in one partition, and rows of {shown(torn[0])} lie in several",
                    argument="groups",
                    remedy="bring the rows of each group together, as by set_index or repartition",
                )
            groups.update(dict.fromkeys(of_groups))
    return None if labels is None else list(labels), None if groups is None else list(groups)


def first_look(part: Partition) -> PartitionFacts:
    """Return what is known of a partition after one look at its rows."""
    rows = part.rows
    facts = facts_of_tile(Tile(0, 0, rows))
    infinite = bool(np.isinf(part.values).any())
    return PartitionFacts(facts, part.checksum, part.n_blank, rows.has_missing, infinite)


@final
@dataclass(frozen=True)
class PartitionPlace:
    """Where a partition lies among all rows, and what it was at first.

    Parameters
    ----------
    number, start, n_rows : int
        Its number, its first row, and how many rows there are in all.
    checksum : int or None
        Of its numbers; None where its source says if it changes.
    has_missing : bool
        Whether a cell is missing.
    """

    number: int
    start: int
    n_rows: int
    checksum: int | None
    has_missing: bool


def places_of(
    found: dict[int, PartitionFacts], what: str
) -> tuple[dict[int, PartitionPlace], RowFacts]:
    """Return where the partitions lie that have rows, by their numbers, and what all rows are.

    Parameters
    ----------
    found : dict of int to PartitionFacts
        What was seen of each.
    what : str
        What messages call the whole.

    Raises
    ------
    DataError
        If there are no rows, or cells are infinite.
    """
    odd = [number for number, one in found.items() if one.has_infinite]
    if odd:
        raise DataError(f"partition {odd[0]} of the {what} has infinite cells")
    numbers = sorted(number for number, one in found.items() if one.facts.n_rows)
    if not numbers:
        raise DataError(f"the {what} has no rows")
    facts = summed_facts(found[number].facts for number in numbers)
    places, start = dict[int, PartitionPlace](), 0
    for number in numbers:
        one = found[number]
        known = (facts.n_rows, one.checksum, one.has_missing)
        places[number] = PartitionPlace(number, start, *known)
        start += one.facts.n_rows
    return places, facts


def on_partition(part: Partition, place: PartitionPlace, function: Callable[[Tile], Any]) -> Any:
    """Return what a function returns of a partition, or raise a DataError if it has changed."""
    if place.checksum is not None and part.checksum != place.checksum:
        raise DataError(
            f"partition {place.number} of the collection has other rows, or another order, than "
            "when it was first computed: persist it, or write it to files"
        )
    rows = part.rows
    rows.once("missing", lambda: place.has_missing)
    return function(Tile(place.number, place.start, rows.as_tile_of(place.n_rows)))


class PlacedRows(PartedRows, ABC):
    """Rows in partitions that stay where they are.

    Parameters
    ----------
    places : list of PartitionPlace
        Where the partitions lie that have rows, in the order of their numbers.
    facts : RowFacts
        What is known of all rows.
    n_blank : int
        Rows without any cell, which were left out.
    words : tuple of list, or None
        The labels and the groups that differ, of which rows have the numbers.
    """

    def __init__(
        self,
        places: list[PartitionPlace],
        facts: RowFacts,
        n_blank: int,
        words: tuple[list[Any] | None, list[Any] | None] = (None, None),
    ) -> None:
        self._places, self._facts, self._blank = places, facts, n_blank
        self.words = words

    @property
    def facts(self) -> RowFacts:
        return self._facts

    @property
    def unobserved(self) -> Unobserved:
        own = self._facts.unobserved
        return replace(own, n_blank=own.n_blank + self._blank)

    @property
    def has_missing(self) -> bool:
        return any(place.has_missing for place in self._places)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of rows of the partitions that have any."""
        starts = [place.start for place in self._places]
        return tuple(np.diff([*starts, self._facts.n_rows]).tolist())

    @property
    def is_elsewhere(self) -> bool:
        return True

    def swept_by(self, engine: Any) -> Any:
        return one_threaded(engine)


def one_threaded(engine: Any) -> Any:
    """Return an engine with one thread: a task has no more."""
    return replace(engine, n_threads=1) if hasattr(engine, "n_threads") else engine
