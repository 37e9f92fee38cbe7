"""Sphinx extension: formulas that are written as plain text, typeset as HTML.

The pages of the model write ``log det Sigma_k^-1``, which every editor and terminal shows. Here
Greek letters, subscripts, superscripts and signs become what they stand for. A block keeps its
lines and the columns at which its parts begin. Nothing is fetched and no script is needed.
"""

import re
import unicodedata
from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

PAGES = ("model", "notation")
SMALL = "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi"
SMALL += " chi psi omega"
LARGE = "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
SIGNS = {"sum": "∑", "prod": "∏", "sqrt": "√", "xbar": "x̄", "infinity": "∞"}
OPERATORS = {"<=": "≤", ">=": "≥", "!=": "≠", "->": "→", "~": "∼", "-": "−", "||": "‖"}

TOKEN = re.compile(
    r"(?P<mark>[_^])(?=[\w{(\-])|(?P<name>[A-Za-z]+['’]*)|(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)"
    r"|(?P<operator><=|>=|!=|->|\|\||~|-)|(?P<other>.)",
    flags=re.DOTALL,
)
RAISED = re.compile(r"-?(?:[A-Za-z]+'*|\d+(?:\.\d+)?)")
LOWERED = re.compile(r"[A-Za-z0-9+*]+['’]*")
GREEK = "|".join((SMALL + " " + LARGE).split())
IN_PROSE = re.compile(
    rf"(?<![\w`/.\"])(?:[A-Za-z]{{1,2}}|\d+(?=\^)|xbar|sum|prod|log|{GREEK})['’]?"
    r"(?:[_^](?:\{[^{}]*\}|-?[A-Za-z0-9]{1,3}(?![\w.])|\([^()]*\)))+"
    rf"|(?<![\w`/.\"-])(?:{GREEK})['’]?(?![\w-])"
    r"|(?<= )[<>]=(?= )"
)
ARTICLE = re.compile(r"\ba(?= [a-z]{3,})")


def greek(name: str) -> str | None:
    """Return the letter of a name, if it is one."""
    if name in SMALL.split():
        kind = "SMALL"
    elif name in LARGE.split():
        kind = "CAPITAL"
    else:
        return None
    spelled = name.upper().replace("LAMBDA", "LAMDA")
    return unicodedata.lookup(f"GREEK {kind} LETTER {spelled}")


def word(text: str) -> str:
    """Return a name as HTML: one letter slanted, a function's name upright."""
    name = text.rstrip("'’")
    primes = "′" * (len(text) - len(name))
    letter = greek(name)
    if letter is not None:
        return f"<i>{letter}</i>{primes}" if name[0].islower() else letter + primes
    if name in SIGNS:
        return SIGNS[name] + primes
    return f"<i>{name}</i>{primes}" if len(name) == 1 else name + primes


def indices(text: str) -> str:
    """Return what stands below: letters one by one, unless they are a name."""
    if text in SIGNS or greek(text.rstrip("'")) is not None or not text.isalnum():
        return typeset(text)
    return "".join(f"<i>{c}</i>" if c.isalpha() else c for c in text)


def closing(text: str, start: int) -> int:
    """Return where the bracket that opens at ``start`` ends."""
    pairs = {"{": "}", "(": ")"}
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == text[start]) - (text[place] == pairs[text[start]])
        if depth == 0:
            return place
    return len(text) - 1


def script(text: str, start: int, mark: str) -> tuple[str, int]:
    """Return a subscript or superscript as HTML, and where the text goes on."""
    tag = "sub" if mark == "_" else "sup"
    if text[start] in "{(":
        end = closing(text, start)
        inner = typeset(text[start + 1 : end])
        return f"<{tag}>{inner}</{tag}>", end + 1
    found = (LOWERED if mark == "_" else RAISED).match(text, start)
    if found is None:
        return escape(mark), start
    said = found[0]
    inner = indices(said) if mark == "_" else ("T" if said == "T" else typeset(said))
    return f"<{tag}>{inner}</{tag}>", found.end()


def typeset(text: str) -> str:
    """Return a piece of a formula as HTML."""
    parts, place = [], 0
    while place < len(text):
        if ARTICLE.match(text, place):  # English, not a symbol
            parts.append("a")
            place += 1
            continue
        token = TOKEN.match(text, place)
        assert token is not None
        place = token.end()
        if token["mark"]:
            said, place = script(text, place, token["mark"])
            parts.append(said)
        elif token["name"]:
            parts.append(word(token["name"]))
        elif token["operator"]:
            parts.append(OPERATORS[token["operator"]])
        else:
            parts.append(escape(token[0]))
    return "".join(parts)


def columns(number: int) -> str:
    """Return a width in CSS: typeset letters are narrower than those of an editor."""
    return f"{0.85 * number:.4g}ch"


def typeset_line(line: str) -> str:
    """Return a line; parts that stand apart begin at the columns that they have in the source."""
    parts = list(re.finditer(r"\S+(?: \S+)*", line))
    if not parts:
        return ""
    html = (
        [f'<span style="min-width:{columns(parts[0].start())}"></span>'] if parts[0].start() else []
    )
    for number, part in enumerate(parts):
        last = number + 1 == len(parts)
        width = (
            ""
            if last
            else f' style="min-width:{columns(parts[number + 1].start() - part.start())}"'
        )
        html.append(f"<span{width}>{typeset(part[0])}</span>")
    return "".join(html)


def typeset_block(text: str) -> str:
    """Return a block of formulas as HTML."""
    lines = (f"<div>{typeset_line(line) or '&nbsp;'}</div>" for line in text.splitlines())
    return f'<div class="formulas" role="math">{"".join(lines)}</div>'


def typeset_page(app: Sphinx, doctree: nodes.document) -> None:
    """Typeset the blocks and the symbols of a page of the model."""
    if app.env.current_document.docname.partition("/")[0] not in PAGES:
        return
    for block in list(doctree.findall(nodes.literal_block)):
        if block.get("language") in (None, "none", "default"):
            block.replace_self(nodes.raw("", typeset_block(block.astext()), format="html"))
    for text in list(doctree.findall(nodes.Text)):
        above = text.parent
        if isinstance(above, nodes.literal | nodes.literal_block | nodes.title | nodes.raw):
            continue
        parts: list[nodes.Node] = []
        last = 0
        for found in IN_PROSE.finditer(text):
            parts.append(nodes.Text(text[last : found.start()]))
            parts.append(
                nodes.raw("", f'<span class="symbol">{typeset(found[0])}</span>', format="html")
            )
            last = found.end()
        if parts:
            above.replace(text, [*parts, nodes.Text(text[last:])])


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the formulas."""
    app.connect("doctree-read", typeset_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
