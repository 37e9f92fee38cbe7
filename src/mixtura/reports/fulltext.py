"""Reports on a terminal, and as plain text."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mixtura.reports import section_tables
from mixtura.reports.content import Report, Section
from mixtura.reports.terminal import WIDTH, doubtful, fitting, grid, literal, pairs, plain

if TYPE_CHECKING:
    from rich.console import Group, RenderableType


def as_text(report: Report, width: int = WIDTH) -> str:
    """Return the report as plain text."""
    return plain(report_renderable(report, width), width)


def report_renderable(report: Report, width: int = WIDTH) -> "Group":
    """Return the report for a rich console of the given width."""
    from rich.console import Group

    parts: list[RenderableType] = [literal(report.title, "bold")]
    if report.source:
        parts.append(literal(f"Data: {report.source}"))
    if report.comparison is not None:
        parts += ["", grid(report.comparison.table())]
    for section in report.sections:
        if section.title:
            parts += ["", literal(section.title, "bold underline")]
        parts += _section(section, width)
    if report.notes:
        parts += _listing("Notes", report.notes)
    told = ", ".join(f"{term} {value}" for term, value in report.provenance)
    if told:
        parts += ["", literal(f"Made with {told}.", "dim")]
    return Group(*parts)


def _section(section: Section, width: int) -> "list[RenderableType]":
    parts = doubtful(section.doubts)
    parts += ["", *(literal(sentence) for sentence in section.headline)]
    for table in fitting(section.components, width):
        parts += ["", grid(table)]
    parts += ["", literal("Model", "bold"), pairs(section.model)]
    parts += ["", literal("Method", "bold"), literal(section.method_words)]
    parts += [pairs(section_tables.scores(section)), literal(section_tables.CRITERIA_NOTE, "dim")]
    if section.convergence is not None:
        parts += ["", *(literal(sentence) for sentence in section.convergence.sentences)]
        parts += ["", grid(section.convergence.table())]
    if len(section.starts) > 1:
        parts += ["", grid(section_tables.starts(section))]
    if section.assumptions:
        parts += _listing("Assumptions", section.assumptions)
    return parts


def _listing(heading: str, sentences: Iterable[str]) -> "list[RenderableType]":
    return ["", literal(heading, "bold"), *(literal(f"- {sentence}") for sentence in sentences)]
