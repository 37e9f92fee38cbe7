"""Rows in parts that are held one at a time, or elsewhere: only sums of them come together."""

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, final

import numpy as np

from mixtura.data.base import NONE_HELD, Block, Rows
from mixtura.data.known_labels import Classes, KnownLabels
from mixtura.data.label_words import classified
from mixtura.data.memory import ArrayRows, Tile, tile_rows
from mixtura.data.observed import Unobserved
from mixtura.errors import InvalidArgumentError
from mixtura.typing import Array, IntegerArray

Result = TypeVar("Result")
Engine = TypeVar("Engine")


@final
@dataclass(frozen=True, eq=False)
class RowFacts:
    """What is known of rows after one look at each; facts of parts add up in their order.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    total_weight : float
        Sum of their weights.
    magnitude : array of shape (D,)
        Largest absolute value of each feature.
    weight_of_cells : array of shape (D,)
        Weight of the observed cells of each column.
    unobserved : Unobserved
        What was not observed of the rows.
    n_weighted : int
        Rows whose weight is above zero.
    has_weights : bool
        Whether rows have weights of their own.
    """

    n_rows: int
    total_weight: float
    magnitude: Array
    weight_of_cells: Array
    unobserved: Unobserved
    n_weighted: int
    has_weights: bool

    def __add__(self, other: "RowFacts") -> "RowFacts":
        return RowFacts(
            self.n_rows + other.n_rows,
            self.total_weight + other.total_weight,
            np.maximum(self.magnitude, other.magnitude),
            self.weight_of_cells + other.weight_of_cells,
            self.unobserved + other.unobserved,
            self.n_weighted + other.n_weighted,
            self.has_weights or other.has_weights,
        )


def facts_of_tile(tile: Tile) -> RowFacts:
    """Return what is known of the rows of a tile."""
    rows, weights = tile.rows, tile.rows.weights
    return RowFacts(
        rows.n_rows,
        rows.total_weight,
        rows.magnitude(),
        rows.weight_of_cells(),
        rows.unobserved,
        rows.n_rows if weights is None else int((weights > 0.0).sum()),
        weights is not None,
    )


@final
@dataclass(frozen=True, eq=False)
class KnownOfParts:
    """What is known of the components of rows that lie in parts.

    Parameters
    ----------
    classes : Classes
        The classes of their labels.
    held : integer array
        The components that labels name, of rows of some weight, ascending.
    is_grouped : bool
        Whether there are rows that share components.
    """

    classes: Classes
    held: IntegerArray
    is_grouped: bool


