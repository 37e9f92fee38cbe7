"""Check the built site: no broken link, nothing from elsewhere, a light first page.

Run as ``python tools/check_site.py build/docs``; prints what is broken, and then exits with 1.
"""

import re
import sys
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FIRST_PAGE, LARGEST_FIRST_PAGE = "index.html", 500_000
"""The page that is weighed with everything that it loads, and its limit in bytes."""

ADDRESS = re.compile(r"url\(\s*[\"']?(?!data:|#)([^)\"']+)")


@dataclass
class Page(HTMLParser):
    """What a page links to, what it loads, and where one can link to in it."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses and the anchors of an element."""
        given = {name: value for name, value in attrs if value}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(given["href"])
        if tag in ("script", "img", "iframe", "source") and "src" in given:
            self.loads.append(given["src"])


@cache
def read(path: Path) -> Page:
    """Return the parsed page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def is_remote(address: str) -> bool:
    """Return whether an address leads out of the site."""
    parts = urlsplit(address)
    return bool(parts.scheme or parts.netloc)


def target(page: Path, address: str) -> Path:
    """Return the file that an address of a page stands for."""
    said = unquote(urlsplit(address).path)
    return (page.parent / said).resolve() if said else page


def broken(page: Path) -> list[str]:
    """Return what is wrong with the links and the parts of a page."""
    parsed, found = read(page), []
    for address in parsed.links:
        if is_remote(address):
            continue
        there, anchor = target(page, address), unquote(urlsplit(address).fragment)
        if not there.exists():
            found.append(f"no such page: {address}")
        elif anchor and there.suffix == ".html" and anchor not in read(there).anchors:
            found.append(f"no such place: {address}")
    for address in parsed.loads:
        if address.startswith("data:"):
            continue
        if is_remote(address):
            found.append(f"loaded from elsewhere: {address}")
        elif not target(page, address).is_file():
            found.append(f"not there: {address}")
    return found


def weight(page: Path) -> int:
    """Return the size of a page and everything that it loads, in bytes."""
    parts = {target(page, address) for address in read(page).loads if not is_remote(address)}
    return page.stat().st_size + sum(part.stat().st_size for part in parts if part.is_file())


def main(folder: str) -> int:
    """Check every page; return the exit code."""
    site = Path(folder).resolve()
    pages = sorted(site.rglob("*.html"))
    said = [f"{page.relative_to(site)}: {what}" for page in pages for what in broken(page)]
    for sheet in site.rglob("*.css"):
        found = filter(is_remote, ADDRESS.findall(sheet.read_text(encoding="utf-8")))
        name = sheet.relative_to(site)
        said += [f"{name}: loaded from elsewhere: {address}" for address in found]
    size = weight(site / FIRST_PAGE)
    if size > LARGEST_FIRST_PAGE:
        said.append(f"{FIRST_PAGE}: {size:,} bytes with all parts, above {LARGEST_FIRST_PAGE:,}")
    print("\n".join(said) or f"{len(pages)} pages, no broken link; the first has {size:,} bytes")
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
