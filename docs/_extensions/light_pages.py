"""Sphinx extension: leave out of the stylesheet what no page uses.

The theme's stylesheet has 380 kB, most of it for icons and parts that no page has. A rule stays
where every class in one of its selectors occurs in a page or a script of the site.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

STYLESHEET = "_static/styles/pydata-sphinx-theme.css"
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
WORDS = re.compile(r"[\w-]+")
COMMENT = re.compile(r"/\*.*?\*/", flags=re.DOTALL)
SOURCE_MAP = re.compile(r"//# sourceMappingURL=\S+")


def rules(css: str) -> Iterator[tuple[str, str]]:
    """Return selector and body of each rule, of which bodies may hold rules."""
    place = 0
    while (start := css.find("{", place)) >= 0:
        head = css[place:start]
        if ";" in head:  # a statement without a body
            statement, _, head = head.rpartition(";")
            yield statement + ";", ""
        depth, end = 1, start + 1
        while depth:
            depth += {"{": 1, "}": -1}.get(css[end], 0)
            end += 1
        yield head, css[start + 1 : end - 1]
        place = end


def kept(css: str, known: set[str]) -> str:
    """Return the rules that may apply where only the known classes occur."""
    parts = []
    for head, body in rules(css):
        name = head.strip()
        if name.startswith(("@media", "@supports", "@layer")):
            inner = kept(body, known)
            parts += [f"{head}{{{inner}}}"] if inner else []
        elif not body:
            parts.append(head if name.startswith("@") else "")
        elif name.startswith("@"):
            parts.append(f"{head}{{{body}}}")
        else:
            used = [s for s in split(head) if set(CLASS.findall(s)) <= known]
            parts += [f"{','.join(used)}{{{body}}}"] if used else []
    return "".join(parts)


def split(selectors: str) -> list[str]:
    """Return selectors that commas separate, but for commas within brackets."""
    found, depth, start = [], 0, 0
    for place, letter in enumerate(selectors):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            found.append(selectors[start:place])
            start = place + 1
    return [*found, selectors[start:]]


def lighten(app: Sphinx, exception: Exception | None) -> None:
    """Rewrite the stylesheet, and leave out files that only the theme's authors need."""
    if exception is not None or app.builder.name != "html":
        return
    site = Path(app.outdir)
    known: set[str] = set()
    for path in [*site.rglob("*.html"), *site.rglob("*.js")]:
        known |= set(WORDS.findall(path.read_text(encoding="utf-8", errors="replace")))
    css = COMMENT.sub("", (site / STYLESHEET).read_text(encoding="utf-8"))
    (site / STYLESHEET).write_text(kept(css, known), encoding="utf-8")
    for path in [*(site / "_static").rglob("*.map"), *(site / "_static").glob("webpack-*.html")]:
        path.unlink()
    for path in (site / "_static").rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        path.write_text(SOURCE_MAP.sub("", text), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx what comes last."""
    app.connect("build-finished", lighten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