class PartedRows(Rows):
    """Rows in tiles, of which not all are in memory at once."""

    @abstractmethod
    def tiles(self) -> Iterator[Tile]:
        """Yield the tiles in order."""

    @property
    @abstractmethod
    def facts(self) -> RowFacts:
        """What is known of all rows."""

    @property
    def identity(self) -> Hashable:
        """What tells these rows from others, in a form that ``repr`` shows."""
        facts, known = self.facts, self.known
        own = (facts.n_rows, facts.total_weight, facts.magnitude.tolist())
        if known is None:
            return own
        return (*own, known.classes, known.held.tolist(), known.is_grouped)

    @property
    def known(self) -> KnownOfParts | None:
        """What is known of the rows' components; None where nothing is."""
        return None

    @property
    def is_labelled(self) -> bool:
        return self.known is not None

    @property
    def is_grouped(self) -> bool:
        return self.known is not None and self.known.is_grouped

    @property
    def held(self) -> IntegerArray:
        return NONE_HELD if self.known is None else self.known.held

    @property
    def unlabelled(self) -> "PartedRows":
        if self.known is None:
            return self
        return self.once("unlabelled", lambda: RelabelledRows(self, _unlabelled, None))

    def each(self, function: Callable[[Tile], Result]) -> Iterable[Result]:
        """Return what a function returns of each tile, in their order."""
        return map(function, self.tiles())

    @property
    def is_elsewhere(self) -> bool:
        """Whether functions of tiles run in other processes."""
        return False

    def swept_by(self, engine: Engine) -> Engine:
        """Return the engine that sweeps each tile, where it is not the one that is asked."""
        return engine

    @property
    def n_rows(self) -> int:
        return self.facts.n_rows

    @property
    def n_features(self) -> int:
        return self.factor.size

    @property
    def planned_rows(self) -> int:
        return min(self.n_rows, tile_rows(self.n_features))

    @property
    def total_weight(self) -> float:
        return self.facts.total_weight

    @property
    def factor(self) -> Array:
        return np.ones(self.facts.magnitude.size)

    @property
    def has_missing(self) -> bool:
        unobserved = self.unobserved
        return unobserved.n_missing + unobserved.n_blank > 0

    @property
    def has_errors(self) -> bool:
        return self.unobserved.n_inexact > 0

    @property
    def unobserved(self) -> Unobserved:
        return self.facts.unobserved

    def weight_of_cells(self) -> Array:
        return self.facts.weight_of_cells

    @property
    def n_weighted(self) -> int:
        """Number of rows whose weight is above zero."""
        return self.facts.n_weighted

    @property
    def has_weights(self) -> bool:
        """Whether rows have weights of their own."""
        return self.facts.has_weights

    def magnitude(self) -> Array:
        return self.facts.magnitude

    @property
    def with_counted_labels(self) -> "PartedRows":
        """The rows, with nothing known of those that have no weight."""
        known = self.known
        if known is None or not self.has_weights:
            return self
        return self.once("counted labels", lambda: RelabelledRows(self, _counted_labels, known))

    @property
    def with_cells(self) -> "PartedRows":
        """The rows that have a cell at all."""
        return self

    def blocks(self) -> Iterator[Block]:
        for tile in self.tiles():
            for block in tile.rows.blocks():
                yield Block(tile.start + block.start, block.values, block.weights)

    def pieces(self) -> Iterator[Block]:
        for tile in self.tiles():
            yield Block(tile.start, tile.rows.values, tile.rows.weights)

    def batches(self, size: int) -> Iterator[Rows]:
        if self.is_grouped:
            raise self.too_many("batches of rows in groups")
        held: list[ArrayRows] = []
        n_held = 0
        for tile in self.tiles():
            start = 0
            while start < tile.rows.n_rows:
                stop = min(start + size - n_held, tile.rows.n_rows)
                held.append(tile.rows.taken(slice(start, stop)))
                n_held, start = n_held + stop - start, stop
                if n_held == size:
                    yield joined(held)
                    held, n_held = [], 0
        if held:
            yield joined(held)

    def rescaled(self, factor: Array) -> "PartedRows":
        return RescaledRows(self, factor)

    def mapped(self, function: Callable[[ArrayRows], ArrayRows]) -> "PartedRows":
        """Return rows of which each tile is a function of the tile of these."""
        return MappedRows(self, function)

    def complete_values(self, method: str) -> Array:
        raise self.too_many(f"inference={method!r}")

    def too_many(self, what: str) -> InvalidArgumentError:
        """Return the error that something needs all rows at once."""
        return InvalidArgumentError(
            f"{what} needs all rows in memory, and these {self.n_rows:,} rows are read piece by "
            "piece",
            remedy="raise the memory of the scan, or give it fewer rows",
        )


def _rescaled(factor: Array, rows: ArrayRows) -> ArrayRows:
    return rows.rescaled(factor)


def _unlabelled(rows: ArrayRows) -> ArrayRows:
    return rows.unlabelled


def _counted_labels(rows: ArrayRows) -> ArrayRows:
    return rows.with_counted_labels


def _then(
    function: Callable[[ArrayRows], ArrayRows], after: Callable[[Tile], Result], tile: Tile
) -> Result:
    return after(_mapped(function, tile))


def _mapped(function: Callable[[ArrayRows], ArrayRows], tile: Tile) -> Tile:
    rows = function(tile.rows)
    return Tile(tile.number, tile.start, rows.as_tile_like(tile.rows))


class _DerivedRows(PartedRows):
    """Rows made of others, tile by tile.

    Parameters
    ----------
    origin : PartedRows
        The others.
    function : callable
        Returns the rows of a tile, as many, of those of one.
    """

    def __init__(self, origin: PartedRows, function: Callable[[ArrayRows], ArrayRows]) -> None:
        self._origin, self._function = origin, function

    def tiles(self) -> Iterator[Tile]:
        for tile in self._origin.tiles():
            yield _mapped(self._function, tile)

    def each(self, function: Callable[[Tile], Result]) -> Iterable[Result]:
        return self._origin.each(partial(_then, self._function, function))

    @property
    def factor(self) -> Array:
        return self._origin.factor

    @property
    def known(self) -> KnownOfParts | None:
        return self._origin.known

    @property
    def has_missing(self) -> bool:
        return self._origin.has_missing

    @property
    def is_elsewhere(self) -> bool:
        return self._origin.is_elsewhere

    def swept_by(self, engine: Engine) -> Engine:
        return self._origin.swept_by(engine)


@final
class RelabelledRows(_DerivedRows):
    """The same rows, of whose components something else is known.

    Parameters
    ----------
    origin : PartedRows
        The rows.
    function : callable
        Returns the rows of a tile with what is known of them.
    known : KnownOfParts, optional
        What is known of all.
    """

    def __init__(
        self,
        origin: PartedRows,
        function: Callable[[ArrayRows], ArrayRows],
        known: KnownOfParts | None,
    ) -> None:
        super().__init__(origin, function)
        self._of_these = known

    @property
    def known(self) -> KnownOfParts | None:
        return self._of_these

    @property
    def facts(self) -> RowFacts:
        return self._origin.facts

    @property
    def identity(self) -> Hashable:
        return super().identity, self._origin.identity

    @property
    def unobserved(self) -> Unobserved:
        return self._origin.unobserved


