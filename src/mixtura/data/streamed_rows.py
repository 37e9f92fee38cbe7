"""Rows of a scan: kept as far as memory allows, and read again where it does not."""

import time
import zlib
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Any, NoReturn, final

import numpy as np

from mixtura.data.known_labels import KnownLabels
from mixtura.data.label_words import WordList, provisional, words_of
from mixtura.data.memory import ArrayRows, Tile, tile_rows
from mixtura.data.observed import Unobserved
from mixtura.data.parted_rows import PartedRows, RowFacts, facts_of_tile
from mixtura.data.read_ahead import read_ahead
from mixtura.data.scan_layout import Chunk, Reading, cut
from mixtura.data.sources import shown
from mixtura.errors import DataError
from mixtura.typing import Array, IntegerArray

AHEAD = 4
"""Tiles that are on their way while others are swept."""


@final
@dataclass(frozen=True, eq=False)
class TileEntry:
    """What the first pass saw of a tile.

    Parameters
    ----------
    position : int
        Where its first row lies in the source.
    start, n_rows : int
        Position of the first row among those that count, and how many there are.
    has_missing : bool
        Whether a cell is missing.
    checksum : int
        Of its numbers where the source cannot say that it has not changed; else 0.
    """

    position: int
    start: int
    n_rows: int
    has_missing: bool
    checksum: int


@final
@dataclass(eq=False)
class FirstPass:
    """What one pass over a source finds: facts, where tiles begin, and the first of them.

    Parameters
    ----------
    entries : list of TileEntry
        All tiles.
    held : list of Chunk
        The numbers of the first tiles, as many as memory allows.
    facts : RowFacts or None
        What is known of all rows; None where there are none.
    n_blank, n_dropped : int
        Rows that were left out: without any cell, and with missing cells.
    is_whole : bool
        Whether all tiles are held.
    labels, groups : WordList or None
        Labels and groups that differ; None where there are none.
    cut_group : object
        A group whose rows lie in several tiles; None where there is none.
    """

    entries: list[TileEntry] = field(default_factory=list)
    held: list[Chunk] = field(default_factory=list)
    facts: RowFacts | None = None
    n_blank: int = 0
    n_dropped: int = 0
    is_whole: bool = True
    labels: WordList | None = None
    groups: WordList | None = None
    cut_group: Any = None

    def numbered(self, chunk: Chunk) -> Chunk:
        """Return a chunk whose labels and groups are numbers of those that differ."""
        n_rows, before = len(chunk.positions), len(self.groups or ())
        chunk = numbered(chunk, self.labels, self.groups)
        if self.groups is not None and self.cut_group is None and n_rows:
            again = np.flatnonzero((chunk.groups >= 0) & (chunk.groups < before))
            if again.size:
                self.cut_group = self.groups.values[chunk.groups[again[0]]]
        return chunk

    def leave_out(self, n_blank: int, n_dropped: int) -> None:
        """Count rows that are left out."""
        self.n_blank += n_blank
        self.n_dropped += n_dropped


def numbered(chunk: Chunk, labels: WordList | None, groups: WordList | None) -> Chunk:
    """Return a chunk whose labels and groups are numbers of those of word lists."""
    if labels is None and groups is None:
        return chunk
    n_rows = len(chunk.positions)

    def codes(given: Any, known: WordList | None, name: str) -> Any:
        return None if known is None else known.codes(words_of(given, n_rows, name))

    of_labels = codes(chunk.labels, labels, "labels")
    return replace(chunk, labels=of_labels, groups=codes(chunk.groups, groups, "groups"))


def tile_sizes(reading: Reading, cuts: tuple[int, ...] | None) -> Iterator[int]:
    """Return how many rows tiles have."""
    if cuts is not None:
        return chain(cuts, repeat(1 << 62))
    return repeat(tile_rows(len(reading.layout.names)))


def first_pass(reading: Reading, limit: int, cuts: tuple[int, ...] | None) -> FirstPass:
    """Read all rows once and keep as many as a limit in bytes allows.

    Raises
    ------
    DataError
        If a row cannot be used, or the source changes meanwhile.
    """
    layout = reading.layout
    found = FirstPass(
        labels=WordList() if layout.labels else None, groups=WordList() if layout.groups else None
    )
    before = reading.source.fingerprint()
    chunks = told_of_changes(reading, before, reading.chunks(0, found.leave_out))
    n_bytes = 0
    for number, raw in enumerate(read_ahead(cut(chunks, tile_sizes(reading, cuts)))):
        chunk = found.numbered(raw)
        start = found.entries[-1].start + found.entries[-1].n_rows if found.entries else 0
        tile = Tile(number, start, rows_of(chunk))
        facts = facts_of_tile(tile)
        found.facts = facts if found.facts is None else found.facts + facts
        is_known = reading.source.is_stable
        found.entries.append(
            TileEntry(
                int(chunk.positions[0]),
                start,
                facts.n_rows,
                tile.rows.has_missing,
                0 if is_known else checksum(chunk),
            )
        )
        n_bytes += size_of(chunk)
        if found.is_whole and n_bytes > limit and number > 0:
            _make_room(found, limit)
        if found.is_whole:
            found.held.append(_without_positions(chunk))
    _check_unchanged(reading, before)
    return found


