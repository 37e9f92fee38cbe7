"""Delimited text that a scan reads, block by block where it is large."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from mixtura.data.columns import RawTable, counts_rows
from mixtura.data.delimited import located_cell, open_delimited, text_reader, trimmed_words
from mixtura.data.dialect import MISSING
from mixtura.data.file_table import MissingCells
from mixtura.data.scan_sources import ScannedFile
from mixtura.data.sources import one_line, open_source, shown
from mixtura.data.tabular import read_table
from mixtura.errors import DataError

READ_WHOLE = 1 << 26
"""Bytes up to which a text is read at once, by the reader of tables."""


@final
class TextScanFile(ScannedFile):
    """A CSV file or one of its relatives; delimiter, header and decimal mark are guessed.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self.path, self.n_rows = path, None
        self._source = open_source(path)
        self._is_small = path.stat().st_size <= READ_WHOLE
        self._raw: RawTable = open_delimited(self._source)
        if self._is_small:
            types = [self._type(i) for i in range(len(self._raw.names))]
        else:
            types = self._types_of_first_block()
        self.schema = pa.schema(list(zip(self._raw.names, types, strict=True)))

    @property
    def row_numbers(self) -> frozenset[str]:
        import pyarrow as pa

        found = []
        for index in self._raw.row_numbers:
            if self._is_small:
                numbers = self._raw.load([index])[0].values
            else:
                with text_reader(self._source, [index], None) as reader:
                    numbers = pa.chunked_array([reader.read_next_batch().column(0)])
            if numbers is not None and counts_rows(numbers):
                found.append(self._raw.names[index])
        return frozenset(found)

    def _type(self, index: int) -> Any:
        import pyarrow as pa

        (column,) = self._raw.load([index])
        if column.values is not None:
            return column.values.type
        return pa.null() if column.kind == "no values" else pa.string()

    def _types_of_first_block(self) -> list[Any]:
        import pyarrow as pa

        positions = range(len(self._raw.names))
        try:
            with text_reader(self._source, positions, None) as reader:
                return [reader.schema.field(str(position)).type for position in positions]
        except pa.ArrowInvalid as error:
            raise DataError(f"{self.label}: could not be parsed: {one_line(error)}") from None

    def batches(self, names: Sequence[str], start: int) -> Iterator[tuple[int, list[Any]]]:
        if self._is_small:
            yield 0, self._whole(names)
            return
        import pyarrow as pa

        positions = [self._raw.names.index(name) for name in names]
        texts = [pa.types.is_string(self.schema.field(name).type) for name in names]
        types = {
            str(position): pa.string() if is_text else pa.float64()
            for position, is_text in zip(positions, texts, strict=True)
        }
        first = 0
        try:
            with text_reader(self._source, positions, types) as reader:
                for batch in reader:
                    columns = [batch.column(str(position)) for position in positions]
                    yield (
                        first,
                        [
                            trimmed_words(column) if is_text else column
                            for column, is_text in zip(columns, texts, strict=True)
                        ],
                    )
                    first += batch.num_rows
        except pa.ArrowInvalid as error:
            self._refuse(names, first, one_line(error))

    def _whole(self, names: Sequence[str]) -> list[Any]:
        import pyarrow as pa

        texts = [n for n in names if pa.types.is_string(self.schema.field(n).type)]
        others = [name for name in names if name not in texts]
        known: dict[str, Any] = {
            name: self._raw.words(self._raw.names.index(name)) for name in texts
        }
        if others:
            distinct = list(dict.fromkeys(others))
            table = read_table(self.path, distinct, missing=MissingCells.INTEGRATE)
            columns = np.ascontiguousarray(table.values.T)
            known |= {
                name: pa.array(column) for name, column in zip(distinct, columns, strict=True)
            }
        return [known[name] for name in names]

    def _refuse(self, names: Sequence[str], first: int, said: str) -> None:
        """Raise DataError for the first cell from a row on that is no number."""
        for name in names:
            position = self._raw.names.index(name)
            found = located_cell(self._source, position, first, self._is_number)
            if found is not None:
                row, line, cell = found
                raise DataError(
                    f"{self.label}: row {row + 1} (line {line}), column {shown(name)}: "
                    f"{shown(cell)} is not a number"
                )
        raise DataError(f"{self.label}: after row {first} could not be parsed: {said}")

    @staticmethod
    def _is_number(cell: str) -> bool:
        try:
            float(cell.replace(",", "."))
        except ValueError:
            return cell.strip() in MISSING
        return True