def classified_rows(rows: PartedRows, codes: IntegerArray, classes: Classes) -> PartedRows:
    """Return rows whose labels, numbers of a word list, are known by their classes.

    Parameters
    ----------
    rows : PartedRows
        The rows; of each tile the labels are provisional.
    codes : integer array of shape (number of words,)
        The class of each word.
    classes : Classes
        The classes.

    Raises
    ------
    InvalidArgumentError
        If rows of one group have different labels.
    """
    function = partial(_classified, codes, classes)
    found = list(rows.each(partial(_then, function, _held_of_tile)))
    parts = [held for held, _ in found]
    held = np.unique(np.concatenate(parts)) if parts else NONE_HELD
    is_grouped = any(grouped for _, grouped in found)
    return RelabelledRows(rows, function, KnownOfParts(classes, held, is_grouped))


def _classified(codes: IntegerArray, classes: Classes, rows: ArrayRows) -> ArrayRows:
    return (
        rows if rows.labels is None else rows.with_labels(classified(rows.labels, codes, classes))
    )


def _held_of_tile(tile: Tile) -> tuple[IntegerArray, bool]:
    return tile.rows.held, tile.rows.is_grouped


@final
class RescaledRows(_DerivedRows):
    """Rows times a factor of shape (D,), powers of two."""

    def __init__(self, origin: PartedRows, factor: Array) -> None:
        super().__init__(origin, partial(_rescaled, factor))
        self._by = factor

    @property
    def factor(self) -> Array:
        return self._origin.factor * self._by

    @property
    def facts(self) -> RowFacts:
        own = self._origin.facts
        magnitude = own.magnitude * self._by
        return replace(own, magnitude=magnitude)


@final
class MappedRows(_DerivedRows):
    """Rows each tile of which is a function of another's, such as completed ones.

    What is known of their components stays.
    """

    def __init__(self, origin: PartedRows, function: Callable[[ArrayRows], ArrayRows]) -> None:
        super().__init__(origin, partial(_labels_kept, function))

    @property
    def facts(self) -> RowFacts:
        return self.once("facts", lambda: summed_facts(self.each(facts_of_tile)))

    @property
    def has_missing(self) -> bool:
        return self.facts.unobserved.n_missing + self.facts.unobserved.n_blank > 0


def _labels_kept(function: Callable[[ArrayRows], ArrayRows], rows: ArrayRows) -> ArrayRows:
    found = function(rows)
    return found if rows.labels is None else found.with_labels(rows.labels)


def summed_facts(parts: Iterable[RowFacts]) -> RowFacts:
    """Return what is known of all tiles together, of at least one."""
    total: RowFacts | None = None
    for part in parts:
        total = part if total is None else total + part
    assert total is not None
    return total


def joined(parts: list[ArrayRows]) -> ArrayRows:
    """Return rows that lie in several parts, one after the other, as one."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    weights = errors = None
    if any(part.weights is not None for part in parts):
        ones = [np.ones(part.n_rows) if part.weights is None else part.weights for part in parts]
        weights = np.concatenate(ones)
    if any(part.errors is not None for part in parts):
        errors = np.concatenate([_own_errors(part) for part in parts])
    values = np.concatenate([part.values for part in parts])
    return ArrayRows(values, weights, first.factor, errors, None, _joined_labels(parts))


def _joined_labels(parts: list[ArrayRows]) -> KnownLabels | None:
    """Return labels of parts, one after the other; groups of different parts are different."""
    known = [part.labels for part in parts]
    classes = next((one.classes for one in known if one is not None), None)
    if classes is None:
        return None
    sizes = [part.n_rows for part in parts]
    codes, groups, n_groups = [], [], 0
    for one, size in zip(known, sizes, strict=True):
        nothing = np.full(size, -1, dtype=np.intp)
        codes.append(nothing if one is None else one.codes)
        own = nothing if one is None or one.groups is None else one.groups
        groups.append(np.where(own >= 0, own + n_groups, -1))
        n_groups = max(n_groups, int(groups[-1].max(initial=-1)) + 1)
    has_groups = any(one is not None and one.groups is not None for one in known)
    return KnownLabels(
        np.concatenate(codes), classes, np.concatenate(groups) if has_groups else None
    )


def _own_errors(rows: ArrayRows) -> Array:
    if rows.errors is None:
        return np.zeros(rows.values.shape)
    return np.broadcast_to(rows.errors, (rows.n_rows, *rows.errors.shape[1:]))
