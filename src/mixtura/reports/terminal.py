"""Text and tables on a terminal, and as plain text."""

import io
import shutil
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mixtura.plots.style import component_colour
from mixtura.plots.text import visible
from mixtura.reports.component_tables import Components
from mixtura.reports.tables import Table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

WIDTH = 100
"""Characters in a line where there is no terminal to ask."""

NARROWEST = 40
GAP = 2


def terminal_width() -> int:
    """Return the characters in a line of the terminal."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def table_as_text(table: Table, width: int | None = None) -> str:
    """Return a table as plain text, as wide as the terminal unless told otherwise."""
    return plain(grid(table), terminal_width() if width is None else width)


def fitting(components: Components, width: int) -> tuple[Table, ...]:
    """Return the components' tables in the layout that fits the width."""
    tables = components.tables()
    single = len(components.features) == 1 and components.intervals is None
    if single or all(table_width(table) <= width for table in tables):
        return tables
    for per_block in (8, 6, 4, 3, 2):
        tables = components.tables(per_block, wide=False)
        if all(table_width(table) <= width for table in tables):
            return tables
    return components.tables(1, wide=False)


def table_width(table: Table) -> int:
    """Return the characters that a line of the table needs."""
    from rich.cells import cell_len

    lines = [table.columns, *table.rows]
    columns = zip(*lines, strict=True)
    widths = [max(cell_len(cell) for cell in column) for column in columns]
    return sum(widths) + (GAP + 1) * (len(widths) - 1)  # rich draws a blank line between columns


def literal(text: str, style: str = "") -> "Text":
    """Return text that rich takes as it is: brackets are brackets, control characters show."""
    from rich.text import Text

    return Text(visible(text), style=style)


def grid(table: Table, *, titled: bool = True) -> "RenderableType":
    """Return a table with its title above and its note below."""
    from rich.console import Group
    from rich.table import Table as Grid

    grid = Grid(box=_ruled(), pad_edge=False, show_edge=False, padding=(0, GAP, 0, 0))
    for position, column in enumerate(table.columns):
        justify = "left" if position < table.n_labels else "right"
        grid.add_column(literal(column, "bold"), justify=justify, overflow="fold")
    for number, row in enumerate(table.rows):
        cells = [literal(cell) for cell in row]
        if table.components is not None:
            cells[0].stylize(component_colour(table.components[number]))
        grid.add_row(*cells)
    parts: list[RenderableType] = [literal(table.title, "bold")] if titled and table.title else []
    parts.append(grid)
    if table.note:
        parts.append(literal(table.note, "dim"))
    return Group(*parts)


def _ruled() -> Any:
    """Return a box that is only a line under the head, in ASCII: text goes anywhere."""
    from rich.box import Box

    empty = "    \n"
    return Box(empty * 2 + " -- \n" + empty * 4 + "    ", ascii=True)


def pairs(listed: Iterable[tuple[str, str]]) -> "RenderableType":
    """Return terms and what is said about them, in two columns."""
    from rich.table import Table as Grid

    grid = Grid.grid(padding=(0, GAP, 0, 0))
    for term, words in listed:
        grid.add_row(literal(term, "italic"), literal(words))
    return grid


def doubtful(doubts: Iterable[str]) -> "list[RenderableType]":
    """Return doubts, each on a line that stands out."""
    return [part for doubt in doubts for part in ("", literal(f"Doubt: {doubt}.", "bold yellow"))]


def plain(renderable: Any, width: int) -> str:
    """Return what rich would print, without colours or control characters."""
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=max(width, NARROWEST),
        force_terminal=False,
        force_jupyter=False,
        color_system=None,
        legacy_windows=False,
    )
    console.print(renderable)
    lines = buffer.getvalue().splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
