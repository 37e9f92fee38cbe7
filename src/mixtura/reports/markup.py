"""Text and tables as HTML: everything is escaped."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mixtura.plots.style import component_colour, component_marker
from mixtura.plots.text import visible
from mixtura.reports.tables import Table

if TYPE_CHECKING:
    from jinja2 import Environment

MARKS = {
    "o": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "s": "M-3.6-3.6h7.2v7.2h-7.2z",
    "^": "M0-4.2L4.2 3.6H-4.2z",
    "D": "M0-4.6L4.6 0L0 4.6L-4.6 0z",
    "v": "M0 4.2L4.2-3.6H-4.2z",
    "P": "M-1.5-4.3h3v2.8h2.8v3h-2.8v2.8h-3v-2.8h-2.8v-3h2.8z",
    "X": "M-4-2L-2-4L0-2L2-4L4-2L2 0L4 2L2 4L0 2L-2 4L-4 2L-2 0z",
    "*": "M0-4.8L1.1-1.5H4.6L1.8.6L2.8 3.9L0 1.9L-2.8 3.9L-1.8.6L-4.6-1.5H-1.1z",
    "p": "M0-4.4L4.2-1.4L2.6 3.6H-2.6L-4.2-1.4z",
}
"""The marker shapes of plots as SVG paths, for the tables."""

PER_BLOCK = 5
"""Components side by side where features are rows."""


def fragment(
    tables: Sequence[Table], sentences: Sequence[str] = (), doubts: Sequence[str] = ()
) -> str:
    """Return sentences, doubts and tables as a piece of HTML, as notebooks show it."""
    template = environment().get_template("fragment.html")
    return template.render(tables=tables, lines=sentences, doubts=doubts)


@lru_cache(maxsize=1)
def environment() -> "Environment":
    """Return the templates, with escaping switched on."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("mixtura.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["visible"] = visible
    templates.globals["mark"] = _mark
    return templates


def _mark(component: int) -> Any:
    """Return the colour and shape of a component as a small drawing."""
    from markupsafe import Markup

    shape = MARKS[component_marker(component)]
    return Markup(
        f'<svg class="mark" viewBox="-5 -5 10 10" width="11" height="11" aria-hidden="true">'
        f'<path fill="{component_colour(component)}" d="{shape}"/></svg>'
    )
