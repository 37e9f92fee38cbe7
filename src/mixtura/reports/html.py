"""Reports as one HTML file that needs nothing from elsewhere."""

import base64
import hashlib

from mixtura.reports import section_tables
from mixtura.reports.content import Report
from mixtura.reports.markup import PER_BLOCK, environment


def as_html(report: Report) -> str:
    """Return the report as one HTML page.

    Every text is escaped, no script runs, and nothing is loaded: a content security policy forbids
    all but the page's own style sheet, which it names by its hash, and images within the page.
    """
    templates = environment()
    style, _, _ = templates.loader.get_source(templates, "report.css")  # type: ignore[union-attr]
    style = style.strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return templates.get_template("report.html").render(
        report=report,
        style=style,
        style_hash=f"sha256-{digest}",
        tables=section_tables,
        per_block=PER_BLOCK,
    )
