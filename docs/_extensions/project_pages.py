"""Sphinx extension: the pages at the root of the repository become pages of the site."""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

PAGES = ("ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "VISION")
LINK = re.compile(r"(?<=\]\()([^)\s:#]+)(?=[)#])")
ROOT_PAGE = re.compile(r"(?<=\]\()(?:\.\./)+(" + "|".join(PAGES) + r")\.md")


def moved(target: str) -> str:
    """Return a link of a page at the root as seen from docs/project."""
    name = target.removesuffix(".md")
    if name in PAGES:
        return f"{name.lower()}.md"
    return f"../{target.removeprefix('docs/')}" if target.startswith("docs/") else f"../../{target}"


def write_pages(app: Sphinx) -> None:
    """Write the pages before Sphinx looks for pages."""
    docs = Path(app.srcdir)
    (docs / "project").mkdir(exist_ok=True)
    for name in PAGES:
        text = (docs.parent / f"{name}.md").read_text(encoding="utf-8")
        text = LINK.sub(lambda found: moved(found[1]), text)
        page = docs / "project" / f"{name.lower()}.md"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def link(app: Sphinx, docname: str, source: list[str]) -> None:
    """Lead links to pages at the root to their copies."""
    source[0] = ROOT_PAGE.sub(lambda found: f"/project/{found[1].lower()}.md", source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the pages."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
