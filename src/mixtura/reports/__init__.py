"""Reports: a fit as plain data, shown on a terminal, as HTML or as JSON."""

from mixtura.reports.build import build_comparison, build_report
from mixtura.reports.classifier_summary import ClassifierSummary
from mixtura.reports.content import Picture, Report, Section
from mixtura.reports.convergence import ConvergenceTable, convergence
from mixtura.reports.criterion_grid import CriterionGrid
from mixtura.reports.fit_comparison import Comparison, comparison
from mixtura.reports.fulltext import as_text, report_renderable
from mixtura.reports.html import as_html
from mixtura.reports.json import as_json
from mixtura.reports.selection_summary import (
    SelectionSummary,
    selection_as_json,
    selection_renderable,
)
from mixtura.reports.summary import Summary, summarize, summary_renderable
from mixtura.reports.tables import Table
from mixtura.reports.writing import RENDERERS, write_report

__all__ = [
    "RENDERERS",
    "ClassifierSummary",
    "Comparison",
    "ConvergenceTable",
    "CriterionGrid",
    "Picture",
    "Report",
    "Section",
    "SelectionSummary",
    "Summary",
    "Table",
    "as_html",
    "as_json",
    "as_text",
    "build_comparison",
    "build_report",
    "comparison",
    "convergence",
    "report_renderable",
    "selection_as_json",
    "selection_renderable",
    "summarize",
    "summary_renderable",
    "write_report",
]
