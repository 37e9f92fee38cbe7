"""What a scan takes from its source: rows of numbers, checked and cut into tiles."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mixtura.data.file_table import MissingCells
from mixtura.data.label_words import words_of
from mixtura.data.scan_sources import Batch, ScanSource
from mixtura.data.sources import shown
from mixtura.errors import DataError
from mixtura.typing import Array, BooleanArray, IntegerArray


@final
@dataclass(frozen=True)
class Layout:
    """Which columns are what.

    Parameters
    ----------
    names : tuple of str
        The D columns of data.
    weights : str or None
        The column of row weights.
    errors : mapping of str to str
        For columns of data those of the standard deviations of their errors.
    labels, groups : str or None
        Columns of known labels, and of groups.
    missing : MissingCells
        What becomes of rows of which cells are missing.
    """

    names: tuple[str, ...]
    weights: str | None
    errors: Mapping[str, str]
    labels: str | None
    groups: str | None
    missing: MissingCells

    @property
    def wanted(self) -> tuple[str, ...]:
        """Every column that is read, once."""
        beside = (self.weights, *self.errors.values(), self.labels, self.groups)
        return tuple(dict.fromkeys((*self.names, *(name for name in beside if name is not None))))

    def check(self, source: ScanSource) -> None:
        """Raise DataError where the source has no such columns, or one is two things at once."""
        used: dict[str, str] = dict.fromkeys(self.names, "data")
        if len(used) < len(self.names):
            raise DataError(f"{source.label}: a column was asked for more than once")
        errors = ((error, "errors") for error in self.errors.values())
        for name, what in ((self.weights, "weights"), *errors):
            if name is None:
                continue
            source.position(name)
            source.check_numeric(name)
            if name in used:
                raise DataError(
                    f"{source.label}: column {shown(name)} cannot be {used[name]} and {what}"
                )
            used[name] = what
        for of in self.errors:
            if of not in self.names:
                raise DataError(
                    f"{source.label}: column {shown(of)} has errors and is not among the columns "
                    "to read"
                )
        for name in self.names:
            source.position(name)
            source.check_numeric(name)
        for name in (self.labels, self.groups):
            if name is not None:
                source.position(name)


@final
@dataclass(frozen=True, eq=False)
class Chunk:
    """Rows as a fit takes them.

    Parameters
    ----------
    positions : integer array of shape (n,)
        Where they lie in the source.
    values : array of shape (n, D)
        NaN where a cell is missing.
    weights : array of shape (n,), optional
    errors : array of shape (n, D), optional
        Variances.
    labels, groups : list or integer array, optional
        Labels and groups as the source has them, or numbers of those of a word list.
    """

    positions: IntegerArray
    values: Array
    weights: Array | None = None
    errors: Array | None = None
    labels: Any = None
    groups: Any = None

    def taken(self, some: slice | BooleanArray) -> "Chunk":
        """Return some of the rows."""
        numbers = np.arange(len(self.positions))[some]

        def words(given: Any) -> Any:
            if given is None or isinstance(given, np.ndarray):
                return None if given is None else given[some]
            return [given[i] for i in numbers]

        return Chunk(
            self.positions[some],
            self.values[some],
            None if self.weights is None else self.weights[some],
            None if self.errors is None else self.errors[some],
            words(self.labels),
            words(self.groups),
        )


@final
@dataclass(frozen=True, eq=False)
class Reading:
    """Reads the rows of a source by a layout.

    Parameters
    ----------
    source : ScanSource
    layout : Layout
    leaves_blank : bool
        Whether rows without any cell are left out, as they are of a fit.
    """

    source: ScanSource
    layout: Layout
    leaves_blank: bool

    def chunks(self, start: int, left_out: Callable[[int, int], None]) -> Iterator[Chunk]:
        """Yield rows from row ``start`` of the source on.

        Parameters
        ----------
        start : int
            The first row.
        left_out : callable
            Is told how many blank rows, and rows with missing cells, were left out.

        Raises
        ------
        DataError
            If a cell is infinite or missing, or a weight is no weight; with file and row.
        """
        place = {name: at for at, name in enumerate(self.layout.wanted)}
        for batch in self.source.batches(self.layout.wanted, start):
            chunk = self._chunk(batch, place)
            if batch.start < start:
                chunk = chunk.taken(slice(start - batch.start, None))
            if not len(chunk.positions):
                continue
            missing = np.isnan(chunk.values)
            if not missing.any():
                yield chunk
                continue
            kept = self._kept(chunk, missing, left_out)
            if kept.any():
                yield chunk if kept.all() else chunk.taken(kept)

    def _kept(
        self, chunk: Chunk, missing: BooleanArray, left_out: Callable[[int, int], None]
    ) -> BooleanArray:
        rule, incomplete = self.layout.missing, missing.any(axis=1)
        if rule is MissingCells.REFUSE:
            row, column = np.argwhere(missing)[0]
            raise DataError(
                f"{self._where(chunk, int(row))}, column {shown(self.layout.names[column])}: "
                "the value is missing"
            )
        if rule is MissingCells.DROP:
            left_out(0, int(incomplete.sum()))
            return np.asarray(~incomplete)
        blank = missing.all(axis=1)
        if not self.leaves_blank:
            return np.ones(len(chunk.positions), dtype=bool)
        if chunk.labels is not None:  # they count for the weights
            blank &= ~words_of(chunk.labels, len(blank), "labels").is_known
        left_out(int(blank.sum()), 0)
        return np.asarray(~blank)

    def _where(self, chunk: Chunk, row: int) -> str:
        return self.source.place(int(chunk.positions[row]))

    def _chunk(self, batch: Batch, place: Mapping[str, int]) -> Chunk:
        layout = self.layout
        values = batch.numbers([place[name] for name in layout.names])
        positions = np.arange(batch.start, batch.start + len(values))
        chunk = Chunk(positions, values)
        with np.errstate(over="ignore", invalid="ignore"):
            finite = bool(np.isfinite(values.sum()))
        if not finite and (odd := np.isinf(values)).any():
            row, column = np.argwhere(odd)[0]
            raise DataError(
                f"{self._where(chunk, int(row))}, column {shown(layout.names[column])}: "
                f"{values[row, column]} is infinite"
            )
        weights = None if layout.weights is None else self._weights(batch, place, chunk)
        errors = self._errors(batch, place, chunk) if layout.errors else None
        words = [
            None if name is None else batch.words(place[name])
            for name in (layout.labels, layout.groups)
        ]
        return Chunk(positions, values, weights, errors, *words)

    def _weights(self, batch: Batch, place: Mapping[str, int], chunk: Chunk) -> Array:
        name = self.layout.weights
        assert name is not None
        weights = batch.numbers([place[name]])[:, 0].astype(np.float64)
        wrong = ~(np.isfinite(weights) & (weights >= 0.0))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"{self._where(chunk, row)}, column {shown(name)}: a weight must be a number from "
                f"0 on; got {weights[row]}"
            )
        return weights

    def _errors(self, batch: Batch, place: Mapping[str, int], chunk: Chunk) -> Array:
        variances = np.zeros(chunk.values.shape)
        for column, name in enumerate(self.layout.names):
            error = self.layout.errors.get(name)
            if error is None:
                continue
            own = batch.numbers([place[error]])[:, 0].astype(np.float64)
            own = np.where(np.isnan(chunk.values[:, column]), 0.0, own)
            with np.errstate(over="ignore"):
                wrong = ~(np.isfinite(own * own) & (own >= 0.0))
            if wrong.any():
                row = int(np.argmax(wrong))
                raise DataError(
                    f"{self._where(chunk, row)}, column {shown(error)}: an error must be a number "
                    f"from 0 on; got {own[row]}"
                )
            variances[:, column] = own * own
        return variances


def cut(chunks: Iterator[Chunk], sizes: Iterator[int]) -> Iterator[Chunk]:
    """Yield the same rows in tiles of the given sizes, whatever the chunks; the last is shorter."""
    held: list[Chunk] = []
    n_held, size = 0, next(sizes)
    for chunk in chunks:
        start, n_rows = 0, len(chunk.positions)
        while start < n_rows:
            stop = min(n_rows, start + size - n_held)
            held.append(chunk if stop - start == n_rows else chunk.taken(slice(start, stop)))
            n_held, start = n_held + stop - start, stop
            if n_held == size:
                yield _joined(held)
                held, n_held, size = [], 0, next(sizes)
        del chunk
    if held:
        yield _joined(held)


def _joined(parts: Sequence[Chunk]) -> Chunk:
    if len(parts) == 1:
        return parts[0]

    def together(one: str) -> Any:
        arrays = [getattr(part, one) for part in parts]
        if arrays[0] is None:
            return None
        if isinstance(arrays[0], list):
            return [value for array in arrays for value in array]
        return np.concatenate(arrays)

    names = ("positions", "values", "weights", "errors", "labels", "groups")
    return Chunk(*map(together, names))
