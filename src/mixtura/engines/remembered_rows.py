"""Rows whose sweeps are remembered, so that a fit that was cut off need not sweep them again.

A sweep is a pure function of rows and potentials. What it found, of the size of K, is kept by a
digest of both; a fit that is run again asks for the same sweeps in the same order, and goes on
where the first one was cut off, to the same bits.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, final

import numpy as np

from mixtura.data import ArrayRows, PartedRows, Tile, Unobserved
from mixtura.data.parted_rows import KnownOfParts, RowFacts, facts_of_tile, summed_facts
from mixtura.messages.potentials import Potentials
from mixtura.messages.statistics import SufficientStatistics
from mixtura.typing import Array

Result = TypeVar("Result")


class SweepMemory(ABC):
    """Keeps what sweeps found."""

    @abstractmethod
    def recalled(self, key: bytes) -> SufficientStatistics | None:
        """Return what a sweep of this key found, or None."""

    @abstractmethod
    def keep(self, key: bytes, found: SufficientStatistics) -> None:
        """Keep what a sweep found."""


@final
class RememberedRows(PartedRows):
    """Other rows, of whose sweeps the results are kept.

    Parameters
    ----------
    origin : PartedRows, or ArrayRows of more than one tile
        The other rows.
    memory : SweepMemory
        What keeps the results.
    identity : bytes
        What tells these rows from others.
    """

    def __init__(
        self, origin: ArrayRows | PartedRows, memory: SweepMemory, identity: bytes
    ) -> None:
        self.origin, self._memory, self._identity = origin, memory, identity
        # What is known of the others is known of these.
        vars(self)["_known"] = vars(origin).setdefault("_known", {})

    def remembered(
        self, potentials: Potentials, sweep: Callable[[], SufficientStatistics]
    ) -> SufficientStatistics:
        """Return what a sweep under potentials found, or finds now."""
        key = digest_of_potentials(self._identity, potentials)
        found = self._memory.recalled(key)
        if found is None:
            found = sweep()
            self._memory.keep(key, found)
        return found

    def tiles(self) -> Iterator[Tile]:
        return self.origin.tiles()

    def each(self, function: Callable[[Tile], Result]) -> Iterable[Result]:
        return self.origin.each(function)

    @property
    def is_elsewhere(self) -> bool:
        return isinstance(self.origin, PartedRows) and self.origin.is_elsewhere

    def swept_by(self, engine: Any) -> Any:
        return self.origin.swept_by(engine) if isinstance(self.origin, PartedRows) else engine

    @property
    def facts(self) -> RowFacts:
        if isinstance(self.origin, PartedRows):
            return self.origin.facts
        return self.once("facts", lambda: summed_facts(self.origin.each(facts_of_tile)))

    @property
    def known(self) -> KnownOfParts | None:
        return self.origin.known if isinstance(self.origin, PartedRows) else None

    @property
    def n_rows(self) -> int:
        return self.origin.n_rows

    @property
    def total_weight(self) -> float:
        return self.origin.total_weight

    @property
    def factor(self) -> Array:
        return self.origin.factor

    @property
    def has_missing(self) -> bool:
        return self.origin.has_missing

    @property
    def has_errors(self) -> bool:
        return self.origin.has_errors

    @property
    def unobserved(self) -> Unobserved:
        return self.origin.unobserved

    def magnitude(self) -> Array:
        return self.origin.magnitude()

    def rescaled(self, factor: Array) -> "RememberedRows":
        identity = self._identity + factor.tobytes()
        return RememberedRows(self.origin.rescaled(factor), self._memory, identity)


def digest_of_potentials(identity: bytes, potentials: Potentials) -> bytes:
    """Return 32 bytes that tell potentials, and the rows scored under them, from others."""
    digest = hashlib.sha256(identity)
    background = potentials.background
    parts = (potentials.log_weight, potentials.offset, potentials.mean)
    for part in (*parts, potentials.precision_cholesky):
        digest.update(f"{part.shape}".encode())
        digest.update(np.ascontiguousarray(part, np.float64).tobytes())
    if background is not None:
        box = background.box
        digest.update(f"{background.log_weight!r} {box.volume!r}".encode())
        digest.update(box.lower.tobytes() + box.upper.tobytes())
    return digest.digest()
