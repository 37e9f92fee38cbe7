"""Text that users wrote, made safe to look at: names of features, labels, titles."""

import unicodedata

UNNAMED = "(unnamed)"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
MAX_LENGTH = 40
"""Characters of a name that a label shows."""

_INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}
_DIRECTIONS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that reorder the text around them, by which a name could rewrite its neighbours."""


def printable(text: object) -> str:
    """Return the text with every character visible; an empty one becomes ``(unnamed)``."""
    seen = visible(text)
    return seen if seen.strip() else UNNAMED


def visible(text: object) -> str:
    r"""Return the text with every character visible.

    Control characters, line breaks, lone surrogates and marks of direction become escapes such as
    ``\n`` and ``\x1b``, so that a name can neither move a cursor nor break an encoding.
    """
    return "".join(_escaped(c) if _is_hidden(c) else c for c in str(text))


def shortened(text: str, limit: int = MAX_LENGTH) -> str:
    """Return the text, cut to the limit with an ellipsis where it is longer."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def _is_hidden(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    if character in _DIRECTIONS or (ord(character) & 0xFFFE) == 0xFFFE:
        return True
    return unicodedata.category(character) in _INVISIBLE


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
