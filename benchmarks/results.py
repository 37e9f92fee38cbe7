"""Printing tables and saving them."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from benchmarks.table import Table

FOLDER = Path(__file__).resolve().parent / "results"


def show(table: Table, console: Console) -> None:
    """Print a table: drawn on a terminal, as Markdown where the output is piped."""
    if not console.is_terminal:
        console.file.write(table_markdown(table) + "\n")
        console.file.flush()
        return
    drawn = _drawn(table)
    unbounded = console.options.update(max_width=10_000)
    if Measurement.get(console, unbounded, drawn).maximum > console.width:
        drawn = _drawn_as_records(table)
    console.print(Text(f"{table.name}: {table.title}", style="bold"))
    console.print(drawn)
    for note in table.notes:
        console.print(Text(f"* {note}", style="dim"))


def _drawn(table: Table) -> RichTable:
    """Return the table as it is."""
    drawn = RichTable()
    for column in table.columns:
        drawn.add_column(Text(column), no_wrap=True)
    for row in table.rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn


def _drawn_as_records(table: Table) -> RichTable:
    """Return the table with one line for each cell, for narrow terminals."""
    drawn = RichTable(show_header=False)
    for row in table.rows:
        for column, cell in zip(table.columns, row, strict=True):
            drawn.add_row(Text(column, style="dim"), Text(cell))
        drawn.add_section()
    return drawn


def show_facts(facts: dict[str, Any], console: Console) -> None:
    """Print what was measured on."""
    text = _facts_markdown(facts)
    if console.is_terminal:
        console.print(Text(text))
    else:
        console.file.write(text + "\n")


def table_markdown(table: Table) -> str:
    """Return a table as Markdown."""
    lines = [f"## {table.name}: {table.title}", ""]
    lines += [_line(table.columns), _line(["---"] * len(table.columns))]
    lines += [_line(row) for row in table.rows]
    lines += ["", *(f"* {note}" for note in table.notes), ""]
    return "\n".join(lines)


def save(
    label: str, facts: dict[str, Any], tables: Sequence[Table], folder: Path = FOLDER
) -> list[Path]:
    """Write all tables as JSON, with every timing, and as Markdown; return the two paths."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {"machine": facts, "tables": [table.as_json() for table in tables]}
    header = f"# Benchmarks\n\n{_facts_markdown(facts)}\n"
    contents = {
        ".json": json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        ".md": "\n".join([header, *(table_markdown(table) for table in tables)]),
    }
    paths = []
    for ending, content in contents.items():
        path = folder / f"{label}{ending}"
        unfinished = folder / f"{label}{ending}.part"
        unfinished.write_text(content, encoding="utf-8")
        os.replace(unfinished, path)
        paths.append(path)
    return paths


def _facts_markdown(facts: dict[str, Any]) -> str:
    return "\n".join(f"* {name}: {value}" for name, value in facts.items()) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
