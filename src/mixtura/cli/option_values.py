"""What texts of options stand for: one of several names, numbers, names of components."""

import difflib
from collections.abc import Callable, Collection

import typer

from mixtura.errors import InvalidArgumentError


def one_of(choices: Collection[str]) -> Callable[[str | None], str | None]:
    """Return a check that a text, where there is one, is one of the choices."""

    def check(value: str | None) -> str | None:
        if value is None or value in choices:
            return value
        close = difflib.get_close_matches(value.lower(), choices, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(choices)}{hint}")

    return check


def background_of(text: str | None) -> str | None:
    """Return what a background may be: uniform, or a volume above 0."""
    if text is None or text == "uniform":
        return text
    try:
        is_volume = 0.0 < float(text) < float("inf")
    except ValueError:
        is_volume = False
    if not is_volume:
        raise typer.BadParameter(f"{text!r} is neither uniform nor a volume above 0")
    return text


def names_of_components(text: str | None, number: int | None = None) -> tuple[str, ...]:
    """Return the names that stand in a text with commas between them.

    Parameters
    ----------
    text : str, optional
        The names; none where None.
    number : int, optional
        How many components there are, where that is known.
    """
    if text is None:
        return ()
    names = tuple(part.strip() for part in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise InvalidArgumentError("--names: each component needs a name of its own")
    if number is not None and len(names) != number:
        raise InvalidArgumentError(
            f"--names: {number} components need {number} names, not {len(names)}"
        )
    return names


def beta_of(text: str | None) -> tuple[float, float] | None:
    """Return two numbers above 0, of a Beta distribution."""
    if text is None:
        return None
    try:
        first, second = map(float, text.split(","))
    except ValueError:
        first, second = 0.0, 0.0
    if not (0.0 < first < float("inf") and 0.0 < second < float("inf")):
        raise typer.BadParameter(f"{text!r} is not two numbers above 0, as 1,9")
    return first, second


def one_number(text: str | int) -> int:
    """Return a number of components; where several were asked for, say what takes them."""
    said = str(text).strip()
    if said.isascii() and said.isdigit() and len(said) < 10 and int(said) >= 1:
        return int(said)
    several = said and set(said) <= set("0123456789:, ")
    hint = "; mixtura select tries several, as 1:4 or 2,3,5" if several and said != "0" else ""
    raise typer.BadParameter(f"{said!r} is not a whole number of at least 1{hint}")