def _make_room(found: FirstPass, limit: int) -> None:
    """Let go of tiles beyond a limit, with room for those that are read anew."""
    found.is_whole = False
    largest = max(map(size_of, found.held))
    room = max(0, limit - AHEAD * largest)
    while found.held and sum(map(size_of, found.held)) > room:
        found.held.pop()


def _without_positions(chunk: Chunk) -> Chunk:
    return replace(chunk, positions=chunk.positions[:0])


def size_of(chunk: Chunk) -> int:
    """Return how many bytes the numbers of a tile take."""
    parts = (chunk.values, chunk.weights, chunk.errors)
    return sum(part.nbytes for part in parts if part is not None)


def checksum(chunk: Chunk) -> int:
    """Return a number that changes if any number of a tile does, or their order."""
    known = provisional(chunk.labels, chunk.groups, len(chunk.values))
    return checksum_of(chunk.values, chunk.weights, chunk.errors, known)


def checksum_of(
    values: Array, weights: Array | None, errors: Array | None, known: KnownLabels | None
) -> int:
    """Return a number that changes if any number of rows does, or their order."""
    found, labels = 0, () if known is None else (known.codes, known.groups)
    for part in (values, weights, errors, *labels):
        if part is not None and part.size:
            found = zlib.crc32(np.ascontiguousarray(part).data.cast("B"), found)
    return found


def checksums(reading: Reading, cuts: tuple[int, ...] | None) -> list[int]:
    """Return the checksums of the tiles of a source, read anew."""
    layout = reading.layout
    known = [WordList() if name else None for name in (layout.labels, layout.groups)]
    chunks = reading.chunks(0, lambda n_blank, n_dropped: None)
    tiles = read_ahead(cut(chunks, tile_sizes(reading, cuts)))
    return [checksum(numbered(chunk, *known)) for chunk in tiles]


def rows_of(chunk: Chunk) -> ArrayRows:
    """Return the rows of a tile."""
    errors = chunk.errors
    if errors is not None and not errors.any():
        errors = None
    labels = provisional(chunk.labels, chunk.groups, len(chunk.values))
    return ArrayRows(chunk.values, chunk.weights, None, errors, None, labels)


def whole_rows(found: FirstPass, n_features: int) -> ArrayRows:
    """Return all rows of a pass that holds them; its tiles are let go of one by one."""
    assert found.facts is not None
    n_rows, first = found.facts.n_rows, found.held[0]
    values: Array = np.empty((n_rows, n_features), first.values.dtype)
    weights = None if first.weights is None else np.empty(n_rows)
    errors = None if first.errors is None else np.empty((n_rows, n_features))
    start = 0
    while found.held:
        chunk = found.held.pop(0)
        stop = start + len(chunk.values)
        values[start:stop] = chunk.values
        for to, part in ((weights, chunk.weights), (errors, chunk.errors)):
            if to is not None:
                to[start:stop] = part
        start = stop
    if errors is not None and not errors.any():
        errors = None
    return ArrayRows(values, weights, None, errors).beside_blank(found.n_blank)


def _check_unchanged(reading: Reading, before: Any) -> None:
    if reading.source.fingerprint() != before:
        refuse_changed(reading)


def refuse_changed(reading: Reading) -> NoReturn:
    """Raise the DataError that a source has changed."""
    raise DataError(
        f"{reading.source.label}: has changed while it was read: its rows are not those of "
        "the first pass",
        remedy="scan it anew once nothing writes to it",
    )


