"""Scans as estimators know them: rows that are opened when they are needed."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from mixtura.data.memory import ArrayRows
from mixtura.data.parted_rows import PartedRows
from mixtura.typing import IntegerArray


@final
@dataclass(frozen=True, eq=False)
class OpenedScan:
    """The rows of a scan, and what was found beside them.

    Parameters
    ----------
    rows : ArrayRows or PartedRows
        The rows.
    labels, groups : object array of shape (N,), or of those that differ, optional
        Labels and groups as they are in the source, of all rows where these are in memory; else
        the tiles have numbers of those that differ.
    fingerprint : hashable
        What the source was when it was read.
    to_fit : bool
        Whether rows without any cell were left out.
    n_blank, n_dropped : int
        Rows that were left out: without any cell, and with missing ones.
    """

    rows: ArrayRows | PartedRows
    labels: Any
    groups: Any
    fingerprint: Hashable
    to_fit: bool
    n_blank: int
    n_dropped: int

    def serves(self, fingerprint: Hashable, *, to_fit: bool) -> bool:
        """Return whether the rows are those that are asked for."""
        alike = to_fit == self.to_fit or (
            not self.n_blank if self.to_fit else not self.rows.has_missing
        )
        return alike and fingerprint == self.fingerprint


class RowScan(ABC):
    """Rows by where they are.

    Attributes
    ----------
    cluster : distributed.Client or None
        Whose workers sweep the rows.
    """

    cluster: Any = None

    @property
    @abstractmethod
    def label(self) -> str:
        """What messages call the source."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the D columns of data."""

    @property
    @abstractmethod
    def is_named(self) -> bool:
        """Whether the columns have names of the user's."""

    @abstractmethod
    def with_columns(self, names: Sequence[str]) -> "RowScan":
        """Return a scan of other columns of the same source."""

    @abstractmethod
    def opened(self, *, to_fit: bool, report: Callable[[str], None] | None = None) -> OpenedScan:
        """Return the rows: in memory if they fit, else as they are read.

        Parameters
        ----------
        to_fit : bool
            Whether rows without any cell are left out, and every column needs a value.
        report : callable, optional
            Is told how sweeps go.

        Raises
        ------
        DataError
            If a row cannot be used.
        """

    @abstractmethod
    def positions(self, rows: ArrayRows | PartedRows) -> Iterator[IntegerArray]:
        """Yield where rows lie in the source, those of a tile, or of all, at a time."""
