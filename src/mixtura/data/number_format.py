"""How the numbers of a text are written: decimal mark, thousands separators, currency, percent."""

# pyarrow makes the functions of its compute module at run time.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from mixtura.errors import InvalidArgumentError

if TYPE_CHECKING:
    import pyarrow as pa

SEPARATORS = {
    ",": ",",
    ".": r"\.",
    "'": "['’]",
    "_": "_",
    " ": "[ \u00a0\u202f\u2009]",
}
"""Thousands separators, and the pattern of each: blanks may be no-break or thin ones."""

_MARK = r"(?:\p{Sc}|[A-Z]{3})"


@final
@dataclass(frozen=True)
class NumberFormat:
    """What was said of how numbers are written; what was not said is guessed.

    Parameters
    ----------
    thousands : str, optional
        What stands between groups of three digits: ``,``, ``.``, ``'``, ``_`` or a blank.
    decimal : str, optional
        The decimal mark, ``.`` or ``,``; the other of the two where ``thousands`` is one of them.
    marks : bool, default=False
        Whether currency signs and codes are left out, and percentages divided by 100.

    Raises
    ------
    InvalidArgumentError
        If a mark is none of these, or both are the same.
    """

    thousands: str | None = None
    decimal: str | None = None
    marks: bool = False

    def __post_init__(self) -> None:
        if self.thousands is not None and self.thousands not in SEPARATORS:
            raise InvalidArgumentError(
                f"must be a comma, a point, an apostrophe, an underscore or a blank; got "
                f"{self.thousands[:9]!r}",
                argument="thousands",
            )
        if self.decimal is not None and self.decimal not in (".", ","):
            raise InvalidArgumentError(
                f"must be a point or a comma; got {self.decimal[:9]!r}", argument="decimal"
            )
        if self.thousands is not None and self.thousands == self.decimal:
            raise InvalidArgumentError(
                f"cannot be the decimal mark too; got {self.thousands!r}", argument="thousands"
            )
        if self.decimal is None and self.thousands in (",", "."):
            object.__setattr__(self, "decimal", "." if self.thousands == "," else ",")

    @property
    def is_plain(self) -> bool:
        """Whether cells are numbers as they stand."""
        return self.thousands is None and not self.marks

    def plain(self, cells: list[str]) -> list[str]:
        """Return cells as numbers without separators and marks, for guesses about a text."""
        if self.is_plain:
            return cells
        import pyarrow as pa

        texts = pa.chunked_array([pa.array([cell.strip() for cell in cells], pa.string())])
        return self.cleaned(texts, self.decimal or ".,")[0].to_pylist()

    def cleaned(
        self, cells: "pa.ChunkedArray", decimal: str
    ) -> "tuple[pa.ChunkedArray, pa.ChunkedArray | None]":
        """Return texts without separators and marks, and which of them were percentages.

        Parameters
        ----------
        cells : pyarrow.ChunkedArray of strings, length N
            Texts without white space around them.
        decimal : str
            The decimal mark, or both where it is not known yet.
        """
        import pyarrow.compute as pc

        percent = None
        if self.marks:
            percent = pc.match_substring_regex(cells, r"[0-9.,]\s*%$")
            cells = pc.replace_substring_regex(cells, r"\s*%$", "")
            cells = pc.replace_substring_regex(cells, rf"^{_MARK}\s*([+-]?)", r"\1")
            cells = pc.replace_substring_regex(cells, rf"^([+-])\s*{_MARK}\s*", r"\1")
            cells = pc.replace_substring_regex(cells, rf"\s*{_MARK}$", "")
        if self.thousands is not None:
            mark, separator = f"[{decimal}]", SEPARATORS[self.thousands]
            groups = rf"^[+-]?[0-9]{{1,3}}(?:{separator}[0-9]{{3}})+(?:{mark}[0-9]*)?$"
            whole = pc.replace_substring_regex(cells, separator, "")
            cells = pc.if_else(pc.match_substring_regex(cells, groups), whole, cells)
        return cells, percent


AS_THEY_STAND = NumberFormat()
"""Numbers of which nothing was said."""