def told_of_changes(reading: Reading, before: Hashable, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield chunks; what cannot be read because the source has changed is told as that."""
    try:
        yield from chunks
    except DataError:
        if reading.source.fingerprint() != before:
            refuse_changed(reading)
        raise


@final
class StreamedRows(PartedRows):
    """Rows of a scan that are more than memory may hold.

    Parameters
    ----------
    reading : Reading
        Reads them.
    found : FirstPass
        What is known of them, and what is held.
    cuts : tuple of int, optional
        How many rows each tile has.
    report : callable, optional
        Is told after each sweep how fast it was and what was held.
    """

    def __init__(
        self,
        reading: Reading,
        found: FirstPass,
        cuts: tuple[int, ...] | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        assert found.facts is not None
        self.reading, self._found, self._cuts = reading, found, cuts
        self.fingerprint = reading.source.fingerprint()
        self.report = report
        self._facts = found.facts
        if found.cut_group is not None:
            raise DataError(
                f"{reading.source.label}: the rows of group {shown(found.cut_group)} lie in "
                "several parts of a scan that is read piece by piece",
                remedy="order the rows by group, and give cuts that lie between groups, or raise "
                "the scan's memory",
            )

    @property
    def words(self) -> tuple[list[Any] | None, list[Any] | None]:
        """The labels and the groups that differ; None where the scan has none."""
        labels, groups = self._found.labels, self._found.groups
        return None if labels is None else labels.values, None if groups is None else groups.values

    @property
    def facts(self) -> RowFacts:
        return self._facts

    @property
    def identity(self) -> Hashable:
        checksums = [(entry.position, entry.checksum) for entry in self._found.entries]
        layout = self.reading.layout
        columns = (layout.names, layout.weights, sorted(layout.errors.items()))
        beside = (layout.labels, layout.groups, layout.missing.value)
        return super().identity, self.fingerprint, *columns, *beside, checksums

    @property
    def unobserved(self) -> Unobserved:
        own = self._facts.unobserved
        return replace(own, n_blank=own.n_blank + self._found.n_blank)

    @property
    def has_missing(self) -> bool:
        return any(entry.has_missing for entry in self._found.entries)

    @property
    def entries(self) -> list[TileEntry]:
        """What was seen of the tiles."""
        return self._found.entries

    @property
    def n_held(self) -> int:
        """Number of rows that are held in memory."""
        return sum(len(chunk.values) for chunk in self._found.held)

    def tiles(self) -> Iterator[Tile]:
        began = time.perf_counter()
        entries, held = self._found.entries, self._found.held
        for number, chunk in enumerate(held):
            yield self._tile(number, rows_of(chunk))
        if len(held) < len(entries):
            yield from self._read(len(held))
        if self.report is not None:
            spent = max(time.perf_counter() - began, 1e-9)
            self.report(
                f"{self.n_rows / spent:,.0f} rows a second; {self.n_held:,} of {self.n_rows:,} "
                "rows held in memory"
            )

    def _tile(self, number: int, rows: ArrayRows) -> Tile:
        entry = self._found.entries[number]
        rows.once("missing", lambda: entry.has_missing)
        return Tile(number, entry.start, rows.as_tile_of(self.n_rows))

    def _sizes(self, first: int) -> Iterator[int]:
        return (entry.n_rows for entry in self._found.entries[first:])

    def _read(self, first: int) -> Iterator[Tile]:
        """Yield tiles from one on, read anew.

        Raises
        ------
        DataError
            If they are not what they were.
        """
        entries = self._found.entries
        if self.reading.source.fingerprint() != self.fingerprint:
            refuse_changed(self.reading)
        chunks = self.reading.chunks(entries[first].position, lambda n_blank, n_dropped: None)
        chunks = told_of_changes(self.reading, self.fingerprint, chunks)
        number = first
        for raw in read_ahead(cut(chunks, chain(self._sizes(first), repeat(1)))):
            chunk = self._numbered(raw)
            if not self._is_as_before(number, chunk):
                refuse_changed(self.reading)
            yield self._tile(number, rows_of(chunk))
            number += 1
        if number < len(entries):
            refuse_changed(self.reading)
        if self.reading.source.fingerprint() != self.fingerprint:
            refuse_changed(self.reading)

    def _numbered(self, chunk: Chunk) -> Chunk:
        known = (self._found.labels, self._found.groups)
        sizes = [len(one or ()) for one in known]
        chunk = numbered(chunk, *known)
        if sizes != [len(one or ()) for one in known]:
            refuse_changed(self.reading)
        return chunk

    def _is_as_before(self, number: int, chunk: Chunk) -> bool:
        entries = self._found.entries
        if number >= len(entries):
            return False
        entry = entries[number]
        is_stable = self.reading.source.is_stable
        return len(chunk.values) == entry.n_rows and (
            is_stable or checksum(chunk) == entry.checksum
        )

    def positions(self) -> Iterator[IntegerArray]:
        """Yield where the rows of each tile lie in the source; read anew if some are left out."""
        if not (self._found.n_blank or self._found.n_dropped):
            for entry in self._found.entries:
                yield np.arange(entry.start, entry.start + entry.n_rows)
            return
        chunks = self.reading.chunks(0, lambda n_blank, n_dropped: None)
        for chunk in cut(chunks, chain(self._sizes(0), repeat(1))):
            yield chunk.positions
