"""Text for terminals: user data made harmless, Python's names turned into options."""

import unicodedata

from mixtura.errors import Message, MixturaError, MixturaWarning, Setting, either

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
    "chains": "--chains",
    "draws": "--draws",
    "warmup": "--warmup",
    "steps": "--steps",
    "learning_rate": "--learning-rate",
    "effective_draws": "--effective-draws",
    "max_draws": "--max-draws",
    "checkpoint": "--checkpoint",
    "labels": "--labels",
    "groups": "--groups",
    "background": "--background",
    "background_prior": "--background-prior",
    "measurement_error": "--errors",
    "component_names": "--names",
    "thousands": "--thousands",
    "decimal": "--decimal",
    "marks": "--marks",
}
"""The option that sets a parameter of the class."""

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


def in_options(message: object) -> str:
    """Return a message of the class in the words of the command: ``--max-iter``, not max_iter."""
    if isinstance(message, MixturaError | MixturaWarning):
        message = message.message
    return message.in_words(_option) if isinstance(message, Message) else str(message)


def _option(setting: Setting) -> str:
    """Return a parameter as the option that sets it, where there is one."""
    if setting.name not in OPTION_OF:
        return str(setting)
    option = OPTION_OF[setting.name]
    if setting.values:
        return f"{option} {either(setting.values)}"
    return option if setting.also is None else f"{option} and {OPTION_OF[setting.also]}"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return ``1 row`` or ``2 rows``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def quoted(text: object, limit: int = 200) -> str:
    """Return user data as a quoted literal without control characters, cut where it is long."""
    text = str(text)
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
