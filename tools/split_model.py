"""Split docs/model.md into a page for each chapter under docs/model, and mend the links to it.

Run once, from the root of the repository: ``python tools/split_model.py``. Chapters are the
headings of second rank. Examples of a chapter that need names of an earlier one get the lines that
define them. Headings take the field's words, and paragraphs of more than 80 words are divided.
"""

import ast
import builtins
import doctest
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGE, FOLDER = DOCS / "model.md", DOCS / "model"
LONGEST = 80

RENAMED = {
    "Renumbering draws": "Label switching",
    "How far draws can be believed": "Convergence diagnostics",
}
PHRASES = {
    "does not hang on how": "does not depend on how",
    "weights must be whole numbers": "weights must be integers",
}
PARTS = {
    "The model": "The generative model",
    "Point estimates, and what they need of data": "What MAP means",
    "Variational Bayes, and rows in parts": "Variational Bayes",
    "Starts, sweeps and answers": "Starts, ranking and numbering",
    "Sampling": "Gibbs sampling",
    "Answers from draws": "Renumbering draws",
}
"""Titles of the parts of the list, by the chapter that each begins with."""

FENCED = re.compile(r"(^```.*?^```$\n?)", flags=re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
CHAPTER = re.compile(r"^## (.+)\n", flags=re.MULTILINE)
HEADING = re.compile(r"^(#+) (.+)$", flags=re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Return a text of which everything but fenced blocks is changed."""
    parts = FENCED.split(text)
    return "".join(part if part.startswith("```") else change(part) for part in parts)


def chapters(text: str) -> Iterator[tuple[str, str]]:
    """Return title and text of each chapter."""
    parts = CHAPTER.split(text)
    yield from zip(parts[1::2], parts[2::2], strict=True)


def divided(paragraph: str) -> str:
    """Return a paragraph in pieces of at most 80 words, cut between sentences."""
    item = re.match(r"([*-]|\d+\.) ", paragraph)
    indent = " " * len(item[0]) if item else ""
    sentences = re.split(r"(?<=[.:;)])\s+(?=[A-Z(*`\[])", paragraph)
    pieces, lengths = [""], [0]
    for sentence in sentences:
        length = len(sentence.split())
        if pieces[-1] and lengths[-1] + length > LONGEST:
            pieces.append("")
            lengths.append(0)
        pieces[-1] += (" " if pieces[-1] else "") + sentence
        lengths[-1] += length
    return f"\n\n{indent}".join(pieces)


def with_short_paragraphs(text: str) -> str:
    """Return prose whose paragraphs and items are short where their sentences allow it."""
    lines = text.split("\n")
    found = []
    for line in lines:
        is_prose = not line.startswith(("|", "#", "```")) and len(line.split()) > LONGEST
        found.append(divided(line) if is_prose else line)
    return "\n".join(found)


def joined_lines(text: str) -> str:
    """Return prose in which every paragraph is one line."""
    return re.sub(r"(?<=[^\n|])\n *(?=[^\s|#*`\d-])", " ", text)


def prose(text: str) -> str:
    """Return the prose of a chapter, its headings a rank higher and its paragraphs short."""
    raised = HEADING.sub(lambda heading: f"{heading[1][1:]} {heading[2]}", text)
    lines = re.split(r"(?<=\n)(?=#)|(?<=\n\n)", raised)
    return "".join(with_short_paragraphs(joined_lines(part)) for part in lines)


def defined(node: ast.stmt) -> set[str]:
    """Return the names that a statement defines."""
    names = {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    if isinstance(node, ast.Import | ast.ImportFrom):
        names |= {alias.asname or alias.name for alias in node.names}
    return names


def needed(source: str, earlier: list[str]) -> list[str]:
    """Return the earlier statements that define what a chapter's examples need."""
    known, missing = set(dir(builtins)), set()
    for statement in ast.parse(source).body:
        loads = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
        known_here = known | defined(statement)
        missing |= loads - known_here
        known = known_here
    chosen: list[int] = []
    while missing:
        name = missing.pop()
        places = [i for i, text in enumerate(earlier) if name in defined(ast.parse(text).body[0])]
        place = places[-1]
        if place in chosen:
            continue
        chosen.append(place)
        statement = ast.parse(earlier[place])
        loads = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
        missing |= loads - set(dir(builtins)) - defined(statement.body[0])
    return [earlier[place] for place in sorted(chosen)]


def with_own_examples(text: str, earlier: list[str]) -> str:
    """Return a chapter whose examples run by themselves; adds its definitions to the earlier."""
    parser = doctest.DocTestParser()
    examples = [e for block in PYTHON.findall(text) for e in parser.get_examples(block)]
    if not examples:
        return text
    wanted = needed("".join(example.source for example in examples), earlier)
    for example in examples:
        body = ast.parse(example.source).body
        if len(body) == 1 and not example.want and defined(body[0]):
            earlier.append(example.source)
    if not wanted:
        return text
    prompts = "".join(
        f"{'>>>' if number == 0 else '...'} {line}\n"
        for source in wanted
        for number, line in enumerate(source.splitlines())
    )
    return text.replace("```python\n", f"```python\n{prompts}", 1)


def main() -> None:
    """Write the chapters, the list of chapters, and the mended links."""
    text = PAGE.read_text(encoding="utf-8")
    if "\n## The generative model\n" not in text:
        sys.exit("docs/model.md has been split already")
    for phrase, better in PHRASES.items():
        text = text.replace(phrase, better)
    intro = text[: text.index("\n1. [")].strip()
    found = list(chapters(text))
    place_of: dict[str, str] = {}
    for title, body in found:
        file = f"{slug(RENAMED.get(title, title))}.md"
        place_of[slug(title)] = f"{file}#{slug(RENAMED.get(title, title))}"
        for _, heading in HEADING.findall(FENCED.sub("", body)):
            place_of.setdefault(slug(heading), f"{file}#{slug(heading)}")
    write_chapters(found, place_of)
    write_list(intro, [title for title, _ in found])
    mend_links(place_of)


def write_chapters(found: list[tuple[str, str]], place_of: dict[str, str]) -> None:
    """Write a page for each chapter."""
    FOLDER.mkdir(exist_ok=True)
    earlier: list[str] = []

    def moved(link: re.Match[str]) -> str:
        target = link[1]
        if target.startswith("#"):
            return f"]({place_of[target[1:]]})"
        return link[0] if re.match(r"[a-z]+:", target) else f"](../{target})"

    for title, body in found:
        name = RENAMED.get(title, title)
        own = with_own_examples(body, earlier)
        text = outside_fences(own, lambda part: prose(LINK.sub(moved, part)))
        page = FOLDER / f"{slug(name)}.md"
        page.write_text(f"# {name}\n\n{text.strip()}\n", encoding="utf-8")


def write_list(intro: str, titles: list[str]) -> None:
    """Write the page that lists the chapters."""
    lines, names = [intro, ""], []
    begins = {chapter: part for part, chapter in PARTS.items()}
    for title in titles:
        name = RENAMED.get(title, title)
        if title in begins:
            lines += ["", f"**{begins[title]}**", ""]
        lines.append(f"* [{name}](model/{slug(name)}.md)")
        names.append(f"model/{slug(name)}")
    contents = "\n".join([*names, "notation", "references"])
    lines += ["", "```{toctree}", ":hidden:", "", contents, "```"]
    PAGE.write_text(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n", encoding="utf-8")


def mend_links(place_of: dict[str, str]) -> None:
    """Lead links to places of the old page to the chapters."""
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    for page in pages:
        text = page.read_text(encoding="utf-8")

        def mended(link: re.Match[str]) -> str:
            return f"]({link[1]}model/{place_of[link[2]]})"

        changed = re.sub(r"\]\(((?:\.\./)*(?:docs/)?)model\.md#([^)\s]+)\)", mended, text)
        if changed != text:
            page.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    main()
