"""Rows of a NumPy array."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, final

import numpy as np

from mixtura.data.base import NONE_HELD, Block, Rows
from mixtura.data.known_labels import KnownLabels
from mixtura.data.observed import Observation, Unobserved, observation_of
from mixtura.typing import Array, BooleanArray, IntegerArray

Result = TypeVar("Result")

BLOCK_ENTRIES = 1 << 16
"""Numbers in a block: half a megabyte, which stays in cache."""

SIDE_BY_SIDE = 256

TILE_BLOCKS = 32
"""Blocks of a tile, 16 MB: many rows are swept tile by tile, wherever they lie."""


def tile_rows(n_features: int) -> int:
    """Return the number of rows of a tile, a function of the number of features alone."""
    return max(1, BLOCK_ENTRIES // n_features) * TILE_BLOCKS


def tile_starts(n_rows: int, n_features: int) -> range:
    """Return where the tiles of so many rows begin."""
    return range(0, n_rows, tile_rows(n_features))


@final
@dataclass(frozen=True, eq=False)
class Tile:
    """Consecutive rows that are swept together.

    Parameters
    ----------
    number : int
        Number of the tile, from 0.
    start : int
        Position of its first row in the data.
    rows : ArrayRows
        The rows.
    """

    number: int
    start: int
    rows: "ArrayRows"

    @property
    def stop(self) -> int:
        """Position after its last row."""
        return self.start + self.rows.n_rows


@final
class ArrayRows(Rows):
    """Rows held in memory.

    Parameters
    ----------
    values : array of shape (N, D)
        Rows, float64 or float32; NaN where a cell is missing, finite elsewhere.
    weights : array of shape (N,), optional
        Non-negative weights; one each by default.
    factor : array of shape (D,), optional
        What the user's rows have been multiplied by; one by default.
    errors : array of shape (N or 1, D) or (N or 1, D, D), optional
        Variances or covariances of the rows' measurement errors, one for all rows where the first
        length is 1; exact by default.
    kept : boolean array, optional
        Which of the rows that were given these are; all by default.
    labels : KnownLabels, optional
        The components that are known of rows; of none by default.
    """

    def __init__(
        self,
        values: Array,
        weights: Array | None = None,
        factor: Array | None = None,
        errors: Array | None = None,
        kept: BooleanArray | None = None,
        labels: KnownLabels | None = None,
    ) -> None:
        self.values = values
        self._factor = np.ones(values.shape[1]) if factor is None else factor
        self.weights = weights
        self.errors = errors
        self.kept = kept
        self.labels = labels
        self.whole = Block(0, values, weights)
        self._planned: int | None = None
        self._left_out = 0

    @property
    def n_rows(self) -> int:
        return self.values.shape[0]

    @property
    def n_features(self) -> int:
        return self.values.shape[1]

    @property
    def planned_rows(self) -> int:
        if self._planned is not None:
            return self._planned
        return min(self.n_rows, tile_rows(self.n_features))

    def as_tile_of(self, n_rows: int) -> "ArrayRows":
        """Return these rows, a tile of so many, for which engines choose what they do."""
        self._planned = min(n_rows, tile_rows(self.n_features))
        return self

    def as_tile_like(self, other: "ArrayRows") -> "ArrayRows":
        """Return these rows, made of a tile of others."""
        self._planned = other._planned
        return self

    @property
    def total_weight(self) -> float:
        if self.weights is None:
            return float(self.n_rows)
        return float(sum(float(piece.row_weights.sum()) for piece in self.pieces()))

    @property
    def factor(self) -> Array:
        return self._factor

    @property
    def has_missing(self) -> bool:
        return self.once("missing", self._has_missing)

    def _has_missing(self) -> bool:
        with np.errstate(over="ignore", invalid="ignore"):
            # A sum is NaN if a number is; of infinities of both signs too.
            return bool(np.isnan(self.values.sum()) and np.isnan(self.values).any())

    @property
    def has_errors(self) -> bool:
        return self.errors is not None

    @property
    def is_labelled(self) -> bool:
        return self.labels is not None

    @property
    def is_grouped(self) -> bool:
        return self.labels is not None and self.labels.groups is not None

    @property
    def held(self) -> IntegerArray:
        labels = self.labels
        return NONE_HELD if labels is None else self.once("held", lambda: labels.held(self.weights))

    @property
    def unlabelled(self) -> "ArrayRows":
        if self.labels is None:
            return self
        return self.once("unlabelled", lambda: self.with_labels(None))

    def with_labels(self, labels: KnownLabels | None) -> "ArrayRows":
        """Return the same rows with other labels, or none."""
        own = (self.values, self.weights, self._factor, self.errors, self.kept)
        return ArrayRows(*own, labels).beside_blank(self._left_out)

    def beside_blank(self, number: int) -> "ArrayRows":
        """Return these rows, beside which so many without any cell were left out before."""
        self._left_out = number
        return self

    def reweighted(self, weights: Array) -> "ArrayRows":
        """Return the same rows with other weights; what was observed of them is known already."""
        own = (self.values, weights, self._factor, self.errors, self.kept, self.labels)
        found = ArrayRows(*own)
        is_complete = self.is_complete
        found.once("missing", lambda: self.has_missing)
        if not is_complete:
            found.once("observation", lambda: self.observation.reweighted(weights))
        return found

    @property
    def observation(self) -> Observation:
        """The rows by what was observed of them."""
        return self.once(
            "observation", lambda: observation_of(self.values, self.weights, self.errors)
        )

    def filled(self, expected: Callable[[], Array]) -> Array:
        """Return the values (N, D), missing ones those of a table that is asked for if needed."""
        if not self.has_missing:
            return self.values
        return np.where(self.is_missing, expected(), self.values)

    def observed_like(self, complete: Array, rng: np.random.Generator) -> Array:
        """Return complete rows (..., N, D) as these were observed: with errors, NaN if missing."""
        if self.errors is not None:
            noise = rng.standard_normal(complete.shape)
            if self.errors.ndim == 2:
                complete = complete + noise * np.sqrt(self.errors)
            else:
                values, vectors = np.linalg.eigh(self.errors)
                root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
                complete = complete + np.einsum("nij,...nj->...ni", root, noise)
        return np.where(self.is_missing, np.nan, complete) if self.has_missing else complete

    @property
    def unobserved(self) -> Unobserved:
        """What was not observed of the rows, in numbers."""
        return self.once("unobserved", self._unobserved)

    def _unobserved(self) -> Unobserved:
        n_inexact = 0
        if self.errors is not None:
            variances = self.errors if self.errors.ndim == 2 else np.einsum("ndd->nd", self.errors)
            n_inexact = int(((variances > 0.0) & ~self.is_missing).sum())
        if not self.has_missing:
            return Unobserved(self.values.size, n_blank=self._left_out, n_inexact=n_inexact)
        missing = self.is_missing
        has_none = missing.all(axis=1)
        if self.labels is not None:
            missing = missing & ~(has_none & self.labels.is_known)[:, None]
            has_none = missing.all(axis=1)
        blank = int(has_none.sum())
        n_missing = int(missing.sum()) - blank * self.n_features
        n_rows = int(missing.any(axis=1).sum()) - blank
        n_cells = (self.n_rows - blank) * self.n_features
        return Unobserved(n_cells, n_missing, n_rows, blank + self._left_out, n_inexact)

    @property
    def with_cells(self) -> "ArrayRows":
        """The rows that have a cell or a label at all."""
        if not self.has_missing:
            return self

        def find() -> ArrayRows:
            has: BooleanArray = np.asarray(~self.is_missing.all(axis=1))
            if self.labels is not None:
                has |= self.labels.is_known  # they count for the weights
            if has.all():
                return self
            some = self.taken(has)
            own = (some.values, some.weights, self._factor, some.errors)
            return ArrayRows(*own, has, some.labels)

        return self.once("rows with cells", find)

    def of_given(self, numbers: Any) -> Any:
        if self.kept is None or numbers.shape[:1] != self.kept.shape:
            return numbers
        return numbers[self.kept]

    @property
    def complete_rows(self) -> "ArrayRows":
        """The rows that are complete and exact."""

        def find() -> ArrayRows:
            some = self.taken(self.observation.complete)
            return ArrayRows(some.values, some.weights, self._factor)

        return self.once("complete rows", find)

    @property
    def is_missing(self) -> BooleanArray:
        """Which cells are missing, shape (N, D)."""
        return np.isnan(self.values)

    def blocks(self) -> Iterator[Block]:
        step = max(1, BLOCK_ENTRIES // self.n_features)
        for start in range(0, self.n_rows, step):
            stop = start + step
            weights = None if self.weights is None else self.weights[start:stop]
            yield Block(start, self.values[start:stop], weights)

    def pieces(self) -> Iterator[Block]:
        starts = tile_starts(self.n_rows, self.n_features)
        if len(starts) <= 1:
            yield self.whole
            return
        for start in starts:
            stop = start + starts.step
            weights = None if self.weights is None else self.weights[start:stop]
            yield Block(start, self.values[start:stop], weights)

    @property
    def is_one_tile(self) -> bool:
        """Whether there are no more rows than a tile has."""
        return self.n_rows <= tile_rows(self.n_features)

    def tiles(self) -> Iterator[Tile]:
        """Yield the rows in tiles, in order."""

        def find() -> tuple[Tile, ...]:
            starts = tile_starts(self.n_rows, self.n_features)
            if len(starts) <= 1:
                return (Tile(0, 0, self),)
            parts = [self.taken(slice(start, start + starts.step)) for start in starts]
            return tuple(
                Tile(number, start, rows.as_tile_of(self.n_rows))
                for number, (start, rows) in enumerate(zip(starts, parts, strict=True))
            )

        return iter(self.once("tiles", find))

    def each(self, function: Callable[[Tile], Result]) -> Iterable[Result]:
        """Return what a function returns of each tile, in their order."""
        return map(function, self.tiles())

    def batches(self, size: int) -> Iterator[Rows]:
        if self.labels is not None and self.labels.groups is not None:
            self.labels.refuse_cut(size)
        for start in range(0, self.n_rows, size):
            stop = start + size
            yield self.taken(slice(start, stop))

    def taken(self, some: slice | IntegerArray | BooleanArray) -> "ArrayRows":
        """Return some of the rows."""
        weights = None if self.weights is None else self.weights[some]
        has_own = self.errors is not None and len(self.errors) > 1
        errors = self.errors[some] if has_own and self.errors is not None else self.errors
        labels = None if self.labels is None else self.labels.taken(some)
        return ArrayRows(self.values[some], weights, self._factor, errors, None, labels)

    def copies(self, counts: IntegerArray) -> "ArrayRows":
        """Return each row as often as its count (N,) says, without weights."""
        repeated = self.taken(np.repeat(np.arange(self.n_rows), counts))
        own = (repeated.values, None, self._factor, repeated.errors)
        return ArrayRows(*own, None, repeated.labels)

    @property
    def with_counted_labels(self) -> "ArrayRows":
        """The rows, with nothing known of those that have no weight."""
        if self.labels is None or self.weights is None or self.weights.all():
            return self
        return self.with_labels(self.labels.without(self.weights == 0.0))

    def weight_of_cells(self) -> Array:
        if not self.has_missing:
            return super().weight_of_cells()
        total = np.zeros(self.n_features)
        for piece in self.pieces():
            total += piece.row_weights @ ~np.isnan(piece.values)
        return total

    def magnitude(self) -> Array:
        return self.once("magnitude", self._magnitude)

    def is_within(self, limit: float) -> bool:
        if not self.knows("magnitude"):
            flat = self.values.ravel(order="K")
            with np.errstate(over="ignore", invalid="ignore"):
                if flat @ flat <= limit * limit:  # one pass, and true where there is room for many
                    return True
        return super().is_within(limit)

    def _magnitude(self) -> Array:
        if self.has_missing:
            return np.nanmax(np.abs(self.values), axis=0, initial=0.0).astype(np.float64)
        # Many rows side by side make a long row: along short ones NumPy's reductions are slow.
        n_rows, n_features = self.values.shape
        whole = n_rows // SIDE_BY_SIDE * SIDE_BY_SIDE
        wide = self.values[:whole].reshape(-1, SIDE_BY_SIDE * n_features)
        parts = (wide.max(axis=0, initial=-np.inf), -wide.min(axis=0, initial=np.inf))
        largest = np.maximum(*parts).reshape(SIDE_BY_SIDE, n_features).max(axis=0)
        rest = np.abs(self.values[whole:]).max(axis=0, initial=-np.inf)
        return np.maximum(largest, rest).astype(np.float64)

    def rescaled(self, factor: Array) -> "ArrayRows":
        errors = self.errors
        if errors is not None:
            size = factor[:, None] * factor if errors.ndim == 3 else factor * factor
            errors = errors * size
        own = (self.values * factor, self.weights, self._factor * factor, errors)
        return ArrayRows(*own, None, self.labels)
