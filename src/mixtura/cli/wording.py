"""Text for terminals: user data made harmless, Python's names turned into options."""

import re
import unicodedata

OPTION_OF = {
    "n_components": "--components",
    "covariance_type": "--covariance",
    "random_state": "--seed",
    "max_iter": "--max-iter",
    "n_init": "--n-init",
    "tol": "--tol",
    "init": "--init",
    "inference": "--inference",
    "weight_prior": "--weight-prior",
    "n_samples": "--rows",
    "learning_rate": "--learning-rate",
    "effective_draws": "--effective-draws",
    "max_draws": "--max-draws",
    "checkpoint": "--checkpoint",
}
"""The option that sets a parameter of the class."""

_WITH_VALUE = re.compile(r"\b({})='(\w+)'".format("|".join(OPTION_OF)))
_ALONE = re.compile(r"(?<![\w'\"-])({})(?![\w'\"])".format("|".join(OPTION_OF)))
_PHRASES = {
    "n_init or restarts": "n_init",
    "raise steps": "raise --steps",
    "raise draws and warmup": "raise --draws and --warmup",
    "say Gibbs(draws=, warmup=)": "say --draws and --warmup",
    "say CollapsedGibbs(draws=, warmup=)": "say --draws and --warmup",
    "use 'map'": "use inference='map'",
}
_JOINERS = "\u200c\u200d"  # format characters, but letters of Persian and Hindi names


def printable(text: str) -> str:
    """Return text whose control and format characters are escaped; line breaks stay."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if _is_harmless(c) else repr(c)[1:-1] for c in text)


def _is_harmless(c: str) -> bool:
    return c.isprintable() or c == "\n" or c in _JOINERS or unicodedata.category(c) == "Zs"


def one_line(text: str) -> str:
    """Return text as one line without control characters."""
    return printable(" ".join(text.split("\n")).strip())


def in_options(message: str) -> str:
    """Return a message of the class in the words of the command: ``--max-iter``, not max_iter."""
    for phrase, replacement in _PHRASES.items():
        message = message.replace(phrase, replacement)
    message = _WITH_VALUE.sub(lambda m: f"{OPTION_OF[m[1]]} {m[2]}", message)
    return _ALONE.sub(lambda m: OPTION_OF[m[1]], message)


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return ``1 row`` or ``2 rows``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def quoted(text: object, limit: int = 200) -> str:
    """Return user data as a quoted literal without control characters, cut where it is long."""
    text = str(text)
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
