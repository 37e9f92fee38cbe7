"""Sphinx extension: the page of references, made of references.bib, and links to it.

A docstring cites as ``[Key]_``; a Markdown page as ``[Key]``, which stays readable elsewhere.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx

PAGE = "references"
ENTRY = re.compile(r"^@\w+\{([^,\s]+),\n(.*?)^\}", flags=re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^\s*(\w+)\s*=\s*\{(.*?)\},?$", flags=re.MULTILINE | re.DOTALL)
CITED = re.compile(r"\[([A-Z][A-Za-z]*[0-9]{4}[a-z]?)\]")
ACCENT = {"'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "c": "\u0327"}
ACCENT |= {"v": "\u030c", "H": "\u030b", "=": "\u0304", "u": "\u0306"}
LETTERS = {r"\ss": "ß", r"\o": "ø", r"\O": "Ø", r"\l": "ł", r"\L": "Ł", r"\i": "i"}


def plain(text: str) -> str:
    """Return a field of BibTeX as plain text."""
    import unicodedata

    for code, letter in LETTERS.items():
        text = re.sub(re.escape(code) + r"(?![A-Za-z])\s?", letter, text)
    text = re.sub(
        r"\\([`'^\"~cvHu=])\s*\{?(\w)\}?", lambda found: found[2] + ACCENT[found[1]], text
    )
    text = re.sub(r"\\([&%$_#])", r"\1", text).replace("--", "–").replace("~", " ")
    return unicodedata.normalize("NFC", re.sub(r"\s+", " ", re.sub(r"[{}]", "", text)))


def authors(text: str) -> str:
    """Return the authors as family names with initials."""
    people = []
    for person in text.split(" and "):
        family, _, given = person.partition(", ")
        initials = " ".join(f"{part[0]}." for part in re.split(r"[\s-]+", given) if part)
        people.append(f"{family}, {initials}" if initials else family)
    if len(people) == 1:
        return people[0]
    return f"{', '.join(people[:-1])} and {people[-1]}"


def entries(path: Path) -> Iterator[tuple[str, str]]:
    """Return key and text of every entry."""
    for key, body in ENTRY.findall(path.read_text(encoding="utf-8")):
        fields = {name.lower(): plain(value) for name, value in FIELD.findall(body)}
        where = next((fields[f] for f in ("journal", "booktitle", "publisher") if f in fields), "")
        volume = fields.get("volume", "") + (f"({fields['number']})" if "number" in fields else "")
        place = ", ".join(part for part in (f"*{where}*" if where else "", volume) if part)
        pages = f", {fields['pages']}" if "pages" in fields else ""
        said = f"{authors(fields['author'])} ({fields['year']}). {fields['title']}."
        said += f" {place}{pages}." if place else ""
        if "doi" in fields:
            # A name may hold signs that would end the link.
            address = quote(fields["doi"], safe="/()")
            said += f" `doi:{address} <https://doi.org/{address}>`__"
        elif "url" in fields:
            said += f" {fields['url']}"
        yield key, said


def write_page(app: Sphinx) -> None:
    """Write the page before Sphinx looks for pages."""
    lines = ["References", "==========", ""]
    for key, text in sorted(entries(Path(app.srcdir) / "references.bib")):
        lines += [f".. [{key}] {text}", ""]
    page = Path(app.srcdir) / f"{PAGE}.rst"
    content = "\n".join(lines)
    if not page.exists() or page.read_text(encoding="utf-8") != content:
        page.write_text(content, encoding="utf-8")


def accept_uncited(app: Sphinx, doctree: nodes.document) -> None:
    """Let entries stand that only Markdown pages cite."""
    if app.env.current_document.docname == PAGE:
        domain: Any = app.env.get_domain("citation")
        for key in domain.citations:
            domain.citation_refs.setdefault(key, set()).add(PAGE)


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Turn the citations of Markdown pages into links."""
    domain: Any = app.env.get_domain("citation")
    for text in list(doctree.findall(nodes.Text)):
        parent = text.parent
        if isinstance(parent, nodes.literal | nodes.literal_block | nodes.reference):
            continue
        parts, last = [], 0
        for found in CITED.finditer(text):
            if found[1] not in domain.citations:
                continue
            page, anchor, _ = domain.citations[found[1]]
            address = f"{app.builder.get_relative_uri(docname, page)}#{anchor}"
            parts += [nodes.Text(text[last : found.start()])]
            parts += [nodes.reference("", found[0], internal=True, refuri=address)]
            last = found.end()
        if parts:
            parent.replace(text, [*parts, nodes.Text(text[last:])])


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the page and of the links."""
    app.connect("builder-inited", write_page)
    app.connect("doctree-read", accept_uncited)
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
