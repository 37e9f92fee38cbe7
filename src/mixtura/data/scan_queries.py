"""Queries that a scan runs anew for each sweep: pyarrow datasets, polars and DuckDB."""

from abc import abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, final

from mixtura.data.scan_sources import (
    BATCH_ROWS,
    Batch,
    ScanSource,
    check_numeric_type,
    numeric_names,
)


class QuerySource(ScanSource):
    """Rows of a library's query, in Arrow's columns.

    Parameters
    ----------
    query : object
        The query.
    label : str
        What messages call it.
    schema : pyarrow.Schema
        Names and types of its columns.
    """

    is_stable = False

    def __init__(self, query: Any, label: str, schema: Any) -> None:
        self._query, self.label, self._schema = query, label, schema
        self.names = tuple(schema.names)

    @property
    def default_names(self) -> tuple[str, ...]:
        return numeric_names(self.label, self._schema)

    def check_numeric(self, name: str) -> None:
        check_numeric_type(self.label, self._schema, name)

    @abstractmethod
    def _results(self, names: list[str]) -> Iterator[Any]:
        """Yield Arrow's record batches or tables of some columns, in an order of the query's."""

    def batches(self, names: Sequence[str], start: int) -> Iterator[Batch]:
        first = 0
        for part in self._results(list(dict.fromkeys(names))):
            for at in range(0, part.num_rows, BATCH_ROWS):
                piece = part.slice(at, BATCH_ROWS)
                yield Batch(first + at, [piece.column(name) for name in names])
            first += part.num_rows

    def fingerprint(self) -> Hashable:
        return None


@final
class DatasetSource(QuerySource):
    """A pyarrow dataset, with its filter; or a table, which is scanned like one."""

    def _results(self, names: list[str]) -> Iterator[Any]:
        options = {"columns": names, "batch_size": BATCH_ROWS}
        return self._query.to_batches(batch_readahead=1, fragment_readahead=1, **options)


@final
class TableSource(QuerySource):
    """An Arrow table in memory."""

    def __init__(self, query: Any, label: str) -> None:
        super().__init__(query, label, query.schema)
        self.n_rows = query.num_rows

    def _results(self, names: list[str]) -> Iterator[Any]:
        return iter(self._query.select(names).to_batches())


@final
class PolarsSource(QuerySource):
    """A polars LazyFrame, which polars optimises and runs in batches."""

    def _results(self, names: list[str]) -> Iterator[Any]:
        chosen = self._query.select(names)
        if hasattr(chosen, "collect_batches"):
            batches = chosen.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)
            return (batch.to_arrow() for batch in batches)
        return iter([chosen.collect().to_arrow()])


@final
class DuckDBSource(QuerySource):
    """A DuckDB relation."""

    def _results(self, names: list[str]) -> Iterator[Any]:
        quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
        chosen = self._query.project(quoted)
        read = getattr(chosen, "to_arrow_reader", None) or chosen.fetch_record_batch
        return iter(read(BATCH_ROWS))
